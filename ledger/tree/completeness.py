"""One stream, whole: that it has exactly n statements before size S of the log, or none, in one JSON document.

    {"format": "mingjian-completeness@v1", "stream": "approval/2024-0001",
     "size": 1200, "statements": 7, "last": <id of the seventh, hex>,   what is claimed; of an absent one 0 and null
     "opening": <entry 0, base64>,                                      pinned by the origin; names the clock's key
     "heads": <the entry heads.stated.v1, base64>,                      the clock's word on all streams' heads at S
     "proof": {…},                                                      its place in the log (``proof``, as JSON)
     "row": {"places": […]}}                                            the stream's row, or its neighbours (``heads``)

Promise: what ``check`` accepts, the log's clock has stated in the log under the policy's key. That it is true is not
shown here: whoever replays the log to S finds out, and a false one is evidence that its signer cannot take back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import Malformed, Refused
from ledger.keys import check_public_key, thumbprint
from ledger.statement import Statement, StatementId, check_statement_signature, open_statement
from ledger.tree.checkpoint import SignedCheckpoint
from ledger.tree.heads import HeadProof, Heads, check_head
from ledger.tree.merkle import leaf_hash
from ledger.tree.note import decode_base64, encode_base64
from ledger.tree.policy import Policy
from ledger.tree.proof import Proof

FORMAT: Final = "mingjian-completeness@v1"
# Who states heads, and how: the same names as in the rights and types of the log.
_CLOCK: Final = "system/clock"
_STREAM: Final = "heads"
_TYPE: Final = "heads.stated.v1"


@dataclass(frozen=True, slots=True)
class Counted:
    """What was proved: so many statements (0: none), the id of the last, before ``size``, under ``signed``."""

    stream: str
    size: int
    statements: int
    last: StatementId | None
    signed: SignedCheckpoint


@dataclass(frozen=True, slots=True)
class Completeness:
    """A document well formed and not yet checked. ``statements`` and ``last`` are what it claims."""

    stream: str
    statements: int
    last: bytes | None
    opening: bytes
    heads: bytes
    proof: Proof
    row: HeadProof

    def check(self, policy: Policy) -> Counted:
        """Refuse unless the policy's log, and its clock in it, say just what is claimed."""
        # 1. The statement of heads stands in the log, under a checkpoint that the policy accepts.
        signed = self.proof.check(leaf_hash(self.heads), policy)
        # 2. Entry 0 is the one that the origin pins, so the clock's key in it is the log's.
        clock = self._clock_key(signed.checkpoint.origin)
        # 3. The clock has signed the statement, and nobody else can have.
        act = open_statement(self.heads)
        if (act.stream, act.type, act.actor, act.audience) != (_STREAM, _TYPE, _CLOCK, signed.checkpoint.origin):
            raise _not_shown(f"{act.type} by {act.actor} in {act.stream} is not the clock's word on case heads")
        if act.kid != thumbprint(clock):
            raise _not_shown("the clock has another key than at the opening; replay the log for it")
        if not check_statement_signature(self.heads, clock):
            raise _not_shown("the signature on the statement of heads does not hold")
        heads = Heads.from_data(act.data)
        if heads.size > self.proof.index:
            raise _not_shown("the heads are said to be those of a tree that holds their own statement")
        # 4. The row, or its absence, follows from the root in it.
        row = check_head(self.stream, heads, self.row)
        statements, last = (0, None) if row is None else (row.seq, StatementId(row.head))
        if (statements, last) != (self.statements, self.last):
            raise _not_shown(f"the rows say {statements} statements, the document {self.statements}")
        return Counted(self.stream, heads.size, statements, last, signed)

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "format": FORMAT,
            "stream": self.stream,
            "size": Heads.from_data(open_statement(self.heads).data).size,
            "statements": self.statements,
            "last": None if self.last is None else self.last.hex(),
            "opening": encode_base64(self.opening),
            "heads": encode_base64(self.heads),
            "proof": self.proof.as_json(),
            "row": self.row.as_json(),
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Completeness:
        """Read :meth:`as_json`, and nothing else."""
        match body:
            case {
                "format": str(form),
                "stream": str(stream),
                "size": int(),
                "statements": int(statements),
                "last": str() | None as last,
                "opening": str(opening),
                "heads": str(heads),
                "proof": dict(),
                "row": dict(),
            } if form == FORMAT and len(body) == 9 and stream.isascii():
                found = cls(
                    stream,
                    statements,
                    None if last is None else _id(last),
                    decode_base64(opening),
                    decode_base64(heads),
                    Proof.from_json(body["proof"]),
                    HeadProof.from_json(body["row"]),
                )
                if found.as_json() == body and not {type(statements), type(body["size"])} & {bool}:
                    return found
        raise Malformed(f"This JSON is not a document in the form {FORMAT!r}.")

    def _clock_key(self, origin: str) -> bytes:
        first = _opening(self.opening)
        if origin.rpartition("/")[2] != first.id[:16].hex():
            raise _not_shown("the opening is not the entry that the origin names")
        key = first.data.get("clock_key")
        if not isinstance(key, str):
            raise Malformed("The opening names no clock's key.")
        try:
            raw = bytes.fromhex(key)
        except ValueError:
            raise Malformed("The opening names no clock's key.") from None
        check_public_key(raw)
        return raw


def _opening(entry: bytes) -> Statement:
    first = open_statement(entry)
    if first.type != "ledger.opened.v1":
        raise Malformed("The opening is another statement.")
    return first


def _id(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise Malformed("An id is 64 hex digits.")
    return found


def _not_shown(why: str) -> Refused:
    return Refused(
        f"The document does not show how many statements the stream has: {why}.",
        code="completeness-not-proven",
        mend="Ask for the document again; if it fails again, keep it and the newest checkpoint.",
    )
