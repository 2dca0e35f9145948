"""Real logs in: every event of an XES file becomes a statement signed by the source's adapter.

Two passes. The first parses the whole file into a spool on disk and writes nothing to the ledger: a broken file has
changed nothing. Then what is known of the source is compared: a changed event is reported and refused, again before
anything is written. The second pass appends in chunks. ``request`` is the hash of source, case and ordinal, so a
repeat appends nothing and a killed import goes on where it stopped.

Of an imported record only activity, times, lifecycle, numbers, dates and the columns named by ``clear`` stand in
clear; people are pseudonyms; the rest is one sealed disclosure per statement.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.disclosure import pseudonym
from ledger.door.door import Outcome, Wish
from ledger.door.hall import Hall
from ledger.door.stated import request_key
from ledger.errors import Conflict, Malformed
from ledger.exchange.xes import Attribute, CaseRecord, EventRecord, Flag, Summary, read_spool, spool_xes
from ledger.keys import SigningKey
from ledger.statement import instant_text, parse_instant
from ledger.store.sequencer import now_us

CHUNK: Final = 2000
_CLEAR_TYPES: Final = frozenset({"date", "int", "float"})
_MAX_CLEAR_BYTES: Final = 8_000

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Imported:
    """What one import did; ``added`` statements are new, ``summary`` is of the file."""

    summary: Summary
    added: int
    last: Outcome | None


def request_of(source: str, case_id: str, ordinal: int) -> str:
    """The request of one record: SHA-256 over source, case and ordinal, hex."""
    return hashlib.sha256(f"{source}\0{case_id}\0{ordinal}".encode()).hexdigest()


def _nested(attribute: Attribute) -> list[Any]:
    value: list[Any] = [attribute.name, attribute.type, attribute.value]
    if attribute.children:
        value.append([_nested(child) for child in attribute.children])
    return value


def _split(attributes: Sequence[Attribute], clear: Collection[str]) -> tuple[list[Any], list[Any]]:
    """The attributes that stand in clear, and those to be sealed."""
    shown: list[Any] = []
    hidden: list[Any] = []
    size = 0
    for attribute in attributes:
        plain = attribute.value is not None and not attribute.children
        if plain and (attribute.type in _CLEAR_TYPES or attribute.name in clear):
            size += len(attribute.name) + 2 * len(str(attribute.value))
            if size < _MAX_CLEAR_BYTES:
                shown.append(_nested(attribute))
                continue
        hidden.append(_nested(attribute))
    return shown, hidden


class _Wishes:
    """Turns records into wishes of one source."""

    def __init__(self, hall: Hall, source: str, clear: Collection[str], at_import: str) -> None:
        self._secret = hall.keyring.secret("names")
        self._source = source
        self._clear = frozenset(clear)
        self._at = at_import
        self._streams: dict[str, str] = {}
        self._cases = 0

    def stream(self, case_id: str) -> str:
        """The stream of a case: its id is a pseudonym."""
        return f"imported/{self._source}/{pseudonym(self._secret, f'case {self._source}', case_id)}"

    def wish(self, record: CaseRecord | EventRecord) -> Wish:
        stream = self.stream(record.case_id)
        shown, hidden = _split(record.attributes, self._clear)
        values: dict[str, Any]
        if isinstance(record, CaseRecord):
            self._cases += 1
            values = {"case_no": self._cases, "rest": {"case": record.case_id, "attributes": hidden}}
            at, kind = self._at, "imported.case.v1"
        else:
            values = {"ordinal": record.ordinal}
            if record.activity is not None:
                values["activity"] = record.activity
            if record.lifecycle is not None:
                values["lifecycle"] = record.lifecycle
            if record.resource is not None:
                values["resource"] = record.resource
            at, kind = self._claimed(record, values), "imported.event.v1"
            if hidden:
                values["rest"] = {"attributes": hidden}
        if shown:
            values["attributes"] = shown
        # Whether a time lies in the future depends on when one asks: readers see it from recorded time themselves.
        if flags := sorted(str(flag) for flag in record.flags if flag != Flag.FUTURE):
            values["flags"] = flags
        return Wish(
            actor=f"source/{self._source}",
            role="source_adapter",
            stream=stream,
            type=kind,
            at=at,
            request=request_of(self._source, record.case_id, record.ordinal),
            values=values,
        )

    def _claimed(self, record: EventRecord, values: dict[str, Any]) -> str:
        """The claimed time as RFC 3339; the source's own spelling stays beside it where it differs."""
        if record.at is not None and record.at_us is not None:
            try:
                parse_instant(record.at)
            except Malformed:
                values["time"] = record.at
                return instant_text(record.at_us)
            return record.at
        if record.at is not None:
            values["time"] = record.at
        return self._at


