"""Paths, checkpoints, proof files and quorums of ours, before sigstore's two libraries and Go's formats library."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Sequence
from itertools import chain, combinations
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ledger.errors import Refused
from ledger.keys import SigningKey
from ledger.tree.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.tree.cosignature import answer_of, take_cosignatures
from ledger.tree.merkle import leaf_hash, prove_inclusion, root_of
from ledger.tree.note import Algorithm, Signer
from ledger.tree.policy import Group, Log, Policy, Witness
from ledger.tree.proof import Proof

Judge = Callable[[Sequence[dict[str, Any]]], list[bool]]
ENTRIES = [f"entry {i}".encode() for i in range(40)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
LOG = Signer("hall.example/log", SigningKey.from_seed(b"\1" * 32))
STRANGER = Signer(LOG.name, SigningKey.from_seed(b"\2" * 32))
WITNESSES = [
    Signer(f"w{i}.example", SigningKey.from_seed(bytes([10 + i]) * 32), Algorithm.COSIGNATURE_V1) for i in range(5)
]
NOW = 1_700_000_000
POLICY = Policy(
    (Log(LOG.key),),
    tuple(Witness(f"w{i}", w.key, f"https://w{i}.example") for i, w in enumerate(WITNESSES)),
    (Group("city", 2, ("w0", "w1", "w2")), Group("press", 1, ("w3", "w4")), Group("both", 2, ("city", "press"))),
    "both",
)


def read_tile(level: int, index: int, width: int) -> bytes:
    assert (level, index) == (0, 0)
    return b"".join(LEAVES[:width])


def flipped(raw: bytes, bit: int = 0) -> bytes:
    return bytes([raw[0] ^ 1 << bit]) + raw[1:]


def inclusion(index: int, size: int, **change: Any) -> dict[str, Any]:
    case = {
        "kind": "inclusion",
        "entry": ENTRIES[index],
        "index": index,
        "size": size,
        "path": prove_inclusion(index, size, read_tile),
        "root": root_of(LEAVES[:size]),
    }
    return case | change


def checkpoint_case(note: bytes, root: bytes, *, signer: Signer = LOG) -> dict[str, Any]:
    public = Ed25519PublicKey.from_public_bytes(signer.private_key.public)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    case = {"kind": "checkpoint", "note": note, "root": root, "der": der, "origin": signer.name}
    return case | {"key_id": signer.key.key_id}


@pytest.fixture(params=["by_sigstore_python", "by_sigstore_js"])
def sigstore(request: pytest.FixtureRequest) -> Judge:
    judge: Judge = request.getfixturevalue(request.param)
    return judge


def test_sigstore_agrees_about_every_path_of_small_trees(sigstore: Judge) -> None:
    good, bad = [], []
    for size in range(1, 40):
        for index in range(size):
            good.append(inclusion(index, size))
            path = good[-1]["path"]
            bad += [inclusion(index, size, path=[*path[:n], flipped(h), *path[n + 1 :]]) for n, h in enumerate(path)]
            bad.append(inclusion(index, size, path=[*path, bytes(32)]))
            bad.append(inclusion(index, size, entry=ENTRIES[index] + b"x"))
            bad.append(inclusion(index, size, root=flipped(good[-1]["root"])))
    assert all(sigstore(good))
    assert not any(sigstore(bad))


def test_sigstore_opens_our_checkpoint_and_refuses_it_changed(sigstore: Judge) -> None:
    root = root_of(LEAVES)
    head = Checkpoint(LOG.name, 40, root)
    note = sign_checkpoint(head, LOG)
    cosigned = take_cosignatures(note, answer_of([WITNESSES[0].sign(head.text, time_s=NOW)]), POLICY)
    assert sigstore([checkpoint_case(note, root), checkpoint_case(cosigned, root)]) == [True, True]
    text_end = note.index(b"\n\n")
    changed = [note[:at] + flipped(note[at : at + 1]) + note[at + 1 :] for at in range(text_end)]
    changed += [sign_checkpoint(head, STRANGER), note.replace(b"\n40\n", b"\n41\n"), note[:text_end]]
    assert not any(sigstore([checkpoint_case(data, root) for data in changed]))
    wrong = [checkpoint_case(note, flipped(root)), checkpoint_case(note, root, signer=STRANGER)]
    assert sigstore(wrong) == [False, False]


def cosigned(witnesses: Sequence[Signer], size: int = 40) -> bytes:
    head = Checkpoint(LOG.name, size, root_of(LEAVES[:size]))
    note = sign_checkpoint(head, LOG)
    for witness in witnesses:
        note = take_cosignatures(note, answer_of([witness.sign(head.text, time_s=NOW)]), POLICY)
    return note


def go_case(data: bytes, *, entry: bytes = b"", kind: str = "quorum", **change: Any) -> dict[str, Any]:
    return {"kind": kind, "data": data, "entry": entry, "vkey": str(LOG.key), "policy": POLICY.to_bytes(), **change}


def met(note: bytes) -> bool:
    try:
        open_checkpoint(note, POLICY)
    except Refused:
        return False
    return True


def test_go_reads_our_policy_and_finds_the_same_quorums_met(by_go: Judge) -> None:
    sets = list(chain.from_iterable(combinations(WITNESSES, n) for n in range(6)))
    notes = [cosigned(some) for some in sets]
    expected = [len({*some} & {*WITNESSES[:3]}) >= 2 and len({*some} & {*WITNESSES[3:]}) >= 1 for some in sets]
    assert [met(note) for note in notes] == expected
    assert by_go([go_case(note) for note in notes]) == expected


def test_go_accepts_our_proof_file_and_refuses_it_changed(by_go: Judge) -> None:
    # Two and one: no line is to spare, so none can be lost.
    note = cosigned([WITNESSES[0], WITNESSES[1], WITNESSES[3]])

    def proof(index: int, *, note: bytes = note, size: int = 40) -> bytes:
        return Proof(index, tuple(prove_inclusion(index, size, read_tile)), note, b"extra").to_bytes()

    cases = [go_case(proof(i), entry=ENTRIES[i], kind="proof") for i in range(40)]
    assert all(by_go(cases))
    raw = proof(5)
    head_end = raw.index(b"\nindex ")
    changed = [raw[:at] + flipped(raw[at : at + 1]) + raw[at + 1 :] for at in range(head_end + 1, len(raw))]
    wrong = [go_case(data, entry=ENTRIES[5], kind="proof") for data in changed]
    wrong += [
        go_case(raw, entry=ENTRIES[6], kind="proof"),
        go_case(raw, entry=ENTRIES[5], kind="proof", vkey=str(STRANGER.key)),
        go_case(proof(5, note=cosigned(WITNESSES[:3])), entry=ENTRIES[5], kind="proof"),
        go_case(proof(5, size=39), entry=ENTRIES[5], kind="proof"),
    ]
    verdicts = by_go(wrong)
    ours = [_ours(case["data"], case["entry"], case["vkey"]) for case in wrong]
    assert not any(ours)
    # Go reads base64 whose last digit has stray bits, which is a second spelling of the same file; we do not.
    taken = [case["data"] for case, accepted in zip(wrong, verdicts, strict=True) if accepted]
    assert all(_respelled(data) == raw for data in taken)


def _respelled(data: bytes) -> bytes:
    """The file with its base64 words decoded loosely and written anew."""
    words = re.split(rb"([ \n])", data)
    return b"".join(b64encode(b64decode(word)) if len(word) in (44, 92, 104) else word for word in words)


def _ours(data: bytes, entry: bytes, vkey: str) -> bool:
    if vkey != str(LOG.key):
        return False
    try:
        Proof.parse(data).check(leaf_hash(entry), POLICY)
    except Refused:
        return False
    return True
