"""A ticket (排队号): taken, called, then served, skipped or expired.

Promise: as for ``approval``; ``check`` refuses with the reason and what may be done, ``apply`` is pure.

    (nothing) ── taken ──▶ taken ── called ──▶ called ── served ──▶ served
                             │                 ▲    └── skipped ──▶ skipped
                             │                 └────── called ────────┤
                             └── expired ──▶ expired ◀── expired ─────┘  (also from called)

A window calls to itself, and who was called is served or skipped by that window.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from typing import Final

from ledger.errors import Refused
from ledger.facts.exact import percentile
from ledger.facts.registry import Registry
from ledger.facts.stages import out_of_order
from ledger.facts.types import verb_of
from ledger.facts.upcasts import current
from ledger.statement import Statement

LAST_WAITS: Final = 20
_LEAST_WAITS: Final = 5
_LOW, _HIGH = Fraction(1, 10), Fraction(9, 10)


def expected_wait(waits_us: Iterable[int]) -> tuple[Fraction, Fraction] | None:
    """From how long to how long (µs) a ticket may wait: the middle four fifths of the queue's last waits.

    ``waits_us``: at most ``LAST_WAITS`` of them, each from taken to the first call. None while five are not known.
    """
    waits = sorted(waits_us)
    low, high = percentile(waits, _LOW), percentile(waits, _HIGH)
    return None if low is None or high is None or len(waits) < _LEAST_WAITS else (low, high)


class Stage(StrEnum):
    """Where a ticket stands."""

    TAKEN = "taken"
    CALLED = "called"
    SERVED = "served"
    SKIPPED = "skipped"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The state of one ticket.

    ``channel``: it was taken through; ``window``: that called it last; ``case``: what it was served for.
    """

    stage: Stage
    number: str
    queue: str
    opener: str
    channel: str = "counter"
    window: str | None = None
    calls: int = 0
    case: str | None = None


# Act → the stages it may come in.
TABLE: Final[Mapping[str, frozenset[Stage]]] = {
    "taken": frozenset(),
    "called": frozenset({Stage.TAKEN, Stage.SKIPPED}),
    "served": frozenset({Stage.CALLED}),
    "skipped": frozenset({Stage.CALLED}),
    "expired": frozenset({Stage.TAKEN, Stage.CALLED, Stage.SKIPPED}),
}


class _TicketFold:
    """The fold of ``ticket`` streams."""

    def check(self, state: Ticket | None, act: Statement, registry: Registry) -> None:
        """Refuse ``act`` when the ticket forbids it."""
        verb = verb_of(act.type)
        if state is None and verb == "taken":
            return
        if state is None or verb not in TABLE or state.stage not in TABLE[verb]:
            raise out_of_order(
                verb,
                kind="ticket",
                thing="the ticket",
                stage=None if state is None else str(state.stage),
                unopened="not taken yet",
                possible=[v for v, stages in TABLE.items() if (state.stage in stages if state else not stages)],
            )
        if verb == "called" and act.window is not None and act.data["window"] != act.window:
            raise Refused(
                f"the window {act.window} cannot call to {act.data['window']}",
                code="ticket-window",
                mend="let that window call",
            )
        if verb in ("served", "skipped") and act.window is not None and act.window != state.window:
            raise Refused(
                f"the ticket was called by {state.window}, not by {act.window}",
                code="ticket-window",
                mend=f"let {state.window} state it, or skip the ticket there and call it again",
            )

    def apply(self, state: Ticket | None, act: Statement, recorded_us: int | None, registry: Registry) -> Ticket:
        """The ticket after a valid ``act``."""
        act = current(act)
        data, stage = act.data, Stage(verb_of(act.type))
        if state is None:
            return Ticket(
                stage=stage, number=data["number"], queue=data["queue"], opener=act.actor, channel=data["channel"]
            )
        if stage is Stage.CALLED:
            return replace(state, stage=stage, window=data["window"], calls=state.calls + 1)
        return replace(state, stage=stage, case=data.get("case", state.case))


FOLD: Final = _TicketFold()
