"""The working-day calendar: what is worked, and since when that was known."""

from __future__ import annotations

import re
from datetime import date, timedelta
from importlib.resources import files
from typing import Any

import chinese_calendar
import orjson
import pytest

from ledger.errors import Malformed, Refused
from ledger.facts.calendar import Calendar, CalendarUnknown, YearSchedule, china_mainland

DAY = timedelta(days=1)


def schedule(year: int = 2030, known_from: str = "2029-11-01", **changed: Any) -> dict[str, Any]:
    return {
        "year": year,
        "known_from": known_from,
        "days_off": [],
        "working_weekends": [],
        "source": "a notice",
    } | changed


def test_every_day_of_2013_to_2026_is_as_an_independent_package_has_it() -> None:
    known = china_mainland().as_known()
    day, differing = date(2013, 1, 1), []
    while day.year <= 2026:
        if known.is_working_day(day) is not chinese_calendar.is_workday(day):
            differing.append(day)
        day += DAY
    assert differing == []


@pytest.mark.parametrize(
    ("day", "published", "worked_before"),
    [
        ("2015-09-03", "2015-05-13", True),
        ("2015-09-04", "2015-05-13", True),
        ("2015-09-06", "2015-05-13", False),
        ("2018-12-29", "2018-12-06", False),  # moved by the notice for 2019
        ("2018-12-31", "2018-12-06", True),
        ("2019-04-28", "2019-03-22", False),
        ("2019-05-02", "2019-03-22", True),
        ("2019-05-03", "2019-03-22", True),
        ("2019-05-05", "2019-03-22", False),
        ("2020-01-31", "2020-01-27", True),
        ("2020-02-01", "2020-01-27", True),
    ],
)
def test_a_revision_is_known_from_its_day_of_publication_and_not_before(
    day: str, published: str, worked_before: bool
) -> None:
    calendar, known_from = china_mainland(), date.fromisoformat(published)
    asked = date.fromisoformat(day)
    assert calendar.as_known(known_from - DAY).is_working_day(asked) is worked_before
    assert calendar.as_known(known_from).is_working_day(asked) is not worked_before
    assert calendar.as_known().is_working_day(asked) is not worked_before


def test_revisions_move_only_the_days_their_notice_names() -> None:
    moved: dict[str, set[str]] = {}
    latest: dict[int, YearSchedule] = {}
    for version in china_mainland().schedules:
        before = latest.get(version.year)
        if before:
            changed = (before.days_off ^ version.days_off) | (before.working_weekends ^ version.working_weekends)
            moved[version.known_from.isoformat()] = {day.isoformat() for day in changed}
        latest[version.year] = version
    assert moved == {
        "2015-05-13": {"2015-09-03", "2015-09-04", "2015-09-06"},
        "2018-12-06": {"2018-12-29", "2018-12-31"},
        "2019-03-22": {"2019-04-28", "2019-05-02", "2019-05-03", "2019-05-05"},
        "2020-01-27": {"2020-01-31", "2020-02-01"},
    }


@pytest.mark.parametrize("year", range(2013, 2027))
def test_a_year_is_refused_as_known_before_its_schedule_was_published(year: int) -> None:
    calendar = china_mainland()
    published = min(s.known_from for s in calendar.schedules if s.year == year)
    assert published.year == year - 1, "schedules come out late in the year before"
    with pytest.raises(CalendarUnknown) as refused:
        calendar.as_known(published - DAY).is_working_day(date(year, 6, 1))
    assert refused.value.code == "calendar-unknown"
    assert isinstance(refused.value, Refused)
    assert refused.value.details == {"year": year, "known_from": published.isoformat()}
    calendar.as_known(published).is_working_day(date(year, 6, 1))


@pytest.mark.parametrize("year", [2012, 2027, 2100])
def test_a_year_without_any_schedule_is_refused_and_never_guessed(year: int) -> None:
    known = china_mainland().as_known()
    with pytest.raises(CalendarUnknown, match=str(year)) as refused:
        known.is_working_day(date(year, 6, 1))
    assert refused.value.details == {"year": year}
    first, last = date(year, 6, 1).toordinal(), date(year, 6, 30).toordinal()
    with pytest.raises(CalendarUnknown):
        known.count(first, last)


