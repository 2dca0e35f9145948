"""The hall's screen on the wall: nothing to scroll at 1080p, upright or across, and it follows the log by itself."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

_SIZES = {"across": (1920, 1080), "upright": (1080, 1920)}


def act(served: Any, which: int, verb: str, **values: Any) -> None:
    stream = f"ticket/w-{which}"
    served.state("staff/chen", "window_clerk", stream, f"ticket.{verb}", values, window="w1", unit="env")


@pytest.fixture(scope="module")
def crowd(served: Any) -> Any:
    """A full hall: more called, waiting and missed than any pane shows."""
    for number in range(32):
        queue = f"queue-{number % 16}"
        act(served, number, "taken.v2", number=f"A{number:03}", queue=queue, channel="counter")
        if number % 2:
            act(served, number, "called.v1", window="w1")
        if number % 4 == 1:
            act(served, number, "skipped.v1")
    return served


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("way", _SIZES)
def test_a_full_hall_fits_the_wall(crowd: Any, chromium: Browser, way: str, language: str) -> None:
    width, height = _SIZES[way]
    page = chromium.new_page(viewport={"width": width, "height": height})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{crowd.base}/screen?lang={language}")
    page.wait_for_selector(".called li")
    assert page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]") == [
        width,
        height,
    ]
    assert float(page.evaluate("parseFloat(getComputedStyle(document.querySelector('.called b')).fontSize)")) >= 40
    assert said == []
    page.close()


def test_a_call_shows_without_the_page_being_loaded_again(crowd: Any, chromium: Browser) -> None:
    page = chromium.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(f"{crowd.base}/screen")
    page.evaluate("window.same = true")
    act(crowd, 30, "called.v1", window="w1")
    page.locator(".called li:first-child b", has_text="A030").wait_for(timeout=10_000)
    assert page.evaluate("window.same")
    page.close()
