"""Three witnesses beside a demo, as processes of their own on this machine: they show how it works and prove nothing.

Promise: each has its folder DATA/demo-witnesses/N and one port for all its lives, written down at the first start,
because the log's registry names its address. They end with the demo, also when that is killed: each watches the pipe
that only the demo holds open. A real log's witnesses are run by others: ``docs/guide/witness.md``.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from ledger.errors import Refused

if TYPE_CHECKING:
    from ledger.door.hall import Hall

COUNT: Final = 3
_STARTED_S: Final = 15.0
_ENDED_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class DemoWitness:
    """One that runs."""

    name: str
    folder: Path
    vkey: str
    url: str


@contextmanager
def demo_witnesses(data: Path) -> Iterator[list[DemoWitness]]:
    """While this lasts, those of the demo in ``data`` run; one whose port is taken meanwhile is left out, and said."""
    folder = data / "demo-witnesses"
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        running = []
        for number, port in enumerate(_ports(folder / "ports.json"), start=1):
            found = stack.enter_context(_running(folder, number, port))
            if found is not None:
                running.append(found)
        yield running


def register(hall: Hall, witnesses: list[DemoWitness]) -> None:
    """Have each trust this log, and the log ask each; a repeat changes nothing. Statements must be placed meanwhile."""
    from ledger.tree.note import VerifierKey
    from ledger.witness.state import State

    log_key = VerifierKey(hall.origin, hall.keyring.own("log").public)
    known = {str(witness.key) for witness in hall.policy().witnesses}
    for one in witnesses:
        State.open(one.folder).trust(log_key)
        if one.vkey in known:
            continue
        content = {"vkey": one.vkey, "url": one.url, "name": one.name}
        try:
            hall.wait_placed([hall.change(f"witness/{one.name}", "witness.added.v1", content)])
        except Refused as error:
            print(f"the log does not ask {one.name}: {error.message}", file=sys.stderr)


def _ports(file: Path) -> list[int]:
    if file.exists():
        ports: list[int] = orjson.loads(file.read_bytes())
        return ports
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(COUNT)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        ports = [probe.getsockname()[1] for probe in probes]
    from ledger.files import write_file

    write_file(file, orjson.dumps(ports))
    return ports


@contextmanager
def _running(folder: Path, number: int, port: int) -> Iterator[DemoWitness | None]:
    name = f"demo-{number}"
    state = folder / str(number)
    words = [
        "run",
        "--listen",
        f"127.0.0.1:{port}",
        "--state",
        str(state),
        "--name",
        f"mingjian.local/{name}",
        "--json",
    ]
    with (folder / f"{number}.log").open("ab") as errors:
        until = time.monotonic() + _STARTED_S
        while True:
            process = subprocess.Popen(  # noqa: S603 – our own program
                [sys.executable, "-m", "api.demo_witnesses", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
            assert process.stdin is not None
            assert process.stdout is not None
            said = orjson.loads(process.stdout.readline() or b"{}")
            if "vkey" in said or time.monotonic() > until:
                break
            # One of a demo that was killed may take a moment to end.
            _end(process)
            time.sleep(0.3)
    try:
        if "vkey" in said:
            yield DemoWitness(name, state, said["vkey"], said["url"])
        else:
            print(f"the witness {name} does not start: see {folder / f'{number}.log'}", file=sys.stderr)
            yield None
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(timeout=_ENDED_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    from ledger.witness.cli import main

    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(main(sys.argv[1:]))
