"""The rows that lists and queues read, at one position, as a monitor recomputes them (``ledger.facts.shown``).

Promise: what is given comes from the tables alone, in one snapshot and one ordered pass; a row that somebody added,
took away or changed shows in the digest. Which row it is, the rows themselves tell.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson
from psycopg import sql

from ledger.errors import NotFound
from ledger.facts.shown import digest_of, row_bytes
from ledger.store.database import Connection, Database
from ledger.store.reading import read_tile
from ledger.tree.merkle import read_frontier
from projections.runner import read_position, unmoved

KEEP_S: Final = 10.0
GENESIS_SIZE: Final = 2

# By kind of stream, in the order of their names; the last column is how it stands in queues, null where it does not.
# An open row too many makes a row too many here.
_ROWS: Final = {
    "approval": "SELECT a.stream, a.item, a.item_version, a.unit, a.win, a.stage, a.suspended, a.applied_us,"
    " a.received_us, a.changed_us, a.first_index, a.last_index, a.acts, a.state::text, o.stream IS NOT NULL,"
    " o.from_index, o.stage, o.suspended, o.item, o.units, o.win"
    " FROM projections.approvals a"
    " LEFT JOIN projections.approval_open o ON o.stream = a.stream AND o.to_index IS NULL ORDER BY a.stream",
    "card": "SELECT c.stream, c.case_stream, c.rule, c.colour, c.pack, c.version, c.unit, c.clock, c.branch, c.step,"
    " c.run, c.due_us, c.fired_us, c.raised_us, c.raised_index, c.answered_us, c.answered_index,"
    " s.from_index, s.stage, s.proposed"
    " FROM projections.cards c"
    " LEFT JOIN projections.card_states s ON s.stream = c.stream AND s.to_index IS NULL ORDER BY c.stream",
    "ticket": "SELECT t.stream, t.stage, t.number, t.queue, t.channel, t.opener, t.win, t.calls, t.served_case,"
    " t.first_index, t.last_index, t.taken_us, t.called_us, t.ended_us, o.stream IS NOT NULL,"
    " o.from_index, o.stage, o.queue, o.win"
    " FROM projections.tickets t"
    " LEFT JOIN projections.ticket_open o ON o.stream = t.stream AND o.to_index IS NULL ORDER BY t.stream",
}
_COLUMNS: Final = {"approval": 14, "ticket": 14}  # before the flag, where there is one


@dataclass(frozen=True, slots=True)
class ShownDigest:
    """The digest of what is shown as of the first ``position`` leaves, whose root is ``root``."""

    position: int
    root: bytes
    rows: int
    digest: str

    def as_json(self) -> dict[str, Any]:
        """``{"position", "root", "rows", "digest"}``."""
        return {"position": self.position, "root": self.root.hex(), "rows": self.rows, "digest": self.digest}


@contextmanager
def read_shown(database: Database) -> Iterator[tuple[int, bytes, Iterator[bytes]]]:
    """Position, root of the log there, and the rows, while this lasts (NotFound before the first fold)."""
    with database.use("reader") as connection, unmoved(connection):
        there = connection.execute("SELECT to_regclass('projections.cursor')").fetchone()
        position = 0 if there in (None, (None,)) else read_position(connection).position
        if position < GENESIS_SIZE:
            raise NotFound("nothing is shown yet", code="nothing-shown", mend="ask again in a moment")
        root = read_frontier(position, lambda *tile: read_tile(connection, *tile)).root()
        yield position, root, _rows(connection)


def _rows(connection: Connection) -> Iterator[bytes]:
    for kind, query in _ROWS.items():
        count = _COLUMNS.get(kind)
        with connection.cursor(name=f"shown_{kind}") as cursor:
            for found in cursor.execute(sql.SQL(query)):
                row: list[Any] = list(found[:count])
                if kind == "approval":
                    row[-1] = orjson.loads(row[-1])
                if count is not None:
                    row.append(list(found[count + 1 :]) if found[count] else None)
                yield row_bytes(row)


class ShownDigests:
    """The newest digest, made anew at most every ``keep_s``: what is asked for often costs one pass in that time.

    It is not kept for longer while the position stays: a row may change all the same.
    """

    def __init__(self, database: Database, *, keep_s: float = KEEP_S) -> None:
        self._database = database
        self._keep_s = keep_s
        self._lock = threading.Lock()
        self._made: tuple[float, ShownDigest] | None = None

    def newest(self) -> ShownDigest:
        """The digest of at most ``keep_s`` ago; whoever asks while it is made waits for it."""
        with self._lock:
            if self._made is None or time.monotonic() - self._made[0] >= self._keep_s:
                with read_shown(self._database) as (position, root, rows):
                    number, digest = digest_of(rows)
                self._made = time.monotonic(), ShownDigest(position, root, number, digest)
            return self._made[1]
