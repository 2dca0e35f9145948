"""Two sizes of one log joined in one JSON document: the larger tree begins with the leaves of the smaller, in order.

    {"format": "mingjian-consistency@v1",
     "old": {"size": 100, "root": <base64>}, "new": {"size": 250, "root": <base64>},
     "path": [<base64 hash>, …],            joins the two (RFC 9162 §2.1.4)
     "checkpoint": <signed note>,           of size 250 or more
     "anchor": [<base64 hash>, …]}          joins ``new`` to the checkpoint; empty where they are one size

Promise: what ``check`` accepts are two heads of the log that signed the checkpoint. Whoever kept a head of that size
compares it with the one here: another root of one size is a fork.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import Malformed
from ledger.tree.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tree.merkle import MAX_PATH, check_consistency
from ledger.tree.note import decode_base64, encode_base64
from ledger.tree.policy import Policy
from ledger.tree.tiles import HASH_BYTES

FORMAT: Final = "mingjian-consistency@v1"


@dataclass(frozen=True, slots=True)
class Consistency:
    """A document well formed and not yet checked."""

    old_size: int
    old_root: bytes
    new_size: int
    new_root: bytes
    path: tuple[bytes, ...]
    checkpoint: bytes
    anchor: tuple[bytes, ...]

    def check(self, policy: Policy) -> SignedCheckpoint:
        """Refuse unless both heads are of the tree under the checkpoint, which the policy accepts."""
        signed = open_checkpoint(self.checkpoint, policy)
        head = signed.checkpoint
        check_consistency(self.new_size, self.new_root, head.size, head.root, self.anchor)
        check_consistency(self.old_size, self.old_root, self.new_size, self.new_root, self.path)
        return signed

    def as_json(self) -> dict[str, Any]:
        """The document."""
        return {
            "format": FORMAT,
            "old": {"size": self.old_size, "root": encode_base64(self.old_root)},
            "new": {"size": self.new_size, "root": encode_base64(self.new_root)},
            "path": [encode_base64(h) for h in self.path],
            "checkpoint": self.checkpoint.decode(),
            "anchor": [encode_base64(h) for h in self.anchor],
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Consistency:
        """Read :meth:`as_json`, and nothing else."""
        match body:
            case {
                "format": str(form),
                "old": {"size": int(old_size), "root": str(old_root), **old_rest},
                "new": {"size": int(new_size), "root": str(new_root), **new_rest},
                "path": [*path],
                "checkpoint": str(note),
                "anchor": [*anchor],
            } if (
                form == FORMAT
                and len(body) == 6
                and not (old_rest or new_rest)
                and not {type(old_size), type(new_size)} & {bool}
            ):
                checkpoint = note.encode(errors="surrogatepass")
                roots = _hash(old_root), _hash(new_root)
                return cls(old_size, roots[0], new_size, roots[1], _hashes(path), checkpoint, _hashes(anchor))
        raise Malformed(f"This JSON is not a document in the form {FORMAT!r}.")


def _hash(text: Any) -> bytes:
    found = decode_base64(text) if isinstance(text, str) else b""
    if len(found) != HASH_BYTES:
        raise Malformed(f"A hash is {HASH_BYTES} bytes in base64.")
    return found


def _hashes(texts: list[Any]) -> tuple[bytes, ...]:
    if len(texts) > MAX_PATH:
        raise Malformed(f"A proof is at most {MAX_PATH} hashes of {HASH_BYTES} bytes.")
    return tuple(map(_hash, texts))
