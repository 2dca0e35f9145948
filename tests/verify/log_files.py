"""A log as files, of whatever entries a test has: its tree is made of them and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ledger.tree.merkle import leaf_hash, root_of
from ledger.tree.tiles import bundles_for, encode_bundle, tiles_for


def put(path: Path, content: bytes) -> None:
    """A file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def tile_files(entries: Sequence[bytes]) -> dict[str, bytes]:
    """The hash tiles over ``entries``, by their paths."""
    levels = [[leaf_hash(entry) for entry in entries]]
    while len(levels[-1]) >= 256:
        below = levels[-1]
        levels.append([root_of(below[at : at + 256]) for at in range(0, len(below) // 256 * 256, 256)])
    return {
        tile.path: b"".join(levels[tile.level][tile.index * 256 :][: tile.width]) for tile in tiles_for(len(entries))
    }


def bundle_files(entries: Sequence[bytes]) -> dict[str, bytes]:
    """The bundles of ``entries``, by their paths."""
    return {
        bundle.path: encode_bundle(entries[bundle.index * 256 :][: bundle.width])
        for bundle in bundles_for(len(entries))
    }


def write_log(folder: Path, entries: Sequence[bytes], checkpoint: bytes) -> None:
    """Tiles, bundles and the head given, whether it fits them or not."""
    for name, content in (tile_files(entries) | bundle_files(entries) | {"checkpoint": checkpoint}).items():
        put(folder / name, content)
