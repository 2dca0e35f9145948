"""The system clock at work on a real ledger: what it states, when, in which order, and that it does so once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

import pytest

from ledger.cases import approval
from ledger.errors import Refused
from ledger.facts.cards import stream_of
from ledger.statement import instant_text, instant_us, open_statement
from oversight.clock import Stated, SystemClock, run_clock
from projections.cards import card_list
from tests.cases.conftest import Place, staffed_place
from tests.oversight.conftest import adopt

NINETY, DAY_BEFORE = "ninety", "day-before"


# Mondays, each followed by three weeks without a holiday: every test gets the next one, on one ledger.
MONDAYS: Final = iter(
    [
        *("2024-03-04", "2024-07-01", "2024-07-29", "2025-03-03", "2025-05-12", "2025-06-09", "2025-07-07"),
        *("2025-08-04", "2025-09-01", "2026-03-02", "2026-05-11", "2026-06-22", "2026-07-13", "2026-08-03"),
    ]
)


@dataclass
class March:
    """Each test tells its story in March 2024, from Monday the 4th on; the ledger plays it in weeks of its own."""

    place: Place
    shift: timedelta
    mark: str

    def at(self, text: str) -> None:
        self.place.at(self.shifted(text))

    def shifted(self, text: str) -> str:
        return (datetime.fromisoformat(text) + self.shift).isoformat()[:16]

    def told(self, text: str) -> str:
        return (datetime.fromisoformat(text) - self.shift).isoformat()[: len(text)]

    def case(self, name: str) -> str:
        return f"{name}{self.mark}"

    def card(self, name: str, rule: str) -> str:
        return stream_of(f"approval/{self.case(name)}", rule, "promise", None, None, 1)

    def clock(self, pack: str = NINETY) -> SystemClock:
        adopt(self.place, pack)
        return SystemClock(self.place.hall, now=lambda: self.place.now_us)

    def mine(self, stated: list[Stated]) -> list[tuple[str, str]]:
        """What was stated of this test's cases, as (what, local time at which it was due), once it is in the tree."""
        found = []
        reader = self.place.hall.reader
        for each in stated:
            act = open_statement(reader.stream(each.stream)[-1][2])
            case = act.data.get("case", each.stream)
            if case.endswith(self.mark):
                due = self.told(instant_text(each.due_us + 8 * 3_600_000_000)[:16])
                found.append((act.data.get("rule", each.type.split(".")[1]), due))
        waiting = threading.Event()
        while any(reader.stream(each.stream)[-1][0] is None for each in stated):
            assert not waiting.wait(0.02)
        return found

    def tick(self, of: SystemClock, at: str) -> list[tuple[str, str]]:
        self.at(at)
        return self.mine(of.tick())

    def accepted(self, name: str) -> None:
        clerk = self.place.desk("staff/chen")
        approval.apply_for(clerk, self.case(name), "permit", applicant="张三")
        self.place.done(approval.accept(clerk, self.case(name)))
        self.place.placed()

    def cards(self, name: str, **how: Any) -> list[dict[str, Any]]:
        with self.place.hall.database.use("reader") as connection:
            found: list[dict[str, Any]] = card_list(connection, case=f"approval/{self.case(name)}", **how)["cards"]
            return found


@pytest.fixture(scope="module")
def one_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with staffed_place(tmp_path_factory.mktemp("place") / "data") as found:
        yield found


@pytest.fixture
def march(one_place: Place) -> March:
    monday = date.fromisoformat(next(MONDAYS))
    found = March(one_place, monday - date(2024, 3, 4), f"-{monday:%y%m%d}")
    found.at("2024-03-04T08:50")
    adopt(one_place, NINETY)
    found.at("2024-03-04T09:00")
    return found


# Accepted on Monday the 4th with a promise of seven working days: due on Wednesday the 13th.


def test_a_yellow_card_comes_when_the_day_opens_and_a_red_one_at_the_first_instant_after_due(
    march: March,
) -> None:
    march.accepted("a")
    ticking = march.clock()
    assert march.tick(ticking, "2024-03-13T08:59") == []
    assert march.tick(ticking, "2024-03-13T09:00") == [("Y-90", "2024-03-13T09:00")]
    assert march.tick(ticking, "2024-03-13T23:59") == []
    assert march.tick(ticking, "2024-03-14T00:01") == [("R-OVER", "2024-03-14T00:00")]
    assert march.tick(ticking, "2024-03-20T10:00") == []


