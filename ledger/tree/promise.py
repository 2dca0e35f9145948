"""The promise that a ledger gives with every statement it takes in: its place in the tree by a time.

    mingjian promise v1
    <origin>
    <id of the statement, hex>
    <RFC 3339 time by which it stands in the tree>

signed as a C2SP signed-note by the receipt key that entry 0 names, under the log's origin as the key's name.

Kept: the statement stands in the tree, in a batch of that time or before. Broken: a batch of a later time stands in
the tree, and the statement does not stand before it. Open: the tree's newest time is not past it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.errors import Malformed, Refused
from ledger.keys import SigningKey
from ledger.statement import StatementId, instant_text, instant_us
from ledger.tree.note import Signer, VerifierKey, open_note, sign_note

MAX_PROMISE_BYTES: Final = 4_096
_HEADER: Final = "mingjian promise v1"


@dataclass(frozen=True, slots=True)
class Promise:
    """A promise whose signature holds; ``by`` as it is written there, ``by_us`` the same in µs since 1970 UTC."""

    statement: StatementId
    by: str
    by_us: int


def sign_promise(origin: str, statement: StatementId, by_us: int, receipt_key: SigningKey) -> bytes:
    """The signed promise that ``statement`` stands in the tree by then."""
    text = f"{_HEADER}\n{origin}\n{statement.hex()}\n{instant_text(by_us)}\n"
    return sign_note(text, Signer(origin, receipt_key))


def open_promise(data: bytes, *, origin: str, receipt_key: bytes) -> Promise:
    """The promise in this note, if that receipt key of that log has signed it (Refused otherwise)."""
    if len(data) > MAX_PROMISE_BYTES:
        raise Malformed(f"a promise has at most {MAX_PROMISE_BYTES} bytes", code="file-size")
    lines = open_note(data, [VerifierKey(origin, receipt_key)]).text.split("\n")
    if len(lines) != 5 or lines[0] != _HEADER:
        raise Malformed(f"this note is not a {_HEADER!r}", code="promise")
    _, of, id_, by, _ = lines
    if of != origin:
        raise Refused("the promise is of another log", code="promise", origin=of)
    try:
        statement = bytes.fromhex(id_)
    except ValueError:
        statement = b""
    if len(statement) != 32 or statement.hex() != id_:
        raise Malformed("the promise names no statement", code="promise")
    return Promise(StatementId(statement), by, instant_us(by))
