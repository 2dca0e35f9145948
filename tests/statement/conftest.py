"""Statements to try things on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.keys import SigningKey
from ledger.statement import Draft, StatementId, sign_statement


@pytest.fixture(scope="session")
def key() -> SigningKey:
    """Who signs here."""
    return SigningKey.from_seed(b"\7" * 32)


@pytest.fixture(scope="session")
def draft() -> Draft:
    """A draft with every part that a statement can have."""
    return Draft(
        actor="clerk:zhang-3",
        stream="approval/2024-0001",
        type="approval.accepted.v1",
        seq=2,
        prev=StatementId(b"\x11" * 32),
        seen_size=70_000,
        seen_root=b"\x22" * 32,
        at="2024-03-04T09:30:00.25+08:00",
        role="acceptor",
        request="r-1",
        data={"n": 1, "text": "受理", "list": [True, None, -5], "deep": {"a": {"b": [[]]}}},
        unit="unit-1",
        window="w-7",
        causes=(StatementId(b"\x33" * 32), StatementId(b"\x44" * 32)),
        sd=("A" * 43, "B" * 43),
        audience="hall.example/log",
    )


@pytest.fixture(scope="session")
def entry(draft: Draft, key: SigningKey) -> bytes:
    """The draft, signed."""
    return sign_statement(draft, key)


def head(major: int, value: int) -> bytes:
    """A CBOR head in its shortest form, written a second time so that the tests do not lean on the code."""
    if value < 24:
        return bytes([major << 5 | value])
    width = 1 if value < 1 << 8 else 2 if value < 1 << 16 else 4
    return bytes([major << 5 | {1: 24, 2: 25, 4: 26}[width]]) + value.to_bytes(width)


@pytest.fixture(scope="session")
def signed_parts(key: SigningKey) -> Callable[[bytes, bytes], bytes]:
    """A COSE_Sign1 of any protected header and payload, with a good signature over them."""

    def make(protected: bytes, payload: bytes) -> bytes:
        parts = head(2, len(protected)) + protected, head(2, len(payload)) + payload
        signature = key.sign(b"\x84\x6aSignature1" + parts[0] + b"\x40" + parts[1])
        return b"\xd2\x84" + parts[0] + b"\xa0" + parts[1] + b"\x58\x40" + signature

    return make


@pytest.fixture(scope="session")
def parts_of() -> Callable[[bytes], tuple[bytes, bytes]]:
    """Protected header and payload of an entry, read by cbor2."""
    import cbor2

    def read(entry: bytes) -> tuple[bytes, bytes]:
        message: Any = cbor2.loads(entry)
        return message.value[0], message.value[2]

    return read
