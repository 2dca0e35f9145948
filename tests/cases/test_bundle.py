"""A bundle of linked cases through the real door: closed only when all of them are done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.cases import bundle, ticket
from ledger.errors import MingjianError

Place = Any
TITLE, WATER, GAS = "ticket/title", "ticket/water", "ticket/gas"  # any streams will do as its cases


@pytest.fixture(scope="module", autouse=True)
def cases(place: Place) -> None:
    for stream in (TITLE, WATER, GAS):
        ticket.take(place.desk("staff/chen"), stream.partition("/")[2], number="A1", queue="env")


def clerk(place: Place) -> Any:
    return place.desk("staff/chen")


COMMANDS: dict[str, Callable[[Place, str], Any]] = {
    "open": lambda p, b: bundle.open_bundle(clerk(p), b, "house_sale", [TITLE, WATER], subject="张三的房"),
    "add gas": lambda p, b: bundle.add_child(clerk(p), b, GAS),
    "finish title": lambda p, b: bundle.finish_child(clerk(p), b, TITLE, "granted"),
    "finish water": lambda p, b: bundle.finish_child(clerk(p), b, WATER, "granted"),
    "finish gas": lambda p, b: bundle.finish_child(clerk(p), b, GAS, "denied"),
    "close": lambda p, b: bundle.close(clerk(p), b),
}
SITUATIONS = {
    "nothing yet": ("", "open"),
    "open": ("open", "add gas, finish title, finish water"),
    "one of two done: not closed": ("open, finish title", "add gas, finish water"),
    "all done": ("open, finish title, finish water", "add gas, close"),
    "another added when all were done": (
        "open, finish title, finish water, add gas",
        "finish gas",
    ),
    "closed": ("open, finish title, finish water, close", ""),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_commands_may_come(table: Any, situation: str) -> None:
    table.check("bundle", COMMANDS, *SITUATIONS[situation])


def test_a_case_is_finished_by_a_statement_of_it(place: Place, table: Any) -> None:
    one = table.bring("bundle", COMMANDS, "open")
    with pytest.raises(MingjianError) as caught:
        bundle.finish_child(clerk(place), one, "approval/nowhere", "granted")
    assert caught.value.code == "no-stream"
    with pytest.raises(MingjianError) as caught:
        clerk(place).say(bundle.stream_of(one), "bundle.child_finished.v1", {"child": TITLE, "outcome": "granted"})
    assert caught.value.code == "causes"


def test_a_bundle_has_cases_and_each_once(place: Place, name: Callable[[], str]) -> None:
    for children in ([], [TITLE, TITLE]):
        with pytest.raises(MingjianError):
            bundle.open_bundle(clerk(place), name(), "house_sale", children)


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any) -> None:
    table.same_outside(outsider, "bundle")
