"""What a page shows of one stream against the statements themselves: the obvious attack is on the row a screen reads.

The promise of ``check_stream``: every projected row of the stream is what its statements give, each of which was
checked against its leaf and a signed checkpoint; else Evidence names the table, the row and the columns. Nothing is
mended. Compared is at the projections' own position, in one snapshot, so a projector at work causes no false alarm.

The rows are made again by the projections' own ``apply``, into temporary tables of the reading connection, whose
transaction is always rolled back: there is no second account of what follows from a statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from psycopg import sql
from psycopg.rows import dict_row

from ledger.errors import Evidence
from ledger.facts.registry import Registry
from ledger.statement import open_statement
from ledger.store.database import Connection, Database
from ledger.store.reading import LogReader, Placed, read_places
from ledger.store.sequencer import read_registry
from ledger.tree.checkpoint import Checkpoint
from projections import cases, complaints, imported, runner, tickets
from projections.chunk import Act, Chunk
from projections.runner import Position, read_position, swap_lock

_EVERYTHING: Final = 2**31
# Which case a stream is, the statements say: the live table is the one under suspicion.
_OF_CASE: Final = "(source, case_index) IN (SELECT source, case_index FROM pg_temp.imported_cases WHERE stream = %s)"
_OF_STREAM: Final = "stream = %s"
# Kind of stream → the projection that shows it, and which of its rows are the stream's.
_KINDS: Final[Mapping[str, tuple[Any, Mapping[str, str]]]] = {
    "approval": (cases, dict.fromkeys(cases.TABLES, _OF_STREAM)),
    "ticket": (tickets, dict.fromkeys(tickets.TABLES, _OF_STREAM)),
    # Holds stand in their cameras' streams, and are checked there by whoever shows them.
    "complaint": (complaints, dict.fromkeys(("complaints", "complaint_states"), _OF_STREAM)),
    "imported": (
        imported,
        {"imported_cases": _OF_STREAM, "imported_dates": _OF_CASE, "imported_events": _OF_CASE},
    ),
}


def check_stream(
    database: Database,
    checkpoint: Checkpoint,
    stream: str,
    *,
    verified: Sequence[Placed] = (),
    registry: Registry | None = None,
) -> Position | None:
    """Raise Evidence when a projected row of ``stream`` is not what its statements say; else the position compared.

    ``verified``: statements of the stream that the caller has just had from ``LogReader.verified``; the others are
    read here in the same way. ``registry``: the registries, read after ``verified``; it serves while nothing came
    after those. None: no projection shows this kind of stream.
    """
    shown = _KINDS.get(stream.partition("/")[0])
    if shown is None:
        return None
    projection, tables = shown
    with database.use("reader") as connection:
        _make_temporary(connection, projection)
        with connection.transaction(force_rollback=True):
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            swap_lock(connection)
            position = read_position(connection)
            acts, is_known = _acts(database, connection, checkpoint, stream, position.position, verified)
            connection.execute("SET LOCAL search_path = pg_temp")
            if acts:
                # A statement that came meanwhile may be of somebody whom that registry does not know.
                known = registry if is_known and registry is not None else read_registry(connection, _EVERYTHING)
                projection.apply(connection, Chunk({acts[0].said.kind: acts}, lambda: known))
            for table, where in tables.items():
                key = projection.TABLES[table].split(", ")
                _compare(
                    table,
                    key,
                    _rows(connection, "pg_temp", table, where, stream),
                    _rows(connection, runner.LIVE, table, where, stream),
                )
    return position


def _make_temporary(connection: Connection, projection: Any) -> None:
    """The projection's tables once more, empty, for the life of this connection; a rolled back fold leaves nothing."""
    first = next(iter(projection.TABLES))
    there = connection.execute("SELECT to_regclass(%s)", (f"pg_temp.{first}",)).fetchone()
    if there is not None and there[0] is None:
        with connection.transaction():
            connection.execute("SET LOCAL search_path = pg_temp")
            connection.execute(projection.DDL.encode())


def _acts(
    database: Database,
    connection: Connection,
    checkpoint: Checkpoint,
    stream: str,
    position: int,
    verified: Sequence[Placed],
) -> tuple[list[Act], bool]:
    """The stream's statements below ``position``, checked, without voided ones, as in a ``Chunk``.

    With whether all were among ``verified``.
    """
    rows = read_places(connection, stream, before=position)
    known = {placed.index: placed for placed in verified}
    missing = [index for index, _, _ in rows if index not in known]
    if missing:
        known |= {placed.index: placed for placed in LogReader(database).verified(missing, checkpoint)}
    acts = []
    for seq, (index, voided, recorded_us) in enumerate(rows, start=1):
        said = open_statement(known[index].entry)
        if (said.stream, said.seq) != (stream, seq):
            raise Evidence(f"{stream} has no statement {seq}", code="stream-gap", stream=stream, seq=seq)
        if not voided:
            acts.append(Act(index, recorded_us, said))
    return acts, not missing


def _rows(connection: Connection, schema: str, table: str, where: str, stream: str) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        query = sql.SQL("SELECT * FROM {} WHERE {}").format(sql.Identifier(schema, table), sql.SQL(where))
        return cursor.execute(query, (stream,)).fetchall()


def _compare(
    table: str, key: Sequence[str], expected_rows: Sequence[dict[str, Any]], found_rows: Sequence[dict[str, Any]]
) -> None:
    expected = {tuple(row[name] for name in key): row for row in expected_rows}
    found = {tuple(row[name] for name in key): row for row in found_rows}
    for name in [*expected, *found]:
        left, right = expected.get(name), found.get(name)
        if left == right:
            continue
        wrong: list[str] = []
        if left is not None and right is not None:
            wrong = [column for column in left if left[column] != right[column]]
            what = f"differs from the log in {', '.join(wrong)}"
        else:
            what = "is missing" if right is None else "has nothing in the log"
        row = dict(zip(key, name, strict=True))
        raise Evidence(
            f"the projection {table} is not what the log says:"
            f" its row ({', '.join(f'{column} {value}' for column, value in row.items())}) {what}",
            code="projection-changed",
            mend="find out who changed it (a copy of the table is the evidence), then: mingjian rebuild",
            table=f"{runner.LIVE}.{table}",
            row=row,
            columns=wrong,
        )
