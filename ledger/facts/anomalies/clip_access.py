"""A15: footage was looked at without a grant, outside of it, by somebody whom it concerns, or very often.

Read from complaints (``clip_granted``, ``clip_viewed`` and what says who is complained of) and from the streams of
grants, of which each is one clip for one viewer. Wrong is a viewing that names no grant, one by another than the
grantee, at or past the expiry or after the grant was withdrawn, of a span outside the granted one, and a viewing of
anything but a redacted clip by the complained-of. Many is more than ``MANY`` viewings under one grant.

Base rate: of all cases of the log, those that show it: a broken rule needs no comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Act, Case
from ledger.statement import instant_us

MANY: Final = 10
_LOOKED: Final = frozenset({"clip_viewed", "clip_downloaded", "clip_shared"})


class ClipAccess:
    """The detector. Keeps who is complained of in each complaint."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._reasons = Reasons("A15")
        self._against: dict[str, frozenset[str]] = {}

    def learn(self, case: Case) -> None:
        """Note who is complained of."""
        for act in case.acts:
            if case.kind == "complaint" and "complained_of" in act.data:
                self._against[case.stream] = frozenset(act.data["complained_of"])

    def judge(self, case: Case) -> None:
        """Hold every viewing against its grant."""
        if case.kind not in ("complaint", "grant"):
            return
        grants: dict[str, Act] = {}
        times: Counter[str] = Counter()
        by_leaf: dict[str, list[int]] = {}
        withdrawn = False
        for act in case.acts:
            if act.verb == "clip_granted":
                grants[_grant(case, act)] = act
            elif act.verb == "grant_withdrawn":
                withdrawn = True
            elif act.verb in _LOOKED:
                key = str(act.data.get("grant", "")) if case.kind == "complaint" else ""
                grant = grants.get(key)
                times[key] += 1
                by_leaf.setdefault(key, []).append(act.leaf)
                self._viewing(case, act, grant, withdrawn=withdrawn)
        for key, many in times.items():
            if many > MANY:
                zh, en = f"同一授权下查看 {many} 次", f"{many} viewings under one grant"
                self._reasons.did("many", case.leaf, by_leaf[key], zh, en, strength=float(many))

    def _viewing(self, case: Case, act: Act, grant: Act | None, *, withdrawn: bool) -> None:
        viewer = str(act.data.get("viewer", act.actor))
        complained = self._against.get(str((grant or act).data.get("complaint", case.stream)), frozenset())
        if grant is None:
            self._reasons.did(
                "none", case.leaf, [act.leaf], "查看录像没有授权", "footage was viewed without a grant", strength=9
            )
            return
        wrong = _wrong(act, viewer, grant, withdrawn=withdrawn)
        complained |= frozenset(grant.data.get("complained_of", ()))
        if wrong is None and viewer in complained and act.data.get("rendition", "redacted") != "redacted":
            wrong = "self", "被投诉人查看未遮挡的录像", "the complained-of viewed a clip that is not redacted"
        if wrong is not None:
            self._reasons.did(wrong[0], case.leaf, [act.leaf, grant.leaf], wrong[1], wrong[2], strength=1)

    def found(self, cases: int) -> Iterator[Anomaly]:
        """One row per complaint or grant."""
        return self._reasons.found(at_all=cases)


def _grant(case: Case, act: Act) -> str:
    return act.id if case.kind == "complaint" else ""


def _wrong(act: Act, viewer: str, grant: Act, *, withdrawn: bool) -> tuple[str, str, str] | None:
    data: Any = grant.data
    if viewer != data.get("to", data.get("viewer", viewer)):
        return "other", "由被授权人以外的人查看录像", "footage was viewed by another than it was granted to"
    if withdrawn:
        return "withdrawn", "授权撤回后查看录像", "footage was viewed after the grant was withdrawn"
    if "expires" in data and act.recorded_us >= instant_us(data["expires"]) + _SKEW_US:
        return "late", "授权到期后查看录像", "footage was viewed after the grant had run out"
    if "since" in data and "since" in act.data and not _within(act.data, data):
        return "span", "查看的时段超出授权", "more was viewed than the granted span"
    return None


def _within(seen: Any, granted: Any) -> bool:
    return instant_us(granted["since"]) <= instant_us(seen["since"]) and instant_us(seen["until"]) <= instant_us(
        granted["until"]
    )


_SKEW_US: Final = 5_000_000  # a viewing is recorded a moment after it was allowed
