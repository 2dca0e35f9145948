"""A plan for emergencies (应急预案): drafted by one, approved by another, revised, retired.

    (nothing) ── drafted ──▶ drafted ── approved ──▶ in_force ── retired ──▶ retired
                                ▲ └─ drafted            │
                                └────── drafted ────────┘

Promise: as for ``stages``; what is in force was approved by somebody else than its author. While a revision is
drafted the plan approved last is still the one that was in force.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.facts.codes import check_code
from ledger.facts.emergency import KINDS
from ledger.facts.stages import Matter, StageFold, check_second_person, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Matter):
    """The state of a plan. ``draft`` and ``in_force``: digests of the documents."""

    kind: str = ""
    draft: str | None = None
    in_force: str | None = None


COURSE: Final = course(
    "plan",
    """
    -                 drafted   drafted   duty_officer
    drafted,in_force  drafted   drafted   duty_officer
    drafted           approved  in_force  duty_officer
    in_force          retired   retired   duty_officer
    """,
)


def _check(state: Plan | None, act: Statement, registry: Registry) -> None:
    verb = verb_of(act.type)
    if verb == "drafted":
        check_code(act.data["kind"], KINDS, "kind of emergency")
    elif state is not None and verb == "approved":
        check_second_person(state, act, registry, "drafted")


def _take(state: Plan, act: Statement, registry: Registry) -> Plan:
    match verb_of(act.type):
        case "drafted":
            return replace(state, kind=act.data["kind"], draft=act.data["document"])
        case "approved":
            return replace(state, in_force=state.draft, draft=None)
    return state


FOLD: Final = StageFold(COURSE, Plan, check=_check, take=_take)
