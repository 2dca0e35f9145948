"""Event logs out (XES, IEEE 1849): equal in counts and in every lexical value to what came in.

Promise: the file is there whole or not at all (written beside its place, synced, renamed); what ``read_xes``
makes of it are the records that were written, types, texts, children and order included. The four standard
extensions (concept, time, lifecycle, organisational) are always declared, so that other tools know the fields.

    write_xes(path, records=…, header=summary.header)

Two things do not come back as they were. A case that had no name gets the one it goes by here (``#7``): its
place in the file, which the name was made of, may be another one now. And the flags ``no-case-id`` and
``odd-xml`` are gone with their causes.

Characters that XML cannot hold (most control characters, half surrogates) are refused, with the case and the
attribute they stand in: an export that replaced them would no longer say what was recorded. A log that was
read from XES has none.
"""

from __future__ import annotations

import gzip
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from ledger.errors import Malformed, NotFound, Unavailable
from ledger.exchange.xes import Attribute, CaseRecord, EventRecord, Record, attribute_of
from ledger.files import flush_folder

DEFAULT_HEADER: Mapping[str, Any] = {
    "log": {"xes.version": "1849-2016", "xes.features": "nested-attributes"},
    "extensions": [],
    "globals": [
        {"scope": "trace", "attributes": [["string", "concept:name", "UNKNOWN"]]},
        {
            "scope": "event",
            "attributes": [
                ["string", "concept:name", "UNKNOWN"],
                ["date", "time:timestamp", "1970-01-01T00:00:00.000+00:00"],
            ],
        },
    ],
    "classifiers": [{"name": "Activity", "keys": "concept:name"}, {"name": "Resource", "keys": "org:resource"}],
    "attributes": [],
}
"""What a log of our own says before its traces; same shape as ``Summary.header``."""


@dataclass(frozen=True, slots=True)
class Written:
    """How much a finished log holds."""

    traces: int
    events: int


_NAMESPACE = "http://www.xes-standard.org/"
_EXTENSIONS = {
    "concept": "Concept",
    "time": "Time",
    "lifecycle": "Lifecycle",
    "org": "Organizational",
}
# Line feeds and tabs would come back as spaces (XML 1.0, 3.3.3), so they are written as references.
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
_TO_ESCAPE = re.compile(r'[&<>"\t\n\r]')
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BLOCK_BYTES = 256 << 10


def write_xes(
    target: Path | str | IO[bytes], *, records: Iterable[Record], header: Mapping[str, Any] | None = None
) -> Written:
    """Write ``records``, each case's record before its events, to a path (gzip if it ends in ``.gz``) or stream.

    ``header`` is the ``Summary.header`` of the log that the records came from, else ``DEFAULT_HEADER``.
    """
    if not isinstance(target, Path | str):
        return _write(target, records, header or DEFAULT_HEADER)
    with whole_or_nothing(Path(target)) as out:
        if not str(target).endswith(".gz"):
            return _write(out, records, header or DEFAULT_HEADER)
        # Without name and time, equal logs give equal files.
        with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=6, mtime=0) as packed:
            return _write(packed, records, header or DEFAULT_HEADER)


def _write(out: IO[bytes] | gzip.GzipFile, records: Iterable[Record], header: Mapping[str, Any]) -> Written:
    traces = events = size = 0
    case_id: str | None = None
    block: list[str] = ['<?xml version="1.0" encoding="UTF-8"?>\n']
    block.extend(_header(header))
    for record in records:
        if isinstance(record, CaseRecord):
            if case_id is not None:
                block.append("\t</trace>\n")
            case_id = record.case_id
            traces += 1
            text = _case(record)
        else:
            if record.case_id != case_id:
                raise AssertionError(f"an event of case {record.case_id} came without its case record")
            events += 1
            text = _event(record)
        block.append(text)
        size += len(text)
        if size > _BLOCK_BYTES:
            out.write("".join(block).encode())
            block.clear()
            size = 0
    if case_id is not None:
        block.append("\t</trace>\n")
    block.append("</log>\n")
    out.write("".join(block).encode())
    return Written(traces, events)


