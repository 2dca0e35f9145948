"""Case heads: how many statements a stream has at a size S, and that a stream is not there at all, proved in short.

One row per stream, 72 bytes, sorted by its first 32; no two rows have the same:

    32 bytes   SHA-256(stream name in UTF-8)
     8 bytes   seq of the stream's last statement before S, big-endian, 1 or more
    32 bytes   id of that statement

The rows are the entries of an RFC 6962 tree of their own: leaf = SHA-256(00 | row). A ``case-heads`` statement in the
log says S, the number of rows and their root (``Heads``). Rows are served 256 to a file, hashes as tlog-tiles.

Promise: from ``Heads`` and a proof, ``check_head`` gives the row, or None for a stream that has no statement before
S: two rows that are neighbours by index lie on either side of it (one, at either end). It rests on the rows being
sorted and true, which whoever replays the log to S establishes once for all by computing the same root.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from ledger.errors import Evidence, Malformed, Refused
from ledger.tree.merkle import EMPTY_ROOT, MAX_PATH, check_inclusion, leaf_hash, node_hash, prove_inclusion
from ledger.tree.note import decode_base64, encode_base64
from ledger.tree.tiles import HASH_BYTES, MAX_SIZE, TILE_WIDTH, check_size, tile_width

ROW_BYTES = 72


@dataclass(frozen=True, slots=True)
class Row:
    """One stream's head. Sorts and compares by its bytes."""

    stream_hash: bytes
    seq: int
    head: bytes

    def __post_init__(self) -> None:
        """Refuse what 72 bytes cannot say."""
        if len(self.stream_hash) != HASH_BYTES or len(self.head) != HASH_BYTES or not 1 <= self.seq <= MAX_SIZE:
            raise Malformed("A row is two hashes of 32 bytes and a seq from 1.")

    def to_bytes(self) -> bytes:
        """The row."""
        return self.stream_hash + self.seq.to_bytes(8) + self.head

    @classmethod
    def parse(cls, data: bytes) -> Row:
        """Read :meth:`to_bytes`."""
        if len(data) != ROW_BYTES:
            raise Malformed(f"A row has {ROW_BYTES} bytes, not {len(data)}.")
        return cls(data[:32], int.from_bytes(data[32:40]), data[40:])


def stream_hash(stream: str) -> bytes:
    """What a stream is sorted by."""
    return sha256(stream.encode()).digest()


@dataclass(frozen=True, slots=True)
class Heads:
    """What a ``case-heads`` statement says: the rows at log size ``size``, how many, and their root."""

    size: int
    count: int
    root: bytes

    def __post_init__(self) -> None:
        """Refuse what no log can have."""
        check_size(self.size)
        if not 0 <= self.count <= self.size:
            raise Malformed("A log has no more streams than statements.")
        if len(self.root) != HASH_BYTES or (self.count == 0 and self.root != EMPTY_ROOT):
            raise Malformed("A root has 32 bytes, and that of no rows is SHA-256 of nothing.")

    def as_data(self) -> dict[str, Any]:
        """The statement's ``data``."""
        return {"size": self.size, "count": self.count, "root": self.root.hex()}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Heads:
        """Read :meth:`as_data`."""
        match data:
            case {"size": int(size), "count": int(count), "root": str(root)} if len(data) == 3:
                try:
                    heads = cls(size, count, bytes.fromhex(root))
                except ValueError:
                    heads = None
                if heads is not None and heads.as_data() == data and not {type(size), type(count)} & {bool}:
                    return heads
        raise Malformed("Case heads are a size, a count and a root of 64 lower-case hex digits.")


