"""The six stories of the source, played through the real commands: each crosses centres, and each ends well."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from api.demo.stories import ITEMS, STORIES
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.facts.calendar import china_mainland
from ledger.statement import instant_us, open_statement

Place = Any
ON_THE_SPOT = {"unit": "env", "centre": "administrative", "handling": "on_the_spot", "clocks": {}}
CAST = {
    "citizen": "portal",
    "clerk": "chen",
    "dispatcher": "pai",
    "duty": "ying",
    "grid": "grid",
    "grid_second": "grid-b",
    "help": "qiu",
    "help_second": "bang",
    "host": "host",
    "mediator": "tiao",
    "mediator_second": "jie",
    "mediator_third": "third",
    "trading": "trade",
}


@dataclass(frozen=True)
class Stage:
    """The tests' place, as stories want it."""

    place: Place

    def part(self, name: str) -> Desk:
        return self.place.desk(f"staff/{CAST[name]}")

    def done(self, outcome: Outcome) -> Outcome:
        return self.place.done(outcome)


def play_stories(place: Place) -> dict[str, str]:
    """Play all six, one after the other; which stream each of them is mainly about."""
    for code in ITEMS:
        place.publish(code, {"name": code, **ON_THE_SPOT})
    days = [date(2024, 3, 5) + timedelta(days=k) for k in range(120)]
    days = [day for day in days if china_mainland().as_known().is_working_day(day)]
    found: dict[str, str] = {}
    for name, story in STORIES.items():
        first = next(k for k, day in enumerate(days) if instant_us(f"{day}T00:00:00+08:00") > place.now_us)
        going = story(Stage(place), days[first:].__getitem__)
        while name not in found:
            try:
                at_us = next(going)
            except StopIteration as end:
                found[name] = end.value
            else:
                place.placed()
                place.now_us = max(place.now_us, at_us)
    return found


@pytest.fixture(scope="module")
def stories(place: Place) -> dict[str, Any]:
    played = play_stories(place)
    place.placed()
    return {name: place.state(stream) for name, stream in played.items()}


def recorded_us(place: Place, stream: str) -> dict[str, int]:
    """When each kind of act of a stream was recorded first."""
    rows = list(place.hall.reader.stream(stream))
    when = place.hall.reader.recorded_us([index for index, _, _ in rows])
    found: dict[str, int] = {}
    for index, _, entry in rows:
        found.setdefault(open_statement(entry).type.split(".")[1], when[index])
    return found


def test_the_containers_are_cleared_within_the_hour(place: Place, stories: dict[str, Any]) -> None:
    when = recorded_us(place, "assistance/clearance")
    assert stories["container clearance"].stage == "closed"
    assert when["helped"] - when["requested"] <= 3_600_000_000


def test_the_stalls_come_to_an_agreement_of_three_parties_that_is_kept(stories: dict[str, Any]) -> None:
    found = stories["market stalls"]
    assert (found.stage, len(found.parties), found.meetings, found.kept) == ("closed", 3, 2, True)


def test_the_alarm_is_answered_in_minutes(place: Place, stories: dict[str, Any]) -> None:
    when = recorded_us(place, "emergency/bridge")
    found = stories["bridge rescue"]
    assert (found.stage, found.sent == found.arrived) == ("reviewed", True)
    assert when["dispatched"] - when["alarm_raised"] < 180_000_000
    assert when["arrived"] - when["dispatched"] < 600_000_000


def test_the_petition_ends_and_does_not_come_again(place: Place, stories: dict[str, Any]) -> None:
    found = stories["land petition"]
    assert (found.stage, found.sessions, found.petitions) == ("closed", 1, 0)
    assert place.state("trading/pipes").stage == "complete"


def test_the_subsidy_is_applied_for_with_consent_and_paid(place: Place, stories: dict[str, Any]) -> None:
    assert stories["proxy subsidy"].cases == ("approval/subsidy",)
    relief = place.state("assistance/subsidy")
    assert (relief.stage, relief.granted_fen, relief.paid_fen, relief.recovered_fen) == ("closed", 120_000, 120_000, 0)
    assert place.state("referral/subsidy").target == "assistance/subsidy"


def test_the_house_is_sold_in_one_run(stories: dict[str, Any]) -> None:
    found = stories["house sale"]
    assert (found.stage, len(found.children), set(found.children.values())) == ("closed", 4, {"granted"})


def test_nobody_s_name_stands_in_the_log(place: Place, stories: dict[str, Any]) -> None:
    head = place.hall.reader.head()
    log = b"".join(each.entry for each in place.hall.reader.entries(0, head.size))
    for secret in ("松霖", "许永年", "吴某", "买方", "身份证2", "彩虹桥", "年轻女子", "一站式处理"):
        assert secret.encode() not in log
    assert "旭日海湾摊点协商结果".encode() in log  # what is released is for everybody


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any, stories: dict[str, Any]) -> None:
    table.same_outside(
        outsider,
        *("approval", "assistance", "bundle", "consultation", "emergency", "grid", "mediation"),
        *("proxy", "rating", "referral", "ticket", "trading"),
    )
    assert instant_us("2024-03-22T09:00:00+08:00") < outsider.hall.reader.head().recorded_us
