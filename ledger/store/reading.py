"""Reading the log: by leaf index, by stream, by tile; and reading so that a changed row is caught.

What a screen shows or an export writes comes through ``LogReader.verified``: the stored bytes must hash to their
leaf, and the leaf must stand in the tree of a checkpoint that the log's key signed. The key lies outside the
database, so its owner can change a row, a leaf and a node, but not all that hangs on the signature. A mismatch is
``Evidence``, never repaired in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg

from ledger.errors import Evidence, NotFound, Refused
from ledger.statement import statement_id
from ledger.store.database import Database
from ledger.tree.checkpoint import Checkpoint
from ledger.tree.merkle import check_inclusion, prove_consistency, prove_inclusion

FOLLOW_LIMIT: Final = 5000


@dataclass(frozen=True, slots=True)
class Head:
    """The committed head: leaves, root, recorded time of the last batch (µs)."""

    size: int
    root: bytes
    recorded_us: int


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry in its place."""

    index: int
    id: bytes
    entry: bytes


@dataclass(frozen=True, slots=True)
class BatchRow:
    """A batch: the leaf index of its statement, the leaves after it, its recorded time (µs), the root after it."""

    first: int
    size: int
    recorded_us: int
    root: bytes


class LogReader:
    """Reads of the log under the reader's role; one instance may serve many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def head(self) -> Head:
        """The head as committed (NotFound before the ledger is opened)."""
        with self._database.use("reader") as connection:
            row = connection.execute("SELECT size, root, recorded_us FROM ledger.head").fetchone()
        if row is None:
            raise NotFound("this database holds no ledger yet", code="no-ledger", mend="mingjian init")
        return Head(*row)

    def entries(self, start: int, stop: int) -> list[Placed]:
        """The entries with ``start`` ≤ index < ``stop``, in order."""
        with self._database.use("reader") as connection:
            return read_entries(connection, start, stop)

    def placed(self, ids: Sequence[bytes]) -> dict[bytes, int]:
        """Leaf indexes of those statement ids that are in the tree."""
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT id, index FROM ledger.leaves WHERE id = ANY(%b)", (list(ids),), binary=True
            )
            return dict(rows.fetchall())

    def stream(self, stream: str) -> list[tuple[int | None, bytes, bytes]]:
        """A stream's ``(leaf index or None while it is being placed, id, entry)`` by seq."""
        with self._database.use("reader") as connection:
            return connection.execute(
                "SELECT l.index, s.id, s.entry FROM ledger.statements s"
                " LEFT JOIN ledger.leaves l USING (insertion_id) WHERE s.stream = %s ORDER BY s.seq",
                (stream,),
                binary=True,
            ).fetchall()

    def stream_indexes(self, streams: Sequence[str], *, before: int) -> set[int]:
        """The leaf indexes below ``before`` of all statements of those streams, voided ones too."""
        return self._indexes(
            "SELECT l.index FROM ledger.statements s JOIN ledger.leaves l USING (insertion_id)"
            " WHERE s.stream = ANY(%s) AND l.index < %s",
            list(streams),
            before,
        )

    def governing_indexes(self, *, before: int) -> set[int]:
        """The leaf indexes below ``before`` of what governs: entry 0 and all that changed a registry."""
        return self._indexes(
            "SELECT l.index FROM ledger.governing g JOIN ledger.statements s USING (stream, seq)"
            " JOIN ledger.leaves l USING (insertion_id) WHERE l.index < %s",
            before,
        )

    def voided_indexes(self, indexes: Sequence[int]) -> set[int]:
        """Those of ``indexes`` that hold voided statements."""
        return self._indexes(
            "SELECT l.index FROM ledger.leaves l JOIN ledger.voided v USING (id) WHERE l.index = ANY(%s)",
            list(indexes),
        )

    def batch_indexes(self, indexes: Sequence[int]) -> set[int]:
        """The leaf indexes of the batch statements of those entries; entries 0 and 1 have none."""
        return self._indexes(
            "SELECT DISTINCT (SELECT first FROM ledger.batches WHERE first <= i ORDER BY first DESC LIMIT 1)"
            " FROM unnest(%s::bigint[]) AS i",
            list(indexes),
        ) - {0}

    def _indexes(self, query: LiteralString, *values: Any) -> set[int]:
        with self._database.use("reader") as connection:
            return {int(index) for (index,) in connection.execute(query, values).fetchall()}

    def valid_indexes(self, stream: str, *, limit: int | None = None) -> list[int]:
        """The leaf indexes of a stream's statements that are not voided, the newest first, ``limit`` at most."""
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT l.index FROM ledger.statements s JOIN ledger.leaves l USING (insertion_id) WHERE s.stream = %s"
                " AND NOT EXISTS (SELECT FROM ledger.voided v WHERE v.id = s.id) ORDER BY s.seq DESC LIMIT %s",
                (stream, limit),
            ).fetchall()
        return [index for (index,) in rows]

    def is_only(self, streams: Sequence[str], *, since: int) -> bool:
        """Whether everything from leaf ``since`` on is of those streams."""
        with self._database.use("reader") as connection:
            row = connection.execute(
                "SELECT 1 FROM ledger.leaves l JOIN ledger.statements s USING (insertion_id)"
                " WHERE l.index >= %s AND s.stream <> ALL(%s) LIMIT 1",
                (since, list(streams)),
            ).fetchone()
        return row is None

    def first_entries(self, streams: Sequence[str]) -> dict[str, bytes]:
        """The first entry of each of those streams that there are, placed in the tree or not."""
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT stream, entry FROM ledger.statements WHERE stream = ANY(%b) AND seq = 1",
                (list(streams),),
                binary=True,
            )
            return dict(rows.fetchall())

    def last_entry(self, stream: str) -> bytes | None:
        """The last entry of a stream, placed in the tree or not; None when there is no such stream."""
        with self._database.use("reader") as connection:
            row = connection.execute(
                "SELECT entry FROM ledger.statements WHERE stream = %s ORDER BY seq DESC LIMIT 1",
                (stream,),
                binary=True,
            ).fetchone()
        return None if row is None else bytes(row[0])

    def requested(self, requests: Sequence[bytes]) -> list[bytes]:
        """The entries that were stated under those requests (``request_key``), in no order, placed or not."""
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT s.entry FROM ledger.requests r JOIN ledger.statements s USING (stream, seq)"
                " WHERE r.request = ANY(%b)",
                (list(requests),),
                binary=True,
            ).fetchall()
        return [entry for (entry,) in rows]

    def is_requested(self, request: bytes) -> bool:
        """Whether that request (``request_key``) was made."""
        with self._database.use("reader") as connection:
            row = connection.execute("SELECT 1 FROM ledger.requests WHERE request = %s", (request,)).fetchone()
        return row is not None

    def voided(self, ids: Sequence[bytes]) -> set[bytes]:
        """Those of the statement ids that are voided."""
        with self._database.use("reader") as connection:
            rows = connection.execute("SELECT id FROM ledger.voided WHERE id = ANY(%b)", (list(ids),), binary=True)
            return {id_ for (id_,) in rows.fetchall()}

    def last_batches(self, limit: int) -> list[BatchRow]:
        """The last batches, the newest first."""
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT first, size, recorded_us, root FROM ledger.batches ORDER BY first DESC LIMIT %s", (limit,)
            ).fetchall()
        return [BatchRow(*row) for row in rows]

    def recorded_us(self, indexes: Sequence[int]) -> dict[int, int]:
        """The recorded time (µs) of each leaf index: its batch's."""
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT i, (SELECT recorded_us FROM ledger.batches WHERE first <= i ORDER BY first DESC LIMIT 1)"
                " FROM unnest(%b::bigint[]) AS i",
                (list(indexes),),
                binary=True,
            )
            return dict(rows.fetchall())

    def size_at(self, recorded_us: int) -> int:
        """How many leaves the log had at that recorded time: those of batches recorded not after it."""
        with self._database.use("reader") as connection:
            row = connection.execute(
                "SELECT size FROM ledger.batches WHERE recorded_us <= %s ORDER BY size DESC LIMIT 1",
                (recorded_us,),
            ).fetchone()
        return 0 if row is None else int(row[0])

    def batch_root(self, size: int) -> bytes | None:
        """The root at ``size`` when a batch ended there."""
        with self._database.use("reader") as connection:
            row = connection.execute("SELECT root FROM ledger.batches WHERE size = %s", (size,)).fetchone()
        return None if row is None else bytes(row[0])

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """``width`` hashes of a tile, from the rows of the tree (see ``ledger.tree.merkle``)."""
        with self._database.use("reader") as connection:
            return read_tile(connection, level, index, width)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """The inclusion path of leaf ``index`` in the tree of ``size`` leaves."""
        with self._database.use("reader") as connection:
            return prove_inclusion(index, size, lambda *tile: read_tile(connection, *tile))

    def consistency(self, old: int, new: int) -> list[bytes]:
        """The consistency path between two sizes."""
        with self._database.use("reader") as connection:
            return prove_consistency(old, new, lambda *tile: read_tile(connection, *tile))

    def verified(self, indexes: Sequence[int], checkpoint: Checkpoint) -> Iterator[Placed]:
        """The entries at ``indexes``, each checked against its leaf and against ``checkpoint`` (opened by its key).

        Raises Evidence naming the first entry whose bytes, leaf or place are not what was signed.
        """
        tiles: dict[tuple[int, int, int], bytes] = {}
        proved: dict[int, bytes] = {}  # leaf hashes of the tiles that were proved, by their number
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT l.index, l.id, s.entry FROM unnest(%b::bigint[]) WITH ORDINALITY AS i (index, at)"
                " LEFT JOIN ledger.leaves l USING (index) LEFT JOIN ledger.statements s USING (insertion_id)"
                " ORDER BY i.at",
                (list(indexes),),
                binary=True,
            ).fetchall()

            def tile(level: int, index: int, width: int) -> bytes:
                key = (level, index, width)
                if key not in tiles:
                    tiles[key] = read_tile(connection, level, index, width)
                return tiles[key]

            for asked, (index, id_, entry) in zip(indexes, rows, strict=True):
                if index is None or entry is None:
                    raise Evidence(f"entry {asked} is missing from the store", code="entry-missing", entry=asked)
                placed = Placed(index, id_, entry)
                check_bytes(placed)
                if index < checkpoint.size:
                    number = index // 256
                    try:
                        if number not in proved:
                            path = prove_inclusion(index, checkpoint.size, tile)
                            check_inclusion(id_, index, checkpoint.size, path, checkpoint.root)
                            # That path hangs on every leaf of its tile: one proof is enough for all of them.
                            proved[number] = tile(0, number, min(256, checkpoint.size - number * 256))
                        if proved[number][index % 256 * 32 :][:32] != id_:
                            raise Evidence(f"leaf {index} is not the one in its tile")
                    except (Refused, Evidence) as error:
                        raise Evidence(
                            f"entry {index} does not stand in the tree that was signed at size {checkpoint.size}",
                            code="leaf-changed",
                            entry=index,
                            size=checkpoint.size,
                        ) from error
                yield placed


