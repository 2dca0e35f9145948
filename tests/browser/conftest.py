"""Debian's Chromium, strict about everything a page says on its console, in front of a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext

from tests import browsing
from tests.api.conftest import town


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with town(tmp_path_factory.mktemp("browsed")) as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@pytest.fixture
def said() -> list[str]:
    """What pages said on their consoles: must stay empty."""
    return []


@pytest.fixture
def inside(served: Any, chromium: Browser, said: list[str]) -> Iterator[BrowserContext]:
    """A browser that came in by a link; everything on its consoles is noted."""
    with browsing.session(chromium, served.base, served.hall.data, said=said, height=900) as context:
        yield context


@pytest.fixture(scope="module")
def case(served: Any) -> str:
    """The stream of an imported case."""
    with served.client("reader") as client:
        return str(client.get("/api/cases", params={"source": "permits", "limit": 1}).json()["cases"][0]["stream"])
