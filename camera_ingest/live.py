"""One camera's pictures as they are recorded, for one viewer: a process of its own, which whoever serves pages starts.

    python -m camera_ingest.live --data DATA --camera ID [--mask x/y/w/h …]

It follows the segment that the recorder is writing, coded group by coded group, and writes to its standard output

    {"kind": "start", "mime": …, "bytes": n}⏎ and n bytes     the initialisation; again where a new one is needed
    {"kind": "group", "since_us": …, "until_us": …, "at_s": …, "bytes": n}⏎ and n bytes
    {"kind": "state", "state": "gap" | "silent", "cause": …}⏎    no pictures come, and why where the recorder said so
    {"kind": "end", "cause": …}⏎                                 there is nothing more to come

``since_us`` and ``until_us`` are the group's time by the recorder's clock, ``at_s`` where it stands in the film. A
group is there when the next one begins: who watches is as far behind as the camera's key pictures are apart, one or
two seconds with most, and as long as this takes.

Pictures that browsers play are passed on as they were coded. Where the camera has masks, or codes otherwise, they are
decoded, masked and coded anew here, so that nothing under a mask leaves this process. It reads the camera's folder and
nothing else, and ends with whoever started it.
"""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from struct import pack_into
from typing import Any, BinaryIO, Final

import orjson

from camera_ingest.folders import camera_named, footage
from camera_ingest.segments import Name, name_of
from ledger.errors import Malformed, MingjianError
from ledger.verify.fmp4 import Group, Init, read_group, read_init

_LOOK_S: Final = 0.04
_SCAN_S: Final = 0.2
_QUIET_S: Final = 2.0
_SILENT_S: Final = 5.0
_TELL_S: Final = 2.0
_AVC: Final = re.compile(rb"avcC\x01(...)", re.DOTALL)
_FLAGS: Final = "frag_keyframe+empty_moov+default_base_moof+skip_trailer"
# As quick as it goes: it is looked at once, now.
_CODING: Final = {"preset": "ultrafast", "tune": "zerolatency", "crf": "23", "bf": "0"}
_RATE: Final = 90_000
MAX_GROUP_BYTES: Final = 32 << 20


@dataclass(frozen=True, slots=True)
class Coded:
    """A coded group as it was recorded, the initialisation it needs, and its time."""

    init: Init
    raw: bytes
    group: Group
    name: Name

    @property
    def since_us(self) -> int:
        """When its first picture was recorded, by the recorder's clock."""
        return self.name.start_us + self.group.dts * 1_000_000 // self.init.scale

    @property
    def until_us(self) -> int:
        """When its last one ends."""
        return self.name.start_us + self.group.ends * 1_000_000 // self.init.scale


def follow(folder: Path, *, still: Callable[[], bool] = lambda: True) -> Iterator[Coded | dict[str, Any]]:
    """The coded groups of a camera as they come to be written, from now on; states in between, where none comes."""
    tail: _Tail | None = None
    heard = told = time.monotonic()
    skip = True
    while still():
        came = False
        # A file that is whole has another name. A folder of a day is long: it is looked through then, and only then.
        over = tail is None or not tail.path.exists()
        for one in tail.more() if tail is not None else ():
            came, skip = True, False
            yield one
        if over:
            found = _writing(folder)
            if found is not None:
                if tail is not None:
                    tail.close()
                tail = _Tail(found, skip=skip)
                continue
        now = time.monotonic()
        if came:
            heard = now
            continue
        if now - heard > _QUIET_S and now - told > _TELL_S:
            told, state = now, _state(folder)
            # Where the recorder knows of no gap, the next group may just be long.
            if state["state"] != "silent" or now - heard > _SILENT_S:
                yield state
        time.sleep(_SCAN_S if over else _LOOK_S)


def _writing(folder: Path) -> Path | None:
    """The file that the recorder writes; the newest, where one died over another."""
    days = sorted(folder.glob("????-??-??"))[-2:]
    found = [
        (name.start_us, path) for day in days for path in day.glob("*.part") if (name := name_of(path)) is not None
    ]
    return max(found)[1] if found else None


