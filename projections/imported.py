"""Imported history: its cases, their events, the dates the source names, and the files it came from.

Promise: figures come from ``ledger.facts.metrics`` and from nowhere else; here is only what they are fed with. Time
is claimed time throughout (imported history has no other that means anything); positions are leaf indexes.

A case is known by the leaf index of its first statement (``case_index``): unique, small, in the order of the log.
What a source names a case stands sealed in the log and nowhere here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import itemgetter
from typing import Any, Final

import orjson
from psycopg import sql

from ledger.errors import NotFound
from ledger.exchange.xes import INFORMATIONAL, Flag, read_instant
from ledger.facts import metrics
from ledger.facts.metrics import AsOf, Backtest, CardRules, Deadlines, Event, Term, Throughput
from ledger.statement import instant_text
from ledger.store.database import Connection
from projections.chunk import Act, Chunk, copy_rows, storable, write_rows

DDL: Final = """
CREATE TABLE imports (
    source         text   COLLATE "C" NOT NULL,
    sha256         text   COLLATE "C" NOT NULL,   -- of the file, hex
    bytes          bigint NOT NULL,
    cases          bigint NOT NULL,               -- that the file holds
    events         bigint NOT NULL,
    started_index  bigint,                        -- leaf of import.started; null: only its end was stated
    finished_index bigint,                        -- leaf of import.finished; null: not finished yet
    added          bigint,                        -- statements that were new
    flagged        bigint,
    PRIMARY KEY (source, sha256)
);
CREATE TABLE imported_cases (
    source     text   COLLATE "C" NOT NULL,
    case_index bigint NOT NULL,                   -- leaf of the case's first statement
    stream     text   COLLATE "C" NOT NULL UNIQUE,
    case_no    bigint,                            -- from 1, by the source; null: its record was voided
    first_us   bigint,                            -- claimed, µs since 1970 UTC; null: no event has a time
    last_us    bigint,
    events     bigint NOT NULL,
    flagged    bigint NOT NULL,                   -- records (the case's and its events') with a strange flag
    flags      text   COLLATE "C" NOT NULL,       -- the case's own, with a space between; future: when recorded
    attributes jsonb  NOT NULL,                   -- public ones, [[name, type, text], …]; of equals the last counts
    PRIMARY KEY (source, case_index)
);
CREATE TABLE imported_dates (
    source     text   COLLATE "C" NOT NULL,
    name       text   COLLATE "C" NOT NULL,       -- of a case attribute of the type date
    case_index bigint NOT NULL,
    us         bigint NOT NULL,                   -- a day without a time: its start
    PRIMARY KEY (source, name, case_index)
);
-- The leaf index stands in the key because a source's adapter might state one ordinal twice.
CREATE TABLE imported_events (
    source     text   COLLATE "C" NOT NULL,
    case_index bigint NOT NULL,
    ordinal    bigint NOT NULL,                   -- place in the case, in the file's order
    leaf_index bigint NOT NULL,
    at_us      bigint,                            -- claimed; null: the source gives no time that can be read
    activity   text   COLLATE "C",
    lifecycle  text   COLLATE "C",
    resource   text   COLLATE "C",                -- pseudonym, hex
    flags      text   COLLATE "C" NOT NULL,
    PRIMARY KEY (source, case_index, ordinal, leaf_index)
);
CREATE INDEX ON imported_events (source, at_us);
"""

# Table → its order in the digest.
TABLES: Final = {
    "imports": "source, sha256",
    "imported_cases": "source, case_index",
    "imported_dates": "source, name, case_index",
    "imported_events": "source, case_index, ordinal, leaf_index",
}

START, DEADLINE, END = "startdate", "deadline", "enddate"
_UNTIMED: Final = {Flag.NO_TIMESTAMP, Flag.BAD_TIMESTAMP}
_MAX_NAME: Final = 255  # a longer name would not fit into the index, and nobody asks by it
_FETCH: Final = 5000
_WITH_DATES: Final = "".join(
    f" LEFT JOIN projections.imported_dates {of}"
    f" ON ({of}.source, {of}.name, {of}.case_index) = (c.source, %({name})s, c.case_index)"
    for of, name in (("s", "start"), ("d", "due"), ("e", "end"))
)


# ── Apply ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Case:
    """What one chunk adds to a case."""

    source: str
    index: int
    stream: str
    is_new: bool
    case_no: int | None = None
    first_us: int | None = None
    last_us: int | None = None
    events: int = 0
    flagged: int = 0
    flags: list[str] = field(default_factory=list)
    known_flags: set[str] = field(default_factory=set)
    is_strange: bool = False  # its own record is counted in flagged
    attributes: list[Any] = field(default_factory=list)


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in imports, imported cases and their events."""
    _apply_imports(connection, chunk.of("import"))
    acts = chunk.of("imported")
    if not acts:
        return
    cases = _known(connection, sorted({act.said.stream for act in acts}))
    dates: dict[tuple[str, str, int], int] = {}
    events: list[tuple[Any, ...]] = []
    for act in acts:
        said, data = act.said, act.said.data
        case = cases.get(said.stream)
        if case is None:
            source = said.stream.split("/")[1] if "/" in said.stream else ""
            case = cases[said.stream] = _Case(source, act.index, said.stream, is_new=True)
        flags = data.get("flags", [])
        if said.type == "imported.case.v1":
            case.case_no = data["case_no"] if case.case_no is None else case.case_no
            case.attributes += data.get("attributes", [])
            for name, kind, text, *_ in data.get("attributes", []):
                instant = read_instant(text) if kind == "date" and len(name.encode()) <= _MAX_NAME else None
                if instant is not None:
                    dates[case.source, storable(name), case.index] = instant.us
                    if name in (START, END) and instant.us > act.recorded_us:
                        flags = [*flags, Flag.FUTURE]
            # A later trace of the case is a record of its own; what is added to a trace belongs to its record.
            strange = not INFORMATIONAL.issuperset(flags)
            case.flagged += strange and (Flag.CASE_SPLIT in flags or not case.is_strange)
            case.is_strange = case.is_strange or strange
            case.flags += [flag for flag in dict.fromkeys(flags) if flag not in case.known_flags]
            case.known_flags |= {*flags}
        elif said.type == "imported.event.v1":
            at_us = None if _UNTIMED.intersection(flags) else said.at_us
            if at_us is not None and at_us > act.recorded_us:
                flags = [*flags, Flag.FUTURE]
            case.events += 1
            case.flagged += not INFORMATIONAL.issuperset(flags)
            if at_us is not None:
                case.first_us = at_us if case.first_us is None else min(case.first_us, at_us)
                case.last_us = at_us if case.last_us is None else max(case.last_us, at_us)
            events.append(
                (
                    case.source,
                    case.index,
                    data["ordinal"],
                    act.index,
                    at_us,
                    storable(data.get("activity")),
                    storable(data.get("lifecycle")),
                    data.get("resource"),
                    " ".join(flags),
                )
            )
    _write_cases(connection, list(cases.values()))
    write_rows(
        connection,
        "INSERT INTO imported_dates SELECT * FROM unnest(%b::text[], %b::text[], %b::bigint[], %b::bigint[])"
        " ON CONFLICT (source, name, case_index) DO UPDATE SET us = excluded.us",
        [(*key, us) for key, us in dates.items()],
    )
    columns = "source case_index ordinal leaf_index at_us activity lifecycle resource flags"
    copy_rows(connection, "imported_events", columns, events)


