"""Records of live systems: stated once, or kept whole with the reason."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import NotAllowed, NotFound
from ledger.exchange.adapters.contracts import Stating as OfContracts
from ledger.exchange.adapters.reading import parse
from ledger.exchange.adapters.taking import OfContract, retry
from ledger.exchange.export_log import export_log
from ledger.store.sequencer import now_us

Brought = Any
Case = Callable[..., list[dict[str, Any]]]


def make(brought: Brought) -> Callable[[str, str], OfContracts]:
    return lambda kind, source: OfContract(brought.hall.keyring.secret("names"), kind, source, now_us=now_us())


def test_a_case_of_another_system_becomes_statements_of_ours_under_the_adapters_own_key(
    brought: Brought, case: Case
) -> None:
    taken = brought.take("approval", "oa", *case("c1"))
    assert taken.as_json() == {"records": 7, "accepted": 7, "known": 0, "dead": 0, "by_reason": {}}
    acts = brought.acts("approval/oa/c1")
    assert [act.type for act in acts][:2] == ["approval.applied.v1", "approval.accepted.v1"]
    assert {(act.actor, act.role) for act in acts} == {("adapter/approval/oa", "approval_adapter")}
    assert acts[1].window == "w1"
    assert len({act.data["hand"] for act in acts if "hand" in act.data}) == 3
    assert "李四" not in acts[0].entry.decode("latin-1")


def test_the_same_records_again_add_nothing(brought: Brought, case: Case) -> None:
    brought.take("approval", "again", *case("c1"))
    before = len(brought.acts("approval/again/c1"))
    assert brought.take("approval", "again", *case("c1")).known == 7
    assert len(brought.acts("approval/again/c1")) == before


def test_a_killed_import_goes_on(brought: Brought, case: Case) -> None:
    records = case("c1")
    brought.take("approval", "killed", *records[:3])
    taken = brought.take("approval", "killed", *records)
    assert (taken.known, taken.accepted) == (3, 4)


@pytest.mark.parametrize(
    ("change", "differs"),
    [({"applicant": "王五"}, "applicant"), ({"at": "2024-03-04T09:31:00+08:00"}, "at"), ({"by": "0043"}, "by")],
)
def test_a_record_that_reads_otherwise_than_before_is_refused(
    brought: Brought, case: Case, change: dict[str, str], differs: str
) -> None:
    source = f"changed-{differs}"
    records = case("c1")
    brought.take("approval", source, *records)
    taken = brought.take("approval", source, records[0] | change)
    assert taken.dead == {"record-changed": 1}
    [letter] = brought.letters.list(source=source)
    assert f"recorded otherwise: {differs}" in brought.letters.open(letter)[1]["message"]


def test_the_same_id_twice_in_one_file_is_one_statement(brought: Brought, case: Case) -> None:
    first = case("c1")[0]
    taken = brought.take("approval", "twice", first, first, first | {"channel": "phone"})
    assert (taken.accepted, taken.known, dict(taken.dead)) == (1, 1, {"record-changed": 1})


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown item": ({"item": "nowhere"}, "item"),
    "a time before the centre existed": ({"at": "1999-01-01T00:00:00+08:00"}, "before-centre"),
    "a time to come": ({"at": "2999-01-01T00:00:00+08:00"}, "time-future"),
    "a time without its offset": ({"at": "2024-03-04T09:30:00"}, "instant"),
    "no field of the type": ({"colour": "red"}, "unknown-field"),
    "a field of another kind": ({"applicant": 7}, "field-kind"),
    "no act of this kind of system": ({"act": "exploded"}, "adapter-act"),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_taken_is_kept_whole_with_its_reason(brought: Brought, case: Case, what: str) -> None:
    change, code = BAD[what]
    source = f"bad-{list(BAD).index(what)}"
    taken = brought.take("approval", source, case("c1")[0] | change)
    assert dict(taken.dead) == {code: 1}
    [letter] = brought.letters.list(source=source)
    raw, reason = brought.letters.open(letter)
    assert parse(raw) == case("c1")[0] | change
    assert reason["message"]
    assert (letter.code, letter.place, letter.state) == (code, 1, "waiting")


def test_a_closed_case_takes_nothing_more(brought: Brought, case: Case) -> None:
    records = case("c1")
    brought.take("approval", "closed", *records)
    late = records[1] | {"id": "late", "act": "step_started", "step": "review"}
    assert dict(brought.take("approval", "closed", late).dead) == {"approval-order": 1}


def test_a_rating_beyond_the_levels_and_money_that_is_no_whole_fen_are_refused(brought: Brought) -> None:
    frame = {"at": "2024-03-04T09:30:00+08:00"}
    rating = frame | {"id": "1", "ref": "v1", "act": "given", "level": 7, "channel": "terminal"}
    assert dict(brought.take("rating", "terminal", rating).dead) == {"level": 1}
    planned = frame | {"id": "1", "ref": "p1", "act": "planned", "project": "路", "buyer": "b", "method": "open"}
    for fen in (12.5, "1200", -1, True):
        assert dict(brought.take("trading", "money", planned | {"fen": fen}).dead) == {"amount": 1}, fen


def test_one_bad_record_stops_none_of_the_others(brought: Brought, case: Case) -> None:
    records = [record for ref in ("a", "b", "c") for record in case(ref)]
    records[8] |= {"act": "exploded"}  # b's acceptance: the rest of b waits for it
    taken = brought.take("approval", "mixed", *records)
    assert taken.accepted == 15
    assert taken.dead.total() == 6
    assert len(brought.acts("approval/mixed/c")) == 7


def test_whoever_accepted_a_promise_case_does_not_decide_it_through_another_system_either(
    brought: Brought, case: Case
) -> None:
    records = case("c1")
    records[4]["by"] = "0042"
    taken = brought.take("approval", "eyes", *records[:5])
    assert dict(taken.dead) == {"not-acceptor": 1}
    records[4].pop("by")
    assert dict(brought.take("approval", "eyes", records[4]).dead) == {"missing-field": 1}


def test_an_adapter_states_nothing_of_another_kind_or_source(brought: Brought, case: Case) -> None:
    brought.take("queue", "machine")
    stating = make(brought)("approval", "oa")
    wish = stating.wishes(case("c9")[0], brought.hall.door.registry()[1], lambda _: None)[0]
    key = brought.hall.machine_key("adapter/queue/machine")
    for change in (
        {"actor": "adapter/queue/machine", "role": "queue_adapter"},
        {"actor": "adapter/queue/machine"},
    ):
        with pytest.raises(NotAllowed):
            brought.hall.door.submit(replace(wish, **change), key)
    own = brought.hall.machine_key("adapter/approval/oa")
    with pytest.raises(NotAllowed, match="is not of"):
        brought.hall.door.submit(replace(wish, stream="approval/other/c9"), own)
    with pytest.raises(NotAllowed, match="is not of"):
        brought.hall.door.submit(replace(wish, stream="approval/c9"), own)


def test_a_dead_letter_is_retried_when_what_it_missed_is_there(brought: Brought, case: Case) -> None:
    records = case("c1", item="later")
    taken = brought.take("approval", "later", *records)
    assert taken.dead.total() == 7
    again = brought.take("approval", "later", *records)
    assert again.dead.total() == 7
    letters = brought.letters.list(source="later")
    assert [letter.tries for letter in letters] == [2] * 7
    brought.publish("later")
    total = retry(brought.hall, letters, make(brought))
    assert (total.accepted, total.dead.total()) == (7, 0)
    assert not brought.letters.waiting("later")
    assert len(brought.acts("approval/later/c1")) == 7


def test_a_later_good_record_of_the_same_id_settles_the_letter(brought: Brought, case: Case) -> None:
    first = case("c1")[0]
    brought.take("approval", "mended", first | {"item": "typo"})
    assert brought.letters.waiting("mended")
    brought.take("approval", "mended", first)
    assert not brought.letters.waiting("mended")
    assert brought.letters.counts("mended") == {"settled": {"item": 1}}


def test_what_a_dead_letter_says_stands_in_no_table(brought: Brought, case: Case) -> None:
    brought.take("approval", "sealed", case("c1")[0] | {"item": "nowhere", "applicant": "赵钱孙李"})
    with brought.hall.database.use("reader") as connection:
        rows = connection.execute("SELECT d::text FROM ledger.dead_letters d WHERE source = 'sealed'").fetchall()
    assert rows
    assert "赵钱孙李" not in str(rows)
    assert "赵钱孙李".encode() not in (brought.hall.data / "vault.sqlite").read_bytes()
    [letter] = brought.letters.list(source="sealed")
    assert "赵钱孙李" in brought.letters.open(letter)[0].decode()


def test_a_dismissed_letter_is_not_tried_again_and_is_forgotten_where_that_is_asked(
    brought: Brought, case: Case
) -> None:
    first = case("c1")[0] | {"item": "nowhere"}
    brought.take("approval", "dropped", first)
    [letter] = brought.letters.list(source="dropped")
    assert brought.letters.dismiss([letter.number]) == 1
    brought.take("approval", "dropped", first)
    assert not brought.letters.waiting("dropped")
    assert brought.letters.open(letter)[0]
    assert brought.letters.dismiss([letter.number], forget=True) == 0
    with pytest.raises(NotFound):
        brought.letters.open(letter)


def test_who_checks_the_log_from_outside_finds_the_adapters_statements_in_order(
    brought: Brought, case: Case, tmp_path: Path
) -> None:
    taken = brought.take("approval", "outside", *case("c1"))
    assert brought.hall.wait_placed([taken.last], timeout_s=20)
    export_log(brought.hall, tmp_path / "log")
    words = ["log", str(tmp_path / "log"), "--policy", str(tmp_path / "log" / "policy"), "--json"]
    done = subprocess.run(
        [Path(sys.executable).parent / "mingjian-verify", *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["ok"] is True
