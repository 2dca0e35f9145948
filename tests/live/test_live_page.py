"""The live page as an officer uses it: says what for, watches, marks with a key, opens a complaint."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from ledger.facts.patrol import ENDED
from tests import browsing

pytestmark = pytest.mark.browser
Office = Any
SHOTS = os.environ.get("MINGJIAN_SHOTS")
# What the player shows: the brightest of the masked corner, the darkest beside it, of 255.
LOOK = """() => {
  const video = document.getElementById("video"), canvas = document.createElement("canvas");
  canvas.width = video.videoWidth; canvas.height = video.videoHeight;
  const at = canvas.getContext("2d", { willReadFrequently: true }); at.drawImage(video, 0, 0);
  const of = (x, y, w, h) => [...at.getImageData(x, y, w, h).data].filter((_, i) => i % 4 === 0);
  return [canvas.width, Math.max(...of(0, 0, 150, 80)), Math.min(...of(200, 110, 100, 60))];
}"""


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def inside(office: Office, chromium: Browser, said: list[str]) -> Iterator[BrowserContext]:
    """The investigator's browser; everything on its console is noted."""
    with browsing.session(chromium, office.base, office.hall.data, actor="staff/cha", said=said) as context:
        yield context


def shot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def test_an_officer_says_what_for_watches_marks_with_a_key_and_opens_a_complaint(
    office: Office, inside: BrowserContext
) -> None:
    page = inside.new_page()
    page.goto("/live/south?lang=en")
    expect(page.locator("video")).to_have_count(0)
    shot(page, "purpose-en")
    page.get_by_label("Purpose").select_option("patrol")
    page.get_by_role("button", name="Watch live").click()
    expect(page).to_have_url(re.compile("view="))
    view = re.search(r"view=([0-9a-f]{16})", page.url)
    assert view is not None
    expect(page.locator("#live")).to_have_attribute("data-delay", re.compile("[0-9]"), timeout=15_000)
    page.wait_for_timeout(2500)
    delays = []
    for _ in range(8):
        delays.append(float(page.locator("#live").get_attribute("data-delay") or "99"))
        page.wait_for_timeout(250)
    assert sorted(delays)[4] < 3, delays
    width, under, beside = page.evaluate(LOOK)
    assert width == 320
    assert under <= 4
    assert beside >= 10
    page.keyboard.press("m")
    expect(page.locator("#marks li")).to_have_count(1)
    expect(page.locator("#marks .held")).to_contain_text("north, south")
    shot(page, "live-en")
    page.get_by_label("What was seen").fill("no body at the desk for minutes")  # an m typed marks nothing
    expect(page.locator("#marks li")).to_have_count(1)
    page.get_by_role("button", name="Open a complaint").click()
    expect(page).to_have_url(re.compile("/complaints/patrol-"))
    expect(page.locator("h1")).to_contain_text("Complaint")
    shot(page, "complaint-en")
    # Who leaves the page ends the viewing, and what was shown is stated.
    office.wait(lambda: len(office.acts(f"live/{view[1]}")) == 2)
    ended = office.acts(f"live/{view[1]}")[1]
    assert (ended.type, ended.data["cause"]) == (ENDED, "left")
    assert "since" in ended.data


def test_a_viewing_that_is_over_is_said_and_asks_for_the_purpose_again(office: Office, inside: BrowserContext) -> None:
    page = inside.new_page()
    page.goto("/live/north?lang=zh")
    shot(page, "purpose-zh")
    page.locator("form.purpose button").click()
    expect(page.locator("#live")).to_have_attribute("data-delay", re.compile("[0-9]"), timeout=15_000)
    shot(page, "live-zh")
    view = page.locator("#live").get_attribute("data-view")
    office.browser("staff/cha").post(f"/live/views/{view}/end")
    expect(page.locator("#state")).to_be_visible(timeout=5000)
    shot(page, "over-zh")
    page.reload()
    expect(page.get_by_role("status")).to_be_visible()
    expect(page.locator("video")).to_have_count(0)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_board_shows_the_cameras_with_their_pictures_and_leads_to_them(
    office: Office, inside: BrowserContext, lang: str
) -> None:
    cha = office.browser("staff/cha")
    for camera in ("north", "south"):
        office.wait(lambda name=camera: cha.get(f"/live/thumbnails/{name}").status_code == 200, limit_s=20)
    page = inside.new_page()
    page.goto(f"/board?lang={lang}")
    pictures = page.locator(".cameras img")
    expect(pictures).to_have_count(2)
    pictures.first.scroll_into_view_if_needed()
    expect(pictures.last).to_have_js_property("naturalWidth", 320)
    shot(page, f"board-{lang}")
    page.set_viewport_size({"width": 390, "height": 844})
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0
    shot(page, f"board-phone-{lang}")
    page.locator(".cameras a").first.click()
    expect(page).to_have_url(re.compile("/live/"))
