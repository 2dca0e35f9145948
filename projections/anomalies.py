"""What the anomaly detectors are given to read, the rows that they find, and what supervisors made of them.

Promise: rows come from ``ledger.facts.anomalies`` and from nowhere else; here is only what it is fed with: of an
imported source ``imported_events``, streamed in the order of its key and, once, sorted by actor; of the live log what
``live_log`` reads. Evidence is statement ids.

``anomaly_flags`` are the rows of the last run over the live log, for pages that cannot wait for one. They follow from
the log up to ``anomaly_run.position`` and from nothing else, but are not folded act by act: whoever shows them says how
old they are. A rebuild leaves them empty until the next run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from ledger.exchange.xes import Flag
from ledger.facts.anomalies import Anomaly, Order, find_anomalies
from ledger.facts.anomalies.found import Run, Seen, Stroke
from ledger.facts.anomalies.live_run import find_live
from ledger.facts.types import verb_of
from ledger.store.database import Connection
from ledger.store.reading import read_ids
from projections.chunk import Chunk, copy_rows, named
from projections.imported import totals
from projections.live_log import LiveRows, streams_at

DDL: Final = """
CREATE TABLE anomaly_triage (
    leaf_index  bigint NOT NULL PRIMARY KEY,
    stream      text   COLLATE "C" NOT NULL,      -- anomaly/DIGEST of kind, case and evidence
    stage       text   COLLATE "C" NOT NULL,      -- confirmed or dismissed
    kind        text   COLLATE "C" NOT NULL,
    version     bigint NOT NULL,                  -- of the detector
    case_stream text   COLLATE "C" NOT NULL,
    actor       text   COLLATE "C" NOT NULL,
    recorded_us bigint NOT NULL
);
CREATE INDEX ON anomaly_triage (stream, leaf_index);
CREATE TABLE anomaly_flags (
    place       bigint NOT NULL PRIMARY KEY,      -- from 1, the oddest first
    case_stream text   COLLATE "C" NOT NULL,
    kind        text   COLLATE "C" NOT NULL,
    score       double precision NOT NULL,
    base_rate   double precision NOT NULL,
    evidence    text[] COLLATE "C" NOT NULL,      -- statement ids, hex
    triage      text   COLLATE "C" NOT NULL,      -- the stream in which it is judged
    zh          text   NOT NULL,
    en          text   NOT NULL
);
CREATE TABLE anomaly_run (
    one         boolean PRIMARY KEY DEFAULT true CHECK (one),
    position    bigint  NOT NULL,                 -- leaves that were looked at
    recorded_us bigint  NOT NULL,                 -- recorded time of the last
    found       bigint  NOT NULL                  -- rows in all; the first of them are kept
);
"""

# The flags are not here: they are of the last run, and no fold of the log.
TABLES: Final = {"anomaly_triage": "leaf_index"}

_FETCH: Final = 5000
_DAY_US: Final = 86_400_000_000
_QUARTER_US: Final = 900_000_000  # zones differ from UTC by whole quarters of an hour
_TWENTIETH: Final = 20
_SEASONS: Final = 2  # local midnight has two places in a day of UTC, one in summer and one in winter


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in what supervisors made of anomalies."""
    acts = chunk.of("anomaly")
    if acts:
        copy_rows(
            connection,
            "anomaly_triage",
            "leaf_index stream stage kind version case_stream actor recorded_us",
            [
                (
                    act.index,
                    act.said.stream,
                    verb_of(act.said.type),
                    act.said.data["kind"],
                    act.said.data["version"],
                    act.said.data["case"],
                    act.said.actor,
                    act.recorded_us,
                )
                for act in acts
            ],
        )


