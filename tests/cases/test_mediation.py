"""A mediation through the real door: many on one dispute, and whether what was agreed was done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.cases import mediation
from ledger.errors import MingjianError

Place = Any
TWO = {"staff/tiao": "people", "staff/jie": "judicial"}


@pytest.fixture(scope="module", autouse=True)
def mediators(place: Place) -> None:
    for actor in (*TWO, "staff/third"):
        place.desk(actor)


def tiao(place: Place) -> Any:
    return place.desk("staff/tiao")


COMMANDS: dict[str, Callable[[Place, str], Any]] = {
    "file": lambda p, d: mediation.file(tiao(p), d, "petition", parties={"a": "许某", "b": "街道"}, matter="征地"),
    "consent": lambda p, d: mediation.consent(tiao(p), d),
    "decline": lambda p, d: mediation.decline(tiao(p), d),
    "name mediators": lambda p, d: mediation.name_mediators(tiao(p), d, TWO),
    "hold a session": lambda p, d: mediation.hold_session(tiao(p), d, words="上门"),
    "agree": lambda p, d: mediation.agree(p.desk("staff/jie"), d, "补偿若干"),
    "fail": lambda p, d: mediation.fail(tiao(p), d),
    "withdraw": lambda p, d: mediation.withdraw(tiao(p), d),
    "confirm": lambda p, d: mediation.confirm(p.desk("staff/third"), d, "court"),
    "perform": lambda p, d: mediation.perform(tiao(p), d),
    "breach": lambda p, d: mediation.breach(tiao(p), d),
    "petition again": lambda p, d: mediation.repeat_petition(tiao(p), d, "letter"),
    "close": lambda p, d: mediation.close(tiao(p), d),
}
NAMED = "file, consent, name mediators"
AGREED = f"{NAMED}, hold a session, agree"
SITUATIONS = {
    "nothing yet": ("", "file"),
    "filed": ("file", "consent, decline, withdraw"),
    "the parties agree to mediate": ("file, consent", "name mediators, withdraw"),
    "mediators named": (NAMED, "name mediators, hold a session, withdraw"),
    "in session": (f"{NAMED}, hold a session", "name mediators, hold a session, agree, fail, withdraw"),
    "agreed": (AGREED, "confirm, perform, breach"),
    "confirmed": (f"{AGREED}, confirm", "perform, breach"),
    "performed": (f"{AGREED}, confirm, perform", "petition again, close"),
    "breached, and performed after all": (f"{AGREED}, breach", "perform, petition again, close"),
    "failed": (f"{NAMED}, hold a session, fail", "petition again, close"),
    "declined": ("file, decline", "close"),
    "withdrawn": (f"{NAMED}, withdraw", "close"),
    "closed": (f"{AGREED}, perform, close", "petition again"),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_commands_may_come(table: Any, situation: str) -> None:
    table.check("mediation", COMMANDS, *SITUATIONS[situation])


@pytest.mark.parametrize(
    ("path", "command", "why"),
    [
        ("", lambda p, d: mediation.file(tiao(p), d, "quarrel", parties={}, matter="x"), "kind-of-dispute"),
        (
            "file, consent",
            lambda p, d: mediation.name_mediators(tiao(p), d, {"staff/tiao": "people"}),
            "mediator-kinds",
        ),
        (
            "file, consent",
            lambda p, d: mediation.name_mediators(tiao(p), d, {"staff/tiao": "people", "staff/jie": "people"}),
            "mediator-kinds",
        ),
        ("file, consent", lambda p, d: mediation.name_mediators(tiao(p), d, {"staff/x": "people"}), "no-appointment"),
        (NAMED, lambda p, d: mediation.hold_session(p.desk("staff/third"), d), "mediator"),
        (AGREED, lambda p, d: mediation.confirm(tiao(p), d, "court"), "two-persons"),
    ],
)
def test_what_does_not_fit_is_refused(table: Any, path: str, command: Any, why: str) -> None:
    one = table.bring("mediation", COMMANDS, path)
    with pytest.raises(MingjianError) as caught:
        command(table.place, one)
    assert caught.value.code == why


def test_what_was_said_stands_in_no_entry(place: Place, table: Any) -> None:
    one = table.bring("mediation", COMMANDS, AGREED)
    entries = b"".join(entry for _, _, entry in place.hall.reader.stream(f"mediation/{one}"))
    for secret in ("许某", "征地", "上门", "补偿若干"):
        assert secret.encode() not in entries


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any) -> None:
    table.same_outside(outsider, "mediation")
