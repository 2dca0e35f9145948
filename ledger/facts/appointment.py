"""An appointment for a visit (预约): made, moved, kept, missed or cancelled.

    (nothing) ── made ──▶ made ── kept ──▶ kept
                          ▲ └ moved  ├─ missed ──▶ missed
                          └───┘      └─ cancelled ──▶ cancelled

Promise: as for ``stages``; it is made for an instant to come, and missed only after that instant.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.stages import Matter, StageFold, course
from ledger.facts.types import verb_of
from ledger.statement import instant_us

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment(Matter):
    """The state of an appointment. ``slot_us``: when the visitor comes; ``ticket``: with which they came."""

    slot_us: int = 0
    ticket: str | None = None


COURSE: Final = course(
    "appointment",
    """
    -     made       made       citizen,window_clerk+own_window,grid_worker,enterprise_officer
    made  moved      made       citizen,window_clerk+own_window,grid_worker,enterprise_officer
    made  kept       kept       window_clerk+own_window
    made  missed     missed     window_clerk+own_window,system_clock
    made  cancelled  cancelled  citizen,window_clerk+own_window,grid_worker,enterprise_officer
    """,
)


def _check(state: Appointment | None, act: Statement, registry: Registry) -> None:
    verb = verb_of(act.type)
    if verb in ("made", "moved") and instant_us(act.data["slot"]) <= act.at_us:
        raise Refused("an appointment is for an instant to come", code="slot", mend="name a later slot")
    if state is not None and verb == "missed" and act.at_us < state.slot_us:
        raise Refused("the visitor may still come", code="slot", mend="wait until the slot is over")


def _take(state: Appointment, act: Statement, registry: Registry) -> Appointment:
    match verb_of(act.type):
        case "made" | "moved":
            return replace(state, slot_us=instant_us(act.data["slot"]))
        case "kept":
            return replace(state, ticket=act.data.get("ticket"))
    return state


FOLD: Final = StageFold(COURSE, Appointment, check=_check, take=_take)
