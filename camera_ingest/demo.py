"""The demo's four cameras, which need no camera: drawn counters with a burned-in clock, recorded like any stream.

    python -m camera_ingest.demo --data DATA

They serve H.264 in MPEG-TS on ports of the loopback, so that no package of the system is needed; the recorder reads
them as it would any other address. ``mingjian-camera add demo-1 --url rtsp://…`` points one at a real camera, and
the next start leaves it there. Everything in the picture is drawn, and says so.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import cv2
import numpy as np
import structlog

from camera_ingest.folders import Camera, read_cameras, write_camera
from camera_ingest.registering import give_key, register
from camera_ingest.supervising import supervise
from ledger.door.hall import Hall, open_ledger
from ledger.errors import Refused

COUNT: Final = 4
RECORDER: Final = "recorder/demo"
_LOCAL: Final = "tcp://127.0.0.1:"
_SIZE: Final = (640, 360)
_RATE: Final = 10
_ZONE: Final = timezone(timedelta(hours=8))
_SEAL_S: Final = 60.0
_PATIENCE_S: Final = 10.0
log = structlog.get_logger()


def main() -> int:
    """Draw, serve and record until told to stop."""
    parser = argparse.ArgumentParser(prog="camera_ingest.demo")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--every-s", type=float, default=_SEAL_S)
    parser.add_argument("--parent", type=int, help="the process with which this one ends")
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    data: Path = options.data
    with open_ledger(data) as hall, hall.sequencing():
        drawn = set_up(hall)
    for camera, window, listener in drawn:
        threading.Thread(target=_serve, args=(listener, camera, window), daemon=True).start()
    supervise(data, (), every_s=options.every_s, parent=options.parent)
    return 0


def set_up(hall: Hall) -> list[tuple[str, str, socket.socket]]:
    """The demo's cameras, registered where they are not yet: id, window, and where it is drawn for."""
    _, registry = hall.door.registry()
    known = dict(registry.cameras())
    windows = sorted(
        stream.partition("/")[2]
        for stream, entry in registry.entries.items()
        if stream.startswith("window/") and not entry.closed
    )
    if not windows:
        raise Refused("there is no window to film", code="no-window", mend="mingjian registry propose window.opened.v1")
    drawn, mine = [], read_cameras(hall.data)
    for number in range(1, COUNT + 1):
        id_ = f"demo-{number}"
        window = windows[(number - 1) % len(windows)]
        if f"camera/{id_}" in known:
            window = known[f"camera/{id_}"]["windows"][0]
        else:
            said: dict[str, Any] = {"place": "counter", "retention_days": 30, "signage": "demo"}
            register(hall, id_, name=f"演示摄像机{number}", recorder=RECORDER, windows=[window], **said)
            give_key(hall, RECORDER)
        # One that somebody pointed at a real camera stays pointed there.
        if id_ in mine and not mine[id_].url.startswith(_LOCAL):
            continue
        listener = socket.create_server(("127.0.0.1", 0))
        write_camera(hall.data, Camera(id_, f"{_LOCAL}{listener.getsockname()[1]}", RECORDER))
        drawn.append((id_, window, listener))
    return drawn


def _serve(listener: socket.socket, camera: str, window: str) -> None:
    while True:
        connection, _ = listener.accept()
        connection.settimeout(_PATIENCE_S)
        with connection, suppress(OSError, av.FFmpegError):
            _stream(connection, camera, window)


class _Pipe:
    """What the muxer writes to: the connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> int:
        self._connection.sendall(data)
        return len(data)


def _stream(connection: socket.socket, camera: str, window: str) -> None:
    with av.open(_Pipe(connection), "w", format="mpegts", options={"flush_packets": "1"}) as container:
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(_RATE), "sc_threshold": "0"}
        stream = container.add_stream("libx264", rate=_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = *_SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90_000)
        began = time.monotonic()
        number = 0
        while True:
            wait = began + number / _RATE - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            picture = _draw(camera, window, time.time())
            frame = av.VideoFrame.from_ndarray(picture, format="bgr24")
            frame.pts, frame.time_base = round((time.monotonic() - began) * 90_000), Fraction(1, 90_000)
            for packet in stream.encode(frame):
                container.mux(packet)
            number += 1


def _draw(camera: str, window: str, now: float) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A counter seen from behind, somebody before it who comes and goes, and the time."""
    width, height = _SIZE
    picture = np.full((height, width, 3), (188, 196, 200), np.uint8)
    cv2.rectangle(picture, (0, 0), (width, height // 3), (160, 148, 126), -1)
    seconds = now + 7 * int(camera.rpartition("-")[2])
    walk = (seconds % 24) / 24
    x = (
        int(width * (1.2 * walk * 3 - 0.2))
        if walk < 1 / 3
        else width // 2
        if walk < 2 / 3
        else int(width * (0.5 + (walk - 2 / 3) * 3 * 0.8))
    )
    sway = int(6 * np.sin(seconds * 2))
    cv2.ellipse(picture, (x + sway, 250), (46, 90), 0, 0, 360, (92, 74, 60), -1)
    cv2.circle(picture, (x + sway, 140), 28, (150, 176, 208), -1)
    cv2.rectangle(picture, (0, 270), (width, height), (74, 96, 120), -1)
    cv2.rectangle(picture, (width // 2 - 60, 246), (width // 2 + 60, 276), (236, 236, 236), -1)
    told = datetime.fromtimestamp(now, UTC).astimezone(_ZONE).strftime("%Y-%m-%d %H:%M:%S.%f")[:-5]
    for text, y in ((f"{camera}  {window}  DRAWN, NOT FILMED", 24), (told, height - 16)):
        cv2.rectangle(picture, (0, y - 24), (width, y + 12), (0, 0, 0), -1)
        cv2.putText(picture, text, (12, y), cv2.FONT_HERSHEY_SIMPLEX, 0.62, (255, 255, 255), 1, cv2.LINE_AA)
    return picture


if __name__ == "__main__":
    ended = main()
    # Threads that draw are cut off within a library of C++, on which an interpreter that ends by itself aborts.
    sys.stderr.flush()
    os._exit(ended)
