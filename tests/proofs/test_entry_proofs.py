"""An entry's place and two sizes joined, at sizes around powers of two: accepted as they are, refused changed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from api.log_proofs import Form, join_sizes, prove_entry
from api.log_questions import newest
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.errors import Malformed, NotFound, Refused
from ledger.keys import SigningKey, public_pem
from ledger.tree.note import Algorithm, Signer, VerifierKey, add_lines, split_note
from ledger.tree.policy import Log, Policy, Witness
from ledger.tree.proof import Proof
from ledger.tree.receipt import attach_receipts
from ledger.verify.proof_command import check_proof

Judge = Callable[[Sequence[dict[str, Any]]], list[bool]]
SIZES = (2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33)
FORMS: tuple[Form, ...] = ("tlog", "cose", "json")


@pytest.fixture(scope="module")
def proofs(small: Hall) -> dict[tuple[int, int, Form], tuple[bytes, bytes]]:
    """Of every entry in every form at each of those sizes: ``(size, index, form)`` to proof and entry."""
    sequencer = small.sequencer()
    assert sequencer.lead()
    found = {}
    for size in SIZES:
        while small.reader.head().size < size:
            sequencer.step(heartbeat=True)  # a batch of nothing is one entry
        for index in range(size):
            for form in FORMS:
                proof = prove_entry(small, index, form)
                assert proof.head.signed.checkpoint.size == size
                assert proof.head.witnessed is False
                found[size, index, form] = (proof.content, proof.act.entry)
    sequencer.resign()
    return found


def accepted(data: bytes, entry: bytes | None, hall: Hall, *, policy: Policy | None = None) -> bool:
    key = hall.keyring.own("receipt").public
    try:
        check_proof(data, policy or hall.publisher.policy, entry=entry, receipt_key=key)
    except Refused:
        return False
    return True


def test_every_proof_is_accepted_and_says_where_the_entry_stands(small: Hall, proofs: dict[Any, Any]) -> None:
    key = small.keyring.own("receipt").public
    for (size, index, form), (data, entry) in proofs.items():
        found = check_proof(data, small.publisher.policy, entry=entry, receipt_key=key)
        assert (found.form, found.says["index"]) == (form, index)
        told = found.says["size"] if found.signed is None else found.signed.checkpoint.size
        assert told == size


def test_no_proof_is_accepted_for_another_entry_or_under_another_key(small: Hall, proofs: dict[Any, Any]) -> None:
    stranger = SigningKey.generate()
    other = Policy(logs=(Log(VerifierKey(small.origin, stranger.public)),))
    elsewhere = Policy(logs=(Log(VerifierKey("elsewhere.example", small.keyring.own("log").public)),))
    for (size, index, form), (data, entry) in proofs.items():
        wrong = proofs[size, (index + 1) % size, form][1]
        assert not accepted(data, wrong, small)
        assert not accepted(data, entry, small, policy=elsewhere)
        if form == "cose":
            with pytest.raises(Refused):
                check_proof(data, small.publisher.policy, entry=entry, receipt_key=stranger.public)
        else:
            assert not accepted(data, entry, small, policy=other)


def flips(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        for bit in range(8):
            yield data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


@pytest.mark.parametrize(("size", "index"), [(2, 0), (9, 8), (16, 7), (33, 5)])
@pytest.mark.parametrize("form", FORMS)
def test_no_proof_with_a_bit_changed_a_byte_more_or_less_is_accepted(
    small: Hall, proofs: dict[Any, Any], form: Form, size: int, index: int
) -> None:
    data, entry = proofs[size, index, form]
    assert accepted(data, entry, small)
    assert [changed for changed in flips(data) if accepted(changed, entry, small)] == []
    assert not any(accepted(data[:at], entry, small) for at in range(len(data)))
    assert not accepted(data + b"\0", entry, small)


def test_an_entry_with_its_receipts_needs_no_other_file(small: Hall, proofs: dict[Any, Any]) -> None:
    receipts = [proofs[size, 3, "cose"][0] for size in (7, 33)]
    entry = proofs[33, 3, "cose"][1]
    assert accepted(attach_receipts(entry, receipts), None, small)
    assert not accepted(attach_receipts(entry, [receipts[0], proofs[33, 4, "cose"][0]]), None, small)
    assert not accepted(attach_receipts(entry, receipts), proofs[33, 4, "cose"][1], small)


def test_any_two_sizes_are_joined_under_the_signed_head(small: Hall, proofs: dict[Any, Any]) -> None:
    for new in (1, 2, 3, 8, 15, 16, 17, 31, 32, 33):
        for old in range(1, new + 1):
            document, _ = join_sizes(small, old, new)
            found = check_proof(orjson.dumps(document.as_json()), small.publisher.policy)
            assert (found.says["old_size"], found.says["new_size"]) == (old, new)


def test_no_document_of_two_sizes_is_accepted_changed(small: Hall, proofs: dict[Any, Any]) -> None:
    document, _ = join_sizes(small, 7, 16)
    raw = orjson.dumps(document.as_json())
    assert accepted(raw, None, small)
    assert [changed for changed in flips(raw) if accepted(changed, None, small)] == []
    for wrong in (
        replace(document, old_size=8),
        replace(document, new_size=17),
        replace(document, old_root=document.new_root),
        replace(document, path=document.path[:-1]),
        replace(document, anchor=()),
        replace(document, anchor=(*document.anchor, bytes(32))),
    ):
        assert not accepted(orjson.dumps(wrong.as_json()), None, small)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5), (-1, 5)])
def test_sizes_that_cannot_be_joined_are_refused(small: Hall, old: int, new: int) -> None:
    with pytest.raises(Malformed):
        join_sizes(small, old, new)


def test_what_the_log_does_not_hold_is_not_there(small: Hall) -> None:
    size = small.reader.head().size
    with pytest.raises(NotFound):
        prove_entry(small, size, "tlog")
    with pytest.raises(NotFound):
        join_sizes(small, 1, size + 1)


def test_a_proof_is_made_on_the_witnessed_head_where_that_covers_the_entry_and_says_which(tmp_path: Path) -> None:
    create_ledger(tmp_path / "data")
    with open_ledger(tmp_path / "data") as hall:
        witness = Signer("w.example", SigningKey.generate(), Algorithm.COSIGNATURE_V1)
        hall.publisher.policy = Policy(hall.publisher.alone.logs, (Witness("w", witness.key),), quorum="w")
        head = newest(hall)
        line = witness.sign(head.checkpoint.text, time_s=1_700_000_000)
        assert hall.publisher.take(add_lines(split_note(head.note), [line]))
        sequencer = hall.sequencer()
        assert sequencer.lead()
        sequencer.step(heartbeat=True)
        sequencer.resign()
        told = [prove_entry(hall, index, "tlog") for index in (0, 1, 2)]
        assert [(p.head.witnessed, p.head.signed.checkpoint.size) for p in told] == [(True, 2), (True, 2), (False, 3)]
        assert [accepted(p.content, p.act.entry, hall) for p in told] == [True, True, False]
        assert all(accepted(p.content, p.act.entry, hall, policy=hall.publisher.alone) for p in told)


def test_scitt_cose_accepts_every_receipt_and_none_for_another_entry(
    small: Hall, proofs: dict[Any, Any], by_scitt_cose: Judge
) -> None:
    pem = public_pem(small.keyring.own("receipt").public)
    receipts = {key: found for key, found in proofs.items() if key[2] == "cose"}

    def case(data: bytes, entry: bytes) -> dict[str, Any]:
        return {"kind": "receipt", "data": data, "entry": entry, "pem": pem}

    assert all(by_scitt_cose([case(*found) for found in receipts.values()]))
    wrong = [case(data, proofs[size, (at + 1) % size, form][1]) for (size, at, form), (data, _) in receipts.items()]
    assert not any(by_scitt_cose(wrong))


def test_go_accepts_every_proof_file_and_none_changed(small: Hall, proofs: dict[Any, Any], by_go: Judge) -> None:
    vkey, policy = str(small.publisher.policy.logs[0].key), small.publisher.policy.to_bytes()

    def case(data: bytes, entry: bytes) -> dict[str, Any]:
        return {"kind": "proof", "data": data, "entry": entry, "vkey": vkey, "policy": policy}

    files = {key: found for key, found in proofs.items() if key[2] == "tlog"}
    assert all(by_go([case(*found) for found in files.values()]))
    wrong = []
    for (size, at, form), (data, entry) in files.items():
        proof = Proof.parse(data)
        hash_ = bytes([proof.path[0][0] ^ 1]) + proof.path[0][1:]
        wrong += [
            case(data, proofs[size, (at + 1) % size, form][1]),
            case(replace(proof, path=(hash_, *proof.path[1:])).to_bytes(), entry),
            case(replace(proof, path=proof.path[1:]).to_bytes(), entry),
            case(replace(proof, path=(*proof.path, bytes(32))).to_bytes(), entry),
            case(replace(proof, index=at + size).to_bytes(), entry),
        ]
    assert not any(by_go(wrong))


def test_the_commands_files_are_what_scitt_cose_takes_as_they_are(
    small: Hall, proofs: dict[Any, Any], scitt_cose: Path, command: Callable[..., Any], tmp_path: Path
) -> None:
    assert command("log", "keys", "--out", tmp_path / "keys", "--data", small.data)[0] == 0
    assert command("log", "entry", 5, "--out", tmp_path / "entry", "--data", small.data)[0] == 0
    words = ("log", "proof", 5, "--format", "cose", "--out", tmp_path / "receipt", "--data", small.data)
    assert command(*words)[0] == 0
    asked = [scitt_cose, "--receipt", tmp_path / "receipt", "--receipt-log-pubkey", tmp_path / "keys/receipt.pem"]
    entry = (tmp_path / "entry").read_bytes().hex()
    assert subprocess.run([*asked, "--leaf-entry-hex", entry], capture_output=True, check=False).returncode == 0
    assert subprocess.run([*asked, "--leaf-entry-hex", entry[:-2]], capture_output=True, check=False).returncode == 1
