"""The commands of a review that is reserved ahead (预约审批).

    ask ─▶ confirm · decline ─▶ begin · lapse;   withdraw before it begins

What may follow what is decided by ``ledger.facts.reservation``.
``reservation`` is its own name, the stream ``reservation/RESERVATION``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(reservation: str) -> str:
    """The stream of a reservation."""
    return f"reservation/{reservation}"


def ask(
    desk: Desk,
    reservation: str,
    item: str,
    unit: str,
    day: date,
    *,
    applicant: str,
    channel: str = "window",
    systems: Iterable[str] = (),
    request: str | None = None,
) -> Outcome:
    """Ask the item's unit to keep a day for a case to come."""
    return act(
        desk,
        stream_of(reservation),
        "asked",
        request,
        item=item,
        unit=unit,
        day=day.isoformat(),
        applicant=applicant,
        channel=channel,
        systems=list(systems),
    )


def confirm(desk: Desk, reservation: str, *, request: str | None = None) -> Outcome:
    """Keep the day."""
    return act(desk, stream_of(reservation), "confirmed", request)


def decline(desk: Desk, reservation: str, reason: str, *, request: str | None = None) -> Outcome:
    """Do not keep it."""
    return act(desk, stream_of(reservation), "declined", request, reason=reason)


def begin(desk: Desk, reservation: str, case: str, *, request: str | None = None) -> Outcome:
    """Begin the review, with the case that it is for (its stream)."""
    return act(desk, stream_of(reservation), "begun", request, case=case)


def lapse(desk: Desk, reservation: str, *, request: str | None = None) -> Outcome:
    """State that the day went by (the system clock's act)."""
    return act(desk, stream_of(reservation), "lapsed", request)


def withdraw(desk: Desk, reservation: str, *, request: str | None = None) -> Outcome:
    """Give it up."""
    return act(desk, stream_of(reservation), "withdrawn", request)
