"""Real logs in: every event of a file becomes a statement signed by the source's adapter, whatever its format.

Three steps. *Read*: all files are parsed whole into spools on disk, and nothing is written to the ledger: one broken
file, and nothing has happened at all. *Compare*: what the source told before must not read otherwise now; a changed
record is refused and reported, again before anything is written. *Append*: ``import.started.v1`` for a file that
brings something new, then what is new in chunks, then ``import.finished.v1`` with counts and the file's digest.
A file that brings nothing new leaves nothing in the log; a killed import shows as unfinished, and the same command
goes on where it stopped, for ``request`` is the hash of source, case and ordinal.

How a source's files fit together. The ordinal of an event is its place in its case, in the file's order, so a file
speaks of its cases from their beginnings: it may leave out whole cases, and the later part of a case (what it has must
match what is recorded), and it may go on where the record ends. A file that holds only the later events of a case
whose earlier ones came before does not match and is refused, as is one with an event put between recorded ones: both
would move places that are signed. Attributes of a case or trace may be added later (an end date, when it has ended):
they are one more ``imported.case.v1``, whose request is that of the record, ``+`` and the digest of the added names.
A changed value of a known attribute is refused, one that is missing now is not: what is recorded stays. Flags stand as
they were when the record came, and no difference in flags alone is a change. Of an erased record only what still
stands is compared, and no attribute is added to it.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol

import psycopg

from ledger.door.door import Outcome, Wish
from ledger.door.hall import Hall
from ledger.errors import Conflict, Malformed, Unavailable
from ledger.exchange.records import CASE_TYPE, Stating, Told, open_records
from ledger.exchange.xes import Attribute, CaseRecord, Flag, Record, Summary, read_spool, spool_xes
from ledger.keys import SigningKey
from ledger.statement import Statement, instant_text, open_statement
from ledger.store.recorder import request_key
from ledger.store.sequencer import now_us
from ledger.store.walking import count_streams

CHUNK: Final = 2000
_SHOWN: Final = 20
_LOCK_TIMEOUT: Final = "30s"
# The name stands in streams (``import/S``) and in the actor ``source/S``.
_SOURCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,99}", re.ASCII)

Progress = Callable[[str, int, int], None]
"""Called with what is done (``reading``, ``comparing``, ``appending``), how much of it, and of how much."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What one import did: a summary of each file, how many statements are new, and the last of them."""

    files: tuple[Summary, ...]
    added: int
    last: Outcome | None


@dataclass(frozen=True, slots=True)
class _File:
    """A file that was read whole."""

    path: Path
    spool: Path
    summary: Summary

    @property
    def records(self) -> int:
        return self.summary.traces + self.summary.events


def check_source(source: str) -> None:
    """Refuse (Malformed) a name that no source can have."""
    if _SOURCE.fullmatch(source) is None:
        raise Malformed(
            f"{source!r} cannot name a source",
            code="source",
            mend="letters, digits, - _ . and @, the first a letter or digit, 100 at most",
        )


def request_of(source: str, case_id: str, ordinal: int) -> str:
    """The request of one record: SHA-256 over source, case and ordinal, hex."""
    return hashlib.sha256(f"{source}\0{case_id}\0{ordinal}".encode()).hexdigest()


def import_xes(
    hall: Hall,
    *paths: Path,
    source: str,
    clear: Collection[str] = (),
    progress: Progress = lambda *_: None,
) -> Imported:
    """Import XES files of one source into a running ledger. The caller keeps a sequencer running."""
    return import_files(hall, *paths, source=source, read=spool_xes, says_all=True, clear=clear, progress=progress)


class Reader(Protocol):
    """Reads a file of some format whole into a spool, or refuses it."""

    def __call__(
        self, path: Path, spool_path: Path, /, *, now_us: int, progress: Callable[[int, int], None]
    ) -> Summary: ...


