"""The commands of help for an enterprise (企业服务).

    visit ─▶ raise_difficulty ─▶ resolve … ─▶ close

What may follow what is decided by ``ledger.facts.enterprise_help``.
``help_case`` is its own name, the stream ``enterprise_help/HELP_CASE``.
"""

from __future__ import annotations

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(help_case: str) -> str:
    """The stream of a help case."""
    return f"enterprise_help/{help_case}"


def visit(
    desk: Desk, help_case: str, enterprise: str, *, words: str | None = None, request: str | None = None
) -> Outcome:
    """State a visit to an enterprise."""
    return act(desk, stream_of(help_case), "visited", request, enterprise=enterprise, words=words)


def raise_difficulty(
    desk: Desk, help_case: str, difficulty: str, kind: str, *, words: str | None = None, request: str | None = None
) -> Outcome:
    """State what it struggles with."""
    return act(desk, stream_of(help_case), "difficulty_raised", request, difficulty=difficulty, kind=kind, words=words)


def resolve(
    desk: Desk, help_case: str, difficulty: str, outcome: str, *, words: str | None = None, request: str | None = None
) -> Outcome:
    """State what became of it: resolved, referred or not_possible."""
    return act(
        desk, stream_of(help_case), "difficulty_resolved", request, difficulty=difficulty, outcome=outcome, words=words
    )


def close(desk: Desk, help_case: str, *, request: str | None = None) -> Outcome:
    """Close it."""
    return act(desk, stream_of(help_case), "closed", request)
