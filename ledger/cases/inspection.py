"""The commands of an inspection of a site.

    plan ─▶ carry_out ─▶ mend_fault … ─▶ close;   cancel instead

What may follow what is decided by ``ledger.facts.inspection``.
``inspection`` is its own name, the stream ``inspection/INSPECTION``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(inspection: str) -> str:
    """The stream of an inspection."""
    return f"inspection/{inspection}"


def plan(desk: Desk, inspection: str, site: str, due: date, *, request: str | None = None) -> Outcome:
    """Plan an inspection of a registered site, with its due day."""
    return act(desk, stream_of(inspection), "planned", request, site=site, due=due.isoformat())


def carry_out(
    desk: Desk, inspection: str, *, faults: Iterable[str] = (), words: str | None = None, request: str | None = None
) -> Outcome:
    """State what was found; no faults, and it is passed."""
    return act(desk, stream_of(inspection), "carried_out", request, faults=list(faults), words=words)


def mend_fault(desk: Desk, inspection: str, fault: str, *, request: str | None = None) -> Outcome:
    """State that a fault is mended."""
    return act(desk, stream_of(inspection), "fault_mended", request, fault=fault)


def cancel(desk: Desk, inspection: str, reason: str, *, request: str | None = None) -> Outcome:
    """Give it up."""
    return act(desk, stream_of(inspection), "cancelled", request, reason=reason)


def close(desk: Desk, inspection: str, *, request: str | None = None) -> Outcome:
    """Close it."""
    return act(desk, stream_of(inspection), "closed", request)
