"""An inspection of a site: planned with a due day, carried out, its faults mended.

    (nothing) ── planned ──▶ planned ── carried_out, nothing wrong ──▶ passed ── closed ──▶ closed
                               │ └── carried_out, with faults ──▶ faulty ── fault_mended … the last ──▶ passed
                               └── cancelled ──▶ cancelled

Promise: as for ``stages``; the site is registered when the inspection is planned, and an inspection with faults is
closed only when each was mended. Overdue is what is still planned after its day: nobody needs to say so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.stages import Matter, StageFold, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection(Matter):
    """The state of an inspection. ``due``: ISO day; ``faults``: those not mended yet."""

    site: str = ""
    due: str = ""
    faults: frozenset[str] = frozenset()


COURSE: Final = course(
    "inspection",
    """
    -        planned       planned    duty_officer
    planned  carried_out   passed|faulty  duty_officer,grid_worker
    planned  cancelled     cancelled  duty_officer
    faulty   fault_mended  passed|faulty  duty_officer
    passed   closed        closed     duty_officer
    """,
)


def _check(state: Inspection | None, act: Statement, registry: Registry) -> None:
    if state is None:
        site = registry.entries.get(f"site/{act.data['site']}")
        if site is None or site.closed:
            raise Refused(
                f"there is no site {act.data['site']} in the registry",
                code="site",
                mend="have the site registered first, by two persons",
            )
    elif verb_of(act.type) == "fault_mended" and act.data["fault"] not in state.faults:
        raise Refused(
            f"{act.data['fault']} is no open fault",
            code="fault",
            mend=f"open faults: {', '.join(sorted(state.faults))}",
        )


def _take(state: Inspection, act: Statement, registry: Registry) -> Inspection:
    match verb_of(act.type):
        case "planned":
            return replace(state, site=act.data["site"], due=act.data["due"])
        case "carried_out" if act.data.get("faults"):
            return replace(state, stage="faulty", faults=frozenset(act.data["faults"]))
        case "fault_mended":
            faults = state.faults - {act.data["fault"]}
            return replace(state, faults=faults, stage="faulty" if faults else "passed")
    return state


FOLD: Final = StageFold(COURSE, Inspection, check=_check, take=_take)
