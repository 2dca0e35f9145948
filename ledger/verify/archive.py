"""A zip archive with one spelling: named members one after the other, stored, and not a byte beside them.

    for each member:  local header, 30 bytes and the name    time 00:00:00 and date 1980-01-01, no flags, no extra field
                      its bytes, as they are                  method 0: nothing is compressed
    central directory, and its end: 22 bytes, no comment      the same facts again, in the same order

Any zip tool reads it. Promise: ``Archive`` accepts just the bytes that ``write_archive`` writes for the members that
its caller allows, in their order: whatever else a zip can say (compression, folders, other names or the same one twice,
sizes that lie, bytes before, between or behind) is Malformed. What it reads is bounded by what the caller asks for.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, Self

from ledger.errors import Malformed, Unavailable

MAX_BYTES: Final = (1 << 32) - 1 - (1 << 20)
"""Of one member, and of the file: what a zip without extensions can hold."""
CHUNK: Final = 1 << 20
_MAX_NAME: Final = 64
_VERSION: Final = 10
_DATE: Final = 0x21
_LOCAL: Final = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END: Final = struct.Struct("<4sHHHHIIH")


@dataclass(frozen=True, slots=True)
class Member:
    """A member where it lies: ``offset`` of its first byte in the file."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def header(self) -> bytes:
        """Its local header."""
        name = self.name.encode("ascii")
        size = self.size
        return _LOCAL.pack(b"PK\3\4", _VERSION, 0, 0, 0, _DATE, self.crc, size, size, len(name), 0) + name

    @property
    def entry(self) -> bytes:
        """Its place in the central directory."""
        name, size = self.name.encode("ascii"), self.size
        start = self.offset - _LOCAL.size - len(name)
        fixed = (b"PK\1\2", _VERSION, _VERSION, 0, 0, 0, _DATE, self.crc, size, size, len(name), 0, 0, 0, 0, 0, start)
        return _CENTRAL.pack(*fixed) + name


def _tail(members: Sequence[Member]) -> bytes:
    directory = b"".join(member.entry for member in members)
    start = members[-1].offset + members[-1].size if members else 0
    return directory + _END.pack(b"PK\5\6", 0, 0, len(members), len(members), len(directory), start, 0)


def write_archive(file: IO[bytes], parts: Mapping[str, IO[bytes]]) -> None:
    """Write ``parts`` in their order; each is read twice, from its start to its end."""
    members: list[Member] = []
    at = 0
    for name, part in parts.items():
        part.seek(0)
        crc = size = 0
        while chunk := part.read(CHUNK):
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
        member = Member(name, size, crc, at + _LOCAL.size + len(name))
        at = member.offset + size
        if at > MAX_BYTES:
            raise Malformed(
                "what is to be written has more than 4 GB",
                code="bundle-size",
                mend="mingjian export log writes a folder",
            )
        file.write(member.header)
        part.seek(0)
        while chunk := part.read(CHUNK):
            file.write(chunk)
        members.append(member)
    file.write(_tail(members))


