"""Rules of cards stand in the log: adopted by two persons, in force from then on, and asked again by an outsider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.cases import approval
from ledger.door.door import Outcome
from ledger.errors import NotAllowed, Refused
from ledger.exchange.export_log import export_log
from ledger.facts.cards import stream_of
from ledger.registry import catalogue
from ledger.statement import instant_us, open_statement
from ledger.tree.policy import Policy
from ledger.verify.log import Verdict, verify_log
from oversight.clock import SystemClock
from projections.cards import card_list
from projections.runner import Projector
from tests.cases.conftest import PERMIT, Place, staffed_place
from tests.oversight.conftest import adopt


def rule(id_: str, colour: str, when: dict[str, Any], **more: Any) -> dict[str, Any]:
    whole = {"id": id_, "colour": colour, "when": when, "legal_basis": "样例", "source": "sample", "version": 1}
    return whole | {"valid_from": None, "valid_to": None} | more


OVER = rule("T-OVER", "red", {"clock": "promise", "past_due": True})
HALF = rule("T-HALF", "yellow", {"clock": "promise", "share": "0.5"})
FEE = rule("T-FEE", "red", {"event": "approval.fee_charged.v1", "outside": "fees"})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with staffed_place(tmp_path_factory.mktemp("rules") / "data") as found:
        fees = {"fee_fen": 10_000, "fees": {"copy": 500}}
        found.agreed(catalogue.item(found.desk("staff/cat-a"), "paid", **PERMIT, **fees), found.desk("staff/cat-b"))
        yield found


def tick(place: Place) -> list[tuple[str, str]]:
    """What a new clock states now: (case or stream, rule or type)."""
    place.placed()
    found = []
    for stated in SystemClock(place.hall, now=lambda: place.now_us).tick():
        act = open_statement(place.hall.reader.stream(stated.stream)[-1][2])
        what = act.data.get("rule", stated.type.split(".")[1])
        found.append((act.data.get("case", act.stream).partition("/")[2], what))
        place.last = Outcome(act.id, act.stream, act.seq, repeated=False)
    place.placed()
    return found


def take(place: Place, name: str, item: str = "permit") -> None:
    approval.apply_for(place.desk("staff/chen"), name, item, applicant="张三")
    place.done(approval.accept(place.desk("staff/chen"), name))
    place.placed()


def propose(place: Place, *rules: dict[str, Any], name: str = "mine", by: str = "staff/cat-a") -> Outcome:
    pack = json.loads(json.dumps({"pack": name, "rules": list(rules)}))
    return catalogue.adopt_rules(place.desk(by), pack)


# ── Two persons ──


def test_a_supervisor_proposes_and_a_second_person_of_the_catalogue_confirms(place: Place) -> None:
    proposal = propose(place, OVER, name="two", by="staff/du")
    with pytest.raises(NotAllowed):
        place.agreed(proposal, place.desk("staff/du"))
    place.agreed(proposal, place.desk("staff/cat-b"))
    with pytest.raises(NotAllowed, match="second person"):
        place.agreed(propose(place, OVER | {"version": 2}, name="two"), place.desk("staff/cat-a"))


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([OVER | {"when": {"clock": "lunch", "past_due": True}}], "rule-never"),
        ([OVER | {"when": {"clock": "promise", "share": "0"}}], "rule-never"),
        ([OVER | {"valid_to": "2024-03-03"}], "rule-never"),
        ([rule("X", "red", {"event": "approval.decided.v1", "outside": "fees"})], "rule-never"),
        ([OVER | {"colour": "green"}], "rules-malformed"),
        ([OVER, OVER], "rules-malformed"),
        ([], "rules-malformed"),
    ],
)
def test_what_does_not_parse_or_could_never_fire_is_refused_with_what_to_do(
    place: Place, rules: list[dict[str, Any]], code: str
) -> None:
    waiting = len(place.hall.door.registry()[1].proposals)
    with pytest.raises(Refused) as refused:
        propose(place, *rules)
    assert (refused.value.code, bool(refused.value.mend)) == (code, True)
    # Also past the command, which reads it first.
    values = {"change": "rulepack.adopted.v1", "content": {"pack": {"pack": "mine", "rules": rules}}}
    desk = place.desk("staff/cat-a")
    with pytest.raises(Refused):
        desk.say("rulepack/mine", "rulepack.change_proposed.v1", values)
    assert len(place.hall.door.registry()[1].proposals) == waiting


def test_another_rule_needs_another_version_and_an_id_that_is_not_in_force_elsewhere(place: Place) -> None:
    adopt(place, one=[OVER])
    with pytest.raises(Refused) as refused:
        propose(place, OVER | {"colour": "yellow"}, name="one")
    assert refused.value.code == "rule-version"
    with pytest.raises(Refused) as refused:
        propose(place, OVER | {"colour": "yellow", "version": 2}, name="other")
    assert refused.value.code == "rule-known"
    propose(place, OVER, name="other")  # the same rule may stand in two packs


# ── In force from then on ──


def test_rules_hold_from_their_adoption_on_and_of_what_was_past_by_then_only_the_highest_is_raised(
    place: Place,
) -> None:
    adopt(place)
    place.at("2024-03-05T09:00")
    for name in ("late", "decided"):
        take(place, name)
    place.at("2024-03-18T10:00")
    place.done(approval.decide(place.desk("staff/sun"), "decided", "granted"))
    assert tick(place) == []
    place.at("2024-03-18T11:00")
    adopt(place, one=[OVER, HALF])
    assert tick(place) == [("late", "T-OVER")]  # nothing on the case that was decided, however late
    assert tick(place) == []
    # A pack that is adopted anew takes nothing back from its old rules and adds no card for the new one's past.
    place.at("2024-03-18T12:00")
    take(place, "next")
    place.at("2024-03-28T10:00")
    adopt(place, one=[OVER, HALF, FEE])
    assert tick(place) == [("next", "T-HALF"), ("next", "T-OVER")]
    adopt(place)
    place.at("2024-04-25T10:00")
    take(place, "after")
    place.at("2024-05-20T10:00")
    assert tick(place) == []


def test_a_fee_that_the_item_does_not_have_is_a_card_and_one_of_its_schedule_is_none(place: Place) -> None:
    take(place, "before", "paid")
    clerk = place.desk("staff/chen")
    place.done(approval.charge_fee(clerk, "before", 1))
    place.placed()
    adopt(place, one=[FEE])
    for case, fees in {
        "right": [(10_000, None), (500, "copy")],
        "wrong": [(10_001, None)],
        "name": [(500, "x")],
    }.items():
        take(place, case, "paid")
        for fen, fee in fees:
            place.done(approval.charge_fee(clerk, case, fen, fee=fee))
    take(place, "free")
    place.done(approval.charge_fee(clerk, "free", 0))
    assert sorted(tick(place)) == [("free", "T-FEE"), ("name", "T-FEE"), ("wrong", "T-FEE")]
    assert tick(place) == []


def test_the_unit_answers_within_one_working_day_and_the_list_says_whether_it_did(place: Place) -> None:
    adopt(place, one=[FEE])
    place.at("2024-05-24T10:00")  # a Friday
    for case in ("prompt", "slow"):
        take(place, case)
        place.done(approval.charge_fee(place.desk("staff/chen"), case, 7))
    assert len(tick(place)) == 2
    head = place.desk("staff/head")
    cards = {case: stream_of(f"approval/{case}", "T-FEE", None, None, None, 3) for case in ("prompt", "slow")}
    for case, at in (("prompt", "2024-05-27T17:00"), ("slow", "2024-05-28T08:00")):
        place.at(at)
        before = place.hall.reader.head().size
        place.done(head.say(cards[case], "card.answered.v1", {"answer": "已退"}))
    place.placed()
    Projector(place.hall.database).catch_up()

    def listed(**how: Any) -> dict[str, tuple[int | None, bool | None]]:
        with place.hall.database.use("reader") as connection:
            found = card_list(connection, **how)["cards"]
        return {one["case"][9:]: (one["answer_due_us"], one["in_time"]) for one in found if one["case"][9:] in cards}

    end = instant_us("2024-05-28T00:00:00+08:00")
    assert listed() == {"prompt": (end, True), "slow": (end, False)}
    assert listed(position=before)["slow"] == (end, None)


def test_a_ticket_is_good_for_its_day_and_expires_once(place: Place) -> None:
    adopt(place)
    place.at("2024-06-03T16:00")
    ticket = {"number": "A1", "queue": "hall", "channel": "counter"}
    for name in ("waits", "served", "skipped"):
        place.done(place.desk("staff/chen").say(f"ticket/{name}", "ticket.taken.v2", ticket))
    for name, verb in (("served", "served"), ("skipped", "skipped")):
        place.done(place.desk("staff/chen").say(f"ticket/{name}", "ticket.called.v1", {"window": "w1"}))
        place.done(place.desk("staff/chen").say(f"ticket/{name}", f"ticket.{verb}.v1", {}))
    place.at("2024-06-03T23:59")
    assert tick(place) == []
    place.at("2024-06-04T00:01")
    assert sorted(tick(place)) == [("skipped", "expired"), ("waits", "expired")]
    assert tick(place) == []
    assert place.state("ticket/waits").stage == "expired"


def test_an_appointment_that_nobody_kept_and_a_review_that_was_not_begun_lapse_with_their_day(place: Place) -> None:
    adopt(place)
    place.at("2024-06-10T09:00")
    clerk, approver = place.desk("staff/chen"), place.desk("staff/sun")
    for name, slot in (("kept", "10T15:00"), ("missed", "10T16:00"), ("later", "12T10:00"), ("moved", "10T10:00")):
        made = {"queue": "hall", "slot": f"2024-06-{slot}:00+08:00", "channel": "window"}
        place.done(clerk.say(f"appointment/{name}", "appointment.made.v1", made))
    place.done(clerk.say("appointment/moved", "appointment.moved.v1", {"slot": "2024-06-11T10:00:00+08:00"}))
    asked = {"item": "permit", "unit": "env", "day": "2024-06-10", "applicant": "张三", "channel": "window"}
    for name in ("asked", "confirmed", "begun"):
        place.done(clerk.say(f"reservation/{name}", "reservation.asked.v1", asked))
    for name in ("confirmed", "begun"):
        place.done(approver.say(f"reservation/{name}", "reservation.confirmed.v1", {}))
    place.done(approver.say("reservation/begun", "reservation.begun.v1", {"case": "approval/a"}))
    place.at("2024-06-10T15:00")
    place.done(clerk.say("appointment/kept", "appointment.kept.v1", {}))
    place.at("2024-06-10T23:59")
    assert tick(place) == []
    place.at("2024-06-11T00:00")
    assert sorted(tick(place)) == [("confirmed", "lapsed"), ("missed", "missed")]
    assert tick(place) == []
    place.at("2024-06-12T08:00")
    assert tick(place) == [("moved", "missed")]


# ── The outsider asks too ──


def test_whoever_reads_the_log_finds_what_should_have_been_stated_and_was_not(place: Place, tmp_path: Path) -> None:
    adopt(place, one=[OVER, HALF, FEE])
    place.at("2024-07-01T09:00")
    take(place, "kept-back")
    gapped = place.desk("staff/chen")
    approval.apply_for(gapped, "lapsing", "permit", applicant="张三")
    place.done(approval.accept_with_gaps(gapped, "lapsing", ["map"]))
    place.done(approval.apply_for(gapped, "unheard", "permit", applicant="张三"))
    place.done(gapped.say("ticket/late", "ticket.taken.v2", {"number": "A2", "queue": "hall", "channel": "counter"}))
    made = {"queue": "hall", "slot": "2024-07-01T15:00:00+08:00", "channel": "window"}
    place.done(gapped.say("appointment/away", "appointment.made.v1", made))
    place.at("2024-07-31T10:00")
    take(place, "newest")
    found = [
        (one.values.get("case", one.stream).partition("/")[2], one.values.get("rule", one.type.split(".")[1]))
        for one in audit(place, tmp_path / "one").overdue_first
    ]
    mine = [each for each in found if each[0] in ("kept-back", "lapsing", "unheard", "late", "away")]
    assert mine == [
        ("away", "missed"),
        ("late", "expired"),
        ("kept-back", "T-HALF"),
        ("unheard", "deemed_accepted"),
        ("kept-back", "T-OVER"),
        ("lapsing", "gaps_lapsed"),
    ]
    while tick(place):
        pass
    assert audit(place, tmp_path / "two").overdue == 0


def audit(place: Place, folder: Path) -> Verdict:
    place.placed()
    export_log(place.hall, folder, latest=True)
    found = verify_log(folder, Policy.parse((folder / "policy").read_bytes()), workers=1)
    assert found.ok, found.faults
    return found
