"""The commands of help for an enterprise (企业服务).

    visit ─▶ raise_difficulty ─▶ resolve … ─▶ close
    list_papers ─▶ link_application · drop_milestone

What may follow what is decided by ``ledger.facts.enterprise_help``.
``help_case`` is its own name, the stream ``enterprise_help/HELP_CASE``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import NotFound, Refused
from ledger.facts.enterprise_help import EnterpriseHelp
from ledger.statement import open_statement


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


def list_papers(
    desk: Desk,
    help_case: str,
    milestone: str,
    item: str,
    papers: Iterable[str],
    apply_by: date,
    *,
    words: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Give a firm its own list of papers for an application to come, and the day by which to apply."""
    return act(
        desk,
        stream_of(help_case),
        "papers_listed",
        request,
        milestone=milestone,
        item=item,
        papers=list(papers),
        apply_by=apply_by.isoformat(),
        words=words,
    )


def link_application(
    hall: Hall, desk: Desk, help_case: str, milestone: str, case: str, *, request: str | None = None
) -> Outcome:
    """State which case the firm applied for then. ``case``: its stream, of the item that the papers were listed for."""
    first = next(iter(hall.reader.stream(case)), None)
    applied = None if first is None else open_statement(first[2])
    if applied is None or applied.type != "approval.applied.v1":
        raise NotFound(f"nobody applied in {case:.80}", code="no-case", mend="name a case: approval/NAME")
    known = desk.state(stream_of(help_case))
    listed = known.milestones.get(milestone) if isinstance(known, EnterpriseHelp) else None
    if listed is not None and listed[0] != applied.data["item"]:
        raise Refused(
            f"{case} is for {applied.data['item']}, not {listed[0]}", code="milestone-item", mend="name another"
        )
    return act(
        desk,
        stream_of(help_case),
        "applied_for",
        request,
        milestone=milestone,
        case=case,
        application=applied.id.hex(),
        applied=applied.at,
    )


def drop_milestone(desk: Desk, help_case: str, milestone: str, reason: str, *, request: str | None = None) -> Outcome:
    """State that it will not be applied for."""
    return act(desk, stream_of(help_case), "milestone_dropped", request, milestone=milestone, reason=reason)


def close(desk: Desk, help_case: str, *, request: str | None = None) -> Outcome:
    """Close it."""
    return act(desk, stream_of(help_case), "closed", request)
