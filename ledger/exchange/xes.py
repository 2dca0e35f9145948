"""Event logs in (XES, IEEE 1849): any log of the family, checked whole before anyone sees a record.

Promise, to the importer: nothing that XES has a place for is dropped, and nothing is repaired. What is strange
is kept as it stands and flagged; what cannot be read at all is refused with file, line and reason, before the
first record is handed out. Memory stays bounded whatever the file holds (``Limits``). Signing, sealing and
storing are the importer's.

Two steps, so that a broken last line cannot leave half an import behind:

    summary = spool_xes(path, spool_path)      parse once, check all, write the records to a private spool
    for record in read_spool(spool_path): …    the records again, fast, in order

Order: each trace gives one ``CaseRecord`` and then its ``EventRecord``s in the file's order. The case record
comes first even where the file has trace attributes behind the events.

Identity: (case id, ordinal) is unique in a file, and the same whenever the same file is read.
- The case id is the trace's ``concept:name``. A trace without one is called ``#n``, being the n-th trace of
  the file, and flagged ``no-case-id``.
- The case record is 0, its events 1, 2, …. A later trace of the same case id goes on counting: its case
  record takes the next ordinal (flagged ``case-split``), its events the ones after that.

Fields: the attributes everyone asks for stand in fields of their own, all others, in order, in ``attributes``.
One that is not plain (another type than ``string`` or ``date``, with children, or beside a key given twice,
where the last one counts) fills its field and stays in ``attributes`` too, so that a writer can give back
exactly what came in. What XES has no place for, text between tags and XML attributes other than key and value,
is not kept; the record is flagged ``odd-xml``.

Times: ``at`` is the text as it stands; ``at_us`` is microseconds since 1970 UTC, further digits cut off. A text
without offset is read as UTC (``no-offset``); one without a time of day is read as the start of its day in UTC
or the zone it names (``date-only``), and is called early or late only when its whole day is. Local midnight
stored as 22:00Z or 23:00Z is a time like any other.

Spool: one JSON array a line (orjson writes no raw line feed); the last line says how many came before it.

    [0, line, case id, ordinal, flags, attributes]
    [1, line, activity, at, at_us, lifecycle, resource, flags, attributes]     ordinal: the one before, plus 1
    [2, records]

An attribute is ``[type, name, value, child, …]``, in the spool as in ``Summary.header``.

The parser is expat: it fetches nothing by itself, and the first sign of a document type ends the reading, so
no entity is ever declared or expanded. lxml's iterparse was measured no faster for the same walk, and shows
neither how far into an unfinished tag it is nor how many names it keeps, which the bounds here need.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import stat
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO, NoReturn, cast
from xml.parsers import expat

import orjson

from ledger.errors import Malformed, NotAllowed, NotFound, Unavailable

Progress = Callable[[int, int], None]
"""Called with (bytes of the file read, bytes of the file in all)."""

Node = list[Any]
"""An attribute as JSON: ``[type, name, value, child, …]``; name is ``""`` where the file gives no key."""


class Flag(StrEnum):
    """What is strange about a record that is kept as it stands."""

    BEFORE_CASE_START = "before-case-start"  # event: earlier than its case's start
    END_BEFORE_START = "end-before-start"  # case: its end is earlier than its start
    FUTURE = "future"  # later than the time of reading
    OUT_OF_ORDER = "out-of-order"  # event: earlier than the one before it in its trace
    NO_OFFSET = "no-offset"  # a time without a zone, read as UTC
    DATE_ONLY = "date-only"  # a time without a time of day
    BAD_TIMESTAMP = "bad-timestamp"  # a text that is no time
    NO_TIMESTAMP = "no-timestamp"  # event
    NO_ACTIVITY = "no-activity"  # event: no name, or an empty one
    NO_CASE_ID = "no-case-id"  # case: no name, or an empty one
    CASE_SPLIT = "case-split"  # case: an earlier trace of the file has the same name
    DUPLICATE_KEY = "duplicate-key"  # the same key twice; the last one counts
    ODD_XML = "odd-xml"  # text, or XML attributes XES does not know, were left out


INFORMATIONAL = frozenset({Flag.DATE_ONLY})
"""Flags that alone do not make a record a strange one: half of an honest log can be date-only."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One XES attribute; ``value`` is the text of the file, ``None`` where it has none (lists, containers)."""

    name: str
    type: str
    value: str | None
    children: tuple[Attribute, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """One trace: what the source says of the case as a whole."""

    case_id: str
    ordinal: int
    attributes: tuple[Attribute, ...]
    flags: tuple[str, ...] = ()
    line: int = 0


@dataclass(frozen=True, slots=True)
class EventRecord:
    """One event; ``at`` is the source's text, ``at_us`` microseconds since 1970 UTC."""

    case_id: str
    ordinal: int
    activity: str | None
    at: str | None
    at_us: int | None
    lifecycle: str | None
    resource: str | None
    attributes: tuple[Attribute, ...]
    flags: tuple[str, ...] = ()
    line: int = 0


Record = CaseRecord | EventRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much a file may ask of us; the defaults are far above any honest log."""

    unpacked_bytes: int = 8 << 30
    unpacked_ratio: int = 250  # of a gzip, looked at from 64 MiB on; real logs pack 10 to 40 to 1
    record_bytes: int = 4 << 20  # one event, the attributes of one trace, the header, or any one tag
    depth: int = 64  # of elements in one another; the spool's format bears 250
    names: int = 10_000  # different element and XML attribute names
    distinct: int = 2_000_000  # different cases, activities or resources
    name_letters: int = 4_096  # an activity or lifecycle transition: they stand in clear in a small statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What a file holds, with what an equal export needs beside the records.

    ``sha256`` and ``size_bytes`` are of the file as it lies on disk. ``flags`` counts records by flag, ``flagged``
    the records with a flag that is not ``INFORMATIONAL``. ``header`` is JSON: ``log`` (XML attributes of the
    root), ``extensions``, ``globals``, ``classifiers``, ``attributes`` (as ``Node``).
    """

    sha256: str
    size_bytes: int
    cases: int
    traces: int
    events: int
    activities: int
    resources: int
    first: str | None
    first_us: int | None
    last: str | None
    last_us: int | None
    flagged: int
    flags: dict[str, int]
    header: dict[str, Any]


_CHUNK_BYTES = 256 << 10
_HELD_BYTES = 1 << 20
_RATIO_FROM_BYTES = 64 << 20
_DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP = re.compile(r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?))? ?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_LEAST_US, _MOST_US = -62_135_596_800_000_000, 253_402_300_799_999_999  # the years 1 to 9999
_NEVER_US = 1 << 62
_LINE = orjson.OPT_APPEND_NEWLINE
_CASE, _EVENT, _END = 0, 1, 2
_CASE_FIELDS = (("concept:name", "string"),)
_EVENT_FIELDS = (
    ("concept:name", "string"),
    ("lifecycle:transition", "string"),
    ("org:resource", "string"),
    ("time:timestamp", "date"),
)
_BREAKS_OFF = 3
_PLAIN = {
    2: "this is not XML",
    3: "the file holds no element",
    4: "a character that cannot stand here, or bytes that are not in the encoding the file declares",
    5: "the file breaks off inside a tag",
    6: "the file breaks off inside a character",
    7: "a closing tag does not match the one that is open",
    8: "the same XML attribute twice in one tag",
    9: "something follows the end of the log",
    11: "an entity (&name;) that XML does not know",
    18: "an encoding that cannot be read; write the log as UTF-8",
    19: "the bytes are not in the encoding the file declares",
    27: "a namespace prefix that is not declared",
}