def _known(connection: Connection, streams: Sequence[str]) -> dict[str, _Case]:
    rows = connection.execute(
        "SELECT source, case_index, stream, case_no, flags FROM imported_cases WHERE stream = ANY(%s)", (streams,)
    )
    known = {}
    for source, index, stream, case_no, text in rows:
        flags = {*text.split()}
        known[stream] = _Case(
            source,
            index,
            stream,
            is_new=False,
            case_no=case_no,
            known_flags=flags,
            is_strange=not INFORMATIONAL.issuperset(flags),
        )
    return known


def _write_cases(connection: Connection, cases: Sequence[_Case]) -> None:
    rows = [
        (
            case.source,
            case.index,
            case.stream,
            case.case_no,
            case.first_us,
            case.last_us,
            case.events,
            case.flagged,
            " ".join(case.flags),
            orjson.dumps(storable(case.attributes)).decode(),
        )
        for case in cases
    ]
    columns = "source case_index stream case_no first_us last_us events flagged flags attributes"
    new = [row for row, case in zip(rows, cases, strict=True) if case.is_new]
    copy_rows(connection, "imported_cases", columns, new)
    write_rows(
        connection,
        "UPDATE imported_cases c SET case_no = coalesce(c.case_no, u.case_no),"
        " first_us = least(c.first_us, u.first_us), last_us = greatest(c.last_us, u.last_us),"
        " events = c.events + u.events, flagged = c.flagged + u.flagged,"
        " flags = btrim(c.flags || ' ' || u.flags), attributes = c.attributes || u.attributes::jsonb"
        " FROM unnest(%b::text[], %b::bigint[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[],"
        " %b::bigint[], %b::bigint[], %b::text[], %b::text[]) AS u"
        " (source, case_index, stream, case_no, first_us, last_us, events, flagged, flags, attributes)"
        " WHERE c.source = u.source AND c.case_index = u.case_index",
        [row for row, case in zip(rows, cases, strict=True) if not case.is_new],
    )


