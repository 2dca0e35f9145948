"""A15: footage was looked at without a grant, outside of it, by somebody whom it concerns, or very often; or watched
live for no complaint there is, when the hall is closed, or far more often than others do.

Read from the streams of grants, of which each is one clip for one viewer, and from the complaint that a grant names:
who is complained of there, also where the grant itself does not say so. Wrong is a use before anything was granted, one
by another than the grantee, at or past the expiry or after the grant was withdrawn, of a span outside the granted one,
and a viewing of anything but a redacted clip by the complained-of. Many is more than ``MANY`` watchings under one
grant: a film is stated piece by piece as it plays, and pieces that follow within ``WATCHING_US`` are one watching.

Of live viewings wrong is one for a complaint that it does not name, or that was not open then, and one at closed hours
(as A6 has them) unless it is for an incident. Far too often is ``OFTEN`` viewings or more of one person on one day, and
over ``TIMES`` times the median day of the others who watch.

Base rate: of all cases of the log, those that show it: a broken rule needs no comparison.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any, Final

from ledger.facts.anomalies.after_hours import AfterHours
from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Act, Case, Register
from ledger.facts.case_clocks import day_at
from ledger.facts.exact import median
from ledger.facts.grants import WATCHING_US
from ledger.statement import instant_us

MANY: Final = 10
OFTEN: Final = 12
TIMES: Final = 4
_LEAST_DAYS: Final = 5  # of others, or there is nobody to compare with
_LOOKED: Final = frozenset({"clip_viewed", "clip_downloaded", "clip_shared"})


class ClipAccess:
    """The detector. Keeps who is complained of in each complaint, when it was open, and every live viewing."""

    def __init__(self, register: Register, hours: AfterHours) -> None:
        """Nothing seen yet. ``hours``: knows when the hall is closed, once it has learnt."""
        self._reasons = Reasons("A15")
        self._against: dict[str, frozenset[str]] = {}
        self._open: dict[str, tuple[int, int | None]] = {}
        self._register, self._hours = register, hours
        self._watched: dict[tuple[str, date], list[tuple[int, int]]] = defaultdict(list)

    def learn(self, case: Case) -> None:
        """Note who is complained of, and when."""
        if case.kind != "complaint":
            return
        closed = next((act.leaf for act in case.acts if act.verb == "closed"), None)
        self._open[case.stream] = case.leaf, closed
        for act in case.acts:
            if "complained_of" in act.data:
                self._against[case.stream] = frozenset(act.data["complained_of"])

    def judge(self, case: Case) -> None:
        """Hold every use against its grant, and every live viewing against what it is for."""
        if case.kind == "live":
            self._live(case)
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

    def _live(self, case: Case) -> None:
        act = case.acts[0]
        self._watched[self._register.person(act.actor), day_at(act.recorded_us)].append((case.leaf, act.leaf))
        purpose = act.data["purpose"]
        if purpose == "complaint" and not self._is_open(act):
            zh, en = "以投诉为由实时查看，却没有在办的投诉", "watched live for a complaint that was not open"
            self._reasons.did("purpose", case.leaf, [act.leaf], zh, en, strength=2)
        when = None if purpose == "incident" else self._hours.closed(act.recorded_us, act.data.get("window", ""))
        if when is not None:
            zh, en = f"非办公时间实时查看（{when}）", f"watched live when the hall is closed ({when})"
            self._reasons.did("hours", case.leaf, [act.leaf], zh, en, strength=1)

    def _is_open(self, act: Act) -> bool:
        opened, closed = self._open.get(f"complaint/{act.data.get('complaint')}", (None, None))
        return opened is not None and opened < act.leaf and (closed is None or act.leaf < closed)

    def found(self, cases: int) -> Iterator[Anomaly]:
        """One row per grant or viewing; who watches far too often has one for the first viewing of that day."""
        for (person, _), views in sorted(self._watched.items()):
            if len(views) < OFTEN:
                continue
            others = sorted(len(days) for (other, _), days in self._watched.items() if other != person)
            usual = median(others)
            if usual is not None and len(others) >= _LEAST_DAYS and len(views) > TIMES * usual:
                zh = f"一日实时查看 {len(views)} 次，他人中位 {float(usual):g} 次"
                en = f"watched live {len(views)} times in a day, of others the median is {float(usual):g}"
                leaves = [leaf for _, leaf in views]
                self._reasons.did("often", views[0][0], leaves, zh, en, strength=float(len(views)))
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