@dataclass(frozen=True, slots=True)
class Place:
    """A row, where it stands, and the path from it to the root."""

    index: int
    row: Row
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class HeadProof:
    """One place: the stream's own row, or at either end the row next to where it would be. Two: its neighbours."""

    places: tuple[Place, ...]

    def as_json(self) -> dict[str, Any]:
        """JSON values; bytes in base64."""
        return {
            "places": [
                {"index": p.index, "row": encode_base64(p.row.to_bytes()), "path": [encode_base64(h) for h in p.path]}
                for p in self.places
            ]
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> HeadProof:
        """Read :meth:`as_json`."""
        match body:
            case {"places": [*places]} if len(body) == 1 and len(places) <= 2:
                return cls(tuple(_place(place) for place in places))
        raise Malformed("A proof of a head is at most two places.")


class HeadTree:
    """All rows and the hashes above them, kept in memory: 136 bytes a stream.

    A changed row costs one leaf and its path. A new stream shifts all rows behind it, whose leaves are kept and
    whose upper hashes are made anew: that is why heads are made at times, not with every batch.
    """

    __slots__ = ("_levels", "_rows")

    def __init__(self, rows: bytes = b"") -> None:
        """The tree of these stored rows, sorted; the root is to be compared with the one on record."""
        check_rows(rows)
        self._rows = bytearray(rows)
        self._levels = [bytearray().join(leaf_hash(rows[at : at + ROW_BYTES]) for at in range(0, len(rows), ROW_BYTES))]
        self._hash_up(set(), 0)

    @property
    def count(self) -> int:
        """How many streams."""
        return len(self._rows) // ROW_BYTES

    @property
    def rows(self) -> bytes:
        """All rows, as stored and served."""
        return bytes(self._rows)

    def root(self) -> bytes:
        """The root over all rows."""
        return bytes(self._levels[-1]) or EMPTY_ROOT

    def heads(self, size: int) -> Heads:
        """What the statement says, if the rows are those at log size ``size``."""
        return Heads(size, self.count, self.root())

    def update(self, rows: Iterable[Row]) -> int:
        """Put in new and later heads, one a stream; return how many hashes that took. One that goes back is Evidence.

        On an error nothing has changed.
        """
        changes = {row.stream_hash: row for row in rows}
        changed: set[int] = set()
        added: list[tuple[int, Row]] = []
        for key in sorted(changes):
            at = self._find(key)
            if self._key(at) != key:
                added.append((at, changes[key]))
            elif self._row(at) != changes[key]:
                _check_forward(self._row(at), changes[key])
                changed.add(at)
        for at in changed:
            row = changes[self._key(at)].to_bytes()
            self._rows[at * ROW_BYTES : (at + 1) * ROW_BYTES] = row
            self._levels[0][at * HASH_BYTES : (at + 1) * HASH_BYTES] = leaf_hash(row)
        moved = MAX_SIZE  # nothing
        if added:
            moved = added[0][0]
            raw = [row.to_bytes() for _, row in added]
            at_s = [at for at, _ in added]
            self._rows = _spliced(self._rows, ROW_BYTES, at_s, raw)
            self._levels[0] = _spliced(self._levels[0], HASH_BYTES, at_s, [leaf_hash(row) for row in raw])
        return len(changed) + len(added) + self._hash_up(changed, moved)

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """The hashes of a tlog-tiles tile over the rows: what is served, and what proofs are made from."""
        if not 1 <= width <= tile_width(level, index, self.count):
            raise Malformed(f"{self.count} rows have no tile {index} of level {level} that is {width} wide.")
        at = index * TILE_WIDTH * HASH_BYTES
        return bytes(self._levels[8 * level][at : at + width * HASH_BYTES])

    def read_rows(self, index: int, width: int) -> bytes:
        """``width`` rows from number ``index * 256``: the file of rows beside that tile."""
        if not 1 <= width <= tile_width(0, index, self.count):
            raise Malformed(f"{self.count} rows have no file {index} that is {width} wide.")
        at = index * TILE_WIDTH * ROW_BYTES
        return bytes(self._rows[at : at + width * ROW_BYTES])

    def prove_head(self, stream: str) -> HeadProof:
        """The proof of the stream's row, or that it has none."""
        key, count = stream_hash(stream), self.count
        at = self._find(key)
        wanted = [at] if self._key(at) == key else [i for i in (at - 1, at) if 0 <= i < count]
        return HeadProof(
            tuple(Place(i, self._row(i), tuple(prove_inclusion(i, count, self.read_tile))) for i in wanted)
        )

    def _key(self, index: int) -> bytes:
        return bytes(self._rows[index * ROW_BYTES : index * ROW_BYTES + HASH_BYTES])

    def _row(self, index: int) -> Row:
        return Row.parse(bytes(self._rows[index * ROW_BYTES : (index + 1) * ROW_BYTES]))

    def _find(self, key: bytes) -> int:
        return bisect_left(range(self.count), key, key=self._key)

    def _hash_up(self, dirty: set[int], moved: int) -> int:
        """Make anew every hash above a dirty leaf, and above all leaves from ``moved`` on."""
        done, height = 0, 0
        while (width := len(self._levels[height]) // HASH_BYTES) > 1:
            below = self._levels[height]
            height += 1
            if height == len(self._levels):
                self._levels.append(bytearray())
            above, parents = self._levels[height], (width + 1) // 2
            dirty, moved = {at // 2 for at in dirty}, moved // 2
            # Up to `moved` the level keeps its nodes; behind it they are appended one by one.
            del above[moved * HASH_BYTES :]
            for at in (*sorted(at for at in dirty if at < moved), *range(moved, parents)):
                left = bytes(below[2 * at * HASH_BYTES : (2 * at + 1) * HASH_BYTES])
                right = bytes(below[(2 * at + 1) * HASH_BYTES : (2 * at + 2) * HASH_BYTES])
                # A last node without a sibling is itself the root of what lies below it.
                above[at * HASH_BYTES : (at + 1) * HASH_BYTES] = node_hash(left, right) if right else left
                done += 1
        del self._levels[height + 1 :]
        return done


def check_head(stream: str, heads: Heads, proof: HeadProof) -> Row | None:
    """The stream's row at ``heads.size``, or None if it has no statement before; Refused if not proven."""
    key, places = stream_hash(stream), proof.places
    for place in places:
        check_inclusion(leaf_hash(place.row.to_bytes()), place.index, heads.count, place.path, heads.root)
    match places:
        case [own] if own.row.stream_hash == key:
            return own.row
        case [first] if first.index == 0 and key < first.row.stream_hash:
            return None
        case [last] if last.index == heads.count - 1 and last.row.stream_hash < key:
            return None
        case [left, right] if left.index + 1 == right.index and left.row.stream_hash < key < right.row.stream_hash:
            return None
        case [] if heads.count == 0:
            return None
    raise Refused(
        f"The rows shown do not say how many statements {stream!r} has.",
        code="head-not-proven",
        mend="Ask for the proof again; if it fails again, keep it and the case-heads statement.",
        stream=stream,
        size=heads.size,
    )


def check_rows(data: bytes) -> None:
    """Refuse unless these are whole rows in strictly rising order: of a file of rows, or of all."""
    if len(data) % ROW_BYTES:
        raise Malformed(f"Rows have {ROW_BYTES} bytes each; {len(data)} bytes are not whole rows.")
    before = b""
    for at in range(0, len(data), ROW_BYTES):
        key = Row.parse(bytes(data[at : at + ROW_BYTES])).stream_hash
        if key <= before:
            raise Malformed(f"Row {at // ROW_BYTES} does not come after the one before it.")
        before = key


def _check_forward(old: Row, new: Row) -> None:
    if new.seq <= old.seq:
        raise Evidence(
            f"A stream that had {old.seq} statements is said to end at {new.seq} with another id.",
            code="head-went-back",
            mend="Replay the stream from the log; keep both rows.",
            old=old.to_bytes().hex(),
            new=new.to_bytes().hex(),
        )


def _spliced(old: bytearray, width: int, positions: Sequence[int], pieces: Sequence[bytes]) -> bytearray:
    """``old``'s records with ``pieces`` put in before the records at ``positions``, which rise."""
    grown, since = bytearray(), 0
    for at, piece in zip(positions, pieces, strict=True):
        grown += old[since * width : at * width]
        grown += piece
        since = at
    return grown + old[since * width :]


def _place(body: Any) -> Place:
    match body:
        case {"index": int(index), "row": str(row), "path": [*path]} if (
            len(body) == 3
            and not isinstance(index, bool)
            and 0 <= index < MAX_SIZE
            and len(path) <= MAX_PATH
            and all(isinstance(h, str) for h in path)
        ):
            return Place(index, Row.parse(decode_base64(row)), tuple(decode_base64(h) for h in path))
    raise Malformed("A place is an index, a row and a path.")