def import_files(
    hall: Hall,
    *paths: Path,
    source: str,
    read: Reader,
    says_all: bool,
    clear: Collection[str] = (),
    progress: Progress = lambda *_: None,
) -> Imported:
    """Import files of any format. ``says_all``: what a file's bytes mean is in them, not in how ``read`` was told to
    take them; one that was finished need not be compared again then."""
    check_source(source)
    with _alone(hall, source), _folder(hall.data / "importing" / source) as folder:
        # 1. Read. Dying here, and in step 2, has changed nothing; the next import clears the folder.
        files = [_read(read, path, folder / str(number), progress) for number, path in enumerate(paths)]
        run = _Run(hall, source, clear, progress, says_all=says_all)
        # 2. Compare all files before the first statement of any.
        fresh = [run.compare(file) for file in files]
        # 3. Append. Dying here, the file shows as unfinished; running again goes on behind the last whole chunk.
        for number, file in enumerate(files):
            if number and fresh[number]:
                # The files before it may have told some of it, or told it otherwise.
                fresh[number] = run.compare(file)
            run.append(file, fresh[number])
    return Imported(tuple(file.summary for file in files), run.added, run.last)


def _read(read: Reader, path: Path, spool: Path, progress: Progress) -> _File:
    summary = read(path, spool, now_us=now_us(), progress=lambda done, total: progress("reading", done, total))
    return _File(path, spool, summary)


@contextmanager
def _alone(hall: Hall, source: str) -> Iterator[None]:
    """While this lasts, nobody else imports into ``source``: cases are counted and compared in peace."""
    number = int.from_bytes(hashlib.sha256(f"mingjian import {source}".encode()).digest()[:8], signed=True)
    with hall.database.connect("reader") as connection:
        # A killed import's lock goes when the server notices, which is soon.
        connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'".encode())
        try:
            connection.execute("SELECT pg_advisory_lock(%s)", (number,))
        except psycopg.errors.LockNotAvailable:
            raise Unavailable(
                f"another import of {source} is running", code="import-running", mend="wait until it is done"
            ) from None
        yield


