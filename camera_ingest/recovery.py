"""After a death: what was being written is hashed again, sealed as far as it can be read, and the gap is said.

Promise: the same files and lines come out however often the recovery itself is cut off. A part that has its line
already is only given its name; one that holds no whole group is taken away; all others get the line that is missing.
"""

from __future__ import annotations

import os
from pathlib import Path

from camera_ingest.folders import Recorder
from camera_ingest.journal import Journal, last_states, read_lines
from camera_ingest.segments import cut, hash_file, name_of, segment_says, settle
from ledger.statement import instant_text
from ledger.store.sequencer import now_us
from ledger.verify.clip import Line

_UNKNOWN_CLOCK = {
    "camera_reports": 0,
    "monotonic_us": 0,
    "ntp_error_us": None,
    "ntp_synced": False,
    "offset_us": None,
}


def recover(recorder: Recorder, journal: Journal) -> dict[str, Line]:
    """Bring disk and journal together; the last line of each camera."""
    parts = sorted(path for path in recorder.folder.glob("*/*/*.part") if name_of(path) is not None)
    if parts:
        days = sorted(path.parent.name for path in parts)
        segments = {
            (line.says["camera"], line.says["run"], line.says["seq"]): line
            for line in read_lines(recorder, first_day=days[0])
            if line.says["kind"] == "segment"
        }
        for part in parts:
            _recover(part, journal, segments)
    states = last_states(recorder)
    for camera, line in states.items():
        if line.says["kind"] in ("segment", "recording_started", "gap_ended"):
            since = line.says.get("end", line.says.get("at"))
            states[camera] = journal.append(
                "gap_detected", camera=camera, run=line.says["run"], at=since, cause="recorder_crash"
            )
    return states


def _recover(part: Path, journal: Journal, segments: dict[tuple[str, str, int], Line]) -> None:
    name, camera = name_of(part), part.parent.parent.name
    assert name is not None
    known = segments.get((camera, name.run, name.seq))
    if known is not None:
        settle(part, name)
        return
    hashed = hash_file(part, run=name.run, seq=name.seq)
    if not hashed.groups:
        part.unlink()
        return
    cut(part, hashed.size)
    before = segments.get((camera, name.run, name.seq - 1))
    says = segment_says(
        hashed,
        name,
        camera=camera,
        start_us=name.start_us,
        reason="recovered",
        clock=_UNKNOWN_CLOCK,
        file=f"{part.parent.name}/{name.whole}",
        previous=None if before is None else before.says["root"],
        recovered=instant_text(now_us()),
    )
    segments[camera, name.run, name.seq] = journal.append("segment", **says)
    settle(part, name)


def is_alone(pid: int) -> bool:
    """Whether the process that started us is gone."""
    return os.getppid() != pid