def test_every_shipped_schedule_names_its_notice() -> None:
    for version in china_mainland().schedules:
        assert re.search(r"国(办)?发明电〔20\d\d〕\d+号", version.source), version.source
        assert version.known_from.isoformat() in version.source


def test_the_shipped_file_is_the_json_form_of_the_calendar() -> None:
    shipped = orjson.loads(files("ledger.facts").joinpath("calendar_cn.json").read_bytes())
    calendar = Calendar.from_json(shipped)
    assert [version.as_json() for version in calendar.schedules] == sorted(shipped, key=lambda s: s["known_from"])


def test_the_order_of_events_does_not_matter_unless_two_notices_share_a_day() -> None:
    first = schedule(known_from="2029-11-01")
    later = schedule(known_from="2030-01-05", days_off=["2030-01-07"])
    twin = schedule(known_from="2030-01-05", days_off=["2030-01-08"])
    for events in ([first, later], [later, first]):
        calendar = Calendar.from_json(events)
        assert calendar.as_known(date(2030, 1, 4)).is_working_day(date(2030, 1, 7))
        assert not calendar.as_known(date(2030, 1, 5)).is_working_day(date(2030, 1, 7))
    # Of two from the same day the one recorded later stands.
    assert not Calendar.from_json([first, later, twin]).as_known().is_working_day(date(2030, 1, 8))
    assert Calendar.from_json([first, twin, later]).as_known().is_working_day(date(2030, 1, 8))


def test_counting_across_years_takes_the_day_after_the_first_and_the_last_itself() -> None:
    known = china_mainland().as_known()
    after, through = date(2023, 12, 28).toordinal(), date(2024, 1, 3).toordinal()
    days = [date.fromordinal(day) for day in known.days_between(after, through)]
    assert days == [date(2023, 12, 29), date(2024, 1, 2), date(2024, 1, 3)]  # 1 January and a weekend are off
    assert known.count(after, through) == 3
    assert known.count(through, after) == 0


def test_counting_over_a_gap_between_known_years_is_refused() -> None:
    known = Calendar.from_json([schedule(2030), schedule(2032)]).as_known()
    with pytest.raises(CalendarUnknown, match="2031"):
        known.count(date(2030, 12, 1).toordinal(), date(2032, 2, 1).toordinal())
    # From the gap's last day on only the known year is needed.
    assert known.count(date(2031, 12, 31).toordinal(), date(2032, 1, 2).toordinal()) == 2


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"year": "2030"}, "year"),
        ({"year": True}, "year"),
        ({"year": 0}, "year"),
        ({"year": 9999}, "year"),
        ({"known_from": "2029-11-31"}, "known_from"),
        ({"known_from": "20291101"}, "known_from"),
        ({"known_from": None}, "known_from"),
        ({"days_off": "2030-01-01"}, "days_off"),
        ({"days_off": ["2030-01-32"]}, "days_off"),
        ({"days_off": ["2031-01-01"]}, "days_off"),
        ({"days_off": ["2030-01-05"]}, "days_off"),  # a Saturday is off as it is
        ({"working_weekends": ["2030-01-07"]}, "working_weekends"),  # a Monday is worked as it is
        ({"working_weekends": [20300105]}, "working_weekends"),
        ({"source": " "}, "source"),
        ({"source": None}, "source"),
    ],
)
def test_a_schedule_that_cannot_be_right_is_refused_with_the_field_named(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as refused:
        YearSchedule.from_json(schedule(**changed))
    assert refused.value.details["field"] == field


def test_one_view_serves_every_day_between_two_notices() -> None:
    calendar = china_mainland()
    assert calendar.as_known(date(2020, 1, 27)) is calendar.as_known(date(2020, 6, 1))
    assert calendar.as_known(date(2020, 1, 26)) is not calendar.as_known(date(2020, 1, 27))
