"""The commands of a drill (演练) of a plan.

    schedule ─▶ hold ─▶ review;   cancel instead

What may follow what is decided by ``ledger.facts.drill``. ``drill`` is its own name, the stream ``drill/DRILL``.
"""

from __future__ import annotations

from datetime import date

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(drill: str) -> str:
    """The stream of a drill."""
    return f"drill/{drill}"


def schedule(desk: Desk, drill: str, plan: str, day: date, *, request: str | None = None) -> Outcome:
    """Set the day, or put it off."""
    return act(desk, stream_of(drill), "scheduled", request, plan=plan, day=day.isoformat())


def hold(desk: Desk, drill: str, took_part: int, *, words: str | None = None, request: str | None = None) -> Outcome:
    """State that it was held."""
    return act(desk, stream_of(drill), "held", request, took_part=took_part, words=words)


def cancel(desk: Desk, drill: str, reason: str, *, request: str | None = None) -> Outcome:
    """Give it up."""
    return act(desk, stream_of(drill), "cancelled", request, reason=reason)


def review(
    desk: Desk, drill: str, *, document: str | None = None, words: str | None = None, request: str | None = None
) -> Outcome:
    """State what was learnt."""
    return act(desk, stream_of(drill), "reviewed", request, document=document, words=words)
