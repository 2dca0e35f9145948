"""The working-day calendar: which days are worked, and since when that was known.

Promise: a day is called working or off only on the word of a published schedule of its year, as that
schedule stood when the question is asked *as known on*. A year without one is refused, never guessed:
Chinese schedules are published a few weeks before their year and move days both ways (调休, a weekend
that is worked to make up for a longer holiday).

Two times, kept apart: the days a schedule speaks of, and the day from which it was known. A revision does
not overwrite; it is another ``YearSchedule`` of the same year with a later ``known_from``. A notice for one
year that also moves days of the year before (the one for 2019 took 2018-12-31 off) counts as a revision
of that earlier year.

    >>> from datetime import date
    >>> china_mainland().as_known(date(2020, 1, 20)).is_working_day(date(2020, 2, 1))   # 调休 Saturday
    True
    >>> china_mainland().as_known(date(2020, 1, 28)).is_working_day(date(2020, 2, 1))   # taken back
    False

As JSON (a ledger's ``calendar.schedule_published.v1`` carries the same fields, and so does the shipped
``calendar_cn.json``, transcribed from the State Council's notices, each named in ``source``)::

    {"year": 2020, "known_from": "2020-01-27", "source": "国办发明电〔2020〕1号",
     "days_off": ["2020-01-01", …], "working_weekends": ["2020-01-19", …]}

What a ledger may know, and from which position on, is for whoever folds its events to decide.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple, Self

import orjson

from ledger.errors import Malformed, Refused

SATURDAY = 5
_ISO_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class CalendarUnknown(Refused):
    """The figure needs a year whose schedule is not known, or was not known then.

    ``details``: ``year``; and ``known_from`` (ISO day) if its schedule became known after the day asked about.
    """

    code = "calendar-unknown"

    def __init__(self, year: int, *, known_from: date | None = None) -> None:
        """Name the year and, if it is known by now, since when."""
        if known_from is None:
            super().__init__(
                f"No working-day schedule of {year} is known, so no day of it can be counted.",
                mend=f"Publish the schedule of {year} as a calendar event, or ask again when it is out.",
                year=year,
            )
        else:
            super().__init__(
                f"The working-day schedule of {year} was not known then: it is known since {known_from}.",
                mend=f"Ask as known on {known_from} or later.",
                year=year,
                known_from=known_from.isoformat(),
            )


@dataclass(frozen=True, slots=True)
class YearSchedule:
    """One year's departures from the plain Monday-to-Friday week, as one notice left them."""

    year: int
    known_from: date
    days_off: frozenset[date]  # Mondays to Fridays that are not worked
    working_weekends: frozenset[date]  # Saturdays and Sundays that are worked (调休)
    source: str  # the notice: title, number, dates

    def __post_init__(self) -> None:
        """Refuse a day of another year or on the wrong side of the week: a sign of a slip in the notice."""
        if not date.min.year <= self.year < date.max.year:
            raise Malformed(f"A schedule's year must lie in 1 to 9998, got {self.year}.", field="year")
        for field, days, weekend in (
            ("days_off", self.days_off, False),
            ("working_weekends", self.working_weekends, True),
        ):
            for day in sorted(days):
                if day.year != self.year or (day.weekday() >= SATURDAY) is not weekend:
                    wanted = "a Saturday or Sunday" if weekend else "a Monday to Friday"
                    raise Malformed(
                        f"{field} of the {self.year} schedule must hold {wanted} of {self.year}, got {day}.",
                        mend="List only days that depart from the plain week, each under its own year.",
                        field=field,
                    )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read the JSON form above; ``Malformed`` names the field that is not what it must be."""
        year, source = value.get("year"), value.get("source")
        if type(year) is not int:
            raise Malformed(f"A schedule's year must be a whole number, got {year!r}.", field="year")
        if not isinstance(source, str) or not source.strip():
            raise Malformed("A schedule must name its source, the notice that set it.", field="source")
        return cls(
            year=year,
            known_from=_day(value.get("known_from"), "known_from"),
            days_off=_days(value.get("days_off"), "days_off"),
            working_weekends=_days(value.get("working_weekends"), "working_weekends"),
            source=source,
        )

    def as_json(self) -> dict[str, Any]:
        """The JSON form above, days in order."""
        return {
            "year": self.year,
            "known_from": self.known_from.isoformat(),
            "source": self.source,
            "days_off": [day.isoformat() for day in sorted(self.days_off)],
            "working_weekends": [day.isoformat() for day in sorted(self.working_weekends)],
        }


class Run(NamedTuple):
    """Years known without a gap between them, as day ordinals (``date.toordinal``)."""

    first: int  # 1 January of the first year
    last: int  # 31 December of the last
    days: tuple[int, ...]  # every working day between, sorted: all counting is a bisect in here


class WorkingDays:
    """One state of knowledge: the set W of working dates, over the years that had a schedule then."""

    __slots__ = ("_later", "runs", "schedules")

    def __init__(self, schedules: Mapping[int, YearSchedule], *, later: Mapping[int, date]) -> None:
        """Use ``Calendar.as_known``. ``later``: years that became known afterwards, and when."""
        self.schedules = dict(sorted(schedules.items()))
        self._later = dict(later)
        runs: list[Run] = []
        for year, schedule in self.schedules.items():
            first, last, days = _working_ordinals(schedule)
            if runs and date.fromordinal(runs[-1].last).year == year - 1:
                first, days = runs[-1].first, runs.pop().days + days
            runs.append(Run(first, last, days))
        self.runs = tuple(runs)

    def run_at(self, ordinal: int) -> Run | None:
        """The known years around this day, or None where the calendar ends."""
        for run in self.runs:  # one run in practice: notices leave no year out
            if run.first <= ordinal <= run.last:
                return run
        return None

    def unknown(self, ordinal: int) -> CalendarUnknown:
        """The error for a figure that needs the schedule of this day's year."""
        year = date.fromordinal(ordinal).year
        return CalendarUnknown(year, known_from=self._later.get(year))

    def is_working_day(self, day: date) -> bool:
        """Whether ``day`` is worked; ``CalendarUnknown`` if its year has no schedule."""
        schedule = self.schedules.get(day.year)
        if schedule is None:
            raise self.unknown(day.toordinal())
        if day.weekday() >= SATURDAY:
            return day in schedule.working_weekends
        return day not in schedule.days_off

    def days_between(self, after: int, through: int) -> tuple[int, ...]:
        """The working days (ordinals) after ``after`` up to and including ``through``."""
        run, i, j = self._span(after, through)
        return run.days[i:j] if run else ()

    def count(self, after: int, through: int) -> int:
        """How many working days lie after ``after`` up to and including ``through`` (ordinals)."""
        _, i, j = self._span(after, through)
        return j - i

    def _span(self, after: int, through: int) -> tuple[Run | None, int, int]:
        if through <= after:
            return None, 0, 0
        run = self.run_at(after + 1)
        if run is None or through > run.last:
            raise self.unknown(run.last + 1 if run else after + 1)
        return run, bisect_right(run.days, after), bisect_right(run.days, through)