# ── An imported source ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class SourceLog:
    """A source's log for the detectors; each reading is a statement of its own, so hold it in one snapshot."""

    connection: Connection
    source: str
    midnights: frozenset[int]

    def cases(self) -> Iterator[tuple[int, Sequence[Seen]]]:
        """Each case with its events in the file's order."""
        query = (
            "SELECT case_index, leaf_index, at_us, activity, resource, flags FROM projections.imported_events"
            " WHERE source = %s ORDER BY case_index, ordinal, leaf_index"
        )
        for case, rows in groupby(self._rows(query), key=itemgetter(0)):
            yield (
                case,
                [
                    Seen(leaf, at_us, activity or "", resource, self._coarse(at_us, flags), Flag.FUTURE in flags)
                    for _, leaf, at_us, activity, resource, text in rows
                    for flags in (text.split(),)
                ],
            )

    def strokes(self) -> Iterator[Stroke]:
        """Each event with an actor and a time of day, by activity, actor and time."""
        query = (
            "SELECT activity, resource, at_us, case_index, leaf_index, flags FROM projections.imported_events"
            " WHERE source = %s AND activity <> '' AND resource IS NOT NULL AND at_us IS NOT NULL"
            " ORDER BY activity, resource, at_us, leaf_index"
        )
        for activity, resource, at_us, case, leaf, flags in self._rows(query):
            if not self._coarse(at_us, flags.split()):
                yield Stroke(activity, resource, at_us, case, leaf)

    def runs(self) -> Iterator[Run]:
        """Cases with a start, a deadline and an end; whose they are says their last event."""
        query = (
            "SELECT DISTINCT ON (s.case_index) s.case_index, e.resource, s.us, d.us, n.us, e.leaf_index"
            " FROM projections.imported_dates s JOIN projections.imported_dates d"
            " ON (d.source, d.name, d.case_index) = (s.source, 'deadline', s.case_index)"
            " JOIN projections.imported_dates n"
            " ON (n.source, n.name, n.case_index) = (s.source, 'enddate', s.case_index)"
            " JOIN projections.imported_events e ON (e.source, e.case_index) = (s.source, s.case_index)"
            " WHERE s.source = %s AND s.name = 'startdate' AND e.resource IS NOT NULL"
            " ORDER BY s.case_index, e.ordinal DESC, e.leaf_index DESC"
        )
        yield from (Run(*row) for row in self._rows(query))

    def _coarse(self, at_us: int | None, flags: Sequence[str]) -> bool:
        return at_us is not None and (Flag.DATE_ONLY in flags or at_us % _DAY_US in self.midnights)

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        with self.connection.cursor(name="anomalies") as cursor:
            cursor.itersize = _FETCH
            cursor.execute(query.encode(), (self.source,), binary=True)
            yield from cursor


def source_log(connection: Connection, source: str) -> SourceLog:
    """The log of ``source`` (NotFound when there is none), inside the caller's transaction.

    Some systems write a day as its local midnight in UTC. One or two times of day that each hold over a twentieth of
    all events, on a whole quarter of an hour, are such midnights.
    """
    totals(connection, source)
    rows = connection.execute(
        "SELECT mod(mod(at_us, %(day)s) + %(day)s, %(day)s) FROM projections.imported_events"
        " WHERE source = %(source)s AND at_us IS NOT NULL AND mod(at_us, %(quarter)s) = 0 GROUP BY 1"
        " HAVING count(*) * %(twentieth)s > (SELECT count(*) FROM projections.imported_events"
        "   WHERE source = %(source)s AND at_us IS NOT NULL) LIMIT 3",
        {"day": _DAY_US, "source": source, "quarter": _QUARTER_US, "twentieth": _TWENTIETH},
    ).fetchall()
    times = [time for (time,) in rows]
    return SourceLog(connection, source, frozenset(times if len(times) <= _SEASONS else ()))


def ranked(
    connection: Connection, source: str, *, order: Order | None = None, limit: int | None = None
) -> list[Anomaly]:
    """The anomalies of a source, the highest score first, with all that tie with the last one within ``limit``."""
    return _with_ties(find_anomalies(source_log(connection, source), order=order), limit)


def _with_ties(found: list[Anomaly], limit: int | None) -> list[Anomaly]:
    if limit is None or len(found) <= limit:
        return found
    return [anomaly for anomaly in found if anomaly.score >= found[limit - 1].score]


def streams_of(connection: Connection, source: str, cases: Sequence[int]) -> dict[int, str]:
    """The streams of a source's cases, by their index."""
    rows = connection.execute(
        "SELECT case_index, stream FROM projections.imported_cases WHERE source = %s AND case_index = ANY(%s)",
        (source, sorted(set(cases))),
    )
    return dict(rows.fetchall())


def statement_ids(connection: Connection, leaves: Sequence[int]) -> dict[int, str]:
    """The ids (hex) of the statements at those leaves."""
    return {index: id_.hex() for index, id_ in read_ids(connection, sorted(set(leaves))).items()}


# ── The live log ───────────────────────────────────────────────────────────────────────────────────────────


def ranked_live(
    connection: Connection, position: int, recorded_us: int, *, order: Order | None = None, limit: int | None = None
) -> list[Anomaly]:
    """The anomalies of the live log up to ``position``, as ``ranked``. ``recorded_us``: of the last leaf before it."""
    return _with_ties(find_live(LiveRows(connection, position, recorded_us), until_us=recorded_us, order=order), limit)


