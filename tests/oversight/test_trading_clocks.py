"""Trading's clocks raise cards like any other: limits from a pack, the same in page, clock, dry run and audit."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from api.questions import case_history
from ledger.cases import trading
from ledger.errors import Refused
from ledger.facts.card_rules import read_pack
from ledger.facts.duties import Followed
from ledger.registry import catalogue
from ledger.statement import Statement, instant_text, open_statement
from oversight.clock import SystemClock, sample
from oversight.dry_run import on_live
from projections import clocks
from projections.check import check_projections
from projections.runner import Projector
from tests.cases.conftest import Outsider, Place, staffed_place
from tests.oversight.conftest import adopt


@dataclass
class Trade:
    place: Place
    name: str

    @property
    def stream(self) -> str:
        return f"trading/{self.name}"

    def at(self, text: str) -> Any:
        self.place.at(text)
        return self.place.desk("staff/trade")

    def published(self, at: str, closes: str) -> None:
        officer = self.at(at)
        trading.plan(officer, self.name, "管网", buyer="water", method="open", fen=900)
        self.place.done(trading.publish_tender(officer, self.name, f"{closes}:00+08:00"))

    def opened(self, at: str) -> None:
        self.place.done(trading.open_bids(self.at(at), self.name, prices={"firm-a": 800}))

    def bid(self) -> None:
        self.place.done(trading.receive_bid(self.place.desk("staff/trade"), self.name, "firm-a"))

    def tick(self, at: str) -> list[tuple[str, str]]:
        """(rule, local time at which it was due) of the cards raised on this procedure."""
        self.at(at)
        found, waiting, reader = [], threading.Event(), self.place.hall.reader
        for each in SystemClock(self.place.hall, now=lambda: self.place.now_us).tick():
            while reader.stream(each.stream)[-1][0] is None:
                assert not waiting.wait(0.02)
            act = open_statement(reader.stream(each.stream)[-1][2])
            if act.data.get("case") == self.stream:
                assert act.data["unit"] == "water"
                found.append((act.data["rule"], instant_text(each.due_us + 8 * 3_600_000_000)[:16]))
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with staffed_place(tmp_path_factory.mktemp("trade") / "data") as found:
        adopt(found, "ninety", "trading")
        yield found


def test_a_contract_not_signed_in_thirty_days_gets_its_cards_when_they_are_due(place: Place) -> None:
    it = Trade(place, "late")
    it.published("2024-03-05T10:00", "2024-03-27T10:00")
    it.bid()
    assert it.tick("2024-03-27T09:59") == []
    it.opened("2024-03-27T10:10")
    place.done(trading.award(it.at("2024-04-01T10:00"), "late", "firm-a", 800))
    assert it.tick("2024-04-28T08:59") == []
    assert it.tick("2024-04-28T09:01") == [("Y-CONTRACT", "2024-04-28T09:00")]
    # The thirtieth day, the first of May, is off; the first working day after the holidays is the 6th.
    assert it.tick("2024-05-06T23:59") == []
    assert it.tick("2024-05-07T00:01") == [("R-CONTRACT", "2024-05-07T00:00")]
    assert it.tick("2024-05-20T10:00") == []


def test_what_the_page_and_the_audit_say_of_the_clocks_is_what_the_projection_holds(place: Place) -> None:
    Projector(place.hall.database).catch_up()
    told = case_history(place.hall, "trading/late")["clocks"]
    with place.hall.database.use("reader") as connection:
        rows = clocks.case_runs(connection, "trading/late")
        due = clocks.due_list(connection, clock="contract")["runs"]
    assert (
        [run["clock"] for run in told] == [row["clock"] for row in rows] == ["notice", "opening", "award", "contract"]
    )
    assert [run["state"] for run in told] == ["stopped_in_time"] * 3 + ["overdue"]
    assert told[-1]["due"] == "2024-05-06"
    assert [run["stream"] for run in due] == ["trading/late"]


def test_too_little_time_for_bids_is_seen_as_soon_as_it_is_published(place: Place) -> None:
    it = Trade(place, "hasty")
    it.published("2024-05-21T10:00", "2024-06-05T10:00")
    assert it.tick("2024-05-21T10:05") == [("R-NOTICE", "2024-05-21T10:00")]
    place.done(trading.amend_tender(it.at("2024-06-03T10:00"), "hasty", "2024-06-12T10:00:00+08:00", "drawing_changed"))
    assert it.tick("2024-06-03T10:05") == [("Y-AMENDED", "2024-06-03T10:00")]


def test_an_objection_holds_the_contract_and_has_a_clock_of_its_own(place: Place) -> None:
    it = Trade(place, "objected")
    it.published("2024-06-13T10:00", "2024-07-08T10:00")
    it.bid()
    it.opened("2024-07-08T10:30")
    place.done(trading.award(it.at("2024-07-09T10:00"), "objected", "firm-a", 800))
    place.done(trading.challenge(it.at("2024-07-10T10:00"), "objected", "o-1"))
    # Three days: the 13th is a Saturday, so the Monday.
    assert it.tick("2024-07-16T00:01") == [("R-OBJECTION", "2024-07-16T00:00")]
    assert it.tick("2024-08-20T10:00") == []
    place.done(trading.settle(it.at("2024-08-20T11:00"), "objected", "o-1", "dismissed"))
    # From the award to the objection one of thirty days had run: 27 are used up on 15 September, a festival up to 17th.
    assert it.tick("2024-09-18T08:59") == []
    assert it.tick("2024-09-18T09:01") == [("Y-CONTRACT", "2024-09-18T09:00")]


def test_a_tender_that_is_given_up_had_no_short_time(place: Place) -> None:
    it = Trade(place, "given-up")
    it.published("2024-09-18T10:00", "2024-10-28T10:00")
    place.done(trading.cancel(it.at("2024-09-19T10:00"), "given-up", "no_budget"))
    assert it.tick("2024-11-20T10:00") == []


class Auditor(Outsider):
    """Reads the log from outside and knows what should have been stated."""

    followed = Followed()

    def _take(self, act: Statement, index: int, recorded_us: int) -> None:
        super()._take(act, index, recorded_us)
        if index > 1:
            self.followed.take(act, recorded_us, self.states.get(act.stream))


@pytest.mark.parametrize("closes", ["9999-12-31T23:59", "2500-01-01T00:00"])
def test_a_closing_time_that_no_calendar_reaches_stops_nobody_s_clock(place: Place, closes: str) -> None:
    Trade(place, f"never-{closes[:4]}").published("2024-11-20T11:00", closes)
    place.placed()
    Projector(place.hall.database).catch_up()
    assert SystemClock(place.hall, now=lambda: place.now_us).tick() == []


def test_the_audit_asks_for_the_same_cards_and_names_the_one_that_is_missing(place: Place) -> None:
    Trade(place, "last").published("2024-11-21T10:00", "2024-11-25T10:00")
    place.placed()
    auditor = Auditor(place.hall)
    auditor.catch_up()
    owed = [duty.values for duty in auditor.followed.overdue(place.now_us + 60_000_000) if "rule" in duty.values]
    assert [(card["case"], card["rule"]) for card in owed] == [("trading/last", "R-NOTICE")]


def test_made_again_from_the_log_the_runs_are_the_same(place: Place) -> None:
    place.placed()
    assert check_projections(place.hall.database)[1] == []


def test_a_dry_run_shows_which_trading_cards_other_limits_would_give(place: Place) -> None:
    Trade(place, "last").tick("2024-11-22T10:00")
    strict = sample("trading").replace(b'"award": {"limit": 20', b'"award": {"limit": 1')
    clock = SystemClock(place.hall, now=lambda: place.now_us)
    same = on_live(clock, read_pack(sample("trading")), beside_others=True)
    assert (same["appear"], same["vanish"]) == ([], [])
    found = on_live(clock, read_pack(strict), beside_others=True)
    assert ("trading/late", "Y-AWARD") in [(card["case"], card["rule"]) for card in found["appear"]]
    assert found["vanish"] == []


def test_two_packs_do_not_both_say_the_limits_and_another_limit_is_another_version(place: Place) -> None:
    one, two = place.desk("staff/cat-a"), place.desk("staff/cat-b")
    pack = json.loads(sample("trading"))
    with pytest.raises(Refused) as refused:
        place.agreed(catalogue.adopt_rules(one, pack | {"pack": "other"}), two)
    assert refused.value.code == "rule-known"
    pack["clocks"]["contract"]["limit"] = 40
    with pytest.raises(Refused) as refused:
        place.agreed(catalogue.adopt_rules(one, pack), two)
    assert refused.value.code == "rule-version"