def import_xes(
    hall: Hall,
    path: Path,
    *,
    source: str,
    clear: Collection[str] = (),
    progress: Progress = lambda *_: None,
) -> Imported:
    """Import one file into a running ledger. The caller keeps a sequencer running."""
    key = hall.source_key(source)
    with tempfile.TemporaryDirectory(dir=hall.data) as folder:
        spool = Path(folder) / "spool"
        started_us = now_us()
        summary = spool_xes(
            path, spool, now_us=started_us, progress=lambda done, total: progress("reading", done, total or 0)
        )
        if hall.reader.stream(f"import/{source}"):
            _compare(hall, spool, source=source, clear=clear, progress=progress, total=summary.traces + summary.events)
        return _append(hall, spool, summary, source=source, clear=clear, key=key, progress=progress)


def _compare(hall: Hall, spool: Path, *, source: str, clear: Collection[str], progress: Progress, total: int) -> None:
    """Refuse the file when a record that is known already has other content now; nothing was written yet."""
    done = 0
    changed: list[dict[str, Any]] = []
    for chunk in _chunks(spool, _Wishes(hall, source, clear, instant_text(now_us()))):
        for _, stream, seq in hall.door.conflicts(chunk):
            changed.append({"stream": stream, "seq": seq})
        done += len(chunk)
        progress("comparing", done, total)
    if changed:
        raise Conflict(
            f"{len(changed)} records of {source} differ from what was imported before; nothing was written",
            code="import-changed",
            mend="what is recorded stays; import a corrected log as another source",
            changed=len(changed),
            first=changed[:20],
        )


def _append(
    hall: Hall,
    spool: Path,
    summary: Summary,
    *,
    source: str,
    clear: Collection[str],
    key: SigningKey,
    progress: Progress,
) -> Imported:
    counts = {"cases": summary.cases, "events": summary.events}
    identity = {"source": source, "sha256": summary.sha256, "bytes": summary.size_bytes, **counts}
    at = instant_text(now_us())
    wishes = _Wishes(hall, source, clear, at)
    added, done, last = 0, 0, None
    total = summary.traces + summary.events
    for chunk in _chunks(spool, wishes):
        outcomes = hall.door.submit_all(chunk, key)
        done += len(outcomes)
        fresh = [outcome for outcome in outcomes if not outcome.repeated]
        if fresh and added == 0:
            _note(hall, key, source, f"started-{summary.sha256}", "import.started.v1", identity, at)
        added += len(fresh)
        last = fresh[-1] if fresh else last
        progress("appending", done, total)
    if added or not _finished(hall, source, summary.sha256):
        content = {**identity, "added": added, "flagged": summary.flagged}
        last = _note(hall, key, source, f"finished-{summary.sha256}", "import.finished.v1", content, at) or last
    return Imported(summary=summary, added=added, last=last)


def _chunks(spool: Path, wishes: _Wishes) -> Iterator[list[Wish]]:
    chunk: list[Wish] = []
    for record in read_spool(spool):
        chunk.append(wishes.wish(record))
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _note(
    hall: Hall, key: SigningKey, source: str, request: str, kind: str, values: dict[str, Any], at: str
) -> Outcome | None:
    wish = Wish(
        actor=f"source/{source}",
        role="source_adapter",
        stream=f"import/{source}",
        type=kind,
        at=at,
        request=request,
        values=values,
    )
    try:
        return hall.door.submit(wish, key)
    except Conflict:
        return None  # the file was finished once before, with other counts: that statement stands


def _finished(hall: Hall, source: str, sha256: str) -> bool:
    with hall.database.use("reader") as connection:
        row = connection.execute(
            "SELECT 1 FROM ledger.requests WHERE request = %s",
            (request_key(f"source/{source}", f"finished-{sha256}"),),
        ).fetchone()
    return row is not None
