"""The tree: append hashes, name the root, prove a place, prove that nothing before changed.

    leaf  = SHA-256(0x00 || entry)
    node  = SHA-256(0x01 || left || right), left holding the largest power of two below the whole
    empty = SHA-256()

Hashing is RFC 6962 §2.1, proof paths are §2.1.1 and §2.1.2, checking is RFC 9162 §2.1.3.2 and §2.1.4.2.

Provers see stored hashes through one function, ``read_tile(level, index, width)``: the first ``width`` hashes
of a tlog-tiles tile, 32 bytes each, one after the other. Level 0 is leaf hashes; hash i of level L is the root
of leaves ``i * 256**L`` to ``(i + 1) * 256**L``. A database with one row per such hash and a folder of tile
files (a wider file cut to ``width``) serve equally. Each tile is read at most once per proof.

What is stored is not checked while proving: who hands a proof out checks it first, against the signed root.
A check that fails says only that this proof does not prove it; whether that is somebody's lie is decided where
both signed heads are known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

from ledger.errors import Evidence, Malformed, Refused
from ledger.tree.tiles import HASH_BYTES, MAX_SIZE, TILE_WIDTH, check_size, tile_width

EMPTY_ROOT = sha256().digest()

MAX_PATH = 64
"""No proof in a tree below 2**63 leaves is longer; longer ones are refused before any hashing."""

ReadTile = Callable[[int, int, int], bytes]
"""``(level, index, width)`` to ``width * 32`` bytes."""


Subtree = tuple[int, int, bytes]
"""``(level, index, hash)``: the complete subtree of ``256**level`` leaves that is hash ``index`` of the level."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry's bytes, which for a statement is its id."""
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two neighbouring subtrees' roots."""
    return sha256(b"\1" + left + right).digest()


