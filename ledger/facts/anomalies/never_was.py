"""A20 of a live log: an act that cannot have happened as it claims.

By the registries as the log has them: a claimed time before the ledger, the actor's appointment, the unit, the window
or the item was there, or after the actor had left; a case of an item that was retired or not valid yet on the claimed
day; a claimed time after it was recorded. Clocks may stand apart by the item's grace.

Base rate: of all cases of the log, those that show it: what cannot be needs no comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import NOBODY, Act, Case, Register, Span


class NeverWas:
    """The detector."""

    def __init__(self, register: Register) -> None:
        """Nothing seen yet."""
        self._register = register
        self._reasons = Reasons("A20")

    def judge(self, case: Case) -> None:
        """Hold claimed times against the registries."""
        for act in case.acts:
            why = self._wrong(case, act)
            if why is not None:
                reason, zh, en = why
                self._reasons.did(reason, case.leaf, [act.leaf], f"“{act.verb}”{zh}", f"“{act.verb}” {en}")

    def _wrong(self, case: Case, act: Act) -> tuple[str, str, str] | None:
        here, at, grace = self._register, act.at_us, case.grace_us
        if at > act.recorded_us + grace:
            return "future", "所称时间晚于其记录时间", "claims a time after it was recorded"
        if act.role in NOBODY:
            return None
        if here.opened_us is not None and at < here.opened_us - grace:
            return "centre", "所称时间早于本中心设立", "claims a time before the centre was there"
        if not _within(here.staff.get(act.actor), at, grace):
            return "staff", "所称时间经办人不在岗", "claims a time at which its actor was not employed"
        unit, window = here.units.get(act.unit or ""), here.windows.get(act.window or "")
        if unit is not None and not _within([unit[1]], at, grace):
            return "unit", "所称时间该单位尚未设立或已撤销", "claims a time at which its unit was not there"
        if window is not None and not _within([window[1]], at, grace):
            return "window", "所称时间该窗口尚未开设或已关闭", "claims a time at which its window was not there"
        if act.verb == "applied" and case.item is not None:
            spans = [Span(one.from_us, one.to_us) for one in here.items.get(case.item.code, ())]
            if not _within(spans, at, grace):
                return "item", "所称时间该事项尚未生效或已停办", "claims a time at which its item was not valid"
        return None

    def found(self, cases: int) -> Iterator[Anomaly]:
        """One row per case."""
        return self._reasons.found(at_all=cases)


def _within(spans: Sequence[Span] | None, at_us: int, grace_us: int) -> bool:
    return not spans or any(
        span.from_us - grace_us <= at_us and (span.to_us is None or at_us <= span.to_us + grace_us) for span in spans
    )
