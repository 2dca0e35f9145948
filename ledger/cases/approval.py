"""The commands of an approval (办件): each makes one statement by its actor and returns when that is durable.

    apply_for ─▶ tell_gaps ⇄ supply ─▶ accept · accept_with_gaps (─▶ fill_gap …) · refuse · deem_accepted
      ─▶ in review: start_step/finish_step, open_branch/finish_branch, suspend/resume, extend
      ─▶ decide ─▶ deliver ─▶ close (─▶ reopen);   before the decision withdraw;   lapse_gaps ends an accepted case

What may follow what, and who may do it, is decided by ``ledger.facts`` alone: a command refuses only where it cannot
find what it has to fill in. The applicant's words (name, contact, subject, notes, reasons) are sealed at the door.

A command given ``request`` may be sent again: the same request is the same statement. ``case`` is the case's own
name, the stream ``approval/CASE``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

from ledger.cases.tracking import tracking_digest
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.errors import NotFound, Refused
from ledger.facts.approval import Approval
from ledger.facts.case_clocks import day_at, last_fill_day


def stream_of(case: str) -> str:
    """The stream of a case."""
    return f"approval/{case}"


def _state(desk: Desk, case: str) -> Approval:
    state: Approval | None = desk.state(stream_of(case))
    if state is None:
        raise NotFound(f"there is no case {case}", code="no-case", mend="apply for it first")
    return state


def _say(desk: Desk, case: str, verb: str, request: str | None = None, **values: Any) -> Outcome:
    more = {} if request is None else {"request": request}
    return desk.say(stream_of(case), f"approval.{verb}.v1", values | {"late": desk.late}, **more)


# ── Reception ──────────────────────────────────────────────────────────────────────────────────────────────


def apply_for(
    desk: Desk,
    case: str,
    item: str,
    *,
    applicant: str,
    channel: str = "window",
    contact: str | None = None,
    subject: str | None = None,
    applicant_band: str | None = None,
    papers: Iterable[str] = (),
    ticket: str | None = None,
    tracking: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Take an application, under the version of the item that is valid on its day. This is the receipt of papers.

    ``tracking``: the code on the applicant's slip (``tracking.new_tracking_code``).
    """
    _, registry = desk.door.registry()
    version = registry.item_valid_on(item, day_at(desk.clock()).isoformat())
    return _say(
        desk,
        case,
        "applied",
        request,
        item=item,
        # Without a valid version the catalogue refuses, and says why.
        item_version="00" * 32 if version is None else version.id.hex(),
        channel=channel,
        ticket=ticket,
        applicant=applicant,
        contact=contact,
        subject=subject,
        applicant_band=applicant_band,
        papers=list(papers) or None,
        tracking=None if tracking is None else tracking_digest(tracking),
    )


def tell_gaps(desk: Desk, case: str, gaps: Iterable[str], *, request: str | None = None) -> Outcome:
    """Tell all that is missing, once (补正)."""
    return _say(desk, case, "gaps_told", request, gaps=list(gaps))


def supply(desk: Desk, case: str, papers: Iterable[str], *, request: str | None = None) -> Outcome:
    """Receive the papers that were asked for; the notice of gaps runs anew."""
    return _say(desk, case, "supplied", request, papers=list(papers))


def accept(desk: Desk, case: str, *, note: str | None = None, request: str | None = None) -> Outcome:
    """Accept the application."""
    return _say(desk, case, "accepted", request, note=note)


def accept_with_gaps(
    desk: Desk, case: str, gaps: Iterable[str], *, fill_by: date | None = None, request: str | None = None
) -> Outcome:
    """Accept with named gaps (容缺受理), to be filled by a day: the last one that the item allows, unless given."""
    if fill_by is None:
        _, registry = desk.door.registry()
        day = day_at(desk.clock())
        fill_by = last_fill_day(_state(desk, case).rules, day, registry.calendar().as_known(day))
    return _say(desk, case, "accepted_with_gaps", request, gaps=list(gaps), fill_by=fill_by.isoformat())


def fill_gap(desk: Desk, case: str, gap: str, *, request: str | None = None) -> Outcome:
    """Receive one of the missing papers."""
    return _say(desk, case, "gap_filled", request, gap=gap)


def lapse_gaps(desk: Desk, case: str, *, request: str | None = None) -> Outcome:
    """Return the case whose gaps were not filled by their day (the system clock's act)."""
    fill_by = _state(desk, case).fill_by
    if fill_by is None:
        raise Refused(f"{case} was not accepted with gaps", code="gap", mend="nothing needs to be done")
    return _say(desk, case, "gaps_lapsed", request, fill_by=fill_by)


