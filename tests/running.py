"""The programs as they run for their users, at an address of this machine's own; what several subjects' tests share."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
from granian.constants import Interfaces
from granian.server.embed import Server

from api.app import create_app
from ledger.door.hall import Hall
from projections.runner import Projector

BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], Any], *, limit_s: float = 30.0) -> None:
    until = time.monotonic() + limit_s
    while not what():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.05)


def answers(base: str) -> bool:
    """Whether somebody speaks there."""
    with suppress(httpx.TransportError):
        return httpx.get(f"{base}/healthz", timeout=2).status_code > 0
    return False


@contextmanager
def up(data: Path, *words: str, ends: int = 0) -> Iterator[str]:
    """``mingjian up`` over this folder, until it is asked to end; it must end with that code."""
    port = free_port()
    process = subprocess.Popen(
        [BIN / "mingjian", "up", "--data", data, "--port", str(port), *words], stderr=subprocess.PIPE, text=True
    )
    base = f"http://127.0.0.1:{port}"

    def there() -> bool:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        return answers(base)

    try:
        wait_for(there)
        yield base
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == ends


def command(*words: object, program: str = "mingjian") -> tuple[int, Any]:
    """Run a command with ``--json``: its exit code and its one line."""
    done = subprocess.run(
        [BIN / program, *map(str, words), "--json"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


@contextmanager
def kept_up(hall: Hall) -> Iterator[None]:
    """While this lasts, the projections follow the log, as under ``mingjian up``."""
    stop, projector = threading.Event(), Projector(hall.database)
    projector.catch_up()

    def follow() -> None:
        while not stop.wait(0.02):
            projector.catch_up(stop=stop)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=20)


@contextmanager
def serving(hall: Hall) -> Iterator[str]:
    """The application on a port of its own, under the server that ``mingjian up`` uses."""
    port = free_port()
    server = Server(create_app(hall), address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    base = f"http://127.0.0.1:{port}"
    with closing(asyncio.new_event_loop()) as loop:
        thread = threading.Thread(target=lambda: loop.run_until_complete(server.serve()), daemon=True)
        thread.start()
        wait_for(lambda: answers(base))
        try:
            yield base
        finally:
            loop.call_soon_threadsafe(server.stop)
            thread.join(timeout=20)