class Frontier:
    """The growing edge of a tree: its size, and the roots of the complete subtrees it consists of.

    ``peaks`` are ordered left to right, one per 1-bit of ``size`` from the highest. With the peaks a tree
    grows without a look at what is stored, and 63 of them are the most there can be.
    """

    __slots__ = ("peaks", "size")

    def __init__(self) -> None:
        """The empty tree."""
        self.size = 0
        self.peaks: list[bytes] = []

    def append(self, hash_: bytes) -> list[Subtree]:
        """Add one leaf hash; see :meth:`extend`."""
        return self.extend([hash_])

    def extend(self, hashes: Sequence[bytes]) -> list[Subtree]:
        """Add leaf hashes in order; return the 256**k subtrees (k ≥ 1) completed by them, lowest level first.

        These are exactly the hashes that tile levels 1, 2 … gain. On an error nothing has changed.
        """
        if any(len(h) != HASH_BYTES for h in hashes):
            raise Malformed(f"A leaf hash has {HASH_BYTES} bytes.")
        if self.size + len(hashes) > MAX_SIZE:
            raise Malformed("A tree has at most 2**63 - 1 leaves.")
        # One binary level after the other over the whole batch: a tight loop per level is what makes
        # integration cheap. `nodes` are the complete nodes that this level gains.
        nodes = list(hashes)
        peaks = self.peaks.copy()
        low: list[bytes] = []
        done: list[Subtree] = []
        height = 0
        while nodes:
            first = self.size >> height
            if height and height % 8 == 0:
                done += ((height // 8, first + i, node) for i, node in enumerate(nodes))
            if first & 1:
                nodes.insert(0, peaks.pop())
            if len(nodes) & 1:
                low.append(nodes.pop())
            pairs = iter(nodes)
            nodes = [sha256(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
            height += 1
        self.peaks = peaks + low[::-1]
        self.size += len(hashes)
        return done

    def root(self) -> bytes:
        """The Merkle tree hash of all leaves so far."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def to_bytes(self) -> bytes:
        """Size as 8 bytes, big-endian, then the peaks: at most 2,024 bytes."""
        return self.size.to_bytes(8) + b"".join(self.peaks)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """Read :meth:`to_bytes`. The peaks are believed: compare ``root()`` with the signed head."""
        size = int.from_bytes(data[:8])
        if len(data) != 8 + HASH_BYTES * size.bit_count() or size > MAX_SIZE:
            raise Malformed("These bytes are not a stored frontier: size and number of peaks disagree.")
        frontier = cls()
        frontier.size = size
        frontier.peaks = [data[at : at + HASH_BYTES] for at in range(8, len(data), HASH_BYTES)]
        return frontier


def root_of(hashes: Iterable[bytes]) -> bytes:
    """The root of a tree with these leaf hashes."""
    frontier = Frontier()
    frontier.extend(list(hashes))
    return frontier.root()


def read_frontier(size: int, read_tile: ReadTile) -> Frontier:
    """The frontier at ``size``, from stored tiles: for any past size, and to begin again after a loss."""
    check_size(size)
    tiles = _Tiles(size, read_tile)
    frontier = Frontier()
    frontier.size = size
    frontier.peaks = tiles.peaks(0, size)
    return frontier


def prove_inclusion(index: int, size: int, read_tile: ReadTile) -> list[bytes]:
    """The path from leaf ``index`` to the root of the first ``size`` leaves, sibling of the leaf first."""
    check_size(size)
    if not 0 <= index < size:
        raise Malformed(f"A tree of {size} leaves has no leaf {index}.")
    tiles = _Tiles(size, read_tile)
    path = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(tiles.root(middle, high))
            high = middle
        else:
            path.append(tiles.root(low, middle))
            low = middle
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Refuse unless ``path`` proves that ``leaf`` (a leaf hash) is at ``index`` of the tree of that root."""
    _check_shape(path, root)
    if inclusion_root(leaf, index, size, path) != root:
        message = "The path does not lead from this leaf to this root."
        raise _not_proven("inclusion-not-proven", message, index=index, size=size)


def inclusion_root(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """The root to which ``path`` leads from ``leaf``: what a signature that leaves the root out must cover."""
    _check_shape(path, leaf)
    check_size(size)
    if not 0 <= index < size:
        raise Malformed(f"A tree of {size} leaves has no leaf {index}.")
    node, last, root = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise _not_proven("inclusion-not-proven", "The path is too long.", index=index, size=size)
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            # The right edge skips the levels at which it has no sibling.
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise _not_proven("inclusion-not-proven", "The path is too short.", index=index, size=size)
    return root


def prove_consistency(old_size: int, new_size: int, read_tile: ReadTile) -> list[bytes]:
    """The hashes that join the root at ``old_size`` to the root at ``new_size``; none if they are equal."""
    _check_sizes(old_size, new_size)
    tiles = _Tiles(new_size, read_tile)
    path = []
    low, high = 0, new_size
    while high != old_size:
        middle = low + _split(high - low)
        if old_size <= middle:
            path.append(tiles.root(middle, high))
            high = middle
        else:
            path.append(tiles.root(low, middle))
            low = middle
    if low > 0:
        # Where the old tree is itself a left subtree of the new one, the checker has its root already.
        path.append(tiles.root(low, high))
    return path[::-1]


def check_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Refuse unless ``path`` proves that the new tree begins with all the leaves of the old one, in order.

    From size 0 there is nothing to prove and asking is an error: an empty tree is consistent with every
    tree, and a caller that means that says so itself.
    """
    _check_shape(path, old_root, new_root)
    _check_sizes(old_size, new_size)
    if old_size == new_size:
        proven = not path and old_root == new_root
    else:
        proven = _consistency_roots(old_size, old_root, new_size, path) == (old_root, new_root)
    if not proven:
        message = "The path does not join these two roots."
        raise _not_proven("consistency-not-proven", message, old_size=old_size, new_size=new_size)


def _consistency_roots(
    old_size: int, old_root: bytes, new_size: int, path: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    """Both roots as the path has them, or None if it is too short or too long."""
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    # An old tree of 2**k leaves is a left subtree of the new one: its root opens the path unsaid.
    hashes = [*path] if node else [old_root, *path]
    if not hashes:
        return None
    old = new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    return (old, new) if last == 0 else None


class _Tiles:
    """Subtree roots of a tree of one size, from its tiles; keeps the tiles of one proof, two per level at most."""

    __slots__ = ("_read", "_size", "_tiles")

    def __init__(self, size: int, read_tile: ReadTile) -> None:
        self._size = size
        self._read = read_tile
        self._tiles: dict[tuple[int, int], bytes] = {}

    def root(self, low: int, high: int) -> bytes:
        """The Merkle tree hash of leaves ``low`` to ``high``, where ``low`` is where such a subtree begins."""
        peaks = self.peaks(low, high)
        root = peaks.pop()
        while peaks:
            root = node_hash(peaks.pop(), root)
        return root

    def peaks(self, low: int, high: int) -> list[bytes]:
        """The complete subtrees that make up ``low`` to ``high``, left to right."""
        peaks = []
        while low < high:
            height = (high - low).bit_length() - 1
            peaks.append(self._complete(height, low >> height))
            low += 1 << height
        return peaks

    def _complete(self, height: int, index: int) -> bytes:
        """The root of leaves ``index << height`` to ``(index + 1) << height``."""
        level, inside = divmod(height, 8)
        first = index << inside
        tile = self._tile(level, first // TILE_WIDTH)
        at = first % TILE_WIDTH * HASH_BYTES
        nodes = [tile[i : i + HASH_BYTES] for i in range(at, at + (HASH_BYTES << inside), HASH_BYTES)]
        while len(nodes) > 1:
            pairs = iter(nodes)
            nodes = [node_hash(left, right) for left, right in zip(pairs, pairs, strict=True)]
        return nodes[0]

    def _tile(self, level: int, index: int) -> bytes:
        tile = self._tiles.get((level, index))
        if tile is None:
            width = tile_width(level, index, self._size)
            tile = self._read(level, index, width)
            if len(tile) != width * HASH_BYTES:
                raise Evidence(
                    f"Tile {index} of level {level} has {len(tile)} bytes instead of {width * HASH_BYTES}.",
                    code="tile-length",
                    mend="Make the tiles again from the leaves, then compare the root with the signed head.",
                    level=level,
                    index=index,
                    width=width,
                    found_bytes=len(tile),
                )
            self._tiles[level, index] = tile
        return tile


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def _check_sizes(old_size: int, new_size: int) -> None:
    check_size(new_size)
    if not 0 < old_size <= new_size:
        raise Malformed(f"There is no consistency proof from size {old_size} to size {new_size}.")


def _check_shape(path: Sequence[bytes], *ends: bytes) -> None:
    if len(path) > MAX_PATH or any(len(h) != HASH_BYTES for h in (*ends, *path)):
        raise Malformed(f"A proof is at most {MAX_PATH} hashes of {HASH_BYTES} bytes.")


def _not_proven(code: str, message: str, **sizes: int) -> Refused:
    mend = "Ask for the proof again; if it fails again, keep both signed heads."
    return Refused(message, code=code, mend=mend, **sizes)
