"""The commands of an appointment for a visit (预约).

    make ─▶ move … ─▶ keep · miss · cancel

What may follow what is decided by ``ledger.facts.appointment``.
``appointment`` is its own name, the stream ``appointment/APPOINTMENT``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(appointment: str) -> str:
    """The stream of an appointment."""
    return f"appointment/{appointment}"


def make(
    desk: Desk,
    appointment: str,
    queue: str,
    slot: str,
    *,
    visitor: str | None = None,
    item: str | None = None,
    channel: str = "website",
    systems: Iterable[str] = (),
    request: str | None = None,
) -> Outcome:
    """Make an appointment for an instant (RFC 3339)."""
    return act(
        desk,
        stream_of(appointment),
        "made",
        request,
        queue=queue,
        slot=slot,
        visitor=visitor,
        item=item,
        channel=channel,
        systems=list(systems),
    )


def move(desk: Desk, appointment: str, slot: str, *, request: str | None = None) -> Outcome:
    """Move it."""
    return act(desk, stream_of(appointment), "moved", request, slot=slot)


def keep(desk: Desk, appointment: str, *, ticket: str | None = None, request: str | None = None) -> Outcome:
    """State that the visitor came, and with which ticket."""
    return act(desk, stream_of(appointment), "kept", request, ticket=ticket)


def miss(desk: Desk, appointment: str, *, request: str | None = None) -> Outcome:
    """State that nobody came."""
    return act(desk, stream_of(appointment), "missed", request)


def cancel(desk: Desk, appointment: str, *, request: str | None = None) -> Outcome:
    """Give it up."""
    return act(desk, stream_of(appointment), "cancelled", request)
