"""Pages as a person uses them: by mouse, by keyboard, without a script, on a phone, in the dark, on paper."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.sessions import Sessions

pytestmark = pytest.mark.browser

PAGES = ["/", "/board", "/queues", "/log", "/docs", "/cases/approval/2024-2"]


def acts(page: Page) -> int:
    return page.locator("#history .act").count()


def test_the_pages_open_and_say_nothing_on_the_console(inside: BrowserContext, case: str) -> None:
    page = inside.new_page()
    for lang in ("zh", "en"):
        for path in [*PAGES, f"/cases/{case}"]:
            answer = page.goto(f"{path}?lang={lang}")
            assert answer is not None
            assert answer.status == 200
            expect(page.locator("h1")).to_be_visible()


def test_the_policy_stops_a_script_that_somebody_slips_into_a_page(inside: BrowserContext, said: list[str]) -> None:
    page = inside.new_page()
    page.goto("/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.harmed=1\">')")
    page.evaluate("const s = document.createElement('script'); s.text = 'window.harmed=1'; document.body.append(s)")
    page.wait_for_timeout(200)
    assert page.evaluate("window.harmed") is None
    assert any("Content Security Policy" in one for one in said)
    said.clear()


def test_the_list_is_narrowed_by_its_form_and_the_address_says_so(inside: BrowserContext) -> None:
    page = inside.new_page()
    page.goto("/?lang=en")
    page.get_by_label("State").select_option("open")
    page.get_by_role("button", name="Show").click()
    expect(page).to_have_url(re.compile("state=open"))
    expect(page.locator("tbody tr").first).to_contain_text("open")
    expect(page.locator("tbody .mark.closed")).to_have_count(0)
    page.get_by_role("link", name="permit-").first.click()
    expect(page).to_have_url(re.compile("/cases/imported/permits/"))


def test_the_arrow_keys_move_through_the_case_and_the_address_follows(inside: BrowserContext, case: str) -> None:
    page = inside.new_page()
    page.goto(f"/cases/{case}?lang=en")
    whole = acts(page)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#history .act")).to_have_count(whole - 1)
    expect(page).to_have_url(re.compile("at="))
    page.keyboard.press("ArrowRight")
    expect(page.locator("#history .act")).to_have_count(whole)
    page.get_by_role("link", name="Earlier").click()
    expect(page.locator("#history .act")).to_have_count(whole - 1)
    page.reload()
    expect(page.locator("#history .act")).to_have_count(whole - 1)


def test_the_slider_dragged_fast_ends_at_the_moment_where_it_was_let_go(inside: BrowserContext, case: str) -> None:
    page = inside.new_page()
    page.goto(f"/cases/{case}?lang=en")
    slider = page.locator("#step")
    last = int(slider.get_attribute("max") or 0)
    slider.focus()
    for _ in range(last):
        page.keyboard.press("ArrowLeft")
    expect(page.locator("#history")).to_have_attribute("data-place", "1")
    assert slider.input_value() == "1"


def test_the_case_works_without_a_script(served: Any, chromium: Browser, case: str) -> None:
    context = chromium.new_context(java_script_enabled=False, base_url=served.base)
    page = context.new_page()
    page.goto(Sessions(served.hall.data).link())
    page.goto(f"/cases/{case}?lang=en")
    whole = acts(page)
    page.get_by_role("link", name="Earlier").click()
    assert acts(page) == whole - 1
    page.locator("#step").focus()
    page.keyboard.press("Home")
    page.get_by_role("button", name="Show").click()
    assert page.locator("#history").get_attribute("data-place") == "1"
    context.close()


def test_who_was_not_let_in_sees_how_to_come_in_and_leaving_closes_the_door(
    inside: BrowserContext, said: list[str]
) -> None:
    page = inside.new_page()
    page.goto("/?lang=en")
    page.get_by_role("button", name="Leave").click()
    expect(page.get_by_role("heading")).to_contain_text("Please come in by a link")
    assert all("403" in one for one in said)
    said.clear()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window_in_either_language(
    served: Any, chromium: Browser, case: str, tmp_path: Path, scheme: Any, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme, base_url=served.base)
    page = context.new_page()
    page.goto(Sessions(served.hall.data).link())
    for lang in ("zh", "en"):
        for path in [*PAGES, f"/cases/{case}"]:
            page.goto(f"{path}?lang={lang}")
            wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wide <= 0, f"{path} in {lang} is {wide} px wider than {width}"
            page.screenshot(
                path=tmp_path / f"{path.strip('/').replace('/', '-') or 'cases'}-{lang}.png", full_page=True
            )
    page.emulate_media(media="print")
    page.goto(f"/cases/{case}")
    expect(page.locator(".controls")).to_be_hidden()
    context.close()
