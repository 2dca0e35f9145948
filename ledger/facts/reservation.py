"""A review reserved ahead (预约审批): the unit keeps a day for a case that is not complete yet.

    (nothing) ── asked ──▶ asked ── confirmed ──▶ confirmed ── begun ──▶ begun
                             │ declined                │ lapsed ──▶ lapsed
                             ▼                         │
                          declined    withdrawn ◀── withdrawn (also of asked)

Promise: as for ``stages``. The unit that was asked answers. The review begins with a case, on the day or before it;
the reservation lapses after the day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.case_clocks import day_at
from ledger.facts.stages import Matter, StageFold, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation(Matter):
    """The state of a reservation. ``day``: ISO; ``case``: the stream that it became."""

    item: str = ""
    day: str = ""
    case: str | None = None


COURSE: Final = course(
    "reservation",
    """
    -                asked      asked      citizen,window_clerk+own_window,enterprise_officer
    asked            confirmed  confirmed  reviewer+own_unit+case_unit,approver+own_unit+case_unit
    asked            declined   declined   reviewer+own_unit+case_unit,approver+own_unit+case_unit
    confirmed        begun      begun      reviewer+own_unit+case_unit,approver+own_unit+case_unit
    confirmed        lapsed     lapsed     system_clock
    asked,confirmed  withdrawn  withdrawn  citizen,window_clerk+own_window,enterprise_officer
    """,
)


def _check(state: Reservation | None, act: Statement, registry: Registry) -> None:
    verb, day = verb_of(act.type), day_at(act.at_us).isoformat()
    if verb == "asked":
        version = registry.item_valid_on(act.data["item"], day)
        if version is None:
            raise Refused(f"there is no item {act.data['item']}", code="item", mend="name a published item")
        if act.data["unit"] != version.data["unit"]:
            raise Refused(
                f"{act.data['item']} is {version.data['unit']}'s",
                code="item-unit",
                mend=f"ask {version.data['unit']}",
            )
        if act.data["day"] < day:
            raise Refused("the day is over", code="day", mend="ask for a day to come")
    if state is None:
        return
    if verb == "begun" and day > state.day:
        raise Refused(f"the reservation was for {state.day}", code="day", mend="reserve another day")
    if verb == "lapsed" and day <= state.day:
        raise Refused(f"the day {state.day} is not over", code="day", mend="let it lapse the day after")


def _take(state: Reservation, act: Statement, registry: Registry) -> Reservation:
    match verb_of(act.type):
        case "asked":
            return replace(state, item=act.data["item"], unit=act.data["unit"], day=act.data["day"])
        case "begun":
            return replace(state, case=act.data["case"])
    return state


FOLD: Final = StageFold(COURSE, Reservation, check=_check, take=_take)
