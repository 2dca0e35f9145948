"""A8: the clock of a case was stopped in a way that suits nobody but the clock.

Four reasons, each with its own base rate: a pause whose notice is empty or was served in another case already; pauses
of five days or more that hold over half of the time from acceptance to decision (or to the last act); a pause stated
on the day on which a clock of the case was due, or on the working day before; a withdrawal as late as that, or later,
and the same item applied for anew at the same window within a day.

Base rate: of all promise cases, those that show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ledger.facts.anomalies.found import DAY_US, Anomaly, Reasons
from ledger.facts.anomalies.live import Act, Case

NO_NOTICE: Final = frozenset({"none", "nil", "na", "n.a", "n/a", "no", "null", "missing", "unknown", "0", "tbd"})
LONG_US: Final = 5 * DAY_US  # shorter pauses gain little
REFILED_US: Final = DAY_US


def held_us(acts: Sequence[Act]) -> tuple[int, int]:
    """Time under a pause of the whole case, and time from acceptance to decision or to the last act."""
    began = next((act.recorded_us for act in acts if act.verb in _ACCEPTED), None)
    ended = next((act.recorded_us for act in reversed(acts) if act.verb in ("decided", "withdrawn")), None)
    if began is None:
        return 0, 0
    ended = acts[-1].recorded_us if ended is None else ended
    held, since, open_ = 0, 0, set[object]()
    for act in acts:
        if act.verb == "suspended" and "branch" not in act.data:
            if not open_:
                since = act.recorded_us
            open_.add(act.data.get("pause"))
        elif act.verb == "resumed" and "branch" not in act.data:
            open_.discard(act.data.get("pause"))
            if not open_:
                held += act.recorded_us - since
    return held + (max(0, ended - since) if open_ else 0), ended - began


_ACCEPTED: Final = ("accepted", "accepted_with_gaps", "deemed_accepted")


class Gaming:
    """The detector. Keeps withdrawals near a due instant, and the first notice numbers of cases with a pause."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._reasons = Reasons("A8")
        self._notices: dict[str, int] = {}
        self._again: list[tuple[int, Act, str]] = []
        self._withdrawn: dict[tuple[str, str | None], list[tuple[int, Act]]] = {}
        self._applied: dict[tuple[str, str | None], list[tuple[int, Act]]] = {}

    def learn(self, case: Case) -> None:
        """Note withdrawals close to a due instant: only of their item and window are new applications kept."""
        for act in case.acts:
            if act.verb == "withdrawn" and act.leaf in case.due_us and case.item is not None:
                self._withdrawn.setdefault((case.item.code, case.acts[0].window), []).append((case.leaf, act))

    def judge(self, case: Case) -> None:
        """Look at the pauses and the withdrawal of a case."""
        if case.item is None:
            return
        first = case.acts[0]
        if (case.item.code, first.window) in self._withdrawn:
            self._applied.setdefault((case.item.code, first.window), []).append((case.leaf, first))
        pauses = [act for act in case.acts if act.verb == "suspended"]
        if not case.item.on_the_spot:
            for reason in ("notice", "half", "before", "refiled"):
                self._reasons.could(reason)
        if not pauses:
            return
        self._pauses(case, pauses)
        held, whole = held_us(case.acts)
        if held > LONG_US and held * 2 > whole:
            share = f"{held / whole:.0%}"
            self._reasons.did(
                "half",
                case.leaf,
                [act.leaf for act in case.acts if act.verb in ("suspended", "resumed")],
                f"受理至决定期间有 {share} 的时间处于中止",
                f"{share} of the time from acceptance to decision lies under a pause",
                strength=held / whole,
            )

    def _pauses(self, case: Case, pauses: list[Act]) -> None:
        for act in pauses:
            notice = str(act.data.get("notice", ""))
            first = self._notices.setdefault(notice, case.leaf)
            if not notice.strip("-_./ ") or notice.lower() in NO_NOTICE:
                self._reasons.did(
                    "notice",
                    case.leaf,
                    [act.leaf],
                    f"中止（{act.data.get('pause')}）没有书面通知",
                    f"a pause ({act.data.get('pause')}) without a written notice",
                )
            elif first != case.leaf:
                self._reasons.did(
                    "notice",
                    case.leaf,
                    [act.leaf],
                    f"中止所引通知 {notice} 已用于另一办件",
                    f"the notice of a pause, {notice}, is another case's already",
                )
            if act.leaf in case.due_us:
                left = f"{(case.due_us[act.leaf] - act.recorded_us) / 3_600_000_000:.1f}"
                self._reasons.did(
                    "before",
                    case.leaf,
                    [act.leaf],
                    f"期限届满前 {left} 小时中止",
                    f"paused {left} h before the clock was due",
                )

    def found(self) -> Iterator[Anomaly]:
        """One row per case; of a withdrawal, the withdrawn one."""
        for key, gone in self._withdrawn.items():
            for leaf, act in gone:
                for other, applied in self._applied.get(key, ()):
                    if other != leaf and 0 <= applied.recorded_us - act.recorded_us <= REFILED_US:
                        self._reasons.did(
                            "refiled",
                            leaf,
                            [act.leaf, applied.leaf],
                            "期限将满时撤回，随即在同一窗口重新申请同一事项",
                            "withdrawn as its clock ran out, and applied for anew at the same window at once",
                        )
        return self._reasons.found()
