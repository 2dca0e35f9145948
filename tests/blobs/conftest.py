"""A real S3 server on the loopback, a ledger, and a recorder's folder with a few seconds of sealed footage."""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import structlog
from botocore.session import get_session

from camera_ingest.blobs import Settings
from camera_ingest.folders import Camera, Recorder, recorder_named, write_camera
from camera_ingest.journal import Journal
from camera_ingest.registering import give_key, register
from camera_ingest.segments import Name, SegmentWriter, segment_says, settle
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.statement import instant_text
from ledger.store.sequencer import now_us

_CLOCK = {"camera_reports": 0, "monotonic_us": 0, "ntp_error_us": None, "ntp_synced": True, "offset_us": None}
KEYS = {"AWS_ACCESS_KEY_ID": "AKIDNOBODY", "AWS_SECRET_ACCESS_KEY": "verysecretindeed", "AWS_REGION": "us-east-1"}


@dataclass(slots=True)
class Server:
    """A store that can be killed and, being in memory, comes back empty."""

    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert self.process.stderr is not None
        said, until = b"", time.monotonic() + 20
        while not (found := re.search(rb"http://127\.0\.0\.1:(\d+)", said)):
            assert time.monotonic() < until, said
            if select.select([self.process.stderr], [], [], 1)[0]:
                said += os.read(self.process.stderr.fileno(), 4096)
        self.port = int(found[1])

    def stop(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()

    def client(self) -> Any:
        return get_session().create_client("s3", endpoint_url=self.endpoint, region_name="us-east-1")


@pytest.fixture(scope="package")
def s3() -> Iterator[Server]:
    before = dict(os.environ)
    os.environ.update(KEYS)
    server = Server()
    server.start()
    client = server.client()
    client.create_bucket(Bucket="plain")
    client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    yield server
    server.stop()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def store(s3: Server, request: pytest.FixtureRequest) -> Settings:
    """A place of its own in the bucket without locks; local copies go at once."""
    return Settings(url=f"s3://plain/{request.node.name}", endpoint=s3.endpoint, keep_hours=0)


@pytest.fixture(scope="package")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of moving squares, a coded group a second."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=12, options={"g": "12", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        for number in range(72):
            picture = np.full((96, 160, 3), 40, np.uint8)
            picture[20:60, number : number + 40] = 200
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(stream.encode())
    return path


def record(recorder: Recorder, camera: str, film: Path) -> None:
    """Have the film recorded as if it had just been shown: a segment for each coded group."""
    journal, begun = Journal(recorder), now_us() - 60_000_000
    run, previous, folder = instant_text(begun).replace("-", "").replace(":", ""), None, recorder.camera(camera)
    journal.append("recording_started", camera=camera, run=run, at=instant_text(begun))
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        packets = [one for one in container.demux(stream) if one.size]
        starts = [n for n, one in enumerate(packets) if one.is_keyframe]
        zero = packets[0].dts
        for seq, (low, high) in enumerate(zip(starts, [*starts[1:], len(packets)], strict=True), start=1):
            first = packets[low].dts
            since = Fraction(first - zero) * stream.time_base
            name = Name(run, seq, begun + round(since * 1_000_000), since)
            writer = SegmentWriter(folder / instant_text(name.start_us)[:10], name, stream)
            for packet in packets[low:high]:
                packet.pts, packet.dts = packet.pts - first, packet.dts - first
                writer.mux(packet)
            part = writer.close()
            says = segment_says(
                writer.hashed,
                name,
                camera=camera,
                start_us=name.start_us,
                reason="full",
                clock=_CLOCK,
                file=f"{part.parent.name}/{name.whole}",
                previous=previous,
            )
            journal.append("segment", **says)
            settle(part, name)
            previous = says["root"]
    journal.append("recording_stopped", camera=camera, at=instant_text(begun + 6_000_000))
    journal.close()


@dataclass(frozen=True, slots=True)
class Rig:
    hall: Hall
    film: Path

    def camera(self, name: str) -> Recorder:
        """A recorder of that name whose camera of the same name has recorded the film."""
        actor = f"recorder/{name}"
        register(self.hall, name, name=name, recorder=actor, windows=[], place="hall", retention_days=30)
        give_key(self.hall, actor)
        write_camera(self.hall.data, Camera(name, str(self.film), actor))
        recorder = recorder_named(self.hall.data, actor)
        record(recorder, name, self.film)
        return recorder


@pytest.fixture(scope="module")
def rig(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    data = tmp_path_factory.mktemp("blobs") / "data"
    create_ledger(data)
    with open_ledger(data) as hall, hall.sequencing():
        yield Rig(hall, film)


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    yield
    structlog.reset_defaults()
