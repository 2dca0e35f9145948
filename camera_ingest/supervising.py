"""All recorders of this machine: a process each, started again when it dies, and their lines carried to the ledger."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import structlog

from camera_ingest.archive import CARRY_S, Carrier
from camera_ingest.clip_command import serving_clips
from camera_ingest.folders import Camera, camera_named, locked, read_cameras, recorder_named
from camera_ingest.keeping import Tidy
from camera_ingest.recovery import is_alone
from camera_ingest.remote import Away, RemoteSealer
from camera_ingest.sealing import EVERY_S, Sealer
from camera_ingest.worker import STOPPED
from ledger.errors import NotFound, Unavailable

log = structlog.get_logger()
_AGAIN_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_STEADY_S: Final = 60.0


class _Child:
    """One recorder's process."""

    def __init__(self, data: Path, recorder: str, cameras: Sequence[str], more: Sequence[str]) -> None:
        self._command = [sys.executable, "-m", "camera_ingest.worker", "--data", str(data), "--recorder", recorder]
        self._command += [*more, *cameras]
        self.recorder = recorder
        self._deaths, self._since, self._next = 0, 0.0, 0.0
        self.process: subprocess.Popen[bytes] | None = None

    def tend(self) -> None:
        """See that it runs."""
        now = time.monotonic()
        if self.process is None:
            if now >= self._next:
                self.process = subprocess.Popen(self._command)  # noqa: S603 our own interpreter and module
                self._since = now
            return
        code = self.process.poll()
        if code is None:
            return
        self._deaths = 0 if now - self._since > _STEADY_S else self._deaths + 1
        self._next = now + _AGAIN_S[min(self._deaths, len(_AGAIN_S) - 1)]
        self.process = None
        loud = log.error if code == STOPPED else log.warning
        loud("a recorder ended and is started again", recorder=self.recorder, code=code)

    def stop(self) -> None:
        """Have it end; waits."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def chosen(data: Path, ids: Sequence[str]) -> list[Camera]:
    """The cameras of those ids, or all of this machine's."""
    found = [camera_named(data, id_) for id_ in ids] or list(read_cameras(data).values())
    if not found:
        raise NotFound("no camera was added yet", code="no-camera", mend="mingjian-camera add ID --url URL --window W")
    return found


def _wanted(data: Path, ids: Sequence[str]) -> dict[str, list[str]]:
    """Recorder → the cameras that it records."""
    found: dict[str, list[str]] = {}
    for camera in chosen(data, ids):
        found.setdefault(camera.recorder, []).append(camera.id)
    return found


def supervise(
    data: Path,
    ids: Sequence[str],
    *,
    every_s: float = EVERY_S,
    more: Sequence[str] = (),
    seconds: float | None = None,
    away: Away | None = None,
    parent: int | None = None,
) -> None:
    """Record until SIGTERM, Ctrl-C or ``seconds`` are over. ``more``: options of the workers; ``away``: the ledger.

    ``parent``: the process with which this one ends, however that one ends.

    Without ``ids`` it records all cameras of this machine, also those that are added, or pointed elsewhere, meanwhile.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    found = _wanted(data, ids)
    for recorder in found:
        held = f"{recorder} is recording already, in another process"
        with locked(recorder_named(data, recorder).folder / "lock", wait=False, held=held):
            pass
    children = [_Child(data, recorder, cameras, more) for recorder, cameras in found.items()]
    sealer: Sealer | RemoteSealer = (
        Sealer(data, list(found), every_s=every_s, after=Tidy(data), beside=serving_clips)
        if away is None
        else RemoteSealer(data, list(found), away, every_s=every_s)
    )
    carrier = Carrier(data, list(found), every_s=min(every_s, CARRY_S))
    sealer.start()
    carrier.start()
    until = None if seconds is None else time.monotonic() + seconds
    known = read_cameras(data)
    try:
        while not stop.wait(0.5) and (until is None or time.monotonic() < until):
            if parent is not None and is_alone(parent):
                break
            if not ids and (now := read_cameras(data)) != known:
                changed = {one.recorder for one in {*now.values()} ^ {*known.values()}}
                known = now
                for child in [one for one in children if one.recorder in changed]:
                    child.stop()
                    children.remove(child)
                mine = _wanted(data, ids)
                children += [_Child(data, name, mine[name], more) for name in sorted(changed) if name in mine]
                sealer.recorders, carrier.recorders = list(mine), list(mine)
            for child in children:
                child.tend()
    finally:
        for child in children:
            child.stop()
        carrier.stop()
        sealer.stop()
    if any(child.process is not None and child.process.returncode == STOPPED for child in children):
        raise Unavailable(
            "a recorder could not go on", code="recording-stopped", mend="mingjian-camera status says why"
        )