@dataclass(frozen=True, slots=True)
class Instant:
    """A time as read: the earliest and the latest moment its text can mean, and what is odd about it."""

    us: int
    latest_us: int
    flag: Flag | None


def read_instant(text: str) -> Instant | None:
    """The moment that an XES date means, or ``None`` where the text is no time."""
    found = _read_instant(text)
    # An offset can carry a time over the edge of the calendar, where nobody could write it down in UTC.
    return found if found is None or _LEAST_US <= found.us <= _MOST_US else None


def _read_instant(text: str) -> Instant | None:
    if text[10:11] == "T" and text[7:8] == "-" and text[13:14] == ":" == text[16:17]:
        # The usual shape, twice as fast; whatever fails here takes the road below.
        try:
            since = datetime.fromisoformat(text) - _EPOCH
        except (ValueError, TypeError):
            pass
        else:
            us = since.days * _DAY_US + since.seconds * 1_000_000 + since.microseconds
            return Instant(us, us, None)
    if (match := _STAMP.fullmatch(text.strip())) is None:
        return None
    day, clock, zone = match.groups()
    flag = Flag.DATE_ONLY if clock is None else Flag.NO_OFFSET if zone is None else None
    try:
        since = datetime.fromisoformat(f"{day}T{clock or '00:00'}{zone or 'Z'}") - _EPOCH
    except ValueError:
        # XML Schema's other name for midnight: 24:00:00 is 00:00:00 of the next day.
        if clock is None or not clock.startswith("24:00") or clock[5:].strip(":.,0"):
            return None
        midnight = _read_instant(f"{day}T00:00{zone or 'Z'}")
        return midnight and Instant(midnight.us + _DAY_US, midnight.us + _DAY_US, flag)
    us = since.days * _DAY_US + since.seconds * 1_000_000 + since.microseconds
    return Instant(us, us + _DAY_US - 1 if clock is None else us, flag)


