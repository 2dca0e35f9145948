"""Debian's Chromium in front of a real ledger, strict about everything that a page says on its console."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from api.sessions import Sessions

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""


@contextmanager
def chromium() -> Iterator[Browser]:
    """For one module: while it lives, its event loop runs in this thread, and no test beside could run its own."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def watch(page: Page, said: list[str]) -> None:
    """Note every warning, error and exception of a page."""

    def hear(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            said.append(f"{page.url}: {message.text}")

    page.on("console", hear)
    page.on("pageerror", lambda error: said.append(f"{page.url}: {error}"))


@contextmanager
def session(
    browser: Browser, base: str, data: Path, *, actor: str | None = None, said: list[str], height: int = 1000
) -> Iterator[BrowserContext]:
    """A browser that came in by a link; its pages must have said nothing when it leaves."""
    context = browser.new_context(viewport={"width": 1280, "height": height}, base_url=base)
    context.on("page", lambda page: watch(page, said))
    page = context.new_page()
    page.goto(Sessions(data).link(actor=actor))
    page.close()
    yield context
    context.close()
    assert said == []
