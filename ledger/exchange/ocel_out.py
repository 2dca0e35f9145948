"""A source's cases as an object-centric event log (OCEL 2.0, JSON): for the tools that read that.

Promise: what ``ledger.exchange.export_xes`` promises of what it writes, of the same cases. The objects are the cases,
one each, of the type ``case``; the events are the source's, each related to its case. Events come in the order of the
cases and, in a case, in the file's.

    {"events": [{"id": "10011/1", "type": "受理", "time": "2024-03-04T01:30:00.000000Z",
                 "attributes": [{"name": "org:resource", "value": "李"}, …],
                 "relationships": [{"objectId": "10011", "qualifier": "case"}]}, …],
     "objects": [{"id": "10011", "type": "case",
                  "attributes": [{"name": "deadline", "time": "1970-01-01T00:00:00Z", "value": "2024-…Z"}, …]}, …],
     "objectTypes": [{"name": "case", "attributes": [{"name": "deadline", "type": "time"}, …]}],
     "eventTypes": [{"name": "受理", "attributes": [{"name": "org:resource", "type": "string"}, …]}, …]}

OCEL says less than XES does, and this is the less faithful of the two. A value is text, its type stands with the event
type or object type and is ``string`` where the values have several. Times are in UTC. Of attributes of one name the
last is kept; one with parts is one text of JSON. Every event must have a time and a type: without, it has that of the
beginning of time (1970) and ``UNKNOWN``, and its flags (``mingjian:flags``) say so; a text that is no time is kept as
``time:text``. What holds of a case from the first is dated 1970, as usual in OCEL.
"""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import IO, Any, Final

import orjson

from ledger.door.hall import Hall
from ledger.exchange.export_xes import Exported, Progress, export_cases
from ledger.exchange.xes import Attribute, CaseRecord, EventRecord, Flag, Record, read_instant
from ledger.exchange.xes_writer import whole_or_nothing
from ledger.statement import instant_text

CASE_OBJECT: Final = "case"
FLAGS: Final = "mingjian:flags"
TIME_TEXT: Final = "time:text"
NO_ACTIVITY: Final = "UNKNOWN"
FIRST_TIME: Final = "1970-01-01T00:00:00Z"

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")

Values = dict[str, tuple[str, str]]
"""By name: the type in OCEL's words, and the value."""


def export_ocel(hall: Hall, path: Path, *, source: str, progress: Progress = lambda *_: None) -> Exported:
    """Write the cases of ``source``, as the published log holds them, to a new file (gzip when it ends in ``.gz``)."""
    return export_cases(
        hall, path, lambda walk: write_ocel(path, records=walk.records()), source=source, progress=progress
    )


def write_ocel(path: Path, *, records: Iterable[Record]) -> None:
    """Write ``records``, each case's record before its events and its traces together, to ``path``."""
    with whole_or_nothing(path) as out:
        if not str(path).endswith(".gz"):
            _write(out, records, path.parent)
            return
        with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=6, mtime=0) as packed:
            _write(packed, records, path.parent)


def _write(out: IO[bytes] | gzip.GzipFile, records: Iterable[Record], folder: Path) -> None:
    event_types: dict[str, dict[str, str]] = {}
    case_type: dict[str, str] = {}
    # Objects wait beside until the events are written: the file has the one list behind the other.
    with tempfile.TemporaryFile(dir=folder) as objects:
        out.write(b'{"events":[')
        first = True
        for case_id, group in groupby(records, key=lambda record: record.case_id):
            case: Values = {}
            for record in group:
                if isinstance(record, CaseRecord):
                    case |= _values(record)
                    continue
                if not first:
                    out.write(b",\n")
                first = False
                out.write(orjson.dumps(_event(record, event_types)))
            _declare(case_type, case)
            attributes = [{"name": name, "time": FIRST_TIME, "value": value} for name, (_, value) in case.items()]
            objects.write(b",\n" if objects.tell() else b"")
            objects.write(orjson.dumps({"id": case_id, "type": CASE_OBJECT, "attributes": attributes}))
        out.write(b'],\n"objects":[')
        objects.seek(0)
        while block := objects.read(1 << 18):
            out.write(block)
    types = {"objectTypes": {CASE_OBJECT: case_type}, "eventTypes": event_types}
    for key, named in types.items():
        out.write(b'],\n"%s":[' % key.encode())
        out.write(b",\n".join(map(orjson.dumps, _types(named))))
    out.write(b"]}\n")


def _event(record: EventRecord, event_types: dict[str, dict[str, str]]) -> dict[str, Any]:
    values = _values(record)
    for name, text in (("org:resource", record.resource), ("lifecycle:transition", record.lifecycle)):
        if text is not None:
            values[name] = "string", text
    if record.at is not None and record.at_us is None:
        values[TIME_TEXT] = "string", record.at
    kind = record.activity or NO_ACTIVITY
    _declare(event_types.setdefault(kind, {}), values)
    return {
        "id": f"{record.case_id}/{record.ordinal}",
        "type": kind,
        "time": FIRST_TIME if record.at_us is None else instant_text(record.at_us),
        "attributes": [{"name": name, "value": value} for name, (_, value) in values.items()],
        "relationships": [{"objectId": record.case_id, "qualifier": CASE_OBJECT}],
    }


def _values(record: Record) -> Values:
    values = {attribute.name: typed for attribute in record.attributes if (typed := _typed(attribute)) is not None}
    if flags := sorted(str(flag) for flag in record.flags if flag != Flag.FUTURE):
        values[FLAGS] = "string", " ".join(flags)
    return values


def _typed(attribute: Attribute) -> tuple[str, str] | None:
    """The value as text with what it can be read as, None where there is none."""
    text = attribute.value
    if attribute.children:
        return "string", orjson.dumps(_node(attribute)).decode()
    if text is None:
        return None
    if attribute.type == "date" and (instant := read_instant(text)) is not None:
        return "time", instant_text(instant.us)
    if attribute.type == "int" and _INTEGER.fullmatch(text):
        return "integer", text
    if attribute.type == "float" and _FLOAT.fullmatch(text):
        return "float", text
    if attribute.type == "boolean" and text in ("true", "false"):
        return "boolean", text
    return "string", text


def _node(attribute: Attribute) -> list[Any]:
    return [attribute.type, attribute.name, attribute.value, *map(_node, attribute.children)]


def _declare(declared: dict[str, str], values: Values) -> None:
    for name, (kind, _) in values.items():
        declared[name] = kind if declared.get(name, kind) == kind else "string"


def _types(types: dict[str, dict[str, str]]) -> Iterator[dict[str, Any]]:
    for name, attributes in types.items():
        yield {"name": name, "attributes": [{"name": name, "type": kind} for name, kind in attributes.items()]}
