"""Killed at any moment, the log goes on from its files: what a witness has signed is never held against it."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from ledger.door.hall import Hall, open_ledger
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.note import Signer

WORKER = Path(__file__).with_name("stating_worker.py")


def is_cosigned(hall: Hall) -> bool:
    served, newest = hall.publisher.served(), hall.publisher.latest()
    assert newest is not None
    return served is not None and served.checkpoint == newest.checkpoint


@pytest.mark.fault
def test_killed_between_any_two_steps(
    data: Path, witness: Any, register: Any, until: Any, command: Any, tmp_path: Path
) -> None:
    one, two = witness("w1"), witness("w2")
    with open_ledger(data) as hall, hall.sequencing():
        register(hall, one, two)
        until(lambda: is_cosigned(hall))
        size = hall.reader.head().size
    for number in range(5):
        worker = subprocess.Popen([sys.executable, WORKER, data], stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        while worker.stdout.readline() not in ("begun\n", ""):
            pass
        time.sleep(random.Random(number).uniform(0.05, 1.0))
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
    with open_ledger(data) as hall:
        with hall.sequencing():
            until(lambda: is_cosigned(hall))
        assert hall.reader.head().size > size
        assert hall.findings.all() == []
        assert list(hall.sweep().whole()) == []
        policy = tmp_path / "policy"
        policy.write_bytes(hall.policy().to_bytes())
    assert not (data / "evidence").exists()
    assert command("export", "log", tmp_path / "log", "--data", data)[0] == 0
    code, said = command("log", tmp_path / "log", "--policy", policy, program="mingjian-verify")
    assert (code, said["ok"]) == (0, True), said


def test_a_line_that_was_lost_on_its_way_into_the_file_is_given_again(
    hall: Hall, witness: Any, register: Any, until: Any
) -> None:
    with hall.sequencing():
        register(hall, witness("w1"))
        until(lambda: is_cosigned(hall))
    newest = hall.publisher.latest()
    assert newest is not None
    head = newest.checkpoint
    plain = sign_checkpoint(Checkpoint(head.origin, head.size, head.root), Signer(hall.origin, hall.keyring.own("log")))
    (hall.publisher.root / "latest").write_bytes(plain)
    (hall.publisher.root / "checkpoint").unlink()
    with hall.sequencing():
        until(lambda: is_cosigned(hall))


def test_a_folder_of_before_there_were_two_heads_is_taken_over_in_silence(hall: Hall, state: Any) -> None:
    (hall.publisher.root / "latest").unlink()
    assert hall.publisher.checkpoint() is not None
    assert list(hall.sweep().whole()) == []
    with hall.sequencing():
        state(hall, 1)
    assert (hall.publisher.root / "latest").read_bytes() == (hall.publisher.root / "checkpoint").read_bytes()
