"""A referral between centres: what one of them cannot do goes to another, and the two streams are linked.

    (nothing) ── made ──▶ made ── taken ──▶ taken
                            └──── returned ──▶ returned ── made ──▶ made

Promise: as for ``stages``. ``made`` names the stream it comes from and a statement of it among the causes; ``taken``
names the stream in which it goes on and a statement of that one. That these statements stand in those streams can
only be seen where the whole log is. A centre does not refer to itself.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, check_causes, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

CENTRES: Final = frozenset({"administrative", "social", "consultation", "mediation", "assistance", "emergency"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral(Matter):
    """The state of a referral: from which stream, to which centre, and the stream that took it up."""

    source: str = ""
    centre: str = ""
    target: str | None = None


_CENTRES_OWN: Final = "host,mediator,help_officer,duty_officer,tier_dispatcher,enterprise_officer"
COURSE: Final = course(
    "referral",
    f"""
    -         made      made      {_CENTRES_OWN},window_clerk+own_window
    returned  made      made      {_CENTRES_OWN},window_clerk+own_window
    made      taken     taken     {_CENTRES_OWN},window_clerk+own_window
    made      returned  returned  {_CENTRES_OWN},window_clerk+own_window
    """,
)


def _check(state: Referral | None, act: Statement, registry: Registry) -> None:
    match verb_of(act.type):
        case "made":
            check_code(act.data["centre"], CENTRES, "centre")
            check_causes(act, "statement that it comes from")
            if act.data["centre"] == act.data["sender"]:
                raise Refused("a centre does not refer to itself", code="centre-self", mend="name another centre")
        case "taken":
            check_causes(act, "statement with which it goes on")


def _take(state: Referral, act: Statement, registry: Registry) -> Referral:
    match verb_of(act.type):
        case "made":
            return replace(state, source=act.data["source"], centre=act.data["centre"])
        case "taken":
            return replace(state, target=act.data["target"])
    return state


FOLD: Final = StageFold(COURSE, Referral, check=_check, take=_take)
