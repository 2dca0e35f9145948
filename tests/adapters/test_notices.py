"""Other systems told of what is placed: each statement at least once, signed, whatever their servers do."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from http_message_signatures import HTTPMessageVerifier, HTTPSignatureKeyResolver, algorithms
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from api.cli import app
from ledger.errors import MingjianError
from ledger.exchange.notices import Notices
from ledger.statement import open_statement

Brought = Any
COVERED = ("@method", "@path", "content-digest", "idempotency-key")
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/spec/commands.schema.json").read_text("utf-8"))


@dataclass
class Keys(HTTPSignatureKeyResolver):
    secret: bytes

    def resolve_public_key(self, key_id: str) -> Any:
        return self.secret

    def resolve_private_key(self, key_id: str) -> Any:
        return self.secret


@dataclass
class Message:
    method: str
    url: str
    headers: Any


@dataclass
class Receiver:
    """A real HTTP server: ``answers`` are used up one a call, then 204; "stall" says nothing for a while."""

    answers: list[int | str] = field(default_factory=list)
    got: list[tuple[Message, bytes]] = field(default_factory=list)
    port: int = 0

    def start(self) -> Callable[[], None]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                message = Message("POST", f"http://{self.headers['host']}{self.path}", dict(self.headers.items()))
                answer = receiver.answers.pop(0) if receiver.answers else 204
                if answer == "stall":
                    time.sleep(1.5)
                    return
                receiver.got.append((message, body))
                self.send_response(int(answer))
                if answer == 302:
                    self.send_header("location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()

        def end() -> None:
            server.shutdown()
            server.server_close()
            thread.join(timeout=10)

        return end

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/cards?of=mingjian"

    def indexes(self) -> list[int]:
        return [json.loads(body)["index"] for _, body in self.got]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    end = one.start()
    yield one
    end()


@pytest.fixture
def notices(brought: Brought) -> Iterator[Notices]:
    found = Notices(data=brought.hall.data, tries=3, first_s=0.05, timeout_s=0.5)
    yield found
    (brought.hall.data / "notices.sqlite").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def publish(brought: Brought) -> Callable[[], int]:
    """An item is published: the leaf of the statement that says so."""
    count = iter(range(100))

    def do() -> int:
        code = f"told-{next(count)}"
        brought.publish(code)
        id_ = brought.acts(f"item/{code}")[-1].id
        end = time.monotonic() + 10
        while not (placed := brought.hall.reader.placed([id_])):
            assert time.monotonic() < end
            time.sleep(0.02)
        return int(placed[id_])

    return do


def test_what_is_placed_from_then_on_is_told_once_signed_and_nothing_else(
    brought: Brought, notices: Notices, receiver: Receiver, publish: Any
) -> None:
    publish()
    said = notices.add(brought.hall, receiver.url, ["item.published"], name="oa")
    leaf = publish()
    assert notices.step(brought.hall) == 1
    assert notices.step(brought.hall) == 0
    ((message, body),) = receiver.got
    told = json.loads(body)
    (one,) = brought.hall.reader.entries(leaf, leaf + 1)
    act = open_statement(one.entry)
    assert (told["id"], told["index"], told["type"]) == (act.id.hex(), leaf, "item.published.v1")
    assert told["data"] == act.data
    assert message.headers["Idempotency-Key"] == act.id.hex()
    verifier = HTTPMessageVerifier(
        signature_algorithm=algorithms.HMAC_SHA256, key_resolver=Keys(bytes.fromhex(said["secret"]))
    )
    [found] = verifier.verify(message, require_components=COVERED, body=body)
    assert found.parameters["keyid"] == "oa"
    assert said["secret"] not in str(notices.shown())


def test_a_server_that_fails_stalls_or_redirects_is_tried_again_and_told_in_the_end(
    brought: Brought, notices: Notices, receiver: Receiver, publish: Any
) -> None:
    notices = Notices(data=brought.hall.data, first_s=0.4, timeout_s=0.5)
    for answer in (500, "stall", 302):
        receiver.answers, receiver.got = [answer], []
        notices.add(brought.hall, receiver.url, ["item.published"], name=str(answer))
        leaf = publish()
        began = time.monotonic()
        assert notices.step(brought.hall) == 0
        assert time.monotonic() - began < 1.4, "it does not wait for who says nothing"
        assert notices.step(brought.hall) == 0, "not before its time"
        time.sleep(0.45)
        assert notices.step(brought.hall) == 1
        assert receiver.indexes()[-1] == leaf
        assert [one["waiting"] for one in notices.shown()] == [0]
        notices.remove(str(answer))


def test_a_server_that_was_away_is_told_all_of_it_when_it_comes_back_also_by_another_process(
    brought: Brought, notices: Notices, publish: Any
) -> None:
    away = Receiver()
    away.start()()
    notices.add(brought.hall, away.url, ["item.published"], name="away")
    leaves = [publish(), publish()]
    assert notices.step(brought.hall) == 0
    end = away.start()
    try:
        time.sleep(0.06)
        other = Notices(data=brought.hall.data)
        delivered = other.step(brought.hall)
        time.sleep(0.06)
        assert delivered + other.step(brought.hall) == 2
        assert sorted(away.indexes()) == leaves
    finally:
        end()


def test_after_so_many_tries_it_is_dead_listed_with_the_reason_and_told_when_asked_for(
    brought: Brought, notices: Notices, receiver: Receiver, publish: Any
) -> None:
    receiver.answers = [500, 503, 500]
    notices.add(brought.hall, receiver.url, ["item.published"], name="dead")
    leaf = publish()
    for _ in range(8):
        notices.step(brought.hall)
        time.sleep(0.05)
    assert notices.dead() == [{"name": "dead", "index": leaf, "tries": 3, "why": "it answered 500"}]
    assert (notices.shown()[0]["waiting"], notices.shown()[0]["dead"]) == (0, 1)
    assert len(receiver.got) == 3, "nobody asks any more"
    assert notices.retry("dead") == 1
    assert notices.step(brought.hall) == 1
    assert notices.dead() == []


def test_one_that_is_not_noted_as_delivered_is_told_again_as_the_same(
    brought: Brought, notices: Notices, receiver: Receiver, publish: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices.add(brought.hall, receiver.url, ["item.published"])
    publish()
    with monkeypatch.context() as cut:
        cut.setattr(Notices, "_note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            notices.step(brought.hall)
    assert notices.step(brought.hall) == 1
    first, second = (message.headers["Idempotency-Key"] for message, _ in receiver.got)
    assert first == second


@pytest.mark.parametrize(
    ("url", "events", "code"),
    [
        ("http://oa.example/cards", ["card.raised"], "hook-url"),
        ("ftp://127.0.0.1/", ["card.raised"], "hook-url"),
        ("https://who:secret@oa.example/", ["card.raised"], "hook-url"),
        ("https://oa.example:port/", ["card.raised"], "hook-url"),
        ("https://oa.example/", ["card.risen"], "hook-events"),
        ("https://oa.example/", [], "hook-events"),
    ],
)
def test_a_hook_that_cannot_be_or_would_be_overheard_is_refused(
    brought: Brought, notices: Notices, url: str, events: list[str], code: str
) -> None:
    with pytest.raises(MingjianError) as caught:
        notices.add(brought.hall, url, events)
    assert (caught.value.code, bool(caught.value.mend)) == (code, True)


def test_by_command(brought: Brought, notices: Notices) -> None:
    def run(*words: str, code: int = 0) -> Any:
        done = CliRunner().invoke(app, ["hook", *words, "--data", str(brought.hall.data), "--json"])
        assert done.exit_code == code, done.output
        said = json.loads(done.stdout)
        name = f"hook-{words[0]}" if code == 0 else "error"
        Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"}).validate(said)
        return said

    said = run("add", "https://oa.example/cards", "--events", "card.raised", "--events", "card.revoked", "--name", "oa")
    assert (len(said["secret"]), said["events"]) == (64, ["card.raised", "card.revoked"])
    assert run("add", "https://oa.example/x", "--events", "card.*", "--name", "oa", code=1)["error"]["code"]
    (hook,) = run("list")["hooks"]
    assert (hook["name"], hook["waiting"], hook["dead"]) == ("oa", 0, 0)
    assert run("retry", "oa")["again"] == 0
    assert run("remove", "oa")["removed"] is True
    assert run("remove", "oa", code=1)["error"]["code"] == "no-hook"
