"""What vouches for something beside the cases: case heads of the clock, attestations of documents from elsewhere.

Promise: ``check`` refuses what would contradict its own stream. That a stated root is the true one needs the whole log:
who replays it finds out (``ledger.tree.stated``).
"""

from __future__ import annotations

from typing import Any, Final

from ledger.errors import Refused
from ledger.facts.registry import Registry
from ledger.statement import Statement

HEADS_STREAM: Final = "heads"
HEADS_TYPE: Final = "heads.stated.v1"
ATTESTATION_TYPE: Final = "attestation.made.v1"


class _Heads:
    """The one stream ``heads``. Its state is the size spoken of last."""

    def check(self, state: Any, act: Statement, registry: Registry) -> None:
        """Refuse heads of a tree that their signer had not seen, or not of a later one than the last."""
        size = act.data["size"]
        if act.stream != HEADS_STREAM:
            raise Refused("case heads are stated in one stream", code="heads-stream", mend=f"use {HEADS_STREAM}")
        if not (state or 0) < size <= act.seen_size:
            raise Refused(
                f"case heads at size {size} cannot follow those at {state or 0}, seen at {act.seen_size}",
                code="heads-order",
                mend="make them again for the newest checkpoint",
                size=size,
            )

    def apply(self, state: Any, act: Statement, recorded_us: int | None, registry: Registry) -> int:
        """The size."""
        return int(act.data["size"])


class _Attestations:
    """``attestation/DIGEST``: who attaches a document, and to what. It keeps no state."""

    def check(self, state: Any, act: Statement, registry: Registry) -> None:
        """Refuse an attestation that stands in the stream of another document."""
        if act.stream != attestation_stream(act.data["digest"]):
            raise Refused(
                "an attestation stands in the stream of its document",
                code="attestation-stream",
                mend=f"use {attestation_stream(act.data['digest'])}",
            )

    def apply(self, state: Any, act: Statement, recorded_us: int | None, registry: Registry) -> None:
        """Nothing is kept."""


def attestation_stream(digest: str) -> str:
    """The stream of the document with that SHA-256 (hex)."""
    return f"attestation/{digest}"


HEADS: Final = _Heads()
ATTESTATIONS: Final = _Attestations()
