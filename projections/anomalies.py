"""What an imported source gives the anomaly detectors to read, and the rows that they find, with case and evidence.

Promise: rows come from ``ledger.facts.anomalies`` and from nowhere else; here is only what it is fed with, streamed
from ``imported_events`` in the order of its key and, once, sorted by actor. Evidence is statement ids.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from ledger.exchange.xes import Flag
from ledger.facts.anomalies import Anomaly, Order, find_anomalies
from ledger.facts.anomalies.found import Seen, Stroke
from ledger.store.database import Connection
from ledger.store.reading import read_ids
from projections.imported import totals

_FETCH: Final = 5000
_DAY_US: Final = 86_400_000_000
_QUARTER_US: Final = 900_000_000  # zones differ from UTC by whole quarters of an hour
_TWENTIETH: Final = 20
_SEASONS: Final = 2  # local midnight has two places in a day of UTC, one in summer and one in winter


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
    found = find_anomalies(source_log(connection, source), order=order)
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
