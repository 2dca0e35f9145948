"""The recorder beside ``mingjian up``: where there are cameras, once, and gone with the server."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest

from api.recorders import recording
from camera_ingest.cli import main
from ledger.door.hall import Hall


def _is_held(path: Path) -> bool:
    if not path.exists():
        return False
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_cameras_are_recorded_while_the_server_is_up_and_by_one_recorder_only(
    hall: Hall, rig: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = hall.data / "footage" / "1" / "lock"
    with rig.camera(rig.BALL) as camera:
        with recording(hall.data, demo=False):
            assert not lock.exists()  # no camera yet: nothing runs
            rig.add_camera(hall, "lobby", camera.url)
            rig.wait_for(lambda: _is_held(lock), limit_s=40)
            assert main(["run", "--data", str(hall.data), "--seconds", "1", "--json"]) == 1
            assert "recording already" in capsys.readouterr().out
        assert not _is_held(lock)
