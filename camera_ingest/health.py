"""What a camera shows, judged on sampled keyframes: black, occluded, defocused, frozen or moved.

The first keyframe of a sealed segment is decoded, grey and 320 × 180, and measured against the *reference view*, which
is learnt from the first ``LEARN`` good pictures and kept in the camera's folder (``reference.npz``; take it away and it
is learnt anew). A state is said after ``STRIKES`` pictures in a row that show it, its end after as many that do not.

    black      mean under 20 and deviation under 10, of 255
    occluded   over half of the cells that have texture in the reference have lost it
    defocused  variance of the Laplacian under 35 % of the reference's
    frozen     the mean difference from the picture before is under a fifth of the usual one
    moved      phase correlation finds the picture elsewhere by more than 8 pixels of 320

Promise: recording never waits for this. What cannot be decoded is skipped, and the pictures that are judged are those
that were sealed, so anybody can judge them again.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import av
import cv2
import numpy as np
import structlog
from numpy.typing import NDArray

from camera_ingest.folders import Recorder
from camera_ingest.journal import Journal
from camera_ingest.masks import black_out, known_masks, masks_of, thumbnail_path
from ledger.files import replace_file
from ledger.verify.clip import Line

log = structlog.get_logger()
WIDTH, HEIGHT = 320, 180
LEARN: Final = 5
STRIKES: Final = 3
_CELL: Final = 20
_TEXTURE: Final = 6.0
_PERMILLE: Final = 1000

Grey = NDArray[np.uint8]
State = Literal["black", "occluded", "defocused", "frozen", "moved"]


@dataclass(frozen=True, slots=True)
class Reference:
    """What a camera shows when all is well."""

    picture: Grey
    sharpness: float
    change: float  # the usual mean difference between two sampled pictures

    def save(self, path: Path) -> None:
        """Keep it."""
        with path.open("wb") as file:
            np.savez_compressed(file, picture=self.picture, sharpness=self.sharpness, change=self.change)

    @classmethod
    def load(cls, path: Path) -> Reference | None:
        """What was kept, if anything was."""
        try:
            with np.load(path) as kept:
                return cls(kept["picture"], float(kept["sharpness"]), float(kept["change"]))
        except (OSError, KeyError, ValueError):
            return None


def keyframe(path: Path) -> tuple[Grey, Any] | None:
    """The first keyframe of a segment, grey and small, and as it was decoded."""
    # Its header says all there is to know: guessing the rate from many pictures would cost three times the decoding.
    with av.open(str(path), options={"probesize": "4096", "analyzeduration": "0"}) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame, stream.codec_context.thread_count = "NONKEY", 1
        for frame in container.decode(stream):
            small = frame.reformat(width=WIDTH, height=HEIGHT, format="gray")
            return np.asarray(small.to_ndarray(), dtype=np.uint8), frame
    return None


def keep_thumbnail(folder: Path, frame: Any) -> None:
    """Keep a small picture for those who look on, masked; none where nobody knows yet what must not be shown."""
    masks = known_masks(folder)
    if masks is None:
        return
    small = frame.reformat(width=WIDTH, height=HEIGHT, format="bgr24").to_ndarray()
    black_out(small, masks_of(masks), of=(frame.width, frame.height))
    path = thumbnail_path(folder, masks)
    replace_file(path, cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 70])[1].tobytes(), private=True)
    for other in folder.glob("thumbnail-*.jpg"):
        if other != path:
            other.unlink(missing_ok=True)


def sharpness(picture: Grey) -> float:
    """The variance of the Laplacian."""
    return float(cv2.Laplacian(picture, cv2.CV_64F).var())


def difference(one: Grey, other: Grey) -> float:
    """The mean absolute difference of two pictures."""
    return float(np.mean(cv2.absdiff(one, other)))


def _cells(picture: Grey) -> NDArray[np.float64]:
    rows, columns = HEIGHT // _CELL, WIDTH // _CELL
    cut = picture[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL)
    deviations: NDArray[np.float64] = cut.astype(np.float64).std(axis=(1, 3))
    return deviations


def measure(picture: Grey, before: Grey | None, reference: Reference | None) -> dict[str, int]:
    """What is measured of a picture, as whole numbers."""
    found = {"mean": int(picture.mean()), "deviation": int(picture.std())}
    if before is not None:
        found["change_permille"] = int(difference(picture, before) * _PERMILLE)
    if reference is None:
        return found
    textured = _cells(reference.picture) > _TEXTURE
    lost = (_cells(picture) <= _TEXTURE) & textured
    (x, y), response = cv2.phaseCorrelate(reference.picture.astype(np.float64), picture.astype(np.float64))
    return found | {
        "sharpness_permille": int(_PERMILLE * sharpness(picture) / max(reference.sharpness, 1e-9)),
        "usual_change_permille": int(reference.change * _PERMILLE),
        "lost_permille": int(_PERMILLE * lost.sum() / max(int(textured.sum()), 1)),
        "moved_px": round(float(np.hypot(x, y))),
        "moved_sure_permille": int(_PERMILLE * response),
    }


def judge(measured: dict[str, int]) -> State | None:
    """The state that the measures show."""
    if measured["mean"] < 20 and measured["deviation"] < 10:
        return "black"
    if measured.get("lost_permille", 0) > 500:
        return "occluded"
    if measured.get("sharpness_permille", _PERMILLE) < 350:
        return "defocused"
    change = measured.get("change_permille")
    if change is not None and change * 5 <= measured.get("usual_change_permille", 0):
        return "frozen"
    if measured.get("moved_px", 0) > 8 and measured.get("moved_sure_permille", 0) > 100:
        return "moved"
    return None


@dataclass(slots=True)
class Judge:
    """One camera's state, with hysteresis; ``see`` says what changed."""

    reference: Reference | None = None
    learnt: Callable[[Reference], None] = lambda _: None
    state: State | None = None
    _before: Grey | None = None
    _learning: list[Grey] = field(default_factory=list)
    _last: State | None = None
    _streak: int = 0

    def see(self, picture: Grey) -> tuple[Literal["tampered", "recovered"], State, dict[str, int]] | None:
        """Judge the next picture; what is to be said of it, if anything."""
        measured = measure(picture, self._before, self.reference)
        found = judge(measured)
        self._before = picture
        if self.reference is None and found is None:
            self._learn(picture)
        self._streak = self._streak + 1 if found == self._last else 1
        self._last = found
        if found == self.state or self._streak < STRIKES:
            return None
        was, self.state = self.state, found
        if found is not None:
            return "tampered", found, measured
        assert was is not None
        return "recovered", was, measured

    def _learn(self, picture: Grey) -> None:
        self._learning.append(picture)
        if len(self._learning) < LEARN:
            return
        changes = [difference(a, b) for a, b in zip(self._learning, self._learning[1:], strict=False)]
        middle = np.median(np.stack(self._learning), axis=0).astype(np.uint8)
        sharp = float(np.median([sharpness(one) for one in self._learning]))
        self.reference = Reference(middle, sharp, float(np.median(changes)))
        self._learning = []
        self.learnt(self.reference)


