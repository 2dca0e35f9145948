"""A time authority is asked over HTTP, and what it answers goes into the log only when it holds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Refused, Unavailable
from ledger.store.time_tokens import ask_authority
from ledger.tree.checkpoint import Checkpoint

HEAD = Checkpoint("example.org/hall", 7, bytes(range(32)))
BIN = Path(sys.executable).parent


@pytest.fixture
def serve(authority: Any, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """A front of OpenSSL's authority; ``change`` lies about its answer. Gives the address."""
    servers = []
    config = Path(shutil.copytree(authority.folder, tmp_path / "served"))

    def serve(change: Callable[[bytes], tuple[int, bytes]] = lambda answer: (200, answer)) -> str:
        class Front(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                assert self.headers["Content-Type"] == "application/timestamp-query"
                (config / "asked").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
                reply = "openssl ts -reply -config ts.cnf -queryfile asked -signer tsa.pem -inkey tsa.key"
                done = subprocess.run(reply.split(), cwd=config, check=True, capture_output=True)
                status, body = change(done.stdout)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Silent."""

        server = HTTPServer(("127.0.0.1", 0), Front)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}/tsa"

    yield serve
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_token_over_this_head_comes_back_with_its_moment(serve: Any, authority: Any) -> None:
    token = ask_authority(serve(), HEAD, accepted={"openssl": authority.root})
    assert token.authority == "openssl"
    assert 0 < token.stamp.latest_us - token.stamp.earliest_us <= 4_000_000


def test_an_authority_that_nobody_accepted_is_refused(serve: Any, authority: Any, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = type(authority)(tmp_path / "other")
    for accepted in ({}, {"other": other.root}):
        with pytest.raises(Refused) as caught:
            ask_authority(serve(), HEAD, accepted=accepted)
        assert caught.value.code == "time-authority"


def test_answers_that_are_none(serve: Any, authority: Any) -> None:
    kept: list[bytes] = []

    def replay(answer: bytes) -> tuple[int, bytes]:
        kept.append(answer)
        return 200, kept[0]

    url = serve(replay)
    accepted = {"openssl": authority.root}
    ask_authority(url, HEAD, accepted=accepted)
    with pytest.raises(Refused, match="another question"):
        ask_authority(url, HEAD, accepted=accepted)
    for answer in (b"", b"no", bytes(100_000)):
        with pytest.raises(Refused):
            ask_authority(serve(lambda _, answer=answer: (200, answer)), HEAD, accepted=accepted)
    with pytest.raises(Unavailable):
        ask_authority(serve(lambda answer: (503, answer)), HEAD, accepted=accepted)


@pytest.mark.parametrize("url", ["", "ftp://example.org", "http://", "http://127.0.0.1:1/", "http://127.0.0.1:x/"])
def test_an_address_where_nobody_answers(url: str, authority: Any) -> None:
    with pytest.raises((Refused, Unavailable)):
        ask_authority(url, HEAD, accepted={"openssl": authority.root}, timeout_s=2)


def test_a_ledger_accepts_an_authority_asks_it_and_its_log_verifies(serve: Any, authority: Any, tmp_path: Path) -> None:
    def run(*words: str | Path) -> dict[str, Any]:
        script = "import sys\nfrom api.time_commands import time_app\ntime_app(sys.argv[1:])"
        program = [BIN / words[0]] if words[0] != "time-token" else [sys.executable, "-c", script]
        command = [*program, *words[1:], "--json"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    data = ("--data", tmp_path / "data")
    run("mingjian", "init", *data)
    run("time-token", "accept", "openssl", "--certificate", authority.folder / "root.pem", *data)
    asked = run("time-token", "ask", "--url", serve(), *data)
    run("mingjian", "export", "log", tmp_path / "log", *data)
    told = run("mingjian-verify", "log", tmp_path / "log", "--policy", tmp_path / "log/policy")
    assert (told["ok"], told["times"]["tokens"]) == (True, 1)
    assert told["times"]["bounded_above"] == asked["size"] - 2