def deem_accepted(desk: Desk, case: str, *, received: date, due: date, request: str | None = None) -> Outcome:
    """State that nobody told gaps in time, so that the case is accepted since its receipt (the system clock's act)."""
    return _say(desk, case, "deemed_accepted", request, received=received.isoformat(), due=due.isoformat())


def refuse(
    desk: Desk, case: str, *, reason: str | None = None, reasons: str | None = None, request: str | None = None
) -> Outcome:
    """Do not accept. ``reason`` is a code in clear, ``reasons`` the words to the applicant."""
    return _say(desk, case, "refused", request, reason=reason, reasons=reasons)


# ── Review ─────────────────────────────────────────────────────────────────────────────────────────────────


def open_branch(desk: Desk, case: str, branch: str, unit: str, *, request: str | None = None) -> Outcome:
    """Send the case to a unit that reviews it beside the others (并联审批)."""
    return _say(desk, case, "branch_opened", request, branch=branch, unit=unit)


def finish_branch(desk: Desk, case: str, branch: str, outcome: str, *, request: str | None = None) -> Outcome:
    """State a unit's part of the result."""
    return _say(desk, case, "branch_finished", request, branch=branch, outcome=outcome)


def start_step(desk: Desk, case: str, step: str, *, branch: str | None = None, request: str | None = None) -> Outcome:
    """Begin a handling step."""
    return _say(desk, case, "step_started", request, step=step, branch=branch)


def finish_step(
    desk: Desk,
    case: str,
    step: str,
    *,
    branch: str | None = None,
    outcome: str | None = None,
    request: str | None = None,
) -> Outcome:
    """End a handling step."""
    return _say(desk, case, "step_finished", request, step=step, branch=branch, outcome=outcome)


def suspend(
    desk: Desk,
    case: str,
    pause: str,
    *,
    notice: str,
    clocks: Iterable[str] = (),
    branch: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Pause the clocks that know this kind, or those named, by a written notice."""
    names = list(clocks) or None
    return _say(desk, case, "suspended", request, pause=pause, notice=notice, clocks=names, branch=branch)


def resume(desk: Desk, case: str, pause: str, *, branch: str | None = None, request: str | None = None) -> Outcome:
    """End a pause."""
    return _say(desk, case, "resumed", request, pause=pause, branch=branch)


def extend(
    desk: Desk,
    case: str,
    clock: str,
    days: int,
    *,
    approval: str,
    reasons: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Extend a clock. ``approval`` names the paper that allows it; ``days`` are the clock's units."""
    return _say(desk, case, "extended", request, clock=clock, days=days, approval=approval, reasons=reasons)


# ── Result ─────────────────────────────────────────────────────────────────────────────────────────────────


def decide(desk: Desk, case: str, outcome: str, *, reasons: str | None = None, request: str | None = None) -> Outcome:
    """Grant or deny: ``outcome`` is ``granted`` or ``denied``."""
    return _say(desk, case, "decided", request, outcome=outcome, reasons=reasons)


def withdraw(desk: Desk, case: str, *, reason: str | None = None, request: str | None = None) -> Outcome:
    """End the case at the applicant's wish."""
    return _say(desk, case, "withdrawn", request, reason=reason)


def deliver(desk: Desk, case: str, how: str, *, request: str | None = None) -> Outcome:
    """Hand the result over."""
    return _say(desk, case, "delivered", request, how=how)


def close(desk: Desk, case: str, *, request: str | None = None) -> Outcome:
    """Close the case."""
    return _say(desk, case, "closed", request)


def reopen(desk: Desk, case: str, reason: str, *, request: str | None = None) -> Outcome:
    """Take a closed case up again."""
    return _say(desk, case, "reopened", request, reason=reason)


def charge_fee(desk: Desk, case: str, fen: int, *, fee: str | None = None, request: str | None = None) -> Outcome:
    """State that a fee was charged. ``fee``: its code in the item's schedule, where that has more than one."""
    return _say(desk, case, "fee_charged", request, fen=fen, fee=fee)


def confirm_late_entry(desk: Desk, case: str, seq: int, *, request: str | None = None) -> Outcome:
    """Vouch, as a second person, for the time that the late entry at ``seq`` claims: from now on it counts."""
    more = {} if request is None else {"request": request}
    return desk.say(stream_of(case), "approval.late_entry_confirmed.v1", {"seq": seq}, **more)
