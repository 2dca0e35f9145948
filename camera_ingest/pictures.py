"""Pictures out of a film and into another: one at a time, so that an hour needs no more memory than a second.

Promise: what is no film, has no pictures, is coded in a way that is not handled or has absurd time stamps is refused in
words, before or where it is met; sound is never written. Times are µs from a film's first picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.error import FFmpegError
from av.video.frame import PictureType

from ledger.errors import Malformed, NotFound, Refused

Pixels = np.ndarray[Any, np.dtype[np.uint8]]
"""Height × width × 3, blue first."""

MAX_FILM_US: Final = 2 * 3_600_000_000
MAX_STEP_US: Final = 3_600_000_000
MAX_PIXELS: Final = 7680 * 4320
_TICK: Final = Fraction(1, 90_000)
_EACH: Final = 90_000


@dataclass(frozen=True, slots=True)
class Film:
    """What a film says of itself."""

    codec: str
    width: int
    height: int
    sound: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture and when it is shown; ``key``: it stands for itself."""

    number: int
    at_us: int
    pixels: Pixels


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if not path.is_file():
        raise NotFound(f"there is no file {path}", code="no-file", mend="name a film")
    # As a file, whatever its name looks like: a name is not asked for an address.
    with path.open("rb") as file:
        try:
            with av.open(file) as container:
                if not container.streams.video:
                    raise Malformed(f"{path.name} holds no pictures", code="not-video", mend="name a film")
                yield container
        except (FFmpegError, OSError, ValueError, OverflowError) as error:
            raise Malformed(f"{path.name} is no film that can be read: {error}"[:200], code="not-video") from error


def _film(container: Any, path: Path) -> Film:
    stream = container.streams.video[0]
    context = stream.codec_context
    if context is None:
        raise Malformed(
            f"{path.name} is coded in a way that is not handled", code="codec", mend="give it as H.264 or H.265"
        )
    if not 0 < context.width * context.height <= MAX_PIXELS:
        raise Malformed(f"{path.name} has pictures of {context.width}×{context.height}", code="picture-size")
    return Film(context.name, context.width, context.height, bool(container.streams.audio))


def look_at(path: Path) -> Film:
    """What the film says of itself (Malformed when it is none)."""
    with _opened(path) as container:
        return _film(container, path)


def pictures(path: Path) -> Iterator[Picture]:
    """The pictures of a film in the order in which they are shown."""
    with _opened(path) as container:
        _film(container, path)
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        zero = last = None
        number = 0
        for frame in container.decode(stream):
            if frame.pts is None:
                raise _absurd(path, "a picture has none")
            at = round(frame.pts * frame.time_base * 1_000_000)
            zero = at if zero is None else zero
            if last is not None and not 0 < at - last <= MAX_STEP_US:
                raise _absurd(path, f"picture {number} is shown {(at - last) / 1e6:.3f} s after the one before")
            if at - zero > MAX_FILM_US:
                raise _absurd(path, f"it lasts over {MAX_FILM_US // 3_600_000_000} hours")
            last = at
            yield Picture(number, at - zero, frame.to_ndarray(format="bgr24"))
            number += 1
        if not number:
            raise Malformed(f"{path.name} holds no pictures", code="not-video", mend="name a film")


def _absurd(path: Path, what: str) -> Refused:
    return Malformed(f"{path.name} has absurd time stamps: {what}", code="time-stamps", mend="take the clip as cut")


class Writer:
    """Writes H.264 that browsers play; ``fragmented``: as recordings are, a group of pictures at a time."""

    def __init__(self, path: Path, width: int, height: int, *, fragmented: bool = False) -> None:
        """Pictures of this size; H.264 wants even numbers, so an odd last row or column is left out."""
        self._size = (width & ~1, height & ~1)
        flags = "frag_keyframe+empty_moov+default_base_moof+skip_trailer" if fragmented else "faststart"
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": flags})
        self._stream: Any = self._container.add_stream("libx264", rate=25)
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        self._stream.time_base = self._stream.codec_context.time_base = _TICK
        # Picture times come from the film; what is not needed to show it is not written.
        options = {"preset": "veryfast", "crf": "21", "bf": "0", "force-cfr": "0"}
        self._stream.codec_context.gop_size = 250
        self._stream.codec_context.options = options | {"x264-params": "scenecut=0"}
        self._last, self._key = -1, -_EACH

    def write(self, pixels: Pixels, at_us: int) -> None:
        """The next picture."""
        width, height = self._size
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), format="bgr24")
        frame.pts = max(self._last + 1, at_us * _TICK.denominator // 1_000_000)
        frame.time_base = _TICK
        # A key picture each second: whoever serves the film serves whole seconds.
        if frame.pts - self._key >= _EACH:
            frame.pict_type, self._key = PictureType.I, frame.pts
        self._last = frame.pts
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Write what is left."""
        self._container.mux(self._stream.encode(None))
        self._container.close()


@contextmanager
def written(path: Path, width: int, height: int, *, fragmented: bool = False) -> Iterator[Writer]:
    """A film at ``path``, whole or not at all."""
    aside = path.with_name(f".{path.name}.part")
    try:
        writer = Writer(aside, width, height, fragmented=fragmented)
        yield writer
        writer.close()
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
