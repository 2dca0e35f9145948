"""The calculus of clocks: known answers, a naive day-by-day reference, and the invariants as properties."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.facts.calendar import Calendar, CalendarUnknown, WorkingDays, YearSchedule, china_mainland
from ledger.facts.clocks import (
    Awaits,
    ClockSpec,
    Due,
    Pause,
    Unit,
    counted_days,
    due,
    elapsed,
    fraction,
    last_instant_of,
    local_day,
    may_still_move,
)

DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
NOW_KNOWN = china_mainland().as_known()


def d(text: str) -> date:
    return date.fromisoformat(text)


def i(text: str) -> datetime:
    return datetime.fromisoformat(text)


def pause(text: str) -> Pause:
    start, _, end = text.partition("..")
    return Pause(d(start), d(end) if end else None)


def working(limit: int) -> ClockSpec:
    return ClockSpec(limit, Unit.WORKING_DAY)


def earliest(found: Due) -> date:
    bound = found.at or found.not_before
    assert bound is not None
    return bound


# --- Known answers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "limit", "pauses", "expected"),
    [
        ("2024-03-04", 5, ["2024-03-06..2024-03-08"], "2024-03-13"),
        ("2024-02-08", 5, [], "2024-02-21"),  # over the Spring Festival, with a Sunday worked
        ("2024-03-04", 5, ["2024-03-06..2024-03-06"], "2024-03-11"),  # ended on the day it began: holds nothing
        ("2024-03-04", 5, ["2024-03-01..2024-03-04"], "2024-03-11"),  # over before the first day that counts
        ("2024-03-04", 5, ["2024-03-01..2024-03-05"], "2024-03-12"),
        ("2024-03-04", 1, [], "2024-03-05"),
        ("2024-03-09", 1, [], "2024-03-11"),  # started on a Saturday
    ],
)
def test_working_day_due_dates(start: str, limit: int, pauses: list[str], expected: str) -> None:
    found = due(working(limit), d(start), calendar=NOW_KNOWN, pauses=map(pause, pauses))
    assert found == Due(d(expected))


@pytest.mark.parametrize(("known_on", "expected"), [("2020-01-20", "2020-02-01"), ("2020-01-28", "2020-02-04")])
def test_the_due_date_is_that_of_the_calendar_as_known_then(known_on: str, expected: str) -> None:
    then = china_mainland().as_known(d(known_on))
    assert due(working(5), d("2020-01-20"), calendar=then).at == d(expected)


def test_the_counted_days_are_shown() -> None:
    days = counted_days(
        working(5), d("2024-03-04"), d("2024-03-13"), calendar=NOW_KNOWN, pauses=[pause("2024-03-06..2024-03-08")]
    )
    assert [day.day for day in days] == [5, 6, 11, 12, 13]


@pytest.mark.parametrize(
    ("start", "limit", "roll", "expected"),
    [
        ("2024-09-30", 5, True, Due(d("2024-10-08"), rolled_from=d("2024-10-05"))),
        ("2024-09-30", 5, False, Due(d("2024-10-05"))),
        ("2024-02-08", 5, True, Due(d("2024-02-18"), rolled_from=d("2024-02-13"))),  # onto a worked Sunday
        ("2024-02-08", 10, True, Due(d("2024-02-18"))),  # a worked Sunday needs no roll
    ],
)
def test_calendar_day_due_dates_roll_off_a_day_off(start: str, limit: int, roll: bool, expected: Due) -> None:
    assert due(ClockSpec(limit, Unit.CALENDAR_DAY, roll=roll), d(start), calendar=NOW_KNOWN) == expected


def test_a_calendar_day_clock_that_does_not_roll_needs_no_calendar() -> None:
    nothing_known = Calendar([]).as_known()
    spec = ClockSpec(30, Unit.CALENDAR_DAY, roll=False)
    assert due(spec, d("2027-01-01"), calendar=nothing_known).at == d("2027-01-31")
    with pytest.raises(CalendarUnknown, match="2027"):
        due(ClockSpec(30, Unit.CALENDAR_DAY), d("2027-01-01"), calendar=nothing_known)


def test_hours_run_through_nights_and_holidays() -> None:
    spec = ClockSpec(48, Unit.HOUR)
    found = due(spec, i("2024-02-09T17:30:00+08:00"), calendar=Calendar([]).as_known())
    assert found.at == i("2024-02-11T17:30:00+08:00")
    assert isinstance(found.at, datetime)
    assert found.at.tzinfo is UTC


def test_hours_stand_still_in_a_pause_of_instants() -> None:
    held = [Pause(i("2024-02-09T10:00:00+08:00"), i("2024-02-09T10:45:00+08:00"))]
    start, spec = i("2024-02-09T09:00:00+08:00"), ClockSpec(2, Unit.HOUR)
    assert due(spec, start, calendar=NOW_KNOWN, pauses=held).at == i("2024-02-09T11:45:00+08:00")
    at = i("2024-02-09T10:50:00+08:00")
    assert elapsed(spec, start, at, calendar=NOW_KNOWN, pauses=held) == Fraction(13, 12)


def test_a_limit_used_up_as_a_pause_starts_is_due_then() -> None:
    days = ClockSpec(2, Unit.CALENDAR_DAY)
    held = [pause("2024-03-06..2024-03-10")]
    assert due(days, d("2024-03-04"), calendar=NOW_KNOWN, pauses=held).at == d("2024-03-06")
    start, stop = i("2024-03-06T10:00:00+08:00"), i("2024-03-06T11:00:00+08:00")
    assert due(ClockSpec(1, Unit.HOUR), start, calendar=NOW_KNOWN, pauses=[Pause(stop, stop + DAY)]).at == stop


def test_an_extension_is_part_of_the_limit() -> None:
    start = d("2024-03-04")
    assert due(working(5), start, calendar=NOW_KNOWN, extension=2) == due(working(7), start, calendar=NOW_KNOWN)
    assert fraction(working(5), start, d("2024-03-07"), calendar=NOW_KNOWN, extension=1) == Fraction(1, 2)


@pytest.mark.parametrize(
    ("day", "share"), [("2024-03-04", "0"), ("2024-03-15", "9/10"), ("2024-03-18", "1"), ("2024-03-19", "11/10")]
)
def test_the_working_fraction_is_exact(day: str, share: str) -> None:
    assert fraction(working(10), d("2024-03-04"), d(day), calendar=NOW_KNOWN) == Fraction(share)


# --- Not yet known ------------------------------------------------------------------------------------------


def test_an_open_pause_leaves_the_due_date_unknown_but_bounded() -> None:
    found = due(working(5), d("2024-03-04"), calendar=NOW_KNOWN, pauses=[pause("2024-03-06..")])
    assert found == Due(None, not_before=d("2024-03-11"), awaits=Awaits.PAUSE_END)
    assert not found.known


def test_a_closed_pause_beside_an_open_one_counts_in_the_bound() -> None:
    held = [pause("2024-03-06.."), pause("2024-03-04..2024-03-05")]
    assert due(working(5), d("2024-03-04"), calendar=NOW_KNOWN, pauses=held).not_before == d("2024-03-12")


@pytest.mark.parametrize("opened", ["2024-03-06", "2024-03-07"])
def test_a_due_date_up_to_the_start_of_an_open_pause_is_simply_known(opened: str) -> None:
    assert due(working(2), d("2024-03-04"), calendar=NOW_KNOWN, pauses=[Pause(d(opened))]).at == d("2024-03-06")


def test_while_a_pause_is_open_nothing_elapses() -> None:
    spec, start, held = working(5), d("2024-03-04"), [pause("2024-03-06..")]
    assert [elapsed(spec, start, d(t), calendar=NOW_KNOWN, pauses=held) for t in ("2024-03-05", "2024-03-06")] == [
        1,
        2,
    ]
    assert elapsed(spec, start, d("2024-06-28"), calendar=NOW_KNOWN, pauses=held) == 2


def test_beyond_the_calendar_a_due_date_is_refused_or_not_yet_known_with_a_bound() -> None:
    # 28 to 31 December count, sixteen days are left, and no schedule can bring them in before 16 January.
    with pytest.raises(CalendarUnknown, match="2027"):
        due(working(20), d("2026-12-25"), calendar=NOW_KNOWN)
    found = due(working(20), d("2026-12-25"), calendar=NOW_KNOWN, beyond="not-yet-known")
    assert found == Due(None, not_before=d("2027-01-16"), awaits=Awaits.CALENDAR, missing_year=2027)


def test_the_last_day_of_the_calendar_is_known_and_the_next_is_not() -> None:
    assert due(working(4), d("2026-12-25"), calendar=NOW_KNOWN).at == d("2026-12-31")
    with pytest.raises(CalendarUnknown):
        due(working(5), d("2026-12-25"), calendar=NOW_KNOWN)
    assert elapsed(working(5), d("2026-12-25"), d("2026-12-31"), calendar=NOW_KNOWN) == 4
    with pytest.raises(CalendarUnknown):
        elapsed(working(5), d("2026-12-25"), d("2027-01-01"), calendar=NOW_KNOWN)


def test_a_roll_over_the_edge_of_the_calendar_is_not_yet_known() -> None:
    eve = Calendar([YearSchedule(2030, d("2029-11-01"), frozenset({d("2030-12-31")}), frozenset(), "a notice")])
    spec = ClockSpec(1, Unit.CALENDAR_DAY)
    found = due(spec, d("2030-12-30"), calendar=eve.as_known(), beyond="not-yet-known")
    assert found == Due(None, not_before=d("2031-01-01"), awaits=Awaits.CALENDAR, missing_year=2031)


def test_a_pause_over_the_edge_of_the_calendar_moves_the_bound() -> None:
    # 28 and 29 December count; eight are left when the pause is over.
    held = [pause("2026-12-29..2027-01-05")]
    found = due(working(10), d("2026-12-25"), calendar=NOW_KNOWN, pauses=held, beyond="not-yet-known")
    assert found == Due(None, not_before=d("2027-01-13"), awaits=Awaits.CALENDAR, missing_year=2027)


def test_when_the_calendar_arrives_the_due_date_settles_on_or_after_its_bound() -> None:
    before, after = (china_mainland().as_known(d(on)) for on in ("2023-10-24", "2023-10-25"))
    bound = due(working(20), d("2023-12-25"), calendar=before, beyond="not-yet-known")
    settled = due(working(20), d("2023-12-25"), calendar=after)
    assert not bound.known
    assert earliest(bound) <= earliest(settled) == d("2024-01-23")


def test_a_year_wholly_inside_a_pause_is_not_needed() -> None:
    plain = [YearSchedule(y, d("2029-11-01"), frozenset(), frozenset(), "a notice") for y in (2030, 2032)]
    held = [pause("2030-12-30..2031-12-31")]
    found = due(working(2), d("2030-12-27"), calendar=Calendar(plain).as_known(), pauses=held)
    assert found.at == d("2032-01-01")
    assert elapsed(working(2), d("2030-12-27"), d("2032-01-01"), calendar=Calendar(plain).as_known(), pauses=held) == 2


# --- Days and instants --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2024-03-03T15:59:59+00:00", "2024-03-03"),
        ("2024-03-03T16:00:00+00:00", "2024-03-04"),
        ("1988-07-01T15:30:00+00:00", "1988-07-02"),  # summer time then: UTC+9
    ],
)
def test_days_are_local_days_in_shanghai(instant: str, day: str) -> None:
    assert local_day(i(instant)) == d(day)


def test_a_day_clock_fed_with_instants_uses_their_local_days() -> None:
    held = [Pause(i("2024-03-05T23:00:00+00:00"), i("2024-03-08T09:00:00+08:00"))]  # 6 to 8 March in Shanghai
    assert due(working(5), i("2024-03-03T20:00:00+00:00"), calendar=NOW_KNOWN, pauses=held).at == d("2024-03-13")


@pytest.mark.parametrize(
    ("last", "instant"),
    [("24:00", "2024-02-21T16:00:00+00:00"), ("17:30", "2024-02-21T09:30:00+00:00")],
)
def test_the_last_instant_is_a_policy_value(last: str, instant: str) -> None:
    spec = ClockSpec(5, last_instant=last)
    assert last_instant_of(due(spec, d("2024-02-08"), calendar=NOW_KNOWN), spec) == i(instant)


def test_the_last_instant_of_an_hour_clock_is_its_due() -> None:
    spec, start = ClockSpec(1, Unit.HOUR, last_instant="17:30"), i("2024-02-09T20:00:00+08:00")
    assert last_instant_of(due(spec, start, calendar=NOW_KNOWN), spec) == i("2024-02-09T21:00:00+08:00")


def test_what_is_recorded_after_the_due_instant_never_moves_it() -> None:
    spec = ClockSpec(5, last_instant="17:30")
    found = due(spec, d("2024-02-08"), calendar=NOW_KNOWN)
    assert may_still_move(found, spec, i("2024-02-21T17:30:00+08:00"))
    assert not may_still_move(found, spec, i("2024-02-21T17:30:00.000001+08:00"))
    unknown = due(spec, d("2024-02-08"), calendar=NOW_KNOWN, pauses=[pause("2024-02-09..")])
    assert may_still_move(unknown, spec, i("2030-01-01T00:00:00+08:00"))


# --- Refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, -1, True, 1.5])
def test_a_limit_is_a_whole_number_of_at_least_one(limit: int) -> None:
    with pytest.raises(Malformed, match="limit"):
        ClockSpec(limit)


@pytest.mark.parametrize("extension", [-1, True, 0.5])
def test_an_extension_is_a_whole_number_of_at_least_nothing(extension: int) -> None:
    with pytest.raises(Malformed, match="extension"):
        due(working(5), d("2024-03-04"), calendar=NOW_KNOWN, extension=extension)


def test_a_bare_string_is_not_a_unit() -> None:
    with pytest.raises(Malformed, match="unit"):
        ClockSpec(5, "working-day")  # type: ignore[arg-type]


@pytest.mark.parametrize("last", ["24:01", "9:30", "17.30", ""])
def test_a_last_instant_is_a_time_of_day(last: str) -> None:
    with pytest.raises(Malformed, match="last instant"):
        ClockSpec(5, last_instant=last)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (d("2024-03-06"), d("2024-03-05")),
        (i("2024-03-06T10:00:00+08:00"), i("2024-03-06T01:59:59+00:00")),
        (d("2024-03-06"), i("2024-03-07T10:00:00+08:00")),
        (i("2024-03-06T10:00:00"), None),
    ],
)
def test_a_pause_that_cannot_be_is_refused(start: date, end: date | None) -> None:
    with pytest.raises(Malformed, match="pause"):
        Pause(start, end)


def test_naive_instants_and_days_for_hours_are_refused() -> None:
    hours, aware = ClockSpec(5, Unit.HOUR), i("2024-03-04T09:00:00+08:00")
    for spec, start in (
        (working(5), i("2024-03-04T09:00:00")),
        (hours, i("2024-03-04T09:00:00")),
        (hours, d("2024-03-04")),
    ):
        with pytest.raises(Malformed):
            due(spec, start, calendar=NOW_KNOWN)
    with pytest.raises(Malformed, match="instants"):
        due(hours, aware, calendar=NOW_KNOWN, pauses=[pause("2024-03-04..2024-03-05")])


@pytest.mark.parametrize("unit", Unit)
def test_a_due_date_past_the_year_9999_is_refused(unit: Unit) -> None:
    start = i("2024-03-04T09:00:00+08:00")
    with pytest.raises(Malformed, match="9999"):
        due(ClockSpec(10**12, unit), start, calendar=NOW_KNOWN, beyond="not-yet-known")


# --- A naive reference, and the invariants ------------------------------------------------------------------

FIRST, LAST = date(2018, 1, 1), date(2024, 12, 31)
# Half of the days close together and around a year's end, so that edges meet.
span_days = st.one_of(st.dates(date(2018, 11, 1), date(2022, 3, 1)), st.dates(date(2019, 12, 20), date(2020, 1, 10)))


@st.composite
def calendars(draw: st.DrawFn) -> WorkingDays:
    """Some of the years 2018 to 2024, with odd days off and weekends worked, now and then with a gap."""
    years = draw(st.sets(st.integers(2018, 2024), min_size=4).map(sorted))
    schedules = []
    for year in years:
        offsets = draw(st.sets(st.one_of(st.integers(0, 40), st.integers(0, 364)), max_size=12))
        days = {date(year, 1, 1) + offset * DAY for offset in offsets}
        weekend = frozenset(day for day in days if day.weekday() >= 5)
        schedules.append(YearSchedule(year, date(2017, 1, 1), frozenset(days - weekend), weekend, "drawn"))
    return Calendar(schedules).as_known()


@st.composite
def day_pauses(draw: st.DrawFn, *, may_be_open: bool = True) -> list[Pause]:
    pauses = []
    for start in draw(st.lists(span_days, max_size=4)):
        length = draw(st.one_of(st.integers(0, 20), st.integers(0, 500)))
        is_open = may_be_open and draw(st.integers(0, 4)) == 0
        pauses.append(Pause(start, None if is_open else start + length * DAY))
    return pauses


day_units = st.sampled_from([Unit.WORKING_DAY, Unit.CALENDAR_DAY])
limits = st.one_of(st.integers(1, 30), st.integers(1, 700))
day_specs = st.builds(ClockSpec, limits, day_units, st.booleans())


def held_naively(day: date, pauses: Sequence[Pause]) -> bool:
    return any(p.start < day and (p.end is None or day <= p.end) for p in pauses)


def naive_days(spec: ClockSpec, calendar: WorkingDays, start: date, t: date, pauses: Sequence[Pause]) -> list[date]:
    days, day = [], start + DAY
    while day <= t:
        if not held_naively(day, pauses) and (spec.unit is not Unit.WORKING_DAY or calendar.is_working_day(day)):
            days.append(day)
        day += DAY
    return days


def naive_due(spec: ClockSpec, calendar: WorkingDays, start: date, pauses: Sequence[Pause]) -> Due:
    """Walk day by day; where the calendar ends let every day count. No arithmetic shared with the real one."""
    closed = [p for p in pauses if p.end is not None]
    day, left, beyond = start, spec.limit, None
    while left:
        day += DAY
        if held_naively(day, closed):
            continue
        if spec.unit is Unit.WORKING_DAY and beyond is None and day.year not in calendar.schedules:
            beyond = day.year
        if spec.unit is Unit.CALENDAR_DAY or beyond is not None or calendar.is_working_day(day):
            left -= 1
    used_up = day
    if spec.unit is Unit.CALENDAR_DAY and spec.roll:
        while day.year in calendar.schedules and not calendar.is_working_day(day):
            day += DAY
        if day.year not in calendar.schedules:
            beyond = day.year
    if any(p.end is None and p.start < used_up for p in pauses):
        return Due(None, not_before=day, awaits=Awaits.PAUSE_END, missing_year=beyond)
    if beyond is not None:
        return Due(None, not_before=day, awaits=Awaits.CALENDAR, missing_year=beyond)
    return Due(day, rolled_from=used_up if day != used_up else None)


@given(day_specs, calendars(), span_days, day_pauses())
@settings(max_examples=150, deadline=None)
def test_due_agrees_with_the_naive_reference(
    spec: ClockSpec, calendar: WorkingDays, start: date, pauses: list[Pause]
) -> None:
    found = due(spec, start, calendar=calendar, pauses=pauses, beyond="not-yet-known")
    assert found == naive_due(spec, calendar, start, pauses)
    if found.missing_year is None:
        assert due(spec, start, calendar=calendar, pauses=pauses) == found
    else:
        with pytest.raises(CalendarUnknown, match=str(found.missing_year)):
            due(spec, start, calendar=calendar, pauses=pauses)


@given(day_specs, calendars(), span_days, st.dates(FIRST, LAST), day_pauses())
@settings(max_examples=150, deadline=None)
def test_elapsed_agrees_with_the_naive_reference(
    spec: ClockSpec, calendar: WorkingDays, start: date, t: date, pauses: list[Pause]
) -> None:
    try:
        days = naive_days(spec, calendar, start, t, pauses)
    except CalendarUnknown:
        with pytest.raises(CalendarUnknown):
            elapsed(spec, start, t, calendar=calendar, pauses=pauses)
        return
    assert elapsed(spec, start, t, calendar=calendar, pauses=pauses) == len(days)
    assert list(counted_days(spec, start, t, calendar=calendar, pauses=pauses)) == days
    assert fraction(spec, start, t, calendar=calendar, pauses=pauses) == Fraction(len(days), spec.limit)


T0 = datetime(2024, 2, 9, tzinfo=UTC)
minutes = st.integers(0, 600).map(lambda m: T0 + m * MINUTE)


@st.composite
def hour_pauses(draw: st.DrawFn) -> list[Pause]:
    starts = draw(st.lists(minutes, max_size=4))
    ends = [draw(st.one_of(st.none(), st.integers(0, 120))) for _ in starts]
    return [Pause(s, None if e is None else s + e * MINUTE) for s, e in zip(starts, ends, strict=True)]


@given(st.integers(1, 8), minutes, minutes, hour_pauses())
@settings(max_examples=150, deadline=None)
def test_hours_agree_with_counting_minute_by_minute(
    limit: int, start: datetime, t: datetime, pauses: list[Pause]
) -> None:
    def runs(at: datetime, among: Sequence[Pause]) -> bool:  # the minute that ends at ``at``
        return not any(p.start < at and (p.end is None or at <= p.end) for p in among)

    spec = ClockSpec(limit, Unit.HOUR)
    counted = sum(runs(start + m * MINUTE, pauses) for m in range(1, (t - start) // MINUTE + 1))
    assert elapsed(spec, start, t, calendar=NOW_KNOWN, pauses=pauses) == Fraction(counted, 60)

    at, left, closed = start, limit * 60, [p for p in pauses if p.end is not None]
    while left:
        at += MINUTE
        left -= runs(at, closed)
    found = due(spec, start, calendar=NOW_KNOWN, pauses=pauses)
    if any(p.end is None and p.start < at for p in pauses):
        assert found == Due(None, not_before=at, awaits=Awaits.PAUSE_END)
    else:
        assert found == Due(at)


@given(day_specs, span_days, st.dates(FIRST, LAST), st.dates(FIRST, LAST), day_pauses())
def test_elapsed_never_falls_as_time_goes_on(
    spec: ClockSpec, start: date, one: date, other: date, pauses: list[Pause]
) -> None:
    earlier, later = sorted((one, other))
    run = [elapsed(spec, start, t, calendar=NOW_KNOWN, pauses=pauses) for t in (earlier, later)]
    assert 0 <= run[0] <= run[1]


@given(day_units, st.integers(1, 400), st.integers(1, 400), span_days, day_pauses(may_be_open=False))
def test_due_of_n_and_m_is_due_of_n_advanced_by_m(unit: Unit, n: int, m: int, start: date, pauses: list[Pause]) -> None:
    def at(limit: int, since: date, extension: int = 0) -> date:
        spec = ClockSpec(limit, unit, roll=False)
        return earliest(due(spec, since, calendar=NOW_KNOWN, pauses=pauses, extension=extension, beyond="refuse"))

    assert at(n + m, start) == at(m, at(n, start)) == at(n, start, extension=m)


@given(st.integers(1, 30), st.integers(1, 30), minutes, hour_pauses())
def test_due_of_n_and_m_hours_is_due_of_n_advanced_by_m(n: int, m: int, start: datetime, pauses: list[Pause]) -> None:
    closed = [p for p in pauses if p.end is not None]
    first = earliest(due(ClockSpec(n, Unit.HOUR), start, calendar=NOW_KNOWN, pauses=closed))
    advanced = due(ClockSpec(m, Unit.HOUR), first, calendar=NOW_KNOWN, pauses=closed)
    assert due(ClockSpec(n + m, Unit.HOUR), start, calendar=NOW_KNOWN, pauses=closed) == advanced


@given(day_specs, calendars(), span_days, day_pauses(), day_pauses())
def test_adding_a_pause_never_makes_due_earlier(
    spec: ClockSpec, calendar: WorkingDays, start: date, pauses: list[Pause], more: list[Pause]
) -> None:
    found = due(spec, start, calendar=calendar, pauses=pauses, beyond="not-yet-known")
    held_longer = due(spec, start, calendar=calendar, pauses=pauses + more, beyond="not-yet-known")
    assert earliest(held_longer) >= earliest(found)


@given(day_specs, calendars(), span_days, day_pauses(), st.data())
def test_only_the_union_of_the_pauses_counts(
    spec: ClockSpec, calendar: WorkingDays, start: date, pauses: list[Pause], data: st.DataObject
) -> None:
    same_days: list[Pause] = []
    for p in pauses:
        cut = p.start + data.draw(st.integers(0, 30)) * DAY
        if p.end is None:
            same_days += [Pause(p.start, cut), p] if data.draw(st.booleans()) else [p, Pause(cut)]
        elif cut < p.end:
            overlap = max(p.start, cut - data.draw(st.integers(0, 3)) * DAY)
            same_days += [Pause(p.start, cut), Pause(overlap, p.end)]
        else:
            same_days += [p, p]
    same_days = data.draw(st.permutations(same_days))
    t = data.draw(st.dates(FIRST, LAST))

    def answers(held: list[Pause]) -> tuple[object, ...]:
        found = due(spec, start, calendar=calendar, pauses=held, beyond="not-yet-known")
        try:
            return found.at, found.known, elapsed(spec, start, t, calendar=calendar, pauses=held)
        except CalendarUnknown as unknown:
            return found.at, found.known, unknown.code

    assert answers(same_days) == answers(pauses)


@given(day_specs, calendars(), span_days, day_pauses())
def test_replay_gives_the_same_due(spec: ClockSpec, calendar: WorkingDays, start: date, pauses: list[Pause]) -> None:
    written = orjson.dumps([schedule.as_json() for schedule in calendar.schedules.values()])
    replayed = Calendar.from_json(orjson.loads(written)).as_known()
    first, again = (
        due(spec, start, calendar=known, pauses=iter(pauses), beyond="not-yet-known") for known in (calendar, replayed)
    )
    assert first == again


def test_a_limit_of_thousands_of_days_is_exact() -> None:
    start, spec = d("2013-02-01"), working(3_000)
    found = due(spec, start, calendar=NOW_KNOWN)
    assert found.at is not None
    assert len(naive_days(spec, NOW_KNOWN, start, found.at, [])) == 3_000
    assert NOW_KNOWN.is_working_day(found.at)
