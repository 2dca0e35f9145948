"""The commands of a grid report (网格事件).

    report_problem ─▶ dispatch ─▶ handle ─▶ verify · send_back ─▶ close;   escalate to a higher tier, or reject

What may follow what is decided by ``ledger.facts.grid``. ``report`` is its own name, the stream ``grid/REPORT``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(report: str) -> str:
    """The stream of a report."""
    return f"grid/{report}"


def report_problem(
    desk: Desk,
    report: str,
    kind: str,
    *,
    place: str,
    tier: str = "village",
    words: str | None = None,
    channel: str = "app",
    systems: Iterable[str] = (),
    request: str | None = None,
) -> Outcome:
    """Report a problem. ``tier``: village, town or district, where it begins."""
    return act(
        desk,
        stream_of(report),
        "reported",
        request,
        kind=kind,
        place=place,
        tier=tier,
        words=words,
        channel=channel,
        systems=list(systems),
    )


def dispatch(desk: Desk, report: str, unit: str, *, request: str | None = None) -> Outcome:
    """Give it to a unit."""
    return act(desk, stream_of(report), "dispatched", request, unit=unit)


def reject(desk: Desk, report: str, reason: str, *, request: str | None = None) -> Outcome:
    """State that there is nothing to do."""
    return act(desk, stream_of(report), "rejected", request, reason=reason)


def escalate(desk: Desk, report: str, tier: str, reason: str, *, request: str | None = None) -> Outcome:
    """Send it up."""
    return act(desk, stream_of(report), "escalated", request, tier=tier, reason=reason)


def handle(
    desk: Desk, report: str, *, measures: Iterable[str] = (), words: str | None = None, request: str | None = None
) -> Outcome:
    """State what was done, as the unit that it was given to."""
    return act(desk, stream_of(report), "handled", request, measures=list(measures), words=words)


def verify(desk: Desk, report: str, *, words: str | None = None, request: str | None = None) -> Outcome:
    """State, as another person, that it is so."""
    return act(desk, stream_of(report), "verified", request, words=words)


def send_back(desk: Desk, report: str, reason: str, *, request: str | None = None) -> Outcome:
    """State that it is not."""
    return act(desk, stream_of(report), "sent_back", request, reason=reason)


def close(desk: Desk, report: str, *, request: str | None = None) -> Outcome:
    """Close the report."""
    return act(desk, stream_of(report), "closed", request)
