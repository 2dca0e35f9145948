"""One recorder process: up to eight cameras, one journal, no ledger.

    python -m camera_ingest.worker --data DATA --recorder recorder/NAME [CAMERA…]

It needs the disk, the device's key and the cameras, and nothing else: the ledger may be down for a week. Ends on
SIGTERM with everything sealed, and by itself when whoever started it is gone. Exit code 4: it stopped recording because
it could not go on (a full disk).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from camera_ingest.folders import Recorder, locked, read_cameras, recorder_named, write_state
from camera_ingest.journal import Journal
from camera_ingest.recording import Pace, Recording
from camera_ingest.recovery import is_alone, recover
from ledger.statement import instant_text
from ledger.store.sequencer import now_us

log = structlog.get_logger()
STOPPED: Final = 4
_STEP_US: Final = 500_000


def main(argv: Sequence[str] | None = None) -> int:
    """Record until told to stop."""
    parser = argparse.ArgumentParser(prog="camera_ingest.worker")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recorder", required=True)
    parser.add_argument("--segment-s", type=float, default=Pace().segment_s)
    parser.add_argument("--silence-s", type=float, default=Pace().silence_s)
    parser.add_argument("--health-s", type=float, default=10.0)
    parser.add_argument("cameras", nargs="*")
    options = parser.parse_args(argv)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    stop, parent = threading.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    recorder = recorder_named(options.data, options.recorder)
    pace = Pace(segment_s=options.segment_s, silence_s=options.silence_s)
    held = f"{recorder.actor} is recording already, in another process"
    with locked(recorder.folder / "lock", wait=False, held=held):
        return _record(options.data, recorder, options.cameras, pace, options.health_s, stop, parent)


def _record(
    data: Path,
    recorder: Recorder,
    wanted: Sequence[str],
    pace: Pace,
    health_s: float,
    stop: threading.Event,
    parent: int,
) -> int:
    from camera_ingest.health import Watch

    journal = Journal(recorder)
    states = recover(recorder, journal)
    mine = [one for one in read_cameras(data).values() if one.recorder == recorder.actor]
    cameras = [one for one in mine if not wanted or one.id in wanted]
    watch = Watch(recorder, journal, every_s=health_s)
    recordings = [
        Recording(one, recorder, journal, last=states.get(one.id), pace=pace, sealed=watch.look) for one in cameras
    ]
    watch.start()
    for recording in recordings:
        recording.start()
    wall, mono = now_us(), time.monotonic_ns() // 1000
    while not stop.wait(1.0):
        if is_alone(parent):
            log.warning("whoever started this recorder is gone", recorder=recorder.actor)
            break
        now, tick = now_us(), time.monotonic_ns() // 1000
        stepped = (now - wall) - (tick - mono)
        wall, mono = now, tick
        if abs(stepped) > _STEP_US:
            for one in cameras:
                journal.append("clock_stepped", camera=one.id, at=instant_text(now), offset_us=stepped)
        if any(recording.failure is not None for recording in recordings):
            break
    failures = [str(recording.failure) for recording in recordings if recording.failure is not None]
    for recording in recordings:
        recording.ask_stop()
    for recording in recordings:
        recording.stop()
    watch.stop()
    journal.close()
    if failures:
        write_state(recorder.folder / "stopped.json", {"at": instant_text(now_us()), "why": failures[0]})
        log.error("RECORDING STOPPED", recorder=recorder.actor, why=failures[0])
        return STOPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
