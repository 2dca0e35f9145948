"""Case heads kept: all streams' last seq and id at a size of the log, as sorted rows in tiles (``ledger.tree.heads``).

Promise: the rows at a new size follow from those at the size stated before, which are hashed again and compared with
the stated root, and from the entries between, each checked against the signed tree and its stream's chain. So the
owner of the database, who can change a row, cannot have the clock sign it. A proof is checked before it is given.

Cost. What came since is read once, entry by entry. The format is one dense sorted tree, so a new stream moves all rows
behind it: making heads rewrites every row, some 10 µs each, in one pass and constant memory (a step of ``STEP`` entries
at a time). Made when the log has grown by 10 %, that is at most eleven rows rewritten for each stream there ever is,
however long the log: flat for each statement. A proof reads one or two tiles of rows, found through an index, and at
most two tiles of hashes on each of the levels, of which a million streams have two: it does not grow otherwise.

Rows are kept in a table, not beside the published files: they say how many statements each stream has, and stream
names can be guessed, so they go to auditors as entries do. Kept are the newest size and older ones each half the
next: less than twice the newest. Those of other stated sizes are made again when somebody asks for them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ledger.errors import Evidence, NotFound, Refused
from ledger.statement import open_statement
from ledger.store.database import Connection, Database
from ledger.store.reading import LogReader
from ledger.tree.checkpoint import Checkpoint
from ledger.tree.heads import ROW_BYTES, HeadProof, Heads, Place, Row, check_head, stream_hash
from ledger.tree.merkle import EMPTY_ROOT, Frontier, leaf_hash, prove_inclusion
from ledger.tree.tiles import HASH_BYTES, TILE_WIDTH, tile_width

STEP: Final = 1 << 19
PAGE: Final = 1000
LEAST: Final = 16
HEADS_LOCK: Final = 4823093174209358

_Content = Callable[[int, int], bytes]
NOTHING: Final = Heads(0, 0, EMPTY_ROOT)
"""The heads of an empty log."""


def heads_due(size: int, last: int, *, quiet: bool) -> bool:
    """Whether case heads should be stated by themselves: the log grew by 10 % since size ``last``, in a quiet hour 1 %.

    Shares of the log, and never less than ``LEAST`` entries: heads make it grow themselves, by a batch and a statement.
    """
    return size - last > max(LEAST, last // (100 if quiet else 10))


@dataclass(slots=True)
class _Growth:
    """What the entries of one step add to a stream: where they join it, and where it ends with them."""

    first_seq: int
    first_prev: bytes | None
    seq: int
    head: bytes


class HeadKeeper:
    """Makes and reads the tiles. ``tiles_read`` and ``rows_written`` count, for those who measure."""

    def __init__(self, database: Database, reader: LogReader) -> None:
        self.tiles_read = 0
        self.rows_written = 0
        self._database = database
        self._reader = reader

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this lasts, nobody else makes heads: in other processes neither."""
        with self._database.connect("writer") as connection:
            connection.execute("SELECT pg_advisory_lock(%s)", (HEADS_LOCK,))
            yield

    def advance(self, base: Heads, size: int, checkpoint: Checkpoint) -> Heads:
        """Make the heads at ``size``, from those stated as ``base`` and the entries since, under ``checkpoint``.

        Where the tiles of ``base`` are gone it begins at the first entry. Call it ``alone``.
        """
        heads = base if self.has(base) else NOTHING
        while heads.size < size:
            before, heads = heads, self._step(heads, min(heads.size + STEP, size), checkpoint)
            if before.size not in (0, base.size):
                self.forget([before.size])
        return heads

    def restore(self, heads: Heads, checkpoint: Checkpoint) -> None:
        """Have the tiles of ``heads``, stated once: make them again from the entries if they are gone."""
        if not self.has(heads):
            made = self.advance(NOTHING, heads.size, checkpoint)
            if made != heads:
                self.forget([heads.size])
                raise Evidence(
                    f"the case heads stated at size {heads.size} do not follow from the entries",
                    code="heads-untrue",
                    mend="keep the statement: it is evidence against whoever keeps the clock's key",
                    stated=heads.root.hex(),
                    found=made.root.hex(),
                )

    def prove(self, heads: Heads, stream: str) -> HeadProof:
        """The stream's row at ``heads.size``, or its absence; Evidence where the tiles are not what was stated."""
        key = stream_hash(stream)
        tiles: dict[tuple[int, int], bytes] = {}
        with self._database.use("reader") as connection:

            def content(level: int, index: int) -> bytes:
                if (level, index) not in tiles:
                    tiles[level, index] = self.read(connection, heads.size, level, index)
                return tiles[level, index]

            def row(index: int) -> Row:
                at = index % TILE_WIDTH * ROW_BYTES
                return Row.parse(content(0, index // TILE_WIDTH)[at : at + ROW_BYTES])

            def hashes(level: int, index: int, width: int) -> bytes:
                raw = content(level, index)
                return b"".join(_leaves(raw[: width * ROW_BYTES])) if level == 0 else raw[: width * HASH_BYTES]

            try:
                at = self._find(connection, heads, key, content)
                wanted = [at]
                if at == heads.count or row(at).stream_hash != key:
                    wanted = [i for i in (at - 1, at) if 0 <= i < heads.count]
                proof = HeadProof(
                    tuple(Place(i, row(i), tuple(prove_inclusion(i, heads.count, hashes))) for i in wanted)
                )
                check_head(stream, heads, proof)
            except (Refused, Evidence) as error:
                raise Evidence(
                    f"the rows kept for size {heads.size} are not those that were stated: {error.message}",
                    code="heads-changed",
                    mend="keep a copy of ledger.head_tiles, then delete its rows: they are made again from the entries",
                    size=heads.size,
                ) from error
        return proof

    def tile(self, heads: Heads, level: int, index: int) -> bytes:
        """A tile as it is served: all its rows (level 0) or hashes (NotFound where there is none)."""
        if tile_width(level, index, heads.count) == 0:
            raise NotFound(f"{heads.count} rows have no such tile", code="no-file")
        with self._database.use("reader") as connection:
            return self.read(connection, heads.size, level, index)

    def has(self, heads: Heads) -> bool:
        """Whether the tiles of ``heads`` are kept. Whether they are what was stated, using them shows."""
        if heads.count == 0:
            return True
        with self._database.use("reader") as connection:
            found = connection.execute(
                "SELECT 1 FROM ledger.head_tiles WHERE size = %s AND level = 0 AND index = %s",
                (heads.size, (heads.count - 1) // TILE_WIDTH),
            ).fetchone()
        return found is not None

    def forget(self, sizes: Collection[int]) -> None:
        """Delete the tiles of these sizes."""
        with self._database.use("writer") as connection:
            connection.execute("DELETE FROM ledger.head_tiles WHERE size = ANY(%s)", (list(sizes),))

    def thin(self) -> None:
        """Delete tiles, but of the newest size and of older ones that are each at most half of the next one kept."""
        with self._database.use("reader") as connection:
            # One probe of the index for each size, not one row for each tile.
            rows = connection.execute(
                "SELECT DISTINCT size FROM ledger.head_tiles WHERE level = 0 AND index = 0 ORDER BY size DESC"
            ).fetchall()
        sizes = [size for (size,) in rows]
        kept = sizes[:1]
        for size in sizes[1:]:
            if size * 2 <= kept[-1]:
                kept.append(size)
        if drop := set(sizes) - set(kept):
            self.forget(drop)

    def read(self, connection: Connection, size: int, level: int, index: int) -> bytes:
        """One tile's whole content, as it is kept."""
        self.tiles_read += 1
        found = connection.execute(
            "SELECT content FROM ledger.head_tiles WHERE size = %s AND level = %s AND index = %s",
            (size, level, index),
            binary=True,
        ).fetchone()
        if found is None:
            raise Evidence(f"tile {index} of level {level} at size {size} is missing", code="heads-changed")
        return bytes(found[0])

    # --------------------------------------------------------------------------------------------- the parts

    def _find(self, connection: Connection, heads: Heads, key: bytes, content: _Content) -> int:
        """How many rows come before ``key``."""
        self.tiles_read += 1
        found = connection.execute(
            "SELECT index FROM ledger.head_tiles WHERE size = %s AND level = 0 AND first <= %b"
            " ORDER BY first DESC LIMIT 1",
            (heads.size, key),
        ).fetchone()
        if found is None:
            return 0
        index = int(found[0])
        raw = content(0, index)
        keys = [raw[at : at + HASH_BYTES] for at in range(0, len(raw), ROW_BYTES)]
        return index * TILE_WIDTH + bisect_left(keys, key)

    def _step(self, old: Heads, size: int, checkpoint: Checkpoint) -> Heads:
        """The heads at ``size`` from ``old``, told in order."""
        # 1. What the entries between add, in memory. Dying here or later leaves tiles that nothing speaks of.
        growth = self._growth(old.size, size, checkpoint)
        # 2. Old rows and what was added run through each other into the new tiles.
        self.forget([size])
        with self._database.use("writer") as connection:
            writing = _Writing(connection, size)
            for row in self._merged(old, growth):
                writing.add(row)
            # 3. Only at the end has every old row been compared with what was stated: until then nothing counts.
            made = writing.end()
        self.rows_written += made.count
        return made

    def _growth(self, start: int, stop: int, checkpoint: Checkpoint) -> dict[bytes, _Growth]:
        found: dict[bytes, _Growth] = {}
        hashes: dict[str, bytes] = {}
        for low in range(start, stop, PAGE):
            for placed in self._reader.verified(range(low, min(low + PAGE, stop)), checkpoint):
                act = open_statement(placed.entry)
                key = hashes.setdefault(act.stream, stream_hash(act.stream))
                grown = found.get(key)
                if grown is None:
                    found[key] = _Growth(act.seq, act.prev, act.seq, placed.id)
                    continue
                if (act.seq, act.prev) != (grown.seq + 1, grown.head):
                    raise _broken(act.seq)
                grown.seq, grown.head = act.seq, placed.id
        return found

    def _merged(self, old: Heads, growth: dict[bytes, _Growth]) -> Iterator[Row]:
        keys = sorted(growth)
        at = 0
        for row in self._rows(old):
            while at < len(keys) and keys[at] < row.stream_hash:
                yield _joined(None, keys[at], growth[keys[at]])
                at += 1
            if at < len(keys) and keys[at] == row.stream_hash:
                yield _joined(row, keys[at], growth[keys[at]])
                at += 1
            else:
                yield row
        for key in keys[at:]:
            yield _joined(None, key, growth[key])

    def _rows(self, heads: Heads) -> Iterator[Row]:
        """The rows of ``heads`` in order; Evidence after the last when they are not those that were stated."""
        frontier, before = Frontier(), b""
        with self._database.use("reader") as connection:
            for index in range(-(-heads.count // TILE_WIDTH)):
                raw = self.read(connection, heads.size, 0, index)
                frontier.extend(_leaves(raw))
                for at in range(0, len(raw), ROW_BYTES):
                    row = Row.parse(raw[at : at + ROW_BYTES])
                    if row.stream_hash > before:
                        yield row
                    before = row.stream_hash
        if (frontier.size, frontier.root()) != (heads.count, heads.root):
            raise Evidence(
                f"the rows kept for size {heads.size} are not those that were stated",
                code="heads-changed",
                mend="keep a copy of ledger.head_tiles, then delete its rows: they are made again from the entries",
                size=heads.size,
                stated=heads.root.hex(),
                found=frontier.root().hex(),
            )


class _Writing:
    """Rows in order into tiles; each insert is a transaction of its own, short as all of ours are."""

    def __init__(self, connection: Connection, size: int) -> None:
        self._connection = connection
        self._size = size
        self._frontier = Frontier()
        self._rows = bytearray()
        self._hashes: dict[int, bytearray] = {}

    def add(self, row: Row) -> None:
        self._rows += row.to_bytes()
        if len(self._rows) == TILE_WIDTH * ROW_BYTES:
            self._flush()

    def end(self) -> Heads:
        if self._rows:
            self._flush()
        for level, hashes in self._hashes.items():
            if hashes:
                self._insert(level, (self._frontier.size >> 8 * level) // TILE_WIDTH, bytes(hashes))
        return Heads(self._size, self._frontier.size, self._frontier.root())

    def _flush(self) -> None:
        raw = bytes(self._rows)
        self._insert(0, self._frontier.size // TILE_WIDTH, raw)
        self._rows.clear()
        for level, index, hash_ in self._frontier.extend(_leaves(raw)):
            hashes = self._hashes.setdefault(level, bytearray())
            hashes += hash_
            if len(hashes) == TILE_WIDTH * HASH_BYTES:
                self._insert(level, index // TILE_WIDTH, bytes(hashes))
                hashes.clear()

    def _insert(self, level: int, index: int, content: bytes) -> None:
        self._connection.execute(
            "INSERT INTO ledger.head_tiles VALUES (%s, %s, %s, %b, %b)",
            (self._size, level, index, content[:HASH_BYTES] if level == 0 else None, content),
        )


def _leaves(rows: bytes) -> list[bytes]:
    return [leaf_hash(rows[at : at + ROW_BYTES]) for at in range(0, len(rows), ROW_BYTES)]


def _joined(row: Row | None, key: bytes, growth: _Growth) -> Row:
    if (growth.first_seq, growth.first_prev) != ((1, None) if row is None else (row.seq + 1, row.head)):
        raise _broken(growth.first_seq)
    return Row(key, growth.seq, growth.head)


def _broken(seq: int) -> Evidence:
    return Evidence(
        f"a stream is not whole: its statement {seq} does not follow the one before it in the tree",
        code="chain",
        mend="mingjian export log, then mingjian-verify log: it names the entry",
        seq=seq,
    )
