"""A statement of ours and its receipt, before ``scitt-cose`` and ``cwt``: accepted as they are, refused changed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ledger.errors import Refused
from ledger.keys import SigningKey, public_pem
from ledger.statement import Draft, check_statement_signature, draft_bytes, open_statement, sign_statement
from ledger.tree.merkle import leaf_hash, prove_consistency, prove_inclusion, root_of
from ledger.tree.receipt import (
    attach_receipts,
    check_receipt,
    sign_consistency_receipt,
    sign_receipt,
)

Judge = Callable[[Sequence[dict[str, Any]]], list[bool]]
CLERK, RECEIPTS, STRANGER = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3))
ORIGIN, STREAM = "hall.example/log", "approval/2024-0001"
DRAFT = Draft(
    actor="clerk-1",
    stream=STREAM,
    type="approval.accepted.v1",
    seq=1,
    prev=None,
    seen_size=2,
    seen_root=bytes(32),
    at="2024-03-04T09:30:00+08:00",
    role="acceptor",
    request="r-1",
    data={"item": "受理"},
    audience=ORIGIN,
)
ENTRY = sign_statement(DRAFT, CLERK)
INDEX, SIZE = 5, 11
ENTRIES = [ENTRY if i == INDEX else sign_statement(replace(DRAFT, request=f"o-{i}"), CLERK) for i in range(SIZE)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


def read_tile(level: int, index: int, width: int) -> bytes:
    assert (level, index) == (0, 0)
    return b"".join(LEAVES[:width])


def receipt_of(index: int, *, size: int = SIZE) -> bytes:
    path = prove_inclusion(index, size, read_tile)
    return sign_receipt(ENTRIES[index], subject=STREAM, index=index, size=size, path=path, origin=ORIGIN, key=RECEIPTS)


RECEIPT = receipt_of(INDEX)


def flips(data: bytes) -> list[bytes]:
    return [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]


def the_command(scitt_cose: Path, folder: Path, receipt: bytes, key: SigningKey, entry: bytes) -> tuple[int, Any]:
    (folder / "receipt").write_bytes(receipt)
    (folder / "statement").write_bytes(entry)
    (folder / "log.pem").write_bytes(public_pem(key.public))
    (folder / "clerk.pem").write_bytes(public_pem(CLERK.public))
    done = subprocess.run(
        [
            scitt_cose, "--receipt", folder / "receipt", "--receipt-log-pubkey", folder / "log.pem",
            "--leaf-entry-hex", entry.hex(), "--statement", folder / "statement",
            "--statement-pubkey", folder / "clerk.pem", "--json",
        ],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def test_the_scitt_cose_command_accepts_statement_and_receipt_as_they_are(scitt_cose: Path, tmp_path: Path) -> None:
    code, report = the_command(scitt_cose, tmp_path, RECEIPT, RECEIPTS, ENTRY)
    assert code == 0
    assert report["statement"]["signature_verified"] is True
    assert [report["statement"][name] for name in ("issuer", "subject", "alg")] == ["clerk-1", STREAM, "EdDSA"]
    assert report["receipt"]["ok"] is True
    found = [report["receipt"][name] for name in ("root", "tree_size", "leaf_index")]
    assert found == [root_of(LEAVES).hex(), SIZE, INDEX]


def test_the_scitt_cose_command_refuses_another_key_or_entry(scitt_cose: Path, tmp_path: Path) -> None:
    assert the_command(scitt_cose, tmp_path, RECEIPT, STRANGER, ENTRY)[0] == 1
    assert the_command(scitt_cose, tmp_path, RECEIPT, RECEIPTS, ENTRIES[4])[0] == 1
    assert the_command(scitt_cose, tmp_path, RECEIPT[:-1] + b"\0", RECEIPTS, ENTRY)[0] == 1


def receipt_case(data: bytes, entry: bytes = ENTRY, *, key: SigningKey = RECEIPTS, kind: str = "receipt") -> Any:
    return {"kind": kind, "data": data, "entry": entry, "pem": public_pem(key.public)}


def ours(data: bytes, entry: bytes = ENTRY, *, key: SigningKey = RECEIPTS) -> bool:
    try:
        check_receipt(data, entry, subject=STREAM, origin=ORIGIN, public_key=key.public)
    except Refused:
        return False
    return True


def test_every_receipt_of_a_small_tree_is_accepted_by_scitt_cose(by_scitt_cose: Judge) -> None:
    pairs = [(receipt_of(i, size=size), ENTRIES[i]) for size in range(2, SIZE + 1) for i in range(size)]
    assert all(by_scitt_cose([receipt_case(*pair) for pair in pairs]))
    assert all(by_scitt_cose([receipt_case(attach_receipts(e, [r]), e, kind="transparent") for r, e in pairs]))


def test_no_changed_receipt_is_accepted_by_scitt_cose_or_us(by_scitt_cose: Judge) -> None:
    changed = [*flips(RECEIPT), RECEIPT + b"\0", RECEIPT[:-1], b"", receipt_of(4)]
    assert not any(map(ours, changed))
    verdicts = by_scitt_cose([receipt_case(data) for data in changed])
    # RFC 9942 leaves the size in the open part, and the way from leaf 5 up is the same in trees of 9, 10, 11 and 15.
    # That is why ours stands in the signed part too: only who reads that claim sees the change.
    size_at = RECEIPT.index(b"\x83\x0b\x05") + 1
    sizes = [RECEIPT[:size_at] + bytes([size]) + RECEIPT[size_at + 1 :] for size in (9, 10, 15)]
    assert {data for data, accepted in zip(changed, verdicts, strict=True) if accepted} == set(sizes)
    wrong = [receipt_case(RECEIPT, key=STRANGER), receipt_case(RECEIPT, ENTRIES[4])]
    assert by_scitt_cose([*wrong, receipt_case(RECEIPT, ENTRY + b"x")]) == [False] * 3


def statement_case(data: bytes, *, key: SigningKey = CLERK, names: str = f"clerk-1 {STREAM}") -> Any:
    return {"kind": "statement", "data": data, "pem": public_pem(key.public), "names": names}


def good(data: bytes) -> bool:
    try:
        open_statement(data)
    except Refused:
        return False
    return check_statement_signature(data, CLERK.public)


def test_no_changed_statement_is_accepted_by_scitt_cose_or_us(by_scitt_cose: Judge) -> None:
    changed = [*flips(ENTRY), ENTRY + b"\0", ENTRY[:-1], b"", ENTRY[1:]]
    assert by_scitt_cose([statement_case(ENTRY)]) == [True]
    assert not any(map(good, changed))
    assert not any(by_scitt_cose([statement_case(data) for data in changed]))
    assert by_scitt_cose([statement_case(ENTRY, key=STRANGER)]) == [False]
    assert by_scitt_cose([statement_case(ENTRY, names="clerk-2 x")]) == [False]


def cwt_case(data: bytes, key: SigningKey, **more: bytes) -> dict[str, Any]:
    return {"data": data, "pem": public_pem(key.public), "kid": key.thumbprint, **more}


def payload_of(draft: Draft) -> bytes:
    return draft_bytes(draft, CLERK.thumbprint)[1]


def test_cwt_verifies_the_statement_and_the_detached_root_of_the_receipt(by_cwt: Judge) -> None:
    root = root_of(LEAVES)
    path = prove_consistency(7, SIZE, read_tile)
    joined = sign_consistency_receipt(7, root_of(LEAVES[:7]), SIZE, root, path, origin=ORIGIN, key=RECEIPTS)
    cases = [
        cwt_case(ENTRY, CLERK, payload=payload_of(DRAFT)),
        cwt_case(RECEIPT, RECEIPTS, detached=root),
        cwt_case(joined, RECEIPTS, detached=root),
        cwt_case(attach_receipts(ENTRY, [RECEIPT, joined]), CLERK, payload=payload_of(DRAFT)),
    ]
    assert by_cwt(cases) == [True] * 4
    wrong = [
        cwt_case(ENTRY, STRANGER, payload=payload_of(DRAFT)),
        cwt_case(RECEIPT, RECEIPTS, detached=root_of(LEAVES[:7])),
        cwt_case(RECEIPT, STRANGER, detached=root),
        cwt_case(joined, RECEIPTS, detached=root_of(LEAVES[:7])),
    ]
    assert by_cwt(wrong) == [False] * 4


def test_no_changed_statement_is_accepted_by_cwt_or_us(by_cwt: Judge) -> None:
    changed = [*flips(ENTRY), ENTRY[:-1], b"", ENTRY[1:]]
    assert not any(map(good, changed))
    assert not any(by_cwt([cwt_case(data, CLERK, payload=payload_of(DRAFT)) for data in changed]))
