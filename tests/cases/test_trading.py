"""A public purchase through the real door: bids in time, opened after it, awarded to a bidder, paid within the sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.cases import trading
from ledger.errors import MingjianError
from ledger.statement import instant_us

Place = Any
CLOSES = "2024-03-20T17:30:00+08:00"


def officer(place: Place) -> Any:
    return place.desk("staff/trade")


def later(place: Place) -> Any:
    """The same officer, after the tender is closed."""
    return replace(officer(place), clock=lambda: instant_us("2024-03-20T17:31:00+08:00"))


COMMANDS: dict[str, Callable[[Place, str], Any]] = {
    "plan": lambda p, t: trading.plan(officer(p), t, "自来水管网", buyer="water", method="open", fen=9_000_000),
    "publish": lambda p, t: trading.publish_tender(officer(p), t, CLOSES),
    "amend the tender": lambda p, t: trading.amend_tender(officer(p), t, CLOSES, "drawing_changed"),
    "A bids": lambda p, t: trading.receive_bid(officer(p), t, "firm-a"),
    "B bids late": lambda p, t: trading.receive_bid(later(p), t, "firm-b"),
    "open early": lambda p, t: trading.open_bids(officer(p), t),
    "open": lambda p, t: trading.open_bids(later(p), t, prices={"firm-a": 8_000_000}),
    "fail": lambda p, t: trading.fail_tender(later(p), t, "no_bids"),
    "object": lambda p, t: trading.challenge(officer(p), t, "o-1", words="围标"),
    "settle": lambda p, t: trading.settle(officer(p), t, "o-1", "dismissed"),
    "award A": lambda p, t: trading.award(later(p), t, "firm-a", 8_000_000),
    "award B": lambda p, t: trading.award(later(p), t, "firm-b", 7_000_000),
    "sign": lambda p, t: trading.sign_contract(officer(p), t, 8_000_000),
    "start": lambda p, t: trading.start(officer(p), t),
    "amend the contract": lambda p, t: trading.amend_contract(officer(p), t, 8_500_000, "more_pipe"),
    "pay all": lambda p, t: trading.pay(officer(p), t, 8_000_000),
    "complete": lambda p, t: trading.complete(officer(p), t),
    "cancel": lambda p, t: trading.cancel(officer(p), t, "no_budget"),
}
OPENED = "plan, publish, A bids, open"
SIGNED = f"{OPENED}, award A, sign"
SITUATIONS = {
    "nothing yet": ("", "plan"),
    "planned": ("plan", "plan, publish, cancel"),
    "tender: nothing to open, nobody late": ("plan, publish", "amend the tender, A bids, fail, object, cancel"),
    "one bid, opened after the closing only": (
        "plan, publish, A bids",
        "amend the tender, open, fail, object, cancel",
    ),
    "opened: the award goes to a bidder": (OPENED, "fail, object, award A, cancel"),
    "objected to: no award": (f"{OPENED}, object", "fail, settle, cancel"),
    "settled": (f"{OPENED}, object, settle", "fail, object, award A, cancel"),
    "awarded": (f"{OPENED}, award A", "object, sign, cancel"),
    "objected to after the award: no contract": (f"{OPENED}, award A, object", "settle, cancel"),
    "signed": (SIGNED, "start, amend the contract"),
    "under way": (f"{SIGNED}, start", "amend the contract, pay all, complete"),
    "paid: not more than the contract's sum": (f"{SIGNED}, start, pay all", "amend the contract, complete"),
    "complete": (f"{SIGNED}, start, complete", ""),
    "failed: planned anew": ("plan, publish, fail", "plan, publish, cancel"),
    "cancelled": ("plan, cancel", ""),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_commands_may_come(table: Any, situation: str) -> None:
    table.check("trading", COMMANDS, *SITUATIONS[situation])


@pytest.mark.parametrize(
    ("path", "command", "why"),
    [
        ("", lambda p, t: trading.plan(officer(p), t, "x", buyer="w", method="lottery", fen=1), "procurement-method"),
        ("", lambda p, t: trading.plan(officer(p), t, "x", buyer="w", method="open", fen=0), "amount"),
        ("", lambda p, t: trading.plan(officer(p), t, "x", buyer="w", method="open", fen=1.5), "field-kind"),
        ("plan", lambda p, t: trading.publish_tender(officer(p), t, "2024-03-01T00:00:00+08:00"), "closes"),
        ("plan, publish, A bids", lambda p, t: trading.receive_bid(officer(p), t, "firm-a"), "bid-known"),
        ("plan, publish, A bids", lambda p, t: trading.open_bids(later(p), t, prices={"firm-b": 1}), "amount"),
    ],
)
def test_what_does_not_fit_is_refused(table: Any, path: str, command: Any, why: str) -> None:
    one = table.bring("trading", COMMANDS, path)
    with pytest.raises(MingjianError) as caught:
        command(table.place, one)
    assert caught.value.code == why


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any) -> None:
    table.same_outside(outsider, "trading")
