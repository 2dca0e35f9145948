"""``mingjian up --demo``: served, watched from outside, ended by a signal, and back with its data."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
def served(data: Path, log: Path) -> Iterator[str]:
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
    assert process.returncode == 0


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.xes.gz"
    generate_xes(path, cases=40, seed=4)
    return path


def test_it_comes_back_with_its_data_and_serves_the_log(tmp_path: Path, log: Path) -> None:
    data = tmp_path / "data"
    with served(data, log) as base:
        size = httpx.get(f"{base}/healthz").json()["size"]
        assert size > 40
        note = httpx.get(f"{base}/log/checkpoint").text
        assert note.split("\n")[1] == str(size)
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
        assert httpx.get(f"{base}/healthz").json()["size"] == size
