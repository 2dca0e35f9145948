"""The heads of all streams, followed entry by entry: is the root that a ``heads.stated.v1`` states the true one?

Whoever replays a log calls ``moved`` for each entry (voided ones too: they count in their stream) and ``check`` for
each valid statement of heads. Checking costs what changed since the statement of heads before, and where streams are
new the hashes above their rows: 136 bytes of memory a stream, and about 200 for each of the last ``REACH`` entries.
Where heads are never stated, no stream costs any: what would have to be hashed is put ``aside``.

A statement of heads speaks of a size that lies at most ``REACH`` entries back: later nobody could check it without
keeping every stream's every head.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Final, Protocol

from ledger.errors import Refused
from ledger.tree.heads import ROW_BYTES, Heads, HeadTree, Row, stream_hash

REACH: Final = 1 << 20
_BEHIND: Final = 1 << 16  # heads that wait in memory to be hashed


class Aside(Protocol):
    """Where bytes lie that do not fit into memory."""

    def put(self, raw: bytes) -> None:
        """Behind all that is there."""

    def take(self) -> bytes:
        """All of it; from then on there is none."""


class HeadsFollowed:
    """All streams' heads, up to the entry given last."""

    __slots__ = ("_aside", "_behind", "_first", "_recent", "_tree")

    def __init__(self, aside: Aside) -> None:
        """Before entry 0."""
        self._aside = aside
        self._tree = HeadTree()
        self._behind: dict[str, tuple[int, bytes]] = {}  # heads out of reach of the next statement, not in the tree yet
        self._recent: deque[tuple[str, int, bytes]] = deque()
        self._first = 0  # index of the first entry in `_recent`

    def moved(self, stream: str, seq: int, id_: bytes) -> None:
        """The next entry, whatever it says: its stream now ends with it."""
        self._recent.append((stream, seq, id_))
        if len(self._recent) > REACH:
            self._settle()

    def check(self, data: Mapping[str, Any]) -> Heads:
        """Refuse ``data`` of a ``heads.stated.v1`` that does not state the streams' heads as they were at its size."""
        heads = Heads.from_data(data)
        if not self._first <= heads.size <= self._first + len(self._recent):
            raise Refused(
                f"case heads at size {heads.size} are out of reach: sizes from {self._first} can be checked here",
                code="heads-reach",
                size=heads.size,
            )
        while self._first < heads.size:
            self._settle()
        # Later rows of a stream replace those before.
        raw = self._aside.take() + self._rows_behind()
        self._tree.update(Row.parse(raw[at : at + ROW_BYTES]) for at in range(0, len(raw), ROW_BYTES))
        found = self._tree.heads(heads.size)
        if found != heads:
            raise Refused(
                f"at size {heads.size} there are {found.count} streams with root {found.root.hex()},"
                f" not {heads.count} with {heads.root.hex()}",
                code="heads-untrue",
                size=heads.size,
            )
        return heads

    def _settle(self) -> None:
        stream, seq, id_ = self._recent.popleft()
        self._behind[stream] = (seq, id_)
        self._first += 1
        if len(self._behind) > _BEHIND:
            self._aside.put(self._rows_behind())

    def _rows_behind(self) -> bytes:
        behind, self._behind = self._behind, {}
        return b"".join(Row(stream_hash(stream), seq, id_).to_bytes() for stream, (seq, id_) in behind.items())
