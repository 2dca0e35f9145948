"""One segment: packets in, a file whose every coded group is hashed and on the disk before the next begins.

    RUN-SEQ-START-N-D.part   being written; START in µs since 1970, N/D the seconds from its run's first packet
    RUN-SEQ.mp4              whole, with a line in the journal

The muxer hands over a coded group when the next keyframe comes, as one piece of bytes, and never goes back: what is
written once stays as it was hashed. Killed at any moment, the file holds whole groups and at most the beginning of
one, which ``recover`` cuts off.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.errors import Malformed, Unavailable
from ledger.files import flush_folder
from ledger.statement import instant_text
from ledger.tree.merkle import root_of
from ledger.verify.clip import group_leaf, init_leaf
from ledger.verify.fmp4 import Group, Init, read_group, read_init

_PART: Final = re.compile(
    r"(?P<run>[0-9T.Z]+)-(?P<seq>[0-9]{6})-(?P<start>[0-9]+)-(?P<n>[0-9]+)-(?P<d>[0-9]+)\.part", re.ASCII
)
_BUFFER_BYTES: Final = 1 << 20
"""A second of most cameras: each group is one call of ours and of the system's, not one for each 32 KiB."""
_FLAGS: Final = "frag_keyframe+empty_moov+default_base_moof+skip_trailer"
CODECS: Final = frozenset({"h264", "hevc", "av1", "mpeg4", "mjpeg"})


class Name(NamedTuple):
    """What the name of a segment's file says."""

    run: str
    seq: int
    start_us: int
    since: Fraction

    @property
    def part(self) -> str:
        """The name while it is written."""
        return f"{self.run}-{self.seq:06d}-{self.start_us}-{self.since.numerator}-{self.since.denominator}.part"

    @property
    def whole(self) -> str:
        """The name when it is sealed."""
        return f"{self.run}-{self.seq:06d}.mp4"


def name_of(path: Path) -> Name | None:
    """The name of a file being written; None for other files."""
    found = _PART.fullmatch(path.name)
    return (
        None
        if found is None
        else Name(found["run"], int(found["seq"]), int(found["start"]), Fraction(int(found["n"]), int(found["d"])))
    )


@dataclass(slots=True)
class Hashed:
    """What is known of a segment's bytes so far. Feed it bytes in order; it finds the groups in them."""

    run: str
    seq: int
    init: Init | None = None
    size: int = 0
    packets: int = 0
    times: list[int] = field(default_factory=list)
    ends: int = 0
    leaves: list[bytes] = field(default_factory=list)
    spans: list[tuple[int, int]] = field(default_factory=list)  # of the groups, in the file
    headers: Any = field(default_factory=sha256)  # of all bytes outside of pictures
    pending: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes | memoryview) -> int:
        """Take in more bytes; how many groups are whole now that were not before."""
        self.pending += data
        before, at = len(self.leaves), 0
        if self.init is None:
            try:
                self.init = read_init(bytes(self.pending))
            except Malformed:
                return 0
            self.leaves.append(init_leaf(self.init, run=self.run, seq=self.seq))
            self.headers.update(self.init.raw)
            before, at = 1, len(self.init.raw)
        while (group := read_group(self.pending, at)) is not None:
            self._add(group, self.init.scale)
            at = group.end
        self.size += at
        del self.pending[:at]
        return len(self.leaves) - before

    def _add(self, group: Group, scale: int) -> None:
        number = len(self.leaves)
        self.leaves.append(group_leaf(group, run=self.run, seq=self.seq, number=number, scale=scale))
        self.times.append(group.dts)
        self.spans.append((self.size + group.start, self.size + group.end))
        self.packets += len(group.packets)
        # Each byte is hashed once: those of pictures for the group's leaf, all others here.
        pictures = sum(packet.size for packet in group.packets)
        self.headers.update(memoryview(self.pending)[group.start : group.end - pictures])
        self.ends = group.ends

    @property
    def groups(self) -> int:
        """How many whole groups."""
        return len(self.times)

    def us(self, ticks: int) -> int:
        """Ticks of the segment as µs."""
        assert self.init is not None
        return ticks * 1_000_000 // self.init.scale

    def says(self) -> dict[str, Any]:
        """The part of a segment's line that the bytes alone decide."""
        assert self.init is not None
        return {
            "bytes": self.size,
            "codec": self.init.codec,
            "groups": self.groups,
            "headers": self.headers.hexdigest(),
            "height": self.init.height,
            "packets": self.packets,
            "root": root_of(self.leaves).hex(),
            "scale": self.init.scale,
            "times": self.times,
            "width": self.init.width,
        }


