"""A real ledger, served as it is; and what its operator could serve instead, with the log's true key in its hands."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from api.tokens import Tokens
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.keys import SigningKey
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.merkle import leaf_hash, root_of
from ledger.tree.note import Signer
from ledger.tree.tiles import bundles_for, decode_bundle
from ledger.verify.cli import main
from tests.running import kept_up, serving
from tests.verify.log_files import write_log

Say = Callable[..., tuple[int, dict[str, Any]]]


@dataclass
class Served:
    """The real thing: an open ledger under the real server."""

    hall: Hall
    base: str
    token: Path
    policy: Path

    @property
    def key(self) -> SigningKey:
        """The log's own key, as its operator has it."""
        return self.hall.keyring.own("log")

    def grow(self, source: str) -> None:
        """Some statements more: the two officers admit another source's key."""
        before = self.published
        self.hall.source_key(source)
        self.wait(before + 3)

    @property
    def published(self) -> int:
        """The size that everybody can see."""
        checkpoint = self.hall.publisher.checkpoint()
        return 0 if checkpoint is None else checkpoint.size

    def wait(self, size: int) -> None:
        """Until so much is published."""
        for _ in range(500):
            if self.published >= size:
                return
            time.sleep(0.02)
        raise AssertionError(self.published)


@pytest.fixture(scope="package")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Some 300 entries, so that there are full tiles and partial ones."""
    folder = tmp_path_factory.mktemp("served")
    data = folder / "data"
    create_ledger(data)
    with open_ledger(data) as hall, hall.sequencing(), kept_up(hall), serving(hall) as base:
        generate_xes(folder / "log.xes.gz", cases=40, seed=4)
        import_xes(hall, folder / "log.xes.gz", source="permits")
        token = folder / "token"
        token.write_text(Tokens(data).make("auditor") + "\n")
        policy = folder / "policy"
        policy.write_bytes(hall.publisher.policy.to_bytes())
        found = Served(hall, base, token, policy)
        # An import returns when its rows are safe; their places come a moment later.
        for _ in range(500):
            with hall.database.connect("owner") as connection:
                row = connection.execute("SELECT count(*) FROM ledger.statements").fetchone()
            if row == (found.published,):
                break
            time.sleep(0.02)
        assert row == (found.published,)
        yield found


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Run ``mingjian-verify`` with ``--json``: exit code and answer."""

    def run(*words: object) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main([*map(str, words), "--json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1, out
        return code, json.loads(out)

    return run


# ── Histories ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class History:
    """What a log could say: entries, and the key to sign any tree of them."""

    origin: str
    key: SigningKey
    entries: list[bytes]
    batches: list[int] = field(default_factory=list)

    @classmethod
    def read(cls, folder: Path, key: SigningKey) -> History:
        """From a copy."""
        origin, size, *_ = (folder / "checkpoint").read_text().split("\n")
        entries: list[bytes] = []
        for bundle in bundles_for(int(size)):
            entries += decode_bundle((folder / bundle.path).read_bytes(), bundle.width)
        batches = [at for at, entry in enumerate(entries) if b'"log.batch.v1"' in entry]
        return cls(origin, key, entries, batches)

    def changed(self, index: int) -> History:
        """Another history: one entry is not the same."""
        entries = list(self.entries)
        entries[index] = entries[index][:-1] + bytes([entries[index][-1] ^ 1])
        return History(self.origin, self.key, entries, self.batches)

    def note(self, size: int | None = None) -> bytes:
        """A head of it, well signed."""
        leaves = [leaf_hash(entry) for entry in self.entries[:size]]
        head = Checkpoint(self.origin, len(leaves), root_of(leaves))
        return sign_checkpoint(head, Signer(self.origin, self.key))

    def write(self, folder: Path, size: int | None = None, *, keep: bool = False) -> Path:
        """As the files of a log; what lies there of other sizes goes, or is kept."""
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        write_log(folder, self.entries[:size], self.note(size))
        return folder


@pytest.fixture(scope="package")
def history(served: Served, tmp_path_factory: pytest.TempPathFactory) -> History:
    """Everything that the real log said, taken over HTTP."""
    folder = tmp_path_factory.mktemp("history") / "log"
    words = ["mirror", served.base, folder, "--policy", served.policy, "--token-file", served.token, "--json"]
    assert main([*map(str, words)]) == 0
    found = History.read(folder, served.key)
    assert len(found.entries) > 256  # a full bundle and a partial one
    assert len(found.batches) > 2
    return found


# ── Servers ────────────────────────────────────────────────────────────────────────────────────────────────

Answer = bytes | int | tuple[int, dict[str, str]]


class Files(ThreadingHTTPServer):
    """Any web server over a folder, but for the paths in ``instead`` and what ``asked`` does at each request."""

    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.instead: dict[str, Answer] = {}
        self.asked: Callable[[str], None] = lambda _path: None
        self.paths: list[str] = []
        self.tokens: list[tuple[str, str | None]] = []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Files)
        name = self.path.lstrip("/")
        server.paths.append(name)
        server.tokens.append((name, self.headers.get("Authorization")))
        server.asked(name)
        found = server.instead.get(name)
        if found is None:
            path = server.folder / name
            found = path.read_bytes() if path.is_file() else 404
        status, headers, body = 200, {}, b""
        match found:
            case bytes():
                body = found
            case int():
                status = found
            case (status, headers):
                pass
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve() -> Iterator[Callable[[Path], Files]]:
    """Serve a folder; all servers end with the test."""
    started: list[Files] = []

    def start(folder: Path) -> Files:
        started.append(Files(folder))
        return started[-1]

    yield start
    for server in started:
        server.shutdown()
        server.server_close()
