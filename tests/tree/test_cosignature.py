"""C2SP tlog-witness: the request, the witness's decision, and what the log keeps of the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Conflict, Malformed, NotAllowed, NotFound, Refused
from ledger.keys import SigningKey
from ledger.tree.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.tree.cosignature import AddCheckpoint, answer_of, cosign_checkpoint, origin_asked, take_cosignatures
from ledger.tree.merkle import leaf_hash, prove_consistency, root_of
from ledger.tree.note import Algorithm, SignatureLine, Signer, add_lines, open_note, sign_note, split_note
from ledger.tree.policy import Group, Log, Policy, Witness

LEAVES = [leaf_hash(f"record {i}".encode()) for i in range(40)]
LOG = Signer("hall.example/log", SigningKey.from_seed(b"\1" * 32))
STRANGER = Signer("hall.example/log", SigningKey.from_seed(b"\2" * 32))
W1, W2, W3, W4 = (
    Signer(f"w{i}.example", SigningKey.from_seed(bytes([10 + i]) * 32), Algorithm.COSIGNATURE_V1) for i in range(1, 5)
)
POLICY = Policy(
    (Log(LOG.key),),
    tuple(Witness(f"w{i}", w.key) for i, w in enumerate((W1, W2, W3), 1)),
    (Group("two", 2, ("w1", "w2", "w3")),),
    "two",
)
NOW = 1_700_000_000


def head(size: int, leaves: Sequence[bytes] = LEAVES) -> Checkpoint:
    return Checkpoint(LOG.name, size, root_of(leaves[:size]))


@pytest.fixture
def ask(rows_of: Callable[..., Any]) -> Callable[..., bytes]:
    def body(old: int, new: int, *, by: Signer = LOG, leaves: Sequence[bytes] = LEAVES) -> bytes:
        path = prove_consistency(old, new, rows_of(leaves[:new])) if 0 < old <= new else []
        return AddCheckpoint(old, tuple(path), sign_checkpoint(head(new, leaves), by)).to_bytes()

    return body


def cosign(body: bytes, last: Checkpoint | None) -> tuple[Checkpoint, SignatureLine]:
    return cosign_checkpoint(body, logs=[LOG.key], last=last, witness=W1, time_s=NOW)


def test_a_witness_cosigns_every_growth_step_by_step(ask: Callable[..., bytes]) -> None:
    last = None
    for size in (0, 0, 1, 2, 2, 7, 8, 33, 40):
        body = ask(0 if last is None else last.size, size)
        assert origin_asked(body) == LOG.name
        last, line = cosign(body, last)
        assert last == head(size)
        note = take_cosignatures(sign_checkpoint(last, LOG), answer_of([line]), POLICY)
        opened = open_checkpoint(note, POLICY, need_quorum=False)
        assert [(c.key, c.time_s) for c in opened.cosignatures] == [(W1.key, NOW)]


def test_a_log_that_is_not_watched_is_not_cosigned(ask: Callable[..., bytes]) -> None:
    with pytest.raises(NotFound) as refused:
        cosign_checkpoint(ask(0, 5), logs=[W1.key], last=None, witness=W1, time_s=NOW)
    assert refused.value.code == "witness-origin"


def test_a_head_that_its_log_did_not_sign_is_not_cosigned(ask: Callable[..., bytes]) -> None:
    with pytest.raises(NotAllowed) as refused:
        cosign(ask(0, 5, by=STRANGER), None)
    assert refused.value.code == "witness-signature"


def test_an_old_size_above_the_new_is_a_bad_request(ask: Callable[..., bytes]) -> None:
    with pytest.raises(Malformed) as refused:
        cosign(ask(6, 5), head(6))
    assert refused.value.code == "witness-request"


def test_a_proof_from_another_size_is_told_the_right_one(ask: Callable[..., bytes]) -> None:
    for last, old in ((None, 5), (head(5), 0), (head(5), 4), (head(7), 5)):
        with pytest.raises(Conflict) as refused:
            cosign(ask(old, 9), last)
        assert (refused.value.code, refused.value.details["size"]) == ("witness-size", last.size if last else 0)


def test_one_size_has_one_root(ask: Callable[..., bytes]) -> None:
    other = [*LEAVES[:4], leaf_hash(b"another")]
    with pytest.raises(Conflict) as refused:
        cosign(ask(5, 5, leaves=other), head(5))
    assert refused.value.code == "witness-root"


def test_a_rewritten_history_is_not_cosigned(ask: Callable[..., bytes]) -> None:
    other = [LEAVES[0], leaf_hash(b"another"), *LEAVES[2:]]
    for old in (2, 4, 5, 8):
        with pytest.raises(Refused) as refused:
            cosign(ask(old, 9, leaves=other), head(old))
        assert refused.value.code == "witness-consistency"


def test_every_changed_hash_of_a_proof_is_refused(ask: Callable[..., bytes]) -> None:
    request = AddCheckpoint.parse(ask(11, 33))
    for at, hash_ in enumerate(request.path):
        path = (*request.path[:at], bytes(b ^ 1 for b in hash_), *request.path[at + 1 :])
        for bad in (path, request.path[:at] + request.path[at + 1 :]):
            with pytest.raises(Refused) as refused:
                cosign(AddCheckpoint(11, bad, request.checkpoint).to_bytes(), head(11))
            assert refused.value.code == "witness-consistency"


NOTE = sign_checkpoint(head(5), LOG)
MALFORMED = {
    "nothing": b"",
    "no empty line": b"old 0\n" + NOTE.replace(b"\n\n", b"\n"),
    "no old size": b"\n" + NOTE,
    "a leading zero": b"old 00\n\n" + NOTE,
    "a sign": b"old +1\n\n" + NOTE,
    "a huge number": b"old " + b"9" * 5000 + b"\n\n" + NOTE,
    "beyond 2**63": b"old 9223372036854775808\n\n" + NOTE,
    "a carriage return": b"old 0\r\n\n" + NOTE,
    "hashes from size 0": b"old 0\n" + b"A" * 43 + b"=\n\n" + NOTE,
    "a short hash": b"old 1\nAAAA\n\n" + NOTE,
    "base64 with stray bits": b"old 1\n" + b"A" * 42 + b"B=\n\n" + NOTE,
    "64 hashes": b"old 1\n" + (b"A" * 43 + b"=\n") * 64 + b"\n" + NOTE,
    "no note": b"old 0\n\ntext\n",
    "a note that is no checkpoint": b"old 0\n\n" + sign_note("text\n", LOG),
    "too long": b"old 0\n\n" + b"x" * 2_000_000,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_request_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(Malformed) as refused:
        cosign(body, None)
    assert refused.value.code == "witness-request"


@given(st.data())
def test_any_change_of_a_request_is_refused_or_says_the_same(data: st.DataObject) -> None:
    body = bytearray(AddCheckpoint(0, (), NOTE).to_bytes())
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Refused):
        cosign(bytes(body), None)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_request_or_refused(data: bytes) -> None:
    with suppress(Malformed):
        assert AddCheckpoint.parse(data).to_bytes() == data


def line_of(witness: Signer, size: int = 5, *, time_s: int = NOW) -> SignatureLine:
    return witness.sign(head(size).text, time_s=time_s)


def test_the_quorum_is_met_once_enough_witnesses_have_answered() -> None:
    one = take_cosignatures(NOTE, answer_of([line_of(W1)]), POLICY)
    with pytest.raises(Refused) as refused:
        take_cosignatures(one, answer_of([line_of(W4)]), POLICY)
    assert refused.value.code == "note-unverified"
    for note in (NOTE, one):
        with pytest.raises(Refused):
            open_checkpoint(note, POLICY)
    two = take_cosignatures(one, answer_of([line_of(W3)]), POLICY)
    assert {c.key for c in open_checkpoint(two, POLICY).cosignatures} == {W1.key, W3.key}


def test_one_witness_never_counts_twice() -> None:
    answer = answer_of([line_of(W1, time_s=NOW + 1), line_of(W1, time_s=NOW + 2), line_of(W1)])
    note = take_cosignatures(take_cosignatures(NOTE, answer, POLICY), answer_of([line_of(W1)]), POLICY)
    opened = open_checkpoint(note, POLICY, need_quorum=False)
    assert [c.time_s for c in opened.cosignatures] == [NOW]
    note = take_cosignatures(NOTE, answer, POLICY)
    assert [c.time_s for c in open_checkpoint(note, POLICY, need_quorum=False).cosignatures] == [NOW + 2]


def test_lines_of_strangers_and_of_the_log_are_left_out() -> None:
    answer = answer_of([line_of(W4), line_of(W2), LOG.sign(head(6).text)])
    note = take_cosignatures(NOTE, answer, POLICY)
    assert note == add_lines(split_note(NOTE), [line_of(W2)])


def test_an_answer_cannot_spoil_the_note() -> None:
    # A line over a longer text, smuggled in behind an empty line, holds for that text only.
    longer = head(5).text + "\nmore\n"
    spoils = {
        "another head": answer_of([line_of(W1, 6)]),
        "one bad line beside a good one": answer_of([line_of(W2), line_of(W1, 6)]),
        "a longer text": b"more\n\n" + answer_of([W1.sign(longer, time_s=NOW)]),
        "nothing": b"",
        "no newline": answer_of([line_of(W1)])[:-1],
        "not UTF-8": b"\xff\n",
        "too many": answer_of([line_of(W4)] * 101),
        "too long": b"x" * 2_000_000,
    }
    assert open_note((longer.encode() + b"\n" + answer_of([W1.sign(longer, time_s=NOW)])), [W1.key]).text == longer
    for answer in spoils.values():
        with pytest.raises(Refused):
            take_cosignatures(NOTE, answer, POLICY)
