"""Debian's Chromium, strict about everything a page says on its console, in front of a real ledger."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from api.sessions import Sessions
from tests.api.conftest import town

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with town(tmp_path_factory.mktemp("browsed")) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    # Ended with its module: while it lives, its event loop runs in this thread, and no test beside could run its own.
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def said() -> list[str]:
    """What pages said on their consoles: must stay empty."""
    return []


def watch(page: Page, said: list[str]) -> None:
    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(f"{page.url}: {message.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))


@pytest.fixture
def inside(served: Any, chromium: Browser, said: list[str]) -> Iterator[BrowserContext]:
    """A browser that came in by a link; everything on its consoles is noted."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, base_url=served.base)
    context.on("page", lambda page: watch(page, said))
    page = context.new_page()
    page.goto(Sessions(served.hall.data).link())
    page.close()
    yield context
    context.close()
    assert said == []


@pytest.fixture
def case(served: Any) -> str:
    """The stream of an imported case."""
    with served.client("reader") as client:
        return str(client.get("/api/cases", params={"source": "permits", "limit": 1}).json()["cases"][0]["stream"])
