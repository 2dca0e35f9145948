"""Fragmented MP4 as our recorders write it, read so strictly that nothing in a file stays unread.

    ftyp moov                       the initialisation: codec parameters, picture size, time scale; one track
    (moof mdat)*                    a coded group each: a keyframe and what is decoded after it

    moof = mfhd traf    traf = tfhd tfdt trun    (ISO/IEC 14496-12 §8.8)

Promise: whoever plays the file can be shown no picture, and no time of a picture, that is not in the packets returned
here. What a player might read otherwise (a second track, another base, samples outside of ``mdat``) is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import repeat
from struct import Struct, error, unpack_from
from typing import Final

from ledger.errors import Malformed

Bytes = bytes | bytearray | memoryview

_BOX: Final = Struct(">I4s")
# tfhd: default-base-is-moof must be there; defaults for duration, size and flags may be.
_TFHD_MUST, _TFHD_MAY = 0x020000, 0x020038
_DATA_OFFSET, _FIRST_FLAGS, _DURATION, _SIZE, _FLAGS, _COMPOSITION = 0x1, 0x4, 0x100, 0x200, 0x400, 0x800
_TRUN_MAY: Final = _DATA_OFFSET | _FIRST_FLAGS | _DURATION | _SIZE | _FLAGS | _COMPOSITION
_NOT_KEY: Final = 0x10000
MAX_INIT_BYTES: Final = 1 << 20
MAX_MOOF_BYTES: Final = 1 << 22


@dataclass(frozen=True, slots=True)
class Init:
    """The initialisation of a file: its bytes, ticks per second, and what it says is shown."""

    raw: bytes
    scale: int
    codec: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Packet:
    """One coded picture: its times in ticks, whether it is a keyframe, and the SHA-256 of its bytes."""

    pts: int
    dts: int
    key: bool
    size: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """One coded group: its packets, where it lies in the file, and where its decode time (8 bytes) stands."""

    packets: tuple[Packet, ...]
    start: int
    end: int
    time_at: int
    ends: int  # ticks: the last packet's dts and its duration

    @property
    def dts(self) -> int:
        """When its first packet is decoded."""
        return self.packets[0].dts


def read_init(data: Bytes) -> Init:
    """The initialisation at the beginning of a file."""
    view = memoryview(data)
    try:
        ftyp, moov = _box(view, 0, b"ftyp"), None
        moov = _box(view, ftyp, b"moov")
        if moov > MAX_INIT_BYTES:
            raise _bad("its initialisation is too long")
        inside = view[ftyp + 8 : moov]
        mdia = _only(_only(inside, b"trak"), b"mdia")
        head = _only(mdia, b"mdhd")
        (scale,) = unpack_from(">I", head, 20 if head[0] == 1 else 12)
        entry = _only(_only(_only(mdia, b"minf"), b"stbl"), b"stsd")
        codec = bytes(entry[12:16]).decode("ascii")
        width, height = unpack_from(">HH", entry, 40)
    except (error, IndexError, UnicodeDecodeError) as cut:
        raise _bad("its initialisation is cut off or broken") from cut
    if not scale:
        raise _bad("it has no time scale")
    return Init(bytes(view[:moov]), scale, codec, width, height)


def read_groups(data: Bytes, at: int) -> Iterator[Group]:
    """The coded groups from offset ``at`` to the end, which must be the end of one."""
    while at < len(data):
        group = read_group(data, at)
        if group is None:
            raise _bad("it ends within a group")
        yield group
        at = group.end


def read_group(data: Bytes, at: int) -> Group | None:
    """The coded group at offset ``at``; None as long as its bytes are not all there."""
    view = memoryview(data)
    moof = _there(view, at, b"moof")
    if moof is None or moof - at > MAX_MOOF_BYTES:
        return None
    end = _there(view, moof, b"mdat")
    if end is None:
        return None
    try:
        return _group(view, at, moof, end)
    except (error, IndexError) as cut:
        raise _bad("a group's header is broken") from cut


def _group(view: memoryview, at: int, moof: int, end: int) -> Group:
    mfhd = _box(view, at + 8, b"mfhd")
    traf = _box(view, mfhd, b"traf")
    tfhd = _box(view, mfhd + 8, b"tfhd")
    tfdt = _box(view, tfhd, b"tfdt")
    trun = _box(view, tfdt, b"trun")
    if unpack_from(">I", view, at + 16)[0] or mfhd - at != 24 or traf != moof or trun != traf or tfdt - tfhd != 20:
        raise _bad("a group's header holds what it must not")
    flags, track = unpack_from(">II", view, mfhd + 16)
    if flags & _TFHD_MUST != _TFHD_MUST or flags & ~_TFHD_MAY or track != 1:
        raise _bad("a group is not of the one track")
    given = [bit for bit in (0x8, 0x10, 0x20) if flags & bit]
    if tfhd - (mfhd + 8) != 16 + 4 * len(given):
        raise _bad("a group's defaults have another length")
    defaults = dict(zip(given, unpack_from(f">{len(given)}I", view, mfhd + 24), strict=True))
    version, dts = unpack_from(">IQ", view, tfhd + 8)
    if version != 0x01000000:
        raise _bad("a group's time has 64 bits")
    return _packets(view, at, moof, end, tfdt, dts, defaults, tfhd + 12)


def _packets(
    view: memoryview, at: int, moof: int, end: int, tfdt: int, dts: int, defaults: dict[int, int], time_at: int
) -> Group:
    flags, count, offset = unpack_from(">IIi", view, tfdt + 8)
    version, flags = flags >> 24, flags & 0xFFFFFF
    if flags & ~_TRUN_MAY or not flags & _DATA_OFFSET or version > 1 or not count:
        raise _bad("a group's list of packets is of another form")
    if offset != moof + 8 - at:
        raise _bad("a group's packets lie elsewhere")
    row = tfdt + 20
    first_flags = None
    if flags & _FIRST_FLAGS:
        (first_flags,) = unpack_from(">I", view, row)
        row += 4
    fields = [bit for bit in (_DURATION, _SIZE, _FLAGS, _COMPOSITION) if flags & bit]
    if moof - row != 4 * len(fields) * count:
        raise _bad("a group's list of packets has another length")
    form = Struct(">" + "".join("i" if bit == _COMPOSITION and version else "I" for bit in fields))
    base = {_DURATION: defaults.get(0x8), _SIZE: defaults.get(0x10), _FLAGS: defaults.get(0x20), _COMPOSITION: 0}
    columns = dict(zip(fields, zip(*form.iter_unpack(view[row:moof]), strict=True), strict=True)) if fields else {}
    said = (columns.get(bit) or repeat(base[bit], count) for bit in (_DURATION, _SIZE, _FLAGS, _COMPOSITION))
    packets, data = [], moof + 8
    for number, (duration, size, sample, shift) in enumerate(zip(*said, strict=True)):
        if number == 0 and first_flags is not None:
            sample = first_flags
        if duration is None or size is None or sample is None or shift is None or data + size > end:
            raise _bad("a packet's length, time or flags are missing")
        key = not sample & _NOT_KEY
        if key is not (number == 0):
            raise _bad("a group is a keyframe and what follows it")
        packets.append(Packet(dts + shift, dts, key, size, sha256(view[data : data + size]).digest()))
        data, dts = data + size, dts + duration
    if data != end:
        raise _bad("bytes lie beside a group's packets")
    return Group(tuple(packets), at, end, time_at, dts)


def _there(view: memoryview, at: int, name: bytes) -> int | None:
    """Where the box at ``at`` ends, if all of it is there."""
    if len(view) - at < _BOX.size:
        return None
    end = _box(view, at, name, whole=False)
    return end if end <= len(view) else None


def _box(view: memoryview, at: int, name: bytes, *, whole: bool = True) -> int:
    """Where the box of that name at ``at`` ends."""
    size, found = _BOX.unpack_from(view, at)
    if found != name:
        raise _bad(f"{name.decode()} is expected at byte {at}, not {found!r}")
    if size < _BOX.size or (whole and at + size > len(view)):
        raise _bad(f"the box {name.decode()} at byte {at} has a length of {size}")
    return at + int(size)


def _only(view: memoryview, name: bytes) -> memoryview:
    """What the one box of that name holds."""
    at, found = 0, []
    while at < len(view):
        size, kind = _BOX.unpack_from(view, at)
        if size < _BOX.size or at + size > len(view):
            raise _bad(f"a box in front of {name.decode()} is broken")
        if kind == name:
            found.append(view[at + 8 : at + size])
        at += size
    if len(found) != 1:
        raise _bad(f"it has {len(found)} boxes {name.decode()}")
    return found[0]


def _bad(what: str) -> Malformed:
    return Malformed(f"the file is not a recording of ours: {what}", code="footage", mend="take the file as it was cut")
