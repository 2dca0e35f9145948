"""The calculus of clocks: what has elapsed, and when a clock is due.

Promise: every function here is pure and exact. The same start, pauses, extension and calendar give the same
due date on any machine, at any later time; nothing is guessed where the calendar ends.

Definitions, with W the working days of one state of knowledge (``calendar.WorkingDays``):

- A day *counts* if the unit counts it (``working-day``: it is in W; ``calendar-day``: always) and no pause
  holds it. A pause (S, R] holds the days after S up to and including R; of several pauses the union holds.
- elapsed(t) = how many days count after the start day up to and including t's. The start day never counts.
- due = the least day with elapsed = limit + extension. A calendar-day clock with ``roll`` then moves a due day
  that is off to the next working day; that move counts nothing and heeds no pause.
- ``hour`` clocks run on instants: elapsed is the plain time since the start, less the time inside the union
  of the pauses [S, R); due is the least instant with elapsed = limit + extension. They need no calendar.
- Days are local days in Asia/Shanghai. A day clock takes days or aware instants, and uses an instant's local
  day; an hour clock takes instants only. Naive datetimes are refused.

Two ways in which a due date is *not yet known, but not before D*:

- A pause is still open and the clock would run past its start: D is the due as if it took nothing out.
- The calendar ends first (``beyond="not-yet-known"``): D is the earliest day that any schedule still to come
  could allow, each day after the calendar's end counting. With ``beyond="refuse"`` this is CalendarUnknown.

Example: start 2024-03-04, limit 5 working days, pause 2024-03-06..2024-03-08. The 5th and 6th count (two),
the 7th and 8th are held, 9th and 10th are a weekend, the 11th, 12th and 13th count: due 2024-03-13.

``elapsed`` passing the limit does not make a clock overdue, ``last_instant_of`` its due does: a rolled due
date lies after the day on which the limit was used up.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from fractions import Fraction
from typing import Literal
from zoneinfo import ZoneInfo

from ledger.errors import Malformed
from ledger.facts.calendar import WorkingDays

SHANGHAI = ZoneInfo("Asia/Shanghai")
"""Whose midnights divide the days. It had summer time until 1991, so it is not simply UTC+8."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HOUR_US = 3_600_000_000
_TIME_OF_DAY = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])|24:00")


class Unit(StrEnum):
    """What a limit counts."""

    WORKING_DAY = "working-day"
    CALENDAR_DAY = "calendar-day"
    HOUR = "hour"


@dataclass(frozen=True, slots=True)
class ClockSpec:
    """How one clock counts: item data, not code."""

    limit: int  # in units, at least 1
    unit: Unit = Unit.WORKING_DAY
    roll: bool = True  # calendar-day only: a due day that is off moves to the next working day
    last_instant: str = "24:00"  # local time HH:MM up to which an act on the due day is in time

    def __post_init__(self) -> None:
        """Refuse a clock that could not be run."""
        if type(self.limit) is not int or self.limit < 1:
            raise Malformed(f"A clock's limit must be a whole number of at least 1, got {self.limit!r}.")
        if type(self.unit) is not Unit:  # a bare "working-day" would pass for another unit further down
            units = ", ".join(Unit)
            raise Malformed(f"A clock's unit must be one of {units}, got {self.unit!r}.")
        if not _TIME_OF_DAY.fullmatch(self.last_instant):
            raise Malformed(
                f"A clock's last instant must be a time of day HH:MM up to 24:00, got {self.last_instant!r}."
            )


@dataclass(frozen=True, slots=True)
class Pause:
    """A span in which a clock stands still: from ``start`` to ``end``, or still open.

    Two days, or two aware instants (a ``datetime`` is a ``date`` to Python). On a day clock it holds the days
    after the start's up to and including the end's, so one that ends on the day it began holds none.
    """

    start: date
    end: date | None = None

    def __post_init__(self) -> None:
        """Refuse a pause that ends before it starts, mixes days and instants, or has a naive instant."""
        for moment in (self.start, self.end):
            if isinstance(moment, datetime) and moment.utcoffset() is None:
                raise Malformed(f"A pause needs instants with an offset from UTC, got {moment.isoformat()}.")
        if self.end is None:
            return
        if isinstance(self.start, datetime) is not isinstance(self.end, datetime):
            raise Malformed(f"A pause needs two days or two instants, got {self.start} and {self.end}.")
        if self.end < self.start:
            raise Malformed(f"A pause cannot end ({self.end}) before it starts ({self.start}).")


class Awaits(StrEnum):
    """What must become known before a due date is."""

    PAUSE_END = "pause-end"
    CALENDAR = "calendar"


