"""A rating (好差评): one for each visit, in five levels.

    (nothing) ── given ──▶ given ── followed_up ──▶ followed_up

Promise: as for ``stages``; the stream is the visit's (``rating/VISIT``), so that a second rating of it has no place,
and a rating once given stays. Low ones are followed up by the unit's head.
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

LEVELS: Final = range(1, 6)
"""From 1, very dissatisfied, to 5, very satisfied."""
LOW: Final = 2
"""Up to this one a rating is followed up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating(Matter):
    """The state of a rating."""

    level: int = 0


COURSE: Final = course(
    "rating",
    """
    -      given        given        citizen
    given  followed_up  followed_up  unit_head,supervisor
    """,
)


def _check(state: Rating | None, act: Statement, registry: Registry) -> None:
    if state is None:
        levels = {"level": act.data["level"], **act.data.get("dimensions", {})}
        wrong = [name for name, level in levels.items() if type(level) is not int or level not in LEVELS]
        if wrong:
            raise Refused(f"{wrong[0]} is rated from 1 to 5", code="level", mend="choose one of the five levels")
        if act.stream != f"rating/{act.data['visit']}":
            raise Refused(
                "a rating stands in the stream of its visit",
                code="rating-stream",
                mend=f"use rating/{act.data['visit']}",
            )
    elif verb_of(act.type) == "followed_up" and state.level > LOW:
        raise Refused("nobody complained", code="level", mend="nothing needs to be done")


def _take(state: Rating, act: Statement, registry: Registry) -> Rating:
    return replace(state, level=act.data["level"]) if verb_of(act.type) == "given" else state


FOLD: Final = StageFold(COURSE, Rating, check=_check, take=_take)
