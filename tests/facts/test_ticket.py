"""A ticket: taken, called, then served, skipped or expired."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.errors import Refused
from ledger.facts.registry import CLOCK_ACTOR
from ledger.facts.ticket import TABLE, Stage
from ledger.facts.types import TYPES, verb_of

SITUATIONS = {
    "not taken yet": ("", "taken"),
    "taken": ("taken", "called expired"),
    "called": ("taken called", "served skipped expired"),
    "skipped": ("taken called skipped", "called expired"),
    "called again": ("taken called skipped called", "served skipped expired"),
    "served": ("taken called served", ""),
    "expired": ("taken expired", ""),
}
DATA = {"taken": {"number": "A001", "queue": "env"}, "called": {"window": "w1"}}


def ticket(hall: Any, verb: str, data: dict[str, Any] | None = None, **how: Any) -> Any:
    who: dict[str, Any] = {"actor": "staff/chen", "role": "window_clerk", "window": "w1"}
    if verb == "expired":
        who = {"actor": CLOCK_ACTOR, "role": "system_clock"}
    return hall.act(f"ticket.{verb}.v1", "ticket/t", data or DATA.get(verb, {}), **(who | how))


def bring(hall: Any, path: str) -> Any:
    for verb in path.split():
        hall.take(ticket(hall, verb))
    return hall.states.get("ticket/t")


def test_the_table_speaks_of_every_declared_type() -> None:
    assert set(TABLE) == {verb_of(name) for name, of in TYPES.items() if of.stream_kind == "ticket"}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_acts_may_come(hall: Any, situation: str) -> None:
    path, expected = SITUATIONS[situation]
    bring(hall, path)
    for verb in TABLE:
        if verb in expected.split():
            hall.check(ticket(hall, verb))
            continue
        with pytest.raises(Refused) as caught:
            hall.check(ticket(hall, verb))
        assert caught.value.code == "ticket-order"
        assert caught.value.mend


def test_story_called_twice_then_served_for_a_case(hall: Any) -> None:
    bring(hall, "taken called skipped called")
    hall.take(ticket(hall, "served", {"case": "c-1"}))
    state = hall.states["ticket/t"]
    assert (state.stage, state.calls, state.window, state.case) == (Stage.SERVED, 2, "w1", "c-1")


def test_a_window_calls_to_itself_and_serves_whom_it_called(hall: Any) -> None:
    bring(hall, "taken")
    with pytest.raises(Refused) as caught:
        hall.check(ticket(hall, "called", {"window": "w2"}))
    assert caught.value.code == "ticket-window"
    bring(hall, "called")
    for verb in ("served", "skipped"):
        with pytest.raises(Refused) as caught:
            hall.check(ticket(hall, verb, window="w2"))
        assert caught.value.code == "ticket-window"
