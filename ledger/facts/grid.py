"""A grid report (网格事件): what a grid worker or a resident reports, who deals with it, and whether it is so.

    (nothing) ── reported ──▶ reported ── dispatched ──▶ dispatched ── handled ──▶ handled ── verified ──▶ verified
                                 │  ▲                      │   ▲                     │                        │ closed
                                 │  │ escalated            │   └──── sent_back ──────┘                        ▼
                                 └──┴── to a higher tier ◀─┘                                               closed
    reported ── rejected ──▶ rejected ── closed ──▶ closed

Promise: as for ``stages``. The unit to which it was dispatched handles it; whoever handled it does not verify it; what
is escalated goes up (village, town, district) and is dispatched there anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, check_second_person, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

TIERS: Final = ("village", "town", "district")
"""From the lowest up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridReport(Matter):
    """The state of a report. ``unit``: to which it was dispatched."""

    kind: str = ""
    tier: str = TIERS[0]
    sent_back: int = 0


_HANDLERS: Final = "+own_unit+case_unit"
COURSE: Final = course(
    "grid",
    f"""
    -                    reported    reported    grid_worker,citizen,source_adapter+own_source
    reported             dispatched  dispatched  tier_dispatcher
    reported             rejected    rejected    tier_dispatcher
    reported,dispatched  escalated   reported    tier_dispatcher,grid_worker
    dispatched           handled     handled     grid_worker{_HANDLERS},reviewer{_HANDLERS},unit_head{_HANDLERS}
    handled              verified    verified    grid_worker,tier_dispatcher
    handled              sent_back   dispatched  grid_worker,tier_dispatcher
    verified,rejected    closed      closed      tier_dispatcher
    """,
)


def _check(state: GridReport | None, act: Statement, registry: Registry) -> None:
    match verb_of(act.type):
        case "reported":
            check_code(act.data["tier"], TIERS, "tier")
        case "escalated":
            assert state is not None
            check_code(act.data["tier"], TIERS, "tier")
            if TIERS.index(act.data["tier"]) <= TIERS.index(state.tier):
                above = TIERS[TIERS.index(state.tier) + 1 :]
                raise Refused(
                    f"from {state.tier} to {act.data['tier']} is not up",
                    code="tier-order",
                    mend=f"escalate to: {', '.join(above) or 'nobody; it is the district already'}",
                )
        case "verified" | "sent_back":
            assert state is not None
            check_second_person(state, act, registry, "handled")


def _take(state: GridReport, act: Statement, registry: Registry) -> GridReport:
    match verb_of(act.type):
        case "reported":
            return replace(state, kind=act.data["kind"], tier=act.data["tier"])
        case "dispatched":
            return replace(state, unit=act.data["unit"])
        case "escalated":
            return replace(state, tier=act.data["tier"], unit=None)
        case "sent_back":
            return replace(state, sent_back=state.sent_back + 1)
    return state


FOLD: Final = StageFold(COURSE, GridReport, check=_check, take=_take)
