"""The published contracts: what the code checks, what the examples hold, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from ledger.errors import Refused
from ledger.exchange.adapters.contracts import KINDS, Stating, contract
from ledger.exchange.adapters.reading import Sheet, json_records, table_records
from ledger.exchange.adapters.taking import take_file
from ledger.exchange.ocds_in import import_ocds
from ledger.facts.first_policy import FIRST_POLICY
from ledger.store.sequencer import now_us
from tests.spec.contracts import FOLDER, pages

Brought = Any


def example(kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FOLDER / f"{kind}.example.json").read_text("utf-8"))
    return found


def says(kind: str) -> Draft202012Validator:
    schema = json.loads((FOLDER / f"{kind}.schema.json").read_text("utf-8"))
    return Draft202012Validator(schema, format_checker=FormatChecker())


def test_the_published_schemas_are_what_the_code_checks() -> None:
    for path, text in pages().items():
        assert path.read_text("utf-8") == text, "python -m tests.spec.contracts writes it anew"


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_has_a_role_of_its_own_and_an_example_that_fits(kind: str) -> None:
    Draft202012Validator.check_schema(says(kind).schema)
    for record in example(kind):
        says(kind).validate(record)
    rules = [rule for rule in FIRST_POLICY["rules"] if rule["role"] == contract(kind).role]
    allowed = {name.rpartition(".")[0] for rule in rules for name in rule["types"]}
    assert allowed == {name.rpartition(".")[0] for name in (*contract(kind).acts.values(), "key.rotated.v1")}


def register_site(brought: Brought) -> None:
    """The site that the examples name."""
    if "site/rental-17" not in brought.hall.door.registry()[1].entries:
        brought.agree("site.registered.v1", "site/rental-17", name="出租屋17号", kind="rental_house", unit="xinyang")


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_each_kind_is_taken_in_whole(brought: Brought, kind: str) -> None:
    register_site(brought)
    path = FOLDER / f"{kind}.example.json"
    taken = take_file(brought.hall, path, json_records(path), kind=kind, source=f"example-{kind}")
    dead = [brought.letters.open(one)[1] for one in brought.letters.list(source=f"example-{kind}")]
    assert (dead, taken.accepted) == ([], len(example(kind)))


def test_the_example_table_and_the_example_of_ocds_are_taken_in_whole(brought: Brought) -> None:
    path = FOLDER / "approval.example.csv"
    columns = {"办件编号": "ref", "时间": "at"}
    sheet = Sheet(columns=columns, kinds=contract("approval").field_kinds(), zone="Asia/Shanghai")
    taken = take_file(brought.hall, path, table_records(path, sheet), kind="approval", source="example-table")
    assert (taken.accepted, taken.dead.total()) == (5, 0)
    released = import_ocds(brought.hall, FOLDER / "ocds.example.json", source="example-ocds")
    assert (released.accepted, released.dead.total()) == (4, 0)
    assert len(brought.acts("trading/example-ocds/ocds-example-1")) == 6


def spoilt(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The record, each of its fields left out, of another kind, or joined by a stranger."""
    left_out = [{name: value for name, value in record.items() if name != gone} for gone in record]
    others: list[Any] = [7, -1, "", None, ["x"], {"x": 1}, True, "x" * 300]
    changed = [record | {name: other} for name in record for other in others]
    return [*left_out, *changed, record | {"stranger": 1}, record | {"hand": "x"}]


@pytest.mark.parametrize("kind", KINDS)
def test_code_and_schema_refuse_the_same(brought: Brought, kind: str) -> None:
    stating = Stating(b"x" * 32, kind, "s", now_us=now_us())
    registry = brought.hall.door.registry()[1]
    schema = says(kind).schema
    of_act = {
        one["properties"]["act"]["const"]: Draft202012Validator(one, format_checker=FormatChecker())
        for one in schema["oneOf"]
    }
    for record in {one["act"]: one for one in example(kind)}.values():
        for other in spoilt(record):
            try:
                stating.state(other, registry)
                taken = True
            except Refused as error:
                taken = error.code in ("before-centre", "time-future")
            act = other.get("act")
            one = of_act.get(act) if isinstance(act, str) else None  # of the others each wants another act
            assert taken == (one is not None and one.is_valid(other)), other


def test_each_kind_is_told_in_the_specification() -> None:
    text = (Path(FOLDER).parent / "adapters.md").read_text("utf-8")
    for kind in KINDS:
        assert f"adapters/{kind}.schema.json" in text, kind
        assert f"adapters/{kind}.example.json" in text, kind
