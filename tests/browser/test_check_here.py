"""The case page checked by the browser itself: good where all is signed, and wrong where the page or the log is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

pytestmark = pytest.mark.browser


def check(page: Page, key: str = "") -> tuple[str, list[str]]:
    """Press the button; the verdict, and what is wrong in words."""
    page.locator("#vkey").fill(key)
    page.locator("#verify button").click()
    expect(page.locator("#verify[data-verdict]")).to_be_visible(timeout=30_000)
    verdict = page.locator("#verify").get_attribute("data-verdict") or ""
    return verdict, page.locator("#verify .wrongs li").all_inner_texts()


@pytest.mark.parametrize(("lang", "words"), [("en", "statements hold"), ("zh", "条陈述成立")])
def test_every_statement_of_a_case_is_checked_by_the_browser(
    inside: BrowserContext, case: str, lang: str, words: str, tmp_path: Path
) -> None:
    page = inside.new_page()
    for path in (f"/cases/{case}", "/cases/approval/2024-2"):
        page.goto(f"{path}?lang={lang}")
        acts = page.locator("#history .act").count()
        assert check(page) == ("good", [])
        expect(page.locator("#verify output")).to_contain_text(words)
        expect(page.locator("#history .checked.good")).to_have_count(acts)
        page.locator("#verify").scroll_into_view_if_needed()
        page.screenshot(path=tmp_path / f"checked-{lang}-{acts}.png", full_page=True)


def test_a_key_of_ones_own_is_used_and_remembered_and_a_strangers_proves_nothing(
    served: Any, inside: BrowserContext, case: str
) -> None:
    page = inside.new_page()
    page.goto(f"/cases/{case}?lang=en")
    own = str(served.hall.publisher.alone.logs[0].key)
    assert check(page, own)[0] == "good"
    expect(page.locator("#verify output")).to_contain_text("the key you gave")
    page.reload()
    assert page.locator("#vkey").input_value() == own
    stranger = own[:-8] + ("AAAAAAA=" if not own.endswith("AAAAAAA=") else "BBBBBBB=")
    verdict, wrong = check(page, stranger)
    assert verdict == "bad"
    assert wrong


def changed_page(page: Page, before: str, after: str) -> None:
    """A server that shows something else than it signed."""

    def answer(route: Route) -> None:
        found = route.fetch()
        route.fulfill(response=found, body=found.text().replace(before, after))

    page.route("**/cases/**", answer)


def test_a_page_that_shows_something_else_than_was_signed_is_found(inside: BrowserContext, case: str) -> None:
    page = inside.new_page()
    changed_page(page, 'data-type="imported.case.v1"', 'data-type="imported.event.v1"')
    page.goto(f"/cases/{case}?lang=en")
    verdict, wrong = check(page)
    assert verdict == "bad"
    assert any("the page shows imported.event.v1" in one for one in wrong), wrong


def test_a_page_that_leaves_an_act_out_is_found(inside: BrowserContext, case: str) -> None:
    page = inside.new_page()
    page.goto(f"/cases/{case}?lang=en")
    page.evaluate("document.querySelectorAll('#history .act')[1].remove()")
    verdict, wrong = check(page)
    assert verdict == "bad"
    assert any("missing before" in one for one in wrong), wrong


def test_bytes_that_were_changed_on_the_way_are_found(inside: BrowserContext, case: str) -> None:
    page = inside.new_page()

    def answer(route: Route) -> None:
        found = route.fetch()
        body = bytearray(found.body())
        body[-1] ^= 1
        route.fulfill(response=found, body=bytes(body))

    page.route("**/api/statements/*/entry", answer)
    page.goto(f"/cases/{case}?lang=en")
    verdict, wrong = check(page)
    assert (verdict, len(wrong)) == ("bad", page.locator("#history .act").count())


def test_a_log_that_shows_less_than_this_browser_has_seen_is_found(
    served: Any, inside: BrowserContext, case: str
) -> None:
    page = inside.new_page()
    page.goto(f"/cases/{case}?lang=en")
    assert check(page)[0] == "good"
    name = f"mingjian:{served.hall.origin}"
    kept = json.loads(page.evaluate("name => localStorage.getItem(name)", name))
    for change, word in (({"size": kept["size"] + 1}, "less"), ({"root": "00" * 32}, "another history")):
        page.evaluate("([name, text]) => localStorage.setItem(name, text)", [name, json.dumps(kept | change)])
        verdict, wrong = check(page)
        assert verdict == "bad"
        assert word in wrong[0]
