"""The projector: follows the leaf index, folds what is new into the derived tables, and can make them all again.

Promises: each statement is folded once, in the order of the leaf index; the cursor moves in the transaction that
writes what follows from it, so a kill at any moment leaves tables and cursor that agree; nothing of the district is
kept in memory; no transaction of ours that writes lasts over about a second (the sequencer's horizon would wait for
it). Nothing here is the source of anything: ``rebuild`` makes the same content from the log again.

The tables lie in the schema ``projections``, made by ``DDL`` of each projection. ``rebuild`` fills a second schema
beside it in the same small pieces, with its indexes in place (building one afterwards would be one long transaction),
and swaps the two by name. A reader sees the old tables until the swap and the new ones after it. A statement that was
under way keeps the old ones, which are dropped when nobody reads them any more. A read of several statements in one
snapshot must hold ``swap_lock``, or the swap could hide the tables from it.

Folding is done by the owner of the database; readers need the role ``mingjian_reader`` only.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

from ledger.errors import Evidence, Malformed, Unavailable
from ledger.facts.registry import Registry
from ledger.statement import Statement, open_statement
from ledger.store.database import Connection, Database
from ledger.store.reading import LogReader, Placed, check_bytes
from ledger.store.sequencer import KnownRegistry
from projections import (
    anomalies,
    cameras,
    cards,
    cases,
    clocks,
    complaints,
    facts,
    footage,
    imported,
    lapses,
    matters,
    registries,
    sources,
    tickets,
    tracked,
    trades,
)
from projections.chunk import Act, Chunk

Progress = Callable[[int, int], None]
"""Called after each chunk with (entries folded, entries there are)."""

LIVE: Final = "projections"
SHADOW: Final = "projections_shadow"
BATCH: Final = 5000

# In this order: later ones may read what earlier ones wrote.
PROJECTIONS: Final = (
    registries,
    imported,
    cases,
    clocks,
    tickets,
    tracked,
    cards,
    complaints,
    facts,
    matters,
    trades,
    lapses,
    anomalies,
    footage,
    cameras,
    sources,
)
TABLES: Final = {table: order for each in PROJECTIONS for table, order in each.TABLES.items()}

# Raise it when an ``apply`` comes to write other content into the same columns: the tables are then made again.
_MEANING: Final = 2
_CURSOR: Final = """
CREATE TABLE cursor (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    position    bigint NOT NULL,                  -- leaves folded; -1: these tables were replaced by others
    recorded_us bigint,                           -- recorded time of the last one
    shape       text   NOT NULL                   -- which program's tables these are
);
"""
_DDL: Final = _CURSOR + "".join(each.DDL for each in PROJECTIONS)
_SHAPE: Final = hashlib.sha256(f"{_MEANING}\n{_DDL}".encode()).hexdigest()

_SETUP_LOCK: Final = 4823093174209360
_REBUILD_LOCK: Final = 4823093174209361
_SWAP_LOCK: Final = 4823093174209362
_CHUNK_LOCK: Final = 4823093174209365
_SLOW_S: Final = 0.75
_MANY: Final = 2000  # entries folded at once that make the planner's figures wrong
_LEAST_BATCH: Final = 100
_SWAP_PATIENCE_S: Final = 60.0
_LOCK_PATIENCE_S = 5.0


class Position(NamedTuple):
    """As of when a read is: the first ``position`` leaves, and the recorded time (µs) of the last of them."""

    position: int
    recorded_us: int | None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild did: entries folded, how long it took, and the digest of what came out."""

    events: int
    seconds: float
    digest: str

    def as_json(self) -> dict[str, Any]:
        """``{"events", "seconds", "digest"}``."""
        return {"events": self.events, "seconds": round(self.seconds, 3), "digest": self.digest}


def read_position(connection: Connection) -> Position:
    """How far the projections have come: 0 before the first chunk."""
    row = connection.execute("SELECT position, recorded_us FROM projections.cursor").fetchone()
    assert row is not None
    return Position(*row)


