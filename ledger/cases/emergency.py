"""The commands of an emergency (应急): from the alarm to the review.

    raise_alarm ─▶ acknowledge ─▶ dispatch ─▶ arrive ─▶ stabilise ─▶ close ─▶ review
    confer where a conference is held; call_off a false alarm ─▶ close

What may follow what is decided by ``ledger.facts.emergency``.
``emergency`` is its own name, the stream ``emergency/EMERGENCY``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(emergency: str) -> str:
    """The stream of an emergency."""
    return f"emergency/{emergency}"


def raise_alarm(
    desk: Desk,
    emergency: str,
    kind: str,
    *,
    place: str,
    words: str | None = None,
    site: str | None = None,
    channel: str = "phone",
    systems: Iterable[str] = (),
    request: str | None = None,
) -> Outcome:
    """Raise an alarm. ``kind``: fire, flood, epidemic, rescue … (``ledger.facts.emergency.KINDS``)."""
    return act(
        desk,
        stream_of(emergency),
        "alarm_raised",
        request,
        kind=kind,
        place=place,
        words=words,
        site=site,
        channel=channel,
        systems=list(systems),
    )


def acknowledge(desk: Desk, emergency: str, *, request: str | None = None) -> Outcome:
    """State that the centre has it."""
    return act(desk, stream_of(emergency), "acknowledged", request)


def call_off(desk: Desk, emergency: str, reason: str, *, request: str | None = None) -> Outcome:
    """State that there is nothing."""
    return act(desk, stream_of(emergency), "false_alarm", request, reason=reason)


def dispatch(desk: Desk, emergency: str, forces: Iterable[str], *, request: str | None = None) -> Outcome:
    """Send forces."""
    return act(desk, stream_of(emergency), "dispatched", request, forces=list(forces))


def arrive(desk: Desk, emergency: str, force: str, *, request: str | None = None) -> Outcome:
    """State that one of them is there."""
    return act(desk, stream_of(emergency), "arrived", request, force=force)


def confer(desk: Desk, emergency: str, parties: Iterable[str], *, request: str | None = None) -> Outcome:
    """State a video conference."""
    return act(desk, stream_of(emergency), "conferred", request, parties=list(parties))


def stabilise(desk: Desk, emergency: str, *, request: str | None = None) -> Outcome:
    """State that the danger is over."""
    return act(desk, stream_of(emergency), "stabilised", request)


def close(
    desk: Desk, emergency: str, *, injured: int = 0, dead: int = 0, words: str | None = None, request: str | None = None
) -> Outcome:
    """End it, with what it cost."""
    return act(desk, stream_of(emergency), "closed", request, injured=injured, dead=dead, words=words)


def review(
    desk: Desk, emergency: str, *, document: str | None = None, words: str | None = None, request: str | None = None
) -> Outcome:
    """State what was learnt."""
    return act(desk, stream_of(emergency), "reviewed", request, document=document, words=words)
