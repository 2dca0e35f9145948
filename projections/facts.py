"""Tidy facts of the figures: which rows hold of every matter, now and as of any position.

Promise: rows come from ``ledger.facts.figures`` and from nowhere else. A row that begins to hold stands with weight 1
and the leaf that made it so, one that ceases with weight −1 and the leaf that ended it: what held as of a position is
the sum over its leaves, whatever came later. Journals (what the next act of a matter needs to know) stand beside.

A figure reads the rows of its measures, summed up by the database where they are alike; there are at most as many of
them as matters in the period, and for shares a handful.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from psycopg import sql

from ledger.facts.calendar import Calendar, calendar_with
from ledger.facts.card_rules import in_force, terms_of
from ledger.facts.figures.definitions import DIMENSIONS, Counted, Row
from ledger.facts.figures.journal import Fact, Journal, Place
from ledger.facts.figures.of_cases import COUNTED_CLOCKS, branch_place, branch_units, run_facts
from ledger.facts.figures.rows import SUBJECTS, facts, looked_up, take
from ledger.facts.registry import Registry
from ledger.facts.terms import Terms
from ledger.statement import StatementId
from ledger.store.database import Connection
from projections import registries
from projections.chunk import Chunk, copy_rows, write_rows
from projections.clocks import calendar_before, packs_before

DDL: Final = """
CREATE TABLE fact_journals (
    stream  text  COLLATE "C" NOT NULL PRIMARY KEY,
    place   text[] COLLATE "C" NOT NULL,          -- unit, window, item, centre, tier, zone, class; '' where not known
    kept    jsonb NOT NULL
);
CREATE TABLE facts (
    measure    text   COLLATE "C" NOT NULL,
    leaf_index bigint NOT NULL,                   -- leaf since which it holds, or no longer holds
    stream     text   COLLATE "C" NOT NULL,
    at_us      bigint NOT NULL,                   -- by which it belongs to a period; recorded, µs since 1970 UTC
    unit       text   COLLATE "C" NOT NULL,
    win        text   COLLATE "C" NOT NULL,
    item       text   COLLATE "C" NOT NULL,
    centre     text   COLLATE "C" NOT NULL,
    tier       text   COLLATE "C" NOT NULL,
    zone       text   COLLATE "C" NOT NULL,
    class      text   COLLATE "C" NOT NULL,
    kind       text   COLLATE "C" NOT NULL,
    value      bigint NOT NULL,
    second     bigint NOT NULL,
    weight     bigint NOT NULL CHECK (weight <> 0)
);
CREATE INDEX ON facts (measure, at_us);
"""

TABLES: Final = {
    "fact_journals": "stream",
    "facts": "leaf_index, stream, measure, kind, at_us, value, second, unit, win, item, weight",
}

_COLUMNS: Final = "measure leaf_index stream at_us unit win item centre tier zone class kind value second weight"
_RUN: Final = "unit limit_units extension started_us stopped_us paused due_us not_before_us"


# ── Apply ──────────────────────────────────────────────────────────────────────────────────────────────────


class _Look:
    """The log's other words as they stood before leaf ``index``, from the tables that stand already."""

    def __init__(self, connection: Connection, registry: Registry, journals: Mapping[str, Journal]) -> None:
        self.index = 0
        self._connection = connection
        self._registry = registry
        self._journals = journals
        self._things: dict[str, dict[str, list[tuple[int, int | None, bool, Any]]]] = {}
        self._schedules: list[int] | None = None
        self._calendars: dict[int, Calendar] = {}
        self._adoptions: list[int] | None = None
        self._terms: dict[int, Terms] = {}

    def item(self, version: str) -> Mapping[str, Any]:
        return self._registry.item_versions[StatementId(bytes.fromhex(version))].data

    def entry(self, stream: str) -> Mapping[str, Any] | None:
        kind = stream.partition("/")[0]
        if kind not in self._things:  # units or windows: all of them cost little more than one
            of_kind = self._things[kind] = defaultdict(list)
            for thing, *version in self._connection.execute(
                "SELECT thing, leaf_index, to_index, closed, data FROM registry_versions WHERE kind = %s"
                " AND NOT proposal ORDER BY leaf_index",
                (kind,),
            ):
                of_kind[thing].append((version[0], version[1], version[2], version[3]))
        for begun, ended, closed, data in self._things[kind].get(stream, ()):
            if begun < self.index and (ended is None or ended >= self.index):
                return None if closed else data
        return None

    def person(self, actor: str) -> str:
        return self._registry.person_of(actor)

    def calendar(self) -> Calendar:
        if self._schedules is None:
            rows = self._connection.execute(
                "SELECT leaf_index FROM registry_versions WHERE kind = 'calendar' AND NOT proposal"
            )
            self._schedules = [index for (index,) in rows]
        known = sum(index < self.index for index in self._schedules)
        if known not in self._calendars:
            self._calendars[known] = calendar_before(self._connection, self.index)
        return self._calendars[known]

    def terms(self) -> Terms:
        if self._adoptions is None:
            rows = self._connection.execute(
                "SELECT leaf_index FROM registry_versions WHERE kind = 'rulepack' AND NOT proposal"
            )
            self._adoptions = [index for (index,) in rows]
        known = sum(index < self.index for index in self._adoptions)
        if known not in self._terms:
            self._terms[known] = terms_of(packs_before(self._connection, self.index))
        return self._terms[known]

    def place(self, stream: str) -> Place | None:
        found = self._journals.get(stream)
        return None if found is None else found.place


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts of every kind that adds to a figure, and what became of clocks (their rows stand already)."""
    acts = chunk.of(*SUBJECTS)
    rows: list[tuple[Any, ...]] = []
    if acts:
        streams = {act.said.stream for act in acts}
        journals = _load(connection, streams.union(*(looked_up(act.said) for act in acts)))
        look = _Look(connection, chunk.registry(), journals)
        holding: dict[str, Counter[Fact]] = {}
        for act in acts:
            stream, kind = act.said.stream, act.said.kind
            if stream not in holding:
                known = journals.get(stream)
                holding[stream] = Counter() if known is None else Counter(facts(kind, known))
            look.index = act.index
            journals[stream] = take(journals.get(stream), act.said, act.recorded_us, look)
            after = Counter(facts(kind, journals[stream]))
            rows += _changes(act.index, stream, holding[stream], after)
            holding[stream] = after
        _save(connection, {stream: journals[stream] for stream in streams})
    clocked = chunk.of("approval", "calendar")
    if clocked:
        rows += _clock_rows(connection, clocked[0].index)
    if rows:
        copy_rows(connection, "facts", _COLUMNS, rows)


def _changes(index: int, stream: str, before: Counter[Fact], after: Counter[Fact]) -> Iterable[tuple[Any, ...]]:
    if dict.__eq__(before, after):  # a Counter's own asks for every fact twice
        return
    for fact in {**before, **after}:
        weight = after.get(fact, 0) - before.get(fact, 0)
        if weight:
            yield _row(index, stream, fact, weight)


def _row(index: int, stream: str, fact: Fact, weight: int) -> tuple[Any, ...]:
    return (fact.measure, index, stream, fact.at_us, *fact.place, fact.kind, fact.value, fact.second, weight)


def _load(connection: Connection, streams: set[str]) -> dict[str, Journal]:
    rows = connection.execute(
        "SELECT stream, place, kept::text FROM fact_journals WHERE stream = ANY(%b)", (sorted(streams),)
    )
    return {stream: Journal(Place(*place), orjson.loads(kept)) for stream, place, kept in rows}


def _save(connection: Connection, journals: Mapping[str, Journal]) -> None:
    write_rows(
        connection,
        "INSERT INTO fact_journals SELECT stream, ARRAY[unit, win, item, centre, tier, zone, class], kept::jsonb"
        " FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[],"
        " %b::text[]) AS u (stream, unit, win, item, centre, tier, zone, class, kept)"
        " ON CONFLICT (stream) DO UPDATE SET place = excluded.place, kept = excluded.kept",
        [(stream, *journal.place, orjson.dumps(journal.kept).decode()) for stream, journal in sorted(journals.items())],
    )


def _clock_rows(connection: Connection, start: int) -> Iterable[tuple[Any, ...]]:
    """What the versions of runs that began or ended from leaf ``start`` on add and take away."""
    columns = ", ".join(f"r.{name}" for name in f"stream clock branch step number from_index to_index {_RUN}".split())
    runs = connection.execute(
        f"SELECT {columns} FROM clock_runs r WHERE r.clock = ANY(%(clocks)s)"  # noqa: S608 constants
        " AND (r.from_index >= %(start)s OR r.to_index >= %(start)s)"
        " AND r.stream IN (SELECT stream FROM clock_runs WHERE from_index >= %(start)s)"
        " ORDER BY r.stream, r.clock, r.branch, r.step, r.number, r.from_index".encode(),
        {"start": start, "clocks": list(COUNTED_CLOCKS)},
    ).fetchall()
    streams = {run[0] for run in runs}
    places = {stream: journal.place for stream, journal in _load(connection, streams).items()}
    opened: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for stream, type_, data in connection.execute(
        "SELECT stream, type, data FROM approval_acts WHERE stream = ANY(%s) AND type LIKE 'approval.branch_opened.%%'"
        " ORDER BY stream, leaf_index",
        (sorted({run[0] for run in runs if run[2]}),),
    ):
        opened[stream].append((type_, data))
    for stream, clock, branch, step, number, begun, ended, *values in runs:
        unit = branch_units(opened[stream])[branch] if branch else None
        place = branch_place(places[stream], unit)
        for fact in run_facts((clock, branch, step, number), tuple(values), place):
            if begun >= start:
                yield _row(begun, stream, fact, 1)
            if ended is not None and ended >= start:
                yield _row(ended, stream, fact, -1)


# ── Reads ──────────────────────────────────────────────────────────────────────────────────────────────────


def counted(
    connection: Connection,
    measures: Sequence[str],
    *,
    numbers: Sequence[str] = (),
    position: int | None = None,
    by: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
) -> dict[str, Counted]:
    """The rows of ``measures`` that hold as of ``position`` (None: now) with since ≤ at < until, by code of ``by``.

    Of ``numbers`` without their values: the database then sums them up to one row.
    """
    assert by is None or by in DIMENSIONS
    wanted = ["measure = ANY(%(measures)s)"]
    for value, condition in (
        (position, "leaf_index < %(position)s"),
        (since_us, "at_us >= %(since)s"),
        (until_us, "at_us < %(until)s"),
    ):
        if value is not None:
            wanted.append(condition)
    code = sql.SQL("''") if by is None else sql.Identifier({"window": "win"}.get(by, by))
    rows = connection.execute(
        sql.SQL(
            "SELECT {}, measure, kind, CASE WHEN measure = ANY(%(numbers)s) THEN 0 ELSE value END,"
            " CASE WHEN measure = ANY(%(numbers)s) THEN 0 ELSE second END, sum(weight)::bigint"
            " FROM projections.facts WHERE {}"
            " GROUP BY 1, 2, 3, 4, 5 HAVING sum(weight) <> 0"
        ).format(code, sql.SQL(" AND ").join(map(sql.SQL, wanted))),
        {
            "measures": list(measures),
            "numbers": list(numbers),
            "position": position,
            "since": since_us,
            "until": until_us,
        },
    )
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for group, measure, *values in rows:
        found[group][measure].append(Row(*values))
    return {group: dict(of) for group, of in found.items()}


def item_versions(connection: Connection, *, position: int | None = None) -> list[str]:
    """The ids (hex) of the statements that published, revised or retired items as of ``position``, in order."""
    rows = connection.execute(
        "SELECT statement FROM projections.registry_versions WHERE kind = 'item' AND NOT proposal"
        " AND (%(position)s::bigint IS NULL OR leaf_index < %(position)s) ORDER BY leaf_index",
        {"position": position},
    )
    return [statement for (statement,) in rows]


def calendar_of(connection: Connection, *, position: int | None = None) -> Calendar:
    """The working days as of ``position``: the shipped schedules, and those that the log held."""
    rows = connection.execute(
        "SELECT data FROM projections.registry_versions WHERE kind = 'calendar' AND NOT proposal"
        " AND (%(position)s::bigint IS NULL OR leaf_index < %(position)s) ORDER BY leaf_index",
        {"position": position},
    )
    return calendar_with(Calendar.from_json(data for (data,) in rows).schedules)


def terms_at(connection: Connection, *, position: int | None = None) -> Terms:
    """The terms in force as of ``position``."""
    rows = registries.published(connection, "rulepack", position=position)
    acts = ((row["stream"], row["type"], row["data"], row["recorded_us"]) for row in rows)
    return terms_of(each.pack for each in in_force(acts))


@dataclass(frozen=True, slots=True)
class FactSource:
    """The tables as a ``Source`` of figures. ``asked``: the position that was asked for; None is now."""

    connection: Connection
    asked: int | None
    position: int
    recorded_us: int | None

    def counted(
        self,
        measures: Sequence[str],
        *,
        numbers: Sequence[str],
        by: str | None,
        since_us: int | None,
        until_us: int | None,
    ) -> Mapping[str, Counted]:
        """As ``counted`` of this module."""
        return counted(
            self.connection,
            measures,
            numbers=numbers,
            position=self.asked,
            by=by,
            since_us=since_us,
            until_us=until_us,
        )

    def item_versions(self) -> Sequence[str]:
        """As ``item_versions`` of this module."""
        return item_versions(self.connection, position=self.asked)

    def terms(self) -> Terms:
        """As ``terms_at`` of this module."""
        return terms_at(self.connection, position=self.asked)

    def calendar(self) -> Calendar:
        """As ``calendar_of`` of this module."""
        return calendar_of(self.connection, position=self.asked)
