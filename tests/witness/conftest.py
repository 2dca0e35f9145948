"""Witnesses as processes of their own on loopback, and logs whose operators are honest or are not."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.keys import SigningKey
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.cosignature import AddCheckpoint
from ledger.tree.merkle import Frontier, leaf_hash, prove_consistency, root_of
from ledger.tree.note import Signer, VerifierKey
from ledger.witness.cli import main


class TestLog:
    """A log with as many leaves as wanted; ``fork_at`` gives other leaves from there on, under the same key."""

    __test__ = False

    def __init__(self, origin: str = "hall.example/log", *, seed: int = 1, fork_at: int | None = None) -> None:
        self.signer = Signer(origin, SigningKey.from_seed(bytes([seed]) * 32))
        self.leaves = [
            leaf_hash(f"{'other ' if fork_at is not None and i >= fork_at else ''}record {i}".encode())
            for i in range(300)
        ]

    @property
    def key(self) -> VerifierKey:
        return self.signer.key

    def head(self, size: int) -> Checkpoint:
        return Checkpoint(self.signer.name, size, root_of(self.leaves[:size]))

    def note(self, size: int) -> bytes:
        return sign_checkpoint(self.head(size), self.signer)

    def prove(self, old: int, new: int) -> Sequence[bytes]:
        rows = {(0, i): leaf for i, leaf in enumerate(self.leaves)}
        rows |= {(level, i): hash_ for level, i, hash_ in Frontier().extend(self.leaves[:new])}
        return prove_consistency(
            old, new, lambda level, at, width: b"".join(rows[level, at * 256 + i] for i in range(width))
        )

    def request(self, old: int, new: int) -> bytes:
        path = self.prove(old, new) if 0 < old < new else ()
        return AddCheckpoint(old, tuple(path), self.note(new)).to_bytes()


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    content_type: str
    body: bytes
    headers: dict[str, str]


class Running:
    """A witness process, and the folder it lives in."""

    def __init__(self, folder: Path, *, name: str) -> None:
        self.folder = folder
        self.name = name
        self.url = ""
        self.process: subprocess.Popen[str] | None = None
        self._stderr = folder.parent / f"{folder.name}.stderr"

    def start(self) -> Running:
        words = ["run", "--listen", "127.0.0.1:0", "--state", self.folder, "--name", self.name, "--json"]
        with self._stderr.open("a") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ledger.witness.cli", *words], stdout=subprocess.PIPE, stderr=stderr, text=True
            )
        assert self.process.stdout is not None
        said = json.loads(self.process.stdout.readline())
        assert "error" not in said, said
        self.url, self.vkey = said["url"], said["vkey"]
        self.port = int(self.url.rpartition(":")[2])
        return self

    @property
    def key(self) -> VerifierKey:
        return VerifierKey.parse(self.vkey)

    @property
    def stderr(self) -> str:
        return self._stderr.read_text()

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.process = None
        return code

    def trust(self, log: TestLog) -> None:
        assert main(["trust", str(log.key), "--state", str(self.folder), "--json"]) == 0

    def send(self, body: bytes | None, *, method: str = "POST", path: str = "/add-checkpoint", **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            with connection.getresponse() as response:
                told = dict(response.headers)
                return Reply(response.status, told.get("Content-Type", ""), response.read(), told)
        finally:
            connection.close()


@pytest.fixture
def witness_at(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Start a witness in a folder of this name; all are ended with the test."""
    started: list[Running] = []

    def start(name: str = "w1") -> Running:
        running = Running(tmp_path / name, name=f"{name}.example/witness")
        started.append(running)
        return running.start()

    yield start
    for running in started:
        if running.process is not None:
            with suppress(ProcessLookupError):
                running.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def log() -> TestLog:
    return TestLog()


@pytest.fixture(scope="session")
def log_of() -> Callable[..., TestLog]:
    return TestLog


@pytest.fixture
def witness(witness_at: Callable[..., Running], log: TestLog) -> Running:
    """One that watches ``log``."""
    running = witness_at()
    running.trust(log)
    return running


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, Any]]:
    """Run a command with ``--json``: exit code and answer."""

    def run(*words: str | os.PathLike[str]) -> tuple[int, Any]:
        capsys.readouterr()
        code = main([*map(str, words), "--json"])
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        return code, json.loads(out)

    return run