@contextmanager
def _folder(path: Path) -> Iterator[Path]:
    """A new folder for spools, which hold personal values; one that a killed import left is cleared."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True, mode=0o700)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@dataclass(slots=True)
class _Fresh:
    """What a chunk of records brings: wishes of what is new, and what reads otherwise than it is recorded."""

    wishes: list[Wish] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0


class _Run:
    """One import into one source, of which nobody else imports meanwhile."""

    def __init__(self, hall: Hall, source: str, clear: Collection[str], progress: Progress, *, says_all: bool) -> None:
        self._hall, self._source, self._progress, self._says_all = hall, source, progress, says_all
        self._at = instant_text(now_us())
        self._stating = Stating(hall.keyring.secret("names"), source=source, clear=clear, at=self._at)
        self._is_new = not self._begun()
        self._key: SigningKey | None = None
        self._cases = 0
        self._numbers: dict[str, int] = {}  # of cases that come in several traces
        self.added = 0
        self.last: Outcome | None = None

    # ------------------------------------------------------------------------------------------------ the steps

    def compare(self, file: _File) -> bool:
        """Whether the file brings anything to append. Conflict when it says otherwise what is recorded."""
        is_finished = not self._is_new and self._noted("finished", file)
        if self._is_new or (is_finished and self._says_all):
            return self._is_new
        new, changed, first, done = 0, 0, list[dict[str, Any]](), 0
        for chunk in self._chunks(file):
            new += len(chunk.wishes)
            changed += len(chunk.changed)
            first += chunk.changed[: _SHOWN - len(first)]
            done += chunk.records
            self._progress("comparing", done, file.records)
        if changed:
            raise Conflict(
                f"{file.path}: {changed} records are recorded otherwise for {self._source}, the first in line"
                f" {first[0]['line']} ({', '.join(first[0]['differs'])}); nothing of the file was written",
                code="import-changed",
                mend="what is recorded stays, and each event keeps its place in its case: events may follow the"
                " recorded ones, not come between them. Import a corrected log, or a part of one, as another source",
                file=str(file.path),
                changed=changed,
                first=first,
            )
        if is_finished and new:
            raise Conflict(
                f"{file.path} was imported already for {self._source}, and says {new} things more the way it is to be"
                " read now; nothing of it was written",
                code="import-read-otherwise",
                mend="name the same columns, zone and formats as before, or import it as another source",
                file=str(file.path),
            )
        return new > 0 or (not is_finished and self._noted("started", file))

    def append(self, file: _File, fresh: bool) -> None:
        """State what is new in the file, between the statements that say it was begun and ended."""
        if not fresh:
            return
        summary = file.summary
        identity = {
            "source": self._source,
            "sha256": summary.sha256,
            "bytes": summary.size_bytes,
            "cases": summary.cases,
            "events": summary.events,
        }
        # Said first, so that whatever happens next there is no record whose file the log does not know.
        self._note("started", file, identity)
        added, done = self.added, 0
        # One chunk is signed and stored while the next is read. Never two: they are to be placed in their order.
        with ThreadPoolExecutor(max_workers=1) as writer:
            pending: Future[None] | None = None
            for chunk in self._chunks(file):
                if pending is not None:
                    pending.result()
                pending = writer.submit(self._submit, chunk.wishes) if chunk.wishes else None
                done += chunk.records
                self._progress("appending", done, file.records)
            if pending is not None:
                pending.result()
        content = {"added": self.added - added, "flagged": summary.flagged, "header": summary.header}
        self._note("finished", file, identity | content)
        self._is_new = False

    # ---------------------------------------------------------------------------------------- what is new of it

    def _chunks(self, file: _File) -> Iterator[_Fresh]:
        self._cases = count_streams(self._hall.database, f"imported/{self._source}")
        split = file.summary.flags.get(Flag.CASE_SPLIT, 0)
        self._numbers = dict.fromkeys(_split_cases(file.spool), 0) if split else {}
        records: list[Record] = []
        for record in read_spool(file.spool):
            records.append(record)
            if len(records) == CHUNK:
                yield self._fresh(records)
                records = []
        if records:
            yield self._fresh(records)

    def _fresh(self, records: Sequence[Record]) -> _Fresh:
        requests = [request_of(self._source, record.case_id, record.ordinal) for record in records]
        known = {} if self._is_new else self._known(requests)
        fresh = _Fresh(records=len(records))
        for record, request in zip(records, requests, strict=True):
            if request not in known:
                number = self._number(record) if isinstance(record, CaseRecord) else 0
                fresh.wishes.append(self._stating.state(record, request=request, case_no=number))
                continue
            said, told = known[request]
            differs = _differs(told, record)
            if differs == ["attributes"] and isinstance(record, CaseRecord):
                grown, differs = self._grown(record, said, told)
                fresh.wishes += grown
            if differs:
                where = {"line": record.line, "ordinal": record.ordinal, "stream": said.stream, "seq": said.seq}
                fresh.changed.append(where | {"differs": differs})
        return fresh

    def _known(self, requests: Sequence[str]) -> dict[str, tuple[Statement, Told]]:
        """What the source stated under those requests."""
        keys = [request_key(f"source/{self._source}", request) for request in requests]
        acts = [open_statement(entry) for entry in self._hall.reader.requested(keys)]
        told = open_records(self._hall, acts)
        return {act.request: (act, one) for act, one in zip(acts, told, strict=True)}

    def _grown(self, record: CaseRecord, said: Statement, told: Told) -> tuple[list[Wish], list[str]]:
        """The wish that adds what a case's record did not have, or what of it differs."""
        acts = [open_statement(entry) for _, _, entry in self._hall.reader.stream(said.stream)]
        later = [act for act in acts if act.type == CASE_TYPE and act.request.startswith(f"{said.request}+")]
        parts = [told, *open_records(self._hall, later)]
        known = _by_name(attribute for part in parts for attribute in part.record.attributes)
        found = _by_name(record.attributes)
        if any(part.erased for part in parts) or any(
            known[name] != found[name] for name in known.keys() & found.keys()
        ):
            return [], ["attributes"]
        added = found.keys() - known.keys()
        if not added:
            return [], []
        digest = hashlib.sha256("\0".join(sorted(added)).encode()).hexdigest()[:32]
        recorded = {flag for part in parts for flag in part.record.flags}
        grown = replace(
            record,
            attributes=tuple(attribute for attribute in record.attributes if attribute.name in added),
            flags=tuple(flag for flag in record.flags if flag not in recorded),
        )
        number = said.data["case_no"]
        return [self._stating.state(grown, request=f"{said.request}+{digest}", case_no=number)], []

    def _number(self, record: CaseRecord) -> int:
        """The number of a case in its source; the later traces of a case have that of the first."""
        if record.ordinal and (number := self._numbers.get(record.case_id) or self._recorded_number(record.case_id)):
            return number
        self._cases += 1
        if record.case_id in self._numbers:
            self._numbers[record.case_id] = self._cases
        return self._cases

    def _recorded_number(self, case_id: str) -> int:
        rows = self._hall.reader.stream(self._stating.stream(case_id))
        return int(open_statement(rows[0][2]).data["case_no"]) if rows else 0

    # --------------------------------------------------------------------------------------------- the ledger

    def _begun(self) -> bool:
        return bool(self._hall.reader.stream(f"import/{self._source}"))

    def _submit(self, wishes: Sequence[Wish]) -> None:
        if self._key is None:
            self._key = self._hall.source_key(self._source)
        outcomes = [one for one in self._hall.door.submit_all(wishes, self._key) if not one.repeated]
        self.added += len(outcomes)
        self.last = outcomes[-1] if outcomes else self.last

    def _noted(self, step: str, file: _File) -> bool:
        return self._hall.reader.is_requested(request_key(f"source/{self._source}", f"{step}-{file.summary.sha256}"))

    def _note(self, step: str, file: _File, values: dict[str, Any]) -> None:
        wish = Wish(
            actor=f"source/{self._source}",
            role="source_adapter",
            stream=f"import/{self._source}",
            type=f"import.{step}.v1",
            at=self._at,
            request=f"{step}-{file.summary.sha256}",
            values=values,
        )
        added = self.added
        self._submit([wish])
        self.added = added  # the source's records are counted, not what we say about the file


