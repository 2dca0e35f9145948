"""Whether the projections are what the log says: made again beside themselves and compared, row by row.

The promise: at one position, every row of every table is what folding the log gives, or the first row that is not is
named with its table and columns. Nothing is swapped or mended; the copy is dropped again. It is written in the small
pieces of a rebuild, and it reads the live tables in one snapshot, which holds no writer and no sequencer back.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, Final

from psycopg import sql

from ledger.errors import Evidence, Unavailable
from ledger.store.database import Connection, Database
from projections.runner import LIVE, TABLES, Projector, drop_tables, make_tables, read_position, take_lock, unmoved

CHECKED: Final = "projections_checked"
_LOCK: Final = 4823093174209363


def check_projections(database: Database) -> tuple[int, list[Evidence]]:
    """The position at which they were compared, and what differs: a finding for each table."""
    projector = Projector(database)
    projector.catch_up()
    with database.connect("owner") as connection, database.connect("reader") as live:
        if not take_lock(connection, _LOCK):
            raise Unavailable("the projections are being checked already", code="checking", mend="wait for it")
        drop_tables(connection, CHECKED)
        make_tables(connection, CHECKED)
        try:
            # Near the head first: what is left to fold while the snapshot is held is little.
            projector.fold_to(connection, CHECKED, read_position(live).position)
            with unmoved(live):
                position = read_position(live).position
                projector.fold_to(connection, CHECKED, position)
                found = [each for table in sorted(TABLES) if (each := _compare(connection, live, table)) is not None]
        finally:
            drop_tables(connection, CHECKED)
    return position, found


def _compare(checked: Connection, live: Connection, table: str) -> Evidence | None:
    """The first row of ``table`` that is not the same on both sides, by its key."""
    order = TABLES[table]
    key = order.split(", ")
    query = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT (ENCODING 'UTF8')")
    made = sql.SQL("SELECT * FROM {} LIMIT 0").format(sql.Identifier(CHECKED, table))
    columns = [column.name for column in checked.execute(made).description or ()]
    with (
        checked.cursor() as left,
        live.cursor() as right,
        left.copy(query.format(sql.Identifier(CHECKED, table), sql.SQL(order))) as expected_rows,
        right.copy(query.format(sql.Identifier(LIVE, table), sql.SQL(order))) as found_rows,
    ):
        difference: tuple[dict[str, Any] | None, dict[str, Any] | None] | None = None
        # Both are read to their ends: a COPY broken off would end its transaction.
        for expected, found in zip_longest(expected_rows.rows(), found_rows.rows()):
            if difference is None and expected != found:
                difference = (_named(columns, expected), _named(columns, found))
    if difference is None:
        return None
    expected_row, found_row = difference
    wrong: list[str] = []
    if expected_row is not None and found_row is not None and all(expected_row[k] == found_row[k] for k in key):
        row, what = found_row, "differs from the log"
        wrong = [name for name in columns if expected_row[name] != found_row[name]]
    elif expected_row is not None and not _holds(live, table, key, expected_row):
        row, what = expected_row, "is missing"
    else:
        assert found_row is not None
        row, what = found_row, "has nothing in the log"
    name = ", ".join(f"{column} {row[column]}" for column in key)
    return Evidence(
        f"the projection {table} is not what the log says: its row ({name}) {what}"
        + (f" in {', '.join(wrong)}" if wrong else ""),
        code="projection-changed",
        mend="find out who changed it (a copy of the table is the evidence), then: mingjian rebuild",
        table=f"projections.{table}",
        row={column: row[column] for column in key},
        columns=wrong,
    )


def _named(columns: list[str], row: tuple[Any, ...] | None) -> dict[str, Any] | None:
    return None if row is None else dict(zip(columns, row, strict=True))


def _holds(live: Connection, table: str, key: list[str], row: dict[str, Any]) -> bool:
    same = sql.SQL(" AND ").join(sql.SQL("{}::text = %s").format(sql.Identifier(column)) for column in key)
    query = sql.SQL("SELECT 1 FROM {} WHERE {}").format(sql.Identifier(LIVE, table), same)
    return live.execute(query, [row[column] for column in key]).fetchone() is not None
