"""The commands of a ticket (排队号): each makes one statement and returns when that is durable.

    take ─▶ call ─▶ serve
              │ ▲└─▶ skip ─┐
              │ └──────────┘ call again
              └─▶ expire (also before the call, and after a skip)

What may follow what is decided by ``ledger.facts.ticket``. ``ticket`` is the ticket's own name, the stream
``ticket/TICKET``.
"""

from __future__ import annotations

from typing import Any

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.errors import Refused


def stream_of(ticket: str) -> str:
    """The stream of a ticket."""
    return f"ticket/{ticket}"


def _say(desk: Desk, ticket: str, type_name: str, request: str | None, **values: Any) -> Outcome:
    more = {} if request is None else {"request": request}
    return desk.say(stream_of(ticket), type_name, values, **more)


def take(
    desk: Desk,
    ticket: str,
    *,
    number: str,
    queue: str,
    channel: str = "counter",
    holder: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Give out a ticket. ``channel``: counter, kiosk, app …; ``holder`` is kept as a pseudonym."""
    return _say(desk, ticket, "ticket.taken.v2", request, number=number, queue=queue, channel=channel, holder=holder)


def call(desk: Desk, ticket: str, *, request: str | None = None) -> Outcome:
    """Call the ticket to the desk's window."""
    if desk.window is None:
        raise Refused("a ticket is called to a window", code="ticket-window", mend="call it from a window's desk")
    return _say(desk, ticket, "ticket.called.v1", request, window=desk.window)


def serve(desk: Desk, ticket: str, *, case: str | None = None, request: str | None = None) -> Outcome:
    """State that whoever was called was served, and for which case."""
    return _say(desk, ticket, "ticket.served.v1", request, case=case)


def skip(desk: Desk, ticket: str, *, request: str | None = None) -> Outcome:
    """State that nobody came."""
    return _say(desk, ticket, "ticket.skipped.v1", request)


def expire(desk: Desk, ticket: str, *, request: str | None = None) -> Outcome:
    """End a ticket that nobody uses any more."""
    return _say(desk, ticket, "ticket.expired.v1", request)
