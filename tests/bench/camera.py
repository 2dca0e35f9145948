"""Recording: streams of 1080p remuxed, hashed and journaled, beside ``ffmpeg -c copy`` of the same streams.

Processor time is read from the running processes, after they have settled, so that neither start-up nor the camera's
own side counts. Both sides read from one real RTSP server, in turns.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from camera_ingest.folders import Camera, write_camera
from ledger.door.keyring import Keyring
from tests.bench.rounds import alternate
from tests.bench.stand import Stand
from tests.bench.table import Row, at_most
from tests.camera.conftest import RtspCamera, rtsp_camera

STREAMS = 4
RECORDER = "recorder/1"
_SETTLE_S = 14.0  # past the first look at a picture, which every camera gets once
_NEVER_S = "1000000"
_FILM = (
    "-f lavfi -i testsrc2=size=1920x1080:rate=25 -c:v libx264 -preset ultrafast -b:v 4M -maxrate 4M -bufsize 4M -g 25"
)


def rows(stand: Stand) -> Iterator[Row]:
    """Processor time of a stream, without health and with it; memory; and how many streams a core carries."""
    if shutil.which("ffmpeg") is None:
        raise RuntimeError("there is no ffmpeg to be the rival: apt-get install ffmpeg")
    watched_s = 10.0 if stand.quick else 20.0
    with tempfile.TemporaryDirectory(prefix="mingjian-bench.") as folder:
        film = Path(folder) / "film.mp4"
        command = ["ffmpeg", "-loglevel", "error", *_FILM.split(), "-t", "90", str(film)]
        subprocess.run(command, check=True)
        memory: dict[str, float] = {}

        def measured(name: str, start: Callable[[Path, Sequence[RtspCamera]], list[subprocess.Popen[bytes]]]) -> float:
            with tempfile.TemporaryDirectory(dir=folder) as out, _cameras(film) as cameras:
                cpu, memory[name] = _watch(start(Path(out), cameras), watched_s)
                return cpu / STREAMS * 3600

        found = alternate(
            {
                "ours": lambda: measured("ours", lambda out, cameras: _ours(out, cameras, health_s=_NEVER_S)),
                "health": lambda: measured("health", lambda out, cameras: _ours(out, cameras, health_s="10")),
                "ffmpeg": lambda: measured("ffmpeg", _ffmpeg),
            },
            rounds=3,
        )
    ratio = found["ours"] / found["ffmpeg"]
    yield Row(
        name="record",
        what=f"record + hash a 1080p stream, {STREAMS} of 4 Mbit/s in one process ({memory['ours']:.0f} MB in all)",
        ours=f"{found['ours']:.0f} CPU-s an hour",
        rival=f"ffmpeg -c copy {found['ffmpeg']:.0f} CPU-s ({memory['ffmpeg']:.0f} MB in all)",
        ratio=ratio,
        aims=(at_most(ratio, 1.1),),
        limit=f"reading and writing the packets: the rival's figure; a core carries {3600 / found['ours']:.0f} streams",
    )
    ratio = found["health"] / found["ours"]
    yield Row(
        name="record-health",
        what=f"the same with a key picture looked at every 10 s ({memory['health']:.0f} MB in all)",
        ours=f"{found['health']:.0f} CPU-s an hour",
        rival=f"without {found['ours']:.0f} CPU-s",
        ratio=ratio,
        aims=(),
        limit="decoding a key picture: about 10 ms",
    )


@contextmanager
def _cameras(film: Path) -> Iterator[list[RtspCamera]]:
    launch = f"( filesrc location={film} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )"
    with ExitStack() as stack:
        yield [stack.enter_context(rtsp_camera(launch)) for _ in range(STREAMS)]


def _ours(out: Path, cameras: Sequence[RtspCamera], *, health_s: str) -> list[subprocess.Popen[bytes]]:
    (out / "keys" / "actors").mkdir(parents=True)
    Keyring(out).make_actor(RECORDER)
    for number, camera in enumerate(cameras):
        write_camera(out, Camera(f"c{number}", camera.url, RECORDER))
    command = [sys.executable, "-m", "camera_ingest.worker", "--data", str(out), "--recorder", RECORDER]
    return [subprocess.Popen([*command, "--health-s", health_s], stderr=subprocess.DEVNULL)]


def _ffmpeg(out: Path, cameras: Sequence[RtspCamera]) -> list[subprocess.Popen[bytes]]:
    asked = ["ffmpeg", "-loglevel", "error", "-rtsp_transport", "tcp", "-i"]
    cut = ["-c", "copy", "-f", "segment", "-segment_time", "10"]
    return [
        subprocess.Popen([*asked, camera.url, *cut, str(out / f"{number}-%03d.mp4")], stderr=subprocess.DEVNULL)
        for number, camera in enumerate(cameras)
    ]


def _watch(processes: list[subprocess.Popen[bytes]], watched_s: float) -> tuple[float, float]:
    """Processor time a second of all of them once they have settled, and their memory in MB."""
    try:
        time.sleep(_SETTLE_S)
        began, before = time.monotonic(), sum(map(_cpu_s, processes))
        time.sleep(watched_s)
        used = (sum(map(_cpu_s, processes)) - before) / (time.monotonic() - began)
        return used, sum(map(_memory_mb, processes))
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def _cpu_s(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mb(process: subprocess.Popen[bytes]) -> float:
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
