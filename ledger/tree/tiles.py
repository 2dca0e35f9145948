"""C2SP tlog-tiles: which files a tree of a given size has, what they are called, what is in them.

    tile/<L>/<N>[.p/<W>]        W hashes of 32 bytes; hash i is the root of 256**L leaves
    tile/entries/<N>[.p/<W>]    W entries, each a big-endian uint16 length and that many bytes

N is written in groups of three digits, all but the last with an ``x``: 1234067 is ``x001/x234/067``.
A tile of all 256 hashes has no ``.p/<W>``. So a tree of 70,000 leaves has the full tiles ``tile/0/000`` to
``tile/0/272`` and ``tile/1/000``, and the partial ``tile/0/273.p/112``, ``tile/1/001.p/17``, ``tile/2/000.p/1``.

A path has one spelling: everything else is refused, so that a cache, a mirror and a file system never hold
two answers to one question. Fetching, storing and caching are left to the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ledger.errors import Malformed

HASH_BYTES = 32
TILE_WIDTH = 256
"""Hashes in a full tile: 2**8, fixed by the specification."""
MAX_SIZE = 2**63 - 1
"""Go's and Java's implementations count leaves in a signed 64-bit integer."""
MAX_LEVEL = 63
MAX_ENTRY_BYTES = 65_535
MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)

_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Tile:
    """``width`` consecutive hashes of one tile level, beginning at ``index * 256``."""

    level: int
    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Refuse coordinates that no tree can have."""
        if not 0 <= self.level <= MAX_LEVEL:
            raise Malformed(f"There is no tile level {self.level}: levels are 0 to {MAX_LEVEL}.")
        _check_coordinates(self.index, self.width)

    @property
    def path(self) -> str:
        """The file's name below the log's prefix."""
        return f"tile/{self.level}/{_number(self.index)}{_suffix(self.width)}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """``width`` consecutive entries, beginning at ``index * 256``."""

    index: int
    width: int = TILE_WIDTH

    def __post_init__(self) -> None:
        """Refuse coordinates that no tree can have."""
        _check_coordinates(self.index, self.width)

    @property
    def path(self) -> str:
        """The file's name below the log's prefix."""
        return f"tile/entries/{_number(self.index)}{_suffix(self.width)}"


def parse_path(path: str) -> Tile | Bundle:
    """Read what ``.path`` writes, and nothing else."""
    found = _PATH.fullmatch(path)
    if found is not None:
        level, number, width_text = found.groups()
        index = int(number.replace("x", "").replace("/", ""))
        width = int(width_text) if width_text else TILE_WIDTH
        parsed = Bundle(index, width) if level == "entries" else Tile(int(level), index, width)
        # Leading x000 groups and .p/256 read well but are second spellings.
        if parsed.path == path:
            return parsed
    raise Malformed(
        f"{path[:80]!r} is not the name of a tile.",
        mend="Write tile/<level>/<number>[.p/<width>] or tile/entries/<number>[.p/<width>].",
    )


def tile_width(level: int, index: int, size: int) -> int:
    """How many hashes the tile holds in a tree of ``size`` leaves: 0 (no such tile) to 256."""
    return max(0, min(TILE_WIDTH, (size >> 8 * level) - index * TILE_WIDTH))


def tiles_for(size: int, *, since: int = 0) -> Iterator[Tile]:
    """Every hash tile of a tree of ``size`` leaves, lowest level first, the partial one last in each level.

    With ``since``, only those that a tree of ``since`` leaves did not have, or had narrower: what an export
    must write when the tree has grown.
    """
    check_size(size)
    if not 0 <= since <= size:
        raise Malformed(f"A tree of {size} leaves has not grown from {since}.")
    for level in range(MAX_LEVEL + 1):
        count = size >> 8 * level
        if count == 0:
            return
        before = since >> 8 * level
        if count == before:
            continue
        for index in range(before // TILE_WIDTH, -(-count // TILE_WIDTH)):
            yield Tile(level, index, tile_width(level, index, size))


def bundles_for(size: int, *, since: int = 0) -> Iterator[Bundle]:
    """Every entry bundle of a tree of ``size`` leaves; ``since`` as in :func:`tiles_for`."""
    for tile in tiles_for(size, since=since):
        if tile.level > 0:
            return
        yield Bundle(tile.index, tile.width)


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """1 to 256 entries as the bytes of one bundle."""
    if not 1 <= len(entries) <= TILE_WIDTH:
        raise Malformed(f"A bundle holds 1 to {TILE_WIDTH} entries, not {len(entries)}.")
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise Malformed(
                f"An entry has at most {MAX_ENTRY_BYTES} bytes; this one has {len(entry)}.",
                mend="Keep large content as a blob and record its digest.",
            )
        parts += (len(entry).to_bytes(2), entry)
    return b"".join(parts)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """Exactly ``width`` entries, and not a byte more."""
    if len(data) > MAX_BUNDLE_BYTES:
        raise Malformed(f"A bundle has at most {MAX_BUNDLE_BYTES} bytes; this one has {len(data)}.")
    _check_coordinates(0, width)
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < width:
        start = at + 2
        at = start + int.from_bytes(data[at:start])
        # A cut length prefix or a cut entry both leave `at` behind the end.
        entries.append(data[start:at])
    if at != len(data) or len(entries) != width:
        raise Malformed(f"The bundle does not hold exactly {width} whole entries.")
    return entries


def decode_tile(data: bytes, width: int) -> list[bytes]:
    """Exactly ``width`` hashes."""
    _check_coordinates(0, width)
    if len(data) != width * HASH_BYTES:
        raise Malformed(f"A tile of {width} hashes has {width * HASH_BYTES} bytes; this one has {len(data)}.")
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def check_size(size: int) -> None:
    """Refuse a number of leaves that no tree has."""
    if not 0 <= size <= MAX_SIZE:
        raise Malformed("A tree has 0 to 2**63 - 1 leaves.")


def _check_coordinates(index: int, width: int) -> None:
    if not 0 <= index <= MAX_SIZE // TILE_WIDTH:
        raise Malformed("There is no tile of that number: a tree has less than 2**63 leaves.")
    if not 1 <= width <= TILE_WIDTH:
        raise Malformed(f"A tile is 1 to {TILE_WIDTH} wide, not {width}.")


def _number(index: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])


def _suffix(width: int) -> str:
    return "" if width == TILE_WIDTH else f".p/{width}"
