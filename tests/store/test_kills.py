"""kill −9 at random points of append, seal and publish: nothing acknowledged is lost, nothing comes twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from ledger.door.hall import create_ledger, open_ledger
from ledger.statement import open_statement, statement_id
from ledger.store.reading import check_bytes
from ledger.tree.merkle import Frontier

KILLS = int(os.environ.get("MINGJIAN_KILLS", "100"))
WORKER = Path(__file__).with_name("kill_worker.py")


@pytest.mark.fault
def test_what_was_acknowledged_survives_every_kill(tmp_path: Path) -> None:
    data = tmp_path / "data"
    create_ledger(data)
    rng = random.Random(9)
    acknowledged: list[str] = []
    with open_ledger(data) as hall:
        with hall.sequencing():
            hall.source_key("k")
        for run in range(KILLS):
            worker = subprocess.Popen([sys.executable, WORKER, data, str(run)], stdout=subprocess.PIPE, text=True)
            assert worker.stdout is not None
            lines: list[str] = []
            ready = threading.Event()

            def read(stream: object = worker.stdout, lines: list[str] = lines, ready: threading.Event = ready) -> None:
                for line in stream:  # type: ignore[attr-defined]
                    if line.endswith("\n") and line.strip() != "ready":
                        lines.append(line.strip())
                    ready.set()

            reader = threading.Thread(target=read)
            reader.start()
            assert ready.wait(30), "the worker did not come up after a kill"
            time.sleep(rng.random() * 0.15)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            reader.join()
            worker.stdout.close()
            acknowledged += lines

        with hall.sequencing():
            until = time.monotonic() + 20
            ids = [bytes.fromhex(text) for text in acknowledged]
            while len(hall.reader.placed(ids)) < len(ids) and time.monotonic() < until:
                time.sleep(0.05)
        assert len(acknowledged) == len(set(acknowledged)) > KILLS
        assert len(hall.reader.placed(ids)) == len(ids), "an acknowledged statement is not in the tree"

        size = hall.reader.head().size
        frontier, streams = Frontier(), set()
        for start in range(0, size, 5000):
            placed = hall.reader.entries(start, min(size, start + 5000))
            for one in placed:
                check_bytes(one)
                act = open_statement(one.entry)
                assert (act.stream, act.seq) not in streams, "twice"
                streams.add((act.stream, act.seq))
            frontier.extend([statement_id(one.entry) for one in placed])
        checkpoint = hall.publisher.checkpoint()
        assert checkpoint is not None
        assert (checkpoint.size, checkpoint.root) == (size, frontier.root())
