"""Real RTSP cameras on the loopback, a ledger, and recorders as processes of their own."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog

from camera_ingest.folders import Camera, Recorder, recorder_named, write_camera
from camera_ingest.registering import give_key, register
from ledger.door.hall import Hall, create_ledger, open_ledger
from tests.running import wait_for

PACKAGES = (
    "gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
    " gstreamer1.0-plugins-ugly python3-gi"
)
FOOTAGE = Path(
    os.environ.get("MINGJIAN_FOOTAGE", Path(__file__).parents[3] / "shared/data/one-by-one-person-detection.mp4")
)
H264 = "x264enc tune=zerolatency key-int-max=25 option-string=scenecut=0 bitrate=600 ! rtph264pay name=pay0 pt=96 )"
RAW = "video/x-raw,width=320,height=180,framerate=25/1"
BALL = f"( videotestsrc name=src is-live=true pattern=ball ! {RAW} ! {H264}"
CLOCK = f"( videotestsrc name=src is-live=true pattern=solid-color foreground-color=0xff808080 ! {RAW}"
CLOCK += f" ! videobalance name=burn ! {H264}"


def has_gstreamer() -> bool:
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    return subprocess.run(["/usr/bin/python3", "-c", probe], capture_output=True, check=False).returncode == 0


@dataclass(slots=True)
class RtspCamera:
    """A camera that can be started, stopped, killed and told what to show."""

    launch: str
    port: int
    process: subprocess.Popen[str] | None = None
    told: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"rtsp://127.0.0.1:{self.port}/cam"

    def start(self) -> None:
        script = Path(__file__).with_name("rtsp_server.py")
        self.process = subprocess.Popen(
            ["/usr/bin/python3", str(script), str(self.port), self.launch],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        for line in self.told:
            self._write(line)

    def tell(self, line: str) -> None:
        self.told.append(line)
        self._write(line)

    def _write(self, line: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                if pipe is not None:
                    pipe.close()
            self.process = None


def free_port() -> int:
    # Below those that the system gives to whoever connects: between a camera's death and its return none takes it.
    for port in random.sample(range(20_000, 30_000), 50):
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@contextmanager
def rtsp_camera(launch: str) -> Iterator[RtspCamera]:
    camera = RtspCamera(launch, free_port())
    camera.start()
    try:
        yield camera
    finally:
        camera.kill()


def start_worker(data: Path, recorder: str = "recorder/1", *cameras: str, **more: object) -> subprocess.Popen[bytes]:
    options = {"segment_s": 2, "silence_s": 1.5, "health_s": 1} | more
    given = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "camera_ingest.worker", "--data", str(data), "--recorder", recorder]
    return subprocess.Popen([*command, *given, *cameras], stderr=subprocess.DEVNULL)


def stop_worker(worker: subprocess.Popen[bytes]) -> int:
    worker.send_signal(signal.SIGTERM)
    try:
        return worker.wait(timeout=20)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
        raise


def add_camera(hall: Hall, id_: str, url: str, *, recorder: str = "recorder/1") -> Recorder:
    register(hall, id_, name=id_, recorder=recorder, windows=[], place="hall", retention_days=30)
    give_key(hall, recorder)
    write_camera(hall.data, Camera(id_, url, recorder))
    return recorder_named(hall.data, recorder)


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """A command's log goes to the standard error of its test, which is closed after it."""
    yield
    structlog.reset_defaults()


class Rig:
    """What the tests of this folder share."""

    BALL, CLOCK, FOOTAGE = BALL, CLOCK, FOOTAGE
    camera = staticmethod(rtsp_camera)
    start_worker = staticmethod(start_worker)
    stop_worker = staticmethod(stop_worker)
    add_camera = staticmethod(add_camera)
    wait_for = staticmethod(wait_for)


@pytest.fixture(scope="session")
def rig() -> type[Rig]:
    return Rig


@pytest.fixture(scope="session", autouse=True)
def _gstreamer() -> None:
    if not has_gstreamer():
        pytest.skip(f"no RTSP server here: apt-get install {PACKAGES}")


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    data = tmp_path_factory.mktemp("hall") / "data"
    create_ledger(data)
    with open_ledger(data) as opened, opened.sequencing():
        yield opened