def spool_xes(
    path: Path | str,
    spool_path: Path | str,
    *,
    now_us: int | None = None,
    start_attr: str = "startdate",
    end_attr: str = "enddate",
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Read the log ``path`` (XES, or gzip of it by its first bytes) once, check it all, fill the spool.

    ``now_us`` is the time of reading, for the flag ``future``; without it no time is called future.
    ``start_attr`` and ``end_attr`` name the trace attributes for the flags about a case's start and end.
    The spool holds personal values: only its owner may read it, and it is gone again if the log is refused.
    """
    with spooling(path, spool_path, now_us=now_us, start_attr=start_attr, end_attr=end_attr) as (source, log):
        return _parse(Path(path), source, log, limits or Limits(), progress)


@contextmanager
def spooling(
    path: Path | str,
    spool_path: Path | str,
    *,
    now_us: int | None = None,
    start_attr: str = "startdate",
    end_attr: str = "enddate",
) -> Iterator[tuple[Source, Spool]]:
    """A log to be read and the spool to be filled, for a reader of any format; an error leaves no spool."""
    path, spool_path = Path(path), Path(spool_path)
    with open_log(path) as source:
        try:
            with (
                open(spool_path, "xb", opener=_private) as out,
                tempfile.TemporaryFile(dir=spool_path.parent) as spill,
            ):
                yield source, Spool(out, spill, now_us=now_us, start_attr=start_attr, end_attr=end_attr)
        except FileExistsError:
            raise Unavailable(
                f"the spool {spool_path} is there already", mend="another import runs, or remove the file"
            ) from None
        except OSError as error:
            spool_path.unlink(missing_ok=True)
            raise Unavailable(f"{path} could not be spooled to {spool_path}: {error}") from error
        except BaseException:
            spool_path.unlink(missing_ok=True)
            raise


def read_spool(spool_path: Path | str) -> Iterator[Record]:
    """The records of a spool in order; a spool cut short is an error at its end, never a shorter log."""
    loads, tagged, case_id, ordinal, count = orjson.loads, _attributes, "", 0, 0
    with Path(spool_path).open("rb", buffering=_CHUNK_BYTES) as spool:
        for raw in spool:
            if not raw.endswith(b"\n"):
                break
            row = loads(raw)
            if row[0] == _EVENT:
                _, line, activity, at, at_us, lifecycle, resource, flags, nodes = row
                ordinal += 1
                yield EventRecord(
                    case_id, ordinal, activity, at, at_us, lifecycle, resource, tagged(nodes), tuple(flags), line
                )
            elif row[0] == _CASE:
                _, line, case_id, ordinal, flags, nodes = row
                yield CaseRecord(case_id, ordinal, tagged(nodes), tuple(flags), line)
            elif row[1] == count:
                return
            count += 1
    raise Unavailable(f"the spool {spool_path} is cut short", mend="read the log again")


def read_xes(
    path: Path | str, *, now_us: int | None = None, limits: Limits | None = None, progress: Progress | None = None
) -> Iterator[Record]:
    """The records of a log in order, through a spool of its own: the first comes when all is checked."""
    with tempfile.TemporaryDirectory(prefix="mingjian-xes-") as folder:
        spool_path = Path(folder) / "spool"
        spool_xes(path, spool_path, now_us=now_us, limits=limits, progress=progress)
        yield from read_spool(spool_path)


def attribute_of(node: Node) -> Attribute:
    """The attribute that a JSON ``Node`` stands for."""
    return Attribute(node[1], node[0], node[2], tuple(map(attribute_of, node[3:])))


def _attributes(nodes: list[Node]) -> tuple[Attribute, ...]:
    # The leaf is spelt out because nearly every attribute is one, and a call each would cost a third of a read.
    return tuple([Attribute(n[1], n[0], n[2]) if len(n) == 3 else attribute_of(n) for n in nodes])


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


class Source:
    """A file's bytes, unpacked if it is a gzip, with the digest of what lies on disk."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self._sha256 = hashlib.sha256()
        self.size_bytes = os.fstat(raw.fileno()).st_size
        self.read_bytes = 0
        self.packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)

    def read(self, size: int = -1) -> bytes:
        """Bytes as they lie on disk."""
        data = self._raw.read(size)
        self._sha256.update(data)
        self.read_bytes += len(data)
        return data

    def chunks(self) -> Iterator[bytes]:
        """Bytes of the log; the digest is complete when they end."""
        out = gzip.GzipFile(fileobj=cast(IO[bytes], self), mode="rb") if self.packed else self
        while chunk := out.read(_CHUNK_BYTES):
            yield chunk
        while self.read(_CHUNK_BYTES):
            pass

    @property
    def sha256(self) -> str:
        return self._sha256.hexdigest()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()


