"""Who may ask what: every route is for everyone by name, or asks for what opens it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.routing import Mount

from api.app import create_app
from api.sessions import CODE_S, SESSION_S, Sessions
from api.tokens import Tokens
from ledger.errors import NotFound, Refused

# What is for everyone. Committing is: the bytes are signed, and the log's own registries say by whom.
PUBLIC = {
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/my"),
    ("POST", "/my"),
    ("GET", "/screen"),
    ("GET", "/log/checkpoint"),
    ("GET", "/log/checkpoint/latest"),
    ("GET", "/log/tile/{name:path}"),
    ("POST", "/api/statements"),
    ("GET", "/api/statements/{statement}"),
    ("GET", "/api/statements/{statement}/proof"),
    ("GET", "/api/log/consistency"),
    ("GET", "/api/log/heads"),
    ("POST", "/entries"),
    ("GET", "/entries/{entry}"),
    ("GET", "/.well-known/scitt-keys"),
    ("GET", "/.well-known/scitt-keys/{kid}"),
    ("GET", "/enter"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
    ("GET", "/static"),
}
# What opens these is in the request itself, a signature of its source or a link that was signed: no token helps.
SIGNED = {
    ("POST", "/api/hooks/{source}"),
    *(("GET", f"/clips/{rest}") for rest in ("open", "{grant}", "{grant}/film", "{grant}/download")),
    ("POST", "/clips/open"),
}
SCOPE = {
    ("GET", "/log/tile/entries/{name:path}"): "auditor",
    ("GET", "/log/heads/{size}/tile/{level}/{number}"): "auditor",
    ("POST", "/api/drafts"): "operator",
    ("GET", "/api/log/opening"): "operator",
    ("GET", "/api/recorders/{name}"): "operator",
    ("GET", "/api/recorders/{name}/held"): "operator",
    ("GET", "/api/footage/events/{event}"): "operator",
    ("GET", "/log/projections"): "auditor",
    ("GET", "/log/projections/rows"): "auditor",
}  # else reader
PARTS = {
    "{name:path}": "000",
    "{name}": "x",
    "{statement}": "00" * 32,
    "{event}": "0",
    "{entry}": "00" * 32,
    "{kid}": "x",
    "{index}": "0",
    "{size}": "3",
    "{level}": "0",
    "{number}": "0",
    "{source}": "permits",
    "{case:path}": "x",
    "{stream:path}": "x",
    "{kind}": "unit",
    "{grant}": "x",
    "{thing:path}": "x",
}
BODIES: dict[str, dict[str, Any]] = {
    "/api/drafts": {
        "public_key": "00" * 32,
        "actor": "a",
        "role": "r",
        "stream": "s/1",
        "type": "t",
        "at": "now",
        "request": "r",
    },
    "/api/sources/{source}/backtest": {},
}


def every_route(served: Any) -> list[tuple[str, str]]:
    app = create_app(served.hall)
    found = []
    for route in flat(app.routes):
        if isinstance(route, Mount):
            found.append(("GET", route.path))
        else:
            found += [(method, route.path) for method in sorted((route.methods or set()) - {"HEAD"})]
    return found


def flat(routes: Any) -> Iterator[Any]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from flat(inner.routes)
        else:
            yield route


def ask(client: httpx.Client, method: str, path: str) -> httpx.Response:
    address = path
    for name, value in PARTS.items():
        address = address.replace(name, value)
    return client.request(method, address, json=BODIES.get(path))


def test_every_route_is_known_to_this_file_as_public_or_closed(served: Any) -> None:
    routes = every_route(served)
    assert len(routes) > 25
    assert set(routes) >= PUBLIC
    assert all(
        isinstance(route, APIRoute | Mount) or route.path in ("/openapi.json",)
        for route in flat(create_app(served.hall).routes)
    )


def test_without_a_token_only_public_routes_answer(served: Any) -> None:
    with served.client() as client:
        for method, path in every_route(served):
            if path == "/enter":
                continue  # the code is what opens it
            answer = ask(client, method, path)
            assert (answer.status_code == 403) == ((method, path) not in PUBLIC), (method, path, answer.status_code)
            if answer.status_code == 403:
                assert answer.json()["code"] in ("token", "session") or (method, path) in SIGNED


@pytest.mark.parametrize("scope", ["auditor", "operator", "reader", "nobody's"])
def test_a_token_opens_the_routes_of_its_scope_and_no_others(served: Any, scope: str) -> None:
    token = served.tokens.get(scope, "mj_" + "A" * 43)
    with httpx.Client(base_url=served.base, headers={"Authorization": f"Bearer {token}"}, timeout=20) as client:
        for method, path in every_route(served):
            if (method, path) in PUBLIC | SIGNED or path == "/leave":
                continue
            answer = ask(client, method, path)
            wanted = SCOPE.get((method, path), "reader")
            assert (answer.status_code != 403 or answer.json()["code"] != "token") == (scope == wanted), (method, path)


def test_a_recorders_token_speaks_for_that_recorder_and_no_other(served: Any) -> None:
    with served.client("recorder/x") as recorder:
        for path in ("/api/recorders/x", "/api/recorders/x/held", "/api/log/opening"):
            assert recorder.get(path).status_code != 403, path
        for path in ("/api/recorders/y", "/api/recorders/y/held", "/api/recorders/xx"):
            assert recorder.get(path).json()["code"] == "token", path
        for actor in ("recorder/y", "recorder/xx", "recorder/", "staff/chen"):
            draft = BODIES["/api/drafts"] | {"actor": actor}
            assert recorder.post("/api/drafts", json=draft).json()["code"] == "token", actor
        assert recorder.post("/api/drafts", json=BODIES["/api/drafts"] | {"actor": "recorder/x"}).status_code != 403
        for path in ("/api/cases", "/log/tile/entries/000", "/log/projections"):
            assert recorder.get(path).status_code == 403


def test_a_token_made_before_they_named_their_recorder_opens_nothing(served: Any) -> None:
    tokens = Tokens(served.hall.data)
    token = tokens.make("recorder/x")
    path = served.hall.data / "tokens.json"
    before = path.read_bytes()
    try:
        path.write_bytes(before.replace(b'"recorder/x"', b'"recorder"'))
        with httpx.Client(base_url=served.base, headers={"Authorization": f"Bearer {token}"}) as client:
            answer = client.get("/api/recorders/x")
            assert answer.json()["code"] == "token"
            assert "recorder/NAME" in answer.text
    finally:
        path.write_bytes(before)


def test_tokens_are_private_from_their_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file of this machine would be read in the moment before its rights are set."""
    seen: list[int] = []
    opened = os.open

    def spy(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        found = opened(path, flags, mode, **more)
        if flags & os.O_CREAT and "tokens" in str(path):
            seen.append(os.fstat(found).st_mode & 0o777)
        return found

    monkeypatch.setattr(os, "open", spy)
    before = os.umask(0)
    try:
        Tokens(tmp_path).make("reader")
    finally:
        os.umask(before)
    assert seen == [0o600]


def test_tokens_made_at_once_are_all_known(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: Tokens(tmp_path).make("reader"), range(40)))
    assert {Tokens(tmp_path).scope(token) for token in made} == {"reader"}


