"""Help for an enterprise (企业服务): the visit, the difficulties it raised, and what became of each.

    (nothing) ── visited ──▶ visited ── difficulty_raised ──▶ helping ── difficulty_resolved, the last ──▶ visited
                    ▲           │                              │  ▲ difficulty_raised · difficulty_resolved
                    └─ visited ─┘                              └──┘
    visited ── closed ──▶ closed

Promise: as for ``stages``; help is closed only when every difficulty has its outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.stages import Matter, StageFold, check_code, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

OUTCOMES: Final = frozenset({"resolved", "referred", "not_possible"})


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterpriseHelp(Matter):
    """The state of the help for one enterprise. ``difficulties``: code → its outcome, None while it is open."""

    visits: int = 0
    difficulties: Mapping[str, str | None] = field(default_factory=dict)


COURSE: Final = course(
    "enterprise_help",
    """
    -                visited              visited          enterprise_officer
    visited,helping  visited              =                enterprise_officer
    visited,helping  difficulty_raised    helping          enterprise_officer
    helping          difficulty_resolved  helping|visited  enterprise_officer
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


def _take(state: EnterpriseHelp, act: Statement, registry: Registry) -> EnterpriseHelp:
    match verb_of(act.type):
        case "visited":
            return replace(state, visits=state.visits + 1)
        case "difficulty_raised":
            return replace(state, difficulties={**state.difficulties, act.data["difficulty"]: None})
        case "difficulty_resolved":
            known = {**state.difficulties, act.data["difficulty"]: act.data["outcome"]}
            return replace(state, difficulties=known, stage="helping" if None in known.values() else "visited")
    return state


FOLD: Final = StageFold(COURSE, EnterpriseHelp, check=_check, take=_take)
