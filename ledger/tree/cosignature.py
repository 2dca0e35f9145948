"""C2SP tlog-witness: what a log asks of a witness, what the witness answers, what the log keeps of the answer.

    old <size>                   the size that the witness cosigned last, 0 if none
    <base64 hash>                the consistency proof from there, at most 63 lines; none from size 0
                                 an empty line
    <checkpoint>                 the signed note, byte for byte

Promise: whatever ``cosign_checkpoint`` signs extends what its witness signed before. It decides from the request
and the last cosigned head alone; the caller saves the new head and only then hands out the line, both under one
lock for each log. ``take_cosignatures`` keeps nothing that is not a policy witness's good line on this very head.

The lines themselves are made and verified in ``note``; whether they are enough, ``policy`` says.

    error code             answer of the witness
    witness-request        400   the bytes, or an old size above the new one
    witness-origin         404   a log that this witness does not watch
    witness-signature      403   no good signature of that log
    witness-size           409   the details' ``size`` is the one cosigned last: its body is that number
    witness-root           409   the same size with another root: both notes together are evidence
    witness-consistency    422   the proof does not join the two heads
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.errors import Conflict, Malformed, NotAllowed, NotFound, Refused
from ledger.tree.checkpoint import Checkpoint
from ledger.tree.merkle import check_consistency
from ledger.tree.note import (
    MAX_NOTE_BYTES,
    SignatureLine,
    Signer,
    VerifierKey,
    add_lines,
    decode_base64,
    encode_base64,
    open_note,
    split_note,
)
from ledger.tree.policy import Policy
from ledger.tree.tiles import HASH_BYTES, check_size

MAX_PROOF_LINES = 63
MAX_HEAD_BYTES = 32 + MAX_PROOF_LINES * 45
MAX_REQUEST_BYTES = MAX_HEAD_BYTES + MAX_NOTE_BYTES

_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The body of ``add-checkpoint``, well formed and not yet judged."""

    old_size: int
    path: tuple[bytes, ...]
    checkpoint: bytes

    def __post_init__(self) -> None:
        """Refuse what the body could not say."""
        check_size(self.old_size)
        if len(self.path) > MAX_PROOF_LINES or any(len(h) != HASH_BYTES for h in self.path):
            raise Malformed(f"A request has at most {MAX_PROOF_LINES} hashes of {HASH_BYTES} bytes.")
        if self.old_size == 0 and self.path:
            raise Malformed("From size 0 there is nothing to prove: the request has no hashes then.")
        split_note(self.checkpoint)

    def to_bytes(self) -> bytes:
        """The body."""
        lines = [f"old {self.old_size}", *map(encode_base64, self.path), "", ""]
        return "\n".join(lines).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> AddCheckpoint:
        """Read :meth:`to_bytes`, and no other spelling of it."""
        head, gap, checkpoint = data[:MAX_REQUEST_BYTES].partition(b"\n\n")
        if not gap or len(head) > MAX_HEAD_BYTES or len(data) > MAX_REQUEST_BYTES or not head.isascii():
            raise Malformed("This is no add-checkpoint request: it has no empty line before the checkpoint.")
        old, *lines = head.decode("ascii").split("\n")
        found = _OLD.fullmatch(old)
        if found is None:
            raise Malformed("A request begins with `old <size>`, in decimal without leading zeros.")
        return cls(int(found[1]), tuple(decode_base64(line) for line in lines), checkpoint)


def cosign_checkpoint(
    body: bytes, *, logs: Iterable[VerifierKey], last: Checkpoint | None, witness: Signer, time_s: int
) -> tuple[Checkpoint, SignatureLine]:
    """The head to be saved and the line to be answered, or the refusal that the table above names.

    ``last`` is the head this witness cosigned last for the log that ``body`` names (see :func:`origin_asked`);
    ``time_s`` is now, in Unix seconds.
    """
    try:
        request = AddCheckpoint.parse(body)
        head = Checkpoint.parse(split_note(request.checkpoint).text)
    except Malformed as error:
        raise Malformed(error.message, code="witness-request", mend=error.mend) from error
    keys = [key for key in logs if key.name == head.origin]
    if not keys:
        raise NotFound(f"This witness does not watch {head.origin!r}.", code="witness-origin", origin=head.origin)
    try:
        open_note(request.checkpoint, keys)
    except Refused as error:
        raise NotAllowed(error.message, code="witness-signature", mend=error.mend, origin=head.origin) from error
    if request.old_size > head.size:
        raise Malformed("The old size is above the checkpoint's own.", code="witness-request")
    known_size = 0 if last is None else last.size
    if request.old_size != known_size:
        raise Conflict(
            f"This witness cosigned size {known_size} last, not {request.old_size}.",
            code="witness-size",
            mend=f"Send the proof from size {known_size}.",
            size=known_size,
        )
    if last is not None:
        _check_extends(last, head, request.path)
    return head, witness.sign(head.text, time_s=time_s)


def origin_asked(body: bytes) -> str:
    """The origin that a request names, for finding the last head; nothing else of it is believed."""
    return Checkpoint.parse(split_note(AddCheckpoint.parse(body).checkpoint).text).origin


def answer_of(lines: Iterable[SignatureLine]) -> bytes:
    """A witness's answer: its lines."""
    return "".join(f"{line}\n" for line in lines).encode()


def take_cosignatures(note: bytes, answer: bytes, policy: Policy) -> bytes:
    """The note with one witness's answer taken in: each good line of a witness that the policy names.

    Lines of keys that the policy does not name are left out; of one key's lines the latest is kept, in place of the
    older one in the note. Refused, with the note as it was, if nothing is left or a named witness's line is bad.
    """
    text = split_note(note).text
    # As the specification advises: open what the note would be with this answer, then move the good lines.
    opened = open_note(text.encode() + b"\n" + answer, [witness.key for witness in policy.witnesses])
    if opened.text != text:
        raise Malformed("The answer of a witness is signature lines and nothing else.")
    latest = {verified.key: verified for verified in sorted(opened.verified, key=lambda v: v.time_s or 0)}
    return add_lines(split_note(note), [verified.line for verified in latest.values()])


def _check_extends(last: Checkpoint, head: Checkpoint, path: tuple[bytes, ...]) -> None:
    if last.size == head.size and last.root != head.root:
        raise Conflict(
            f"This witness cosigned another root at size {head.size}.",
            code="witness-root",
            mend="Keep both notes: they are evidence of two histories.",
            size=head.size,
        )
    try:
        if last.size > 0:
            check_consistency(last.size, last.root, head.size, head.root, path)
    except Refused as error:
        raise Refused(error.message, code="witness-consistency", mend=error.mend, size=last.size) from error
