"""C2SP tlog-checkpoint: the head of a log, signed by it and cosigned by those who watch it.

    <origin>                     the log's name, and the name of the key that signs
    <size>                       decimal, no leading zeros
    <root>                       base64 of 32 bytes
    <extension>                  any number of further lines, not empty; ours have none

A checkpoint that could be opened is signed by a log of the given policy, under that log's own name, and unless
asked otherwise it meets the policy's quorum. Whether it is the newest, and whether it is consistent with the
last one, the caller finds out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ledger.errors import Malformed, Refused
from ledger.tree.merkle import EMPTY_ROOT
from ledger.tree.note import (
    Algorithm,
    SignatureLine,
    Signer,
    Verified,
    decode_base64,
    encode_base64,
    open_note,
    sign_note,
)
from ledger.tree.policy import Log, Policy
from ledger.tree.tiles import HASH_BYTES, check_size

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_BAD_IN_LINE = re.compile(r"[\x00-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the signature covers: this log had, at this size, this root."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no tree and no note can have."""
        check_size(self.size)
        if any(not line or _BAD_IN_LINE.search(line) for line in (self.origin, *self.extensions)):
            raise Malformed("A checkpoint's lines are not empty and have no control characters.")
        if len(self.root) != HASH_BYTES or (self.size == 0 and self.root != EMPTY_ROOT):
            raise Malformed("A root has 32 bytes, and the empty tree's is SHA-256 of nothing.")

    @property
    def text(self) -> str:
        """The note's text."""
        return "\n".join([self.origin, str(self.size), encode_base64(self.root), *self.extensions, ""])

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Read ``.text``."""
        origin, *rest = text.split("\n")
        if len(rest) < 3 or rest.pop() != "":
            raise Malformed("A checkpoint has at least three lines: origin, size and root.")
        size, root, *extensions = rest
        if not _SIZE.fullmatch(size):
            raise Malformed(f"{size[:40]!r} is not a tree size in decimal without leading zeros.")
        return cls(origin, int(size), decode_base64(root), tuple(extensions))


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint that a known log signed, with the cosignatures of known witnesses on it."""

    checkpoint: Checkpoint
    log: Log
    cosignatures: tuple[Verified, ...]
    """Of witnesses in the policy, one each, all of which hold."""
    unknown: tuple[SignatureLine, ...]
    """Lines that nothing in the policy speaks for: to be named in a report, never counted."""
    note: bytes
    """The signed note, byte for byte: the evidence."""


def sign_checkpoint(checkpoint: Checkpoint, signer: Signer) -> bytes:
    """The signed note of a log's head, by the log's own key. To be signed after the head is durable."""
    if signer.name != checkpoint.origin or signer.algorithm is not Algorithm.ED25519:
        raise Malformed(
            f"The key {signer.name!r} cannot sign for the log {checkpoint.origin!r}.",
            mend="A log signs with an Ed25519 key that bears its origin as name.",
        )
    return sign_note(checkpoint.text, signer)


def open_checkpoint(data: bytes, policy: Policy, *, need_quorum: bool = True) -> SignedCheckpoint:
    """The checkpoint in this note, if the policy accepts it.

    ``need_quorum=False`` is for those who collect cosignatures and for showing how far the cosigned head lags:
    the log's signature and every known line are still verified.
    """
    note = open_note(data, policy.keys)
    checkpoint = Checkpoint.parse(note.text)
    signed_by = {verified.key for verified in note.verified}
    if len(signed_by) != len(note.verified):
        raise Malformed("A checkpoint has at most one line of each key; here a key has two.")
    # A log of the policy may speak for itself only: its key under another log's origin proves nothing.
    logs = [log for log in policy.logs if log.key in signed_by and log.key.name == checkpoint.origin]
    if not logs:
        raise Refused(
            f"No log of the policy has signed this checkpoint as {checkpoint.origin!r}.",
            code="checkpoint-not-of-log",
            mend="Compare the origin with the policy's log lines.",
            origin=checkpoint.origin,
        )
    if need_quorum and not policy.is_met_by(signed_by):
        raise Refused(
            f"The cosignatures on this checkpoint do not meet the quorum {policy.quorum!r}.",
            code="quorum-not-met",
            mend="Wait for more witnesses, or take an older checkpoint that has them.",
            origin=checkpoint.origin,
            size=checkpoint.size,
        )
    witnesses = {witness.key for witness in policy.witnesses}
    cosignatures = tuple(verified for verified in note.verified if verified.key in witnesses)
    return SignedCheckpoint(checkpoint, logs[0], cosignatures, note.unknown, data)
