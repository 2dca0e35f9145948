"""A dry run shows which cards would appear and which would vanish, and states nothing."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from ledger.cases import approval
from ledger.door.hall import create_ledger, open_ledger
from ledger.exchange.importer import import_xes
from ledger.facts.card_rules import read_pack
from oversight.clock import SAMPLES, SystemClock, sample
from oversight.dry_run import on_live
from projections.runner import Projector
from tests.cases.conftest import staffed_place
from tests.oversight.conftest import adopt


def test_other_rules_let_cards_appear_and_vanish(tmp_path: Path) -> None:
    with staffed_place(tmp_path / "data") as place:
        clerk = place.desk("staff/chen")
        approval.apply_for(clerk, "a", "permit", applicant="张三")
        place.done(approval.accept(clerk, "a"))
        adopt(place, "ninety")
        place.at("2024-03-13T12:00")
        stated = SystemClock(place.hall, now=lambda: place.now_us).tick()
        assert [each.type for each in stated] == ["card.raised.v1"]
        outcome = place.desk("staff/chen").say("ticket/t", "ticket.taken.v2", _TICKET)
        place.done(outcome)
        place.placed()
        Projector(place.hall.database).catch_up()
        size = place.hall.reader.head().size

        def dry(name: str) -> dict[str, Any]:
            return on_live(SystemClock(place.hall, now=lambda: place.now_us), read_pack(sample(name)))

        assert dry("ninety") == {"appear": [], "vanish": [], "left_out": []}
        found = dry("day-before")
        assert [(card["case"], card["rule"], card["colour"]) for card in found["appear"]] == [
            ("approval/a", "P-1D", "prompt")
        ]
        assert [(card["case"], card["rule"]) for card in found["vanish"]] == [("approval/a", "Y-90")]
        assert found["left_out"] == ["Y-x3"]
        assert place.hall.reader.head().size == size


_TICKET = {"number": "A1", "queue": "hall", "channel": "counter"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, real_log: Path) -> Path:
    folder = tmp_path_factory.mktemp("dry") / "data"
    create_ledger(folder)
    with open_ledger(folder) as hall, hall.sequencing():
        done = import_xes(hall, real_log, source="permits")
        assert done.last is not None
        hall.wait_placed([done.last], timeout_s=60)
    return folder


def told(data: Path, *words: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["cards", *words, "--data", str(data), "--json"])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[0])
    return found


def test_on_the_real_log_the_sample_gives_the_known_377_red_and_225_yellow(data: Path) -> None:
    found = told(data, "dry-run", "--rules", str(SAMPLES / "ninety.json"), "--source", "permits")
    assert Counter(card["colour"] for card in found["appear"]) == {"red": 377, "yellow": 225}
    assert len({card["case"] for card in found["appear"]}) == 602
    assert found["vanish"] == []
    assert set(found["left_out"]) == {"RR-LAW", "Y-STEP", "Y-DEEMED", "R-NOREASON", "R-FEE"}


def test_the_rule_file_of_a_back_test_is_read_too(data: Path, tmp_path: Path) -> None:
    rules = [
        {
            "id": colour,
            "colour": colour,
            "threshold": share,
            "legal_basis": "样例",
            "source": "sample",
            "valid_from": None,
            "valid_to": None,
            "version": 1,
        }
        for colour, share in (("yellow", "0.9"), ("red", "1"))
    ]
    (tmp_path / "rules.json").write_text(json.dumps({"pack": "two", "rules": rules}), "utf-8")
    found = told(data, "dry-run", "--rules", str(tmp_path / "rules.json"), "--source", "permits")
    assert Counter(card["colour"] for card in found["appear"]) == {"red": 377, "yellow": 225}


def test_a_pack_that_cannot_be_used_and_an_unknown_source_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.json").write_text('{"pack": "x", "rules": [1]}', "utf-8")
    assert told(data, "dry-run", "--rules", str(tmp_path / "rules.json"))["error"]["code"] == "rules-malformed"
    found = told(data, "dry-run", "--rules", str(SAMPLES / "ninety.json"), "--source", "none")
    assert found["error"]["code"] == "no-source"


def test_where_no_card_was_raised_the_list_is_empty(data: Path) -> None:
    found = told(data, "list")
    assert (found["n"], found["cards"]) == (0, [])
