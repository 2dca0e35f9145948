"""The calendar revision of 27 January 2020, and a year that was not known, played through on a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ledger.cases import approval
from ledger.door.door import Outcome
from ledger.errors import Malformed, Refused
from ledger.facts.calendar import YearSchedule, china_mainland, revised
from ledger.registry import catalogue
from ledger.statement import instant_text, open_statement
from oversight.clock import SystemClock
from projections.cards import card_list
from projections.clocks import case_runs, unknown
from projections.runner import Projector
from tests.cases.conftest import PERMIT, Place, staffed_place
from tests.oversight.conftest import adopt

FIRST, SECOND = (schedule for schedule in china_mainland().schedules if schedule.year == 2020)


def place_of(data: Path, monday: str, promise: int) -> Iterator[Place]:
    with staffed_place(data, monday=monday) as found:
        clocks = {"promise": {"limit": promise}, "gap_notice": {"limit": 5}}
        item = PERMIT | {"clocks": clocks}
        found.agreed(catalogue.item(found.desk("staff/cat-a"), "short", **item), found.desk("staff/cat-b"))
        adopt(found, "day-before")
        yield found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    yield from place_of(tmp_path_factory.mktemp("2020") / "data", "2020-01-20", 5)


def tick(place: Place, at: str) -> list[str]:
    """What is stated then: the rule, or the act, and the local time at which it was due."""
    place.at(at)
    stated = []
    for each in SystemClock(place.hall, now=lambda: place.now_us).tick():
        act = open_statement(place.hall.reader.stream(each.stream)[-1][2])
        stated.append(
            f"{act.data.get('rule', each.type.split('.')[1])} {instant_text(each.due_us + 28_800_000_000)[:16]}"
        )
        place.last = Outcome(act.id, act.stream, act.seq, repeated=False)
    place.placed()
    Projector(place.hall.database).catch_up()
    return stated


def publish(place: Place, schedule: YearSchedule) -> None:
    place.agreed(catalogue.schedule(place.desk("staff/cat-a"), schedule), place.desk("staff/cat-b"))
    place.placed()


def due(place: Place, case: str, **how: Any) -> str | None:
    with place.hall.database.use("reader") as connection:
        (run,) = [run for run in case_runs(connection, f"approval/{case}", **how) if run["clock"] == "promise"]
    return None if run["due_us"] is None else instant_text(run["due_us"] + 28_799_000_000)[:10]


def cards(place: Place, **how: Any) -> list[tuple[str, str, bool]]:
    with place.hall.database.use("reader") as connection:
        return [(one["rule"], one["stage"], one["proposed"]) for one in card_list(connection, **how)["cards"]]


def test_27_january_2020_played_through(place: Place) -> None:
    clerk = place.desk("staff/chen")
    approval.apply_for(clerk, "a", "short", applicant="张三")
    place.done(approval.accept(clerk, "a"))
    # The hall's own notice of the 28th repeats the old schedule: it has not heard of the holiday's prolongation.
    place.at("2020-01-28T09:00")
    publish(place, replace(FIRST, known_from=date(2020, 1, 28), source="the old schedule, repeated by mistake"))
    assert tick(place, "2020-01-30T12:00") == []
    assert due(place, "a") == "2020-02-01"
    assert tick(place, "2020-01-31T09:00") == ["P-1D 2020-01-31T09:00"]
    then = place.hall.reader.head().size
    # On the 31st it learns: two persons revise the calendar, and the clocks follow by an event that says why.
    place.at("2020-01-31T15:00")
    publish(place, replace(SECOND, known_from=date(2020, 1, 31)))
    assert sorted(tick(place, "2020-01-31T15:01")) == [
        "clocks_recomputed 2020-01-31T15:00",
        "revocation_proposed 2020-01-31T15:01",
    ]
    assert (due(place, "a"), due(place, "a", position=then)) == ("2020-02-04", "2020-02-01")
    assert cards(place) == [("P-1D", "raised", True)]
    assert cards(place, position=then) == [("P-1D", "raised", False)]
    moved = open_statement(place.hall.reader.stream("approval/a")[-1][2])
    assert moved.data["reason"] == "calendar"
    assert moved.data["runs"] == {"promise///1": ["2020-02-01T16:00:00.000000Z", "2020-02-04T16:00:00.000000Z"]}
    # A supervisor decides; the case itself stands where it stood.
    assert tick(place, "2020-01-31T15:02") == []
    with place.hall.database.use("reader") as connection:
        card = card_list(connection)["cards"][0]["stream"]
    place.done(place.desk("staff/du").say(card, "card.revoked.v1", {"reason": "recomputed"}))
    place.placed()
    Projector(place.hall.database).catch_up()
    assert cards(place) == [("P-1D", "revoked", True)]
    assert cards(place, position=then) == [("P-1D", "raised", False)]
    assert place.state("approval/a").stage == "accepted"
    assert Projector(place.hall.database).rebuild(batch=7).digest == Projector(place.hall.database).digest()


def test_whoever_knows_the_revision_in_time_is_prompted_on_3_february(place: Place) -> None:
    """The shipped calendar knows it since the day of the notice: another ledger would prompt then."""
    known = china_mainland()
    assert not known.as_known(date(2020, 1, 27)).is_working_day(date(2020, 2, 1))
    assert known.as_known(date(2020, 1, 26)).is_working_day(date(2020, 2, 1))


def test_a_revision_names_days_that_change_of_one_year_that_is_known() -> None:
    made = revised(
        china_mainland(),
        off=[date(2024, 3, 18)],
        work=[date(2024, 3, 23)],
        source="typhoon",
        known_from=date(2024, 3, 15),
    )
    known = next(schedule for schedule in china_mainland().schedules if schedule.year == 2024)
    assert made.days_off - known.days_off == {date(2024, 3, 18)}
    assert made.working_weekends - known.working_weekends == {date(2024, 3, 23)}
    for off, work in (
        ([date(2024, 3, 23)], []),
        ([], [date(2024, 3, 18)]),
        ([date(2031, 3, 18)], []),
        ([date(2024, 3, 18), date(2025, 3, 18)], []),
        ([], []),
    ):
        with pytest.raises(Malformed) as refused:
            revised(china_mainland(), off=off, work=work, source="typhoon", known_from=date(2024, 3, 15))
        assert refused.value.mend


@pytest.fixture(scope="module")
def at_the_edge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    last = max(schedule.year for schedule in china_mainland().schedules)
    day = date(last, 12, 24)
    yield from place_of(tmp_path_factory.mktemp("edge") / "data", day.isoformat(), 7)


def test_a_date_beyond_the_calendar_is_not_known_and_settled_by_an_event_when_the_year_comes(
    at_the_edge: Place,
) -> None:
    place, year = at_the_edge, max(schedule.year for schedule in china_mainland().schedules)
    clerk = place.desk("staff/chen")
    approval.apply_for(clerk, "a", "short", applicant="张三")
    place.done(approval.accept(clerk, "a"))
    assert tick(place, f"{year}-12-25T09:00") == []
    assert due(place, "a") is None
    with place.hall.database.use("reader") as connection:
        waits = unknown(connection)
    assert (waits["runs"], waits["cases"]) == (1, 1)
    coming = YearSchedule(year + 1, date(year, 12, 25), frozenset(), frozenset(), "the schedule of the year to come")
    with pytest.raises(Refused, match="nobody can know today"):
        publish(place, replace(coming, known_from=date(year, 12, 27)))
    publish(place, coming)
    assert tick(place, f"{year}-12-25T10:00") == [f"clocks_recomputed {year}-12-25T09:00"]
    settled = open_statement(place.hall.reader.stream("approval/a")[-1][2]).data["runs"]["promise///1"]
    assert settled[0] is None
    assert due(place, "a") == settled[1][:10]
    with place.hall.database.use("reader") as connection:
        assert unknown(connection)["runs"] == 0
    assert tick(place, f"{year}-12-25T11:00") == []
