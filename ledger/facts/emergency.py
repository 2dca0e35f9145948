"""An emergency (应急): from the alarm to the review.

Promise: as for ``stages``; forces that arrive were sent, and an emergency ends only when all is quiet.

    (nothing) ── alarm_raised ──▶ alarm ── acknowledged ──▶ acknowledged ── dispatched ──▶ dispatched
                                    │ false_alarm               │ false_alarm                   │ arrived
                                    ▼                           ▼                               ▼
                                  false_alarm ◀─────────────────┘   stabilised ◀── stabilised ─ on_scene
                                    │ closed                            │ closed
                                    ▼                                   ▼
                                  closed ── reviewed ──▶ reviewed

More forces are sent and arrive until it is stabilised; a video conference (conferred) is stated where one was
held. The three defences are fire, flood and **epidemic** (防火、防汛、防疫).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, check_names, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

THREE_DEFENCES: Final = frozenset({"fire", "flood", "epidemic"})
KINDS: Final = THREE_DEFENCES | {
    "typhoon",
    "rescue",
    "traffic_accident",
    "hazardous_chemicals",
    "public_order",
    "other",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency(Matter):
    """The state of an emergency. ``sent`` and ``arrived``: forces by name."""

    kind: str = ""
    sent: frozenset[str] = frozenset()
    arrived: frozenset[str] = frozenset()


COURSE: Final = course(
    "emergency",
    """
    -                    alarm_raised  alarm         duty_officer,grid_worker,citizen,source_adapter+own_source
    alarm                acknowledged  acknowledged  duty_officer
    alarm,acknowledged   false_alarm   false_alarm   duty_officer
    acknowledged         dispatched    dispatched    duty_officer
    dispatched,on_scene  dispatched    =             duty_officer
    dispatched,on_scene  arrived       on_scene      duty_officer
    acknowledged,dispatched,on_scene,stabilised  conferred  =  duty_officer
    on_scene             stabilised    stabilised    duty_officer
    stabilised,false_alarm  closed     closed        duty_officer
    closed               reviewed      reviewed      duty_officer
    """,
)


def _check(state: Emergency | None, act: Statement, registry: Registry) -> None:
    if state is None:
        check_code(act.data["kind"], KINDS, "kind of emergency")
        return
    match verb_of(act.type):
        case "dispatched":
            check_names(act.data["forces"], "forces")
        case "arrived" if act.data["force"] not in state.sent - state.arrived:
            away = ", ".join(sorted(state.sent - state.arrived))
            raise Refused(
                f"{act.data['force']} was not sent, or is there already",
                code="force",
                mend=f"on their way: {away or 'none'}",
            )


def _take(state: Emergency, act: Statement, registry: Registry) -> Emergency:
    match verb_of(act.type):
        case "alarm_raised":
            return replace(state, kind=act.data["kind"])
        case "dispatched":
            return replace(state, sent=state.sent | set(act.data["forces"]))
        case "arrived":
            return replace(state, arrived=state.arrived | {act.data["force"]})
    return state


FOLD: Final = StageFold(COURSE, Emergency, check=_check, take=_take)