def check_bytes(placed: Placed) -> None:
    """Raise Evidence when the stored bytes do not hash to their leaf."""
    found = statement_id(placed.entry)
    if found != placed.id:
        raise Evidence(
            f"the bytes of entry {placed.index} were changed: they hash to {found.hex()},"
            f" the leaf is {placed.id.hex()}",
            code="entry-changed",
            mend="restore the entry byte for byte from a published tile, a mirror or a backup",
            entry=placed.index,
            leaf=placed.id.hex(),
            found=found.hex(),
        )


def read_entries(connection: psycopg.Connection[tuple[Any, ...]], start: int, stop: int) -> list[Placed]:
    """The entries with ``start`` ≤ index < ``stop``; Evidence when one of them is not there."""
    rows = connection.execute(
        "SELECT l.index, l.id, s.entry FROM ledger.leaves l LEFT JOIN ledger.statements s USING (insertion_id)"
        " WHERE l.index >= %s AND l.index < %s ORDER BY l.index",
        (start, stop),
        binary=True,
    ).fetchall()
    for offset, (index, _, entry) in enumerate(rows):
        if index != start + offset or entry is None:
            raise Evidence(
                f"entry {start + offset} is missing from the store", code="entry-missing", entry=start + offset
            )
    return [Placed(*row) for row in rows]


