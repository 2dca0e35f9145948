"""The commands of an emergency plan (预案): drafted by one, approved by another.

    draft ─▶ approve ─▶ draft … · retire

What may follow what is decided by ``ledger.facts.plan``. ``plan`` is its own name, the stream ``plan/PLAN``.
"""

from __future__ import annotations

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(plan: str) -> str:
    """The stream of a plan."""
    return f"plan/{plan}"


def draft(desk: Desk, plan: str, kind: str, title: str, document: str, *, request: str | None = None) -> Outcome:
    """Draft a plan, or its revision. ``document``: its digest."""
    return act(desk, stream_of(plan), "drafted", request, kind=kind, title=title, document=document)


def approve(desk: Desk, plan: str, *, request: str | None = None) -> Outcome:
    """Put the draft in force, as another person."""
    return act(desk, stream_of(plan), "approved", request)


def retire(desk: Desk, plan: str, reason: str, *, request: str | None = None) -> Outcome:
    """Take it out of force."""
    return act(desk, stream_of(plan), "retired", request, reason=reason)
