"""The recorder beside ``mingjian up``: a process of its own, started again when it dies, ended with the server,
however that ends.

It is another program (``camera_ingest``), which decodes pictures; this one never does. Where cameras were added on this
machine it records them; a demo has four drawn ones of its own. Where somebody runs ``mingjian-camera run`` already,
that one is left alone.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import structlog

_LOOK_S: Final = 1.0
_AGAIN_S: Final = (1.0, 5.0, 15.0, 60.0)
_STEADY_S: Final = 60.0
_END_S: Final = 45.0
log = structlog.get_logger("up")


@contextmanager
def recording(data: Path, *, demo: bool) -> Iterator[None]:
    """While this lasts, the cameras of this machine are recorded; of a demo, its own."""
    if find_spec("av") is None or find_spec("cv2") is None:
        if demo or _has_cameras(data):
            log.warning("cameras are not recorded here: pip install 'mingjian[camera]'")
        yield
        return
    words = ["camera_ingest.demo"] if demo else ["camera_ingest.cli", "run"]
    command = [sys.executable, "-m", *words, "--data", str(data), "--parent", str(os.getpid())]
    stop = threading.Event()
    thread = threading.Thread(target=_tend, args=(data, command, stop, demo), name="recorder", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(timeout=_END_S + 5)


def _tend(data: Path, command: list[str], stop: threading.Event, demo: bool) -> None:
    deaths = 0
    while not stop.is_set():
        if (demo or _has_cameras(data)) and not _is_recorded(data):
            began = time.monotonic()
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL)  # noqa: S603 our own interpreter and module
            while process.poll() is None and not stop.wait(_LOOK_S):
                pass
            if process.poll() is None:
                _end(process)
                return
            deaths = 0 if time.monotonic() - began > _STEADY_S else deaths + 1
            log.warning("the recorder ended and is started again", code=process.returncode)
        stop.wait(_AGAIN_S[min(deaths, len(_AGAIN_S) - 1)])


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _has_cameras(data: Path) -> bool:
    return (data / "footage" / "cameras.json").exists()


def _is_recorded(data: Path) -> bool:
    """Whether some process records here already."""
    for path in (data / "footage").glob("*/lock"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False
