"""The hall's screen: who is called where, who waits how long, who missed a call; and nothing else of anybody."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import httpx
import pytest

from ledger.facts.ticket import expected_wait

PART = {"part": "board", "lang": "en"}
LIMIT = 300 * 1024


@pytest.fixture(scope="module")
def wall(served: Any) -> Iterator[httpx.Client]:
    """A browser on the wall, without a session."""
    pair = ("staff/cat-a", "staff/cat-b")
    served.agree(pair, "catalogue_admin", "unit/hall", "unit.registered.v1", _UNIT)
    window = {"unit": "hall", "name": "社保3号窗口", "zone": "social"}
    served.agree(pair, "catalogue_admin", "window/s3", "window.opened.v1", window)
    served.hire("staff/wall", "window_clerk", unit="hall", windows=["s3"])
    for n in range(1, 10):
        stream = f"ticket/wall-{n}"
        act(served, stream, "taken.v2", number=f"S{n:03}", queue="hall", channel="counter")
        if n <= 7:
            act(served, stream, "called.v1", window="s3")
        if n <= 5:
            act(served, stream, "served.v1")
        if n == 6:
            act(served, stream, "skipped.v1")
    with served.client() as client:
        yield client


_UNIT = {"name": "社会保险管理中心", "tier": "district", "centre": "social"}


def act(served: Any, stream: str, verb: str, **values: Any) -> Any:
    return served.state("staff/wall", "window_clerk", stream, f"ticket.{verb}", values, window="s3", unit="hall")


def panes(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    found = re.findall(r'<section class="(\w+)".*?</section>', answer.text, re.DOTALL)
    parts = re.findall(r"<section.*?</section>", answer.text, re.DOTALL)
    plain = (unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", part))) for part in parts)
    return dict(zip(found, plain, strict=True))


def moved(wall: httpx.Client, tag: str) -> httpx.Response:
    for _ in range(200):
        answer = wall.get("/screen", params=PART, headers={"If-None-Match": tag})
        if answer.status_code != 304:
            return answer
        time.sleep(0.05)
    raise AssertionError("the screen never moved")


def test_three_panes_say_who_is_called_where_who_waits_how_long_and_who_missed_a_call(wall: httpx.Client) -> None:
    for _ in range(100):
        shown = panes(wall.get("/screen", params={"zone": "social", "lang": "en"}))
        if "S006" in shown["missed"] and "S007" in shown["called"] and "Waiting 2" in shown["waiting"]:
            break
        time.sleep(0.05)
    assert re.search(r"S007 → 社保3号窗口", shown["called"])
    assert "S006 社保3号窗口" in shown["missed"]
    assert re.search(r"社会保险管理中心 2 0 to 1 min", shown["waiting"])
    assert "S008" not in "".join(shown.values())


def test_who_missed_it_may_be_called_again_and_the_screen_says_so(wall: httpx.Client, served: Any) -> None:
    tag = wall.get("/screen", params=PART).headers["etag"]
    assert wall.get("/screen", params=PART, headers={"If-None-Match": tag}).status_code == 304
    act(served, "ticket/wall-6", "called.v1", window="s3")
    for _ in range(100):
        answer = moved(wall, tag)
        tag = answer.headers["etag"]
        if "S006" in panes(answer)["called"]:
            break
    assert re.search(r"S006 → 社保3号窗口 called again", panes(answer)["called"])


def test_another_zone_shows_nothing_of_it(wall: httpx.Client) -> None:
    shown = panes(wall.get("/screen", params={"zone": "construction", "lang": "en"}))
    assert "Nobody is called now." in shown["called"]
    assert "Nobody waits." in shown["waiting"]


def test_a_wall_needs_no_session_and_little_to_load_and_sees_no_names(wall: httpx.Client) -> None:
    page = wall.get("/screen")
    assert '<html lang="zh-Hans">' in page.text
    assert "正在叫号" in page.text
    assert "position" not in page.text
    assert re.search(r'<time datetime="[0-9TZ:.-]+">', page.text)
    for secret in ("staff/", "ticket/", "officer/", "张三"):
        assert secret not in page.text
    files = re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text)
    assert {name.rpartition(".")[2] for name in files} == {"css", "js", "svg"}
    assert len(page.content) + sum(len(wall.get(name).content) for name in files) <= LIMIT


def test_the_expected_wait_is_the_middle_of_the_last_ones_and_unknown_of_too_few() -> None:
    assert expected_wait([1, 2, 3, 4]) is None
    assert expected_wait([50, 10, 30, 20, 40]) == (14, 46)
