"""Pages without a script: what they show, in both languages, and that nothing wrong is shown as if it were right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import translations
from projections.runner import Projector


@pytest.fixture(scope="module")
def browser(served: Any) -> Iterator[httpx.Client]:
    with served.browser() as client:
        yield client


def text_of(answer: httpx.Response, *, status: int = 200) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("text/html")
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text)))


PAGES = ["/", "/board", "/queues", "/log", "/docs", "/cases/approval/2024-2", "/nothing-here"]


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize(("lang", "word"), [("zh", "日志"), ("en", "Log")])
def test_every_page_is_in_the_language_of_its_address_and_links_to_the_other(
    browser: httpx.Client, path: str, lang: str, word: str
) -> None:
    answer = browser.get(path, params={"lang": lang})
    assert word in answer.text
    assert f'<html lang="{"zh-Hans" if lang == "zh" else "en"}">' in answer.text
    other = "en" if lang == "zh" else None
    switch = re.search(r'<a href="([^"]*)" lang="(zh-Hans|en)" hreflang', answer.text)
    assert switch is not None
    assert ("lang=en" in switch[1]) == (other == "en")


@pytest.mark.parametrize("path", PAGES)
def test_no_page_holds_a_script_or_a_style_or_loads_anything_from_elsewhere(browser: httpx.Client, path: str) -> None:
    html = browser.get(path).text
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", html)
    assert set(re.findall(r"<script[^>]*>", html)) <= {
        f'<script type="module" src="/static/{name}.js">' for name in ("mingjian", "board", "check")
    }
    assert all(address.startswith("/static/") for address in re.findall(r'\bsrc="([^"]*)"', html))
    assert all(address.startswith("/static/") for address in re.findall(r'<link [^>]*href="([^"]*)"', html))


def test_who_has_no_session_is_told_in_both_languages_how_to_get_one(served: Any) -> None:
    with served.client() as client:
        for lang, words in (("zh", "请通过链接进入"), ("en", "Please come in by a link")):
            answer = client.get("/", params={"lang": lang}, headers={"Accept": "text/html"})
            found = text_of(answer, status=403)
            assert words in found
            assert "mingjian link" in found


def test_the_list_says_n_and_as_of_and_its_filters_stand_in_the_address(browser: httpx.Client) -> None:
    every = text_of(browser.get("/", params={"lang": "en"}))
    assert "n = 60 cases" in every
    assert "as of entry" in every
    counts = [
        int(re.search(r"n = (\d+) cases", text_of(browser.get("/", params={"lang": "en", "state": state})))[1])  # type: ignore[index]
        for state in ("open", "closed")
    ]
    assert sum(counts) == 60
    late = browser.get("/", params={"lang": "en", "late": "yes", "state": "closed", "activity": "审查"})
    assert '<option value="yes" selected>late</option>' in late.text
    assert '<option value="审查" selected>' in late.text


def test_a_list_that_nothing_matches_says_what_to_do(browser: httpx.Client) -> None:
    found = text_of(browser.get("/", params={"lang": "en", "at": "1999-01-01T00:00"}))
    assert "No case is so" in found
    assert "take away a filter" in found


def test_a_case_is_found_by_its_whole_number_only(browser: httpx.Client) -> None:
    answer = browser.get("/", params={"case": "permit-000007"})
    assert answer.url.path.startswith("/cases/imported/permits/")
    assert "permit-000007" in answer.text
    missing = text_of(browser.get("/", params={"case": "permit-00000", "lang": "en"}))
    assert "There is no case with the number permit-00000." in missing


def test_the_slider_of_an_imported_case_runs_on_claimed_time_and_is_labelled_so(
    browser: httpx.Client, case: str
) -> None:
    whole = browser.get(f"/cases/{case}", params={"lang": "en"})
    assert "claimed time" in text_of(whole)
    total = int(re.search(r'name="step" min="1" max="(\d+)"', whole.text)[1])  # type: ignore[index]
    shown = [
        browser.get(f"/cases/{case}", params={"lang": "en", "step": step}).text.count('class="when"')
        for step in range(1, total + 1)
    ]
    assert shown == sorted(shown)
    assert shown[0] < shown[-1] == whole.text.count('class="when"')


def test_a_live_case_is_shown_on_recorded_time_with_who_signed_and_whose_key(browser: httpx.Client) -> None:
    found = text_of(browser.get("/cases/approval/2024-2", params={"lang": "en"}))
    for words in ("recorded time", "gaps told", "staff/chen", "window clerk", "key held by the person alone"):
        assert words in found
    then = text_of(browser.get("/cases/approval/2024-2", params={"lang": "en", "step": 1}))
    assert "Gaps told" not in then
    assert "applied" in then


def test_the_address_of_a_moment_is_in_the_part_that_a_script_asks_for(browser: httpx.Client, case: str) -> None:
    part = browser.get(f"/cases/{case}", params={"step": 1, "part": "history"}).text
    assert part.lstrip().startswith('<section id="history"')
    address = unescape(re.search(r'data-address="([^"]*)"', part)[1])  # type: ignore[index]
    assert browser.get(address).text.count('class="when"') == part.count('class="when"')


def test_what_a_source_says_is_shown_as_text_and_never_as_markup(served: Any, browser: httpx.Client) -> None:
    hostile = "<script>alert(1)</script>"
    answer = browser.get("/", params={"case": hostile, "lang": "en"})
    assert hostile not in answer.text
    assert hostile in unescape(answer.text)
    answer = browser.get(f"/{hostile}")
    assert hostile not in answer.text


def test_the_log_shows_imports_keys_batches_and_the_note(served: Any, browser: httpx.Client) -> None:
    found = text_of(browser.get("/log", params={"lang": "en"}))
    for words in (served.hall.origin, "finished", "source/permits", "weaker", "Last batches", "Projections at"):
        assert words in found


def test_an_unfinished_import_is_shown_as_such(served: Any, browser: httpx.Client) -> None:
    served.keys["source/half"] = served.hall.source_key("half")
    identity = {"source": "half", "sha256": "ab" * 32, "bytes": 10, "cases": 3, "events": 9}
    served.state("source/half", "source_adapter", "import/half", "import.started.v1", identity)
    Projector(served.hall.database).catch_up()
    assert "not finished" in text_of(browser.get("/log", params={"lang": "en"}))
    assert "is not finished" in text_of(browser.get("/", params={"source": "half", "lang": "en"}))


# --------------------------------------------------------------------------------------------------- evidence


@contextmanager
def changed(served: Any, index: int) -> Iterator[None]:
    """As long as this lasts the database's owner has changed one byte of an entry."""

    def flip() -> None:
        with served.hall.database.connect("owner") as owner:
            owner.execute("ALTER TABLE ledger.statements DISABLE TRIGGER forbid")
            owner.execute(
                "UPDATE ledger.statements SET entry = set_byte(entry, 200, get_byte(entry, 200) # 1)"
                " WHERE insertion_id = (SELECT insertion_id FROM ledger.leaves WHERE index = %s)",
                (index,),
            )
            owner.execute("ALTER TABLE ledger.statements ENABLE TRIGGER forbid")

    flip()
    try:
        yield
    finally:
        flip()


