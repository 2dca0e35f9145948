"""What a citizen asks: which matter a tracking code belongs to, and who looked at it.

Promise: a code is known by its digest alone. Reads are listed by what was read, the last first, and with them who
looked at the footage of a complaint; times are recorded.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.facts.grants import DOWNLOADED, SHARED, VIEWED
from ledger.facts.read import READ_TYPE
from ledger.store.database import Connection
from projections.chunk import Act, Chunk, copy_rows, named

DDL: Final = """
CREATE TABLE tracked (
    stream     text   COLLATE "C" NOT NULL PRIMARY KEY,
    tracking   text   COLLATE "C" NOT NULL,       -- SHA-256 of the code, hex
    leaf_index bigint NOT NULL
);
CREATE INDEX ON tracked (tracking);
CREATE TABLE reads (
    leaf_index  bigint NOT NULL PRIMARY KEY,
    subject     text   COLLATE "C" NOT NULL,      -- the stream that was read
    actor       text   COLLATE "C" NOT NULL,
    role        text   COLLATE "C" NOT NULL,
    unit        text   COLLATE "C",
    purpose     text   COLLATE "C" NOT NULL,
    recorded_us bigint NOT NULL
);
CREATE INDEX ON reads (subject, leaf_index);
"""

TABLES: Final = {"tracked": "stream", "reads": "leaf_index"}

_KINDS: Final = ("approval", "complaint")
_LOOKS: Final = frozenset({VIEWED, DOWNLOADED, SHARED})
_HOUR_US: Final = 3_600_000_000
_READ: Final = "leaf_index subject actor role unit purpose recorded_us"


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in first acts that name a code, and reads."""
    opened = [
        (act.said.stream, act.said.data["tracking"], act.index)
        for act in chunk.of(*_KINDS)
        if act.said.seq == 1 and "tracking" in act.said.data
    ]
    copy_rows(connection, "tracked", "stream tracking leaf_index", opened)
    reads = [
        (act.index, said.data["subject"], said.actor, said.role, said.unit, said.data["purpose"], act.recorded_us)
        for act in chunk.of("read")
        if (said := act.said).type == READ_TYPE
    ]
    copy_rows(connection, "reads", _READ, reads)
    for act in chunk.of("grant"):
        if act.said.type in _LOOKS and "complaint" in act.said.data:
            _take_look(connection, act)


def _take_look(connection: Connection, act: Act) -> None:
    """Somebody looked at a complaint's footage: told once an hour, as a player asks for it piece by piece."""
    data, us = act.said.data, act.recorded_us
    subject = f"complaint/{data['complaint']}"
    connection.execute(
        "INSERT INTO reads SELECT %s, %s, %s, %s, NULL, %s, %s WHERE NOT EXISTS"
        " (SELECT FROM reads WHERE subject = %s AND actor = %s AND purpose = %s AND recorded_us > %s"
        " AND leaf_index < %s)",
        (
            *(act.index, subject, data["viewer"], data["viewer_role"], data["purpose"], us),
            # Only those before it, however the log is cut into chunks: the chunk's reads are there already.
            *(subject, data["viewer"], data["purpose"], us - _HOUR_US, act.index),
        ),
    )


def streams_of(connection: Connection, tracking: str) -> list[str]:
    """The streams that the code with this digest belongs to, in the order in which they began."""
    rows = connection.execute(
        "SELECT stream FROM projections.tracked WHERE tracking = %s ORDER BY leaf_index", (tracking,)
    )
    return [stream for (stream,) in rows]


def reads_of(connection: Connection, stream: str, *, limit: int = 100) -> list[dict[str, Any]]:
    """Who read that stream: ``{"leaf_index", "subject", "actor", "role", "unit", "purpose", "recorded_us"}``."""
    rows = connection.execute(
        f"SELECT {_READ.replace(' ', ', ')} FROM projections.reads WHERE subject = %s"  # noqa: S608 constants
        " ORDER BY leaf_index DESC LIMIT %s".encode(),
        (stream, limit),
    )
    return named(rows, _READ)