def _apply_imports(connection: Connection, acts: Sequence[Act]) -> None:
    for act in acts:
        data = act.said.data
        started = act.said.type == "import.started.v1"
        if not started and act.said.type != "import.finished.v1":
            continue
        connection.execute(
            "INSERT INTO imports VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (source, sha256) DO UPDATE SET"
            " started_index = coalesce(imports.started_index, excluded.started_index),"
            " finished_index = coalesce(imports.finished_index, excluded.finished_index),"
            " added = coalesce(imports.added, excluded.added),"
            " flagged = coalesce(imports.flagged, excluded.flagged)",
            (
                data["source"],
                data["sha256"],
                data["bytes"],
                data["cases"],
                data["events"],
                act.index if started else None,
                None if started else act.index,
                data.get("added"),
                data.get("flagged"),
            ),
        )


# ── Figures ────────────────────────────────────────────────────────────────────────────────────────────────


def sources(connection: Connection) -> list[str]:
    """The names of all imported sources."""
    rows = connection.execute(
        "SELECT source FROM projections.imports UNION SELECT source FROM projections.imported_cases ORDER BY 1"
    )
    return [name for (name,) in rows]


def activities(connection: Connection, source: str) -> list[str]:
    """The names of what is done in a source's cases, sorted."""
    rows = connection.execute(
        "SELECT DISTINCT activity FROM projections.imported_events WHERE source = %s AND activity <> '' ORDER BY 1",
        (source,),
    )
    return [name for (name,) in rows]


def imports(connection: Connection, source: str) -> list[dict[str, Any]]:
    """The files of a source, in the order in which they came; an unfinished one has no ``finished_index``."""
    return _dicts(
        connection,
        "SELECT sha256, bytes, cases, events, added, flagged, started_index, finished_index"
        " FROM projections.imports WHERE source = %s ORDER BY coalesce(started_index, finished_index)",
        (source,),
    )


def totals(connection: Connection, source: str) -> dict[str, Any]:
    """``{"cases", "events", "activities", "resources", "flagged", "first", "last"}`` of a source (or NotFound)."""
    row = connection.execute(
        "SELECT * FROM (SELECT count(*), coalesce(sum(events), 0)::bigint, coalesce(sum(flagged), 0)::bigint,"
        "   min(first_us), max(last_us) FROM projections.imported_cases WHERE source = %(source)s) AS c,"
        " (SELECT count(DISTINCT nullif(activity, '')), count(DISTINCT resource)"
        "   FROM projections.imported_events WHERE source = %(source)s) AS e",
        {"source": source},
    ).fetchone()
    assert row is not None
    cases, events, flagged, first_us, last_us, activities, resources = row
    _check_found(connection, source, cases)
    return {
        "cases": cases,
        "events": events,
        "activities": activities,
        "resources": resources,
        "flagged": flagged,
        "first": None if first_us is None else instant_text(first_us),
        "last": None if last_us is None else instant_text(last_us),
    }


def throughput(connection: Connection, source: str, *, top: int = 5) -> Throughput:
    """``metrics.throughput`` of a source's cases, read once in the order of their events."""
    # A case without events is a case: it comes as one row with the ordinal −1.
    query = (
        "SELECT case_index, ordinal, leaf_index, activity, at_us, resource"
        " FROM projections.imported_events WHERE source = %(source)s"
        " UNION ALL SELECT case_index, -1, -1, NULL, NULL, NULL"
        " FROM projections.imported_cases WHERE source = %(source)s AND events = 0"
        " ORDER BY case_index, ordinal, leaf_index"
    )

    def cases(rows: Iterator[tuple[Any, ...]]) -> Iterator[Iterator[Event]]:
        for _, events in groupby(rows, key=itemgetter(0)):
            yield ((activity or "", at, by) for _, ordinal, _, activity, at, by in events if ordinal >= 0)

    with _streamed(connection, query, {"source": source}) as rows:
        found = metrics.throughput(cases(rows), top=top)
    _check_found(connection, source, found.cases)
    return found