def swap_lock(connection: Connection) -> None:
    """Hold the tables' names still until the end of this transaction (call it before the first read)."""
    connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_SWAP_LOCK,))


@contextmanager
def unmoved(connection: Connection) -> Iterator[None]:
    """A transaction that only reads, all of it at one position: neither a chunk nor a swap comes in between."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        swap_lock(connection)
        yield


class Projector:
    """Keeps the projections of one database. One instance per thread; any number may run, one at a time gets on."""

    def __init__(self, database: Database) -> None:
        """``database``: with the ledger's schema in place."""
        self._database = database
        self._reader = LogReader(database)
        self._registry = KnownRegistry()

    def ensure(self) -> None:
        """Make the tables where there are none, and make them again where another version of the program did."""
        with self._database.use("owner") as connection:
            if self._shape(connection) is None:
                make_tables(connection, LIVE)
                return
        if self._shape_is_old():
            self.rebuild()

    def catch_up(
        self, *, stop: threading.Event | None = None, batch: int = BATCH, progress: Progress | None = None
    ) -> int:
        """Fold what is in the tree and not folded yet; returns how many entries that was.

        ``stop`` ends it between two chunks; the next call goes on there.
        """
        self.ensure()
        with self._database.use("owner") as connection:
            folded = self._follow(connection, LIVE, stop=stop, batch=batch, progress=progress)
            if folded >= _MANY:
                _analyze(connection, LIVE)
            return folded

    def rebuild(self, progress: Progress | None = None, *, batch: int = BATCH) -> Rebuilt:
        """Make all projections again from the log, beside the present ones, and swap.

        Stopped or killed on its way it has changed nothing; the next one begins anew.
        """
        began = time.monotonic()
        with self._database.connect("owner") as connection:
            if not take_lock(connection, _REBUILD_LOCK):
                raise Unavailable("the projections are being rebuilt already", code="rebuilding", mend="wait for it")
            make_tables(connection, LIVE)  # where there are none yet, there is something to swap with
            drop_tables(connection, SHADOW)
            make_tables(connection, SHADOW)
            events = 0
            until = time.monotonic() + _SWAP_PATIENCE_S
            while True:
                folded = self._follow(connection, SHADOW, stop=None, batch=batch, progress=progress)
                events += folded
                if folded >= _MANY:
                    _analyze(connection, SHADOW)
                if self._swap(connection):
                    break
                if not folded and time.monotonic() > until:
                    raise Unavailable(
                        "a long read holds the projections", code="swap", mend="try again when it is over"
                    )
                time.sleep(0.02)
            _drop_replaced(connection)
            connection.execute("SELECT pg_advisory_unlock(%s)", (_REBUILD_LOCK,))
        seconds = time.monotonic() - began
        return Rebuilt(events=events, seconds=seconds, digest=self.digest())

    def fold_to(self, connection: Connection, schema: str, position: int) -> None:
        """Fold the log into the tables of ``schema`` (from :func:`make_tables`) up to exactly ``position``."""
        self._follow(connection, schema, end=position)

    def digest(self) -> str:
        """SHA-256 over the content of all tables, hex: a line ``TABLE (COLUMNS) SHA-256-OF-ROWS`` each, by name.

        Rows are PostgreSQL's COPY text in the order of their keys by bytes. Neither the cursor nor anything else about
        the run is in it: entries without content, such as empty batches, do not change it.
        """
        self.ensure()
        with self._database.use("owner") as connection, unmoved(connection):
            whole = hashlib.sha256()
            for table, order in sorted(TABLES.items()):
                name = sql.Identifier(LIVE, table)
                with connection.cursor() as cursor:
                    cursor.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(name))
                    columns = ", ".join(column.name for column in cursor.description or ())
                    rows = hashlib.sha256()
                    query = "COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT (ENCODING 'UTF8')"
                    with cursor.copy(sql.SQL(query).format(name, sql.SQL(order))) as copy:
                        for piece in copy:
                            rows.update(piece)
                whole.update(f"{table} ({columns}) {rows.hexdigest()}\n".encode())
            return whole.hexdigest()

    # ------------------------------------------------------------------------------------------- the parts

    def _shape(self, connection: Connection) -> str | None:
        there = connection.execute("SELECT to_regclass(%s)", (f"{LIVE}.cursor",)).fetchone()
        if there is None or there[0] is None:
            return None
        row = connection.execute("SELECT shape FROM projections.cursor").fetchone()
        return None if row is None else str(row[0])

    def _shape_is_old(self) -> bool:
        with self._database.use("owner") as connection:
            return self._shape(connection) != _SHAPE

    def _follow(
        self,
        connection: Connection,
        schema: str,
        *,
        stop: threading.Event | None = None,
        batch: int = BATCH,
        progress: Progress | None = None,
        end: int | None = None,
    ) -> int:
        folded, most, count_at = 0, batch, _MANY
        while stop is None or not stop.is_set():
            size = self._reader.head().size
            position = _position(connection, schema)
            if position > size:
                raise Evidence(
                    f"the projections know {position} entries, the log has {size}",
                    code="log-shrunk",
                    mend="find out why the log lost entries; when it is whole again: mingjian rebuild",
                    position=position,
                    size=size,
                )
            if position == (size if end is None else end):
                break
            if folded >= count_at:
                _analyze(connection, schema)
                count_at = 4 * folded
            after = min(position + batch, size if end is None else end)
            with _alone(connection, schema):
                # Whoever waited finds it folded, and has read nothing for it.
                wrote_s = (
                    self._fold(connection, schema, position, after, size)
                    if _position(connection, schema) == position
                    else None
                )
            if wrote_s is None:
                continue
            folded += after - position
            if progress is not None:
                progress(after, size)
            if wrote_s > _SLOW_S:
                batch = max(_LEAST_BATCH, batch // 2)
            elif wrote_s < _SLOW_S / 3:
                batch *= 2
            batch = min(batch, most)
        return folded

    def _fold(self, connection: Connection, schema: str, start: int, stop: int, size: int) -> float | None:
        """Fold entries ``start`` ≤ index < ``stop`` and move the cursor: how long it wrote (s).

        None when another projector was faster.
        """
        # 1. Read and open, before any transaction: it takes the longest, and nothing is written yet.
        chunk, recorded_us = self._read(connection, start, stop, size)
        began = time.monotonic()
        with connection.transaction():
            connection.execute(sql.SQL("SET LOCAL search_path = {}").format(sql.Identifier(schema)))
            # What a crash takes away is folded again: waiting for the disk would buy nothing.
            connection.execute("SET LOCAL synchronous_commit = off")
            # 2. Move the cursor. Whoever else wants to fold these entries waits here, and then finds it moved.
            moved = connection.execute(
                "UPDATE cursor SET position = %s, recorded_us = %s WHERE position = %s", (stop, recorded_us, start)
            )
            if moved.rowcount != 1:
                return None
            # 3. Write what follows. Dying here or before undoes all of it, cursor and tables alike.
            for projection in PROJECTIONS:
                projection.apply(connection, chunk)
        return time.monotonic() - began

    def _read(self, connection: Connection, start: int, stop: int, size: int) -> tuple[Chunk, int]:
        # One more than asked for: a void stands right behind the statement that it voids, in the same batch.
        placed = self._reader.entries(start, min(stop + 1, size))
        recorded_us = self._reader.recorded_us([start])[start]
        acts: list[Act] = []
        for each in placed:
            said = _open(each)
            if said.type == "log.voided.v1" and acts and said.data["statement"] == acts[-1].said.id.hex():
                acts.pop()
            if said.type == "log.batch.v1" and each.index < stop:
                recorded_us = said.at_us
            acts.append(Act(each.index, recorded_us, said))
        by_kind: dict[str, list[Act]] = {}
        for act in acts:
            if act.index < stop:
                by_kind.setdefault(act.said.kind, []).append(act)
        return Chunk(by_kind, _once(lambda: self._registry.read(connection))), recorded_us

    def _swap(self, connection: Connection) -> bool:
        """Put the shadow in the place of the live tables, if it is no shorter and nobody holds ``swap_lock``."""
        with connection.transaction():
            free = connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (_SWAP_LOCK,)).fetchone()
            if free != (True,):
                return False
            # A projector that is folding holds this row; one that comes later finds the cursor gone from its place.
            live = connection.execute("SELECT position FROM projections.cursor FOR UPDATE").fetchone()
            if live is not None and live[0] > _position(connection, SHADOW):
                return False
            connection.execute("UPDATE projections.cursor SET position = -1")
            replaced = sql.Identifier(f"{LIVE}_replaced_{time.time_ns()}")
            connection.execute(
                sql.SQL("ALTER SCHEMA {} RENAME TO {}; ALTER SCHEMA {} RENAME TO {}").format(
                    sql.Identifier(LIVE), replaced, sql.Identifier(SHADOW), sql.Identifier(LIVE)
                )
            )
        return True


