"""The clocks of a public purchase or sale: its stages' limits, and the least times that bidders have.

Promise: as for ``case_clocks``, of which these are runs like any other. No item stands behind a procedure, so the rule
pack that asks of these clocks says their limits (``clocks`` of a pack, see ``card_rules``); one pack in force does.
Every member but ``limit`` is optional::

    {"contract": {"limit": 30, "unit": "calendar-day", "roll": true, "last_instant": "24:00",
                  "pauses": ["objection"]}}

    clock        runs from                to
    notice       tender published         the closing instant, a least time
    amendment    each tender amended      the closing instant, a least time
    opening      the closing instant      bids opened
    award        bids opened              awarded
    contract     awarded                  contract signed
    objection    challenged               that challenge settled (``branch``: which)

Failing, cancelling and completing stop whatever runs. A least time ends when the tender says, so its end is told ahead
and is another after an amendment; it is ``short`` from when less than the limit was told. ``objection`` among the
pauses holds a clock while an objection is open, as the law suspends the procedure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from ledger.errors import Malformed
from ledger.facts.case_clocks import (
    Fold,
    ItemClock,
    OpenPause,
    Run,
    TimedAct,
    instant_at,
    is_short,
    parse_clock,
    us_of,
)
from ledger.facts.clocks import local_day
from ledger.facts.types import verb_of
from ledger.statement import instant_us

OBJECTION: Final = "objection"
LEAST: Final = ("notice", "amendment")
CLOCK_NAMES: Final = frozenset({*LEAST, "opening", "award", "contract", OBJECTION})
ENDED: Final = frozenset({"complete", "cancelled"})
"""Stages after which nothing is asked of a procedure any more."""
_HELD: Final = ("opening", "award", "contract")
_MEMBERS: Final = frozenset({"limit", "unit", "roll", "last_instant", "pauses"})
_GRACE_US: Final = 5 * 60_000_000
_FAR_US: Final = 3650 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class TradingRules:
    """The limits in force."""

    clocks: Mapping[str, ItemClock] = field(default_factory=dict)
    grace_us: int = _GRACE_US


def parse_clocks(raw: Any) -> dict[str, ItemClock]:
    """The clocks that a pack says, or Malformed with the first thing that is wrong."""
    if not isinstance(raw, dict) or not raw:
        raise Malformed("clocks is an object: name → limit and more", code="rules-malformed", mend="leave it out")
    return {name: _parse(name, data) for name, data in raw.items()}


def _parse(name: str, raw: Any) -> ItemClock:
    found = parse_clock(name, raw, names=CLOCK_NAMES, members=_MEMBERS)
    if not found.pauses <= ({OBJECTION} if name in _HELD else set()):
        raise Malformed(
            f"clock {name}: only {', '.join(_HELD)} can be held, by {OBJECTION}", code="item-clock", clock=name
        )
    # An objection stands for itself as a branch does, and what it holds is of the whole procedure.
    return replace(found, branch_pauses=True)


class TradingFold(Fold):
    """How a procedure's acts move its clocks."""

    def take(self, act: TimedAct) -> None:
        """The next act."""
        self._flag(act)
        when, data = instant_at(self._decides_us(act)), act.data
        match verb_of(act.type):
            case "tender_published":
                closes = _closing(data["closes"], when)
                self._begin("notice", when, closes)
                self._start("opening", closes)
            case "tender_amended":
                closes = _closing(data["closes"], when)
                self._move(when, closes)
                self._begin("amendment", when, closes)
            case "bids_opened":
                self._stop(when, "opening")
                self._start("award", when)
            case "awarded":
                self._stop(when, "award")
                self._start("contract", when)
            case "contract_signed":
                self._stop(when, "contract")
            case "challenged":
                self._start(OBJECTION, when, branch=data["challenge"])
                self._suspend(act, OpenPause(OBJECTION, data["challenge"], None, act.seq, when))
            case "challenge_settled":
                self._stop(when, OBJECTION, branch=data["challenge"])
                self._resume(OBJECTION, data["challenge"], when)
            case "tender_failed" | "cancelled" | "completed":
                self._end(when)

    def _begin(self, name: str, when: datetime, closes: datetime) -> None:
        run = self._start(name, when)
        if run is not None:
            run.told = True
            self._tell(run, when, closes)

    def _tell(self, run: Run, when: datetime, closes: datetime) -> None:
        run.stop = max(closes, run.start)
        if run.short is None and is_short(run.due(self.calendar.as_known(local_day(when))), run.stop):
            run.short = when

    def _move(self, when: datetime, closes: datetime) -> None:
        """Another closing instant."""
        for run in self.runs:
            if run.clock.name == "opening" and run.stop is None:
                run.start = closes
            if run.told and run.stop is not None and run.stop > when:
                self._tell(run, when, closes)

    def _end(self, when: datetime) -> None:
        self.pauses.clear()
        self._stop_all(when)
        for run in self.runs:
            if run.told and run.stop is not None and run.stop > when:
                run.stop, run.told = when, False  # it never closed: nobody had too little time


def _closing(text: str, when: datetime) -> datetime:
    """The closing instant; one that no calendar reaches counts as ten years away."""
    near, us = us_of(when), instant_us(text)
    return instant_at(min(max(us, near - _FAR_US), near + _FAR_US))
