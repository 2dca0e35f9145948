"""What strangers send, to every route there is: as the application has them, so that later ones are asked too."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from api.app import MAX_BODY_BYTES, create_app
from tests.api.test_access import PARTS, every_route, flat

SAFE = ("GET", "HEAD", "OPTIONS")
ELSEWHERE = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://[bad"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "https://127.0.0.1.evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "HERE", "Sec-Fetch-Site": "same-site"},
]
PATHS = ["../../../../etc/passwd", "..%2f..%2f..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/keys", "/etc/passwd", "a%00b"]
PATHS += ["..\\..\\keys", "%c0%ae%c0%ae/keys", "x" * 5000, "=cmd|' /C calc'!A0", "%F0%9F%98%80"]


def filled(path: str, value: str = "") -> str:
    for name, usual in PARTS.items():
        path = path.replace(name, value or usual)
    return path


@pytest.fixture(scope="module")
def clients(served: Any) -> Iterator[dict[str, httpx.Client]]:
    """Everyone who may come: with each token, by a session, and a stranger."""
    found = {scope: served.client(scope) for scope in ("auditor", "operator", "reader", "recorder/x")}
    found["stranger"] = served.client()
    with served.browser() as browser:
        yield found | {"session": browser}
    for client in found.values():
        client.close()


def test_no_route_takes_what_another_sites_page_has_a_browser_send(
    served: Any, clients: dict[str, httpx.Client]
) -> None:
    asked = [(method, path) for method, path in every_route(served) if method not in SAFE]
    assert len(asked) > 8
    before = served.hall.reader.head().size
    for method, path in asked:
        for headers in ELSEWHERE:
            sent = {name: value.replace("HERE", served.base) for name, value in headers.items()}
            for who, client in clients.items():
                answer = client.request(method, filled(path), headers=sent | {"Accept": "*/*"})
                assert (answer.status_code, answer.json()["code"]) == (403, "origin"), (who, method, path, headers)
        for sent in ({"Origin": served.base, "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {}):
            if path != "/leave":
                assert '"origin"' not in clients["session"].request(method, filled(path), headers=sent).text
    entries = served.hall.reader.entries(before, served.hall.reader.head().size)
    assert all(b"log.batch" in one.entry for one in entries)


def test_a_session_counts_for_nothing_in_another_sites_page(clients: dict[str, httpx.Client]) -> None:
    for site in ("cross-site", "same-site"):
        embedded = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
        assert clients["session"].get("/", headers=embedded).status_code == 403
        assert clients["session"].get("/api/cases?source=permits", headers=embedded).status_code == 403
        framed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
        assert clients["session"].get("/", headers=framed).status_code == 403
        followed = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert clients["session"].get("/", headers=followed).status_code == 200


def test_no_route_reads_a_body_without_end(served: Any, clients: dict[str, httpx.Client]) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65536 + 1):
            yield b"x=" + b"y" * 65534

    stopped = set()
    for method, path in every_route(served):
        if method in SAFE or path == "/leave":
            continue
        for type_ in ("application/json", "application/x-www-form-urlencoded", "application/octet-stream"):
            for client in clients.values():
                try:
                    answer = client.request(method, filled(path), content=pieces(), headers={"Content-Type": type_})
                except httpx.TransportError:
                    continue  # the server hung up on it: as good
                assert 400 <= answer.status_code < 500, (method, path, type_)
                if answer.status_code == 413:
                    stopped.add(path)
    # Nobody is asked for anything before these begin to read.
    assert stopped >= {"/my", "/clips/open", "/entries", "/api/statements", "/api/hooks/{source}"}


def test_no_route_is_led_to_a_file_by_a_name_that_is_a_path(served: Any, clients: dict[str, httpx.Client]) -> None:
    secret = re.compile(r"root:x:0|PRIVATE KEY|sqlite", re.IGNORECASE)
    for method, path in every_route(served):
        if "{" not in path and path != "/static":
            continue
        for value in PATHS:
            address = f"{path}/{value}" if path == "/static" else filled(path, value)
            for who in ("session", "auditor", "operator", "reader"):
                answer = clients[who].request(method, address, headers={"Accept": "application/json"})
                assert answer.status_code < 500, (who, method, address)
                assert secret.search(answer.text) is None, (who, method, address)


def test_no_question_makes_the_server_fail(served: Any, clients: dict[str, httpx.Client]) -> None:
    """Every parameter in an address, with values that fit none."""
    values = ["\0", "9" * 300, "-1", "NaN", "' OR 1=1 --", "2024-13-45", "٣"]
    for path, methods in clients["session"].get("/openapi.json").json()["paths"].items():
        for parameter in methods.get("get", {}).get("parameters", ()):
            if parameter["in"] == "query":
                for value in values:
                    answer = clients["reader"].get(filled(path), params={parameter["name"]: value})
                    assert answer.status_code < 500, (path, parameter["name"], value)
    pages = {route.path: route for route in flat(create_app(served.hall).routes) if is_page(route)}
    assert {"/board", "/complaints", "/deadletters", "/queues"} <= set(pages)
    for path, route in pages.items():
        for name in (parameter.alias for parameter in route.dependant.query_params):
            for value in values:
                answer = clients["session"].get(filled(path), params={name: value})
                assert answer.status_code < 500, (path, name, value)


def is_page(route: Any) -> bool:
    return isinstance(route, APIRoute) and not route.include_in_schema and "GET" in (route.methods or ())
