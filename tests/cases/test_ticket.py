"""A ticket through the real door, and an older version of a type read in today's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.cases import ticket
from ledger.errors import MingjianError
from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.ticket import Stage
from ledger.registry import changes
from ledger.statement import open_statement

# How a ticket gets into each situation, and the only commands that may come next.
SITUATIONS = {
    "not taken yet": ("", "take"),
    "taken": ("take", "call expire"),
    "called": ("take call", "serve skip expire"),
    "served": ("take call serve", ""),
    "skipped": ("take call skip", "call expire"),
    "called again": ("take call skip call", "serve skip expire"),
    "expired": ("take expire", ""),
}
COMMANDS = ["take", "call", "serve", "skip", "expire"]


def do(place: Any, command: str, name: str) -> Any:
    desk = place.desk("staff/zhao")
    arguments = {"number": "A001", "queue": "env", "channel": "kiosk"} if command == "take" else {}
    return place.done(getattr(ticket, command)(desk, name, **arguments))


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_commands_may_come(place: Any, name: Callable[[], str], situation: str) -> None:
    path, may = SITUATIONS[situation]
    allowed = set()
    for command in COMMANDS:
        one = name()
        for step in path.split():
            do(place, step, one)
        before = place.state(f"ticket/{one}")
        try:
            do(place, command, one)
        except MingjianError as refusal:
            why, after = refusal.code, place.state(f"ticket/{one}")
        else:
            allowed.add(command)
            continue
        assert (why, after) == ("ticket-order", before)
    assert allowed == set(may.split())


def test_who_was_called_is_served_at_that_window(place: Any, name: Callable[[], str]) -> None:
    one = name()
    do(place, "take", one)
    do(place, "call", one)
    with pytest.raises(MingjianError, match="called by w1"):
        ticket.serve(place.desk("staff/zhao", window="w2"), one)
    ticket.serve(place.desk("staff/zhao"), one, case="c-1")
    assert place.state(f"ticket/{one}").case == "c-1"


def test_a_ticket_cannot_be_called_from_nowhere(place: Any, name: Callable[[], str]) -> None:
    one = name()
    do(place, "take", one)
    with pytest.raises(MingjianError, match="to a window"):
        ticket.call(place.system(), one)
    ticket.expire(place.system(), one)
    assert place.state(f"ticket/{one}").stage is Stage.EXPIRED


# ── Upcasting ──────────────────────────────────────────────────────────────────────────────────────────────

OLD = {"number": "A002", "queue": "env"}


def test_a_ticket_of_the_first_version_is_read_as_one_taken_at_the_counter(
    place: Any, outsider: Any, name: Callable[[], str]
) -> None:
    stream = f"ticket/{name()}"
    outcome = place.done(place.desk("staff/zhao").say(stream, "ticket.taken.v1", OLD))
    ticket.call(place.desk("staff/zhao"), stream.partition("/")[2])
    assert (place.state(stream).channel, place.state(stream).stage) == ("counter", Stage.CALLED)
    # What was signed stays what was signed.
    (_, id_, entry), *_ = place.hall.reader.stream(stream)
    assert (open_statement(entry).type, open_statement(entry).data) == ("ticket.taken.v1", OLD)
    assert id_ == outcome.id
    # And an outsider who replays the log reads the same.
    place.done(ticket.serve(place.desk("staff/zhao"), stream.partition("/")[2]))
    place.placed()
    outsider.catch_up()
    assert outsider.states[stream] == place.state(stream)


def test_a_ticket_of_the_second_version_says_its_channel(place: Any, name: Callable[[], str]) -> None:
    one = name()
    do(place, "take", one)
    assert place.state(f"ticket/{one}").channel == "kiosk"


def test_a_superseded_version_is_taken_until_the_policy_names_the_new_one_alone(
    place: Any, name: Callable[[], str]
) -> None:
    def under(policy: dict[str, Any]) -> None:
        place.agreed(
            changes.propose(place.officer(1), "policy", "policy.changed.v1", {"policy": policy}), place.officer(2)
        )

    only_new = [
        rule | {"types": ["ticket.taken.v2" if each == "ticket.*" else each for each in rule["types"]]}
        for rule in FIRST_POLICY["rules"]
    ]
    place.desk("staff/zhao").say(f"ticket/{name()}", "ticket.taken.v1", OLD)
    under({**FIRST_POLICY, "rules": only_new})
    try:
        with pytest.raises(MingjianError) as caught:
            place.desk("staff/zhao").say(f"ticket/{name()}", "ticket.taken.v1", OLD)
        assert caught.value.code == "right"
        do(place, "take", name())
    finally:
        under(FIRST_POLICY)