class Archive:
    """An archive opened for reading; close it, or use it in ``with``."""

    def __init__(self, path: Path, *, allowed: Sequence[str]) -> None:
        """Malformed unless the file is one with members of ``allowed``, in that order. Contents are not read yet."""
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise _unreadable(path, error) from error
        try:
            found = os.fstat(self._file)
            if not stat.S_ISREG(found.st_mode):
                raise Malformed("it is not a plain file", code="archive")
            if not _END.size <= found.st_size <= MAX_BYTES + (1 << 20):
                raise Malformed("it is too short, or too long, to be a bundle", code="archive")
            self.members = self._open(found.st_size, allowed)
        except OSError as error:
            os.close(self._file)
            raise _unreadable(path, error) from error
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    def _open(self, size: int, allowed: Sequence[str]) -> dict[str, Member]:
        sign, _, _, _, count, length, start, _ = _END.unpack(self._at(size - _END.size, _END.size))
        if sign != b"PK\5\6" or count > len(allowed) or length > len(allowed) * (_CENTRAL.size + _MAX_NAME):
            raise Malformed("it does not end as a bundle does", code="archive")
        if start + length + _END.size != size:
            raise Malformed("bytes lie beside its members", code="archive")
        directory = self._at(start, length)
        members: list[Member] = []
        at = place = 0
        for _ in range(count):
            if place + _CENTRAL.size > len(directory):
                raise Malformed("its directory is cut off", code="archive")
            fields = _CENTRAL.unpack_from(directory, place)
            crc, bytes_, name_length = fields[7], fields[9], fields[10]
            raw = directory[place + _CENTRAL.size :][:name_length]
            name = raw.decode("ascii", errors="backslashreplace")
            if name not in allowed:
                raise Malformed(f"no bundle has a member {name!r:.80}", code="archive")
            member = Member(name, bytes_, crc, at + _LOCAL.size + len(raw))
            at = member.offset + bytes_
            place += _CENTRAL.size + len(raw)
            if at > start or self._at(member.offset - len(member.header), len(member.header)) != member.header:
                raise Malformed(f"the member {name} does not lie where it should", code="archive")
            members.append(member)
        names = [member.name for member in members]
        if names != [name for name in allowed if name in names]:
            raise Malformed("its members are not in their order, or one is there twice", code="archive")
        if directory + self._at(size - _END.size, _END.size) != _tail(members) or at != start:
            raise Malformed("its directory says other than its members", code="archive")
        return {member.name: member for member in members}

    def read(self, name: str, limit: int) -> bytes:
        """A whole member of at most ``limit`` bytes."""
        member = self.members[name]
        if member.size > limit:
            raise Malformed(f"{name} has {member.size} bytes, more than {limit}", code="member-size")
        return self._at(member.offset, member.size)

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member in pieces of at most ``CHUNK`` bytes; Malformed at its end when it is not what its CRC says."""
        member = self.members[name]
        crc = 0
        for at in range(member.offset, member.offset + member.size, CHUNK):
            chunk = self._at(at, min(CHUNK, member.offset + member.size - at))
            crc = zlib.crc32(chunk, crc)
            yield chunk
        if crc != member.crc:
            raise Malformed(f"{name} is not what its checksum says", code="archive")

    def reader(self, name: str) -> Reader:
        """A member, to be read from its start."""
        return Reader(self._at, self.members[name])

    def _at(self, offset: int, length: int) -> bytes:
        parts = []
        while length:
            part = os.pread(self._file, length, offset)
            if not part:
                raise Malformed("the file is cut off", code="archive")
            parts.append(part)
            offset, length = offset + len(part), length - len(part)
        return b"".join(parts)


class Reader:
    """Reads a member forwards, in the pieces that it is asked for, of at most ``CHUNK`` bytes each."""

    def __init__(self, read_at: Callable[[int, int], bytes], member: Member) -> None:
        self._read_at = read_at
        self._member = member
        self._buffer = b""
        self._taken = 0  # of the buffer
        self._at = member.offset

    @property
    def left(self) -> int:
        """Bytes that were not taken yet."""
        return self._member.offset + self._member.size - self._at + len(self._buffer) - self._taken

    def take(self, length: int) -> bytes:
        """The next ``length`` bytes; Malformed where the member ends before."""
        if length > self.left:
            raise Malformed(f"{self._member.name} ends in the middle of something", code="member")
        while len(self._buffer) - self._taken < length:
            more = min(CHUNK, self._member.offset + self._member.size - self._at)
            self._buffer = self._buffer[self._taken :] + self._read_at(self._at, more)
            self._taken, self._at = 0, self._at + more
        self._taken += length
        return self._buffer[self._taken - length : self._taken]

    def line(self, limit: int) -> bytes:
        """The next line without its end, of at most ``limit`` bytes; the last one ends with a line end too."""
        end = self._buffer.find(b"\n", self._taken)
        while end < 0:
            more = min(CHUNK, self._member.offset + self._member.size - self._at)
            if not more or len(self._buffer) - self._taken > limit:
                raise Malformed(f"{self._member.name} has a line that is too long or does not end", code="member")
            self._buffer = self._buffer[self._taken :] + self._read_at(self._at, more)
            self._taken, self._at = 0, self._at + more
            end = self._buffer.find(b"\n")
        if end - self._taken > limit:
            raise Malformed(f"{self._member.name} has a line of more than {limit} bytes", code="member")
        found = self._buffer[self._taken : end]
        self._taken = end + 1
        return found


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be read: {error.strerror or error}", code="unreadable", mend="look at its name and its rights"
    )
