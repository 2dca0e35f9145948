"""Films drawn here, and sealed footage of them in a real ledger: recorded in no time, by the recorder's own parts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import structlog

from camera_ingest.clips import Cut, cut_clip
from camera_ingest.clocks import SegmentClock
from camera_ingest.folders import Camera, recorder_named, write_camera
from camera_ingest.journal import Journal
from camera_ingest.pictures import Pixels, written
from camera_ingest.registering import custodian, give_key, register
from camera_ingest.segments import Name, SegmentWriter, segment_says, settle
from ledger.cases import complaint
from ledger.door.desk import Desk
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.facts.registry import possession_message
from ledger.registry import keys, people
from ledger.registry.changes import confirm
from ledger.statement import instant_text
from ledger.store.sequencer import now_us

FOOTAGE = Path(
    os.environ.get("MINGJIAN_FOOTAGE", Path(__file__).parents[3] / "shared/data/one-by-one-person-detection.mp4")
)
WIDTH, HEIGHT, RATE, SECONDS = 320, 192, 5, 6
SKIN, DARK = (140, 170, 220), (30, 40, 60)


def draw_face(pixels: Pixels, x: int, y: int, r: int = 18) -> None:
    """Somebody as the model knows them."""

    def oval(cx: float, cy: float, w: float, h: float, colour: tuple[int, int, int], *, half: bool = False) -> None:
        middle, axes = (round(x + cx * r), round(y + cy * r)), (round(w * r), max(1, round(h * r)))
        cv2.ellipse(pixels, middle, axes, 0, 180 if half else 0, 360, colour, -1, cv2.LINE_AA)

    cv2.rectangle(pixels, (x - r, y + round(1.2 * r)), (x + r, y + 4 * r), (120, 60, 40), -1)
    oval(0, 0, 0.78, 1, SKIN)
    oval(0, -0.55, 0.8, 0.6, DARK, half=True)
    for side in (-0.32, 0.32):
        oval(side, -0.1, 0.15, 0.08, (255, 255, 255))
        oval(side, -0.1, 0.07, 0.07, DARK)
        oval(side, -0.28, 0.2, 0.05, DARK, half=True)
    oval(0, 0.5, 0.3, 0.1, (70, 70, 180))


def walk_x(at_s: float) -> int:
    return round(40 + 30 * at_s)


def street() -> Iterator[tuple[Pixels, int]]:
    """One stands at the right; one walks until 4 s, from behind between 1.5 and 2.3 s; then a shape without a face."""
    for number in range(RATE * SECONDS):
        at_s = number / RATE
        pixels = np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
        draw_face(pixels, 270, 60)
        if at_s < 4:
            draw_face(pixels, walk_x(at_s), 70)
            if 1.5 <= at_s < 2.3:
                cv2.circle(pixels, (walk_x(at_s), 70), 20, DARK, -1)
                pixels[50:90, walk_x(at_s) - 20 : walk_x(at_s) + 20 : 4] = 120  # strands of hair
        elif at_s >= 5:
            left = round(30 + 60 * (at_s - 5))
            cv2.rectangle(pixels, (left, 100), (left + 30, 180), (20, 20, 20), -1)
        yield pixels, round(at_s * 1_000_000)


def make_film(path: Path, shown: Iterator[tuple[Pixels, int]]) -> Path:
    with written(path, WIDTH, HEIGHT) as film:
        for pixels, at_us in shown:
            film.write(pixels, at_us)
    return path


def seal_film(hall: Hall, camera: str, film: Path, *, start_us: int, segment_s: int = 2) -> None:
    """Segments of a film as a recorder would have written them, sealed with the next clip."""
    recorder = recorder_named(hall.data, "recorder/1")
    journal, previous = Journal(recorder), None
    run = instant_text(start_us).replace("-", "").replace(":", "")
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        writer: SegmentWriter | None = None
        seq, first, zero = 0, 0, None

        def end(one: SegmentWriter, reason: str) -> str:
            part = one.close()
            clock = SegmentClock.begin(one.name.start_us)
            says = segment_says(
                one.hashed,
                one.name,
                camera=camera,
                start_us=one.name.start_us,
                reason=reason,
                clock=clock.says(),
                file=f"{part.parent.name}/{one.name.whole}",
                previous=previous,
            )
            journal.append("segment", **says)
            settle(part, one.name)
            return str(says["root"])

        for packet in container.demux(stream):
            if not packet.size:
                continue
            zero = packet.dts if zero is None else zero
            if writer is None or (packet.is_keyframe and (packet.dts - first) * stream.time_base >= segment_s):
                previous = None if writer is None else end(writer, "full")
                seq, first = seq + 1, packet.dts
                since = (packet.dts - zero) * stream.time_base
                at_us = start_us + round(since * 1_000_000)
                name = Name(run, seq, at_us, Fraction(since))
                writer = SegmentWriter(recorder.camera(camera) / instant_text(at_us)[:10], name, stream)
            packet.pts, packet.dts = packet.pts - first, packet.dts - first
            writer.mux(packet)
        assert writer is not None
        end(writer, "stopped")
    journal.close()


@dataclass
class Rig:
    """A hall with a sealed clip in it, and who works there."""

    hall: Hall
    film: Path
    clip: Cut
    roles: dict[str, str] = field(default_factory=dict)
    count: int = 0

    STREET = staticmethod(street)
    make_film = staticmethod(make_film)
    draw_face = staticmethod(draw_face)
    walk_x = staticmethod(walk_x)
    FOOTAGE = FOOTAGE

    def hire(self, actor: str, *roles: str) -> None:
        """Appoint somebody whose key is kept here."""
        (first, first_key), (second, second_key) = self.hall.officers()
        one = Desk(door=self.hall.door, actor=first, key=first_key, role="key_officer")
        two = Desk(door=self.hall.door, actor=second, key=second_key, role="key_officer")
        key = self.hall.keyring.make_actor(actor)
        proof = key.sign(possession_message(self.hall.origin, actor, key.public))
        windows = ["window/3"] if "window_clerk" in roles else []
        confirm(two, people.appoint(one, actor, person=actor, roles=list(roles), windows=windows).id)
        confirm(two, keys.add(one, actor, key.public, proof, custody="server").id)
        self.roles[actor] = roles[0]

    def desk(self, actor: str) -> Desk:
        role = self.roles[actor]
        window = "window/3" if role == "window_clerk" else None
        key = self.hall.keyring.actor(actor)
        return Desk(door=self.hall.door, actor=actor, key=key, role=role, window=window)

    def custodian(self) -> Desk:
        return custodian(self.hall)

    def complain(self) -> str:
        """A complaint against the clerk, accepted."""
        self.count += 1
        name = f"c-{self.count}"
        complaint.receive(
            self.desk("staff/portal"), name, ["rude"], tracking=f"code-{self.count}", words="态度", events=[b"\1" * 32]
        )
        complaint.register(self.desk("staff/cha"), name, name)
        complaint.accept(self.desk("staff/zhang"), name, ["staff/zhao"], "staff/cha")
        return name

    @property
    def clip_id(self) -> str:
        return self.clip.outcome.id.hex()

    def later(self, hours: int = 24) -> str:
        return instant_text(now_us() + hours * 3_600_000_000)


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """A command's log goes to the standard error of its test, which is closed after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="package")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rig")
    film = make_film(folder / "street.mp4", street())
    create_ledger(folder / "data")
    with open_ledger(folder / "data") as hall, hall.sequencing():
        register(hall, "hall-1", name="hall-1", recorder="recorder/1", windows=[], place="hall", retention_days=30)
        give_key(hall, "recorder/1")
        write_camera(hall.data, Camera("hall-1", "rtsp://nowhere", "recorder/1"))
        start = now_us() - 600_000_000
        seal_film(hall, "hall-1", film, start_us=start)
        recorder = recorder_named(hall.data, "recorder/1")
        end = start + SECONDS * 1_000_000
        cut = cut_clip(hall, custodian(hall), recorder, "hall-1", start, end, folder / "clip.mp4")
        hall.wait_placed([cut.outcome])
        found = Rig(hall, film, cut)
        found.hire("staff/portal", "citizen")
        found.hire("staff/cha", "investigator")
        found.hire("staff/zhang", "complaint_head")
        found.hire("staff/zhao", "window_clerk")
        yield found


@pytest.fixture
def pixels_of() -> Callable[[Path], list[Any]]:
    """All pictures of a short film."""
    from camera_ingest.pictures import pictures

    return lambda path: [(picture.at_us, picture.pixels) for picture in pictures(path)]