class _Sink:
    """What the muxer writes to: the disk and the hash, and nothing that could go back."""

    def __init__(self, path: Path, hashed: Hashed) -> None:
        self.file = path.open("xb", buffering=0)
        self.hashed = hashed

    def write(self, data: bytes) -> int:
        # Nothing is counted as written that the disk has not taken: what fits on a full one is cut off later.
        write_all(self.file, data)
        if self.hashed.take(data):
            os.fdatasync(self.file.fileno())
        return len(data)


def write_all(file: FileIO, data: bytes) -> None:
    """Write all of it; an error of the system where there is no room."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


class SegmentWriter:
    """A segment being written."""

    def __init__(self, folder: Path, name: Name, stream: Any) -> None:
        import av  # here: who only reads and cuts waits for no library that records

        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self.name = folder, name
        self.hashed = Hashed(name.run, name.seq)
        self._sink = _Sink(folder / name.part, self.hashed)
        flush_folder(folder)
        self._container = av.open(
            self._sink,
            "w",
            format="mp4",
            options={"movflags": _FLAGS, "use_editlist": "0", "fflags": "+bitexact", "flush_packets": "1"},
            buffer_size=_BUFFER_BYTES,
        )
        self._stream = self._container.add_stream_from_template(stream)
        self._stream.time_base = stream.time_base

    def mux(self, packet: Any) -> None:
        """Write a packet, whose times count from the segment's first."""
        packet.stream = self._stream
        self._container.mux(packet)

    def close(self) -> Path:
        """End the file; it keeps its name until its line is written. What cannot be written any more is left out."""
        from av import FFmpegError

        with suppress(OSError, FFmpegError):
            self._container.close()
        self._sink.file.close()
        part = self.folder / self.name.part
        cut(part, self.hashed.size)
        return part


def cut(part: Path, size: int) -> None:
    """End a file that is not written to any more where its last whole group ends."""
    if part.stat().st_size != size:
        os.truncate(part, size)
    with part.open("rb") as file:
        os.fsync(file.fileno())


def settle(part: Path, name: Name) -> Path:
    """Give a file its name as a sealed segment; its line is in the journal."""
    whole = part.with_name(name.whole)
    part.rename(whole)
    flush_folder(part.parent)
    return whole


def hash_file(path: Path, *, run: str, seq: int) -> Hashed:
    """What the bytes of a segment's file say now."""
    hashed = Hashed(run, seq)
    try:
        with path.open("rb") as file:
            while data := file.read(1 << 22):
                hashed.take(data)
    except Malformed:
        pass  # as far as it can be read: what differs from its line, the line shows
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror or error}", code="unreadable") from error
    return hashed


def is_as_sealed(hashed: Hashed, path: Path, says: Mapping[str, Any]) -> bool:
    """Whether a file is byte for byte the one that its line speaks of."""
    if hashed.init is None or path.stat().st_size != says["bytes"]:
        return False
    return all(says[name] == value for name, value in hashed.says().items())


def segment_says(hashed: Hashed, name: Name, *, camera: str, start_us: int, reason: str, **more: Any) -> dict[str, Any]:
    """A segment's line, but for what every line has. ``base``: ticks of its first packet since its run began."""
    assert hashed.init is not None
    return {
        "base": int(name.since * hashed.init.scale),
        "camera": camera,
        "end": instant_text(start_us + hashed.us(hashed.ends)),
        "reason": reason,
        "run": hashed.run,
        "seq": hashed.seq,
        "start": instant_text(start_us),
        **hashed.says(),
        **more,
    }
