"""What a projection is given: statements in the order of their leaf index, and the ways to write what follows.

A ``Chunk`` holds only what counts: statements that were voided are not in it, bytes that do not hash to their leaf
were refused before. A projection writes what follows from a chunk inside the caller's transaction; how the log is cut
into chunks must never show in what it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from psycopg import sql

from ledger.facts.registry import Registry
from ledger.statement import Statement
from ledger.store.database import Connection


@dataclass(frozen=True, slots=True)
class Act:
    """A valid statement in its place. ``recorded_us``: its batch's time."""

    index: int
    recorded_us: int
    said: Statement


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive acts, by kind of stream. ``registry`` reads the registries, at that place or a later one."""

    by_kind: Mapping[str, Sequence[Act]]
    registry: Callable[[], Registry]

    def of(self, *kinds: str) -> list[Act]:
        """The acts of these kinds of stream, in order."""
        found = [act for kind in kinds for act in self.by_kind.get(kind, ())]
        return found if len(kinds) == 1 else sorted(found, key=lambda act: act.index)


def storable(value: Any) -> Any:
    """``value`` without U+0000, which JSON may hold and PostgreSQL may not: one odd text must not stop the fold."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, list):
        return [storable(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): storable(item) for name, item in value.items()}
    return value


def json_text(value: Any) -> str:
    """``storable(value)`` as JSON."""
    text = orjson.dumps(value).decode()
    return text if "\\u0000" not in text else orjson.dumps(storable(value)).decode()


def named(rows: Iterable[Sequence[Any]], names: str) -> list[dict[str, Any]]:
    """Rows as objects; ``names`` with a space between."""
    words = names.split()
    return [dict(zip(words, row, strict=True)) for row in rows]


def copy_rows(connection: Connection, table: str, columns: str, rows: Iterable[Sequence[Any]]) -> None:
    """Write new rows, fast; ``columns`` with a space between."""
    command = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns.split()))
    )
    with connection.cursor() as cursor, cursor.copy(command) as copy:
        for row in rows:
            copy.write_row(row)


def write_rows(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run one ``statement`` over all ``rows``: it unnests an array (``%b``) for each of their columns."""
    if rows:
        connection.execute(statement.encode(), [list(column) for column in zip(*rows, strict=True)])


class Spans:
    """States that hold from one leaf to another, so that "as of then" is a look-up in an index.

    A table of spans has a key, ``from_index, to_index`` and columns that say the state. As of position P, when the log
    had P leaves, the spans with ``from_index < P ≤ to_index`` hold (null: to this day), which is
    ``int8range(from_index, to_index) @> P - 1``.
    """

    def __init__(self, key: Mapping[str, str] | None = None) -> None:
        """``key``: its columns and their types; the stream alone unless given."""
        self._key = dict(key or {"stream": "text"})
        self._ended: dict[tuple[Any, ...], int] = {}
        self._begun: dict[tuple[Any, ...], list[list[Any]]] = {}

    def move(
        self,
        key: str | tuple[Any, ...],
        before: tuple[Any, ...] | None,
        after: tuple[Any, ...] | None,
        index: int,
    ) -> None:
        """The act at ``index`` made ``after`` of ``before``; None is no state worth a span."""
        if before == after:
            return
        key = (key,) if isinstance(key, str) else key
        begun = self._begun.setdefault(key, [])
        if before is not None and begun:
            begun[-1][len(key) + 1] = index
        elif before is not None:
            self._ended[key] = index
        if after is not None:
            begun.append([*key, index, None, *after])

    def write(self, connection: Connection, table: str, columns: str) -> None:
        """End the spans of former chunks that ended in this one, and add those that began."""
        names = sql.SQL(", ").join(map(sql.Identifier, self._key))
        arrays = sql.SQL(", ").join(sql.SQL(f"%b::{kind}[]") for kind in (*self._key.values(), "bigint"))
        same = sql.SQL(" AND ").join(sql.SQL("s.{0} = e.{0}").format(name) for name in map(sql.Identifier, self._key))
        end = sql.SQL(
            "UPDATE {} AS s SET to_index = e.index FROM unnest({}) AS e ({}, index) WHERE {} AND s.to_index IS NULL"
        ).format(sql.Identifier(table), arrays, names, same)
        if self._ended:
            rows = [(*key, index) for key, index in self._ended.items()]
            connection.execute(end, [list(column) for column in zip(*rows, strict=True)])
        begun = [row for each in self._begun.values() for row in each]
        if begun:
            copy_rows(connection, table, f"{' '.join(self._key)} from_index to_index {columns}", begun)
