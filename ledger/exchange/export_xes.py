"""A source's cases as an event log (XES), equal to what came in: every case, event, attribute and spelling of a time.

Promise: each statement is checked against the signed tree, and each case's chain of statements has no gap, before a
line of it is written; the file is there whole or not at all, and never in the place of another; memory does not grow
with the log. Sealed values are opened from the vault: this is for who owns the data folder, or holds the right that
the caller checks. Of what was erased the file says so: a person is ``erased PSEUDONYM``, and a record whose other
attributes are gone has the attribute ``mingjian:erased``.

Cases come in the order in which they were recorded, which is the file's; those of several files follow one another,
and what a later file added to a case stands in it. The header is that of the first file that was finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from ledger.door.hall import Hall
from ledger.errors import Evidence, NotFound, Refused, Unavailable
from ledger.exchange.importer import check_source
from ledger.exchange.records import CASE_TYPE, Told, open_records
from ledger.exchange.xes import Attribute, CaseRecord, Record
from ledger.exchange.xes_writer import write_xes
from ledger.statement import Statement, open_statement
from ledger.tree.checkpoint import Checkpoint

PAGE: Final = 2000
ERASED: Final = "mingjian:erased"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: ``cases`` by name, ``events``, ``erased`` records, and the file's SHA-256."""

    cases: int
    events: int
    erased: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """``{"cases", "events", "erased", "sha256"}``."""
        return {"cases": self.cases, "events": self.events, "erased": self.erased, "sha256": self.sha256}


def export_xes(hall: Hall, path: Path, *, source: str, progress: Progress = lambda *_: None) -> Exported:
    """Write the cases of ``source``, as the published log holds them, to a new file (gzip when it ends in ``.gz``)."""
    check_source(source)
    if path.exists():
        raise Refused(f"{path} is there already", code="file-exists", mend="name a new file")
    checkpoint = hall.publisher.checkpoint()
    if checkpoint is None:
        raise Unavailable("nothing is published yet", code="no-checkpoint", mend="try again in a moment")
    export = _Export(hall, source, checkpoint, progress)
    write_xes(path, records=export.records(), header=export.header())
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Exported(export.cases, export.events, export.erased, sha256)


