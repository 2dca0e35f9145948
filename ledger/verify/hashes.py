"""The quick half of an audit: does every byte of every entry and tile lead to the signed root? Nothing is opened.

Promise: ``hashes_agree`` is True only if each bundle holds exactly its entries, every hash in every tile follows from
them, and they lead to ``root``. Where it is False somebody else finds out what was changed (``tree``): this module
only says, as fast as the machine hashes, that nothing was.

A piece is at most ``PIECE`` bundles, hashed by one process on its own: what comes back of it is one hash for each full
bundle. Memory: a bundle for each process, and one tile for each level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from ledger.tree.merkle import Frontier, node_hash
from ledger.tree.tiles import HASH_BYTES, TILE_WIDTH, Bundle, Tile, tile_width
from ledger.verify.files import BadLogError, read
from ledger.verify.pool import Pool

PIECE: Final = 64
_SMALL: Final = 65_536  # entries: below this, starting processes costs more than it brings
_Piece = tuple[int, int, bytes | None, list[bytes]]
"""``(first bundle, entries, joined hashes of full bundles or None, leaves of the partial one)``."""


def hashes_agree(
    folder: Path, size: int, root: bytes, *, workers: int, progress: Callable[[int, int], None] = lambda _d, _s: None
) -> bool:
    """Whether the entries in ``folder`` lead to ``root`` through every tile that a tree of ``size`` has."""
    levels = _Levels(folder, size)
    done = 0
    # The leaves of the partial bundle come last: everything before it is whole subtrees of 256.
    tail = Frontier()
    with Pool(workers if size >= _SMALL else 1) as pool:
        bundles = -(-size // TILE_WIDTH)
        tasks = ((str(folder), first, min(first + PIECE, bundles), size) for first in range(0, bundles, PIECE))
        for _first, entries, full, leaves in pool.map(_hash_piece, tasks):
            if full is None or not levels.extend(full):
                return False
            tail.extend(leaves)
            done += entries
            progress(done, size)
    if not levels.end():
        return False
    found = levels.peaks + tail.peaks
    top = found.pop() if found else hashlib.sha256().digest()
    while found:
        top = node_hash(found.pop(), top)
    return top == root


class _Levels:
    """The tiles above level 0, compared as they fill."""

    def __init__(self, folder: Path, size: int) -> None:
        self._folder = folder
        self._size = size
        self._frontier = Frontier()
        self._open: dict[int, tuple[int, bytearray]] = {}

    @property
    def peaks(self) -> list[bytes]:
        return self._frontier.peaks

    def extend(self, joined: bytes) -> bool:
        """The hashes of the next full bundles; False where a tile that they fill says otherwise."""
        hashes = [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
        first = self._frontier.size
        above = self._frontier.extend(hashes)
        nodes = ((1, first + number, hash_) for number, hash_ in enumerate(hashes))
        # To this frontier the bundles are leaves: its level is one below the log's.
        return all(self._add(*node) for node in nodes) and all(self._add(lv + 1, at, hash_) for lv, at, hash_ in above)

    def end(self) -> bool:
        """Whether the last tile of each level, not full, agrees too."""
        return all(self._compare(level) for level, (_, hashes) in self._open.items() if hashes)

    def _add(self, level: int, index: int, hash_: bytes) -> bool:
        number, hashes = self._open.setdefault(level, (index // TILE_WIDTH, bytearray()))
        hashes += hash_
        if len(hashes) < TILE_WIDTH * HASH_BYTES:
            return True
        agrees = self._compare(level)
        self._open[level] = number + 1, bytearray()
        return agrees

    def _compare(self, level: int) -> bool:
        number, hashes = self._open[level]
        tile = Tile(level, number, tile_width(level, number, self._size))
        return read(self._folder, tile.path) == hashes


def _hash_piece(task: tuple[str, int, int, int]) -> _Piece:
    """Hash the bundles from ``first`` to ``end``, and compare their tiles of level 0."""
    name, first, end, size = task
    folder = Path(name)
    full: list[bytes] = []
    leaves: list[bytes] = []
    entries = 0
    for index in range(first, end):
        width = tile_width(0, index, size)
        try:
            raw = read(folder, Bundle(index, width).path)
            tile = read(folder, Tile(0, index, width).path)
        except BadLogError:
            return first, entries, None, []
        hashes = _leaf_hashes(raw)
        if len(hashes) != width or b"".join(hashes) != tile:
            return first, entries, None, []
        entries += width
        if width == TILE_WIDTH:
            full.append(_subtree_root(hashes))
        else:
            leaves = hashes
    return first, entries, b"".join(full), leaves


def _leaf_hashes(raw: bytes) -> list[bytes]:
    """The leaf hashes of a bundle's entries; one too few where it is cut."""
    hashes: list[bytes] = []
    sha256, at, end = hashlib.sha256, 0, len(raw)
    while at + 2 <= end:
        start = at + 2
        at = start + (raw[at] << 8 | raw[at + 1])
        if at > end:
            return hashes
        hashes.append(sha256(b"\0" + raw[start:at]).digest())
    return hashes if at == end else hashes[:-1]


def _subtree_root(hashes: list[bytes]) -> bytes:
    sha256, nodes = hashlib.sha256, hashes
    while len(nodes) > 1:
        pairs = iter(nodes)
        nodes = [sha256(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
    return nodes[0]
