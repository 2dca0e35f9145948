"""kill −9 at random points of an import of records: run again, it ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ledger.exchange.adapters.reading import json_records
from ledger.exchange.adapters.taking import take_file

Brought = Any
KILLS = 2
WORKER = Path(__file__).with_name("import_worker.py")


@pytest.mark.fault
def test_a_killed_import_of_records_goes_on_without_loss_or_repeat(brought: Brought, tmp_path: Path) -> None:
    frame = {"at": "2024-03-04T09:00:00+08:00"}
    tickets = [
        frame | {"id": f"{number}-{act}", "ref": f"t{number}", "act": act, **more}
        for number in range(150)
        for act, more in (("taken", {"number": "A1", "queue": "q", "channel": "kiosk"}), ("called", {"window": "w1"}))
    ]
    tickets[7] |= {"act": "exploded"}
    path = tmp_path / "tickets.jsonl"
    path.write_text("\n".join(map(json.dumps, tickets)))
    rng = random.Random(5)
    for _ in range(KILLS):
        worker = subprocess.Popen([sys.executable, WORKER, brought.hall.data, path, "kills"], stdout=subprocess.PIPE)
        assert worker.stdout is not None
        assert worker.stdout.readline() == b"ready\n"
        time.sleep(rng.random() * 0.3)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    taken = take_file(brought.hall, path, json_records(path), kind="queue", source="kills")
    assert taken.accepted + taken.known == len(tickets) - 1
    assert taken.dead.total() == 1
    for number in range(150):
        types = [act.type for act in brought.acts(f"ticket/kills/t{number}")]
        assert types == ["ticket.taken.v2", "ticket.called.v1"][: 1 if number == 3 else 2]
    assert len(brought.letters.list(source="kills")) == 1