def test_after_an_outage_everything_comes_in_order_with_the_time_it_was_due(march: March) -> None:
    march.accepted("a")
    march.at("2024-03-05T10:00")
    march.accepted("b")
    assert march.tick(march.clock(), "2024-03-18T10:00") == [
        ("Y-90", "2024-03-13T09:00"),
        ("R-OVER", "2024-03-14T00:00"),
        ("Y-90", "2024-03-14T09:00"),
        ("R-OVER", "2024-03-15T00:00"),
    ]


def test_a_case_that_was_decided_during_the_outage_gets_what_was_due_while_it_was_open(march: March) -> None:
    march.accepted("a")
    march.at("2024-03-13T15:00")
    march.place.done(approval.decide(march.place.desk("staff/sun"), march.case("a"), "granted"))
    assert march.tick(march.clock(), "2024-03-18T10:00") == [("Y-90", "2024-03-13T09:00")]


def test_a_second_clock_a_lost_hint_and_a_restart_repeat_nothing(march: March) -> None:
    march.accepted("a")
    one, two = march.clock(), march.clock()
    march.at("2024-03-13T09:00")
    assert march.mine(one.tick()) == [("Y-90", "2024-03-13T09:00")]
    assert two.tick() == []
    (march.place.hall.data / "clock.json").unlink()
    assert march.clock().tick() == []
    assert len(march.place.hall.reader.stream(march.card("a", "Y-90"))) == 1


def test_two_clocks_at_the_same_moment_raise_one_card(march: March) -> None:
    march.accepted("a")
    march.at("2024-03-13T09:00")
    ticking = [march.clock(), march.clock()]
    stated: list[Stated] = []
    threads = [threading.Thread(target=lambda c=c: stated.extend(c.tick())) for c in ticking]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(march.place.hall.reader.stream(march.card("a", "Y-90"))) == 1


def test_an_application_to_which_nobody_answered_is_accepted_and_the_unit_gets_its_card(march: March) -> None:
    march.place.done(approval.apply_for(march.place.desk("staff/chen"), march.case("a"), "permit", applicant="张三"))
    ticking = march.clock()
    assert march.tick(ticking, "2024-03-11T23:00") == []
    found = march.tick(ticking, "2024-03-12T08:00")
    assert sorted(found) == [("Y-DEEMED", "2024-03-12T00:00"), ("deemed_accepted", "2024-03-12T00:00")]
    assert march.place.state(f"approval/{march.case('a')}").stage == "deemed_accepted"
    # Its promise runs since the 4th: seven working days, as if it had been accepted then.
    assert march.tick(ticking, "2024-03-13T09:30") == [("Y-90", "2024-03-13T09:00")]


def test_a_clock_that_starts_in_the_past_raises_only_the_highest_card_passed(march: March) -> None:
    march.place.done(approval.apply_for(march.place.desk("staff/chen"), march.case("a"), "permit", applicant="张三"))
    ticking = march.clock()
    # The clock was off until all was over: deemed accepted on the 18th, since the 4th.
    march.tick(ticking, "2024-03-18T10:00")
    assert march.tick(ticking, "2024-03-18T10:01") == [("R-OVER", "2024-03-14T00:00")]
    assert march.tick(ticking, "2024-03-18T10:02") == []


def test_gaps_lapse_the_day_after_their_last(march: March) -> None:
    clerk = march.place.desk("staff/chen")
    approval.apply_for(clerk, march.case("a"), "permit", applicant="张三")
    march.place.done(approval.accept_with_gaps(clerk, march.case("a"), ["map"]))
    ticking = march.clock()
    last = march.place.state(f"approval/{march.case('a')}").fill_by
    assert march.told(f"{last}T00:00")[:10] == "2024-03-25"
    assert march.tick(ticking, "2024-03-25T23:00") == []
    assert march.tick(ticking, "2024-03-26T00:05") == [("gaps_lapsed", "2024-03-26T00:00")]
    assert march.place.state(f"approval/{march.case('a')}").stage == "lapsed"


