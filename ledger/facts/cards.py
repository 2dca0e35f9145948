"""A card (预警、黄牌、红牌): raised by the system clock, answered, appealed, upheld or revoked.

    (nothing) ── raised ──▶ raised ── answered ──▶ answered ── appealed ──▶ appealed
    raised · answered · appealed ── upheld ──▶ upheld      … ── revoked ──▶ revoked
    at any stage but revoked ── revocation_proposed (a recomputed clock) ──▶ as it was

Promise: as for ``stages``. The name of the stream is made of case, rule and clock run (``stream_of``), so that a card
can be raised once and no more, whoever asks again. The system proposes a revocation; a supervisor confirms it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.calendar import Calendar, CalendarUnknown
from ledger.facts.card_rules import Colour
from ledger.facts.case_clocks import day_at, us_of
from ledger.facts.clocks import ClockSpec, due, last_instant_of
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Card(Matter):
    """The state of a card. ``proposed``: a revocation was proposed and not decided."""

    case: str = ""
    rule: str = ""
    proposed: bool = False


def stream_of(case: str, rule: str, *run: object) -> str:
    """The stream of the one card that ``rule`` can raise on this run of this case. ``run``: clock, branch, step, n."""
    parts = "\x1f".join(["" if part is None else str(part) for part in (case, rule, *run)])
    return f"card/{hashlib.sha256(parts.encode()).hexdigest()[:32]}"


def answer_due_us(raised_us: int, calendar: Calendar, *, days: int) -> int | None:
    """The last instant (µs) at which a card is answered in time: the end of so many working days.

    As the calendar was known when it was raised; None where that day's year was not.
    """
    within = ClockSpec(days)
    try:
        day = due(within, day_at(raised_us), calendar=calendar.as_known(day_at(raised_us)))
    except CalendarUnknown:
        return None
    return us_of(last_instant_of(day, within))


COURSE: Final = course(
    "card",
    """
    -                         raised               raised    system_clock
    raised                    answered             answered  unit_head+own_unit+case_unit
    raised,answered           appealed             appealed  unit_head+own_unit+case_unit
    raised,answered,appealed  upheld               upheld    supervisor
    raised,answered,appealed  revoked              revoked   supervisor
    upheld                    revoked              revoked   supervisor
    raised,answered,appealed  revocation_proposed  =         system_clock
    upheld                    revocation_proposed  =         system_clock
    """,
)


def _check(state: Card | None, act: Statement, registry: Registry) -> None:
    data, verb = act.data, verb_of(act.type)
    if state is None:
        check_code(data["colour"], frozenset(Colour), "colour")
        run = (data.get("clock"), data.get("branch"), data.get("step"), data.get("run"))
        if act.stream != stream_of(data["case"], data["rule"], *run):
            raise Refused(
                "a card stands in the stream of its case, rule and run",
                code="card-stream",
                mend=f"use {stream_of(data['case'], data['rule'], *run)}",
            )
    elif verb == "revocation_proposed" and state.proposed:
        raise Refused("its revocation is proposed already", code="proposed", mend="a supervisor decides")
    elif verb == "revoked" and state.stage == "upheld" and not state.proposed:
        raise Refused(
            "an upheld card is revoked only when its clock was recomputed",
            code="upheld",
            mend="nothing can be done unless the system proposes it",
        )


def _take(state: Card, act: Statement, registry: Registry) -> Card:
    data = act.data
    match verb_of(act.type):
        case "raised":
            return replace(state, case=data["case"], rule=data["rule"], unit=data.get("unit"))
        case "revocation_proposed":
            return replace(state, proposed=True)
        case "upheld":
            return replace(state, proposed=False)
    return state


FOLD: Final = StageFold(COURSE, Card, check=_check, take=_take)
