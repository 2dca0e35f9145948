"""Any log of the family, end to end: what the ledger says of it is what a plain walk over its records says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.door.hall import Hall
from ledger.exchange.export_xes import export_xes
from ledger.exchange.importer import import_xes
from ledger.exchange.xes import Attribute, CaseRecord, EventRecord, Record, read_xes
from ledger.exchange.xes_writer import write_xes
from ledger.statement import open_statement
from projections import imported
from projections.runner import Projector

SOURCES = (f"p{number}" for number in count())

BEGIN = datetime(2011, 1, 1, tzinfo=UTC)
NAMES = st.sampled_from(["受理", "a", "b", "c"])
TIMES = st.one_of(
    st.integers(0, 5_000_000).map(lambda s: (BEGIN + timedelta(seconds=s)).isoformat()),
    st.integers(0, 60).map(lambda days: str((BEGIN + timedelta(days=days)).date())),
    st.sampled_from(
        [
            "2011-02-01T22:00:00.000Z",
            "2011-02-01T00:00:00+01:00",
            "2011-02-01 08:30:00",
            "2011-02-01T24:00:00",
            "9999-12-31T23:30:00-05:00",
            "2999-01-01T00:00:00Z",
            "soon",
            "",
        ]
    ),
)
LEAVES = st.builds(
    Attribute,
    st.sampled_from(["cost", "note", "deadline", "x:y", "größe"]),
    st.sampled_from(["string", "date", "int", "float", "boolean", "id", "odd"]),
    st.one_of(st.sampled_from(["1", "-2.5", "true", "张三", "2011-01-05", ""]), st.none()),
)
ATTRIBUTES = st.lists(
    st.one_of(
        LEAVES,
        st.builds(
            Attribute, st.just("nested"), st.sampled_from(["list", "container"]), st.none(), st.tuples(LEAVES, LEAVES)
        ),
    ),
    max_size=4,
    unique_by=lambda attribute: attribute.name,
).map(tuple)
EVENTS = st.lists(
    st.tuples(st.none() | NAMES, st.none() | TIMES, st.sampled_from([None, "start", "complete", "suspend"]),
              st.sampled_from([None, "", "张三", "r1", "r2"]), ATTRIBUTES),
    max_size=5,
)  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    records: list[Record] = []
    for number in range(draw(st.integers(1, 5))):
        # Sometimes an earlier case comes again: its second trace goes on counting.
        case_id = f"case {draw(st.integers(0, number))}"
        records.append(CaseRecord(case_id, 0, draw(ATTRIBUTES)))
        for activity, at, lifecycle, resource, attributes in draw(EVENTS):
            records.append(EventRecord(case_id, 0, activity, at, None, lifecycle, resource, attributes))
    return records


def plain_figures(records: list[Record], now_us: int) -> dict[str, Any]:
    """What the figures must be, by no code of the ledger's but the reader's."""
    cases: dict[str, list[EventRecord]] = {}
    for record in records:
        events = cases.setdefault(record.case_id, [])
        if isinstance(record, EventRecord):
            events.append(record)
    every = [event for events in cases.values() for event in events]
    times = [event.at_us for event in every if event.at_us is not None]
    spans = []
    for events in cases.values():
        stamps = [event.at_us for event in events if event.at_us is not None]
        if stamps:
            spans.append((max(stamps) - min(stamps)) / 1e6)
    edges = {(a.activity or "", b.activity or "") for events in cases.values() for a, b in pairwise(events)}
    return {
        "cases": len(cases),
        "events": len(every),
        "activities": len({event.activity for event in every if event.activity}),
        "resources": len({event.resource for event in every if event.resource is not None}),
        "flagged": sum(bool(set(record.flags) - {"date-only"}) for record in records),
        "first_us": min(times, default=None),
        "last_us": max(times, default=None),
        "variants": Counter(tuple(event.activity or "" for event in events) for events in cases.values()),
        "edges": len(edges),
        "spans": spans,
    }  # fmt: skip


def bring_in(hall: Hall, *paths: Path, source: str) -> None:
    done = import_xes(hall, *paths, source=source)
    assert done.last is None or hall.wait_placed([done.last], timeout_s=20)
    Projector(hall.database).catch_up()


def as_written(records: Iterator[Record]) -> list[tuple[Any, ...]]:
    """Everything of a record but its line and the flag that depends on when one looks."""
    return [
        (record.case_id, record.ordinal, record.attributes, set(record.flags) - {"future"})
        + ((record.activity, record.at, record.at_us, record.lifecycle, record.resource)
           if isinstance(record, EventRecord) else ())
        for record in records
    ]  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(logs())
def test_figures_and_export_of_any_small_log_are_those_of_a_plain_walk(
    hall: Hall, tmp_path_factory: pytest.TempPathFactory, records: list[Record]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log, out, source = folder / "log.xes", folder / "out.xes.gz", next(SOURCES)
    write_xes(log, records=records)
    now_us = hall.reader.head().recorded_us
    read = list(read_xes(log, now_us=now_us))
    bring_in(hall, log, source=source)
    with hall.database.use("reader") as connection:
        totals = imported.totals(connection, source)
        found = imported.throughput(connection, source).as_json()
    plain = plain_figures(read, now_us)
    for name in ("cases", "events", "activities", "resources", "flagged"):
        assert totals[name] == plain[name], name
    assert found["variants"] == len(plain["variants"])
    assert found["directly_follows_edges"] == plain["edges"]
    assert [v["cases"] for v in found["top_variants"]] == [n for _, n in plain["variants"].most_common(5)]
    if plain["spans"]:
        assert found["mean_s"] == pytest.approx(fmean(plain["spans"]), abs=1e-3)
        assert found["median_s"] == pytest.approx(median(plain["spans"]), abs=1e-3)

    done = export_xes(hall, out, source=source)
    assert (done.cases, done.events, done.erased) == (plain["cases"], plain["events"], 0)
    assert sorted_by_case(as_written(read_xes(out))) == sorted_by_case(as_written(iter(read)))


def sorted_by_case(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    # A case that came in several traces comes out in one place, its traces behind one another.
    return sorted(rows, key=lambda row: (row[0], row[1]))


HEAD = '<log xes.version="1.0" xmlns="http://www.xes-standard.org/">'
EVENT = '<event><string key="concept:name" value="{}"/><date key="time:timestamp" value="{}"/></event>'


def write_log(path: Path, *cases: tuple[str, str, list[tuple[str, str]]], head: str = HEAD, mark: bytes = b"") -> Path:
    """Cases of (id, attributes as XML, [(activity, time), …])."""
    text = head
    for case_id, attributes, events in cases:
        text += f'<trace><string key="concept:name" value="{case_id}"/>{attributes}'
        text += "".join(EVENT.format(*event) for event in events) + "</trace>"
    path.write_bytes(mark + (text + "</log>").encode())
    return path


@pytest.mark.parametrize(
    ("head", "mark"),
    [(HEAD, b"\xef\xbb\xbf"), ('<log xes.version="1.0">', b"")],
    ids=["a byte-order mark at the start", "no XML namespace"],
)
def test_logs_of_other_makers_come_in(hall: Hall, tmp_path: Path, head: str, mark: bytes) -> None:
    source = next(SOURCES)
    events = [("suspend term", "2012-01-31T23:00:00.000+00:00"), ("extend procedure term", "2012-02-02")]
    bring_in(hall, write_log(tmp_path / "log.xes", ("1", "", events), head=head, mark=mark), source=source)
    with hall.database.use("reader") as connection:
        found = imported.totals(connection, source)
    assert found == {
        "cases": 1,
        "events": 2,
        "activities": 2,
        "resources": 0,
        "flagged": 0,
        "first": "2012-01-31T23:00:00.000000Z",
        "last": "2012-02-02T00:00:00.000000Z",
    }


def test_a_time_in_the_future_is_flagged_by_the_recorded_time_and_stands_in_no_statement(
    hall: Hall, tmp_path: Path
) -> None:
    source = next(SOURCES)
    events = [("a", "2020-01-01T00:00:00Z"), ("b", "2999-01-01T00:00:00Z")]
    case = ("1", '<date key="enddate" value="2999-01-02T00:00:00Z"/>', events)
    bring_in(hall, write_log(tmp_path / "log.xes", case), source=source)
    with hall.database.use("reader") as connection:
        assert imported.totals(connection, source)["flagged"] == 2
        (one,) = imported.case_list(connection, source)["cases"]
        assert one["flags"] == ["future"]
        assert [event["flags"] for event in imported.case_events(connection, one["stream"])] == [[], ["future"]]
    rows = hall.reader.stream(one["stream"])
    assert [open_statement(entry).data.get("flags") for _, _, entry in rows] == [None, None, None]


def test_what_only_claims_to_be_a_number_or_a_date_is_sealed(hall: Hall, tmp_path: Path) -> None:
    source = next(SOURCES)
    attributes = '<int key="n" value="7"/><int key="who" value="张三"/><date key="when" value="李四 called"/>'
    log = write_log(tmp_path / "log.xes", ("1", attributes, [("a", "王五 said so")]))
    bring_in(hall, log, source=source)
    size = hall.reader.head().size
    entries = b"".join(one.entry for one in hall.reader.entries(size - 8, size))
    assert b'["n","int","7"]' in entries
    for name in ("张三", "李四", "王五"):
        assert name.encode() not in entries
    out = tmp_path / "out.xes"
    export_xes(hall, out, source=source)
    assert all(name in out.read_text("utf-8") for name in ("张三", "李四", "王五"))


def test_a_case_too_long_to_keep_comes_out_like_any_other(
    hall: Hall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, log, more = next(SOURCES), tmp_path / "log.xes", tmp_path / "more.xes"
    days = [("a", f"2020-01-{day:02d}T00:00:00Z") for day in range(1, 11)]
    write_log(log, ("1", "", days[:1]), ("2", "", days), ("3", "", days[:2]))
    write_log(more, ("2", '<string key="outcome" value="granted"/>', [*days, ("b", "2020-02-01T00:00:00Z")]))
    bring_in(hall, log, more, source=source)
    whole, paged = tmp_path / "whole.xes", tmp_path / "paged.xes"
    export_xes(hall, whole, source=source)
    monkeypatch.setattr("ledger.exchange.export_xes.PAGE", 3)
    assert export_xes(hall, paged, source=source).events == 14
    assert paged.read_bytes() == whole.read_bytes()
    assert b"granted" in whole.read_bytes()
