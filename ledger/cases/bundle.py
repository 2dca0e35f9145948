"""The commands of a bundle: several linked cases that are one matter.

    open_bundle ─▶ add_child · finish_child … ─▶ close

What may follow what is decided by ``ledger.facts.bundle``. ``bundle`` is its own name, the stream ``bundle/BUNDLE``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.cases.acts import act, head_of
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(bundle: str) -> str:
    """The stream of a bundle."""
    return f"bundle/{bundle}"


def open_bundle(
    desk: Desk,
    bundle: str,
    name: str,
    children: Iterable[str],
    *,
    channel: str = "window",
    systems: Iterable[str] = (),
    subject: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Tie cases together. ``children``: their streams, such as ``approval/c-1``."""
    return act(
        desk,
        stream_of(bundle),
        "opened",
        request,
        name=name,
        children=list(children),
        channel=channel,
        systems=list(systems),
        subject=subject,
    )


def add_child(desk: Desk, bundle: str, child: str, *, request: str | None = None) -> Outcome:
    """Take another case in."""
    return act(desk, stream_of(bundle), "child_added", request, child=child)


def finish_child(desk: Desk, bundle: str, child: str, outcome: str, *, request: str | None = None) -> Outcome:
    """State that a case is done, by the last statement of its stream."""
    return act(
        desk,
        stream_of(bundle),
        "child_finished",
        request,
        child=child,
        outcome=outcome,
        causes=[head_of(desk, child)],
    )


def close(desk: Desk, bundle: str, *, request: str | None = None) -> Outcome:
    """Close the bundle."""
    return act(desk, stream_of(bundle), "closed", request)