def open_log(path: Path) -> Source:
    """The file, if it is one that can be read."""
    try:
        # Looked at before it is opened: opening a pipe that nobody writes to would wait for ever.
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise Malformed(f"{path} is a folder, not a log", mend="name the .xes or .xes.gz file in it")
        if not stat.S_ISREG(mode):
            raise Malformed(f"{path} is no regular file", mend="copy the log into a file first")
        return Source(path.open("rb"))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"there is no file {path}", mend="check the name; paths are taken from here") from None
    except PermissionError:
        raise NotAllowed(f"{path} may not be read", mend="give this user the right to read it") from None
    except OSError as error:
        raise Unavailable(f"{path} could not be opened: {error}") from error


class _Kinds(dict[str, str]):
    """Local names of elements: ``uri LF local`` as expat gives them, any namespace or none."""

    def __missing__(self, tag: str) -> str:
        self[tag] = local = tag.rpartition("\n")[2]
        return local


def _parse(path: Path, source: Source, log: Spool, limits: Limits, progress: Progress | None) -> Summary:
    """Walk the file: elements become nodes on a stack, finished events and traces go to ``log``.

    The stack holds root, then trace or header element, then event or trace attribute, then attributes. A node
    lives no longer than its event or trace; the chunk loop bounds both by their bytes.
    """
    parser = expat.ParserCreate(namespace_separator="\n")
    parser.ordered_attributes = True
    kinds, stack, texts, header = _Kinds(), list[Node](), list[str](), log.header
    began = 0  # where the unfinished event, trace attribute or header element began, in bytes
    weight = 0  # bytes of the finished attributes of this trace, or of the header
    line = trace_line = 0
    odd = trace_odd = in_trace = in_event = False

    def refuse(reason: str, *, mend: str = "", at: int = 0) -> NoReturn:
        at = at or parser.CurrentLineNumber
        raise Malformed(
            f"{path}, line {at}: {reason}",
            mend=mend or "mend the file at its source; nothing of it was taken",
            file=str(path),
            line=at,
            reason=reason,
        )

    def refuse_doctype(*_: object) -> NoReturn:
        refuse("the file has a document type (DOCTYPE)", mend="take it out: a log needs no entities")

    def named(attrs: list[str]) -> dict[str, str]:
        return {kinds[name]: value for name, value in zip(attrs[::2], attrs[1::2], strict=True)}

    def node_of(tag: str, attrs: list[str]) -> Node:
        nonlocal odd
        if len(attrs) == 4 and attrs[0] == "key" and attrs[2] == "value":
            return [kinds[tag], attrs[1], attrs[3]]
        given = named(attrs)
        odd = odd or not given.keys() <= {"key", "value"}
        return [kinds[tag], given.get("key", ""), given.get("value")]

    def settle_text() -> None:
        nonlocal odd
        if texts:
            odd = odd or bool("".join(texts).strip())
            texts.clear()

    def start(tag: str, attrs: list[str]) -> None:
        depth = len(stack)
        if depth <= 2:
            start_outer(depth, kinds[tag], tag, attrs)
            return
        if depth >= limits.depth:
            refuse(f"elements lie more than {limits.depth} deep in one another")
        if len(attrs) == 4 and attrs[0] == "key" and attrs[2] == "value":
            # As node_of does; the call would cost a tenth of the whole reading.
            node = [kinds[tag], attrs[1], attrs[3]]
        else:
            node = node_of(tag, attrs)
        stack[-1].append(node)
        stack.append(node)

    def start_outer(depth: int, kind: str, tag: str, attrs: list[str]) -> None:
        nonlocal began, weight, line, trace_line, odd, trace_odd, in_trace, in_event
        node: Node = [kind, "", None]
        if depth == 0:
            if kind != "log":
                refuse(f"this is XML but no event log: the root is <{kind}>, not <log>")
            header["log"] = named(attrs)
        elif depth == 1 and kind == "trace":
            settle_text()
            odd, in_trace, weight, trace_line = bool(attrs), True, 0, parser.CurrentLineNumber
            log.open_trace()
        elif depth == 1 and kind == "event":
            refuse("an event stands outside of any trace", mend="put it into the trace of its case")
        elif in_trace and kind == "event":
            trace_odd, odd, in_event = odd, bool(attrs), True
            began, line = parser.CurrentByteIndex, parser.CurrentLineNumber
        elif depth == 1:
            began = parser.CurrentByteIndex
            if kind in ("extension", "classifier"):
                header[kind + "s"].append(named(attrs))
            elif kind == "global":
                header["globals"].append({"scope": named(attrs).get("scope"), "attributes": []})
            else:
                header["attributes"].append(node := node_of(tag, attrs))
        else:
            if in_trace:
                began = parser.CurrentByteIndex
            stack[-1].append(node := node_of(tag, attrs))
        stack.append(node)

    def end(_: str) -> None:
        nonlocal weight, odd, in_trace, in_event
        node = stack.pop()
        depth = len(stack)
        if depth > 2:
            return
        if in_event:
            settle_text()
            if log.event(node[3:], line, odd=odd) > limits.name_letters:
                refuse(f"an activity or lifecycle transition is longer than {limits.name_letters:,} letters", at=line)
            odd, in_event = trace_odd, False
        elif depth == 1 and in_trace:
            settle_text()
            log.close_trace(node[3:], trace_line, odd=odd)
            in_trace, weight = False, 0
        elif in_trace:
            weight += parser.CurrentByteIndex - began
            log.trace_attribute(node)
        elif depth == 1:
            weight += parser.CurrentByteIndex - began
            if node[0] == "global":
                header["globals"][-1]["attributes"] = node[3:]

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = texts.append
    parser.StartDoctypeDeclHandler = refuse_doctype
    unpacked = 0
    try:
        for chunk in source.chunks():
            unpacked += len(chunk)
            if unpacked > limits.unpacked_bytes:
                refuse(f"the log is larger than {limits.unpacked_bytes:,} bytes", mend="cut it into several")
            if source.packed and unpacked > max(_RATIO_FROM_BYTES, limits.unpacked_ratio * source.read_bytes):
                refuse(f"the gzip grows to more than {limits.unpacked_ratio} times its size: it looks like a bomb")
            parser.Parse(chunk, False)
            settle_text()
            inside = len(stack) > 2 or (len(stack) == 2 and not in_trace)
            pending = unpacked - (began if inside else parser.CurrentByteIndex)
            if max(weight, pending) > limits.record_bytes:
                refuse(f"one event, case, header or tag is larger than {limits.record_bytes:,} bytes")
            if len(parser.intern) > limits.names:
                refuse(f"more than {limits.names:,} different element and attribute names")
            if log.distinct() > limits.distinct:
                refuse(f"more than {limits.distinct:,} different cases, activities or resources")
            if progress:
                progress(source.read_bytes, source.size_bytes)
        if not unpacked:
            refuse("the file is empty", at=1)
        parser.Parse(b"", True)
    except expat.ExpatError as error:
        reason = _PLAIN.get(error.code) or f"not well-formed XML ({expat.ErrorString(error.code)})"
        if error.code == _BREAKS_OFF and stack:
            reason = f"the file breaks off: <{stack[-1][0]}> is not closed"
        refuse(reason, at=error.lineno)
    except (LookupError, ValueError) as error:
        # Python's decoder for a declared encoding that expat does not know; past the root it would be our bug.
        if stack:
            raise
        refuse(f"the encoding the file declares cannot be read ({error})", mend="write the log as UTF-8")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        refuse(f"the gzip breaks off or is damaged here ({error})", mend="fetch the file once more")
    return log.close(source)


