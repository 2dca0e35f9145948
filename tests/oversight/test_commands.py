"""``mingjian cards`` and ``mingjian calendar``: rules and days adopted by two persons, cards answered and decided."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from ledger.cases import approval
from ledger.door.hall import open_ledger
from oversight.clock import SAMPLES, SystemClock
from tests.cases.conftest import staffed_place

Command = Callable[..., dict[str, Any]]
NINETY = SAMPLES / "ninety.json"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hall with one case that is long overdue, and a key file for each of its people."""
    folder = tmp_path_factory.mktemp("hall")
    with staffed_place(folder / "data") as place:
        approval.apply_for(place.desk("staff/chen"), "a", "permit", applicant="张三")
        place.done(approval.accept(place.desk("staff/chen"), "a"))
        place.desk("staff/du")
        place.placed()
        for actor, key in place.keys.items():
            (folder / f"{actor[6:]}.pem").write_bytes(key.to_pem())
    return folder / "data"


@pytest.fixture
def mingjian(data: Path) -> Command:
    def run(*words: object, by: str | None = None) -> dict[str, Any]:
        who = () if by is None else ("--as", f"staff/{by}", "--signer", data.with_name(f"{by}.pem"))
        done = CliRunner().invoke(app, [*map(str, (*words, *who)), "--data", str(data), "--json"])
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
        assert done.exit_code == ("error" in found), done.stdout
        return found

    return run


def test_a_pack_is_proposed_with_what_it_would_do_confirmed_and_then_raises_cards(
    mingjian: Command, data: Path
) -> None:
    assert mingjian("cards", "rules")["packs"] == []
    proposed = mingjian("cards", "propose", NINETY, "--role", "supervisor", by="du")
    assert {(card["case"], card["rule"]) for card in proposed["appear"]} >= {("approval/a", "R-OVER")}
    assert (proposed["vanish"], proposed["pack"]) == ([], "sample-ninety")
    before = mingjian("cards", "rules")["as_of"]["position"]
    confirmed = mingjian("cards", "confirm", proposed["id"], by="cat-b")
    found = mingjian("cards", "rules")
    (pack,) = found["packs"]
    assert (pack["pack"], pack["index"]) == ("sample-ninety", confirmed["index"])
    assert {rule["id"] for rule in found["rules"]} >= {"Y-90", "R-OVER", "RR-LAW", "R-FEE", "R-NOREASON"}
    assert all(rule["source"] and rule["version"] == 1 for rule in found["rules"])
    assert mingjian("cards", "rules", "--as-of", before)["packs"] == []
    with open_ledger(data) as hall, hall.sequencing():
        (stated,) = SystemClock(hall).tick()
        until = time.monotonic() + 20
        while hall.reader.stream(stated.stream)[-1][0] is None:
            assert time.monotonic() < until
            time.sleep(0.02)
    (card,) = mingjian("cards", "list")["cards"]
    assert (card["rule"], card["stage"], card["answered"], card["in_time"]) == ("RR-LAW", "raised", None, None)


def test_the_card_is_answered_appealed_and_decided(mingjian: Command) -> None:
    card = mingjian("cards", "list")["cards"][0]["stream"]
    assert mingjian("cards", "revoke", card, "--reason", "mercy", by="head")["error"]["code"] in (
        "role",
        "no-appointment",
    )
    assert mingjian("cards", "answer", card, "等待勘查", by="head")["index"] > 0
    mingjian("cards", "appeal", card, "不应计时", by="head")
    mingjian("cards", "uphold", card, "--reasons", "不成立", by="du")
    refused = mingjian("cards", "revoke", card, "--reason", "mercy", by="du")["error"]
    assert (refused["code"], bool(refused["mend"])) == ("upheld", True)
    (found,) = mingjian("cards", "list", "--stage", "upheld")["cards"]
    assert (found["stream"], found["in_time"], found["answered"] is not None) == (card, True, True)
    assert mingjian("cards", "answer", "card/none", "…", by="head")["error"]["code"] == "no-card"


def test_a_pack_is_withdrawn_by_two_persons_and_its_cards_stay(mingjian: Command) -> None:
    proposed = mingjian("cards", "withdraw", "sample-ninety", "--reason", "replaced", by="cat-a")
    assert mingjian("cards", "rules")["n"] == 1
    mingjian("cards", "confirm", proposed["id"], by="cat-b")
    assert mingjian("cards", "rules")["n"] == 0
    assert mingjian("cards", "list")["n"] == 1
    again = mingjian("cards", "withdraw", "sample-ninety", "--reason", "replaced", by="cat-a")
    assert again["error"]["code"] == "not-open"


def test_a_calendar_is_revised_by_two_persons(mingjian: Command, tmp_path: Path) -> None:
    before = mingjian("calendar", "list")
    assert (before["known_to"][4:], before["warning"]) == ("-12-31", None)
    proposed = mingjian("calendar", "revise", "--off", "2024-03-18", "--source", "台风", by="cat-a")
    assert (proposed["year"], "2024-03-18" in proposed["days_off"]) == (2024, True)
    assert mingjian("calendar", "list")["n"] == before["n"]
    mingjian("calendar", "confirm", proposed["id"], by="cat-b")
    after = mingjian("calendar", "list")
    assert (after["n"], after["schedules"][-1]["source"]) == (before["n"] + 1, "台风")
    (tmp_path / "year.json").write_text(json.dumps({"year": 2024, "days_off": ["2024-03-16"]}))
    for words in (
        (tmp_path / "year.json", "--off", "2024-03-19"),
        ("--off", "yesterday"),
        ("--off", "2024-03-18", "--source", "台风"),
        (tmp_path / "year.json",),
        ("--off", "2024-03-19"),
        (),
    ):
        assert mingjian("calendar", "revise", *words, by="cat-a")["error"]["message"]