def _state(folder: Path) -> dict[str, Any]:
    try:
        seen = orjson.loads((folder / "seen.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        seen = {}
    state = seen.get("state", "never")
    return {"kind": "state", "state": "silent" if state == "recording" else state, "cause": seen.get("cause")}


class _Tail:
    """A file that grows, read a group at a time. ``skip``: begin with its last whole group."""

    def __init__(self, path: Path, *, skip: bool) -> None:
        name = name_of(path)
        assert name is not None
        self.path, self._name, self._skip = path, name, skip
        self._file: BinaryIO | None = None
        self._pending = bytearray()
        self._init: Init | None = None

    def more(self) -> Iterator[Coded]:
        """The groups that are whole now and were not before."""
        if self._file is None:
            try:
                self._file = self.path.open("rb")
            except FileNotFoundError:
                return  # it was whole before we came
        while data := self._file.read(1 << 20):
            self._pending += data
            if len(self._pending) > MAX_GROUP_BYTES:
                raise Malformed("a coded group is too long to be shown live", code="group-size")
        if self._init is None:
            try:
                self._init = read_init(bytes(self._pending))
            except Malformed:
                return
            del self._pending[: len(self._init.raw)]
        found = []
        while (group := read_group(self._pending, 0)) is not None:
            found.append(Coded(self._init, bytes(self._pending[: group.end]), group, self._name))
            del self._pending[: group.end]
        # Whoever comes in sees what is new: the seconds before are no live picture.
        yield from found[-1:] if self._skip else found
        self._skip = self._skip and not found

    def close(self) -> None:
        """It is read no more."""
        if self._file is not None:
            self._file.close()


class Line:
    """Groups of one file after another on one line of time; a gap takes none, for nobody waits for it."""

    def __init__(self) -> None:
        self._at = Fraction(0)
        self._last: tuple[str, Fraction] | None = None  # run, and its seconds at the line's end

    def place(self, coded: Coded) -> Fraction:
        """Where a group begins, in seconds."""
        begins = coded.name.since + Fraction(coded.group.dts, coded.init.scale)
        if self._last is not None and self._last[0] == coded.name.run:
            self._at += max(Fraction(0), begins - self._last[1])
        at = self._at
        length = Fraction(coded.group.ends - coded.group.dts, coded.init.scale)
        self._at += length
        self._last = (coded.name.run, begins + length)
        return at


def mask(coded: Coded, masks: Sequence[str]) -> Coded:
    """A group decoded, masked and coded anew as H.264: nothing that lies under a mask is in it."""
    import av

    from camera_ingest.masks import black_out, masks_of

    out, boxes, first = io.BytesIO(), masks_of(masks), None
    recorded: Any = av.open(io.BytesIO(coded.init.raw + coded.raw), format="mp4")
    with (
        recorded as source,
        av.open(out, "w", format="mp4", options={"movflags": _FLAGS, "use_editlist": "0"}) as container,
    ):
        stream: Any = container.add_stream("libx264", rate=25, options=_CODING)
        stream.pix_fmt, stream.codec_context.gop_size = "yuv420p", 10_000
        stream.time_base = stream.codec_context.time_base = Fraction(1, _RATE)
        for frame in source.decode(video=0):
            seconds = Fraction(frame.pts or 0) * frame.time_base
            if first is None:
                first = seconds
                stream.width, stream.height = frame.width & ~1, frame.height & ~1
            pixels = frame.to_ndarray(format="bgr24")
            black_out(pixels, boxes)
            made = av.VideoFrame.from_ndarray(pixels[: stream.height, : stream.width].copy(), format="bgr24")
            made.pts, made.time_base = round((seconds - first) * _RATE), Fraction(1, _RATE)
            container.mux(stream.encode(made))
        container.mux(stream.encode(None))
    raw = out.getvalue()
    init = read_init(raw)
    group = read_group(raw, len(init.raw))
    if group is None:
        raise Malformed("a coded group could not be decoded", code="not_video")
    body = raw[group.start : group.end]
    moved = read_group(body, 0)
    assert moved is not None
    return Coded(init, body, moved, coded.name)


def send(out: BinaryIO, header: dict[str, Any], body: bytes = b"") -> None:
    """Write one piece."""
    if body:
        header = {**header, "bytes": len(body)}
    out.write(orjson.dumps(header) + b"\n" + body)
    out.flush()


def show(folder: Path, masks: Sequence[str], out: BinaryIO, *, still: Callable[[], bool] = lambda: True) -> None:
    """Follow a camera and write what comes, masked, until ``still`` says no."""
    line, began = Line(), None
    for one in follow(folder, still=still):
        if isinstance(one, dict):
            send(out, one)
            continue
        at = line.place(one)
        shown = one if not masks and one.init.codec == "avc1" else mask(one, masks)
        if shown.init.raw != began:
            began = shown.init.raw
            send(out, {"kind": "start", "mime": _mime(began)}, began)
        body = bytearray(shown.raw)
        pack_into(">Q", body, shown.group.time_at, round(at * shown.init.scale))
        times = {"since_us": one.since_us, "until_us": one.until_us, "at_s": float(at)}
        send(out, {"kind": "group", **times}, bytes(body))


def _mime(init: bytes) -> str:
    found = _AVC.search(init)
    if found is None:
        raise Malformed("its initialisation names no profile", code="codec")
    return f'video/mp4; codecs="avc1.{found[1].hex()}"'


def main() -> int:
    """Show until told to stop, or until whoever started this is gone."""
    parser = argparse.ArgumentParser(prog="camera_ingest.live")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--camera", required=True)
    parser.add_argument("--mask", action="append", default=[])
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    parent, out = os.getppid(), sys.stdout.buffer
    try:
        camera = camera_named(options.data, options.camera)
        folder = footage(options.data) / camera.recorder.removeprefix("recorder/") / camera.id
        show(folder, options.mask, out, still=lambda: os.getppid() == parent)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), out.fileno())
    except MingjianError as error:
        send(out, {"kind": "end", "cause": error.code})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