def read_ids(connection: psycopg.Connection[tuple[Any, ...]], indexes: Sequence[int]) -> dict[int, bytes]:
    """The ids of the statements at those leaf indexes."""
    rows = connection.execute(
        "SELECT index, id FROM ledger.leaves WHERE index = ANY(%s)", (list(indexes),), binary=True
    )
    return dict(rows.fetchall())


def read_places(
    connection: psycopg.Connection[tuple[Any, ...]], stream: str, *, before: int
) -> list[tuple[int, bool, int]]:
    """A stream's statements below leaf ``before`` by seq: leaf index, whether voided, recorded time (µs)."""
    return connection.execute(
        "SELECT l.index, v.id IS NOT NULL, (SELECT recorded_us FROM ledger.batches b WHERE b.first <= l.index"
        " ORDER BY b.first DESC LIMIT 1) FROM ledger.statements s JOIN ledger.leaves l USING (insertion_id)"
        " LEFT JOIN ledger.voided v ON v.id = l.id WHERE s.stream = %s AND l.index < %s ORDER BY s.seq",
        (stream, before),
    ).fetchall()


def read_tile(connection: psycopg.Connection[tuple[Any, ...]], level: int, index: int, width: int) -> bytes:
    """``width`` consecutive hashes of tile ``index`` at ``level``; short when the rows are missing."""
    low = index * 256
    if level == 0:
        rows = connection.execute(
            "SELECT id FROM ledger.leaves WHERE index >= %s AND index < %s ORDER BY index",
            (low, low + width),
            binary=True,
        )
    else:
        rows = connection.execute(
            "SELECT hash FROM ledger.nodes WHERE level = %s AND index >= %s AND index < %s ORDER BY index",
            (level, low, low + width),
            binary=True,
        )
    return b"".join(hash_ for (hash_,) in rows.fetchall())
