"""The commands of a referral between centres: two streams linked by what caused what.

    make ─▶ take · send_back ─▶ make …

What may follow what is decided by ``ledger.facts.referral``.
``referral`` is its own name, the stream ``referral/REFERRAL``.
"""

from __future__ import annotations

from ledger.cases.acts import act, head_of
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(referral: str) -> str:
    """The stream of a referral."""
    return f"referral/{referral}"


def make(
    desk: Desk,
    referral: str,
    source: str,
    *,
    sender: str,
    centre: str,
    reason: str,
    words: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Send the matter of the stream ``source`` from one centre to another; its last statement is the cause."""
    return act(
        desk,
        stream_of(referral),
        "made",
        request,
        causes=[head_of(desk, source)],
        sender=sender,
        centre=centre,
        source=source,
        reason=reason,
        words=words,
    )


def take(desk: Desk, referral: str, target: str, *, request: str | None = None) -> Outcome:
    """Take it up in the stream ``target``, which was begun for it."""
    return act(desk, stream_of(referral), "taken", request, causes=[head_of(desk, target)], target=target)


def send_back(desk: Desk, referral: str, reason: str, *, request: str | None = None) -> Outcome:
    """Do not take it up."""
    return act(desk, stream_of(referral), "returned", request, reason=reason)
