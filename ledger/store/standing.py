"""What waits for a place in the tree, who gives places, and what keeps them from being given.

Each look changes nothing and may be a moment old when it is told: statements are placed meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.store.database import Connection
from ledger.store.sequencer import LEADER_LOCK

SHOWN: Final = 100


@dataclass(frozen=True, slots=True)
class Waiting:
    """Counts. ``unplaced``: acknowledged, not in the tree; ``refused``: by the sequencer; ``size``: leaves."""

    unplaced: int
    refused: int
    size: int


@dataclass(frozen=True, slots=True)
class Unplaced:
    """Insertion ids of rows without a place, by why, :data:`SHOWN` of each at most.

    ``waiting``: for their turn; ``held``: for the statement before them; ``refused``: never acknowledged by the door.
    """

    waiting: list[int]
    held: list[int]
    refused: list[int]


@dataclass(frozen=True, slots=True)
class Writing:
    """A transaction that writes, somewhere in the cluster: what comes after it began cannot be placed.

    A session's has its process id, a prepared one its name (``gid``); open for ``age_s`` seconds.
    """

    pid: int | None
    gid: str | None
    database: str
    age_s: float


@dataclass(frozen=True, slots=True)
class Server:
    """PostgreSQL's version, its clock (Unix seconds), and its settings of durability, by name, as they are written."""

    version: str
    clock_s: float
    durability: dict[str, str]


def count_waiting(connection: Connection) -> Waiting:
    """How much waits."""
    unplaced = connection.execute(
        "SELECT count(*) FROM ledger.statements s WHERE s.xid >= (SELECT done_xid FROM ledger.head)"
        " AND NOT EXISTS (SELECT FROM ledger.leaves l WHERE l.insertion_id = s.insertion_id)"
    ).fetchone()
    head = connection.execute("SELECT cardinality(held), cardinality(refused), size FROM ledger.head").fetchone()
    assert unplaced is not None
    assert head is not None
    return Waiting(unplaced[0] + head[0], head[1], head[2])


def is_waiting(connection: Connection, statement: bytes) -> bool:
    """Whether the statement of that id was acknowledged and waits; one just placed does not."""
    row = connection.execute(
        "SELECT 1 FROM ledger.statements WHERE id = %(id)b AND xid >= (SELECT done_xid FROM ledger.head)"
        " UNION ALL SELECT 1 FROM ledger.statements WHERE id = %(id)b"
        " AND insertion_id = ANY(SELECT unnest(held) FROM ledger.head)",
        {"id": statement},
    ).fetchone()
    return row is not None


def unplaced_rows(connection: Connection) -> Unplaced:
    """The rows that have no place."""
    head = connection.execute("SELECT done_xid::text, held, refused FROM ledger.head").fetchone()
    assert head is not None
    rows = connection.execute(
        "SELECT insertion_id FROM ledger.statements s WHERE xid >= %s::xid8 AND NOT insertion_id = ANY(%s)"
        " AND NOT EXISTS (SELECT FROM ledger.leaves l WHERE l.insertion_id = s.insertion_id)"
        " ORDER BY insertion_id LIMIT %s",
        (head[0], [*head[1], *head[2]], SHOWN),
    ).fetchall()
    return Unplaced([row for (row,) in rows], head[1][:SHOWN], head[2][:SHOWN])


def count_placed(connection: Connection, rows: list[int]) -> int:
    """How many of those insertion ids have a place by now."""
    row = connection.execute("SELECT count(*) FROM ledger.leaves WHERE insertion_id = ANY(%s)", (rows,)).fetchone()
    assert row is not None
    return int(row[0])


def leader(connection: Connection) -> int | None:
    """The process id of the leading sequencer's connection; None when nobody places statements."""
    row = connection.execute(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        " AND (classid::bigint << 32 | objid::bigint) = %s",
        (LEADER_LOCK,),
    ).fetchone()
    return None if row is None else int(row[0])


def long_writing(connection: Connection, *, over_s: float) -> list[Writing]:
    """Transactions open for more than ``over_s``, and all that are prepared: the sequencer's horizon is the cluster's.

    To be asked as the database's owner: others are not shown whose transactions these are.
    """
    sessions = connection.execute(
        "SELECT pid, datname, extract(epoch FROM now() - xact_start)::float8 FROM pg_stat_activity"
        " WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"
        " AND now() - xact_start > make_interval(secs => %s) ORDER BY xact_start",
        (over_s,),
    ).fetchall()
    prepared = connection.execute(
        "SELECT gid, database, extract(epoch FROM now() - prepared)::float8 FROM pg_prepared_xacts ORDER BY prepared"
    ).fetchall()
    return [
        *(Writing(pid, None, database, age_s) for pid, database, age_s in sessions),
        *(Writing(None, gid, database, age_s) for gid, database, age_s in prepared),
    ]


def server(connection: Connection) -> Server:
    """The database server as it says of itself."""
    names = ("fsync", "synchronous_commit", "full_page_writes")
    row = connection.execute(
        "SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp())::float8,"
        " current_setting('fsync'), current_setting('synchronous_commit'), current_setting('full_page_writes')"
    ).fetchone()
    assert row is not None
    return Server(row[0], row[1], dict(zip(names, row[2:], strict=True)))
