"""Tables in (CSV): the rows of any export become cases and events, checked whole before anyone sees a record.

Promise, to the importer: what ``ledger.exchange.xes`` promises of a log, of a table. Nothing is repaired: what is
strange is kept as it stands and flagged; what cannot be read at all is refused with file, line and reason before the
first record is handed out. Memory stays bounded whatever the file holds (``Limits``): the rows are sorted by case on
disk, each case in the place of its first row, its rows in the file's order.

With a column for the activity a row is one event. Without one a row is one case, with the event ``start`` at its time
and, where the column for its end is filled, the event ``end``:

    permit,applied,due,granted                      case 7, startdate, deadline, enddate
    7,2024-03-04 09:30,2024-03-25,2024-03-22   →    start  2024-03-04 09:30
                                                    end    2024-03-22

The columns for start, deadline and end give the case the dates ``startdate``, ``deadline`` and ``enddate`` (without
an activity the time is the start where none is named). Where the rows of a case tell different dates all are
kept, flagged ``duplicate-key``, and the last one counts.

Every other column is a text of the event (of the case, where a row is one) under its own name, and an empty cell says
nothing. Texts are not guessed to be numbers: a telephone number is one too. A column whose name means something else
in XES is called ``column NAME``, one without a name ``column N``; ``lifecycle:transition`` and ``org:resource`` are
what they are called. A row that names no case is one of its own.

Times: with an offset as XES has them; else by the first of ``time_formats`` that fits (as Python's ``strptime``), in
``zone`` if one is given, else in UTC and flagged ``no-offset``. They become XES dates of the same meaning, so that an
export means it too; a spelling that this changes is kept beside (``time:text``, ``startdate:text``). An hour that
comes twice when clocks are put back is read as the first of the two.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import heapq
import io
import re
import tempfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, NoReturn
from zoneinfo import ZoneInfo

import orjson

from ledger.door.hall import Hall
from ledger.errors import Malformed
from ledger.exchange.importer import Imported, Progress, import_files
from ledger.exchange.xes import (
    Flag,
    Limits,
    Node,
    Source,
    Spool,
    Summary,
    open_log,
    read_instant,
    short_key,
    spooling,
)
from ledger.exchange.xes import Progress as BytesRead
from ledger.exchange.xes_writer import DEFAULT_HEADER

START_EVENT: Final = "start"
END_EVENT: Final = "end"
DELIMITERS: Final = (",", ";", "\t")

_RUN_BYTES: Final = 64 << 20
_ROW_BYTES: Final = 150  # that a held row costs beside its text
_RATIO_FROM_BYTES: Final = 64 << 20
_SHOWN_COLUMNS: Final = 50
_MICROSECOND = timedelta(microseconds=1)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - local times are counted from it before their offset is known
_TIME_OF_DAY: Final = re.compile(r"%[HIMSfpcX]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """How a table is to be read: its columns by name, its zone and spellings."""

    case: str
    time: str
    activity: str | None = None
    resource: str | None = None
    start: str | None = None
    deadline: str | None = None
    end: str | None = None
    zone: str | None = None  # ``Asia/Shanghai`` or ``+08:00``
    time_formats: tuple[str, ...] = ()
    delimiter: str | None = None  # None: the one of ``DELIMITERS`` under which the columns are there
    encoding: str | None = None  # None: UTF-8, or UTF-16 where a byte-order mark says so

    def named(self) -> list[str]:
        """The columns that must be there."""
        names = (self.case, self.time, self.activity, self.resource, self.start, self.deadline, self.end)
        return [name for name in names if name is not None]

    def dates(self) -> dict[str, str]:
        """The column of each date of a case."""
        start = self.start if self.activity is not None else self.start or self.time
        dates = {"startdate": start, "deadline": self.deadline, "enddate": self.end}
        return {target: column for target, column in dates.items() if column is not None}


def import_csv(
    hall: Hall,
    *paths: Path,
    table: Table,
    source: str,
    clear: Collection[str] = (),
    progress: Progress = lambda *_: None,
) -> Imported:
    """Import tables of one source into a running ledger, as ``import_xes`` does logs; ``clear`` names columns."""
    return import_files(
        hall,
        *paths,
        source=source,
        read=partial(spool_csv, table=table, wanted=clear),
        says_all=False,
        clear={*clear, *map(_renamed, clear)},
        progress=progress,
    )


def spool_csv(
    path: Path | str,
    spool_path: Path | str,
    *,
    table: Table,
    wanted: Collection[str] = (),
    now_us: int | None = None,
    limits: Limits | None = None,
    progress: BytesRead | None = None,
) -> Summary:
    """Read the table ``path`` (or a gzip of it) once, check it all, fill the spool as ``spool_xes`` does.

    ``wanted`` are columns that must be there though nothing is read from them.
    """
    limits, clock = limits or Limits(), Clock(table.zone, table.time_formats)
    with (
        spooling(path, spool_path, now_us=now_us) as (source, log),
        tempfile.TemporaryDirectory(dir=Path(spool_path).parent) as folder,
    ):
        encoding = encoding_of(Path(path), table)
        columns, delimiter = columns_of(Path(path), table, encoding, wanted, limits)
        rows = Rows(Path(path), source, encoding, delimiter, limits, progress)
        cases = _Cases(table, columns, clock, log, rows)
        log.header |= dict(DEFAULT_HEADER) | {
            "table": {"columns": columns, "delimiter": delimiter, "encoding": encoding}
        }
        for _, line, cells in _sorted(rows, columns.index(table.case), len(columns), Path(folder)):
            cases.take(line, cells)
        cases.close()
        return log.close(source)


# ── Times ──────────────────────────────────────────────────────────────────────────────────────────────────


class Clock:
    """What the texts of a table mean as times."""

    def __init__(self, zone: str | None, formats: Sequence[str]) -> None:
        """Malformed: a zone or a format that does not exist."""
        self._zone = None if zone is None else _zone(zone)
        self._formats = [(_checked(one), _is_day(one)) for one in formats]

    def as_date(self, text: str) -> str:
        """``text`` as an XES date of the same meaning; unchanged where it is one, or no time at all."""
        found = read_instant(text)
        # A whole time with its offset means one thing, whatever formats and zone are for.
        if found is not None and found.flag is None:
            return text
        for form, is_day in self._formats:
            try:
                moment = datetime.strptime(text.strip(), form)  # noqa: DTZ007 - the zone comes below
            except ValueError:
                continue
            return _date(moment.replace(tzinfo=None), moment.tzinfo or self._zone, is_day=is_day) or text
        if found is None or self._zone is None:
            return text
        is_day = found.flag == Flag.DATE_ONLY
        if is_day and len(text.strip()) > len("1970-01-01"):
            return text  # a day with an offset
        return _date(_EPOCH + found.us * _MICROSECOND, self._zone, is_day=is_day) or text


def _date(local: datetime, zone: tzinfo | None, *, is_day: bool) -> str | None:
    """A local time as an XES date, None beyond the calendar."""
    text = local.isoformat()
    offset = "" if zone is None else local.replace(tzinfo=zone).isoformat()[len(text) :]
    written = (text[: len("1970-01-01")] if is_day else text) + offset
    if len(offset) > len("+00:00"):
        # Offsets of the time before zones were agreed on have seconds, which an XES date cannot have.
        try:
            written = local.replace(tzinfo=zone).astimezone(UTC).isoformat()
        except OverflowError:
            return None
    return written if read_instant(written) is not None else None


def _is_spelt_so(text: str, date: str) -> bool:
    """Whether ``date`` is ``text`` but for what follows it (seconds, an offset) and the letter T."""
    return date == text or date.startswith(text.replace(" ", "T", 1))


def _zone(name: str) -> tzinfo:
    if re.fullmatch(r"[+-]\d\d:\d\d", name, re.ASCII):
        minutes = int(name[1:3]) * 60 + int(name[4:])
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=-minutes if name[0] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise Malformed(
            f"there is no time zone {name!r}", code="zone", mend="name one like Asia/Shanghai, or an offset like +08:00"
        ) from None


def _checked(form: str) -> str:
    """A format that tells a whole date; it is tried on one."""
    sample = datetime(2003, 12, 31, 23, 59, 58, tzinfo=UTC)
    try:
        told = datetime.strptime(sample.strftime(form), form).date()  # noqa: DTZ007
    except (ValueError, re.error):
        told = None
    if told != sample.date():
        raise Malformed(
            f"{form!r} is no format of a time", code="time-format", mend='write it like "%d/%m/%Y %H:%M" or "%d.%m.%Y"'
        )
    return form


def _is_day(form: str) -> bool:
    return _TIME_OF_DAY.search(form.replace("%%", "")) is None


# ── Rows ───────────────────────────────────────────────────────────────────────────────────────────────────


class Rows:
    """The rows of a table with the lines they begin in; ``refuse`` names file, line and reason."""

    def __init__(
        self,
        path: Path,
        source: Source,
        encoding: str,
        delimiter: str,
        limits: Limits,
        progress: BytesRead | None = None,
    ) -> None:
        self.path, self.limits = path, limits
        self._source, self._encoding, self._delimiter, self._progress = source, encoding, delimiter, progress
        self._line = 0  # read
        self._pending = 0  # letters since the last whole row

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        table = csv.reader(self._lines(), delimiter=self._delimiter, strict=True)
        while True:
            line = self._line + 1
            try:
                row = next(table, None)
            except csv.Error as error:
                self.refuse(_plain(error), line)
            self._pending = 0
            if row is None:
                return
            if row:
                yield line, row

    def refuse(self, reason: str, line: int, *, code: str | None = None, mend: str = "", **details: Any) -> NoReturn:
        raise Malformed(
            f"{self.path}, line {line}: {reason}",
            code=code,
            mend=mend or "mend the file at its source; nothing of it was taken",
            file=str(self.path),
            line=line,
            reason=reason,
            **details,
        )

    def _lines(self) -> Iterator[str]:
        rest = ""
        for text in self._texts():
            parts = list(io.StringIO(rest + text, newline=""))
            # The last part may go on, and a carriage return may be followed by its line feed.
            rest = parts.pop() if text and parts and not parts[-1].endswith("\n") else ""
            for part in parts:
                self._take(len(part), part)
                yield part
            if self._pending + len(rest) > self.limits.record_bytes:
                self._too_long()

    def _take(self, letters: int, part: str) -> None:
        self._line += 1
        self._pending += letters
        if self._pending > self.limits.record_bytes:
            self._too_long()
        if "\0" in part:
            self.refuse("a zero byte: this is no text in the encoding it is read in", self._line, mend=_ENCODINGS)

    def _too_long(self) -> NoReturn:
        self.refuse(f"one row is larger than {self.limits.record_bytes:,} letters", self._line + 1)

    def _texts(self) -> Iterator[str]:
        """The text in pieces; an empty one, the last, ends it."""
        decoder = codecs.getincrementaldecoder(self._encoding)()
        unpacked = 0
        try:
            for chunk in self._source.chunks():
                unpacked += len(chunk)
                self._check_size(unpacked)
                if text := decoder.decode(chunk):
                    yield text
                if self._progress:
                    self._progress(self._source.read_bytes, self._source.size_bytes)
            if text := decoder.decode(b"", True):
                yield text
            yield ""
        except UnicodeError as error:
            good = error.object[: error.start] if isinstance(error, UnicodeDecodeError) else b""
            line = self._line + 1 + good.decode(self._encoding, "ignore").count("\n")
            name = self._encoding.removesuffix("-sig")
            self.refuse(f"bytes that are not {name}", line, code="encoding", mend=_ENCODINGS)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            self.refuse(
                f"the gzip breaks off or is damaged here ({error})", self._line + 1, mend="fetch the file once more"
            )

    def _check_size(self, unpacked: int) -> None:
        limits, source = self.limits, self._source
        if unpacked > limits.unpacked_bytes:
            self.refuse(
                f"the table is larger than {limits.unpacked_bytes:,} bytes", self._line, mend="cut it in several"
            )
        if source.packed and unpacked > max(_RATIO_FROM_BYTES, limits.unpacked_ratio * source.read_bytes):
            self.refuse(
                f"the gzip grows to more than {limits.unpacked_ratio} times its size: it looks like a bomb", self._line
            )


_ENCODINGS: Final = "name the one it was written in: --encoding gb18030, cp1252, utf-16 …"


def _plain(error: csv.Error) -> str:
    text = str(error)
    if "unexpected end" in text:
        return "a quote that is opened in this row is never closed"
    if "field larger" in text:
        return f"a field has more than {csv.field_size_limit():,} letters, or a quote is not closed"
    if "expected after" in text:
        return "something follows a closing quote; a quote within quotes is written twice"
    return f"this is no row of a table ({text})"


def encoding_of(path: Path, table: Table) -> str:
    name = table.encoding
    with open_log(path) as source:
        try:
            first = next(source.chunks(), b"")[:4]
        except (EOFError, gzip.BadGzipFile, zlib.error):
            first = b""  # the reading says so
    if name is None:
        return "utf-16" if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    try:
        known = codecs.lookup(name).name
        codecs.getincrementaldecoder(name)
        with suppress(UnicodeError):
            b"a".decode(name)  # says no to what is a codec but no encoding of a text
    except LookupError:
        raise Malformed(f"there is no encoding {name!r}", code="encoding", mend=_ENCODINGS) from None
    return "utf-8-sig" if known == "utf-8" else known


def columns_of(
    path: Path, table: Table, encoding: str, wanted: Collection[str], limits: Limits
) -> tuple[list[str], str]:
    """The names of the columns, and what stands between them: that under which those that must be there are."""
    must = [*dict.fromkeys([*table.named(), *wanted])]
    best: tuple[list[str], str] | None = None
    refused: Malformed | None = None
    for delimiter in DELIMITERS if table.delimiter is None else (table.delimiter,):
        if len(delimiter) != 1 or delimiter in '"\r\n\0':
            raise Malformed(
                f"{delimiter!r} cannot stand between columns", code="delimiter", mend='one character, or "tab"'
            )
        with open_log(path) as source:
            rows = Rows(path, source, encoding, delimiter, limits)
            try:
                line, row = next(iter(rows), (1, []))
            except Malformed as error:
                # Quoted names read as nonsense where something else stands between them.
                refused = refused or error
                continue
        if not row:
            rows.refuse("the file is empty", 1)
        names = [name.strip() or f"column {number}" for number, name in enumerate(row, start=1)]
        if set(must) <= set(names):
            best = names, delimiter
            break
        if best is None or len(names) > len(best[0]):
            best = names, delimiter
    if best is None:
        assert refused is not None
        raise refused
    names = best[0]
    if missing := [name for name in must if name not in names]:
        shown = ", ".join(map(repr, names[:_SHOWN_COLUMNS])) + " …" * (len(names) > _SHOWN_COLUMNS)
        rows.refuse(
            f"there is no column {missing[0]!r}; there are {shown}",
            line,
            code="no-column",
            mend="name a column as the first row spells it, or what stands between columns with --delimiter",
            columns=names[:_SHOWN_COLUMNS],
            missing=missing,
        )
    if twice := [name for number, name in enumerate(names) if name in names[:number]][:1]:
        rows.refuse(f"two columns are called {twice[0]!r}", line, code="duplicate-column")
    if len(names) > limits.names:
        rows.refuse(f"more than {limits.names:,} columns", line)
    return best


def _sorted(rows: Rows, case: int, width: int, folder: Path) -> Iterator[list[Any]]:
    """The rows behind the first as ``[case number, line, cells]``: by case in order of appearance, then as they came.

    Sorted pieces go to disk, one behind the other where they follow on, and are merged.
    """
    numbers: dict[str, int] = {}
    unnamed = 0
    held: list[tuple[int, bytes]] = []
    held_bytes = 0
    runs: list[Path] = []
    end = 0  # the last case of the last run
    table = iter(rows)
    next(table, None)
    for line, cells in table:
        if len(cells) != width:
            rows.refuse(f"{width} columns expected, {len(cells)} found", line, code="ragged")
        if name := cells[case]:
            number = numbers.setdefault(short_key(name), len(numbers) + unnamed)
            if len(numbers) > rows.limits.distinct:
                rows.refuse(f"more than {rows.limits.distinct:,} different cases", line)
        else:
            number = len(numbers) + unnamed
            unnamed += 1
        try:
            # Added to, for as orjson gives it each would hold four kilobytes for as long as it lives.
            raw = orjson.dumps([number, line, cells]) + b"\n"
        except TypeError:
            rows.refuse("half a character (a lone surrogate)", line, code="encoding", mend=_ENCODINGS)
        held.append((number, raw))
        held_bytes += len(raw) + _ROW_BYTES
        if held_bytes > _RUN_BYTES:
            held.sort(key=itemgetter(0))
            if not runs or held[0][0] < end:
                runs.append(folder / str(len(runs)))
            end = held[-1][0]
            with runs[-1].open("ab") as run:
                run.writelines(raw for _, raw in held)
            held.clear()
            held_bytes = 0
    numbers.clear()
    held.sort(key=itemgetter(0))
    yield from heapq.merge(*map(_run, runs), (orjson.loads(raw) for _, raw in held), key=itemgetter(0))


def _run(path: Path) -> Iterator[list[Any]]:
    with path.open("rb") as run:
        for raw in run:
            yield orjson.loads(raw)


# ── Cases ──────────────────────────────────────────────────────────────────────────────────────────────────


def _renamed(name: str) -> str:
    return f"column {name}"


class _Cases:
    """Rows, sorted by case, told to the spool."""

    def __init__(self, table: Table, columns: Sequence[str], clock: Clock, log: Spool, rows: Rows) -> None:
        self._clock, self._log, self._rows = clock, log, rows
        self._by_row = table.activity is None
        self._case, self._time = columns.index(table.case), columns.index(table.time)
        self._activity = None if table.activity is None else columns.index(table.activity)
        self._resource = None if table.resource is None else columns.index(table.resource)
        self._end = None if table.end is None else columns.index(table.end)
        self._dates = [(target, columns.index(column)) for target, column in table.dates().items()]
        taken = {*table.named(), *table.dates().values()}
        self._others = [(number, self._name(name, columns)) for number, name in enumerate(columns) if name not in taken]
        self._open: tuple[int, str] | None = None  # line and name of the case being told
        self._told: list[Node] = []
        self._told_letters = 0
        self._last: dict[str, str] = {}  # text of each date, as last told

    def _name(self, column: str, columns: Collection[str]) -> str:
        if self._by_row:
            reserved = {"concept:name"}.union(*({target, f"{target}:text"} for target, _ in self._dates))
        else:
            reserved = {"concept:name", "time:timestamp", "time:text"} | (
                {"org:resource"} if self._resource is not None else set()
            )
        name = column
        while name in reserved or (name != column and name in columns):
            name = _renamed(name)
        return name

    def take(self, line: int, cells: list[str]) -> None:
        """One row, of the case before or of the next."""
        name = cells[self._case]
        if self._by_row or self._open is None or not name or self._open[1] != name:
            self.close()
            self._open = line, name
            self._log.open_trace()
            if name:
                self._tell(["string", "concept:name", name], line)
        for target, number in self._dates:
            if (text := cells[number]) and text != self._last.get(target):
                self._last[target] = text
                for node in self._date(target, text, f"{target}:text"):
                    self._tell(node, line)
        others = [["string", other, cells[number]] for number, other in self._others if cells[number]]
        if not self._by_row:
            self._event(line, cells[self._activity or 0], cells[self._time], cells, others)
            return
        for node in others:
            self._tell(node, line)
        self._event(line, START_EVENT, cells[self._time], cells, [])
        if self._end is not None and cells[self._end]:
            self._event(line, END_EVENT, cells[self._end], cells, [])

    def close(self) -> None:
        """The case is told."""
        if self._open is not None:
            self._log.close_trace(self._told, self._open[0], odd=False)
            self._open, self._told, self._told_letters, self._last = None, [], 0, {}

    def _tell(self, node: Node, line: int) -> None:
        """Something of the case, not of an event."""
        self._told.append(node)
        self._told_letters += len(node[1]) + len(node[2])
        if self._told_letters > self._rows.limits.record_bytes:
            self._rows.refuse(
                f"what is said of one case is larger than {self._rows.limits.record_bytes:,} letters", line
            )
        self._log.trace_attribute(node)

    def _date(self, name: str, text: str, beside: str) -> list[Node]:
        date = self._clock.as_date(text)
        spelling = [] if _is_spelt_so(text, date) else [["string", beside, text]]
        return [["date", name, date], *spelling]

    def _event(self, line: int, activity: str, time: str, cells: list[str], others: list[Node]) -> None:
        nodes: list[Node] = []
        if activity:
            nodes.append(["string", "concept:name", activity])
        if time:
            nodes += self._date("time:timestamp", time, "time:text")
        if self._resource is not None and cells[self._resource]:
            nodes.append(["string", "org:resource", cells[self._resource]])
        limits = self._rows.limits
        if self._log.event(nodes + others, line, odd=False) > limits.name_letters:
            self._rows.refuse(
                f"an activity or lifecycle transition is longer than {limits.name_letters:,} letters", line
            )
        if self._log.distinct() > limits.distinct:
            self._rows.refuse(f"more than {limits.distinct:,} different cases, activities or resources", line)
