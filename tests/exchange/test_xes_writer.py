"""A log that is written says what the records say, to us and to other tools, and is whole or not there."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Malformed, NotFound
from ledger.exchange.xes import (
    Attribute,
    CaseRecord,
    EventRecord,
    Record,
    read_instant,
    read_spool,
    read_xes,
    spool_xes,
)
from ledger.exchange.xes_writer import write_xes


def said(record: Record) -> Record:
    """A record without what depends on where it stands in a file, or is a judgement about it."""
    return replace(record, line=0, flags=())


def case(case_id: str = "c", *attributes: Attribute) -> CaseRecord:
    return CaseRecord(case_id, 0, attributes)


def event(*attributes: Attribute, case_id: str = "c", ordinal: int = 1) -> EventRecord:
    return EventRecord(case_id, ordinal, "a", None, None, None, None, attributes)


def test_the_known_log_comes_back_as_it_was(known_log: Any, tmp_path: Path) -> None:
    summary = spool_xes(known_log.path, tmp_path / "spool")
    written = write_xes(tmp_path / "out.xes.gz", records=read_spool(tmp_path / "spool"), header=summary.header)
    assert (written.traces, written.events) == (known_log.cases, known_log.events)
    again = spool_xes(tmp_path / "out.xes.gz", tmp_path / "again")
    assert replace(again, sha256="", size_bytes=0, header={}) == replace(summary, sha256="", size_bytes=0, header={})
    for ours, theirs in zip(read_spool(tmp_path / "again"), read_spool(tmp_path / "spool"), strict=True):
        assert replace(ours, line=0) == replace(theirs, line=0)
    assert {**again.header, "extensions": None} == {**summary.header, "extensions": None}
    assert all(extension in again.header["extensions"] for extension in summary.header["extensions"])


def test_another_library_reads_the_same_from_what_went_in_and_what_came_out(
    known_log: Any, walk_log: Any, tmp_path: Path
) -> None:
    write_xes(tmp_path / "out.xes", records=read_xes(known_log.path))
    for (ours, our_events), (theirs, their_events) in zip(
        walk_log(tmp_path / "out.xes"), known_log.walk(), strict=True
    ):
        assert sorted(ours) == sorted(theirs)
        assert list(map(sorted, our_events)) == list(map(sorted, their_events))


# XML has no place for most control characters and for half surrogates; everything else must survive.
texts = st.text(
    st.one_of(
        st.sampled_from("\t\n\r &<>\"'é件\x85\u2028\U0001f600]"),
        st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"),
    ),
    max_size=12,
)
FIELDS = {"concept:name", "time:timestamp", "lifecycle:transition", "org:resource"}
kinds = st.sampled_from(["string", "date", "int", "float", "boolean", "id", "list", "container", "values", "duration"])
leaves = st.builds(Attribute, texts, kinds, st.none() | texts)
attributes = st.recursive(
    leaves,
    lambda children: st.builds(
        Attribute, texts, kinds, st.none() | texts, st.lists(children, min_size=1, max_size=3).map(tuple)
    ),
    max_leaves=6,
)
several = st.lists(
    attributes.filter(lambda attribute: attribute.name not in FIELDS),
    max_size=4,
    unique_by=lambda attribute: attribute.name,
).map(tuple)
times = st.none() | texts | st.datetimes().map(lambda moment: moment.isoformat() + "+08:00")


@st.composite
def logs(draw: st.DrawFn) -> list[Record]:
    records: list[Record] = []
    for case_id in draw(st.lists(texts.filter(bool), max_size=4, unique=True)):
        records.append(CaseRecord(case_id, 0, draw(several)))
        for ordinal in range(1, draw(st.integers(0, 3)) + 1):
            at = draw(times)
            instant = read_instant(at) if at is not None else None
            name, lifecycle, resource = (draw(st.none() | texts) for _ in range(3))
            us = instant.us if instant else None
            records.append(EventRecord(case_id, ordinal, name, at, us, lifecycle, resource, draw(several)))
    return records


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("writer")


@settings(max_examples=150, deadline=None)
@given(logs(), st.booleans())
def test_any_log_comes_back_as_it_was(folder: Path, records: list[Record], packed: bool) -> None:
    path = folder / ("log.xes.gz" if packed else "log.xes")
    write_xes(path, records=records)
    assert [said(record) for record in read_xes(path)] == records


def test_fields_that_are_not_plain_and_split_cases_come_back_too(tmp_path: Path) -> None:
    (tmp_path / "in.xes").write_text(
        '<log><trace><id key="concept:name" value="c"/><event><string key="org:resource" value="r">'
        '<int key="n" value="1"/></string><string key="time:timestamp" value="2024-03-04"/></event></trace>'
        '<trace><string key="concept:name" value="c"/><event><string key="concept:name" value="a"/>'
        '<string key="concept:name" value="b"/><date key="time:timestamp" value="2024-03-04T00:00:00"/></event>'
        "</trace></log>"
    )
    records = list(read_xes(tmp_path / "in.xes"))
    write_xes(tmp_path / "out.xes", records=records)
    assert [replace(r, line=0) for r in read_xes(tmp_path / "out.xes")] == [replace(r, line=0) for r in records]
    assert sum("case-split" in r.flags for r in records) == 1


def test_a_case_without_a_name_gets_the_one_it_goes_by(tmp_path: Path) -> None:
    (tmp_path / "in.xes").write_text("<log><trace/><trace><event/></trace></log>")
    records = [record for record in read_xes(tmp_path / "in.xes") if record.case_id == "#2"]
    write_xes(tmp_path / "out.xes", records=records)
    assert [(r.case_id, r.ordinal, r.flags) for r in read_xes(tmp_path / "out.xes")] == [
        ("#2", 0, ()),
        ("#2", 1, ("no-timestamp", "no-activity")),
    ]


def test_the_four_extensions_are_always_declared(tmp_path: Path) -> None:
    write_xes(tmp_path / "out.xes", records=[], header={"extensions": [{"name": "Time", "prefix": "time", "uri": "u"}]})
    summary = spool_xes(tmp_path / "out.xes", tmp_path / "spool")
    assert [e["prefix"] for e in summary.header["extensions"]] == ["time", "concept", "lifecycle", "org"]
    assert summary.header["extensions"][0]["uri"] == "u"


@pytest.mark.parametrize("bad", ["\x00", "\x0b", "\x1f", "\ud800", "\ufffe", "\uffff"])
def test_a_character_that_xml_cannot_hold_is_refused_by_name(tmp_path: Path, bad: str) -> None:
    (tmp_path / "out.xes").write_text("as it was")
    records: list[Record] = [case("c-7"), event(Attribute("note", "string", f"a{bad}b"), case_id="c-7")]
    with pytest.raises(Malformed, match=rf"event 1 of case c-7: note .*U\+{ord(bad):04X}"):
        write_xes(tmp_path / "out.xes", records=records)
    assert (tmp_path / "out.xes").read_text() == "as it was"


@pytest.mark.parametrize("kind", ["", "a b", "1a", "a/", "x:y", 'a="b"', "a><b", "\ud800", "a²"])
def test_a_type_that_is_no_xml_name_is_refused(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Malformed, match="no XML name"):
        write_xes(tmp_path / "out.xes", records=[case("c", Attribute("n", kind, "v"))])
    assert list(tmp_path.iterdir()) == []


def test_a_writing_that_stops_halfway_leaves_what_was_there(tmp_path: Path) -> None:
    def broken() -> Iterator[Record]:
        yield case()
        for ordinal in range(1, 5_000):
            yield event(ordinal=ordinal)
        raise RuntimeError("the database went away")

    (tmp_path / "out.xes").write_text("as it was")
    with pytest.raises(RuntimeError):
        write_xes(tmp_path / "out.xes", records=broken())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.xes", "as it was")]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no folder"):
        write_xes(tmp_path / "nowhere" / "out.xes", records=[])


def test_an_event_before_its_case_is_our_bug(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        write_xes(tmp_path / "out.xes", records=[case("d"), event(case_id="c")])


def test_a_stream_a_file_and_a_gzip_hold_the_same(tmp_path: Path) -> None:
    records: list[Record] = [case("c", Attribute("k", "string", "v")), event(), case("d")]
    stream = io.BytesIO()
    for target in (stream, tmp_path / "out.xes", tmp_path / "out.xes.gz", tmp_path / "again.xes.gz"):
        assert write_xes(target, records=records).traces == 2
    assert (tmp_path / "out.xes").read_bytes() == stream.getvalue()
    assert gzip.decompress((tmp_path / "out.xes.gz").read_bytes()) == stream.getvalue()
    assert (tmp_path / "out.xes.gz").read_bytes() == (tmp_path / "again.xes.gz").read_bytes()
