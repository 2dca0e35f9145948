"""``mingjian anomalies list``: rows of an imported source, named as the source names its cases."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api.cli import app
from ledger.door.hall import create_ledger, open_ledger
from ledger.exchange.generate import generate_records
from ledger.exchange.importer import import_xes
from ledger.exchange.xes import EventRecord, Record
from ledger.exchange.xes_writer import DEFAULT_HEADER, write_xes

SKIPS, BACK = "permit-000007", "permit-000011"


def _records() -> Iterator[Record]:
    for record in generate_records(cases=120, seed=11):
        if isinstance(record, EventRecord) and record.case_id == SKIPS and record.activity == "受理登记":
            continue
        if isinstance(record, EventRecord) and record.case_id == BACK and record.ordinal == 3:
            yield replace(record, at="2023-01-02T09:00:00.000+08:00", at_us=1_672_621_200_000_000)
            continue
        yield record


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("odd")
    write_xes(folder / "log.xes", records=_records(), header=DEFAULT_HEADER)
    create_ledger(folder / "data")
    with open_ledger(folder / "data") as hall, hall.sequencing():
        done = import_xes(hall, folder / "log.xes", source="permits")
        assert done.last is not None
        hall.wait_placed([done.last], timeout_s=30)
    return folder / "data"


def told(data: Path, *words: str, code: int = 0) -> object:
    done = CliRunner().invoke(app, ["anomalies", "list", "--data", str(data), "--json", *words])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout.splitlines()[0])


@pytest.fixture(scope="module")
def rows(data: Path) -> list[dict[str, object]]:
    found = told(data, "--source", "permits")
    assert isinstance(found, list)
    return found


def test_each_row_has_its_seven_members(rows: list[dict[str, object]]) -> None:
    for row in rows:
        assert list(row) == ["case", "kind", "score", "evidence", "base_rate", "zh", "en"]


def test_the_odd_cases_are_named_by_the_sources_own_ids(rows: list[dict[str, object]]) -> None:
    named = {(row["case"], row["kind"]) for row in rows}
    assert (SKIPS, "A1") in named
    assert (BACK, "A2") in named


def test_rows_are_ranked_and_ties_go_by_case(rows: list[dict[str, object]]) -> None:
    keys = [(-float(str(row["score"])), row["case"], row["kind"]) for row in rows]
    assert keys == sorted(keys)
    assert len({key[1:] for key in keys}) == len(keys)


def test_a_limit_gives_the_beginning_of_the_same_list(data: Path, rows: list[dict[str, object]]) -> None:
    for limit in (1, 7, len(rows)):
        assert told(data, "--source", "permits", "--limit", str(limit)) == rows[:limit]


def test_evidence_is_statements_of_that_case(data: Path, rows: list[dict[str, object]]) -> None:
    row = next(row for row in rows if row["case"] == BACK and row["kind"] == "A2")
    shown = CliRunner().invoke(app, ["case", "show", BACK, "--data", str(data), "--json"])
    with open_ledger(data) as hall:
        placed = hall.reader.placed([bytes.fromhex(str(one)) for one in row["evidence"]])  # type: ignore[attr-defined]
    assert {event["index"] for event in json.loads(shown.stdout)["events"]}.issuperset(placed.values())
    assert len(placed) == 2


def test_an_order_given_by_hand_is_used(data: Path, tmp_path: Path) -> None:
    (tmp_path / "order").write_text("出具收件凭证 -> 送达\n", "utf-8")
    found = told(data, "--source", "permits", "--order", str(tmp_path / "order"))
    assert isinstance(found, list)
    a1 = [row for row in found if row["kind"] == "A1"]
    assert a1
    assert all("出具收件凭证" in row["zh"] for row in a1)


def test_a_source_that_was_never_imported_and_an_order_that_cannot_be_kept_are_refused(
    data: Path, tmp_path: Path
) -> None:
    refused = told(data, "--source", "none", code=1)
    assert isinstance(refused, dict)
    assert refused["error"]["code"] == "no-source"
    (tmp_path / "order").write_text("a -> b\nb -> a\n", "utf-8")
    refused = told(data, "--source", "permits", "--order", str(tmp_path / "order"), code=1)
    assert isinstance(refused, dict)
    assert refused["error"]["code"] == "order-malformed"