class Watch:
    """Judges the segments of one recorder's cameras, in a thread of its own."""

    def __init__(self, recorder: Recorder, journal: Journal, *, every_s: float) -> None:
        self._recorder, self._journal, self._every_s = recorder, journal, every_s
        self._judges: dict[str, Judge] = {}
        self._looked: dict[str, float] = {}
        # Never more than a few wait: a judge that is too slow sees fewer pictures.
        self._queue: queue.Queue[tuple[str, Path, Line] | None] = queue.Queue(maxsize=32)
        self._thread = threading.Thread(target=self._run, name="health", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, when what waits is judged."""
        self._queue.put(None)
        self._thread.join(timeout=10)

    def look(self, camera: str, path: Path, line: Line) -> None:
        """A segment was sealed; it is looked at if it is time."""
        now = time.monotonic()
        if now - self._looked.get(camera, -self._every_s) < self._every_s or self._queue.full():
            return
        self._looked[camera] = now
        self._queue.put((camera, path, line))

    def _run(self) -> None:
        cv2.setNumThreads(1)
        while (found := self._queue.get()) is not None:
            camera, path, line = found
            try:
                shown = keyframe(path)
                if shown is not None:
                    keep_thumbnail(self._recorder.camera(camera), shown[1])
            except OSError as error:
                log.warning("a keyframe cannot be decoded", camera=camera, file=path.name, error=str(error)[:120])
                continue
            if shown is not None:
                self._say(camera, line, self._judge(camera).see(shown[0]))

    def _say(self, camera: str, line: Line, change: tuple[str, str, dict[str, int]] | None) -> None:
        if change is not None:
            kind, state, measured = change
            says: dict[str, Any] = {"run": line.says["run"], "at": line.says["start"]}
            self._journal.append(kind, camera=camera, state=state, measured=measured, **says)

    def _judge(self, camera: str) -> Judge:
        if camera not in self._judges:
            path = self._recorder.camera(camera) / "reference.npz"
            self._judges[camera] = Judge(Reference.load(path), lambda learnt: learnt.save(path))
        return self._judges[camera]
