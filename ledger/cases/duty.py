"""The commands of a post on duty (值守): handed over, never left.

    begin ─▶ offer ─▶ accept · decline ─▶ offer …

What may follow what is decided by ``ledger.facts.duty``. ``post`` is its own name, the stream ``duty/POST``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(post: str) -> str:
    """The stream of a post."""
    return f"duty/{post}"


def begin(desk: Desk, post: str, *, request: str | None = None) -> Outcome:
    """Go on duty at a post that nobody has held yet."""
    return act(desk, stream_of(post), "begun", request)


def offer(
    desk: Desk, post: str, to: str, *, matters: Iterable[str] = (), words: str | None = None, request: str | None = None
) -> Outcome:
    """Offer the post to who comes next, with what is still going on."""
    return act(desk, stream_of(post), "handover_offered", request, to=to, matters=list(matters), words=words)


def accept(desk: Desk, post: str, *, request: str | None = None) -> Outcome:
    """Take the post over."""
    return act(desk, stream_of(post), "handover_accepted", request)


def decline(desk: Desk, post: str, reason: str, *, request: str | None = None) -> Outcome:
    """Do not take it over."""
    return act(desk, stream_of(post), "handover_declined", request, reason=reason)
