"""Assistance through the real door: help, and two kinds of money that are never added together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.cases import assistance
from ledger.errors import MingjianError, Refused

Place = Any


def officer(place: Place) -> Any:
    return place.desk("staff/qiu")


def other(place: Place) -> Any:
    return place.desk("staff/bang")


def entry(place: Place, matter: str, kind: str) -> Any:
    """The id of the last amount of that kind; an id of nothing where there is none."""
    state = place.state(f"assistance/{matter}")
    entries = [] if state is None else [id_ for id_, said in state.entries.items() if said.kind == kind]
    return bytes.fromhex(entries[-1] if entries else "00" * 32)


COMMANDS: dict[str, Callable[[Place, str], Any]] = {
    "ask": lambda p, m: assistance.ask(officer(p), m, "labour", person="吴某", need="欠薪"),
    "triage": lambda p, m: assistance.triage(officer(p), m, "urgent", unit="labour"),
    "assess": lambda p, m: assistance.assess(officer(p), m, entitled=True),
    "find no entitlement": lambda p, m: assistance.assess(officer(p), m, entitled=False),
    "assist": lambda p, m: assistance.assist(officer(p), m, "customs_called", words="联系海关"),
    "grant": lambda p, m: assistance.grant(other(p), m, 5000, "relief"),
    "pay all": lambda p, m: assistance.pay(officer(p), m, 5000, entry(p, m, "granted")),
    "recover": lambda p, m: assistance.recover(officer(p), m, 300_000, debtor="某公司"),
    "reverse the grant": lambda p, m: assistance.reverse(officer(p), m, entry(p, m, "granted"), "typing_error"),
    "reverse the payment": lambda p, m: assistance.reverse(officer(p), m, entry(p, m, "paid"), "typing_error"),
    "refer": lambda p, m: assistance.refer(officer(p), m, "mediation"),
    "refuse": lambda p, m: assistance.refuse(officer(p), m, "no_entitlement", reasons="不符合条件"),
    "close": lambda p, m: assistance.close(officer(p), m),
}
ENTITLED = "ask, triage, assess"
SITUATIONS = {
    "nothing yet": ("", "ask"),
    "asked": ("ask", "triage, refer"),
    "triaged: help and wages do not wait for an assessment": (
        "ask, triage",
        "assess, find no entitlement, assist, recover, refer",
    ),
    "entitled": (ENTITLED, "assist, grant, recover, refer, refuse"),
    "not entitled: no grant": ("ask, triage, find no entitlement", "assist, recover, refer, refuse"),
    "helped": ("ask, triage, assist", "assist, grant, recover, close"),
    "granted: not closed before it is paid": (
        f"{ENTITLED}, grant",
        "grant, pay all, recover, reverse the grant",
    ),
    "paid in full: no more on this grant, which stays as long as its payment does": (
        f"{ENTITLED}, grant, pay all",
        "grant, recover, reverse the payment, close",
    ),
    "the payment reversed": (
        f"{ENTITLED}, grant, pay all, reverse the payment",
        "grant, pay all, recover, reverse the grant",
    ),
    "the grant reversed": (f"{ENTITLED}, grant, reverse the grant", "grant, recover, close"),
    "recovered": ("ask, triage, recover", "grant, recover, close"),
    "referred": ("ask, refer", "close"),
    "refused": (f"{ENTITLED}, refuse", "close"),
    "closed: an error is still reversed": (
        f"{ENTITLED}, grant, pay all, close",
        "reverse the payment",
    ),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_commands_may_come(table: Any, situation: str) -> None:
    table.check("assistance", COMMANDS, *SITUATIONS[situation])


def test_the_two_kinds_of_money_stay_apart(place: Place, table: Any) -> None:
    one = table.bring("assistance", COMMANDS, f"{ENTITLED}, grant, pay all, recover, grant")
    state = place.state(f"assistance/{one}")
    assert (state.granted_fen, state.paid_fen, state.recovered_fen) == (10_000, 5_000, 300_000)


@pytest.mark.parametrize(
    ("path", "command", "why"),
    [
        ("", lambda p, m: assistance.ask(officer(p), m, "lottery", person="x", need="y"), "kind-of-assistance"),
        (ENTITLED, lambda p, m: assistance.grant(officer(p), m, 1, "relief"), "two-persons"),
        (ENTITLED, lambda p, m: assistance.grant(other(p), m, 0, "relief"), "amount"),
        (ENTITLED, lambda p, m: assistance.grant(other(p), m, 10.5, "relief"), "field-kind"),
        (ENTITLED, lambda p, m: assistance.grant(other(p), m, -1, "relief"), "field-kind"),
        (f"{ENTITLED}, grant", lambda p, m: assistance.pay(officer(p), m, 5001, entry(p, m, "granted")), "over-grant"),
        (
            f"{ENTITLED}, recover, grant",
            lambda p, m: assistance.pay(officer(p), m, 1, entry(p, m, "recovered")),
            "grant",
        ),
        (ENTITLED, lambda p, m: assistance.close(p.desk("staff/host"), m), "right"),
    ],
)
def test_what_does_not_fit_is_refused(table: Any, path: str, command: Any, why: str) -> None:
    one = table.bring("assistance", COMMANDS, path)
    before = table.place.state(f"assistance/{one}")
    with pytest.raises(MingjianError) as caught:
        command(table.place, one)
    assert caught.value.code == why
    assert table.place.state(f"assistance/{one}") == before


def test_nothing_personal_stands_in_clear(place: Place, table: Any) -> None:
    one = table.bring("assistance", COMMANDS, "ask, triage, assist, recover")
    entries = b"".join(entry for _, _, entry in place.hall.reader.stream(f"assistance/{one}"))
    for secret in ("吴某", "欠薪", "联系海关", "某公司"):
        assert secret.encode() not in entries


MONEY = ["grant", "pay all", "recover", "reverse the grant", "reverse the payment"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commands=st.lists(st.sampled_from(MONEY), max_size=10))
def test_whatever_was_tried_no_more_is_paid_than_was_granted(table: Any, place: Place, commands: list[str]) -> None:
    one = table.bring("assistance", COMMANDS, ENTITLED)
    for command in commands:
        try:
            place.done(COMMANDS[command](place, one))
        except Refused:
            continue
        state = place.state(f"assistance/{one}")
        assert 0 <= state.paid_fen <= state.granted_fen
        assert all(state.unpaid_fen(id_) >= 0 for id_, said in state.entries.items() if said.kind == "granted")


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any) -> None:
    table.same_outside(outsider, "assistance")
