"""A complaint holds footage at once, within limits; what nobody confirms lapses by event, what is accepted stays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.cases import complaint
from ledger.door.desk import Desk
from ledger.errors import Evidence, Refused
from ledger.facts.disputed import MARGIN_US, PER_CHANNEL, PER_SUBJECT
from ledger.statement import StatementId, instant_text, instant_us, open_statement
from projections import complaints
from projections.checked import check_stream
from projections.runner import read_position

Counter = Any
MINUTE = 60_000_000
DAY = 24 * 60 * MINUTE
SPAN = {"since": "2024-03-04T09:00:00Z", "until": "2024-03-04T09:10:00Z"}
PLACED, EXTENDED, LAPSED = (f"footage.hold_{verb}.v1" for verb in ("placed", "extended", "lapsed"))
MISSING = "complaint.evidence_missing.v1"


def name_of(stream: str) -> str:
    return stream.partition("/")[2]


def at_of(counter: Counter, event: StatementId) -> int:
    (index,) = counter.place.hall.reader.placed([event]).values()
    return open_statement(counter.place.hall.reader.entries(index, index + 1)[0].entry).at_us


def id_of(counter: Counter, one: str, camera: str = "cam-1") -> str:
    return str(next(id_.hex() for id_, hold in counter.footage(camera).holds.items() if hold.ground == one))


def extend(counter: Counter, one: str, ground: str) -> None:
    values = {"hold": id_of(counter, one), "ground": ground}
    counter.place.done(counter.place.desk("staff/lu").say("footage/cam-1", EXTENDED, values))


def around(counter: Counter) -> dict[str, str]:
    return {"since": instant_text(counter.place.now_us - MINUTE), "until": instant_text(counter.place.now_us)}


def test_a_complaint_holds_every_camera_of_the_window_before_anybody_looks_at_it(counter: Counter) -> None:
    stream, event = counter.served("w2")
    one = counter.complain(event)
    counter.look()
    holds, at = counter.holds(one), at_of(counter, event)
    assert set(holds) == {"cam-2:0", "cam-2b:0"}
    for hold in holds.values():
        assert (hold.since_us, hold.until_us) == (at - MARGIN_US, at + MARGIN_US)
        assert (hold.provisional, hold.expires_us) == (True, None)
    ((_, received), (type_, held)) = counter.says(one)
    assert (type_, len(held["holds"]), received["events"]) == ("complaint.evidence_held.v1", 2, [event.hex()])
    placed = open_statement(counter.place.hall.reader.last_entry("footage/cam-2"))
    assert (placed.role, placed.causes) == ("system_clock", (counter.place.hall.reader.stream(one)[0][1],))
    assert placed.data["about"] == [stream]


def test_a_hold_on_a_named_event_waits_for_no_derived_table(counter: Counter) -> None:
    event = counter.served()[1]
    counter.settle()
    with counter.place.hall.database.use("reader") as connection:
        before = read_position(connection).position
    one = counter.complain(event)
    counter.place.hall.wait_placed([counter.place.last], timeout_s=10)
    assert one in counter.keeper.hold()
    assert len(counter.holds(one)) == 1
    with counter.place.hall.database.use("reader") as connection:
        assert read_position(connection).position == before
    counter.look()
    assert len(counter.holds(one)) == 1


def test_looking_again_holds_nothing_twice(counter: Counter) -> None:
    one = counter.complain(counter.served()[1])
    counter.look()
    before = counter.says(one), len(counter.holds(one))
    for _ in range(3):
        counter.look()
    assert (counter.says(one), len(counter.holds(one))) == before


def test_what_a_clock_left_undone_when_it_died_is_made_good(counter: Counter, monkeypatch: Any) -> None:
    one = counter.complain(counter.served()[1])
    with monkeypatch.context() as patched:
        patched.setattr(counter.keeper, "_say", lambda wishes: False)
        counter.look()
    assert (len(counter.says(one)), len(counter.holds(one))) == (1, 1)
    counter.place.now_us += 2 * MINUTE
    counter.look()
    assert counter.says(one)[-1][0] == "complaint.evidence_held.v1"
    assert len(counter.holds(one)) == 1


def test_a_complaint_that_cannot_be_helped_keeps_no_other_waiting(counter: Counter, monkeypatch: Any) -> None:
    stuck, other = counter.complain(counter.served()[1]), counter.complain(counter.served()[1])
    helped = counter.keeper._hold

    def hold(complaint: Any) -> bool:
        if complaint["stream"] == stuck:
            raise Evidence("a statement of it is not what was signed", code="entry-changed")
        return bool(helped(complaint))

    with monkeypatch.context() as patched:
        patched.setattr(counter.keeper, "_hold", hold)
        counter.look()
    assert not counter.holds(stuck)
    assert counter.holds(other)
    counter.place.now_us += 2 * MINUTE
    counter.look()
    assert counter.holds(stuck)


def test_events_near_each_other_are_held_as_one_span_and_the_log_shows_how_soon(counter: Counter) -> None:
    events = []
    for wait in (0, 5, 60):
        counter.place.now_us += wait * MINUTE
        events.append(counter.served()[1])
        counter.settle()
    one = counter.complain(*events)
    counter.look()
    spans = sorted((hold.since_us, hold.until_us) for hold in counter.holds(one).values())
    a, b, c = (at_of(counter, event) for event in events)
    assert spans == [(a - MARGIN_US, b + MARGIN_US), (c - MARGIN_US, c + MARGIN_US)]
    with counter.place.hall.database.use("reader") as connection:
        row = next(r for r in complaints.complaint_list(connection)["complaints"] if r["stream"] == one)
    assert 0 <= row["sought_us"] - row["received_us"] < MINUTE
    assert row["holds"] == 2


def test_a_window_and_a_time_hold_no_more_than_an_event_and_wait_for_a_persons_word(counter: Counter) -> None:
    middle = counter.place.now_us - 30 * MINUTE
    span = {"since": instant_text(middle - 25 * MINUTE), "until": instant_text(middle + 25 * MINUTE)}
    confirmed, forgotten = (counter.complain(window="w1", **span) for _ in range(2))
    counter.look()
    for one in (confirmed, forgotten):
        (hold,) = counter.holds(one).values()
        assert (hold.since_us, hold.until_us) == (middle - MARGIN_US, middle + MARGIN_US)
        assert hold.expires_us is not None
    extend(counter, confirmed, "confirmed")
    counter.settle()
    counter.place.now_us = hold.expires_us - MINUTE
    counter.look()
    assert counter.holds(forgotten)
    counter.place.now_us = hold.expires_us + MINUTE
    counter.look()
    assert counter.holds(confirmed)
    assert not counter.holds(forgotten)
    lapsed = open_statement(counter.place.hall.reader.last_entry("footage/cam-1"))
    assert (lapsed.type, lapsed.data["ground"]) == (LAPSED, "unconfirmed")


def test_acceptance_is_a_persons_word_too(counter: Counter) -> None:
    one = counter.complain(window="w1", **around(counter))
    counter.look()
    investigator, head = counter.place.desk("staff/cha"), counter.place.desk("staff/zhang")
    complaint.register(investigator, name_of(one), "2024-9")
    counter.place.done(complaint.accept(head, name_of(one), ["staff/zhao"], "staff/cha"))
    counter.look()
    (hold,) = counter.holds(one).values()
    assert (hold.provisional, hold.expires_us) == (False, None)


def test_ten_working_days_after_a_refusal_its_holds_lapse_unless_extended(counter: Counter) -> None:
    event = counter.served()[1]
    refused, kept = counter.complain(event), counter.complain(event)
    counter.look()
    head = counter.place.desk("staff/zhang")
    for one in (refused, kept):
        counter.place.done(complaint.refuse(head, name_of(one), "out_of_scope", reasons="不属受理范围"))
    extend(counter, kept, "police")
    counter.look()
    day = counter.place.now_us
    counter.place.now_us = day + 10 * DAY
    counter.look()
    assert counter.holds(refused)
    counter.place.now_us = day + 17 * DAY
    counter.look()
    assert not counter.holds(refused)
    assert counter.holds(kept)


def test_too_many_about_one_ticket_or_through_one_channel_wait_for_a_person(counter: Counter) -> None:
    event = counter.served()[1]
    ones = [counter.complain(event) for _ in range(PER_SUBJECT + 1)]
    counter.look()
    assert [len(counter.holds(one)) for one in ones] == [1] * PER_SUBJECT + [0]
    (_, (type_, said)) = counter.says(ones[-1])
    assert (type_, said["reason"], said["cameras"]) == (MISSING, "rate_subject", ["cam-1"])
    # Shown is until when the footage lives by its term.
    assert instant_us(said["expires"]) == at_of(counter, event) - MARGIN_US + 30 * DAY
    many = [counter.complain(window="w1", channel="forum", **around(counter)) for _ in range(PER_CHANNEL + 1)]
    counter.look()
    assert all(counter.holds(one) for one in many[:-1])
    assert not counter.holds(many[-1])
    # A person places what waits.
    (waits,) = [hold for hold in counter.footage("cam-1").deferred.values() if hold.ground == many[-1]]
    span = {"since": instant_text(waits.since_us), "until": instant_text(waits.until_us)}
    values = span | {"ground": many[-1], "provisional": False}
    counter.place.done(counter.place.desk("staff/lu").say("footage/cam-1", PLACED, values))
    assert [hold for hold in counter.footage("cam-1").deferred.values() if hold.ground == many[-1]] == []
    assert counter.holds(many[-1])


def test_past_the_budget_new_holds_wait_for_a_person(counter: Counter, recorder: Callable[[], Desk]) -> None:
    event, space = counter.served()[1], {"held_bytes": 61, "disk_bytes": 100}
    recorder().say("footage/cam-1", "footage.held_space_passed.v1", space)
    full = counter.complain(event)
    counter.look()
    assert not counter.holds(full)
    assert counter.says(full)[-1][1]["reason"] == "held_space"
    counter.place.done(recorder().say("footage/cam-1", "footage.held_space_freed.v1", space | {"held_bytes": 50}))
    roomy = counter.complain(event)
    counter.look()
    assert counter.holds(roomy)


def test_a_complaint_on_day_29_wins_against_retention_on_day_30_until_two_persons_release(
    counter: Counter, recorder: Callable[[], Desk]
) -> None:
    counter.place.now_us += DAY
    event = counter.served()[1]
    counter.settle()
    at = at_of(counter, event)
    counter.place.now_us = at + 29 * DAY
    one = counter.complain(event)
    counter.look()
    counter.place.now_us = at + 31 * DAY
    root = "00" * 32
    gone = {"since": instant_text(at - 1000), "until": instant_text(at + 1000)}
    purged = gone | {"rule": "retention", "segments": 1, "bytes": 1, "root": root}
    with pytest.raises(Refused) as refused:
        recorder().say("footage/cam-1", "footage.purged.v1", purged)
    assert refused.value.code == "hold"
    release = {"hold": id_of(counter, one), "ground": "decided"}
    custodian = counter.place.desk("staff/lu")
    proposal = custodian.say("footage/cam-1", "footage.hold_release_proposed.v1", release)
    release |= {"proposal": proposal.id.hex()}
    with pytest.raises(Refused):
        custodian.say("footage/cam-1", "footage.hold_released.v1", release)
    counter.place.officer(2).say("footage/cam-1", "footage.hold_released.v1", release)
    counter.place.done(recorder().say("footage/cam-1", "footage.purged.v1", purged))
    assert not counter.holds(one)


def test_it_is_said_where_there_is_no_footage_to_hold(counter: Counter) -> None:
    nowhere = counter.complain(window="w3", **SPAN)
    backstage = counter.complain(counter.place.hall.reader.stream("staff/zhao")[0][1])
    counter.look()
    assert counter.says(nowhere)[-1] == (MISSING, {"reason": "no_camera"})
    assert counter.says(backstage)[-1] == (MISSING, {"reason": "no_window"})


def test_the_clock_places_no_hold_without_a_cause_and_ends_none_that_was_confirmed(counter: Counter) -> None:
    system, footage = counter.place.system(), "footage/cam-1"
    for provisional in (True, False):
        with pytest.raises(Refused, match="name their cause"):
            system.say(footage, PLACED, SPAN | {"ground": "x", "provisional": provisional})
    firm = counter.place.desk("staff/lu").say(footage, PLACED, SPAN | {"ground": "x", "provisional": False})
    with pytest.raises(Refused, match="confirmed"):
        system.say(footage, LAPSED, {"hold": firm.id.hex(), "ground": "x"})


def test_the_rows_of_a_complaint_are_checked_against_its_statements(counter: Counter) -> None:
    one = counter.complain(counter.served()[1])
    counter.look()
    hall = counter.place.hall
    checkpoint = hall.publisher.latest().checkpoint
    assert check_stream(hall.database, checkpoint, one) is not None
    change = "UPDATE projections.complaints SET channel = %s WHERE stream = %s"
    with hall.database.use("owner") as connection:
        connection.execute(change, ("phone", one))
    try:
        with pytest.raises(Evidence, match="channel"):
            check_stream(hall.database, checkpoint, one)
    finally:
        with hall.database.use("owner") as connection:
            connection.execute(change, ("website", one))


def test_made_again_in_other_pieces_the_projection_is_the_same(counter: Counter) -> None:
    counter.settle()
    before = counter.projector.digest()
    assert counter.projector.rebuild(batch=7).digest == before
