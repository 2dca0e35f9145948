"""The commands of an efficiency complaint (效能投诉). Footage is spoken of by the ids of its own statements.

    receive ─▶ register ─▶ accept · refuse · forward;   hold_evidence at once, seal_clip or miss_clip
      ─▶ investigate … ─▶ reply · lapse_reply ─▶ find … ─▶ decide ─▶ tell ─▶ call_back ─▶ close;   extend once
    ask_review ─▶ decide_review;   release_holds

What may follow what is decided by ``ledger.facts.complaint``.
``complaint`` is its own name, the stream ``complaint/COMPLAINT``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.cases.acts import act, hexes
from ledger.cases.tracking import tracking_digest
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.statement import StatementId


def stream_of(complaint: str) -> str:
    """The stream of a complaint."""
    return f"complaint/{complaint}"


def receive(
    desk: Desk,
    complaint: str,
    allegations: Iterable[str],
    *,
    tracking: str,
    words: str,
    events: Iterable[StatementId] = (),
    window: str | None = None,
    since: str | None = None,
    until: str | None = None,
    complainant: str | None = None,
    contact: str | None = None,
    channel: str = "window",
    systems: Iterable[str] = (),
    request: str | None = None,
) -> Outcome:
    """Take a complaint about events, or about what happened at a window in a span of time.

    ``tracking``: the code that the citizen keeps (``tracking.new_tracking_code``); its digest alone stands in the log.
    """
    return act(
        desk,
        stream_of(complaint),
        "received",
        request,
        allegations=list(allegations),
        tracking=tracking_digest(tracking),
        words=words,
        events=hexes(events),
        window=window,
        since=since,
        until=until,
        complainant=complainant,
        contact=contact,
        channel=channel,
        systems=list(systems),
    )


def register(desk: Desk, complaint: str, number: str, *, request: str | None = None) -> Outcome:
    """Give it a number."""
    return act(desk, stream_of(complaint), "registered", request, number=number)


def accept(
    desk: Desk, complaint: str, complained_of: Iterable[str], investigator: str, *, request: str | None = None
) -> Outcome:
    """Accept it: who is complained of, and who investigates (actors)."""
    return act(
        desk, stream_of(complaint), "accepted", request, complained_of=list(complained_of), investigator=investigator
    )


def assign(desk: Desk, complaint: str, investigator: str, *, request: str | None = None) -> Outcome:
    """Have another investigate."""
    return act(desk, stream_of(complaint), "assigned", request, investigator=investigator)


def refuse(desk: Desk, complaint: str, reason: str, *, reasons: str, request: str | None = None) -> Outcome:
    """Refuse it, with the reason as a code and in words."""
    return act(desk, stream_of(complaint), "refused", request, reason=reason, reasons=reasons)


def forward(desk: Desk, complaint: str, unit: str, reason: str, *, request: str | None = None) -> Outcome:
    """Send it to the unit whose it is."""
    return act(desk, stream_of(complaint), "forwarded", request, unit=unit, reason=reason)


def hold_evidence(desk: Desk, complaint: str, holds: Iterable[StatementId], *, request: str | None = None) -> Outcome:
    """Name the holds that were placed on footage."""
    return act(desk, stream_of(complaint), "evidence_held", request, holds=hexes(holds))


def seal_clip(desk: Desk, complaint: str, clip: StatementId, *, request: str | None = None) -> Outcome:
    """Name the clip that was extracted."""
    return act(desk, stream_of(complaint), "clip_sealed", request, clip=clip.hex())


def miss_clip(
    desk: Desk, complaint: str, camera: str, reason: str, *, since: str, until: str, request: str | None = None
) -> Outcome:
    """Say why there is none."""
    return act(
        desk, stream_of(complaint), "clip_missing", request, camera=camera, reason=reason, since=since, until=until
    )


def investigate(
    desk: Desk,
    complaint: str,
    streams: Iterable[str],
    *,
    position: int | None = None,
    words: str | None = None,
    request: str | None = None,
) -> Outcome:
    """State which streams were replayed, and up to which position of the log."""
    return act(
        desk, stream_of(complaint), "investigated", request, streams=list(streams), position=position, words=words
    )


def reply(desk: Desk, complaint: str, words: str, *, request: str | None = None) -> Outcome:
    """Reply, as the complained-of."""
    return act(desk, stream_of(complaint), "replied", request, words=words)


def lapse_reply(desk: Desk, complaint: str, due: date, *, request: str | None = None) -> Outcome:
    """State that the time to reply is over for those who did not."""
    return act(desk, stream_of(complaint), "reply_lapsed", request, due=due.isoformat())


def find(
    desk: Desk,
    complaint: str,
    allegation: str,
    outcome: str,
    *,
    events: Iterable[StatementId] = (),
    clips: Iterable[StatementId] = (),
    words: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Find on one allegation: upheld, partly, not_upheld or cannot_tell; citing events and clips."""
    return act(
        desk,
        stream_of(complaint),
        "finding_made",
        request,
        allegation=allegation,
        outcome=outcome,
        events=hexes(events),
        clips=hexes(clips),
        words=words,
    )


def extend(
    desk: Desk, complaint: str, days: int, *, approval: str, reasons: str | None = None, request: str | None = None
) -> Outcome:
    """Extend the term, once; ``approval`` names the paper that allows it."""
    return act(desk, stream_of(complaint), "extended", request, days=days, approval=approval, reasons=reasons)


def decide(
    desk: Desk, complaint: str, outcome: str, *, reasons: str | None = None, request: str | None = None
) -> Outcome:
    """Decide: upheld, partly or not_upheld."""
    return act(desk, stream_of(complaint), "decided", request, outcome=outcome, reasons=reasons)


def tell(desk: Desk, complaint: str, how: str, *, document: str | None = None, request: str | None = None) -> Outcome:
    """State how the citizen was told."""
    return act(desk, stream_of(complaint), "told", request, how=how, document=document)


def call_back(
    desk: Desk, complaint: str, *, satisfied: bool | None = None, words: str | None = None, request: str | None = None
) -> Outcome:
    """State whether the citizen is satisfied; None: not reached."""
    return act(desk, stream_of(complaint), "called_back", request, satisfied=satisfied, words=words)


def close(desk: Desk, complaint: str, *, request: str | None = None) -> Outcome:
    """Close it."""
    return act(desk, stream_of(complaint), "closed", request)


def ask_review(desk: Desk, complaint: str, words: str, *, request: str | None = None) -> Outcome:
    """Ask for another decision."""
    return act(desk, stream_of(complaint), "review_asked", request, words=words)


def decide_review(
    desk: Desk, complaint: str, outcome: str, *, reasons: str | None = None, request: str | None = None
) -> Outcome:
    """As another complaint head: confirmed or reopened."""
    return act(desk, stream_of(complaint), "review_decided", request, outcome=outcome, reasons=reasons)


def release_holds(desk: Desk, complaint: str, holds: Iterable[StatementId], *, request: str | None = None) -> Outcome:
    """Name the holds that were released."""
    return act(desk, stream_of(complaint), "holds_released", request, holds=hexes(holds))
