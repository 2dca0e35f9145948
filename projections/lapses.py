"""What lapses by its day: appointments that nobody kept, reservations of a review that was not begun.

Promise: one row for each that is still to come, with the instant from which ``ledger.facts.duties`` has the system
clock state it; a row goes with the act that ends the wait.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from ledger.facts.duties import appointment_over, reservation_over
from ledger.facts.types import verb_of
from ledger.statement import instant_us
from ledger.store.database import Connection
from projections.chunk import Chunk, write_rows

DDL: Final = """
CREATE TABLE lapses (
    stream  text    COLLATE "C" NOT NULL PRIMARY KEY,
    kind    text    COLLATE "C" NOT NULL,         -- appointment, reservation
    due_us  bigint  NOT NULL,                     -- the first instant after its day
    waits   boolean NOT NULL                      -- false: asked for and not confirmed, so nothing lapses
);
CREATE INDEX ON lapses (due_us) WHERE waits;
"""

TABLES: Final = {"lapses": "stream"}


_Row: TypeAlias = tuple[str, str, int, bool]


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts on appointments and reservations."""
    acts = chunk.of("appointment", "reservation")
    if not acts:
        return
    streams = sorted({act.said.stream for act in acts})
    rows: dict[str, _Row | None] = {
        row[0]: row
        for row in connection.execute(
            "SELECT stream, kind, due_us, waits FROM lapses WHERE stream = ANY(%s)", (streams,)
        )
    }
    connection.execute("DELETE FROM lapses WHERE stream = ANY(%s)", (streams,))
    for act in acts:
        rows[act.said.stream] = _row(rows.get(act.said.stream), act.said.stream, act.said.type, act.said.data)
    write_rows(
        connection,
        "INSERT INTO lapses SELECT * FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::boolean[])",
        [row for row in rows.values() if row is not None],
    )


def _row(before: _Row | None, stream: str, type_name: str, data: dict[str, Any]) -> _Row | None:
    kind, verb = type_name.partition(".")[0], verb_of(type_name)
    if kind == "appointment" and verb in ("made", "moved"):
        over_us, waits = appointment_over(instant_us(data["slot"])), True
    elif verb == "asked":
        over_us, waits = reservation_over(data["day"]), False
    elif verb == "confirmed" and before is not None:
        over_us, waits = before[2], True
    else:
        return None
    return None if over_us is None else (stream, kind, over_us, waits)


def due(connection: Connection, us: int) -> list[tuple[str, str, int]]:
    """``(stream, kind, due µs)`` of what has lapsed by ``us``, in the order of the instants."""
    return connection.execute(
        "SELECT stream, kind, due_us FROM projections.lapses WHERE waits AND due_us <= %s ORDER BY due_us, stream",
        (us,),
    ).fetchall()
