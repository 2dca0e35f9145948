"""A15: footage was looked at without a grant, outside of it, by somebody whom it concerns, or very often.

Read from the streams of grants, of which each is one clip for one viewer, and from the complaint that a grant names:
who is complained of there, also where the grant itself does not say so. Wrong is a use before anything was granted, one
by another than the grantee, at or past the expiry or after the grant was withdrawn, of a span outside the granted one,
and a viewing of anything but a redacted clip by the complained-of. Many is more than ``MANY`` watchings under one
grant: a film is stated piece by piece as it plays, and pieces that follow within ``WATCHING_US`` are one watching.

Base rate: of all cases of the log, those that show it: a broken rule needs no comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Act, Case
from ledger.facts.grants import WATCHING_US
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
        """Hold every use against its grant."""
        if case.kind != "grant":
            return
        grant: Act | None = None
        withdrawn = False
        watched: list[Act] = []  # the first piece of each watching
        last_us = None
        for act in case.acts:
            if act.verb == "clip_granted":
                grant = act
            elif act.verb == "grant_withdrawn":
                withdrawn = True
            elif act.verb in _LOOKED:
                self._use(case, act, grant, withdrawn=withdrawn)
            if act.verb == "clip_viewed":
                if last_us is None or act.recorded_us - last_us > WATCHING_US:
                    watched.append(act)
                last_us = act.recorded_us
        if (many := len(watched)) > MANY:
            zh, en = f"同一授权下观看 {many} 次", f"watched {many} times under one grant"
            self._reasons.did("many", case.leaf, [act.leaf for act in watched], zh, en, strength=float(many))

    def _use(self, case: Case, act: Act, grant: Act | None, *, withdrawn: bool) -> None:
        if grant is None:
            self._reasons.did(
                "none", case.leaf, [act.leaf], "查看录像没有授权", "footage was viewed without a grant", strength=9
            )
            return
        viewer = str(act.data.get("viewer", act.actor))
        wrong = _wrong(act, viewer, grant, withdrawn=withdrawn)
        complained = self._against.get(f"complaint/{act.data.get('complaint')}", frozenset())
        complained |= frozenset(grant.data.get("complained_of", ()))
        if wrong is None and viewer in complained and act.data.get("rendition", "redacted") != "redacted":
            wrong = "self", "被投诉人查看未遮挡的录像", "the complained-of viewed a clip that is not redacted"
        if wrong is not None:
            self._reasons.did(wrong[0], case.leaf, [act.leaf, grant.leaf], wrong[1], wrong[2], strength=1)

    def found(self, cases: int) -> Iterator[Anomaly]:
        """One row per grant."""
        return self._reasons.found(at_all=cases)


def _wrong(act: Act, viewer: str, grant: Act, *, withdrawn: bool) -> tuple[str, str, str] | None:
    data: Any = grant.data
    if viewer != data["viewer"]:
        return "other", "由被授权人以外的人查看录像", "footage was viewed by another than it was granted to"
    if withdrawn:
        return "withdrawn", "授权撤回后查看录像", "footage was viewed after the grant was withdrawn"
    if act.recorded_us >= instant_us(data["expires"]) + _SKEW_US:
        return "late", "授权到期后查看录像", "footage was viewed after the grant had run out"
    if "since" in act.data and not _within(act.data, data):
        return "span", "查看的时段超出授权", "more was viewed than the granted span"
    return None


def _within(seen: Any, granted: Any) -> bool:
    return instant_us(granted["since"]) <= instant_us(seen["since"]) and instant_us(seen["until"]) <= instant_us(
        granted["until"]
    )


_SKEW_US: Final = 5_000_000  # a viewing is recorded a moment after it was allowed
