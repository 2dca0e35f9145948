"""C2SP tlog-proof: one file proves one entry's place, offline, and no changed file does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed, MingjianError, Refused
from ledger.keys import SigningKey
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.merkle import leaf_hash, prove_inclusion
from ledger.tree.note import Signer
from ledger.tree.policy import Log, Policy
from ledger.tree.proof import MAX_PROOF_BYTES, Proof

LOG = Signer("hall.example/log", SigningKey.from_seed(bytes(32)))
POLICY = Policy((Log(LOG.key),))
LEAVES = [leaf_hash(f"entry {i}".encode()) for i in range(300)]
NOTE = sign_checkpoint(Checkpoint(LOG.name, 7, bytes(32)), LOG)


@pytest.fixture
def proof(rows_of: Callable[..., Any]) -> Proof:
    """Entry 73 of 300."""
    rows = rows_of(LEAVES)
    note = sign_checkpoint(Checkpoint(LOG.name, 300, rows.frontier.root()), LOG)
    return Proof(73, tuple(prove_inclusion(73, 300, rows)), note)


def test_the_file_is_as_specified(proof: Proof) -> None:
    lines = proof.to_bytes().decode().split("\n")
    assert lines[:2] == ["c2sp.org/tlog-proof@v1", "index 73"]
    assert [len(line) for line in lines[2:11]] == [44] * 9
    assert lines[11:14] == ["", "hall.example/log", "300"]
    assert proof.to_bytes().endswith(proof.checkpoint)


def test_a_proof_proves_its_entry_and_no_other(proof: Proof) -> None:
    read = Proof.parse(proof.to_bytes())
    assert read.check(LEAVES[73], POLICY).checkpoint.size == 300
    for leaf in (LEAVES[72], bytes(32)):
        with pytest.raises(Refused):
            read.check(leaf, POLICY)
    with pytest.raises(Refused):
        read.check(LEAVES[73], Policy((Log(Signer(LOG.name, SigningKey.generate()).key),)))


def test_no_byte_of_a_proof_can_be_changed(proof: Proof) -> None:
    data = proof.to_bytes()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(MingjianError):
            Proof.parse(changed).check(LEAVES[73], POLICY)


def test_extra_data_is_carried_and_proves_nothing(proof: Proof) -> None:
    carried = Proof(proof.index, proof.path, proof.checkpoint, extra=b"out of band")
    assert carried.to_bytes().decode().split("\n")[1] == "extra b3V0IG9mIGJhbmQ="
    read = Proof.parse(carried.to_bytes())
    assert read == carried
    read.check(LEAVES[73], POLICY)


@given(
    st.integers(0, 2**63 - 2),
    st.lists(st.binary(min_size=32, max_size=32), max_size=64).map(tuple),
    st.none() | st.binary(min_size=1, max_size=100),
)
def test_every_proof_reads_back(index: int, path: tuple[bytes, ...], extra: bytes | None) -> None:
    proof = Proof(index, path, NOTE, extra)
    assert Proof.parse(proof.to_bytes()) == proof
    assert Proof.from_json(json.loads(json.dumps(proof.as_json()))) == proof


HASH = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
TEXT = NOTE.decode()
MALFORMED = {
    "empty": "",
    "another version": f"c2sp.org/tlog-proof@v2\nindex 0\n\n{TEXT}",
    "no index": f"c2sp.org/tlog-proof@v1\n\n{TEXT}",
    "a leading zero": f"c2sp.org/tlog-proof@v1\nindex 01\n\n{TEXT}",
    "a sign": f"c2sp.org/tlog-proof@v1\nindex +1\n\n{TEXT}",
    "two blanks": f"c2sp.org/tlog-proof@v1\nindex  1\n\n{TEXT}",
    "another script's digit": f"c2sp.org/tlog-proof@v1\nindex ١\n\n{TEXT}",
    "an index beyond every tree": f"c2sp.org/tlog-proof@v1\nindex {2**63 - 1}\n\n{TEXT}",
    "extra behind the index": f"c2sp.org/tlog-proof@v1\nindex 1\nextra AAAA\n\n{TEXT}",
    "extra twice": f"c2sp.org/tlog-proof@v1\nextra AAAA\nextra AAAA\nindex 1\n\n{TEXT}",
    "extra that is empty": f"c2sp.org/tlog-proof@v1\nextra \nindex 1\n\n{TEXT}",
    "extra too long": f"c2sp.org/tlog-proof@v1\nextra {'AAAA' * 30_000}\nindex 1\n\n{TEXT}",
    "a short hash": f"c2sp.org/tlog-proof@v1\nindex 1\nAAAA\n\n{TEXT}",
    "stray bits in a hash": f"c2sp.org/tlog-proof@v1\nindex 1\n{HASH[:-2]}B=\n\n{TEXT}",
    "65 hashes": f"c2sp.org/tlog-proof@v1\nindex 1\n{(HASH + chr(10)) * 65}\n{TEXT}",
    "carriage returns": f"c2sp.org/tlog-proof@v1\r\nindex 1\r\n\n{TEXT}",
    "no empty line": f"c2sp.org/tlog-proof@v1\nindex 1\n{HASH}\n{TEXT}",
    "two empty lines": f"c2sp.org/tlog-proof@v1\nindex 1\n\n\n{TEXT[:-1]}",
    "no checkpoint": "c2sp.org/tlog-proof@v1\nindex 1\n\n",
    "too long": f"c2sp.org/tlog-proof@v1\nindex 1\n\n{'x' * MAX_PROOF_BYTES}\n\n{TEXT}",
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
def test_a_malformed_proof_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Proof.parse(text.encode())


@given(st.binary(max_size=200))
def test_any_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        Proof.parse(data)


GOOD = Proof(1, (bytes(32),), NOTE, b"x").as_json()


@pytest.mark.parametrize(
    "change",
    [
        {"format": "c2sp.org/tlog-proof@v2"},
        {"index": "1"},
        {"index": True},
        {"index": -1},
        {"index": 1.0},
        {"path": HASH},
        {"path": [1]},
        {"path": [HASH] * 65},
        {"path": ["AAAA"]},
        {"checkpoint": None},
        {"checkpoint": "text\ud800\n\n— n AAAAAAA=\n"},
        {"extra": None},
        {"extra": ""},
        {"extra": "!"},
        {"more": 1},
    ],
)
def test_json_in_another_form_is_refused(change: dict[str, Any]) -> None:
    assert Proof.from_json(GOOD).index == 1
    with pytest.raises(Malformed):
        Proof.from_json(GOOD | change)


@pytest.mark.parametrize("missing", ["format", "index", "path", "checkpoint"])
def test_json_with_a_part_missing_is_refused(missing: str) -> None:
    with pytest.raises(Malformed):
        Proof.from_json({name: value for name, value in GOOD.items() if name != missing})
