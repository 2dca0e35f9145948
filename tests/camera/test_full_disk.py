"""A disk that fills while a camera is recorded: it ends loudly, and what was sealed is whole."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from camera_ingest.folders import Recorder, footage
from camera_ingest.journal import read_lines
from camera_ingest.segments import hash_file, is_as_sealed
from camera_ingest.worker import STOPPED
from ledger.door.hall import Hall


@pytest.mark.fault
def test_recording_stops_loudly_on_a_full_disk(hall: Hall, rig: Any, tmp_path: Path) -> None:
    own = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*own, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine does not let us mount a small disk")
    with rig.camera(rig.BALL.replace("ball", "snow")) as camera:
        recorder = rig.add_camera(hall, "small", camera.url)
        disk, after = footage(hall.data), tmp_path / "after"
        config = (disk / "cameras.json").read_text()
        worker = f"{sys.executable} -m camera_ingest.worker --data {hall.data} --recorder recorder/1 --segment-s 2"
        script = f"""mount -t tmpfs -o size=900k tmpfs {disk} && mkdir {disk}/1 && cat > {disk}/cameras.json
            {worker}; code=$?; cp -r {disk} {after}; exit $code"""
        done = subprocess.run(
            [*own, "sh", "-c", script], input=config, text=True, capture_output=True, timeout=60, check=False
        )
    assert done.returncode == STOPPED, done.stderr
    assert "RECORDING STOPPED" in done.stderr
    copy = Recorder(recorder.actor, after / "1", recorder.key)
    lines = [line.says for line in read_lines(copy)]
    segments = [one for one in lines if one["kind"] == "segment"]
    assert len(segments) >= 2
    assert [one["cause"] for one in lines if one["kind"] == "gap_detected"] == ["disk_full"]
    for says in segments:
        (path,) = copy.folder.glob(f"small/{says['file'].removesuffix('.mp4')}*")
        assert is_as_sealed(hash_file(path, run=says["run"], seq=says["seq"]), path, says)
    shutil.rmtree(after)
