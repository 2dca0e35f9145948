"""The sweep: no false alarm while the log grows, a pass that goes on where it stopped, findings in the background.

What it catches is told in ``tests/attacks``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from ledger.door.door import Wish
from ledger.door.hall import Hall
from ledger.statement import instant_text
from ledger.store import sweep
from ledger.store.sequencer import now_us


@pytest.fixture
def hall(shared: Hall, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    monkeypatch.setattr(sweep, "PIECE", 256)
    with shared.sequencing():
        yield shared


def write(hall: Hall, run: str, count: int) -> None:
    key = hall.source_key("s")
    for start in range(0, count, 50):
        wishes = [
            Wish(
                actor="source/s",
                role="source_adapter",
                stream=f"imported/s/{run}-{start + number}",
                type="imported.case.v1",
                at=instant_text(now_us()),
                request=f"{run}-{start + number}",
                values={"case_no": 1, "rest": {}},
            )
            for number in range(50)
        ]
        outcomes = hall.door.submit_all(wishes, key)
    hall.wait_placed(outcomes, timeout_s=20)


def test_no_false_alarm_while_the_log_grows(hall: Hall) -> None:
    writer = threading.Thread(target=write, args=(hall, "grow", 3000))
    writer.start()
    passes = 0
    while writer.is_alive() or passes < 2:
        assert [error.message for error in hall.sweep().whole()] == []
        passes += 1
    writer.join()


def test_a_pass_goes_on_where_another_process_stopped(hall: Hall) -> None:
    write(hall, "resume", 600)
    size = hall.reader.head().size
    pieces = hall.sweep().pieces(resume=False)
    for _ in range(3):  # the beginning, and two pieces of leaves
        assert next(pieces) == []
    pieces.close()
    at = hall.sweep()._recall()
    assert at is not None
    assert (at.index, at.size) == (512, size)
    rest = list(hall.sweep().pieces())
    assert [found for found in rest if found] == []
    assert not (hall.data / "sweep.json").exists()


def test_a_spoilt_memory_only_makes_it_begin_anew(hall: Hall) -> None:
    (hall.data / "sweep.json").write_text('{"size": ')
    assert [found for found in hall.sweep().pieces() if found] == []


def test_in_the_background_what_is_wrong_comes_and_goes_with_the_passes(hall: Hall) -> None:
    path = hall.publisher.root / "tile" / "0" / "000"
    right = path.read_bytes()
    with hall.sweeping(pause_s=0.01, rest_s=0.01):
        until = time.monotonic() + 30
        while hall.findings.swept_us is None:
            assert time.monotonic() < until
            time.sleep(0.01)
        assert hall.findings.all() == []
        path.write_bytes(bytes(32) + right[32:])
        while not hall.findings.all():
            assert time.monotonic() < until
            time.sleep(0.01)
        assert [finding["file"] for finding in hall.findings.all()] == [str(path)]
        path.write_bytes(right)
        while hall.findings.all():
            assert time.monotonic() < until
            time.sleep(0.01)
