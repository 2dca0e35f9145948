"""A ledger of its own for each story, and witnesses beside it as processes of their own."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.facts.first_policy import FIRST_POLICY
from ledger.tree.note import VerifierKey
from tests import running

BIN = Path(sys.executable).parent


class Running:
    """A witness process, the folder it lives in, and one address for all its lives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name
        self.listen = "127.0.0.1:0"
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> Running:
        words = ["run", "--listen", self.listen, "--state", self.folder, "--name", f"{self.name}.example/w", "--json"]
        with (self.folder.parent / f"{self.name}.stderr").open("a") as stderr:
            self.process = subprocess.Popen(
                [BIN / "mingjian-witness", *words], stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        self.url, self.vkey = said["url"], said["vkey"]
        self.listen = self.url.removeprefix("http://").rstrip("/")
        return self

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                self.process.send_signal(number)
            self.process.communicate(timeout=20)
            self.process = None

    def trust(self, hall: Hall) -> None:
        log = VerifierKey(hall.origin, hall.keyring.own("log").public)
        subprocess.run(
            [BIN / "mingjian-witness", "trust", str(log), "--state", self.folder], check=True, capture_output=True
        )


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    """Starts a witness of that name; all are ended with the test."""
    started: list[Running] = []

    def start(name: str) -> Running:
        running = Running(tmp_path / name)
        started.append(running)
        return running.start()

    yield start
    for one in started:
        one.end(signal.SIGKILL)


@pytest.fixture(scope="package")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of two entries, closed: opening one takes longer than copying it."""
    data = tmp_path_factory.mktemp("begun") / "data"
    create_ledger(data)
    return data


@pytest.fixture
def data(begun: Path, tmp_path: Path) -> Path:
    """Its copy, for one test."""
    shutil.copytree(begun, tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def hall(data: Path) -> Iterator[Hall]:
    with open_ledger(data) as opened:
        yield opened


@pytest.fixture(scope="package")
def register() -> Callable[..., None]:
    """The two officers have the log ask a witness, which trusts the log; somebody must be placing statements."""

    def do(hall: Hall, *witnesses: Running, trusted: bool = True) -> None:
        for one in witnesses:
            if trusted:
                one.trust(hall)
            content = {"vkey": one.vkey, "url": one.url, "name": one.name}
            placed(hall, hall.change(f"witness/{one.name}", "witness.added.v1", content))

    return do


def placed(hall: Hall, outcome: Outcome) -> int:
    found = hall.wait_placed([outcome], timeout_s=10)
    assert outcome.id in found
    return found[outcome.id]


@pytest.fixture(scope="package")
def state() -> Callable[..., int]:
    """An officer proposes something, each number once; its leaf index."""

    def do(hall: Hall, number: int) -> int:
        (first, key), _ = hall.officers()
        desk = Desk(door=hall.door, actor=first, key=key, role="key_officer")
        values = {"change": "policy.changed.v1", "content": {"policy": FIRST_POLICY}}
        return placed(hall, desk.say("policy", "policy.change_proposed.v1", values, request=f"p-{number}"))

    return do


@pytest.fixture(scope="package")
def until() -> Callable[..., None]:
    """Wait for something that must come to be."""

    def wait(what: Callable[[], bool], *, timeout_s: float = 30) -> None:
        end = time.monotonic() + timeout_s
        while not what():
            assert time.monotonic() < end, "it did not come to be in time"
            time.sleep(0.05)

    return wait


@pytest.fixture(scope="package")
def command() -> Callable[..., tuple[int, Any]]:
    """Runs a command with --json: its exit code and its one line."""
    return running.command


@pytest.fixture
def files() -> Callable[[Path], Any]:
    """Any web server over a folder, while this lasts: its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    @contextmanager
    def serving(folder: Path) -> Iterator[str]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join(timeout=10)

    return serving


@pytest.fixture
def reopened(data: Path) -> Callable[[], Any]:
    """The ledger opened once more, placing statements."""

    @contextmanager
    def enter() -> Iterator[Hall]:
        with open_ledger(data) as hall, hall.sequencing():
            yield hall

    return enter