def recorded_before(connection: Connection, position: int) -> int | None:
    """The recorded time of the last act on a case among the first ``position`` leaves; None: there is none."""
    row = connection.execute(
        "SELECT max(us) FROM (SELECT (SELECT recorded_us FROM projections.approval_acts WHERE leaf_index < %(position)s"
        "  ORDER BY leaf_index DESC LIMIT 1) AS us UNION ALL SELECT (SELECT recorded_us FROM projections.matter_acts"
        "  WHERE leaf_index < %(position)s ORDER BY leaf_index DESC LIMIT 1)) AS newest",
        {"position": position},
    ).fetchone()
    return None if row is None else row[0]


def live_streams(connection: Connection, leaves: Sequence[int]) -> dict[int, str]:
    """The streams that live rows speak of, by the leaf that stands for each."""
    return streams_at(connection, leaves)


def judged(connection: Connection, streams: Sequence[str], *, position: int | None = None) -> dict[str, str]:
    """Of those streams ``anomaly/…``, what was said last as of ``position`` (None: now): confirmed or dismissed."""
    rows = connection.execute(
        "SELECT DISTINCT ON (stream) stream, stage FROM projections.anomaly_triage WHERE stream = ANY(%(streams)s)"
        " AND (%(position)s::bigint IS NULL OR leaf_index < %(position)s) ORDER BY stream, leaf_index DESC",
        {"streams": list(streams), "position": position},
    )
    return dict(rows.fetchall())


def triaged(connection: Connection, *, position: int | None = None) -> list[tuple[str, int, int, int]]:
    """``(kind, version, confirmed, triaged)`` by kind and version of its detector, each anomaly as judged last."""
    return connection.execute(
        "SELECT kind, version, count(*) FILTER (WHERE stage = 'confirmed'), count(*) FROM ("
        " SELECT DISTINCT ON (stream) stream, kind, version, stage FROM projections.anomaly_triage"
        " WHERE %(position)s::bigint IS NULL OR leaf_index < %(position)s ORDER BY stream, leaf_index DESC) AS last"
        " GROUP BY kind, version ORDER BY substr(kind, 2)::int, version",
        {"position": position},
    ).fetchall()


_FLAGS: Final = "case_stream kind score base_rate evidence triage zh en"


def store(connection: Connection, position: int, recorded_us: int, found: int, rows: Sequence[Sequence[Any]]) -> None:
    """Put the rows of a run (``_FLAGS``) in the place of the last one's; as the owner, in one transaction."""
    with connection.transaction():
        connection.execute("SET LOCAL search_path = projections")
        connection.execute("DELETE FROM anomaly_flags")
        connection.execute("DELETE FROM anomaly_run")
        flags = ((place, *row) for place, row in enumerate(rows, start=1))
        copy_rows(connection, "anomaly_flags", f"place {_FLAGS}", flags)
        connection.execute(
            "INSERT INTO anomaly_run (position, recorded_us, found) VALUES (%s, %s, %s)", (position, recorded_us, found)
        )


def stored(connection: Connection, *, limit: int = 30, offset: int = 0, open_only: bool = False) -> dict[str, Any]:
    """The rows of the last run, with what was made of each since: for pages.

    ``{"position", "recorded_us", "found", "anomalies": [{"place", "case", "kind", "score", "base_rate", "evidence",
    "triage", "zh", "en", "stage"}]}``; position and recorded_us are None where nothing ran yet. ``triage``: the stream
    in which it is judged; ``stage``: confirmed, dismissed or None. ``open_only``: only what nobody has judged.
    """
    run = connection.execute("SELECT position, recorded_us, found FROM projections.anomaly_run").fetchone()
    columns = f"place {_FLAGS} stage".replace("case_stream", "case")
    rows = connection.execute(
        "SELECT f.place, f.case_stream, f.kind, f.score, f.base_rate, f.evidence, f.triage, f.zh, f.en,"
        " (SELECT t.stage FROM projections.anomaly_triage t WHERE t.stream = f.triage"
        "  ORDER BY t.leaf_index DESC LIMIT 1) AS stage FROM projections.anomaly_flags f"
        " WHERE NOT %s OR NOT EXISTS (SELECT FROM projections.anomaly_triage t WHERE t.stream = f.triage)"
        " ORDER BY f.place LIMIT %s OFFSET %s",
        (open_only, limit, offset),
    )
    position, recorded_us, found = run or (None, None, 0)
    return {"position": position, "recorded_us": recorded_us, "found": found, "anomalies": named(rows, columns)}
