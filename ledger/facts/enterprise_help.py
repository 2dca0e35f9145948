"""Help for an enterprise (企业服务): the visit, the difficulties it raised, and what became of each.

    (nothing) ── visited ──▶ visited ── difficulty_raised ──▶ helping ── difficulty_resolved, the last ──▶ visited
                    ▲           │                              │  ▲ difficulty_raised · difficulty_resolved
                    └─ visited ─┘                              └──┘
    visited ── closed ──▶ closed
    visited · helping: papers_listed ─▶ applied_for · milestone_dropped, again and again

Promise: as for ``stages``; help is closed only when every difficulty has its outcome and every milestone its end. A
milestone is an application to come: the firm is given its own list of papers and a day to apply by (提前介入), always
before it applies, and the case is linked once it has.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.case_clocks import day_at
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, check_names, course
from ledger.facts.types import verb_of
from ledger.statement import instant_us

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

OUTCOMES: Final = frozenset({"resolved", "referred", "not_possible"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterpriseHelp(Matter):
    """The state of the help for one enterprise. ``difficulties``: code → its outcome, None while it is open."""

    visits: int = 0
    difficulties: Mapping[str, str | None] = field(default_factory=dict)
    milestones: Mapping[str, tuple[str, int]] = field(default_factory=dict)  # open: name → its item, when listed


COURSE: Final = course(
    "enterprise_help",
    """
    -                visited              visited          enterprise_officer
    visited,helping  visited              =                enterprise_officer
    visited,helping  difficulty_raised    helping          enterprise_officer
    helping          difficulty_resolved  helping|visited  enterprise_officer
    visited,helping  papers_listed        =                enterprise_officer
    visited,helping  applied_for          =                enterprise_officer
    visited,helping  milestone_dropped    =                enterprise_officer
    visited          closed               closed           enterprise_officer
    """,
)


def _check(state: EnterpriseHelp | None, act: Statement, registry: Registry) -> None:
    if state is None:
        return
    match verb_of(act.type):
        case "difficulty_raised" if act.data["difficulty"] in state.difficulties:
            raise Refused(
                f"{act.data['difficulty']} was raised already", code="difficulty-known", mend="give it another name"
            )
        case "difficulty_resolved":
            check_code(act.data["outcome"], OUTCOMES, "outcome of a difficulty")
            if state.difficulties.get(act.data["difficulty"], "") is not None:
                waiting = ", ".join(name for name, outcome in state.difficulties.items() if outcome is None)
                raise Refused(
                    f"{act.data['difficulty']} is no open difficulty", code="difficulty", mend=f"open: {waiting}"
                )

        case "papers_listed":
            _check_list(state, act, registry)
        case "applied_for" | "milestone_dropped" if act.data["milestone"] not in state.milestones:
            raise Refused(
                f"{act.data['milestone']} is no open milestone",
                code="milestone",
                mend=f"open: {', '.join(state.milestones)}",
            )
        case "applied_for" if instant_us(act.data["applied"]) < state.milestones[act.data["milestone"]][1]:
            raise Refused(
                "it was applied for before the papers were listed", code="milestone-late", mend="drop the milestone"
            )
        case "closed" if state.milestones:
            raise Refused(
                f"these are not applied for yet: {', '.join(state.milestones)}",
                code="milestone-open",
                mend="link their cases, or drop them with the reason",
            )


def _check_list(state: EnterpriseHelp, act: Statement, registry: Registry) -> None:
    name, day = act.data["milestone"], day_at(act.at_us).isoformat()
    check_names(act.data["papers"], "papers")
    if name in state.milestones:
        raise Refused(f"{name} was listed already", code="milestone-known", mend="give it another name")
    if registry.item_valid_on(act.data["item"], max(day, act.data["apply_by"])) is None:
        raise Refused(
            f"there is no item {act.data['item']}", code="item-unknown", mend="mingjian registry list item names them"
        )
    if act.data["apply_by"] < day:
        raise Refused("the day to apply by is over", code="day", mend="name a day to come")


def _take(state: EnterpriseHelp, act: Statement, registry: Registry) -> EnterpriseHelp:
    match verb_of(act.type):
        case "visited":
            return replace(state, visits=state.visits + 1)
        case "difficulty_raised":
            return replace(state, difficulties={**state.difficulties, act.data["difficulty"]: None})
        case "difficulty_resolved":
            known = {**state.difficulties, act.data["difficulty"]: act.data["outcome"]}
            return replace(state, difficulties=known, stage="helping" if None in known.values() else "visited")
        case "papers_listed":
            return replace(state, milestones={**state.milestones, act.data["milestone"]: (act.data["item"], act.at_us)})
        case "applied_for" | "milestone_dropped":
            left = {name: one for name, one in state.milestones.items() if name != act.data["milestone"]}
            return replace(state, milestones=left)
    return state


FOLD: Final = StageFold(COURSE, EnterpriseHelp, check=_check, take=_take)
