"""Files of records, one record at a time: JSON arrays, JSON Lines, objects behind each other, and tables.

Promise: memory stays bounded by ``MAX_RECORD_BYTES`` whatever the file holds; a record is handed on as the very bytes
that stood there, with its place (from 1) and its line, and one that does not parse is handed on too. What breaks the
file itself (a damaged gzip, bytes of another encoding, a record without end) is refused with file and line, when the
records before it have been handed on.

    [ {…}, {…} ]          an array: its elements
    {…} LF {…} LF         lines, each an object; or objects over several lines behind each other
    {"records": [ … ]}    an object with an array under one of the names asked for: the array's elements
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final, NoReturn

from ledger.errors import Malformed, Refused
from ledger.exchange.csv_in import Clock, Rows, Table, columns_of, encoding_of
from ledger.exchange.xes import Limits, open_log

MAX_RECORD_BYTES: Final = 1 << 20
_CHUNK_BYTES: Final = 1 << 16
_LIMITS: Final = Limits(record_bytes=MAX_RECORD_BYTES)
_RATIO_FROM_BYTES: Final = 64 << 20
_MARKS: Final = re.compile(rb'["{}\[\],:]|[^\s"{}\[\],:]+')
_NESTED: Final = re.compile(rb'["{}\[\]]')  # all that counts within a record
_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+"', re.DOTALL)
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_HIDDEN: Final = re.compile(rb"\\u(?:0000|[dD][89abAB])")


@dataclass(frozen=True, slots=True)
class Raw:
    """One record as it stands in its file, not parsed. ``refused``: why it is none."""

    place: int
    line: int | None
    data: bytes
    refused: Refused | None = None


def parse(data: bytes) -> Any:
    """The JSON value in ``data``; numbers with a point are Decimals. Malformed says why it is none."""
    try:
        text = data.decode("utf-8-sig")
        value = json.loads(text, parse_float=Decimal, parse_constant=_no_number, object_pairs_hook=_object)
        if _HIDDEN.search(data):
            told = json.dumps(value, ensure_ascii=False, default=str)
            told.encode()
            if "\\u0000" in told:
                raise ValueError("a zero byte within a text")
    except RecursionError:
        raise Malformed(
            "this is nested too deeply", code="json", mend="send records as the contract has them"
        ) from None
    except (ValueError, ArithmeticError) as error:
        raise Malformed(f"this is no JSON: {error}", code="json", mend="mend the record at its source") from None
    return value


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object names something twice")
    return found


# ── JSON ───────────────────────────────────────────────────────────────────────────────────────────────────


def json_records(path: Path, *, names: Collection[str] = ("records",), encoding: str | None = None) -> Iterator[Raw]:
    """The records of a JSON file, also gzip or a zip of one file. ``names``: of the arrays in which they may stand."""
    with _unpacked(path) as file:
        first, whole_line = _first_line(path, file, encoding)
    by_line = whole_line and _is_record(first, names)
    if first.startswith(b"{") and not by_line and names:
        found = False
        with _unpacked(path) as file:
            for raw in _split(path, _transcoded(path, file, encoding), names=names):
                found = True
                yield raw
        if found:
            return
    with _unpacked(path) as file:
        chunks = _transcoded(path, file, encoding)
        if by_line:
            yield from _lines(path, chunks)
        else:
            yield from _split(path, chunks, names=())


def _is_record(data: bytes, names: Collection[str]) -> bool:
    """Whether this line is an object by itself, and none that holds records."""
    try:
        value = parse(data)
    except Malformed:
        return False
    return isinstance(value, dict) and not any(isinstance(value.get(name), list) for name in names)


def _first_line(path: Path, file: Iterable[bytes], encoding: str | None) -> tuple[bytes, bool]:
    """The first line that says something, up to what a record may have; whether it is whole."""
    held = b""
    for chunk in _transcoded(path, file, encoding):
        held = (held + chunk).lstrip()
        if b"\n" in held:
            return held.partition(b"\n")[0].rstrip(), True
        if len(held) > MAX_RECORD_BYTES:
            return held, False
    return held.rstrip(), True


def _lines(path: Path, chunks: Iterable[bytes]) -> Iterator[Raw]:
    place = line = 0
    held = b""
    for chunk in _ended(chunks):
        held += b"\n" if chunk is None else chunk
        if chunk is None and not held.strip():
            return
        *whole, held = held.split(b"\n")
        for text in whole:
            line += 1
            if text.strip():
                place += 1
                yield Raw(place, line, text.strip(), _too_large(len(text)))
        if len(held) > MAX_RECORD_BYTES + _CHUNK_BYTES:
            _refuse(path, line + 1, f"one record is larger than {MAX_RECORD_BYTES:,} bytes")


def _ended(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    yield from chunks
    yield None


def _too_large(size: int) -> Refused | None:
    if size <= MAX_RECORD_BYTES:
        return None
    return Malformed(f"a record has at most {MAX_RECORD_BYTES:,} bytes", code="record-size", mend="send less in one")


def _split(path: Path, chunks: Iterable[bytes], *, names: Collection[str]) -> Iterator[Raw]:
    """The elements of the top array, or of the arrays so named in the top object; without names what stands there.

    Only brackets and texts are looked at: what stands between a record's own is parsed later, by itself.
    """
    wanted = {json.dumps(name).encode() for name in names}
    held, at, line, place = bytearray(), 0, 1, 0
    depth, base = 0, None if wanted else 0  # records stand at depth ``base``
    start: int | None = None
    start_line, last = 1, b""
    for chunk in _ended(chunks):
        if chunk is not None:
            held += chunk
        while True:
            found = (_MARKS if start is None else _NESTED).search(held, at)
            if found is None:
                break
            mark, end = found[0], found.end()
            if mark == b'"':
                text = _STRING.match(held, end)
                if text is None:
                    if chunk is None:  # a text that is never closed
                        at = len(held)
                        start = found.start() if start is None and base == depth else start
                    break
                end = text.end()
            elif chunk is not None and end == len(held) and mark not in b"{}[],:":
                break  # a number or word that may go on
            line += held.count(b"\n", at, found.start())
            begins = base == depth and start is None and mark not in (b",", b"]", b"}", b":")
            if begins and not (mark == b"[" and depth == 0 and place == 0 and not wanted):
                start, start_line = found.start(), line
            line += held.count(b"\n", found.start(), end)
            at = end
            if mark in (b"{", b"["):
                if start is None and mark == b"[" and depth == 0:
                    base = 1
                elif start is None and mark == b"[" and depth == 1 and last in wanted:
                    base = 2
                depth += 1
            elif mark in (b"}", b"]"):
                depth -= 1
                if start is None and base is not None and depth < base:
                    base = None if wanted else 0
            elif mark == b'"' and depth == 1:
                last = bytes(held[found.start() : end])
            if start is not None and depth == base and mark not in (b",", b":"):
                place += 1
                data = bytes(held[start:at])
                yield Raw(place, start_line, data, _too_large(len(data)))
                start = None
            elif depth < 0:
                _refuse(path, line, "a bracket is closed that was never opened")
        if start is not None and len(held) - start > MAX_RECORD_BYTES + _CHUNK_BYTES:
            _refuse(path, start_line, f"one record is larger than {MAX_RECORD_BYTES:,} bytes, or has no end")
        kept = at if start is None else start
        if start is None and len(held) - kept > MAX_RECORD_BYTES + _CHUNK_BYTES:
            _refuse(path, line, f"one text is larger than {MAX_RECORD_BYTES:,} bytes, or has no end")
        del held[:kept]
        at -= kept
        start = None if start is None else 0
    if start is not None:
        yield Raw(place + 1, start_line, bytes(held), _broken_off())
    elif depth:
        _refuse(path, line, "the file breaks off: its brackets are not closed")


def _broken_off() -> Refused:
    return Malformed("the file breaks off within this record", code="json", mend="have the file sent once more")


# ── Tables ─────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """How a table is read. ``columns``: its own names → those of the contract; ``kinds``: field → kind of value."""

    columns: Mapping[str, str]
    kinds: Mapping[str, str]
    zone: str | None = None
    time_formats: tuple[str, ...] = ()
    delimiter: str | None = None
    encoding: str | None = None


def table_records(path: Path, sheet: Sheet) -> Iterator[Raw]:
    """The rows of a table as JSON records: empty cells say nothing, lists are divided by ``;``."""
    clock = Clock(sheet.zone, sheet.time_formats)
    own = {name: column for column, name in sheet.columns.items()}
    must = [own.get(name, name) for name in ("id", "ref", "act", "at")]
    table = Table(case=must[1], time=must[3], delimiter=sheet.delimiter, encoding=sheet.encoding)
    encoding = encoding_of(path, table)
    names, delimiter = columns_of(path, table, encoding, must, _LIMITS)
    with open_log(path) as source:
        rows = iter(Rows(path, source, encoding, delimiter, _LIMITS))
        next(rows, None)
        for place, (line, cells) in enumerate(rows, start=1):
            if len(cells) != len(names):
                refused = Malformed(
                    f"{len(names)} columns expected, {len(cells)} found", code="ragged", mend="mend the row"
                )
                yield Raw(place, line, json.dumps(cells, ensure_ascii=False).encode(), refused)
                continue
            record = {
                sheet.columns.get(name, name): _cell(
                    sheet.kinds.get(sheet.columns.get(name, name), "text"), cell, clock
                )
                for name, cell in zip(names, cells, strict=True)
                if cell
            }
            yield Raw(place, line, json.dumps(record, ensure_ascii=False).encode(errors="replace"))


def _cell(kind: str, text: str, clock: Clock) -> Any:
    """What a cell says as its field's kind; the text itself where it is no such thing, which is refused later."""
    match kind:
        case "int" | "count" | "fen" if _WHOLE.fullmatch(text.strip()):
            return int(text)
        case "bool" if text.strip().lower() in ("true", "false", "是", "否"):
            return text.strip().lower() in ("true", "是")
        case "codes" | "ids":
            return [part.strip() for part in re.split("[;；]", text) if part.strip()]
        case "instant":
            return clock.as_date(text)
        case "object":
            try:
                return json.loads(text)
            except (ValueError, RecursionError):
                return text
    return text.strip() if kind in ("code", "date", "id") else text


