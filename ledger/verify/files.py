"""The folder of an exported log: exactly the files that a tree of the signed size has, and not one more.

    checkpoint                the signed head (C2SP tlog-checkpoint)
    policy                    may be missing; a convenience, never an authority
    tile/<L>/<N>[.p/<W>]      hash tiles, of exactly the width at that size
    tile/entries/<N>[.p/<W>]  entry bundles, likewise

A link, a device and a wider or narrower tile are named as what they are. Folders that hold nothing are passed over.
The folder may be hostile: nothing is followed, and nothing is read beyond what it may hold.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.errors import Malformed, Unavailable
from ledger.tree.note import MAX_NOTE_BYTES
from ledger.tree.policy import MAX_POLICY_BYTES
from ledger.tree.tiles import (
    HASH_BYTES,
    MAX_ENTRY_BYTES,
    MAX_LEVEL,
    TILE_WIDTH,
    Bundle,
    Tile,
    bundles_for,
    parse_path,
    tile_width,
    tiles_for,
)

CHECKPOINT: Final = "checkpoint"
POLICY: Final = "policy"
# tile/entries, six groups of three digits, the last with its .p: no name of a tile lies deeper.
_MAX_DEPTH: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is wrong first. ``where``: the entry's index or the file's name; ``code`` is a key of ``WORDS``."""

    where: int | str
    code: str
    detail: str = ""


class BadLogError(Exception):
    """Stops the reading of a log that is not what it must be; never leaves ``ledger.verify``."""

    def __init__(self, where: int | str, code: str, detail: str = "") -> None:
        super().__init__(where, code, detail)
        self.fault = Fault(where=where, code=code, detail=detail)


def read(folder: Path, name: str) -> bytes:
    """The bytes of one file of the log; more than it may have are not read."""
    limit = {CHECKPOINT: MAX_NOTE_BYTES, POLICY: MAX_POLICY_BYTES}.get(name)
    if limit is None:
        part = parse_path(name)
        limit = part.width * (HASH_BYTES if isinstance(part, Tile) else 2 + MAX_ENTRY_BYTES)
    try:
        # A link put there since the listing is refused, a pipe does not make us wait.
        file = os.open(folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise BadLogError(name, "file-missing") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOTDIR):
            raise BadLogError(name, "file-kind") from None
        raise _unreadable(folder / name, error) from error
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise BadLogError(name, "file-kind")
        if found.st_size > limit:
            raise BadLogError(name, "file-size", f"more than {limit} bytes")
        with open(file, "rb", closefd=False) as stream:
            return stream.read(found.st_size)
    except OSError as error:
        raise _unreadable(folder / name, error) from error
    finally:
        os.close(file)


def check_listing(folder: Path, size: int) -> None:
    """Refuse a folder that does not hold exactly the files of a log of ``size`` entries."""
    tiles = bundles = 0
    for name in _walk(folder):
        if name in (CHECKPOINT, POLICY):
            continue
        try:
            part = parse_path(name)
        except Malformed:
            raise BadLogError(name, "file-extra") from None
        level = part.level if isinstance(part, Tile) else 0
        if part.width != tile_width(level, part.index, size):
            raise BadLogError(name, "file-extra", f"a log of {size} entries has no such tile")
        tiles += isinstance(part, Tile)
        bundles += isinstance(part, Bundle)
    levels = [-(-(size >> 8 * level) // TILE_WIDTH) for level in range(MAX_LEVEL + 1)]
    # Names are unique, and each was one that must be there: so equal counts mean that all are.
    if (tiles, bundles) != (sum(levels), levels[0]):
        wanted: tuple[Iterator[Tile | Bundle], ...] = (bundles_for(size), tiles_for(size))
        for part in (part for parts in wanted for part in parts):
            path = folder / part.path
            if not path.is_file():
                raise BadLogError(part.path, "file-kind" if os.path.lexists(path) else "file-missing")
        raise Unavailable(f"the folder {folder} changes while it is read", code="moving", mend="stop what writes to it")


def _walk(folder: Path) -> Iterator[str]:
    """The name of every plain file below ``folder``, from there, in order."""
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        try:
            with os.scandir(folder / prefix) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            raise _unreadable(folder / prefix, error) from error
        below = []
        for entry in entries:
            name = prefix + os.fsencode(entry.name).decode(errors="backslashreplace")
            if entry.is_dir(follow_symlinks=False):
                if not (prefix or entry.name == "tile") or prefix.count("/") > _MAX_DEPTH:
                    raise BadLogError(name, "file-extra")
                below.append(f"{prefix}{entry.name}/")
            elif entry.is_file(follow_symlinks=False):
                yield name
            else:
                raise BadLogError(name, "file-kind")
        waiting += reversed(below)


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be read: {error.strerror or error}", code="unreadable", mend="look at its rights and its disk"
    )