def _header(header: Mapping[str, Any]) -> Iterator[str]:
    where = "the header"
    log = {"xes.version": "1849-2016"} | dict(header.get("log", {}))
    yield f'<log{_pairs(log, where)} xmlns="{_NAMESPACE}">\n'
    extensions = list(header.get("extensions", ()))
    known = {extension.get("prefix") for extension in extensions}
    for prefix, name in _EXTENSIONS.items():
        if prefix not in known:
            extensions.append({"name": name, "prefix": prefix, "uri": f"{_NAMESPACE}{prefix}.xesext"})
    for extension in extensions:
        yield f"\t<extension{_pairs(extension, where)}/>\n"
    for scope in header.get("globals", ()):
        given = {"scope": scope["scope"]} if scope["scope"] is not None else {}
        yield f"\t<global{_pairs(given, where)}>\n"
        for node in scope["attributes"]:
            yield _attribute(attribute_of(node), "\t\t", where)
        yield "\t</global>\n"
    for classifier in header.get("classifiers", ()):
        yield f"\t<classifier{_pairs(classifier, where)}/>\n"
    for node in header.get("attributes", ()):
        yield _attribute(attribute_of(node), "\t", where)


def _case(record: CaseRecord) -> str:
    where = f"case {record.case_id}"
    text = ["\t<trace>\n"]
    if all(attribute.name != "concept:name" for attribute in record.attributes):
        text.append(f'\t\t<string key="concept:name" value="{_escaped(record.case_id, where)}"/>\n')
    for attribute in record.attributes:
        if attribute.type == "event":
            raise AssertionError(f"{where}: a case's attribute cannot be of the type 'event'")
        text.append(_attribute(attribute, "\t\t", where))
    return "".join(text)


def _event(record: EventRecord) -> str:
    where = f"event {record.ordinal} of case {record.case_id}"
    told = {attribute.name for attribute in record.attributes}
    text = ["\t\t<event>\n"]
    for kind, name, value in (
        ("string", "concept:name", record.activity),
        ("string", "org:resource", record.resource),
        ("date", "time:timestamp", record.at),
        ("string", "lifecycle:transition", record.lifecycle),
    ):
        if value is not None and name not in told:
            text.append(f'\t\t\t<{kind} key="{name}" value="{_escaped(value, where)}"/>\n')
    for attribute in record.attributes:
        text.append(_attribute(attribute, "\t\t\t", where))
    text.append("\t\t</event>\n")
    return "".join(text)


def _attribute(attribute: Attribute, indent: str, where: str) -> str:
    kind = attribute.type
    if not _is_name(kind):
        raise Malformed(f"{where}: the type {kind!r} of the attribute {attribute.name!r} is no XML name")
    # The <values> of a list is the one element of XES without a key.
    key = "" if kind == "values" and not attribute.name else f' key="{_escaped(attribute.name, where)}"'
    value = "" if attribute.value is None else f' value="{_escaped(attribute.value, where, attribute.name)}"'
    if not attribute.children:
        return f"{indent}<{kind}{key}{value}/>\n"
    children = "".join(_attribute(child, indent + "\t", where) for child in attribute.children)
    return f"{indent}<{kind}{key}{value}>\n{children}{indent}</{kind}>\n"


def _pairs(pairs: Mapping[str, str], where: str) -> str:
    for name in pairs:
        if not _is_name(name):
            raise Malformed(f"{where}: {name!r} is no XML name")
    return "".join(f' {name}="{_escaped(value, where, name)}"' for name, value in pairs.items())


def _escaped(text: str, where: str, name: str = "") -> str:
    if (bad := _UNWRITABLE.search(text)) is not None:
        raise Malformed(
            f"{where}: {name or 'a name'} holds the character U+{ord(bad[0]):04X}, which XML cannot hold",
            mend="export without this case, or in a format that can hold it",
        )
    return _TO_ESCAPE.sub(lambda match: _ESCAPES[match[0]], text) if _TO_ESCAPE.search(text) else text


@lru_cache(maxsize=1024)
def _is_name(name: str) -> bool:
    # The parser is the judge of what a name is; the characters that would make it see more than one are out.
    if not name or any(character in " \t\r\n<>/&'\"=:" for character in name):
        return False
    try:
        expat.ParserCreate().Parse(f"<{name}/>", True)
    except (expat.ExpatError, UnicodeError):
        return False
    return True


@contextmanager
def whole_or_nothing(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes its name only when it is complete and on disk."""
    try:
        # Readable by its owner alone, as a temporary file is: an export holds what people said and did.
        out = tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False)  # noqa: SIM115
    except FileNotFoundError:
        raise NotFound(f"there is no folder {path.parent}", mend="make it, or name another") from None
    except OSError as error:
        raise Unavailable(f"{path} could not be written: {error}") from error
    try:
        with out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        Path(out.name).replace(path)
        flush_folder(path.parent)
    except OSError as error:
        Path(out.name).unlink(missing_ok=True)
        raise Unavailable(f"{path} could not be written: {error}") from error
    except BaseException:
        Path(out.name).unlink(missing_ok=True)
        raise