def test_a_refusal_without_reasons_is_a_card_and_one_with_sealed_reasons_is_none(march: March) -> None:
    clerk = march.place.desk("staff/chen")
    for case, reasons in (("a", None), ("b", "材料不实")):
        approval.apply_for(clerk, march.case(case), "permit", applicant="张三")
        march.place.done(approval.refuse(clerk, march.case(case), reasons=reasons))
    march.place.placed()
    ticking = march.clock()
    assert [rule for rule, _ in march.mine(ticking.tick())] == ["R-NOREASON"]
    ticking.tick()
    assert [card["case"] for card in march.cards("a")] == [f"approval/{march.case('a')}"]


def test_three_prompts_in_a_row_at_one_unit(march: March) -> None:
    ticking = march.clock(DAY_BEFORE)
    for case in ("a", "b", "c"):
        march.accepted(case)
    assert march.tick(ticking, "2024-03-12T09:00") == [("P-1D", "2024-03-12T09:00")] * 3
    march.at("2024-03-12T10:00")
    for case in ("a", "b", "c"):
        march.place.done(approval.decide(march.place.desk("staff/sun"), march.case(case), "granted"))
        march.place.placed()
    assert [rule for rule, _ in march.tick(ticking, "2024-03-12T10:30")] == ["Y-x3"]


def test_a_card_is_answered_appealed_and_decided_by_those_who_may(march: March) -> None:
    march.accepted("a")
    ticking = march.clock()
    march.tick(ticking, "2024-03-13T09:00")
    stream = march.card("a", "Y-90")
    head, supervisor = march.place.desk("staff/head"), march.place.desk("staff/du")
    with pytest.raises(Refused):
        march.place.desk("staff/chen").say(stream, "card.answered.v1", {"answer": "忙"})
    with pytest.raises(Refused):
        head.say(stream, "card.revoked.v1", {"reason": "mistake"})
    march.place.done(head.say(stream, "card.answered.v1", {"answer": "等待勘查"}))
    march.place.done(head.say(stream, "card.appealed.v1", {"grounds": "不应计时"}))
    march.place.done(supervisor.say(stream, "card.upheld.v1", {"reasons": "不成立"}))
    march.place.placed()
    ticking.tick()
    assert [(card["rule"], card["stage"]) for card in march.cards("a")] == [("Y-90", "upheld")]
    with pytest.raises(Refused, match="recomputed"):
        supervisor.say(stream, "card.revoked.v1", {"reason": "mercy"})


def test_a_confirmed_late_entry_proposes_the_revocation_and_the_past_view_still_shows_the_card(march: March) -> None:
    march.accepted("a")
    ticking = march.clock()
    march.tick(ticking, "2024-03-14T00:01")
    before = march.place.hall.reader.head().size
    # On paper it was decided on the 12th.
    march.at("2024-03-15T09:00")
    paper = march.place.desk("staff/sun").afterwards(f"{march.shifted('2024-03-12T15:00')}:00+08:00", "paper")
    march.place.done(approval.decide(paper, march.case("a"), "granted"))
    march.place.placed()
    assert march.mine(ticking.tick()) == []
    march.place.done(approval.confirm_late_entry(march.place.desk("staff/head"), march.case("a"), 3))
    march.place.placed()
    proposed = ticking.tick()
    march.mine(proposed)
    assert {each.type for each in proposed} == {"card.revocation_proposed.v1"}
    assert len(proposed) == 2
    assert ticking.tick() == []
    assert {(card["stage"], card["proposed"]) for card in march.cards("a")} == {("raised", True)}
    assert {(card["stage"], card["proposed"]) for card in march.cards("a", position=before)} == {("raised", False)}


def test_it_runs_until_it_is_told_to_stop(march: March) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=run_clock, args=(march.place.hall, stop))
    thread.start()
    stop.set()
    thread.join(timeout=20)
    assert not thread.is_alive()


def test_a_card_names_the_rule_the_pack_and_when_it_was_due(march: March) -> None:
    march.accepted("a")
    march.tick(march.clock(), "2024-03-14T08:00")
    red = open_statement(march.place.hall.reader.stream(march.card("a", "R-OVER"))[0][2]).data
    assert red["case"] == f"approval/{march.case('a')}"
    assert (red["colour"], red["pack"], red["version"], red["unit"]) == ("red", "sample-ninety", 1, "env")
    assert instant_us(red["due"]) == instant_us(f"{march.shifted('2024-03-14T00:00')}:00+08:00")
    assert instant_us(red["fired"]) == instant_us(red["due"]) + 1
