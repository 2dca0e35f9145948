"""A supervisor judges what is odd on the board, by a session that may act."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from html import unescape
from typing import Any

import httpx
import pytest

from api.demo.seed import seed
from api.sessions import Sessions
from ledger.door.hall import Hall, open_ledger
from ledger.statement import open_statement
from oversight.flagged import refresh
from tests.running import kept_up, serving

SUPERVISOR = "staff/supervisor-1"
PART = {"part": "board", "lang": "en"}


@dataclass(frozen=True)
class Board:
    hall: Hall
    base: str

    @contextmanager
    def browser(self, actor: str | None = None) -> Iterator[httpx.Client]:
        headers = {"Accept": "text/html"}
        with httpx.Client(base_url=self.base, headers=headers, timeout=20, follow_redirects=True) as client:
            assert client.get(Sessions(self.hall.data).link(actor=actor)).status_code == 200
            yield client

    def rows(self, client: httpx.Client) -> list[dict[str, str]]:
        """The forms on the board, as what each would send."""
        html = client.get("/board", params=PART).text
        forms = re.findall(r'<form class="judge".*?</form>', html, re.DOTALL)
        return [dict(re.findall(r'name="(place|triage)" value="([^"]*)"', unescape(form))) for form in forms]


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    data = tmp_path_factory.mktemp("judged") / "data"
    seed(data, scale=0.004, seed=3, end=date(2025, 6, 30))
    with open_ledger(data) as hall, hall.sequencing(), kept_up(hall), serving(hall) as base:
        Sessions(data).served_at(base)
        refresh(hall)
        yield Board(hall, base)


def judged(board: Board, triage: str) -> list[Any]:
    return [open_statement(entry) for _, _, entry in board.hall.reader.stream(triage)]


def test_a_supervisor_judges_with_a_reason_and_the_row_is_gone(board: Board) -> None:
    with board.browser(SUPERVISOR) as client:
        row = board.rows(client)[0]
        answer = client.post("/board/judge", data=row | {"verdict": "confirmed", "reason": "the file says so"})
        assert answer.status_code == 200
        (act,) = judged(board, row["triage"])
        assert (act.type, act.actor) == ("anomaly.confirmed.v1", SUPERVISOR)
        for _ in range(100):
            if row["triage"] not in [one["triage"] for one in board.rows(client)]:
                break
        else:
            raise AssertionError("the judged row stayed on the board")


def test_who_only_reads_finds_no_form_and_is_refused(board: Board) -> None:
    with board.browser(SUPERVISOR) as client:
        row = board.rows(client)[0]
    with board.browser() as reader:
        assert board.rows(reader) == []
        answer = reader.post("/board/judge", data=row | {"verdict": "confirmed", "reason": "x"})
        assert answer.status_code == 403
    assert judged(board, row["triage"]) == []


def test_what_is_judged_is_what_was_seen_or_nothing(board: Board) -> None:
    with board.browser(SUPERVISOR) as client:
        first, second = board.rows(client)[:2]
        moved = {"place": first["place"], "triage": second["triage"], "verdict": "dismissed", "reason": "x"}
        assert client.post("/board/judge", data=moved).status_code == 409
        assert judged(board, second["triage"]) == []


@pytest.mark.parametrize("wrong", [{"reason": "  "}, {"verdict": "burnt"}, {"place": "no"}])
def test_bad_input_judges_nothing(board: Board, wrong: dict[str, str]) -> None:
    with board.browser(SUPERVISOR) as client:
        row = board.rows(client)[0]
        good = row | {"verdict": "dismissed", "reason": "a reason"}
        assert client.post("/board/judge", data=good | wrong).status_code in (400, 422)
    assert judged(board, row["triage"]) == []


def test_who_is_no_supervisor_is_refused_by_the_door(board: Board) -> None:
    _, registry = board.hall.door.registry()
    clerk = next(
        actor
        for actor, held in sorted(registry.appointments.items())
        if "window_clerk" in held.roles and "supervisor" not in held.roles and board.hall.keyring.keeps(actor)
    )
    with board.browser(clerk) as client:
        row = board.rows(client)[0]
        answer = client.post("/board/judge", data=row | {"verdict": "confirmed", "reason": "x"})
        assert answer.status_code == 403
    assert judged(board, row["triage"]) == []
