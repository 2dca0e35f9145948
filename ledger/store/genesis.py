"""The first two statements of a ledger and its first head, which no door and no sequencer could have written.

Promise of ``write_genesis``: all of it or nothing; from then on the door appends and the sequencer places, and batches
begin behind entry 1. The head says that every transaction up to this one is placed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.statement import Statement
from ledger.store.database import Database
from ledger.store.recorder import content_digest, request_key, seal_of
from ledger.store.sequencer import make_partition
from ledger.tree.merkle import Frontier


def has_ledger(database: Database) -> bool:
    """Whether there is a ledger in this (migrated) database."""
    with database.connect("owner") as connection:
        return connection.execute("SELECT 1 FROM ledger.head").fetchone() is not None


def write_genesis(
    database: Database, entries: Sequence[Statement], frontier: Frontier, secret: bytes, time_us: int
) -> None:
    """Entries 0 and 1, their leaves and the first head, in one transaction.

    ``frontier``: the tree of the two; ``secret``: the door's; ``time_us``: their recorded time, µs since 1970 UTC.
    """
    with database.connect("sequencer") as connection, connection.transaction():
        make_partition(connection, 0)
        for index, act in enumerate(entries):
            seal = seal_of(
                secret, id_=act.id, stream=act.stream, seq=act.seq, prev=act.prev, governs=index == 0, epoch=0
            )
            row = connection.execute(
                "INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)"
                " VALUES (%b, %s, %s, %b, %s, 0, %b, %b) RETURNING insertion_id",
                (act.id, act.stream, act.seq, act.prev, index == 0, seal, act.entry),
            ).fetchone()
            assert row is not None
            connection.execute("INSERT INTO ledger.leaves VALUES (%s, %s, %b)", (index, row[0], act.id))
            connection.execute(
                "INSERT INTO ledger.requests VALUES (%b, %b, %s, %s)",
                (request_key(act.actor, act.request), content_digest(act), act.stream, act.seq),
            )
        connection.execute("INSERT INTO ledger.governing VALUES (0, 'ledger', 1)")
        connection.execute("INSERT INTO ledger.batches VALUES (0, 2, %s, %b)", (time_us, frontier.root()))
        connection.execute(
            "INSERT INTO ledger.head (size, root, frontier, recorded_us, batch_seq, epoch, done_xid,"
            " after_id)"
            " VALUES (2, %b, %b, %s, 0, 0, pg_snapshot_xmin(pg_current_snapshot()), 0)",
            (frontier.root(), frontier.to_bytes(), time_us),
        )
