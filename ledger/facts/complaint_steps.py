"""The eleven steps of a complaint with footage: what is done, what is open, and by when.

Promise: the same statements and calendar give the same steps anywhere. Clocks run on recorded time. The limits are
``terms``: those that were in force when the complaint was received.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from ledger.facts.calendar import WorkingDays
from ledger.facts.complaint import Complaint
from ledger.facts.disputed import working_days_after
from ledger.facts.terms import Terms
from ledger.facts.types import verb_of
from ledger.statement import Statement

_LIMITS: Final[Mapping[int, str]] = {
    3: "complaint_clip",  # from the hold
    4: "complaint_accept",  # from receipt
    7: "complaint_reply",  # from acceptance
    9: "complaint_finish",  # from acceptance
}
"""Step → its term."""


class State(StrEnum):
    """How a step stands."""

    DONE = "done"
    DONE_LATE = "done_late"
    OPEN = "open"
    OVERDUE = "overdue"
    NOT_YET = "not_yet"
    NOT_NEEDED = "not_needed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step: when it was done and when it is due (µs, recorded), and how often where it is done again and again.

    ``awaits``: when it is due is not known before the calendar of a year to come is.
    """

    number: int
    state: State
    done_us: int | None = None
    due_us: int | None = None
    count: int = 0
    awaits: bool = False


def eleven_steps(
    acts: Sequence[tuple[Statement, int]],
    state: Complaint,
    *,
    views: int,
    watched_us: int | None,
    calendar: WorkingDays,
    terms: Terms,
    now_us: int,
) -> list[Step]:
    """The steps of a complaint whose valid statements, with their recorded times, are ``acts``.

    ``views``: how often clips of it were watched under a grant; ``watched_us``: when they last were.
    """
    times: dict[str, list[int]] = {}
    for act, recorded_us in acts:
        times.setdefault(verb_of(act.type), []).append(recorded_us)

    def first(*verbs: str) -> int | None:
        return min((times[verb][0] for verb in verbs if verb in times), default=None)

    def last(*verbs: str) -> int | None:
        return max((times[verb][-1] for verb in verbs if verb in times), default=None)

    received, sought = first("received"), first("evidence_held", "evidence_missing")
    taken, accepted = first("accepted", "refused", "forwarded"), last("accepted")
    is_ours = accepted is not None
    dropped = taken is not None and not is_ours
    heard = last("replied", "reply_lapsed") if state.complained_of and state.heard >= state.complained_of else None
    found = last("finding_made") if len(state.findings) == len(state.allegations) else None
    told = last("told") if state.outcome is not None else None

    def step(number: int, done: int | None, start: int | None, *, needed: bool = True, extra: int = 0) -> Step:
        limit = getattr(terms, _LIMITS[number]) if number in _LIMITS else None
        due = None if limit is None or start is None else working_days_after(start, limit + extra, calendar)
        count = {5: views, 6: len(times.get("investigated", ())), 8: len(state.findings), 11: views}.get(number, 0)
        if not needed:
            return Step(number, State.NOT_NEEDED)
        if done is not None:
            late = due is not None and done > due
            return Step(number, State.DONE_LATE if late else State.DONE, done, due, count)
        if start is None:
            return Step(number, State.NOT_YET, None, due, count)
        is_over = due is not None and now_us > due
        return Step(
            number, State.OVERDUE if is_over else State.OPEN, None, due, count, awaits=limit is not None and due is None
        )

    extension = sum(act.data["days"] for act, _ in acts if verb_of(act.type) == "extended")
    has_footage = "evidence_held" in times
    ended = told if is_ours else last("refused", "forwarded")
    return [
        step(1, received, received),
        step(2, sought, received),
        step(3, first("clip_sealed", "clip_missing"), sought, needed=has_footage or sought is None),
        step(4, taken, received),
        step(5, watched_us, accepted, needed=not dropped),
        step(6, first("investigated"), accepted, needed=not dropped),
        step(7, heard, accepted, needed=not dropped),
        step(8, found, heard, needed=not dropped),
        step(9, told, accepted, needed=not dropped, extra=extension),
        step(10, last("holds_released"), ended, needed=has_footage or sought is None),
        step(11, watched_us, accepted, needed=not dropped),
    ]