def deadlines(
    connection: Connection,
    source: str,
    start_attr: str = START,
    deadline_attr: str = DEADLINE,
    end_attr: str = END,
    *,
    at_us: int | None = None,
) -> Deadlines:
    """``metrics.deadlines`` over the dates that the source names so."""
    with _terms(connection, source, start_attr, deadline_attr, end_attr) as terms:
        found = metrics.deadlines(terms, at_us=at_us)
    _check_found(connection, source, found.closed + found.open)
    return found


def backtest(
    connection: Connection,
    source: str,
    rules: CardRules,
    start_attr: str = START,
    deadline_attr: str = DEADLINE,
    end_attr: str = END,
) -> Backtest:
    """``metrics.backtest`` of a rule file over a source; its cards name the cases by their streams."""
    with _terms(connection, source, start_attr, deadline_attr, end_attr) as terms:
        found = metrics.backtest(terms, rules=rules)
    _check_found(connection, source, found.green + found.yellow + found.red + found.open + found.unmeasured)
    return found


def as_of(connection: Connection, source: str, at_us: int) -> AsOf:
    """``metrics.as_of`` of a source at a moment of claimed time."""
    query = "SELECT first_us, last_us, 0 FROM projections.imported_cases WHERE source = %s ORDER BY case_index"
    row = connection.execute(
        "SELECT count(*) FROM projections.imported_events WHERE source = %s AND at_us <= %s", (source, at_us)
    ).fetchone()
    assert row is not None
    with _streamed(connection, query, (source,)) as spans:
        # The events are counted by the database, all cases at once: their sum is all that is asked for.
        found = metrics.as_of(chain(spans, [(None, None, row[0])]), at_us=at_us)
    if not found.started:
        _check_found(connection, source, _count_cases(connection, source))
    return found


def measured(connection: Connection, source: str) -> Iterator[tuple[str, int, int, int]]:
    """``(stream, start, deadline, end)`` (claimed, µs) of the closed cases whose deadline is after their start.

    In the order of the log; NotFound when there is no such source.
    """
    query = (
        "SELECT c.stream, s.us, d.us, e.us FROM projections.imported_cases c"
        " JOIN projections.imported_dates s ON (s.source, s.name, s.case_index) = (c.source, %(start)s, c.case_index)"
        " JOIN projections.imported_dates d ON (d.source, d.name, d.case_index) = (c.source, %(due)s, c.case_index)"
        " JOIN projections.imported_dates e ON (e.source, e.name, e.case_index) = (c.source, %(end)s, c.case_index)"
        " WHERE c.source = %(source)s AND d.us > s.us ORDER BY c.case_index"
    )
    _check_found(connection, source, _count_cases(connection, source))
    return iter(connection.execute(query, {"source": source, "start": START, "due": DEADLINE, "end": END}))


@contextmanager
def _terms(connection: Connection, source: str, start: str, deadline: str, end: str) -> Iterator[Iterator[Term]]:
    query = sql.SQL(
        "SELECT c.stream, s.us, d.us, e.us FROM projections.imported_cases c {}"
        " WHERE c.source = %(source)s ORDER BY c.case_index"
    ).format(sql.SQL(_WITH_DATES))
    values = {"source": source, "start": start, "due": deadline, "end": end}
    with _streamed(connection, query, values) as rows:
        yield rows


@contextmanager
def _streamed(connection: Connection, query: str | sql.Composed, values: Any) -> Iterator[Iterator[Any]]:
    """The rows of one statement through a cursor in the server: memory stays small whatever the source holds."""
    with connection.transaction(), connection.cursor(name="figures") as cursor:
        cursor.itersize = _FETCH
        cursor.execute(query.encode() if isinstance(query, str) else query, values, binary=True)
        yield iter(cursor)


# ── Lists ──────────────────────────────────────────────────────────────────────────────────────────────────