class Spool:
    """What a reader has found: fields, flags and totals, and the spool being written.

    Case by case: ``open_trace``, then ``trace_attribute`` and ``event`` in the file's order, then ``close_trace`` with
    all attributes of the case; at the end ``close``. Names are those of XES.
    """

    def __init__(
        self, spool: IO[bytes], spill: IO[bytes], *, now_us: int | None, start_attr: str, end_attr: str
    ) -> None:
        self.header: dict[str, Any] = {
            "log": {},
            "extensions": [],
            "globals": [],
            "classifiers": [],
            "attributes": [],
        }
        self._spool, self._spill = spool, spill
        self._now_us = _NEVER_US if now_us is None else now_us
        self._start_attr, self._end_attr = start_attr, end_attr
        self._traces = self._events = self._flagged = 0
        self._flags: Counter[str] = Counter()
        self._next_ordinal: dict[str, int] = {}
        self._activities: set[str] = set()
        self._resources: set[str] = set()
        self._first: tuple[int, str] | None = None
        self._last: tuple[int, str] | None = None
        # Of the open trace. Its events wait for its case record, beyond _HELD_BYTES in a file of their own.
        self._held: list[bytes] = []
        self._held_bytes = self._trace_events = 0
        self._start: Instant | None = None
        self._previous_us: int | None = None
        self._late_start = self._spilled = False

    def distinct(self) -> int:
        return max(len(self._next_ordinal), len(self._activities), len(self._resources))

    def open_trace(self) -> None:
        self._traces += 1
        self._start = self._previous_us = None
        self._late_start = self._spilled = False
        self._trace_events = 0

    def trace_attribute(self, node: Node) -> None:
        """The start is wanted before the events; where it stands behind some, they are judged again."""
        if node[1] == self._start_attr:
            self._start = node[2] and read_instant(node[2])
            self._late_start = self._trace_events > 0

    def event(self, nodes: list[Node], line: int, *, odd: bool) -> int:
        """Take in an event; returns the letters of its longest name."""
        (activity, lifecycle, resource, at), rest, flags = _split(nodes, _EVENT_FIELDS, odd=odd)
        at_us = None
        if at is None:
            flags.append(Flag.NO_TIMESTAMP)
        elif (instant := read_instant(at)) is None:
            flags.append(Flag.BAD_TIMESTAMP)
        else:
            at_us = instant.us
            if instant.flag is not None:
                flags.append(instant.flag)
            if self._start is not None and instant.latest_us < self._start.us:
                flags.append(Flag.BEFORE_CASE_START)
            if self._previous_us is not None and instant.latest_us < self._previous_us:
                flags.append(Flag.OUT_OF_ORDER)
            if at_us > self._now_us:
                flags.append(Flag.FUTURE)
            self._previous_us = at_us
            if self._first is None or at_us < self._first[0]:
                self._first = (at_us, at)
            if self._last is None or at_us > self._last[0]:
                self._last = (at_us, at)
        if activity:
            self._activities.add(short_key(activity))
        else:
            flags.append(Flag.NO_ACTIVITY)
        if resource is not None:
            self._resources.add(short_key(resource))
        if flags:
            self._count(flags)
        self._trace_events += 1
        self._hold([_EVENT, line, activity, at, at_us, lifecycle, resource, flags, rest])
        return max(len(activity or ""), len(lifecycle or ""))

    def close_trace(self, nodes: list[Node], line: int, *, odd: bool) -> None:
        """Write the case record, then the events that waited for it."""
        ((name,), rest, flags) = _split(nodes, _CASE_FIELDS, odd=odd)
        case_id = name or f"#{self._traces}"
        if not name:
            flags.append(Flag.NO_CASE_ID)
        ordinal = self._next_ordinal.get(short_key(case_id), 0)
        if ordinal:
            flags.append(Flag.CASE_SPLIT)
        self._next_ordinal[short_key(case_id)] = ordinal + 1 + self._trace_events
        self._judge_case({node[1]: node[2] for node in nodes}, flags)
        if flags:
            self._count(flags)
        self._spool.write(orjson.dumps([_CASE, line, case_id, ordinal, flags, rest], option=_LINE))
        if self._spilled:
            self._spill.seek(0)
        events = chain(self._spill if self._spilled else (), self._held)
        self._spool.writelines(map(self._judge_again, events) if self._late_start else events)
        self._events += self._trace_events
        if self._spilled:
            self._spill.seek(0)
            self._spill.truncate()
        self._held.clear()
        self._held_bytes = 0

    def close(self, source: Source) -> Summary:
        self._spool.write(orjson.dumps([_END, self._traces + self._events], option=_LINE))
        first_us, first = self._first or (None, None)
        last_us, last = self._last or (None, None)
        return Summary(
            sha256=source.sha256,
            size_bytes=source.read_bytes,
            cases=len(self._next_ordinal),
            traces=self._traces,
            events=self._events,
            activities=len(self._activities),
            resources=len(self._resources),
            first=first,
            first_us=first_us,
            last=last,
            last_us=last_us,
            flagged=self._flagged,
            flags={str(flag): count for flag, count in sorted(self._flags.items())},
            header=self.header,
        )

    def _judge_case(self, values: dict[str, str | None], flags: list[Flag]) -> None:
        start, end = (
            read_instant(text) if (text := values.get(name)) else None for name in (self._start_attr, self._end_attr)
        )
        for name, instant in ((self._start_attr, start), (self._end_attr, end)):
            if instant is None and values.get(name):
                flags.append(Flag.BAD_TIMESTAMP)
            elif instant is not None and instant.us > self._now_us:
                flags.append(Flag.FUTURE)
        if start is not None and end is not None and end.latest_us < start.us:
            flags.append(Flag.END_BEFORE_START)

    def _judge_again(self, raw: bytes) -> bytes:
        """An event whose case's start came behind it in the file."""
        row = orjson.loads(raw)
        at_us, flags = row[4], row[7]
        if at_us is None or self._start is None or Flag.BEFORE_CASE_START in flags:
            return raw
        if at_us + (_DAY_US - 1 if Flag.DATE_ONLY in flags else 0) >= self._start.us:
            return raw
        self._flags[Flag.BEFORE_CASE_START] += 1
        self._flagged += INFORMATIONAL.issuperset(flags)
        flags.append(Flag.BEFORE_CASE_START)
        return orjson.dumps(row, option=_LINE)

    def _hold(self, row: list[Any]) -> None:
        # Added to, for as orjson gives it each would hold four kilobytes for as long as it lives.
        raw = orjson.dumps(row) + b"\n"
        self._held.append(raw)
        self._held_bytes += len(raw)
        if self._held_bytes > _HELD_BYTES:
            self._spill.writelines(self._held)
            self._spilled = True
            self._held.clear()
            self._held_bytes = 0

    def _count(self, flags: list[Flag]) -> None:
        self._flags.update(flags)
        self._flagged += not INFORMATIONAL.issuperset(flags)


def short_key(name: str) -> str:
    """What a name is counted by: two million long ones must not fill the memory either."""
    return name if len(name) <= 64 else hashlib.sha256(name.encode()).hexdigest()


def _split(
    nodes: list[Node], fields: tuple[tuple[str, str], ...], *, odd: bool
) -> tuple[list[str | None], list[Node], list[Flag]]:
    """The values of the fields, the attributes that are not told by them in full, and the flags so far."""
    by_name = {node[1]: node for node in nodes}
    flags = [Flag.ODD_XML] if odd else []
    twice = len(by_name) != len(nodes)
    if twice:
        flags.append(Flag.DUPLICATE_KEY)
    values: list[str | None] = []
    for name, kind in fields:
        node = by_name.get(name)
        values.append(None if node is None else node[2])
        if node is not None and not twice and len(node) == 3 and node[0] == kind and node[2] is not None:
            del by_name[name]
    return values, nodes if twice else list(by_name.values()), flags
