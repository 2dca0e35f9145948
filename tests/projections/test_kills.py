"""kill −9 at random points of project and rebuild: what is derived is whole, and the same, every time."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger.door.hall import Hall
from projections.runner import Projector, read_position
from tests.running import wait_for

KILLS = int(os.environ.get("MINGJIAN_KILLS", "100")) // 12
WORKER = Path(__file__).with_name("kill_worker.py")


def dropping(hall: Hall) -> bool:
    """Whether the server still carries out the last word of a worker that is dead."""
    with hall.database.use("owner") as connection:
        found = connection.execute(
            "SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DROP SCHEMA IF EXISTS projections%'"
        )
        return found.fetchone() is not None


@pytest.mark.fault
@pytest.mark.parametrize("what", ["rebuild", "project"])
def test_a_kill_leaves_tables_and_cursor_that_agree(hall: Hall, what: str) -> None:
    projector = Projector(hall.database)
    whole = projector.rebuild().digest
    rng = random.Random(what)
    for _ in range(KILLS):
        worker = subprocess.Popen([sys.executable, WORKER, hall.data, what], stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n", "the worker did not come up after a kill"
        time.sleep(rng.random() * 0.4)
        worker.kill()
        worker.wait()
        worker.stdout.close()
        wait_for(lambda: not dropping(hall))
        projector.catch_up()
        assert projector.digest() == whole
    with hall.database.use("reader") as connection:
        assert read_position(connection).position == hall.reader.head().size
    assert projector.rebuild().digest == whole
    with hall.database.use("reader") as connection:
        left = connection.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, 'projections')")
        assert left.fetchall() == [("projections",)]
