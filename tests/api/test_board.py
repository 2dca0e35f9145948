"""The board: what is open, late and waiting; and nothing is sent again that has not changed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

PART = {"part": "board", "lang": "en"}


@pytest.fixture(scope="module")
def browser(served: Any) -> Iterator[httpx.Client]:
    with served.browser() as client:
        yield client


def figures(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


def open_cases(answer: httpx.Response) -> int:
    found = re.search(r"n = ([\d,]+) open live cases", figures(answer))
    assert found is not None
    return int(found[1].replace(",", ""))


def until(browser: httpx.Client, tag: str) -> httpx.Response:
    """The board once it is another than ``tag``."""
    for _ in range(100):
        answer = browser.get("/board", params=PART, headers={"If-None-Match": tag})
        if answer.status_code != 304:
            return answer
        time.sleep(0.05)
    raise AssertionError("the board never moved")


def test_the_board_counts_what_the_queue_lists(browser: httpx.Client, served: Any) -> None:
    with served.client("reader") as client:
        listed = client.get("/api/queues").json()["n"]
    assert open_cases(browser.get("/board", params=PART)) == listed


def test_the_board_is_sent_again_only_when_the_log_has_grown(browser: httpx.Client, served: Any) -> None:
    before = browser.get("/board", params=PART)
    tag = before.headers["etag"]
    assert browser.get("/board", params=PART, headers={"If-None-Match": tag}).status_code == 304
    _, registry = served.hall.door.registry()
    version = registry.items["item/permit"][-1].id.hex()
    served.clerk(
        "board-1", "applied", {"item": "permit", "item_version": version, "channel": "window", "applicant": "甲"}
    )
    after = until(browser, tag)
    assert after.headers["etag"] != tag
    assert open_cases(after) == open_cases(before) + 1


def test_a_running_clock_stands_on_the_board_and_leads_to_its_list(browser: httpx.Client) -> None:
    html = browser.get("/board", params=PART).text
    link = re.search(r'href="(/queues\?clock=gap_notice[^"]*)"', html)
    assert link is not None
    assert browser.get(unescape(link[1])).status_code == 200


def test_another_units_board_has_nothing_of_this_one(browser: httpx.Client) -> None:
    assert open_cases(browser.get("/board", params=PART | {"unit": "env"})) > 0
    assert open_cases(browser.get("/board", params=PART | {"unit": "elsewhere"})) == 0


def test_the_board_is_for_readers(served: Any) -> None:
    with served.client() as client:
        assert client.get("/board", headers={"Accept": "text/html"}).status_code == 403