def case_list(
    connection: Connection,
    source: str,
    *,
    limit: int = 50,
    offset: int = 0,
    state: str | None = None,
    late: bool | None = None,
    activity: str | None = None,
    flagged: bool | None = None,
    at_us: int | None = None,
    start_attr: str = START,
    deadline_attr: str = DEADLINE,
    end_attr: str = END,
) -> dict[str, Any]:
    """``{"n", "cases": [...]}``: a page of the cases that match, in the order of the log; ``n`` counts all of them.

    ``state`` is ``open`` or ``closed``. Without ``at_us`` a case is closed when its source names an end. With it,
    the list is as of that claimed time: cases begun by then, counted with their events by then, closed when their
    last event was by then (as ``as_of`` counts). ``late``: closed after the deadline, or open and past it (past it at
    ``at_us``; without a moment to measure by, open cases are not late).
    """
    closed = "e.us IS NOT NULL" if at_us is None else "coalesce(c.last_us <= %(at)s, false)"
    is_late = "coalesce(e.us > d.us, false)"
    if at_us is not None:
        is_late = "coalesce(d.us < least(e.us, %(at)s), false)"
    wanted = ["c.source = %(source)s"]
    if at_us is not None:
        wanted.append("c.first_us <= %(at)s")
    if state is not None:
        wanted.append(closed if state == "closed" else f"NOT ({closed})")
    if late is not None:
        wanted.append(is_late if late else f"NOT ({is_late})")
    if flagged is not None:
        wanted.append("c.flagged > 0" if flagged else "c.flagged = 0")
    if activity is not None:
        by_then = "" if at_us is None else " AND v.at_us <= %(at)s"
        wanted.append(
            "EXISTS (SELECT FROM projections.imported_events v WHERE (v.source, v.case_index) ="
            f" (c.source, c.case_index) AND v.activity = %(activity)s{by_then})"
        )
    events = "c.events"
    if at_us is not None:
        events = (
            "(SELECT count(*) FROM projections.imported_events v WHERE (v.source, v.case_index) ="
            " (c.source, c.case_index) AND v.at_us <= %(at)s)"
        )
    matching = sql.SQL("FROM projections.imported_cases c" + _WITH_DATES + " WHERE {}").format(
        sql.SQL(" AND ").join(map(sql.SQL, wanted))
    )
    columns = sql.SQL(
        "SELECT c.case_index, c.stream, c.case_no, c.first_us, c.last_us, {} AS events, c.flagged, c.flags,"
        " s.us AS start_us, d.us AS deadline_us, e.us AS end_us, {} AS closed, {} AS late "
    ).format(sql.SQL(events), sql.SQL(closed), sql.SQL(is_late))
    values = {
        "source": source,
        "at": at_us,
        "activity": activity,
        "start": start_attr,
        "due": deadline_attr,
        "end": end_attr,
        "limit": limit,
        "offset": offset,
    }
    row = connection.execute(sql.SQL("SELECT count(*) ") + matching, values).fetchone()
    assert row is not None
    if not row[0]:
        _check_found(connection, source, _count_cases(connection, source))
    page = sql.SQL(" ORDER BY c.case_index LIMIT %(limit)s OFFSET %(offset)s")
    return {"n": row[0], "cases": [_named(found) for found in _dicts(connection, columns + matching + page, values)]}


def case_events(
    connection: Connection, stream: str, *, position: int | None = None, at_us: int | None = None
) -> list[dict[str, Any]]:
    """A case's events in the file's order: those among the first ``position`` leaves, and by ``at_us`` of claimed time.

    With ``at_us``, events without a time are left out: when they happened is not known.
    """
    rows = _dicts(
        connection,
        "SELECT e.ordinal, e.leaf_index, e.at_us, e.activity, e.lifecycle, e.resource, e.flags"
        " FROM projections.imported_cases c JOIN projections.imported_events e USING (source, case_index)"
        " WHERE c.stream = %(stream)s AND (%(position)s::bigint IS NULL OR e.leaf_index < %(position)s)"
        " AND (%(at)s::bigint IS NULL OR e.at_us <= %(at)s) ORDER BY e.ordinal, e.leaf_index",
        {"stream": stream, "position": position, "at": at_us},
    )
    return [_named(row) for row in rows]


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"flags": row["flags"].split()}


def _dicts(connection: Connection, query: str | sql.Composed, values: Any) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(query.encode() if isinstance(query, str) else query, values)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor]


def _count_cases(connection: Connection, source: str) -> int:
    row = connection.execute("SELECT count(*) FROM projections.imported_cases WHERE source = %s", (source,)).fetchone()
    assert row is not None
    return int(row[0])


def _check_found(connection: Connection, source: str, cases: int) -> None:
    if not cases and source not in sources(connection):
        raise _no_source(connection, source)


def _no_source(connection: Connection, source: str) -> NotFound:
    known = ", ".join(sources(connection))
    return NotFound(
        f"nothing was imported under the name {source}",
        code="no-source",
        mend=f"imported sources: {known}" if known else "mingjian import xes|csv FILE --source NAME",
        source=source,
    )
