"""``mingjian up --demo``: served, watched from outside, ended by a signal, and back with its data."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from ledger.exchange.generate import generate_xes

MINGJIAN = Path(sys.executable).with_name("mingjian")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(data: Path, log: Path, *, ends: int = 0) -> Iterator[str]:
    port = free_port()
    words = ["up", "--demo", "--demo-log", str(log), "--data", str(data), "--port", str(port)]
    process = subprocess.Popen([MINGJIAN, *words], stderr=subprocess.PIPE, text=True)
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{base}/healthz", timeout=1)
                break
            except httpx.TransportError:
                assert process.poll() is None, process.stderr.read() if process.stderr else ""
                time.sleep(0.1)
        yield base
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)
    assert process.returncode == ends


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.xes.gz"
    generate_xes(path, cases=40, seed=4)
    return path


def test_it_comes_back_with_its_data_and_serves_the_log(tmp_path: Path, log: Path) -> None:
    data = tmp_path / "data"
    with served(data, log) as base:
        size, note = settled(base)
        assert size > 40
        assert note.count("mingjian.local/demo-") >= 2, "two of its three witnesses are enough"
        assert len(httpx.get(f"{base}/log/tile/0/000").content) == 32 * 256
        assert httpx.get(f"{base}/log/tile/..%2f..%2fkeys/log.pem").status_code == 404
        refused = httpx.get(f"{base}/log/tile/entries/000")
        assert (refused.status_code, refused.json()["code"]) == (403, "token")
        made = subprocess.run(
            [MINGJIAN, "token", "auditor", "--data", data, "--json"], capture_output=True, text=True, check=True
        )
        token = json.loads(made.stdout)["token"]
        entries = httpx.get(f"{base}/log/tile/entries/000", headers={"Authorization": f"Bearer {token}"})
        assert entries.status_code == 200
        assert b"ledger.opened.v1" in entries.content
    with served(data, log) as base:
        # Nothing of a case: a batch that carries the last cosigned checkpoint, and case heads when they are due.
        assert settled(base)[0] - size in range(6)
    assert not running_below(data)


def test_killed_it_leaves_nobody_behind_and_its_witnesses_come_back_under_their_addresses(
    tmp_path: Path, log: Path
) -> None:
    data = tmp_path / "data"
    with served(data, log, ends=-signal.SIGKILL) as base:
        size, _ = settled(base)
        (parent,) = [process for process, words in running_below(data).items() if "up" in words]
        os.kill(parent, signal.SIGKILL)
    until = time.monotonic() + 15
    while any("api.demo_witnesses" in words for words in running_below(data).values()):
        assert time.monotonic() < until
        time.sleep(0.1)
    ports = (data / "demo-witnesses" / "ports.json").read_bytes()
    with served(data, log) as base:
        again, note = settled(base)
        assert again - size in range(6)
        assert note.count("mingjian.local/demo-") >= 2
    assert (data / "demo-witnesses" / "ports.json").read_bytes() == ports


def settled(base: str) -> tuple[int, str]:
    """Size and served checkpoint once all is cosigned and carried."""
    until, last = time.monotonic() + 40, 0
    while time.monotonic() < until:
        size, note = httpx.get(f"{base}/healthz").json()["size"], httpx.get(f"{base}/log/checkpoint").text
        if size == last and note.split("\n")[1] == str(size):
            return size, note
        last = size
        time.sleep(1.5)
    raise AssertionError("it does not settle")


def running_below(data: Path) -> dict[int, list[str]]:
    """The processes that name the folder, with their words."""
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any(str(data) in word for word in words) and not any("postgres" in word for word in words):
                found[int(place.name)] = words
    return found
