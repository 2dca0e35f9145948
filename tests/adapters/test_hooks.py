"""Records over HTTP: signed messages only, each once, and every record answered."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from granian.constants import Interfaces
from granian.server.embed import Server
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

from api.app import create_app
from api.tokens import Tokens
from ledger.errors import Conflict, NotAllowed
from ledger.exchange.adapters.hooks import MAX_CALLS, Gate, make_hook
from ledger.exchange.adapters.hooks import hook_path as path_of
from projections.runner import Projector

Brought = Any
COVERED = ("@method", "@path", "content-digest")


class Keys(HTTPSignatureKeyResolver):
    def __init__(self, key: Any) -> None:
        self.key = key

    def resolve_public_key(self, key_id: str) -> Any:
        return self.key

    def resolve_private_key(self, key_id: str) -> Any:
        return self.key


def signed(source: str, key: Any, body: bytes, **how: Any) -> httpx.Request:
    """The request as another library signs it."""
    how = {"path": path_of(source), "created": datetime.now(UTC), "nonce": secrets.token_hex(8), "keyid": source} | how
    algorithm = algorithms.HMAC_SHA256 if isinstance(key, bytes) else algorithms.ED25519
    request = httpx.Request("POST", f"http://127.0.0.1{how['path']}", content=body)
    signer = HTTPMessageSigner(signature_algorithm=algorithm, key_resolver=Keys(key))
    signer.sign(
        request,
        key_id=how["keyid"],
        created=how["created"],
        nonce=how["nonce"],
        label="mingjian",
        covered_component_ids=how.get("covered", COVERED),
        body=body if "content-digest" in how.get("covered", COVERED) else None,
    )
    return request


@pytest.fixture(scope="module")
def send(brought: Brought) -> Iterator[Callable[[httpx.Request], httpx.Response]]:
    """Sends a request to the served ledger, as it stands."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    server = Server(create_app(brought.hall), address="127.0.0.1", port=port, interface=Interfaces.ASGI)
    ready, loops = threading.Event(), list[asyncio.AbstractEventLoop]()

    async def run() -> None:
        loops.append(asyncio.get_running_loop())
        ready.set()
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    assert ready.wait(10)
    with httpx.Client(timeout=20) as client:
        for _ in range(200):
            with contextlib.suppress(httpx.TransportError):
                client.get(f"http://127.0.0.1:{port}/healthz")
                break
            threading.Event().wait(0.05)

        def sent(request: httpx.Request) -> httpx.Response:
            headers = {name: value for name, value in request.headers.items() if name != "host"}
            return client.request(
                request.method,
                f"http://127.0.0.1:{port}{request.url.raw_path.decode()}",
                content=request.content,
                headers=headers,
            )

        yield sent
    loops[0].call_soon_threadsafe(server.stop)
    thread.join(timeout=10)


def hook(brought: Brought, source: str, kind: str = "approval", public_key: bytes | None = None) -> bytes:
    brought.hall.machine_key(f"adapter/{'trading' if kind == 'ocds' else kind}/{source}")
    return make_hook(brought.hall.data, source, kind, public_key=public_key).key


def test_signed_records_are_taken_and_each_is_answered(brought: Brought, send: Any, case: Any) -> None:
    key = hook(brought, "hook-oa")
    records = [*case("c1"), case("c2")[0] | {"item": "nowhere"}]
    told = send(signed("hook-oa", key, json.dumps(records).encode()))
    assert told.status_code == 200, told.text
    answer = told.json()
    assert (answer["accepted"], answer["known"], answer["dead"]) == (7, 0, 1)
    assert [one["result"] for one in answer["results"]] == ["accepted"] * 7 + ["dead-lettered"]
    assert answer["results"][-1]["code"] == "item"
    assert answer["results"][-1]["zh"]
    assert len(brought.acts("approval/hook-oa/c1")) == 7
    again = send(signed("hook-oa", key, json.dumps(records).encode())).json()
    assert (again["accepted"], again["known"]) == (0, 7)
    assert len(brought.letters.list(source="hook-oa")) == 1


def test_a_source_may_sign_with_a_key_that_only_it_holds(brought: Brought, send: Any, case: Any) -> None:
    own = Ed25519PrivateKey.generate()
    hook(brought, "hook-own", public_key=own.public_key().public_bytes_raw())
    body = "\n".join(map(json.dumps, case("c1"))).encode()
    assert send(signed("hook-own", own, body)).json()["accepted"] == 7
    other = Ed25519PrivateKey.generate()
    assert send(signed("hook-own", other, body)).status_code == 403


def test_releases_are_taken_over_http_too(brought: Brought, send: Any) -> None:
    key = hook(brought, "hook-ocds", "ocds")
    release = {
        "ocid": "ocds-h-1",
        "id": "1",
        "date": "2024-03-01T09:00:00+08:00",
        "tag": ["planning"],
        "buyer": {"id": "b"},
        "planning": {"budget": {"amount": {"amount": 1.5, "currency": "CNY"}}},
        "tender": {"id": "t", "procurementMethod": "open"},
    }
    told = send(signed("hook-ocds", key, json.dumps({"releases": [release]}).encode()))
    assert told.json()["accepted"] == 1, told.text