class _Export:
    """One walk over a source's streams in the order of their first leaves."""

    def __init__(self, hall: Hall, source: str, checkpoint: Checkpoint, progress: Progress) -> None:
        self._hall, self._source, self._checkpoint, self._progress = hall, source, checkpoint, progress
        self.cases = self.events = self.erased = 0

    def header(self) -> dict[str, Any] | None:
        """What the first finished file said before its cases."""
        rows = self._hall.reader.stream(f"import/{self._source}")
        for act in (open_statement(entry) for _, _, entry in rows):
            if act.type == "import.finished.v1":
                for disclosure in self._hall.vault.open(act.sd).values():
                    return dict(disclosure.value)
        return None

    def records(self) -> Iterator[Record]:
        """Case records, each before its events."""
        total = self._count()
        for group in self._groups():
            streams = [stream for stream, _ in group]
            if len(group) == 1 and group[0][1] > PAGE:
                # Too long to keep: once for what is said of the case, which a trace begins with, once for its events.
                cases = [part for part in self._parts(streams) if part[0].type == CASE_TYPE]
                yield from self._case(streams[0], self._parts(streams), cases)
            else:
                for stream, found in groupby(self._parts(streams), key=lambda part: part[0].stream):
                    parts = list(found)
                    yield from self._case(stream, parts, [part for part in parts if part[0].type == CASE_TYPE])
            self._progress("exporting", self.cases, total)

    def _case(
        self, stream: str, parts: Iterable[tuple[Statement, Told]], cases: Sequence[tuple[Statement, Told]]
    ) -> Iterator[Record]:
        self.cases += 1
        case_id: str | None = None
        for act, told in parts:
            record = told.record
            if isinstance(record, CaseRecord):
                # What a later file added to a trace was written with it.
                if "+" not in act.request:
                    later = [one for other, one in cases if other.request.startswith(f"{act.request}+")]
                    case_id = record.case_id
                    yield self._whole(record, [told, *later])
                continue
            if case_id is None:
                case_id = stream.rpartition("/")[2]
                yield CaseRecord(case_id, 0, ())
            self.events += 1
            yield self._whole(replace(record, case_id=case_id), [told])

    def _whole(self, record: Record, parts: Sequence[Told]) -> Record:
        """The record with the attributes of all its parts, marked where some of it was erased."""
        gone = sorted({name for part in parts for name in part.erased})
        self.erased += bool(gone)
        if len(parts) == 1 and not gone:
            return record
        attributes = [attribute for part in parts for attribute in part.record.attributes]
        if gone:
            attributes.append(Attribute(ERASED, "string", " ".join(gone)))
        return replace(record, attributes=tuple(attributes))

    # ---------------------------------------------------------------------------------------------- from the log

    def _groups(self) -> Iterator[list[tuple[str, int]]]:
        """The streams with their numbers of statements, as many at a time as a page holds, or one."""
        query = (
            "SELECT s.stream, (SELECT max(seq) FROM ledger.statements m WHERE m.stream = s.stream)"
            " FROM ledger.statements s JOIN ledger.leaves l USING (insertion_id)"
            " WHERE s.stream > %s AND s.stream < %s AND s.seq = 1 AND l.index < %s ORDER BY l.index"
        )
        group: list[tuple[str, int]] = []
        rows = 0
        with (
            self._hall.database.use("reader") as connection,
            connection.transaction(),
            connection.cursor(name="cases") as cursor,
        ):
            cursor.itersize = PAGE
            cursor.execute(query, (*self._range(), self._checkpoint.size))
            for stream, count in cursor:
                if group and rows + count > PAGE:
                    yield group
                    group, rows = [], 0
                group.append((stream, count))
                rows += count
        if group:
            yield group

    def _count(self) -> int:
        with self._hall.database.use("reader") as connection:
            row = connection.execute(
                "SELECT count(*) FROM ledger.statements WHERE stream > %s AND stream < %s AND seq = 1", self._range()
            ).fetchone()
        assert row is not None
        if not row[0] and not self._hall.reader.stream(f"import/{self._source}"):
            raise NotFound(
                f"nothing was imported under the name {self._source}",
                code="no-source",
                mend="mingjian import xes FILE --source NAME",
            )
        return int(row[0])

    def _range(self) -> tuple[str, str]:
        return f"imported/{self._source}/", f"imported/{self._source}0"  # 0 comes behind /

    def _parts(self, streams: Sequence[str]) -> Iterator[tuple[Statement, Told]]:
        """The statements of ``streams``, each checked, with the records they state; stream by stream, by seq."""
        after = (0, 0)
        expected = {stream: 1 for stream in streams}
        while rows := self._page(streams, after):
            after = rows[-1][0], rows[-1][1]
            acts: list[Statement] = []
            for one in self._hall.reader.verified([index for _, _, index, _ in rows], self._checkpoint):
                act = open_statement(one.entry)
                if expected.get(act.stream) != act.seq:
                    raise Evidence(
                        f"entry {one.index} is statement {act.seq} of {act.stream}, where"
                        f" {expected.get(act.stream)} should stand",
                        code="stream-gap",
                        entry=one.index,
                        stream=act.stream,
                    )
                expected[act.stream] += 1
                acts.append(act)
            valid = [act for act, row in zip(acts, rows, strict=True) if not row[3]]
            yield from zip(valid, open_records(self._hall, valid), strict=True)

    def _page(self, streams: Sequence[str], after: tuple[int, int]) -> list[tuple[int, int, int, bool]]:
        """Place in ``streams``, seq, leaf index and whether voided, of the next statements."""
        with self._hall.database.use("reader") as connection:
            return connection.execute(
                # The limits make it look up each stream and leaf by an index, whatever the planner thinks of the
                # tables: reading them whole for each page would take an hour where this takes a minute.
                "SELECT n.place, s.seq, l.index, EXISTS (SELECT FROM ledger.voided v WHERE v.id = s.id)"
                " FROM unnest(%(streams)s::text[]) WITH ORDINALITY AS n (stream, place)"
                " CROSS JOIN LATERAL (SELECT id, seq, insertion_id FROM ledger.statements WHERE stream = n.stream"
                "   AND seq > CASE n.place WHEN %(place)s THEN %(seq)s ELSE 0 END ORDER BY seq LIMIT %(page)s) AS s"
                " CROSS JOIN LATERAL (SELECT index FROM ledger.leaves WHERE insertion_id = s.insertion_id LIMIT 1) AS l"
                " WHERE n.place >= %(place)s AND l.index < %(size)s ORDER BY n.place, s.seq LIMIT %(page)s",
                {
                    "streams": list(streams),
                    "size": self._checkpoint.size,
                    "place": after[0],
                    "seq": after[1],
                    "page": PAGE,
                },
            ).fetchall()
