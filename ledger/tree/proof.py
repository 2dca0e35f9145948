"""C2SP tlog-proof: one entry's place in a log, in a file that checks offline against a policy.

    c2sp.org/tlog-proof@v1
    extra <base64>               optional; covered by nothing, so never believed
    index <n>                    decimal, from 0, no leading zeros
    <base64 hash>                the inclusion path, sibling of the leaf first
                                 an empty line
    <checkpoint>                 the signed note, byte for byte

The file does not hold the entry: who checks it brings the entry's bytes, or the leaf hash made from them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.errors import Malformed
from ledger.tree.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tree.merkle import MAX_PATH, check_inclusion
from ledger.tree.note import MAX_NOTE_BYTES, decode_base64, encode_base64, split_note
from ledger.tree.policy import Policy
from ledger.tree.tiles import HASH_BYTES, MAX_SIZE

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
MAX_EXTRA_BYTES = 65_536
MAX_HEAD_BYTES = 1024 + MAX_EXTRA_BYTES * 4 // 3 + MAX_PATH * 45
MAX_PROOF_BYTES = MAX_HEAD_BYTES + MAX_NOTE_BYTES

_INDEX = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof well formed and not yet checked: :meth:`check` says what it proves."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __post_init__(self) -> None:
        """Refuse what the file could not say."""
        if not 0 <= self.index < MAX_SIZE:
            raise Malformed("A leaf's index is 0 or more, and below 2**63 - 1.")
        if len(self.path) > MAX_PATH or any(len(h) != HASH_BYTES for h in self.path):
            raise Malformed(f"A proof is at most {MAX_PATH} hashes of {HASH_BYTES} bytes.")
        if self.extra is not None and not 1 <= len(self.extra) <= MAX_EXTRA_BYTES:
            raise Malformed(f"Extra data, if there is any, has 1 to {MAX_EXTRA_BYTES} bytes.")
        split_note(self.checkpoint)

    def check(self, leaf: bytes, policy: Policy) -> SignedCheckpoint:
        """Refuse unless the policy accepts the checkpoint and ``leaf`` (a leaf hash) is at ``index`` in it."""
        signed = open_checkpoint(self.checkpoint, policy)
        check_inclusion(leaf, self.index, signed.checkpoint.size, self.path, signed.checkpoint.root)
        return signed

    def to_bytes(self) -> bytes:
        """The file."""
        extra = [] if self.extra is None else [f"extra {encode_base64(self.extra)}"]
        path = [encode_base64(h) for h in self.path]
        return "\n".join([HEADER, *extra, f"index {self.index}", *path, "", ""]).encode() + self.checkpoint

    @classmethod
    def parse(cls, data: bytes) -> Proof:
        """Read :meth:`to_bytes`, and no other spelling of it."""
        # The head ends at the first empty line; looking no further than it can reach bounds the work.
        head, gap, checkpoint = data[:MAX_PROOF_BYTES].partition(b"\n\n")
        if not gap or len(head) > MAX_HEAD_BYTES or len(data) > MAX_PROOF_BYTES or not head.isascii():
            raise Malformed("This is not a tlog-proof: it has no empty line before the checkpoint.")
        header, *lines = head.decode("ascii").split("\n")
        if header != HEADER:
            raise Malformed(f"A proof begins with {HEADER!r}, not with {header[:40]!r}.")
        extra = None
        if lines and lines[0].startswith("extra "):
            extra = decode_base64(lines.pop(0).removeprefix("extra "))
        word, _, index = lines.pop(0).partition(" ") if lines else ("", "", "")
        if word != "index" or not _INDEX.fullmatch(index):
            raise Malformed("A proof has a line `index <n>`, in decimal without leading zeros.")
        if len(lines) > MAX_PATH:
            raise Malformed(f"A proof is at most {MAX_PATH} hashes of {HASH_BYTES} bytes.")
        return cls(int(index), tuple(decode_base64(line) for line in lines), checkpoint, extra)

    def as_json(self) -> dict[str, Any]:
        """The same as JSON values, for pages and APIs; the checkpoint stays one string, byte for byte."""
        body: dict[str, Any] = {
            "format": HEADER,
            "index": self.index,
            "path": [encode_base64(h) for h in self.path],
            "checkpoint": self.checkpoint.decode(),
        }
        return body if self.extra is None else body | {"extra": encode_base64(self.extra)}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Proof:
        """Read :meth:`as_json`."""
        match body:
            case {"format": str(form), "index": int(index), "path": [*path], "checkpoint": str(note)} if (
                form == HEADER
                and not isinstance(index, bool)
                and len(path) <= MAX_PATH
                and all(isinstance(h, str) for h in path)
                and body.keys() <= {"format", "index", "path", "checkpoint", "extra"}
                and isinstance(body.get("extra", ""), str)
            ):
                extra = decode_base64(body["extra"]) if "extra" in body else None
                # A string that is not UTF-8 becomes bytes that are not: the note's own rules refuse them.
                checkpoint = note.encode(errors="surrogatepass")
                return cls(index, tuple(decode_base64(h) for h in path), checkpoint, extra)
        raise Malformed(f"This JSON is not a proof in the form {HEADER!r}.")
