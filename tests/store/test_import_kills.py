"""kill −9 at random points of an import: run again, it ends as if nothing had happened."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.exchange.xes import spool_xes
from ledger.statement import open_statement
from projections import imported
from projections.runner import Projector

KILLS = max(1, int(os.environ.get("MINGJIAN_KILLS", "100")) * 15 // 100)
WORKER = Path(__file__).with_name("import_worker.py")


def unfinished(hall: Hall, source: str) -> list[bool]:
    Projector(hall.database).catch_up()
    with hall.database.use("reader") as connection:
        return [file["finished_index"] is None for file in imported.imports(connection, source)]


@pytest.mark.fault
def test_a_killed_import_shows_as_unfinished_and_goes_on_without_loss_or_repeat(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log.xes"
    generate_xes(log, cases=300, seed=5)
    whole = spool_xes(log, tmp_path / "spool")
    create_ledger(data)
    rng = random.Random(5)
    sources, seen_unfinished = ["s0"], 0
    with open_ledger(data) as hall:
        for _ in range(KILLS):
            worker = subprocess.Popen([sys.executable, WORKER, data, log, sources[-1]], stdout=subprocess.PIPE)
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n", "the worker did not come up after a kill"
            time.sleep(rng.random() * 0.8)
            worker.send_signal(signal.SIGKILL)
            worker.wait()
            worker.stdout.close()
            if worker.returncode == 0:
                sources.append(f"s{len(sources)}")
            elif hall.reader.stream(f"import/{sources[-1]}"):
                with hall.sequencing():
                    size = -1
                    while size != (size := hall.reader.head().size):
                        time.sleep(0.1)
                seen_unfinished += any(unfinished(hall, sources[-1]))
        assert seen_unfinished, "no kill fell into an import: the test has shown nothing"
        with hall.sequencing():
            for source in sources:
                done = import_xes(hall, log, source=source)
                assert done.last is None or hall.wait_placed([done.last], timeout_s=20)
        size = hall.reader.head().size
        assert [unfinished(hall, source) for source in sources] == [[False]] * len(sources)
        with hall.database.use("reader") as connection:
            for source in sources:
                found = imported.totals(connection, source)
                assert (found["cases"], found["events"]) == (whole.cases, whole.events), source
        acts = [open_statement(one.entry) for one in hall.reader.entries(0, size)]
        twice = [request for request, n in Counter((act.actor, act.request) for act in acts).items() if n > 1]
        assert [each for each in twice if each[0].startswith("source/")] == []
        numbers = Counter(
            (act.stream.split("/")[1], act.data["case_no"]) for act in acts if act.type == "imported.case.v1"
        )
        assert numbers == Counter({(source, n): 1 for source in sources for n in range(1, whole.cases + 1)})
        assert not list((data / "importing").iterdir()), "personal values were left behind"
