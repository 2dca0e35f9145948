"""What is brought in is seen at a glance: who stated how much and when, what waits, why, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from api.sessions import Sessions
from api.tokens import Tokens
from ledger.exchange.adapters.hooks import make_hook
from projections.runner import Projector
from tests.running import serving

Brought = Any


@pytest.fixture(scope="module")
def base(brought: Brought, case: Any) -> Iterator[str]:
    records = case("page-1")
    brought.take("approval", "page-oa", *records[:2])
    brought.take("approval", "page-oa", records[2], {"id": "x"}, case("page-2", item="unheard-of")[0])
    make_hook(brought.hall.data, "page-rating", "rating")
    Projector(brought.hall.database).catch_up()
    with serving(brought.hall) as found:
        Sessions(brought.hall.data).served_at(found)
        yield found


def told(brought: Brought, base: str) -> dict[str, Any]:
    token = Tokens(brought.hall.data).make("reader")
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}) as client:
        answer = client.get("/api/adapters")
    assert answer.status_code == 200
    return {(one["source"], one["kind"]): one for one in answer.json()["adapters"]}


def test_each_system_is_listed_with_what_it_stated_and_what_waits(brought: Brought, base: str) -> None:
    listed = told(brought, base)
    mine = listed["page-oa", "approval"]
    assert (mine["taken"], mine["waiting"], mine["key"], mine["hook"]) == (3, 2, "active", None)
    assert mine["last"].endswith("Z")
    assert {one["code"]: one["n"] for one in mine["reasons"]} == {"missing-field": 1, "item": 1}
    silent = listed["page-rating", "rating"]
    assert (silent["taken"], silent["last"], silent["key"], silent["hook"]) == (0, None, "none", "hmac-sha256")


@pytest.mark.parametrize(("lang", "words"), [("zh", "已接入的系统"), ("en", "Systems brought in")])
def test_the_page_says_the_same_in_both_languages_with_the_command_that_tries_again(
    brought: Brought, base: str, lang: str, words: str
) -> None:
    with httpx.Client(base_url=base, headers={"Accept": "text/html"}, follow_redirects=True) as client:
        client.get(Sessions(brought.hall.data).link())
        shown = client.get("/adapters", params={"lang": lang})
    assert shown.status_code == 200
    for text in (words, "page-oa", "mingjian deadletter retry --source page-oa", "/deadletters?source=page-oa"):
        assert text in shown.text
    assert "page-1" not in shown.text


def test_a_fold_in_pieces_counts_the_same(brought: Brought, base: str) -> None:
    before = told(brought, base)
    projector = Projector(brought.hall.database)
    projector.rebuild(batch=2)
    assert told(brought, base) == before