def test_a_row_changed_by_the_databases_owner_is_named_in_words_and_not_repaired(
    served: Any, browser: httpx.Client, case: str
) -> None:
    with served.client("reader") as reader:
        index = reader.get(f"/api/cases/{case}").json()["events"][2]["index"]
        with changed(served, index):
            told = reader.get(f"/api/cases/{case}")
            assert (told.status_code, told.json()["code"], told.json()["entry"]) == (500, "entry-changed", index)
            page = text_of(browser.get(f"/cases/{case}", params={"lang": "en"}), status=500)
            assert "Evidence: the bytes of an entry were changed" in page
            assert f"the bytes of entry {index} were changed" in page
            assert "Nothing was repaired" in page
            assert page.count("of the signed tree") >= 2  # the others are shown, each checked
            zh = text_of(browser.get(f"/cases/{case}"), status=500)
            assert "证据：有条目的内容被改动" in zh
        assert "Evidence" not in text_of(browser.get(f"/cases/{case}", params={"lang": "en"}))


# ------------------------------------------------------------------------------------------- made-up history


@pytest.mark.parametrize("path", ["/", "/queues", "/log"])
def test_a_made_up_history_says_so_on_every_page(browser: httpx.Client, made_up: httpx.Client, path: str) -> None:
    assert "Simulated: this history is made up" in text_of(made_up.get(path, params={"lang": "en"}))
    assert "模拟数据" in text_of(made_up.get(path))
    assert "Simulated" not in text_of(browser.get(path, params={"lang": "en"}))


def test_an_empty_ledger_says_what_to_do(made_up: httpx.Client) -> None:
    assert "mingjian import xes FILE --source NAME" in text_of(made_up.get("/"))
    assert "Nobody waits" in text_of(made_up.get("/queues", params={"lang": "en"}))


# ---------------------------------------------------------------------------------------------- translations


def test_no_text_is_missing_stale_or_untranslated() -> None:
    assert translations.problems() == []


def test_a_text_that_is_not_in_the_catalogue_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shorter = tmp_path / "messages.po"
    whole = translations.CATALOGUE.read_text("utf-8")
    shorter.write_text(whole.replace('msgid "Leave"', 'msgid "Left"'), "utf-8")
    monkeypatch.setattr(translations, "CATALOGUE", shorter)
    assert translations.problems() == ["missing: 'Leave'", "no longer used: 'Left'"]
    assert translations.main([]) == 1
