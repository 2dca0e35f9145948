"""Entries, hash tiles and signed root: do they agree, and if not, which of them was changed?

The tree is grown once from the entries' own hashes. Where a tile of level 0 says otherwise, a second one is grown
from the tiles: whichever of the two ends in the signed root was right, so the other file, or the other entry, is the
one that was changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ledger.errors import Malformed
from ledger.tree.merkle import Frontier, Subtree
from ledger.tree.tiles import TILE_WIDTH, Tile, decode_tile, tile_width
from ledger.verify.files import CHECKPOINT, BadLogError, Fault, read


class Tree:
    """Grown entry by entry. Memory: one tile per level."""

    def __init__(self, folder: Path, size: int, *, whole: bytes | None = None) -> None:
        """``whole``: a frontier after some full bundle, to begin behind it."""
        self._folder = folder
        self._size = size
        self._entries = Frontier() if whole is None else Frontier.from_bytes(whole)
        self.whole = self._entries.to_bytes()
        """The frontier after the last full bundle."""
        self._pending: list[bytes] = []
        self._tiles: Frontier | None = None  # only once tiles and entries differ
        self._bundle_start = Frontier.from_bytes(self.whole)
        self._differs: int | None = None
        self._above: tuple[int, int] | None = None  # (level, index) of the first hash above level 0 that differs
        self._open: dict[int, tuple[int, list[bytes]]] = {}

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._entries.size + len(self._pending)

    def append(self, hash_: bytes) -> None:
        """Add an entry's hash."""
        self._pending.append(hash_)

    def root(self) -> bytes:
        """The root of the leaves so far."""
        self._flush()
        return self._entries.root()

    def end_bundle(self, hashes: Sequence[bytes]) -> None:
        """All entries of bundle ``index`` were added, with these ``hashes``: compare them with the tile's."""
        self._flush()
        index = (self.size - 1) // TILE_WIDTH
        tile = self._read(0, index)
        if self._tiles is None and tile != hashes:
            self._differs = next(
                index * TILE_WIDTH + offset for offset, hash_ in enumerate(hashes) if hash_ != tile[offset]
            )
            self._tiles = self._bundle_start
        if self._tiles is not None:
            self._tiles.extend(tile)
        at = self._entries.to_bytes()
        self._bundle_start = Frontier.from_bytes(at)
        if self.size % TILE_WIDTH == 0:
            self.whole = at

    def verdict(self, root: bytes) -> tuple[Fault | None, bool]:
        """What is wrong with the whole tree, and whether it is certain that this, and nothing else, was changed."""
        assert self.size == self._size
        if self.root() == root:
            if self._differs is not None:
                return self._bad_tile(0, self._differs // TILE_WIDTH), True
            if self._above is not None:
                return self._bad_tile(self._above[0], self._above[1] // TILE_WIDTH), True
            return None, True
        if self._differs is not None:
            assert self._tiles is not None
            return Fault(where=self._differs, code="entry-hash"), self._tiles.root() == root
        if self._above is not None:
            level, index = self._above
            return self._bad_tile(level - 1, index), False
        return Fault(where=CHECKPOINT, code="root"), False

    def _flush(self) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            for node in self._entries.extend(pending):
                self._compare(node)

    def _compare(self, node: Subtree) -> None:
        level, index, hash_ = node
        number = index // TILE_WIDTH
        if self._open.get(level, (-1,))[0] != number:
            self._open[level] = number, self._read(level, number)
        if self._open[level][1][index % TILE_WIDTH] != hash_ and self._above is None:
            self._above = level, index

    def _read(self, level: int, index: int) -> list[bytes]:
        tile = Tile(level, index, tile_width(level, index, self._size))
        try:
            return decode_tile(read(self._folder, tile.path), tile.width)
        except Malformed as error:
            raise BadLogError(tile.path, "file-size", error.message) from error

    def _bad_tile(self, level: int, index: int) -> Fault:
        return Fault(where=Tile(level, index, tile_width(level, index, self._size)).path, code="tile-hash")
