"""The commands of a rating (好差评): one for each visit.

    rate ─▶ follow_up

What may follow what is decided by ``ledger.facts.rating``. ``visit`` is its own name, the stream ``rating/VISIT``.
"""

from __future__ import annotations

from collections.abc import Mapping

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(visit: str) -> str:
    """The stream of a visit."""
    return f"rating/{visit}"


def rate(
    desk: Desk,
    visit: str,
    level: int,
    *,
    dimensions: Mapping[str, int] | None = None,
    channel: str = "terminal",
    words: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Rate a visit from 1 to 5. ``dimensions``: what was rated beside the whole → level."""
    return act(
        desk,
        stream_of(visit),
        "given",
        request,
        visit=visit,
        level=level,
        dimensions=None if dimensions is None else dict(dimensions),
        channel=channel,
        words=words,
    )


def follow_up(desk: Desk, visit: str, outcome: str, *, words: str | None = None, request: str | None = None) -> Outcome:
    """State what was done about a low one."""
    return act(desk, stream_of(visit), "followed_up", request, outcome=outcome, words=words)
