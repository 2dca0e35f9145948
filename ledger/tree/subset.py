"""Some entries of a tree, proved together: the hashes that they lack to make the root, each once, left to right.

    hashes(low, high) =  nothing, where one of the leaves low … high − 1 is given and high − low = 1
                         the root of those leaves, where none of them is given
                         hashes(low, middle) | hashes(middle, high) otherwise, split as RFC 6962 §2.1 splits

of ``hashes(0, size)``. Of all entries there are none; of one they are its inclusion path, in another order.

Promise: ``SubsetChecker`` gives the root only for entries at exactly the indexes they are said to have. It takes leaves
and hashes as they come and holds as many of them as the tree is high.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from ledger.errors import Malformed, Refused
from ledger.tree.merkle import ReadTile, _split, _Tiles, node_hash
from ledger.tree.tiles import HASH_BYTES, check_size


def missing_ranges(indexes: Sequence[int], size: int) -> Iterator[tuple[int, int]]:
    """The ranges of leaves whose roots belong to the proof of ``indexes`` (rising), left to right."""
    check_size(size)
    if any(low >= high for low, high in pairwise([-1, *indexes, size])):
        raise Malformed(f"Indexes rise, from 0, and lie below {size}.")
    # Each: a range of leaves, and the range of those of `indexes` that lie in it.
    waiting = [(0, size, 0, len(indexes))] if size else []
    while waiting:
        low, high, first, last = waiting.pop()
        if first == last:
            yield low, high
        elif last - first < high - low:
            middle = low + _split(high - low)
            cut = _cut(indexes, first, last, middle)
            waiting += [(middle, high, cut, last), (low, middle, first, cut)]


def _cut(indexes: Sequence[int], first: int, last: int, middle: int) -> int:
    while first < last:
        half = (first + last) // 2
        if indexes[half] < middle:
            first = half + 1
        else:
            last = half
    return first


def prove_subset(indexes: Sequence[int], size: int, read_tile: ReadTile) -> Iterator[bytes]:
    """The hashes that prove the leaves at ``indexes`` (rising) in the tree of ``size``."""
    for low, high in missing_ranges(indexes, size):
        # Tiles are kept for one range only: a proof of few entries in a large log would else hold many of them.
        yield _Tiles(size, read_tile).root(low, high)


class SubsetChecker:
    """Give it the leaf hashes in the order of their indexes, then ask for the root."""

    def __init__(self, size: int, hashes: Iterator[bytes]) -> None:
        """``hashes``: of the proof, left to right; read as they are needed, and no further."""
        check_size(size)
        self._size = size
        self._hashes = hashes
        self._at = 0  # leaves that are covered
        self._peaks: list[tuple[int, int, bytes]] = []  # ranges covered and not joined yet, with their roots

    def add(self, index: int, leaf: bytes) -> None:
        """The next entry's leaf hash."""
        if not self._at <= index < self._size:
            raise _not_proven(f"entry {index} comes after entry {self._at - 1} in a tree of {self._size}")
        self._cover(index)
        self._push(index, index + 1, leaf)

    def root(self) -> bytes:
        """The root that the leaves and the hashes make; Refused unless every hash was needed."""
        self._cover(self._size)
        if next(self._hashes, None) is not None:
            raise _not_proven("there are more hashes than the entries lack")
        if [(low, high) for low, high, _ in self._peaks] != [(0, self._size)]:
            raise _not_proven("the entries and hashes do not make one tree")
        return self._peaks[0][2]

    def _cover(self, until: int) -> None:
        """Take hashes for everything between the last leaf and ``until``, which is the next leaf or the end."""
        while self._at < until:
            low, high = 0, self._size
            # The largest range of the tree that begins where we are and ends before the next leaf.
            while low != self._at or high > until:
                middle = low + _split(high - low)
                low, high = (low, middle) if self._at < middle else (middle, high)
            hash_ = next(self._hashes, None)
            if hash_ is None or len(hash_) != HASH_BYTES:
                raise _not_proven("hashes are missing")
            self._push(low, high, hash_)

    def _push(self, low: int, high: int, hash_: bytes) -> None:
        self._at = high
        self._peaks.append((low, high, hash_))
        while len(self._peaks) > 1:
            (low, middle, left), (start, high, right) = self._peaks[-2:]
            width = middle - low
            # Two ranges are halves of one where the tree splits it just there.
            if width & (width - 1) or low % (2 * width) or high != min(low + 2 * width, self._size) or middle != start:
                return
            self._peaks[-2:] = [(low, high, node_hash(left, right))]


def _not_proven(why: str) -> Refused:
    return Refused(f"The entries are not proved together: {why}.", code="subset-not-proven")