# ── Bytes ──────────────────────────────────────────────────────────────────────────────────────────────────


def _refuse(path: Path, line: int, reason: str, *, code: str = "json", mend: str = "") -> NoReturn:
    raise Malformed(
        f"{path}, line {line}: {reason}",
        code=code,
        mend=mend or "mend the file at its source and import it again: what was taken stays, and is not taken twice",
        file=str(path),
        line=line,
        reason=reason,
    )


@contextmanager
def _unpacked(path: Path) -> Iterator[Iterator[bytes]]:
    """The file's bytes, unpacked if it is a gzip or a zip of one file; bombs are refused."""
    with open_log(path) as source:
        is_zip = source.read(4) == b"PK\x03\x04"
    with open_log(path) as source:
        if not is_zip:
            yield _checked(path, source.chunks(), lambda: source.read_bytes if source.packed else None)
            return
        with path.open("rb") as raw, _zip(path, raw) as (member, size):
            yield _checked(path, iter(lambda: member.read(_CHUNK_BYTES), b""), lambda: size)


@contextmanager
def _zip(path: Path, raw: IO[bytes]) -> Iterator[tuple[IO[bytes], int]]:
    try:
        archive = zipfile.ZipFile(raw)
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        _refuse(path, 1, f"the zip is damaged ({error})", code="packed")
    with archive:
        members = [one for one in archive.infolist() if not one.is_dir()]
        if len(members) != 1 or members[0].flag_bits & 1:
            _refuse(
                path, 1, f"a zip holds one file, in clear; this one {len(members)}", code="packed", mend="unpack it"
            )
        with archive.open(members[0]) as member:
            yield member, max(1, members[0].compress_size)


