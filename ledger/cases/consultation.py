"""The commands of a consultation (协商): its parties, its meetings, what they agreed and whether it was kept.

    propose ─▶ join · schedule ─▶ hold ─▶ agree · disagree ─▶ follow_up ─▶ close;   release at any time, drop before it

What may follow what is decided by ``ledger.facts.consultation``.
``consultation`` is its own name, the stream ``consultation/CONSULTATION``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(consultation: str) -> str:
    """The stream of a consultation."""
    return f"consultation/{consultation}"


def propose(
    desk: Desk,
    consultation: str,
    topic: str,
    *,
    unit: str | None = None,
    channel: str = "centre",
    systems: Iterable[str] = (),
    request: str | None = None,
) -> Outcome:
    """Put a topic up; it is public."""
    return act(
        desk,
        stream_of(consultation),
        "proposed",
        request,
        topic=topic,
        unit=unit,
        channel=channel,
        systems=list(systems),
    )


def join(
    desk: Desk, consultation: str, party: str, *, spokesperson: str | None = None, request: str | None = None
) -> Outcome:
    """Take a party in: a code such as ``vendors``; who speaks for it stays sealed."""
    return act(desk, stream_of(consultation), "party_joined", request, party=party, spokesperson=spokesperson)


def schedule(
    desk: Desk, consultation: str, form: str, day: date, *, place: str | None = None, request: str | None = None
) -> Outcome:
    """Set a meeting: a meeting, hearing, expert_argument, democratic_consultation or visit."""
    return act(desk, stream_of(consultation), "scheduled", request, form=form, day=day.isoformat(), place=place)


def hold(
    desk: Desk,
    consultation: str,
    attended: int,
    *,
    minutes: str | None = None,
    words: str | None = None,
    request: str | None = None,
) -> Outcome:
    """State that the meeting was held. ``minutes``: digest of the document."""
    return act(desk, stream_of(consultation), "held", request, attended=attended, minutes=minutes, words=words)


def release(
    desk: Desk, consultation: str, form: str, title: str, *, document: str | None = None, request: str | None = None
) -> Outcome:
    """Publish a briefing or news_release."""
    return act(desk, stream_of(consultation), "released", request, form=form, title=title, document=document)


def agree(
    desk: Desk,
    consultation: str,
    measures: Iterable[str],
    *,
    document: str | None = None,
    words: str | None = None,
    request: str | None = None,
) -> Outcome:
    """State what the parties agreed: measures as codes, the text sealed."""
    return act(
        desk, stream_of(consultation), "agreed", request, measures=list(measures), document=document, words=words
    )


def disagree(desk: Desk, consultation: str, *, reasons: str | None = None, request: str | None = None) -> Outcome:
    """State that they did not agree."""
    return act(desk, stream_of(consultation), "not_agreed", request, reasons=reasons)


def follow_up(
    desk: Desk, consultation: str, kept: bool, *, words: str | None = None, request: str | None = None
) -> Outcome:
    """State whether what was agreed is kept."""
    return act(desk, stream_of(consultation), "followed_up", request, kept=kept, words=words)


def drop(desk: Desk, consultation: str, reason: str, *, request: str | None = None) -> Outcome:
    """Give the topic up."""
    return act(desk, stream_of(consultation), "dropped", request, reason=reason)


def close(desk: Desk, consultation: str, *, request: str | None = None) -> Outcome:
    """Close the consultation."""
    return act(desk, stream_of(consultation), "closed", request)
