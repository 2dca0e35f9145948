"""Older versions of a type, read as the newest: in the fold's words, never in the signed bytes."""

from __future__ import annotations

from typing import Any

from ledger.facts.types import TYPES, check_data, type_named
from ledger.facts.upcasts import _UPCASTS, current, current_form
from ledger.statement import statement_id


def test_a_first_ticket_means_the_counter_and_a_second_one_is_as_it_is() -> None:
    data = {"number": "A1", "queue": "env"}
    assert current_form("ticket.taken.v1", data) == ("ticket.taken.v2", data | {"channel": "counter"})
    assert data == {"number": "A1", "queue": "env"}
    newer = data | {"channel": "app"}
    assert current_form("ticket.taken.v2", newer) == ("ticket.taken.v2", newer)


def test_what_was_signed_stays_what_was_signed(hall: Any) -> None:
    act = hall.act("ticket.taken.v1", "ticket/t", {"number": "A1", "queue": "env"}, **hall.how("applied"))
    read = current(act)
    assert (read.type, read.data["channel"]) == ("ticket.taken.v2", "counter")
    assert (read.id, read.entry, read.seq, read.at) == (act.id, act.entry, act.seq, act.at)
    assert statement_id(read.entry) == act.id


def test_an_upcast_goes_to_a_declared_type_whose_data_it_gives() -> None:
    for old, (new, change) in _UPCASTS.items():
        declared = type_named(new)
        assert (old in TYPES, declared.stream_kind) == (True, type_named(old).stream_kind)
        sample = {"number": "A1", "queue": "env"}
        check_data(type_named(old), sample, 0)
        check_data(declared, change(sample), 0)
