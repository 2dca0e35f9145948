"""A post that is never empty (应急值守): who is on duty, and how it is handed over.

    (nothing) ── begun ──▶ on_duty ── handover_offered ──▶ offered ── handover_accepted ──▶ on_duty
                             ▲                                │
                             └──────── handover_declined ─────┘

Promise: as for ``stages``; somebody is on duty without a break from ``begun`` on. Until the successor accepts, whoever
offered still is, and only the one that was named accepts or declines.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import NotAllowed, Refused
from ledger.facts.stages import Matter, StageFold, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty(Matter):
    """The state of a post. ``officer``: the actor on duty; ``successor``: to whom it is offered."""

    officer: str = ""
    successor: str | None = None


COURSE: Final = course(
    "duty",
    """
    -        begun              on_duty  duty_officer
    on_duty  handover_offered   offered  duty_officer
    offered  handover_accepted  on_duty  duty_officer
    offered  handover_declined  on_duty  duty_officer
    """,
)


def _check(state: Duty | None, act: Statement, registry: Registry) -> None:
    if state is None:
        return
    if verb_of(act.type) == "handover_offered":
        if act.actor != state.officer:
            raise NotAllowed(
                f"{state.officer} is on duty, not {act.actor}", code="duty", mend=f"let {state.officer} hand over"
            )
        if registry.person_of(act.data["to"]) == registry.person_of(act.actor):
            raise Refused("a post is handed over to another person", code="duty-self", mend="name who comes next")
    elif act.actor != state.successor:
        raise NotAllowed(
            f"the post was offered to {state.successor}, not to {act.actor}",
            code="duty",
            mend=f"let {state.successor} answer",
        )


def _take(state: Duty, act: Statement, registry: Registry) -> Duty:
    match verb_of(act.type):
        case "handover_offered":
            return replace(state, successor=act.data["to"])
        case "handover_declined":
            return replace(state, successor=None)
    return replace(state, officer=act.actor, successor=None)


FOLD: Final = StageFold(COURSE, Duty, check=_check, take=_take)
