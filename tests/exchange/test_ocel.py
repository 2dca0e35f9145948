"""Object-centric logs out (OCEL 2.0): the file has the format's shape, and every case, event and value is in it."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from ledger.door.hall import Hall
from ledger.errors import NotFound, Refused
from ledger.exchange.importer import import_xes
from ledger.exchange.ocel_out import export_ocel, write_ocel
from ledger.exchange.xes import Attribute, CaseRecord, EventRecord, Record, read_instant

# What the standard asks of a log in JSON, in our own words.
_NAMED = {
    "type": "object",
    "required": ["name", "attributes"],
    "properties": {"name": {"type": "string", "minLength": 1}},
}
_TYPES = {
    "type": "array",
    "items": _NAMED
    | {
        "properties": {
            "name": {"type": "string", "minLength": 1},
            "attributes": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["name", "type"],
                    "properties": {
                        "name": {"type": "string"},
                        "type": {"enum": ["string", "time", "integer", "float", "boolean"]},
                    },
                },
            },
        }
    },
}
_TEXT = {"type": "string"}
_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}


def _list(required: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": {"type": "object", "required": list(required), "properties": required}}


OCEL = {
    "type": "object",
    "required": ["objectTypes", "eventTypes", "objects", "events"],
    "properties": {
        "objectTypes": _TYPES,
        "eventTypes": _TYPES,
        "objects": _list(
            {"id": _TEXT, "type": _TEXT, "attributes": _list({"name": _TEXT, "time": _TIME, "value": _TEXT})}
        ),
        "events": _list(
            {
                "id": _TEXT,
                "type": _TEXT,
                "time": _TIME,
                "attributes": _list({"name": _TEXT, "value": _TEXT}),
                "relationships": _list({"objectId": _TEXT, "qualifier": _TEXT}),
            }
        ),
    },
}


def checked(path: Path) -> dict[str, Any]:
    """The log, after what the format asks of it: shape, unique ids, declared types, objects that exist."""
    raw = path.read_bytes()
    log: dict[str, Any] = json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)
    Draft202012Validator(OCEL, format_checker=FormatChecker()).validate(log)
    for items, types in (("events", "eventTypes"), ("objects", "objectTypes")):
        ids = [item["id"] for item in log[items]]
        assert len(ids) == len(set(ids))
        declared = {one["name"]: {each["name"]: each["type"] for each in one["attributes"]} for one in log[types]}
        assert len(declared) == len(log[types])
        for item in log[items]:
            names = [each["name"] for each in item["attributes"]]
            assert len(names) == len(set(names))
            for each in item["attributes"]:
                fits(declared[item["type"]][each["name"]], each["value"])
    objects = {item["id"] for item in log["objects"]}
    assert all(one["objectId"] in objects for event in log["events"] for one in event["relationships"])
    return log


def fits(kind: str, value: str) -> None:
    """A value can be read as its declared type; it raises where it cannot."""
    if kind == "boolean":
        assert value in ("true", "false")
    else:
        {"time": datetime.fromisoformat, "integer": int, "float": float, "string": str}[kind](value)


def test_the_known_log_has_as_many_events_and_objects_as_it_has_events_and_cases(
    hall: Hall, known_log: Any, tmp_path: Path
) -> None:
    done = import_xes(hall, known_log.path, source="known")
    assert done.last is not None
    assert hall.wait_placed([done.last], timeout_s=60)
    told = export_ocel(hall, tmp_path / "log.json.gz", source="known")
    log = checked(tmp_path / "log.json.gz")
    assert (told.events, told.cases) == (known_log.events, known_log.cases)
    assert (len(log["events"]), len(log["objects"])) == (known_log.events, known_log.cases)
    assert {one["name"] for one in log["objectTypes"]} == {"case"}
    assert len(log["eventTypes"]) == known_log.activities
    found = [(event["relationships"][0]["objectId"], event["type"]) for event in log["events"]]
    expected = []
    for trace, events in known_log.walk():
        case = {key: value for _, key, value in trace}["concept:name"]
        expected += [(case, {key: value for _, key, value in event}["concept:name"]) for event in events]
    assert found == expected


def test_values_keep_their_types_and_what_ocel_has_no_place_for_is_text(tmp_path: Path) -> None:
    attributes = (
        Attribute("n", "int", "5"),
        Attribute("no n", "int", "five"),
        Attribute("x", "float", "-1.50"),
        Attribute("yes", "boolean", "true"),
        Attribute("on", "date", "2024-03-04T09:30:00+08:00"),
        Attribute("when", "date", "soon"),
        Attribute("list", "list", None, (Attribute("a", "string", "1"),)),
        Attribute("twice", "string", "first"),
        Attribute("twice", "string", "last"),
        Attribute("nothing", "string", None),
    )
    records: list[Record] = [
        CaseRecord("c/1", 0, attributes),
        EventRecord("c/1", 1, "a", "2024-01-01", 1_704_067_200_000_000, "start", "李", (), ("date-only",)),
        EventRecord("c/1", 2, None, "soon", None, None, None, (), ("bad-timestamp", "no-activity")),
    ]
    write_ocel(tmp_path / "log.json", records=records)
    log = checked(tmp_path / "log.json")
    kinds = {one["name"]: one["type"] for one in log["objectTypes"][0]["attributes"]}
    values = {one["name"]: one["value"] for one in log["objects"][0]["attributes"]}
    assert kinds == {
        "n": "integer",
        "no n": "string",
        "x": "float",
        "yes": "boolean",
        "on": "time",
        "when": "string",
        "list": "string",
        "twice": "string",
    }
    assert (values["n"], values["x"], values["on"]) == ("5", "-1.50", "2024-03-04T01:30:00.000000Z")
    assert (json.loads(values["list"]), values["twice"]) == (["list", "list", None, ["string", "a", "1"]], "last")
    first, second = log["events"]
    assert (first["id"], first["type"], first["time"]) == ("c/1/1", "a", "2024-01-01T00:00:00.000000Z")
    assert {one["name"]: one["value"] for one in first["attributes"]} == {
        "mingjian:flags": "date-only",
        "org:resource": "李",
        "lifecycle:transition": "start",
    }
    assert (second["type"], second["time"]) == ("UNKNOWN", "1970-01-01T00:00:00Z")
    assert {one["name"]: one["value"] for one in second["attributes"]} == {
        "mingjian:flags": "bad-timestamp no-activity",
        "time:text": "soon",
    }


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.lists(
    st.builds(
        Attribute,
        st.sampled_from(["a", "b", "org:resource"]) | TEXTS,
        st.sampled_from(["string", "int", "float", "boolean", "date", "odd"]),
        st.sampled_from(["1", "-2.5", "1e400", "true", "NaN", "2024-01-02", "9" * 40]) | TEXTS | st.none(),
    ),
    max_size=4,
).map(tuple)


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    records: list[Record] = []
    for name in draw(st.lists(TEXTS, max_size=4, unique=True)):
        ordinal = -1
        for _ in range(draw(st.integers(1, 2))):
            records.append(CaseRecord(name, ordinal := ordinal + 1, draw(VALUES)))
            for activity, at in draw(
                st.lists(
                    st.tuples(st.none() | TEXTS, st.sampled_from([None, "soon", "2024-01-02T10:00:00Z"])), max_size=3
                )
            ):
                instant = read_instant(at) if at else None
                at_us = instant and instant.us
                ordinal += 1
                records.append(
                    EventRecord(name, ordinal, activity, at, at_us, None, draw(st.none() | TEXTS), draw(VALUES))
                )
    return records


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logs())
def test_any_log_becomes_an_ocel_of_equal_counts(
    tmp_path_factory: pytest.TempPathFactory, records: list[Record]
) -> None:
    path = tmp_path_factory.mktemp("o") / "log.json"
    write_ocel(path, records=records)
    log = checked(path)
    assert [path.name for path in path.parent.iterdir()] == ["log.json"]
    events = [record for record in records if isinstance(record, EventRecord)]
    assert len(log["events"]) == len(events)
    assert [one["id"] for one in log["objects"]] == list(dict.fromkeys(record.case_id for record in records))
    assert Counter(event["relationships"][0]["objectId"] for event in log["events"]) == Counter(
        event.case_id for event in events
    )


def test_an_export_never_takes_the_place_of_a_file_and_needs_a_source(hall: Hall, tmp_path: Path) -> None:
    path = tmp_path / "log.json"
    path.write_text("mine", "utf-8")
    with pytest.raises(Refused, match="there already"):
        export_ocel(hall, path, source="known")
    with pytest.raises(NotFound):
        export_ocel(hall, tmp_path / "other.json", source="none")
    assert path.read_text("utf-8") == "mine"
    assert list(tmp_path.iterdir()) == [path]