class Calendar:
    """Every schedule ever published, each with the day it became known. Immutable."""

    __slots__ = ("_known_from", "_views", "schedules")

    def __init__(self, schedules: Iterable[YearSchedule]) -> None:
        """Of two schedules of a year known from the same day, the one given later stands."""
        self.schedules = tuple(sorted(schedules, key=lambda schedule: schedule.known_from))
        self._known_from = [schedule.known_from for schedule in self.schedules]
        self._views: dict[int, WorkingDays] = {}

    @classmethod
    def from_json(cls, values: Iterable[Mapping[str, Any]]) -> Self:
        """A calendar from schedules in their JSON form, in the order in which they were recorded."""
        return cls(YearSchedule.from_json(value) for value in values)

    def as_known(self, on: date | None = None) -> WorkingDays:
        """What was known at the end of the day ``on``; without it, all that is known now.

        Cheap to call again and again: one view is kept for each state of knowledge.
        """
        known = len(self.schedules) if on is None else bisect_right(self._known_from, on)
        view = self._views.get(known)
        if view is None:
            later: dict[int, date] = {}
            for schedule in self.schedules[known:]:
                later.setdefault(schedule.year, schedule.known_from)
            view = WorkingDays({s.year: s for s in self.schedules[:known]}, later=later)
            self._views[known] = view
        return view


def revised(
    calendar: Calendar, *, off: Iterable[date] = (), work: Iterable[date] = (), source: str, known_from: date
) -> YearSchedule:
    """The newest schedule of a year with some days made off or worked, as a notice of that day revises it.

    Malformed unless all days are of one year that has a schedule, and each is changed by it.
    """
    changes = [(day, False) for day in off] + [(day, True) for day in work]
    years = sorted({day.year for day, _ in changes})
    known = [schedule for schedule in calendar.schedules if schedule.year in years]
    if len(years) != 1 or not known:
        raise Malformed(
            f"A revision is of days of one year that has a schedule, got {', '.join(map(str, years)) or 'no day'}.",
            mend="Revise one year at a time; publish a year that has no schedule yet from a file.",
            field="year",
        )
    days_off, weekends = set(known[-1].days_off), set(known[-1].working_weekends)
    for day, worked in changes:
        weekend = day.weekday() >= SATURDAY
        departs, wanted = (weekends, worked) if weekend else (days_off, not worked)
        if (day in departs) is wanted:
            raise Malformed(
                f"{day} is {'worked' if worked else 'off'} already.", mend="Name only days that change.", field="days"
            )
        departs.symmetric_difference_update({day})
    return YearSchedule(years[0], known_from, frozenset(days_off), frozenset(weekends), source)


@lru_cache(maxsize=1)
def china_mainland() -> Calendar:
    """The shipped calendar: mainland China, 2013 to 2026, every revision with its day of publication."""
    return Calendar.from_json(orjson.loads(files("ledger.facts").joinpath("calendar_cn.json").read_bytes()))


@lru_cache(maxsize=64)
def calendar_with(schedules: tuple[YearSchedule, ...]) -> Calendar:
    """The shipped calendar, and after it the schedules that a log holds, in its order."""
    return Calendar([*china_mainland().schedules, *schedules]) if schedules else china_mainland()


@lru_cache(maxsize=256)
def _working_ordinals(schedule: YearSchedule) -> Run:
    first, last = date(schedule.year, 1, 1).toordinal(), date(schedule.year, 12, 31).toordinal()
    off = {day.toordinal() for day in schedule.days_off}
    on = {day.toordinal() for day in schedule.working_weekends}
    # Ordinal 1 is a Monday, so (ordinal - 1) % 7 is the weekday.
    worked = (d for d in range(first, last + 1) if d in on or ((d - 1) % 7 < SATURDAY and d not in off))
    return Run(first, last, tuple(worked))


def _day(value: object, field: str) -> date:
    try:
        # fromisoformat alone would also take "20240208" and "2024-W06-4": one form per fact.
        if isinstance(value, str) and _ISO_DAY.fullmatch(value):
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise Malformed(f"A schedule's {field} must be a day written YYYY-MM-DD, got {value!r}.", field=field)


def _days(value: object, field: str) -> frozenset[date]:
    if not isinstance(value, list | tuple):
        raise Malformed(f"A schedule's {field} must be a list of days, got {value!r}.", field=field)
    return frozenset(_day(day, field) for day in value)
