"""A mediation (调解): two or more kinds of mediators on one dispute, and whether what was agreed was done.

Promise: as for ``stages``; no session without mediators of two kinds, and none of them confirms the agreement.

    (nothing) ── filed ──▶ filed ── parties_agreed ──▶ agreed_to_mediate ── mediators_named ──▶ named
                            │ parties_declined                                 session_held │ (again and again)
                            ▼                                                               ▼
                          declined                         failed ◀── failed ────────── in_session
                                                                                            │ agreed
                            performed ◀── performed ── confirmed ◀── confirmed ──────── agreed
                                ▲ └────────────── performed ◀──────────────────────────── │ │
                                └── performed ── breached ◀── breached (also of confirmed) ─┘
    until an agreement withdrawn ──▶ withdrawn
    declined · failed · withdrawn · performed · breached ── closed ──▶ closed

Mediators may be named anew between sessions. That the petition came up again (petition_repeated) is stated
whenever it does, after it failed, was performed or breached, or was closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import NotAllowed, Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

DISPUTES: Final = frozenset({"governance", "petition", "labour", "consumer", "medical", "traffic"})
MEDIATORS: Final = frozenset({"people", "administrative", "judicial"})
MEDIATOR_KINDS: Final = 2
"""At least: many help with one dispute, so that no office has it to itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mediation(Matter):
    """The state of a mediation. ``mediators``: actor → kind; ``petitions``: how often it came up again."""

    dispute: str = ""
    mediators: Mapping[str, str] = field(default_factory=dict)
    sessions: int = 0
    petitions: int = 0


COURSE: Final = course(
    "mediation",
    """
    -                         filed              filed              mediator,window_clerk+own_window,grid_worker
    filed                     parties_agreed     agreed_to_mediate  mediator
    filed                     parties_declined   declined           mediator
    agreed_to_mediate,named,in_session  mediators_named  named      mediator
    named,in_session          session_held       in_session         mediator
    in_session                agreed             agreed             mediator
    in_session                failed             failed             mediator
    filed,agreed_to_mediate,named,in_session  withdrawn  withdrawn  mediator
    agreed                    confirmed          confirmed          mediator
    agreed,confirmed,breached performed          performed          mediator
    agreed,confirmed          breached           breached           mediator
    declined,failed,withdrawn,performed,breached  closed  closed    mediator
    failed,performed,breached,closed  petition_repeated  =          mediator
    """,
)


def _check(state: Mediation | None, act: Statement, registry: Registry) -> None:
    verb, data = verb_of(act.type), act.data
    if state is None:
        check_code(data["dispute"], DISPUTES, "kind of dispute")
        return
    match verb:
        case "mediators_named":
            mediators = data["mediators"]
            for actor, kind in mediators.items():
                check_code(kind, MEDIATORS, "kind of mediator")
                registry.appointment_of(actor)
            if len(set(mediators.values())) < MEDIATOR_KINDS:
                raise Refused(
                    f"a dispute has mediators of {MEDIATOR_KINDS} kinds at least",
                    code="mediator-kinds",
                    mend=f"name another, of: {', '.join(sorted(MEDIATORS))}",
                )
        case "session_held" | "agreed" | "failed":
            if act.actor not in state.mediators:
                raise NotAllowed(
                    f"{act.actor} does not mediate here",
                    code="mediator",
                    mend=f"let one of them state it: {', '.join(sorted(state.mediators))}",
                )
        case "confirmed":
            persons = {registry.person_of(actor) for actor in state.mediators}
            if registry.person_of(act.actor) in persons:
                raise NotAllowed(
                    "who mediated does not confirm", code="two-persons", mend="have another person confirm it"
                )


def _take(state: Mediation, act: Statement, registry: Registry) -> Mediation:
    match verb_of(act.type):
        case "filed":
            return replace(state, dispute=act.data["dispute"])
        case "mediators_named":
            return replace(state, mediators=act.data["mediators"])
        case "session_held":
            return replace(state, sessions=state.sessions + 1)
        case "petition_repeated":
            return replace(state, petitions=state.petitions + 1)
    return state


FOLD: Final = StageFold(COURSE, Mediation, check=_check, take=_take)
