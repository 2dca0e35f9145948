"""A made-up log is always the same one, and looks like what an office leaves behind."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from ledger.exchange.generate import generate_records, generate_xes
from ledger.exchange.xes import CaseRecord, EventRecord, Record, read_xes, spool_xes

CASES = 600


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(generate_records(cases=CASES, seed=3))


def attributes_of(record: Record) -> dict[str, str | None]:
    return {attribute.name: attribute.value for attribute in record.attributes}


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        generate_xes(tmp_path / f"{name}.xes.gz", cases=50, seed=seed)
    first, again, other = ((tmp_path / f"{name}.xes.gz").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_what_is_written_is_what_was_made_up(records: list[Record], tmp_path: Path) -> None:
    generate_xes(tmp_path / "log.xes", cases=CASES, seed=3)
    told = [(r.case_id, r.ordinal, r.attributes, getattr(r, "at_us", 0)) for r in read_xes(tmp_path / "log.xes")]
    assert told == [(r.case_id, r.ordinal, r.attributes, getattr(r, "at_us", 0)) for r in records]


def test_it_is_of_the_real_ones_size_unless_told_otherwise(tmp_path: Path) -> None:
    written = generate_xes(tmp_path / "log.xes.gz")
    summary = spool_xes(tmp_path / "log.xes.gz", tmp_path / "spool")
    assert (written.traces, written.events) == (summary.cases, summary.events)
    assert summary.cases == 1434
    assert 7_000 < summary.events < 11_000
    assert 8 <= summary.activities <= 12
    assert 40 <= summary.resources <= 60
    assert summary.flags == {}


def test_people_work_in_office_hours(records: list[Record]) -> None:
    for record in records:
        if isinstance(record, EventRecord):
            assert record.at is not None
            at = datetime.fromisoformat(record.at)
            assert at.weekday() < 5
            assert (9, 0) <= (at.hour, at.minute) < (17, 30)
            assert at.hour != 12


def test_some_cases_are_late_and_some_still_open(records: list[Record]) -> None:
    cases = [attributes_of(record) for record in records if isinstance(record, CaseRecord)]
    assert all({"startdate", "deadline", "responsible", "channel", "department"} <= case.keys() for case in cases)
    times = [
        (datetime.fromisoformat(case["enddate"] or ""), datetime.fromisoformat(case["deadline"] or ""))
        for case in cases
        if case.get("enddate")
    ]
    assert 0.01 < 1 - len(times) / CASES < 0.1
    assert 0.1 < sum(end > deadline for end, deadline in times) / len(times) < 0.3


def test_cases_go_a_frequent_way_and_many_rare_ones_with_loops_and_handovers(records: list[Record]) -> None:
    ways: dict[str, list[EventRecord]] = {}
    for record in records:
        if isinstance(record, EventRecord):
            ways.setdefault(record.case_id, []).append(record)
    variants = Counter(tuple(event.activity for event in way) for way in ways.values())
    assert 0.25 < variants.most_common(1)[0][1] / CASES < 0.6
    assert len(variants) > 25
    assert any(max(Counter(variant).values()) > 1 for variant in variants)
    assert all(len({event.resource for event in way}) > 1 for way in ways.values() if len(way) > 4)
    for way in ways.values():
        assert way == sorted(way, key=lambda event: event.at_us or 0)