@dataclass(frozen=True, slots=True)
class Due:
    """When a clock is due: ``at`` if that is known, else ``not_before`` and what it awaits.

    Days for day clocks, UTC instants for hour clocks. Exactly one of ``at`` and ``not_before`` is set.
    """

    at: date | None
    not_before: date | None = None
    awaits: Awaits | None = None
    missing_year: int | None = None  # the first year whose schedule was needed and not there
    rolled_from: date | None = None  # the day off on which the limit was used up

    @property
    def known(self) -> bool:
        """Whether the due date is settled, given this calendar."""
        return self.at is not None


Beyond = Literal["refuse", "not-yet-known"]


def local_day(instant: datetime) -> date:
    """The day in Asia/Shanghai that holds this aware instant."""
    if instant.utcoffset() is None:
        raise Malformed(f"An instant needs an offset from UTC, got {instant.isoformat()}.")
    return instant.astimezone(SHANGHAI).date()


def elapsed(
    spec: ClockSpec, start: date, t: date, *, calendar: WorkingDays, pauses: Iterable[Pause] = ()
) -> int | Fraction:
    """How much of the clock has run at ``t``: whole days, or exact hours for an hour clock.

    Never falls as ``t`` grows; 0 at and before the start. CalendarUnknown if it needs a year not known.
    """
    total = sum(
        calendar.count(after, through) if spec.unit is Unit.WORKING_DAY else through - after
        for after, through in _running(spec.unit, start, t, pauses)
    )
    return Fraction(total, _HOUR_US) if spec.unit is Unit.HOUR else total


def fraction(
    spec: ClockSpec,
    start: date,
    t: date,
    *,
    calendar: WorkingDays,
    pauses: Iterable[Pause] = (),
    extension: int = 0,
) -> Fraction:
    """Which share of the limit, extension included, has run at ``t``; past 1 once it is used up."""
    run = elapsed(spec, start, t, calendar=calendar, pauses=pauses)
    return Fraction(run) / (spec.limit + _extension(extension))


def counted_days(
    spec: ClockSpec, start: date, through: date, *, calendar: WorkingDays, pauses: Iterable[Pause] = ()
) -> tuple[date, ...]:
    """The very days that ``elapsed`` counts up to ``through``; none for an hour clock."""
    if spec.unit is Unit.HOUR:
        return ()
    return tuple(
        date.fromordinal(day)
        for after, last in _running(spec.unit, start, through, pauses)
        for day in (calendar.days_between(after, last) if spec.unit is Unit.WORKING_DAY else range(after + 1, last + 1))
    )


def due(
    spec: ClockSpec,
    start: date,
    *,
    calendar: WorkingDays,
    pauses: Iterable[Pause] = (),
    extension: int = 0,
    beyond: Beyond = "refuse",
) -> Due:
    """When the clock is due. ``beyond`` says what to do where the calendar ends: refuse, or give a bound."""
    unit = spec.unit
    begin, limit = _point(unit, start), spec.limit + _extension(extension)
    held, open_from = _held(unit, pauses)

    # First as if no pause were open: that is the due date, or else the bound.
    edge: int | None = None  # the first day needed whose year is not known
    if unit is Unit.WORKING_DAY:
        used_up, edge = _working_due(begin, limit, held, calendar)
    else:
        used_up = _plain_due(begin, limit * (_HOUR_US if unit is Unit.HOUR else 1), held)
    at = used_up
    if unit is Unit.CALENDAR_DAY and spec.roll:
        at, edge = _rolled(used_up, calendar)

    moment = _moment(unit, at)
    if edge is not None and beyond == "refuse":
        raise calendar.unknown(edge)
    # An open pause holds what comes after its start. Up to and including its start nothing is in doubt; the
    # roll counts nothing, so it is the day on which the limit is used up that decides.
    stands_still = open_from is not None and used_up > open_from
    if not stands_still and edge is None:
        return Due(moment, rolled_from=_moment(unit, used_up) if at != used_up else None)
    return Due(
        None,
        not_before=moment,
        awaits=Awaits.PAUSE_END if stands_still else Awaits.CALENDAR,
        missing_year=None if edge is None else date.fromordinal(edge).year,
    )


def last_instant_of(due: Due, spec: ClockSpec) -> datetime:
    """The last instant (UTC) at which an act is in time, itself included; the first one after it is overdue.

    24:00 is midnight at the end of the due day. An hour clock's due is an instant already. The due must be known.
    """
    assert due.at is not None, "ask only of a due date that is known"
    if isinstance(due.at, datetime):
        return due.at
    hour, minute = map(int, spec.last_instant.split(":"))
    day = due.at
    if hour == 24:
        day, hour = _date(day.toordinal() + 1), 0
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=SHANGHAI).astimezone(UTC)