def changed(request: httpx.Request, **headers: str) -> httpx.Request:
    return httpx.Request("POST", str(request.url), content=request.content, headers=dict(request.headers) | headers)


def test_a_message_that_does_not_hold_is_refused_and_leaves_nothing(brought: Brought, send: Any, case: Any) -> None:
    key = hook(brought, "hook-bad")
    body = json.dumps(case("c1")).encode()
    good = signed("hook-bad", key, body)
    now = datetime.now(UTC)
    bad = {
        "another secret": signed("hook-bad", b"x" * 32, body),
        "another body": httpx.Request(
            "POST",
            str(good.url),
            content=body + b" ",
            headers={k: v for k, v in good.headers.items() if k != "content-length"},
        ),
        "another path": signed("hook-bad", key, body, path="/api/hooks/elsewhere"),
        "an unknown source": signed("nobody", key, body),
        "an old signature": signed("hook-bad", key, body, created=now - timedelta(minutes=10)),
        "a signature to come": signed("hook-bad", key, body, created=now + timedelta(minutes=10)),
        "a body not covered": signed("hook-bad", key, body, covered=("@method", "@path")),
        "no nonce": signed("hook-bad", key, body, nonce=None),
        "another key's id": signed("hook-bad", key, body, keyid="other"),
        "no signature": httpx.Request("POST", str(good.url), content=body),
        "nonsense": changed(good, Signature="mingjian=:AAAA:"),
        "nonsense again": changed(good, **{"Signature-Input": '"', "Signature": "()"}),
    }
    for what, request in bad.items():
        if what == "another path":
            request = changed(request)
            request.url = good.url
        told = send(request)
        assert told.status_code == 403, (what, told.text)
        assert told.json()["code"] == "hook-signature", what
    assert brought.acts("approval/hook-bad/c1") == []


def test_a_message_seen_before_is_refused(brought: Brought, send: Any, case: Any) -> None:
    key = hook(brought, "hook-twice")
    request = signed("hook-twice", key, json.dumps(case("c1")[:1]).encode())
    assert send(request).status_code == 200
    told = send(request)
    assert (told.status_code, told.json()["code"]) == (403, "hook-replayed")


def test_a_message_seen_before_is_refused_after_a_start_anew_too(brought: Brought, case: Any) -> None:
    key = hook(brought, "hook-again")
    body = json.dumps(case("c1")[:1]).encode()
    request = signed("hook-again", key, body)
    message = {"method": "POST", "path": path_of("hook-again"), "headers": dict(request.headers), "body": body}
    assert Gate(brought.hall.data).check("hook-again", **message).source == "hook-again"
    with pytest.raises(NotAllowed) as refused:
        Gate(brought.hall.data).check("hook-again", **message)
    assert refused.value.code == "hook-replayed"
    assert (brought.hall.data / "hook-nonces.sqlite").stat().st_mode & 0o077 == 0


def test_messages_are_bounded_in_size_and_number(brought: Brought, send: Any) -> None:
    key = hook(brought, "hook-many", "rating")
    told = send(signed("hook-many", key, json.dumps([{}] * 1001).encode()))
    assert (told.status_code, told.json()["code"]) == (422, "hook-size")
    assert send(signed("hook-many", key, b"[" + b" " * (1 << 20) + b"]")).status_code == 413
    assert send(signed("hook-many", key, b"[1, 2")).status_code == 422
    gate = Gate(brought.hall.data)
    assert [gate.wait_s("s") for _ in range(MAX_CALLS)] == [0.0] * MAX_CALLS
    assert 0 < gate.wait_s("s") <= 60
    assert gate.wait_s("another") == 0


def test_a_hook_is_made_once_and_its_secret_is_the_owners(brought: Brought) -> None:
    hook(brought, "hook-once")
    path = brought.hall.data / "keys" / "hooks" / "hook-once.json"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict):
        make_hook(brought.hall.data, "hook-once", "approval")


def test_a_person_sees_what_waits_and_why_but_not_what_it_says(brought: Brought, send: Any, case: Any) -> None:
    brought.take("approval", "seen", case("c1")[0] | {"item": "nowhere", "applicant": "赵钱孙李"})
    token = Tokens(brought.hall.data).make("reader")

    def get(path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", "Accept": "text/html"}
        return send(httpx.Request("GET", f"http://127.0.0.1{path}", headers=headers))

    for lang, words in (("zh", "没有这个事项"), ("en", "there is no such item")):
        page = get(f"/deadletters?source=seen&lang={lang}")
        assert page.status_code == 200
        assert words in page.text
        assert "赵钱孙李" not in page.text
    [letter] = get("/api/deadletters?source=seen").json()["letters"]
    assert (letter["code"], letter["place"], letter["state"]) == ("item", 1, "waiting")
    assert send(httpx.Request("GET", "http://127.0.0.1/api/deadletters")).status_code == 403
    Projector(brought.hall.database).catch_up()
    assert 'mingjian_dead_letters{code="item"}' in get("/metrics").text
