"""Reading many streams of one kind from end to end, for who exports, compares or checks all of them.

A kind is named by what its streams begin with, up to a slash: ``imported/permits``. Memory does not grow with the log.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.store.database import Database


@dataclass(frozen=True, slots=True)
class Step:
    """One statement on the way: its stream's ``place`` among those asked for (from 1), seq, leaf index, if voided."""

    place: int
    seq: int
    index: int
    voided: bool


def count_streams(database: Database, kind: str) -> int:
    """How many streams of the kind there are, placed in the tree or not."""
    with database.use("reader") as connection:
        row = connection.execute(
            "SELECT count(*) FROM ledger.statements WHERE stream > %s AND stream < %s AND seq = 1", _range(kind)
        ).fetchone()
    assert row is not None
    return int(row[0])


def walk_streams(database: Database, kind: str, *, size: int, page: int) -> Iterator[tuple[str, int]]:
    """The streams whose first statement stands below leaf ``size``, in that order, and how many statements each has.

    ``page``: rows fetched at a time. The connection and its transaction are held until the walk ends.
    """
    with database.use("reader") as connection, connection.transaction(), connection.cursor(name="streams") as cursor:
        cursor.itersize = page
        cursor.execute(
            "SELECT s.stream, (SELECT max(seq) FROM ledger.statements m WHERE m.stream = s.stream)"
            " FROM ledger.statements s JOIN ledger.leaves l USING (insertion_id)"
            " WHERE s.stream > %s AND s.stream < %s AND s.seq = 1 AND l.index < %s ORDER BY l.index",
            (*_range(kind), size),
        )
        yield from cursor


def read_page(
    database: Database, streams: Sequence[str], *, size: int, after: tuple[int, int], limit: int
) -> list[Step]:
    """The next ``limit`` statements of ``streams`` below leaf ``size``, behind (place, seq) ``after``, first (0, 0)."""
    with database.use("reader") as connection:
        rows = connection.execute(
            # The limits make it look up each stream and leaf by an index, whatever the planner thinks of the
            # tables: reading them whole for each page would take an hour where this takes a minute.
            "SELECT n.place, s.seq, l.index, EXISTS (SELECT FROM ledger.voided v WHERE v.id = s.id)"
            " FROM unnest(%(streams)s::text[]) WITH ORDINALITY AS n (stream, place)"
            " CROSS JOIN LATERAL (SELECT id, seq, insertion_id FROM ledger.statements WHERE stream = n.stream"
            "   AND seq > CASE n.place WHEN %(place)s THEN %(seq)s ELSE 0 END ORDER BY seq LIMIT %(page)s) AS s"
            " CROSS JOIN LATERAL (SELECT index FROM ledger.leaves WHERE insertion_id = s.insertion_id LIMIT 1) AS l"
            " WHERE n.place >= %(place)s AND l.index < %(size)s ORDER BY n.place, s.seq LIMIT %(page)s",
            {"streams": list(streams), "size": size, "place": after[0], "seq": after[1], "page": limit},
        ).fetchall()
    return [Step(*row) for row in rows]


def read_kind(database: Database, kind: str) -> list[bytes]:
    """The entries of all streams of the kind, stream by stream, placed in the tree or not."""
    with database.use("reader") as connection:
        rows = connection.execute(
            "SELECT entry FROM ledger.statements WHERE stream > %s AND stream < %s ORDER BY stream, seq",
            _range(kind),
            binary=True,
        ).fetchall()
    return [entry for (entry,) in rows]


def _range(kind: str) -> tuple[str, str]:
    return f"{kind}/", f"{kind}0"  # 0 comes behind /
