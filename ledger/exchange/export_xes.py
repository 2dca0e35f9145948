"""A source's cases as an event log (XES), equal to what came in: every case, event, attribute and spelling of a time.

Promise: each statement is checked against the signed tree, and each case's chain of statements has no gap, before a
line of it is written; the file is there whole or not at all, and never in the place of another; memory does not grow
with the log. Sealed values are opened from the vault: this is for who owns the data folder, or holds the right that
the caller checks. Of what was erased the file says so: a person is ``erased PSEUDONYM``, and a record whose other
attributes are gone has the attribute ``mingjian:erased``: ``rest by 4711``, where entry 4711 is the statement that
erased them; ``rest`` alone is gone without one.

Cases come in the order in which they were recorded, which is the file's; those of several files follow one another,
and what a later file added to a case stands in it. The header is that of the first file that was finished.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from ledger.store.walking import count_streams, read_page, walk_streams
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
    return export_cases(
        hall,
        path,
        lambda walk: write_xes(path, records=walk.records(), header=walk.header()),
        source=source,
        progress=progress,
    )


def export_cases(
    hall: Hall, path: Path, write: Callable[[Walk], object], *, source: str, progress: Progress = lambda *_: None
) -> Exported:
    """Have ``write`` make the new file ``path`` of a source's cases, in its own format."""
    check_source(source)
    if path.exists():
        raise Refused(f"{path} is there already", code="file-exists", mend="name a new file")
    checkpoint = hall.publisher.checkpoint()
    if checkpoint is None:
        raise Unavailable("nothing is published yet", code="no-checkpoint", mend="try again in a moment")
    walk = Walk(hall, source, checkpoint, progress)
    write(walk)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return Exported(walk.cases, walk.events, walk.erased, sha256)


class Walk:
    """One walk over a source's streams in the order of their first leaves."""

    def __init__(self, hall: Hall, source: str, checkpoint: Checkpoint, progress: Progress) -> None:
        self._hall, self._source, self._checkpoint, self._progress = hall, source, checkpoint, progress
        self._kind = f"imported/{source}"
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
        by = {name: index for part in parts for name, index in part.erased_by.items()}
        gone = sorted({name for part in parts for name in part.erased})
        self.erased += bool(gone)
        if len(parts) == 1 and not gone:
            return record
        attributes = [attribute for part in parts for attribute in part.record.attributes]
        if gone:
            attributes.append(Attribute(ERASED, "string", _named(gone, by)))
        return replace(record, attributes=tuple(attributes))

    # ---------------------------------------------------------------------------------------------- from the log

    def _groups(self) -> Iterator[list[tuple[str, int]]]:
        """The streams with their numbers of statements, as many at a time as a page holds, or one."""
        group: list[tuple[str, int]] = []
        rows = 0
        for stream, count in walk_streams(self._hall.database, self._kind, size=self._checkpoint.size, page=PAGE):
            if group and rows + count > PAGE:
                yield group
                group, rows = [], 0
            group.append((stream, count))
            rows += count
        if group:
            yield group

    def _count(self) -> int:
        count = count_streams(self._hall.database, self._kind)
        if not count and not self._hall.reader.stream(f"import/{self._source}"):
            raise NotFound(
                f"nothing was imported under the name {self._source}",
                code="no-source",
                mend="mingjian import xes|csv FILE --source NAME",
            )
        return count

    def _parts(self, streams: Sequence[str]) -> Iterator[tuple[Statement, Told]]:
        """The statements of ``streams``, each checked, with the records they state; stream by stream, by seq."""
        after = (0, 0)
        expected = {stream: 1 for stream in streams}
        while steps := read_page(self._hall.database, streams, size=self._checkpoint.size, after=after, limit=PAGE):
            after = steps[-1].place, steps[-1].seq
            acts: list[Statement] = []
            for one in self._hall.reader.verified([step.index for step in steps], self._checkpoint):
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
            valid = [act for act, step in zip(acts, steps, strict=True) if not step.voided]
            yield from zip(valid, open_records(self._hall, valid), strict=True)


def _named(gone: Sequence[str], by: Mapping[str, int]) -> str:
    return " ".join(f"{name} by {by[name]}" if name in by else name for name in gone)