def _open(placed: Placed) -> Statement:
    """The statement of an entry, whose bytes must be those of its leaf (else Evidence, not the bytes' own fault)."""
    try:
        said = open_statement(placed.entry)
    except Malformed:
        check_bytes(placed)
        raise
    if said.id != placed.id:
        check_bytes(placed)
    return said


def _once(read: Callable[[], Registry]) -> Callable[[], Registry]:
    found: list[Registry] = []

    def once() -> Registry:
        if not found:
            found.append(read())
        return found[0]

    return once


def _position(connection: Connection, schema: str) -> int:
    row = connection.execute(sql.SQL("SELECT position FROM {}").format(sql.Identifier(schema, "cursor"))).fetchone()
    assert row is not None
    return int(row[0])


def make_tables(connection: Connection, schema: str) -> None:
    """The schema with all its tables, empty; nothing when another process was faster."""
    name = sql.Identifier(schema)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SETUP_LOCK,))
        there = connection.execute("SELECT to_regnamespace(%s)", (schema,)).fetchone()
        if there is not None and there[0] is not None:
            return
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        connection.execute(sql.SQL("SET LOCAL search_path = {}").format(name))
        connection.execute(_DDL.encode())
        connection.execute("INSERT INTO cursor (position, shape) VALUES (0, %s)", (_SHAPE,))
        connection.execute(sql.SQL("GRANT USAGE ON SCHEMA {} TO mingjian_reader").format(name))
        connection.execute(sql.SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {} TO mingjian_reader").format(name))


def take_lock(connection: Connection, lock: int) -> bool:
    """Hold ``lock`` for the session; False when another holds it. One that was killed lets go after a moment only."""
    until = time.monotonic() + _LOCK_PATIENCE_S
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (lock,)).fetchone() != (True,):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def _alone(connection: Connection, schema: str) -> Iterator[None]:
    """One chunk of the live tables is read by one projector at a time: two would read the same, and one for nothing."""
    if schema != LIVE:
        yield
        return
    connection.execute("SELECT pg_advisory_lock(%s)", (_CHUNK_LOCK,))
    try:
        yield
    finally:
        # A connection that broke has let go by that.
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_CHUNK_LOCK,))


def drop_tables(connection: Connection, schema: str) -> None:
    """The schema with all its tables, gone."""
    connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(schema)))


def _analyze(connection: Connection, schema: str) -> None:
    """Count anew: with the figures of an empty table the planner reads a full one row by row."""
    for table in TABLES:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(schema, table)))


def _drop_replaced(connection: Connection) -> None:
    """Drop tables that were replaced. Those still being read stay for the next rebuild: waiting would hold an xid."""
    rows = connection.execute(
        "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (f"{LIVE}_replaced_",)
    ).fetchall()
    for (schema,) in rows:
        try:
            with connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '200ms'")
                drop_tables(connection, schema)
        except psycopg.errors.LockNotAvailable:
            continue
