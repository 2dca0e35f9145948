"""Proofs as commands and routes hand them out: one entry's place, two sizes joined, one stream whole.

Each is made on the checkpoint that meets the log's witness policy where that covers what is asked, else on the newest
that the log has signed, and the answer says which. Each is checked before it is handed out, under the log's own key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from api.log_questions import newest, published
from ledger.door.hall import WITNESSED_S, Hall
from ledger.door.heads import prove_stream, state_heads, stated_heads
from ledger.errors import Evidence, Malformed, NotFound, Refused
from ledger.statement import Statement, open_statement
from ledger.tree.checkpoint import SignedCheckpoint
from ledger.tree.completeness import Completeness
from ledger.tree.consistency import Consistency
from ledger.tree.heads import check_head
from ledger.tree.merkle import read_frontier
from ledger.tree.policy import NO_QUORUM, Policy
from ledger.tree.proof import Proof
from ledger.tree.receipt import check_receipt, sign_receipt

Form = Literal["tlog", "cose", "json"]
MEDIA_TYPES: Final[dict[Form, str]] = {
    "tlog": "text/plain; charset=utf-8",
    "cose": "application/cose",
    "json": "application/json",
}


@dataclass(frozen=True, slots=True)
class Head:
    """The checkpoint that a proof is made on; ``witnessed``: it meets a policy that asks for witnesses."""

    signed: SignedCheckpoint
    witnessed: bool

    def as_json(self) -> dict[str, Any]:
        """What an answer says of it."""
        head = self.signed.checkpoint
        return {
            "size": head.size,
            "root": head.root.hex(),
            "witnessed": self.witnessed,
            "cosignatures": len(self.signed.cosignatures),
        }


@dataclass(frozen=True, slots=True)
class EntryProof:
    """A proof of one entry's place, as the bytes of its form."""

    content: bytes
    act: Statement
    index: int
    head: Head


def newest_head(hall: Hall) -> Head:
    """The newest checkpoint that the log has signed."""
    policy = hall.publisher.policy
    signed = newest(hall)
    cosigners = {one.key for one in signed.cosignatures}
    return Head(signed, policy.quorum != NO_QUORUM and policy.is_met_by(cosigners))


def head_for(hall: Hall, size: int | None = None) -> Head:
    """The served checkpoint if it covers ``size`` entries, else the newest (NotFound when that does not either)."""
    try:
        served = published(hall)
    except Refused:
        served = None  # none meets the policy yet
    if served is not None and (size is None or size <= served.checkpoint.size):
        return Head(served, hall.publisher.policy.quorum != NO_QUORUM)
    newest = newest_head(hall)
    if size is not None and size > newest.signed.checkpoint.size:
        raise NotFound(
            f"the log has {newest.signed.checkpoint.size} entries, not {size}",
            code="no-entry",
            mend="indexes begin at 0; what was just stated is placed within two seconds",
            size=newest.signed.checkpoint.size,
        )
    return newest


def witnessed_head(hall: Hall, size: int | None, *, timeout_s: float = WITNESSED_S) -> Head:
    """``head_for``, once the witnesses have had their moment: what was stated just now is not cosigned yet."""
    head = head_for(hall, size)
    if head.witnessed or hall.publisher.policy.quorum == NO_QUORUM:
        return head
    hall.wait_witnessed(size or 0, timeout_s=timeout_s)
    return head_for(hall, size)


def entry_of(hall: Hall, index: int, head: Head) -> Statement:
    """The entry at ``index``, checked against its leaf and that head."""
    [placed] = hall.reader.verified([index], head.signed.checkpoint)
    return open_statement(placed.entry)


def prove_entry(hall: Hall, index: int, form: Form, *, wait_s: float = 0.0) -> EntryProof:
    """The proof of the entry at ``index``, in one of the three forms; ``wait_s``: for the witnesses, at most."""
    if index < 0:
        raise Malformed("indexes begin at 0", code="index")
    head = witnessed_head(hall, index + 1, timeout_s=wait_s)
    checkpoint = head.signed.checkpoint
    act = entry_of(hall, index, head)
    path = hall.reader.inclusion(index, checkpoint.size)
    with _as_signed():
        if form == "cose":
            key = hall.keyring.own("receipt")
            receipt = sign_receipt(
                act.entry,
                subject=act.stream,
                index=index,
                size=checkpoint.size,
                path=path,
                origin=hall.origin,
                key=key,
            )
            proven = check_receipt(receipt, act.entry, subject=act.stream, origin=hall.origin, public_key=key.public)
            if proven.root != checkpoint.root:
                raise Refused("the path leads to another root than the one that was signed")
            return EntryProof(receipt, act, index, head)
        proof = Proof(index, tuple(path), head.signed.note)
        proof.check(act.id, hall.publisher.policy if head.witnessed else _alone(head))
        content = proof.to_bytes() if form == "tlog" else orjson.dumps(proof.as_json())
        return EntryProof(content, act, index, head)


def join_sizes(hall: Hall, old: int, new: int) -> tuple[Consistency, Head]:
    """The document that joins two sizes, both under one signed head."""
    if not 1 <= old <= new:
        raise Malformed(f"there is no proof from size {old} to size {new}", code="sizes", mend="1 ≤ OLD ≤ NEW")
    head = head_for(hall, new)
    checkpoint = head.signed.checkpoint
    with _as_signed():
        document = Consistency(
            old,
            read_frontier(old, hall.reader.read_tile).root(),
            new,
            read_frontier(new, hall.reader.read_tile).root(),
            tuple(hall.reader.consistency(old, new)),
            head.signed.note,
            tuple(hall.reader.consistency(new, checkpoint.size)),
        )
        document.check(_alone(head))
    return document, head


def complete_stream(
    hall: Hall, stream: str, *, at: int | None = None, fresh: bool = False
) -> tuple[Completeness, Head]:
    """The document that a stream has so many statements, or none, by the case heads stated last, or those at ``at``.

    ``fresh``: heads are stated first unless the last are as new as the log; somebody must be placing statements then.
    """
    stated = state_heads(hall) if fresh and at is None else stated_heads(hall, at=at)
    if stated is None:
        raise NotFound("no case heads were stated yet", code="no-heads", mend="mingjian case completeness ID")
    head = (witnessed_head if fresh else head_for)(hall, stated.index + 1)
    proof = Proof(
        stated.index, tuple(hall.reader.inclusion(stated.index, head.signed.checkpoint.size)), head.signed.note
    )
    row = prove_stream(hall, stated, stream)
    with _as_signed():
        found = check_head(stream, stated.heads, row)
        document = Completeness(
            stream,
            0 if found is None else found.seq,
            None if found is None else found.head,
            entry_of(hall, 0, head).entry,
            stated.entry,
            proof,
            row,
        )
        document.check(_alone(head))
    return document, head


def _alone(head: Head) -> Policy:
    return Policy(logs=(head.signed.log,))


@contextmanager
def _as_signed() -> Iterator[None]:
    """What a check of our own proof refuses is not the asker's doing: the store is not what was signed."""
    try:
        yield
    except Refused as error:
        raise Evidence(
            f"the tree kept here is not the one that was signed: {error.message}",
            code=error.code,
            mend="mingjian doctor names what was changed; keep a copy of the database as evidence",
        ) from error