@pytest.mark.parametrize("scope", ["everything", "recorder", "recorder/", "recorder/a/b", "recorder/../x"])
def test_there_is_no_such_scope(tmp_path: Path, scope: str) -> None:
    with pytest.raises(Refused):
        Tokens(tmp_path).make(scope)


def test_a_session_reads_and_does_nothing_else(served: Any) -> None:
    with served.browser() as browser:
        assert browser.get("/api/sources").status_code == 200
        assert browser.get("/log/tile/entries/000").status_code == 403
        assert browser.post("/api/drafts", json=BODIES["/api/drafts"]).status_code == 403


def test_a_wrong_token_is_not_saved_by_a_session(served: Any) -> None:
    with served.browser() as browser:
        answer = browser.get("/api/sources", headers={"Authorization": f"Bearer {served.tokens['auditor']}"})
        assert answer.status_code == 403


# ------------------------------------------------------------------------------------------- one-time links


def test_a_link_works_once_and_sets_a_cookie_that_no_script_reads_and_no_other_site_sends(served: Any) -> None:
    link = Sessions(served.hall.data).link()
    with served.client() as first, served.client() as second:
        entered = first.get(link)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert f"max-age={SESSION_S}" in cookie
        assert first.get("/").status_code == 200
        assert second.get(link).json()["code"] == "link"
        assert second.get("/").status_code == 403


def test_leaving_ends_the_session_on_the_server(served: Any) -> None:
    with served.browser() as browser:
        kept = dict(browser.cookies)
        assert browser.post("/leave", follow_redirects=False).status_code == 303
    with httpx.Client(base_url=served.base, cookies=kept) as thief:
        assert thief.get("/").status_code == 403


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(tmp_path: Path, clock: Clock) -> Sessions:
    found = Sessions(tmp_path, clock=clock)
    found.served_at("http://127.0.0.1:1")
    return found


def code_of(link: str) -> str:
    return link.partition("code=")[2]


def test_a_code_runs_out_after_ten_minutes(sessions: Sessions, clock: Clock) -> None:
    code = code_of(sessions.link())
    clock.now += CODE_S
    assert sessions.enter(code) is None


def test_a_session_runs_out(sessions: Sessions, clock: Clock) -> None:
    session = sessions.enter(code_of(sessions.link()))
    assert session is not None
    clock.now += SESSION_S - 1
    assert sessions.holds(session)
    clock.now += 1
    assert not sessions.holds(session)


def test_sessions_live_on_in_another_process_and_codes_are_not_kept_in_clear(
    sessions: Sessions, tmp_path: Path
) -> None:
    code = code_of(sessions.link())
    file = tmp_path / "sessions.sqlite"
    assert code.encode() not in file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    session = Sessions(tmp_path, clock=lambda: 1_000_001.0).enter(code)
    assert session is not None
    assert sessions.holds(session)


def test_a_link_needs_a_server_to_lead_to(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Sessions(tmp_path).link()
