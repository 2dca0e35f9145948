"""Prepare, sign elsewhere, commit: what comes back is checked as if nothing had been prepared."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from ledger.disclosure import seal_value
from ledger.door.door import Wish
from ledger.door.hall import Hall, open_ledger
from ledger.errors import Conflict, Malformed, MingjianError, NotAllowed, Refused
from ledger.keys import SigningKey
from ledger.statement import Statement, instant_text, join_signature, open_statement, sign_statement
from ledger.store.recorder import request_key
from ledger.store.sequencer import now_us
from ledger.tree.note import VerifierKey, open_note

numbers = count()


def wish(**more: Any) -> Wish:
    number = next(numbers)
    values: dict[str, Any] = {
        "actor": "source/s",
        "role": "source_adapter",
        "stream": f"imported/s/c{number}",
        "type": "imported.case.v1",
        "at": instant_text(now_us()),
        "request": f"commit-{number}",
        "values": {"case_no": number + 1, "rest": {"name": "张三"}},
    }
    return Wish(**(values | more))


@pytest.fixture(scope="module")
def key(hall: Hall) -> SigningKey:
    return hall.source_key("s")


def signed(hall: Hall, key: SigningKey, wanted: Wish) -> bytes:
    draft = hall.door.prepare(wanted, key.public)
    return join_signature(draft.protected, draft.payload, key.sign(draft.to_be_signed))


def resigned(hall: Hall, key: SigningKey, wanted: Wish, **changes: Any) -> bytes:
    act = open_statement(signed(hall, key, wanted))
    assert isinstance(act, Statement)
    return sign_statement(replace(act, **changes), key)


def test_what_was_signed_elsewhere_is_stored_byte_for_byte(hall: Hall, key: SigningKey) -> None:
    entry = signed(hall, key, wish())
    outcome = hall.door.commit(entry)
    assert [row[2] for row in hall.reader.stream(outcome.stream)] == [entry]
    assert hall.wait_placed([outcome])


def test_a_draft_holds_nothing(hall: Hall, key: SigningKey) -> None:
    """It may be forgotten, and others may come before it."""
    wanted = wish()
    hall.door.prepare(wanted, key.public)
    assert hall.reader.stream(wanted.stream) == []
    hall.door.submit(replace(wanted, request="another"), key)


def test_who_was_overtaken_is_told_and_changed_nothing(hall: Hall, key: SigningKey) -> None:
    wanted = wish()
    entry = signed(hall, key, wanted)
    hall.door.submit(replace(wanted, request="overtakes"), key)
    with pytest.raises(Conflict) as caught:
        hall.door.commit(entry)
    assert (caught.value.code, caught.value.details["seq"]) == ("moved", 1)
    assert len(hall.reader.stream(wanted.stream)) == 1


def test_the_same_entry_twice_is_one_statement(hall: Hall, key: SigningKey) -> None:
    entry = signed(hall, key, wish())
    first = hall.door.commit(entry)
    again = hall.door.commit(entry)
    assert (again.id, again.repeated) == (first.id, True)


def test_a_retry_signed_anew_is_answered_with_the_first_result(hall: Hall, key: SigningKey) -> None:
    wanted = wish()
    first = hall.door.commit(signed(hall, key, wanted))
    act = open_statement(hall.reader.stream(wanted.stream)[0][2])
    later = sign_statement(replace(act, seq=2, prev=act.id), key)
    assert hall.door.commit(later) == replace(first, repeated=True)


def test_a_statement_whose_sealed_values_were_never_brought_is_refused(hall: Hall, key: SigningKey) -> None:
    """In the log it would look as if somebody had made away with them."""
    theirs = seal_value(b"\1" * 16, "rest", {"name": "王五"})
    wanted = wish()
    entry = resigned(hall, key, wanted, sd=(theirs.digest,))
    with pytest.raises(Refused) as caught:
        hall.door.commit(entry)
    assert (caught.value.code, caught.value.details["digests"]) == ("value-missing", [theirs.digest])
    assert hall.reader.stream(wanted.stream) == []


def test_values_sealed_elsewhere_come_with_their_statement(hall: Hall, key: SigningKey) -> None:
    theirs = seal_value(b"\2" * 16, "rest", {"name": "王五"})
    other = seal_value(b"\3" * 16, "rest", {"name": "赵六"})
    entry = resigned(hall, key, wish(), sd=(theirs.digest,))
    with pytest.raises(Malformed, match="of no value in this statement"):
        hall.door.commit(entry, [theirs.text, other.text])
    assert hall.vault.held([theirs.digest, other.digest]) == set()
    outcome = hall.door.commit(entry, [theirs.text])
    assert hall.vault.open([theirs.digest])[theirs.digest].value == {"name": "王五"}
    assert hall.wait_placed([outcome])
    assert hall.door.commit(entry).repeated
    assert list(hall.sweep().whole()) == []


@pytest.mark.parametrize("change", ["size", "root"])
def test_a_head_that_never_was_cannot_have_been_seen(hall: Hall, key: SigningKey, change: str) -> None:
    act = open_statement(signed(hall, key, wish()))
    false = {"size": {"seen_size": act.seen_size + 1}, "root": {"seen_root": bytes(32)}}[change]
    with pytest.raises(Malformed) as caught:
        hall.door.commit(sign_statement(replace(act, **false), key))
    assert caught.value.code == "seen"


def test_an_older_head_that_was_seen_is_good(hall: Hall, key: SigningKey) -> None:
    """The signer may have been away: the batches before are all heads of this log."""
    root = hall.reader.batch_root(2)
    assert hall.door.commit(resigned(hall, key, wish(), seen_size=2, seen_root=root))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"audience": "another.log/" + "0" * 32}, "audience"),
        ({"actor": "source/t"}, "key-actor"),
        ({"role": "key_officer"}, "role"),
        ({"stream": "imported/t/c1"}, "own-source"),
        ({"data": {"case_no": -1}}, None),
    ],
)
def test_what_is_not_allowed_or_not_sound_is_refused(
    hall: Hall, key: SigningKey, changes: dict[str, Any], code: str | None
) -> None:
    entry = resigned(hall, key, wish(), **changes)
    size = hall.reader.head().size
    with pytest.raises(MingjianError) as caught:
        hall.door.commit(entry)
    assert code in (None, caught.value.code)
    with hall.database.use("reader") as connection:
        found = connection.execute("SELECT 1 FROM ledger.statements WHERE entry = %b", (entry,)).fetchall()
    assert (found, hall.reader.head().size >= size) == ([], True)


def test_every_bit_of_the_signature_counts(hall: Hall, key: SigningKey) -> None:
    entry = signed(hall, key, wish())
    for at in (1, 20, 40, 63):
        broken = bytearray(entry)
        broken[-at] ^= 1
        with pytest.raises(NotAllowed) as caught:
            hall.door.commit(bytes(broken))
        assert caught.value.code == "signature"
    hall.door.commit(entry)


def test_nobody_learns_of_another_actors_request(hall: Hall, key: SigningKey) -> None:
    """Whoever cannot sign as that actor is told the same, whether the request was made or not."""
    made, unmade = wish(), wish()
    hall.door.commit(signed(hall, key, made))
    told = []
    for wanted in (made, unmade):
        act = open_statement(signed(hall, key, replace(wanted, request=f"x-{wanted.request}")))
        forged = bytearray(sign_statement(replace(act, request=wanted.request, data={"case_no": 7}), key))
        forged[-1] ^= 1
        with pytest.raises(MingjianError) as caught:
            hall.door.commit(bytes(forged))
        told.append((type(caught.value), caught.value.code, caught.value.message))
    assert told[0] == told[1]


def test_what_governs_holds_for_the_next_act_at_once(hall: Hall) -> None:
    """The registries in memory are behind; the act is not refused for that."""
    hall.door.registry()
    other = hall.source_key("fresh")
    assert hall.door.submit(wish(actor="source/fresh", stream="imported/fresh/c1"), other)


def test_another_process_changed_the_registries_and_the_act_is_checked_again(hall: Hall, key: SigningKey) -> None:
    epoch, registry = hall.door.registry()
    hall.source_key("elsewhere")
    hall.door._epoch, hall.door._registry = epoch, registry  # as a door that has not looked since
    outcome = hall.door.submit(wish(), key)
    with hall.database.use("reader") as connection:
        row = connection.execute("SELECT epoch FROM ledger.statements WHERE id = %b", (outcome.id,)).fetchone()
    assert row == (hall.door.registry()[0],)
    assert row[0] > epoch


def test_the_promise_names_the_statement_and_is_the_receipt_keys(hall: Hall, key: SigningKey) -> None:
    outcome = hall.door.submit(wish(), key)
    receipt = VerifierKey(hall.origin, bytes.fromhex(hall.registry.genesis["receipt_key"]))
    note = open_note(hall.promise(outcome).encode(), [receipt])
    assert note.text.split("\n")[1:3] == [hall.origin, outcome.id.hex()]
    assert [verified.key for verified in note.verified] == [receipt]


def test_no_act_stands_behind_the_revocation_of_its_key(hall: Hall) -> None:
    """Valid at the door means valid in the tree: acts and the revocation race, and the lock orders them."""
    racing = hall.source_key("racing")
    stop = threading.Event()
    outcomes: list[Any] = []
    ended: list[str] = []

    def act(worker: int) -> None:
        for number in range(10_000):
            stream = f"imported/racing/w{worker}-{number}"
            try:
                outcomes.append(hall.door.submit(wish(actor="source/racing", stream=stream), racing))
            except NotAllowed as error:
                ended.append(error.code)
                return
            if stop.is_set():
                return

    workers = [threading.Thread(target=act, args=(worker,)) for worker in range(3)]
    for worker in workers:
        worker.start()
    time.sleep(0.3)
    content = {"kid": racing.thumbprint.hex(), "reason": "lost"}
    revoked = hall.change("key/source/racing", "key.revoked.v1", content)
    time.sleep(0.2)
    stop.set()
    for worker in workers:
        worker.join()
    assert ended == ["key-revoked"] * 3
    placed = hall.wait_placed([*outcomes, revoked], timeout_s=20)
    assert len(outcomes) > 3
    assert max(placed[one.id] for one in outcomes) < placed[revoked.id]
    with hall.database.use("reader") as connection:
        assert connection.execute("SELECT count(*) FROM ledger.voided").fetchone() == (0,)


def test_many_doors_at_one_stream_all_get_in(hall: Hall, key: SigningKey) -> None:
    """Each retries silently with its key kept here: nobody is refused for being second."""
    stream = "imported/s/shared"
    hall.door.submit(wish(stream=stream), key)
    outcomes: list[Any] = []

    def act() -> None:
        for _ in range(5):
            outcomes.append(hall.door.submit(wish(stream=stream), key))

    workers = [threading.Thread(target=act) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert sorted(one.seq for one in outcomes) == list(range(2, 17))


def test_one_request_from_many_at_once_is_one_statement(hall: Hall, key: SigningKey) -> None:
    wanted = wish()
    outcomes: list[Any] = []
    workers = [threading.Thread(target=lambda: outcomes.append(hall.door.submit(wanted, key))) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len({one.id for one in outcomes}) == 1
    assert [one.repeated for one in outcomes].count(False) == 1
    assert request_key("a", "b/c") != request_key("a/b", "c")


def test_another_door_knows_of_a_changed_registry_at_once(hall: Hall) -> None:
    """Its registries in memory are older than what it looks up: it neither refuses what is allowed nor the reverse."""
    with open_ledger(hall.data) as other:
        other.door.registry()
        key = hall.source_key("twice")
        wanted = wish(actor="source/twice", stream="imported/twice/c1")
        first = other.door.submit(wanted, key)
        entry = signed(hall, key, wish(actor="source/twice", stream="imported/twice/c2"))
        content = {"kid": key.thumbprint.hex(), "reason": "lost"}
        hall.change("key/source/twice", "key.revoked.v1", content)
        with pytest.raises(NotAllowed):
            other.door.submit(wish(actor="source/twice", stream="imported/twice/c3"), key)
        with pytest.raises(NotAllowed):
            other.door.commit(entry)
        assert [row[1] for row in hall.reader.stream("imported/twice/c1")] == [first.id]
        assert hall.reader.stream("imported/twice/c2") == []


def test_a_size_beyond_every_log_was_never_seen(hall: Hall, key: SigningKey) -> None:
    with pytest.raises(Malformed, match="no checkpoint of this log has size"):
        hall.door.prepare(wish(), key.public, seen=2**70)
