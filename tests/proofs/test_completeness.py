"""One case, whole: exactly so many statements as of S, or none; and nothing else passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from api.log_proofs import complete_stream
from ledger.door.door import Wish
from ledger.door.hall import Hall
from ledger.door.heads import StatedHeads, keeper, state_due_heads, state_heads, stated_heads
from ledger.errors import Evidence, NotAllowed, NotFound, Refused
from ledger.keys import SigningKey
from ledger.statement import Draft, instant_text, open_statement, sign_statement
from ledger.store.sequencer import now_us
from ledger.tree.completeness import Completeness
from ledger.tree.heads import Heads
from ledger.tree.note import VerifierKey
from ledger.tree.policy import Log, Policy
from ledger.tree.stated import HeadsFollowed
from ledger.verify.proof_command import check_proof
from ledger.verify.remembered import File

Rows = dict[str, tuple[int, bytes]]


@pytest.fixture(scope="module")
def stated(many: Hall) -> StatedHeads:
    return state_heads(many)


def test_every_case_has_exactly_as_many_statements_as_the_log_holds(
    many: Hall, stated: StatedHeads, heads_at: Callable[[Hall, int], Rows]
) -> None:
    rows = heads_at(many, stated.heads.size)
    for stream, (seq, head) in list(rows.items())[::9]:
        document, _ = complete_stream(many, stream, at=stated.heads.size)
        counted = document.check(many.publisher.policy)
        assert (counted.statements, counted.last, counted.size) == (seq, head, stated.heads.size)


def test_a_case_that_is_not_there_is_proved_absent(many: Hall, stated: StatedHeads) -> None:
    for number in range(40):
        document, _ = complete_stream(many, f"approval/nobody-{number}")
        counted = document.check(many.publisher.policy)
        assert (counted.statements, counted.last) == (0, None)


def test_the_statement_of_heads_is_true_to_whoever_replays_the_log(many: Hall, stated: StatedHeads) -> None:
    replay = HeadsFollowed(File())
    for placed in many.reader.entries(0, stated.index + 1):
        act = open_statement(placed.entry)
        replay.moved(act.stream, act.seq, act.id)
    assert replay.check(open_statement(stated.entry).data) == stated.heads


def test_asking_again_states_nothing_new_until_somebody_else_does(many: Hall, stated: StatedHeads) -> None:
    size = many.reader.head().size
    assert state_heads(many) == stated_heads(many)
    assert many.reader.head().size == size
    key = SigningKey.generate()
    many.wait_placed([many.change(*new_key(many, key))])
    again = state_heads(many)
    assert again.heads.size > stated.heads.size
    assert stated_heads(many, at=stated.heads.size) == stated, "what was stated stays to be asked for"


def test_heads_that_are_not_due_are_not_stated(many: Hall, stated: StatedHeads) -> None:
    state_heads(many)
    size = many.reader.head().size
    assert state_due_heads(many, quiet=True) is None
    assert many.reader.head().size == size


def new_key(hall: Hall, key: SigningKey) -> tuple[str, str, dict[str, Any]]:
    from ledger.facts.registry import possession_message

    actor = f"source/k{key.thumbprint.hex()[:8]}"
    proof = key.sign(possession_message(hall.origin, actor, key.public)).hex()
    content = {"actor": actor, "key": key.public.hex(), "custody": "actor", "proof": proof}
    return f"key/{actor}", "key.added.v1", content


def test_rows_of_a_size_stated_once_are_made_again_when_they_are_gone(many: Hall, stated: StatedHeads) -> None:
    keeper(many).forget([stated.heads.size])
    document, _ = complete_stream(many, "ledger", at=stated.heads.size)
    assert document.check(many.publisher.policy).statements == 2


def test_a_size_that_was_not_stated_has_no_heads(many: Hall, stated: StatedHeads) -> None:
    with pytest.raises(NotFound, match="no case heads were stated at size"):
        complete_stream(many, "ledger", at=stated.heads.size - 1)


# -------------------------------------------------------------------------------------------------- what is refused


@pytest.fixture(scope="module")
def case(many: Hall, stated: StatedHeads) -> tuple[Completeness, Policy]:
    stream = next(s for s in streams(many) if s.startswith("imported/"))
    document, _ = complete_stream(many, stream, at=stated.heads.size)
    return document, many.publisher.policy


def streams(hall: Hall) -> Iterator[str]:
    for placed in hall.reader.entries(0, hall.reader.head().size):
        yield open_statement(placed.entry).stream


def refused(document: Completeness, policy: Policy) -> bool:
    try:
        Completeness.from_json(orjson.loads(orjson.dumps(document.as_json()))).check(policy)
    except Refused:
        return True
    return False


def test_a_case_shown_shorter_or_longer_than_it_is_is_refused(case: tuple[Completeness, Policy]) -> None:
    document, policy = case
    assert not refused(document, policy)
    act = document.row.places[0].row
    assert refused(replace(document, statements=document.statements - 1), policy)
    assert refused(replace(document, statements=document.statements + 1), policy)
    assert refused(replace(document, last=bytes(32)), policy)
    assert refused(replace(document, statements=0, last=None), policy)
    for row in (replace(act, seq=act.seq - 1), replace(act, head=bytes(32))):
        place = replace(document.row.places[0], row=row)
        shorter = replace(document, row=replace(document.row, places=(place,)), statements=row.seq, last=row.head)
        assert refused(shorter, policy)


def test_a_case_said_to_be_absent_or_another_is_refused(case: tuple[Completeness, Policy]) -> None:
    document, policy = case
    assert refused(replace(document, row=replace(document.row, places=()), statements=0, last=None), policy)
    assert refused(replace(document, stream="imported/s/another"), policy)


def test_no_document_with_a_bit_changed_is_accepted(case: tuple[Completeness, Policy]) -> None:
    document, policy = case
    raw = orjson.dumps(document.as_json())
    text = raw.decode()
    accepted = []
    # Every byte of the document, one bit each in turn: base64, hex, names, figures and the checkpoint's own lines.
    for at in range(len(raw)):
        changed = raw[:at] + bytes([raw[at] ^ 1 << at % 7]) + raw[at + 1 :]
        try:
            check_proof(changed, policy)
        except Refused:
            continue
        accepted.append(text[max(0, at - 20) : at + 20])
    assert accepted == []


def test_under_another_logs_policy_nothing_is_accepted(case: tuple[Completeness, Policy], many: Hall) -> None:
    document, _ = case
    other = Policy(logs=(Log(VerifierKey(many.origin, SigningKey.generate().public)),))
    assert refused(document, other)


def test_another_opening_with_another_clock_is_refused(case: tuple[Completeness, Policy], many: Hall) -> None:
    document, policy = case
    first = open_statement(document.opening)
    forged = {name: getattr(first, name) for name in Draft.__dataclass_fields__}
    clock = SigningKey.generate()
    forged["data"] = first.data | {"clock_key": clock.public.hex()}
    opening = sign_statement(Draft(**forged), many.keyring.actor("officer/1"))
    assert refused(replace(document, opening=opening), policy)


def test_heads_that_another_than_the_clock_states_are_refused_at_the_door(many: Hall) -> None:
    wish = Wish(
        actor="officer/1", role="key_officer", stream="heads", type="heads.stated.v1", at=instant_text(now_us()),
        request="mine", values=Heads(2, 1, bytes(32)).as_data(),
    )  # fmt: skip
    with pytest.raises(NotAllowed):
        many.door.submit(wish, many.keyring.actor("officer/1"))


@pytest.mark.parametrize("size", [0, 1, 10**9])
def test_heads_of_an_earlier_tree_or_one_not_seen_are_refused_at_the_door(
    many: Hall, stated: StatedHeads, size: int
) -> None:
    wish = Wish(
        actor="system/clock", role="system_clock", stream="heads", type="heads.stated.v1",
        at=instant_text(now_us()), request=f"back-{size}", values={"size": size, "count": 0, "root": "00" * 32},
    )  # fmt: skip
    with pytest.raises(Refused) as caught:
        many.door.submit(wish, many.keyring.own("clock"))
    assert caught.value.code == "heads-order"


def test_a_row_that_was_changed_in_the_table_is_never_handed_out(many: Hall, stated: StatedHeads) -> None:
    complete_stream(many, "ledger", at=stated.heads.size)
    with many.database.connect("owner") as connection:
        connection.execute(
            "UPDATE ledger.head_tiles SET content = set_byte(content, 39, get_byte(content, 39) + 1)"
            " WHERE level = 0 AND index = 0 AND size = %s",
            (stated.heads.size,),
        )
    first = next(s for s in streams(many) if s in in_first_tile(many, stated))
    with pytest.raises(Evidence):
        complete_stream(many, first, at=stated.heads.size)
    keeper(many).forget([stated.heads.size])


def in_first_tile(hall: Hall, stated: StatedHeads) -> set[str]:
    from ledger.tree.heads import stream_hash

    every = sorted(set(streams(hall)), key=stream_hash)
    return set(every[:200])