def may_still_move(due: Due, spec: ClockSpec, recorded: datetime) -> bool:
    """Whether a pause or extension recorded at this instant can move the due date, as it stood before it.

    One recorded after the due instant never does, whatever time it claims.
    """
    return due.at is None or recorded <= last_instant_of(due, spec)


# Everything below counts on a line of whole numbers: day ordinals for day clocks, microseconds since 1970 for
# hour clocks. A stretch is (after, through]: for days that is the rule's own form, and for instants the ends
# weigh nothing, so one arithmetic serves both.


def _point(unit: Unit, moment: date) -> int:
    if unit is not Unit.HOUR:
        return (local_day(moment) if isinstance(moment, datetime) else moment).toordinal()
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise Malformed(
            f"An hour clock runs on instants, got {moment.isoformat()}.",
            mend="Give date, time and offset, such as 2024-02-08T09:30:00+08:00.",
        )
    return (moment - _EPOCH) // _MICROSECOND


def _moment(unit: Unit, point: int) -> date:
    if unit is not Unit.HOUR:
        return _date(point)
    try:
        return _EPOCH + timedelta(microseconds=point)
    except OverflowError:
        raise _too_far() from None


def _date(ordinal: int) -> date:
    try:
        return date.fromordinal(ordinal)
    except (ValueError, OverflowError):
        raise _too_far() from None


def _too_far() -> Malformed:
    return Malformed("The due date lies outside the years 1 to 9999.", mend="Give a shorter limit or extension.")


def _extension(extension: int) -> int:
    if type(extension) is not int or extension < 0:
        raise Malformed(f"An extension must be a whole number of at least 0, got {extension!r}.")
    return extension


def _held(unit: Unit, pauses: Iterable[Pause]) -> tuple[list[tuple[int, int]], int | None]:
    """The closed pauses as stretches, sorted, and where the first open one begins."""
    held: list[tuple[int, int]] = []
    open_from: int | None = None
    for pause in pauses:
        start = _point(unit, pause.start)
        if pause.end is not None:
            held.append((start, _point(unit, pause.end)))
        elif open_from is None or start < open_from:
            open_from = start
    held.sort()
    return held, open_from


def _outside(begin: int, end: int | None, held: list[tuple[int, int]]) -> Iterator[tuple[int, int | None]]:
    """The stretches after ``begin`` up to ``end`` (None: without end) outside the union of ``held``.

    Walking the sorted pauses and keeping the furthest end *is* the union: overlaps and repeats fall away.
    """
    for start, through in held:
        if end is not None and start >= end:
            break
        if through <= begin:
            continue
        if start > begin:
            yield begin, start
        begin = through
    if end is None or begin < end:
        yield begin, end


def _running(unit: Unit, start: date, t: date, pauses: Iterable[Pause]) -> Iterator[tuple[int, int]]:
    """The stretches after ``start`` up to ``t`` in which the clock runs."""
    held, open_from = _held(unit, pauses)
    end = _point(unit, t)
    if open_from is not None:
        end = min(end, open_from)
    for after, through in _outside(_point(unit, start), end, held):
        assert through is not None
        yield after, through


def _plain_due(begin: int, limit: int, held: list[tuple[int, int]]) -> int:
    """The least point with ``limit`` elapsed where every point outside the pauses counts."""
    left = limit
    for after, through in _outside(begin, None, held):
        if through is None or left <= through - after:
            return after + left
        left -= through - after
    raise AssertionError("the last stretch has no end")


def _working_due(begin: int, limit: int, held: list[tuple[int, int]], calendar: WorkingDays) -> tuple[int, int | None]:
    """The least working day with ``limit`` elapsed; or a bound, and the first needed day that is not known.

    Years wholly inside a pause are not needed: their days would not count whatever their schedule says.
    """
    left = limit
    for after, through in _outside(begin, None, held):
        run = calendar.run_at(after + 1)
        if run is None:
            return _plain_due(after, left, held), after + 1
        i = bisect_right(run.days, after)
        j = len(run.days) if through is None else bisect_right(run.days, through)
        if left <= j - i:
            return run.days[i + left - 1], None
        left -= j - i
        if through is None or through > run.last:
            # At best each day from here on is worked: no schedule still to come can bring it in earlier.
            return _plain_due(run.last, left, held), run.last + 1
    raise AssertionError("the last stretch has no end")


def _rolled(day: int, calendar: WorkingDays) -> tuple[int, int | None]:
    """The first working day from ``day`` on; or the bound, and the first needed day that is not known."""
    run = calendar.run_at(day)
    if run is None:
        return day, day
    i = bisect_right(run.days, day - 1)
    if i < len(run.days):
        return run.days[i], None
    return run.last + 1, run.last + 1
