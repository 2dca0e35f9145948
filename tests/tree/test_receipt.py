"""COSE Receipts (RFC 9942): made and checked here, and every change refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed, Refused
from ledger.keys import SigningKey
from ledger.statement import Draft, open_statement, sign_statement
from ledger.tree.merkle import EMPTY_ROOT, leaf_hash, prove_consistency, prove_inclusion, root_of
from ledger.tree.receipt import (
    MAX_RECEIPT_BYTES,
    Proven,
    Receipt,
    attach_receipts,
    check_consistency_receipt,
    check_receipt,
    detach_receipts,
    sign_consistency_receipt,
    sign_receipt,
)

KEY, OTHER = SigningKey.from_seed(b"\1" * 32), SigningKey.from_seed(b"\2" * 32)
ORIGIN, STREAM = "hall.example/log", "approval/2024-0001"
ENTRIES = [f"entry {i}".encode() for i in range(40)]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]


@pytest.fixture
def receipt_for(rows_of: Callable[..., Any]) -> Callable[[int, int], bytes]:
    def make(index: int, size: int) -> bytes:
        path = prove_inclusion(index, size, rows_of(LEAVES[:size]))
        return sign_receipt(ENTRIES[index], subject=STREAM, index=index, size=size, path=path, origin=ORIGIN, key=KEY)

    return make


@pytest.fixture
def joined(rows_of: Callable[..., Any]) -> Callable[[int, int], bytes]:
    def make(old: int, new: int) -> bytes:
        path = prove_consistency(old, new, rows_of(LEAVES[:new]))
        return sign_consistency_receipt(
            old, root_of(LEAVES[:old]), new, root_of(LEAVES[:new]), path, origin=ORIGIN, key=KEY
        )

    return make


def check(data: bytes, entry: bytes, *, key: SigningKey = KEY, subject: str = STREAM, origin: str = ORIGIN) -> Proven:
    return check_receipt(data, entry, subject=subject, origin=origin, public_key=key.public)


def check_joined(data: bytes, old: int, new: int, *, key: SigningKey = KEY) -> Proven:
    old_root, root = root_of(LEAVES[:old]), root_of(LEAVES[:new])
    return check_consistency_receipt(data, old, old_root, root, origin=ORIGIN, public_key=key.public)


def flips(data: bytes) -> list[bytes]:
    return [data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :] for at in range(len(data)) for bit in range(8)]


def test_every_leaf_of_every_small_tree_has_a_receipt(receipt_for: Callable[[int, int], bytes]) -> None:
    for size in range(2, 40):
        root = root_of(LEAVES[:size])
        for index in range(size):
            data = receipt_for(index, size)
            assert Receipt.parse(data).to_bytes() == data
            assert check(data, ENTRIES[index]) == Proven(index, size, root)
            with pytest.raises(Refused):
                check(data, ENTRIES[index] + b"x")


def test_every_two_sizes_of_a_small_tree_have_a_receipt(joined: Callable[[int, int], bytes]) -> None:
    for new in range(2, 30):
        for old in range(1, new):
            data = joined(old, new)
            assert Receipt.parse(data).to_bytes() == data
            assert check_joined(data, old, new) == Proven(old, new, root_of(LEAVES[:new]))


def test_no_bit_of_a_receipt_can_be_changed(
    receipt_for: Callable[[int, int], bytes], joined: Callable[[int, int], bytes]
) -> None:
    data = receipt_for(5, 7)
    for changed in flips(data):
        with pytest.raises(Refused):
            check(changed, ENTRIES[5])
    data = joined(5, 7)
    for changed in flips(data):
        with pytest.raises(Refused):
            check_joined(changed, 5, 7)


def test_a_receipt_is_for_one_key_stream_log_and_kind(
    receipt_for: Callable[[int, int], bytes], joined: Callable[[int, int], bytes]
) -> None:
    data = receipt_for(5, 7)
    with pytest.raises(Refused):
        check(data, ENTRIES[5], key=OTHER)
    with pytest.raises(Refused):
        check(data, ENTRIES[5], subject="approval/2024-0002")
    with pytest.raises(Refused):
        check(data, ENTRIES[5], origin="other.example/log")
    with pytest.raises(Refused):
        check(joined(5, 7), ENTRIES[5], subject=ORIGIN)
    with pytest.raises(Refused):
        check_joined(data, 5, 7)
    with pytest.raises(Refused):
        check_joined(joined(4, 7), 5, 7)
    with pytest.raises(Refused):
        check_joined(joined(5, 8), 5, 7)


def test_the_size_is_signed_where_the_path_alone_would_leave_it_open(
    receipt_for: Callable[[int, int], bytes], rows_of: Callable[..., Any]
) -> None:
    # Leaf 5 of 7 climbs left, right, left, as leaf 5 of 8 does: one path, one root, two sizes.
    receipt = Receipt.parse(receipt_for(5, 7))
    for size in (6, 8, 9):
        lie = replace(receipt, size=size)
        with pytest.raises(Refused):
            check(lie.to_bytes(), ENTRIES[5])
    # Changed in the open part only, it contradicts the signed part.
    open_lie = receipt.to_bytes().replace(b"\x83\x07\x05", b"\x83\x08\x05")
    with pytest.raises(Malformed):
        Receipt.parse(open_lie)


def test_the_bytes_are_those_of_rfc_9942(
    receipt_for: Callable[[int, int], bytes], joined: Callable[[int, int], bytes]
) -> None:
    for data, kind, numbers in ((receipt_for(5, 7), -1, [7, 5]), (joined(5, 7), -2, [5, 7])):
        message = cbor2.loads(data)
        protected_raw, open_part, payload, signature = message.value
        protected = cbor2.loads(protected_raw)
        assert message.tag == 18
        assert payload is None
        subject = STREAM if kind == -1 else ORIGIN
        assert protected == {1: -8, 4: KEY.thumbprint, 15: {1: ORIGIN, 2: subject, -65537: 7}, 395: 1}
        [proof] = open_part[396][kind]
        assert len(open_part) == len(open_part[396]) == 1
        assert list(cbor2.loads(proof))[:2] == numbers
        # Deterministic: what another encoder's canonical form is, byte for byte.
        assert cbor2.dumps(protected, canonical=True) == protected_raw
        assert cbor2.dumps(message, canonical=True) == data
        signed = cbor2.dumps(["Signature1", protected_raw, b"", root_of(LEAVES[:7])])
        assert KEY.sign(signed) == signature


@given(st.binary(max_size=300))
def test_any_bytes_are_no_receipt(data: bytes) -> None:
    with pytest.raises(Malformed):
        Receipt.parse(b"\xd2\x84" + data)


def test_hostile_receipts_are_refused(receipt_for: Callable[[int, int], bytes]) -> None:
    data = receipt_for(5, 7)
    hostile = [data[:n] for n in range(len(data))]
    hostile += [data + b"\0", b"", data * 20, data[1:], b"\xd9\x00\x12" + data[1:]]
    hostile += [
        data.replace(b"\xf6", b"\x58\x20" + root_of(LEAVES[:7])),  # an attached payload
        data.replace(b"\xa1\x19\x01\x8c", b"\xb8\x01\x19\x01\x8c"),  # a longer head
        data.replace(b"\xa1\x20\x81", b"\xa1\x20\x9b" + b"\xff" * 8),  # a lying length
        data.replace(b"\x58\x6a\x83\x07\x05\x83", b"\x58\x6c\x83\x07\x05\x99\xff\xff"),
        data.replace(b"\xa1\x20\x81", b"\xa1\x22\x81"),  # a kind of proof that the structure has not
        data.replace(b"\xa1\x20\x81", b"\xa1\x20\x82"),  # two proofs
        data.replace(b"\x01\x27", b"\x01\x32"),  # alg −19
        data.replace(b"\x01\x8b\x01", b"\x01\x8b\x02"),  # another structure
    ]
    for wrong in hostile:
        assert wrong != data
        with pytest.raises(Malformed) as refused:
            Receipt.parse(wrong)
        assert refused.value.message


def test_what_no_receipt_can_say_is_not_made(rows_of: Callable[..., Any]) -> None:
    def make(*, index: int, size: int, path: list[bytes], subject: str = STREAM) -> bytes:
        return sign_receipt(b"x", subject=subject, index=index, size=size, path=path, origin=ORIGIN, key=KEY)

    # A tree of one leaf has an empty path, which the format has no word for.
    for wrong in ({"index": 0, "size": 1, "path": []}, {"index": 2, "size": 2, "path": [bytes(32)]}):
        with pytest.raises(Refused):
            make(**wrong)  # type: ignore[arg-type]
    with pytest.raises(Malformed):
        make(index=0, size=2, path=[bytes(32)], subject="s" * 2_000)
    with pytest.raises(Refused):
        sign_consistency_receipt(3, bytes(32), 5, bytes(32), [bytes(32)], origin=ORIGIN, key=KEY)
    parsed = Receipt.parse(make(index=0, size=2, path=[bytes(32)]))
    for change in ({"kid": bytes(31)}, {"signature": bytes(63)}, {"path": (bytes(31),)}, {"path": (bytes(32),) * 65}):
        with pytest.raises(Malformed):
            replace(parsed, **change)  # type: ignore[arg-type]
    longest = make(index=2**62, size=2**63 - 1, path=[bytes(32)] * 63, subject="s" * 1_500)
    assert len(longest) <= MAX_RECEIPT_BYTES
    assert Receipt.parse(longest).to_bytes() == longest


def statement() -> bytes:
    draft = Draft(
        actor="clerk-1",
        stream=STREAM,
        type="approval.accepted.v1",
        seq=1,
        prev=None,
        seen_size=0,
        seen_root=EMPTY_ROOT,
        at="2024-03-04T09:30:00+08:00",
        role="acceptor",
        request="r1",
        data={"n": 1},
        audience=ORIGIN,
    )
    return sign_statement(draft, KEY)


def test_a_transparent_statement_is_the_leaf_again_without_its_receipts(
    receipt_for: Callable[[int, int], bytes],
) -> None:
    entry, receipts = statement(), [receipt_for(5, 7), receipt_for(0, 40)]
    for carried in (receipts[:1], receipts, receipts * 8):
        transparent = attach_receipts(entry, carried)
        assert detach_receipts(transparent) == (entry, carried)
        message = cbor2.loads(transparent)
        assert list(message.value[1]) == [394]
        assert list(message.value[1][394]) == carried
        # The transparent form is not itself a leaf.
        with pytest.raises(Malformed):
            open_statement(transparent)
    header_at = next(at for at in range(len(entry)) if entry[at] != transparent[at])
    for count in (b"\x80", b"\x91", b"\x98\x20"):
        with pytest.raises(Malformed):
            detach_receipts(
                entry[:header_at] + bytes.fromhex("a119018a") + count + b"\x41x" * 32 + entry[header_at + 1 :]
            )
    for wrong in ([], receipts * 9, [bytes(MAX_RECEIPT_BYTES + 1)]):
        with pytest.raises(Malformed):
            attach_receipts(entry, wrong)
    for broken in (
        b"",
        entry,
        transparent[:-1000],
        transparent[:60],
        b"\0" * 200_000,
        attach_receipts(entry, [b""])[:-70],
    ):
        with pytest.raises(Malformed):
            open_statement(detach_receipts(broken)[0])