def _split_cases(spool: Path) -> Iterator[str]:
    for record in read_spool(spool):
        if isinstance(record, CaseRecord) and record.ordinal:
            yield record.case_id


def _by_name(attributes: Iterable[Attribute]) -> dict[str, Counter[Attribute]]:
    found: dict[str, Counter[Attribute]] = {}
    for attribute in attributes:
        found.setdefault(attribute.name, Counter())[attribute] += 1
    return found


def _differs(told: Told, record: Record) -> list[str]:
    """What of ``record`` is recorded otherwise; what was erased cannot be compared."""
    known = told.record
    if isinstance(known, CaseRecord) or isinstance(record, CaseRecord):
        if type(known) is not type(record):
            return ["kind"]
        pairs: dict[str, tuple[Any, Any]] = {}
    else:
        pairs = {
            "activity": (known.activity, record.activity),
            "time": (known.at, record.at),
            "lifecycle": (known.lifecycle, record.lifecycle),
            "resource": (known.resource, record.resource),
        }
    differs = [name for name, (old, new) in pairs.items() if old != new and name not in told.erased]
    if known.attributes != record.attributes:
        old, new = Counter(known.attributes), Counter(record.attributes)
        if not (old <= new if "rest" in told.erased else old == new):
            differs.append("attributes")
    return differs