def _checked(path: Path, chunks: Iterator[bytes], packed: Callable[[], int | None]) -> Iterator[bytes]:
    unpacked = 0
    try:
        for chunk in chunks:
            unpacked += len(chunk)
            size = packed()
            if unpacked > _LIMITS.unpacked_bytes or (
                size is not None and unpacked > max(_RATIO_FROM_BYTES, _LIMITS.unpacked_ratio * size)
            ):
                _refuse(path, 1, "it grows beyond measure when it is unpacked: it looks like a bomb", code="packed")
            yield chunk
    except (EOFError, gzip.BadGzipFile, zlib.error, zipfile.BadZipFile) as error:
        _refuse(path, 1, f"what is packed breaks off or is damaged ({error})", code="packed")


def _transcoded(path: Path, chunks: Iterable[bytes], encoding: str | None) -> Iterator[bytes]:
    """The same text in UTF-8, without a mark at its beginning."""
    name = encoding or "utf-8"
    try:
        decoder = codecs.getincrementaldecoder("utf-8-sig" if codecs.lookup(name).name == "utf-8" else name)()
    except LookupError:
        raise Malformed(f"there is no encoding {name!r}", code="encoding", mend="name one: gb18030, utf-16 …") from None
    line = 1
    try:
        for chunk in chunks:
            text = decoder.decode(chunk)
            line += text.count("\n")
            yield text.encode()
        decoder.decode(b"", True)
    except UnicodeError:
        mend = "name the one it was written in: --encoding gb18030, utf-16 …"
        _refuse(path, line, f"bytes that are not {name}", code="encoding", mend=mend)


def body_records(body: bytes, *, names: Collection[str] = ("records",)) -> list[Raw]:
    """The records of a message that is held whole: an array, one object, or lines."""
    text = body.decode("utf-8-sig", errors="surrogateescape").strip()
    data = text.encode(errors="surrogateescape")
    try:
        value = parse(data)
    except Malformed as error:
        if not data.startswith(b"{"):
            raise
        lines = [(at, line.strip()) for at, line in enumerate(data.split(b"\n"), start=1) if line.strip()]
        if len(lines) < 2:
            raise error from None
        return [Raw(place, at, line) for place, (at, line) in enumerate(lines, start=1)]
    if isinstance(value, dict) and not any(isinstance(value.get(name), list) for name in names):
        return [Raw(1, 1, data)]
    return list(split_records(data, names=() if isinstance(value, list) else names))


def split_records(data: bytes, *, names: Collection[str]) -> Iterator[Raw]:
    """The elements of the arrays of those names in a JSON object that is held whole, or of an array."""
    return _split(Path("message"), [data], names=names)
