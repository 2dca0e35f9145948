"""What somebody with the published folder may try: files are copies, and the sweep says which is a bad one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.door.hall import Hall
from ledger.errors import Evidence
from ledger.tree.tiles import Tile, tiles_for

pytestmark = pytest.mark.attack("row-changed", ("operator's staff", "mingjian doctor, mingjian sweep"))
Swept = Callable[[], list[Evidence]]


def partial(hall: Hall) -> Tile:
    return next(tile for tile in tiles_for(hall.reader.head().size) if tile.width < 256)


@pytest.mark.parametrize("which", ["full", "partial"])
def test_somebody_changes_a_tile_file(hall: Hall, swept: Swept, which: str) -> None:
    tile = Tile(0, 1) if which == "full" else partial(hall)
    path = hall.publisher.root / tile.path
    raw = bytearray(path.read_bytes())
    raw[33] ^= 1
    path.write_bytes(raw)
    (found,) = swept()
    assert (found.code, found.details["file"], found.details["hash"]) == ("tile-file", str(path), 1)


@pytest.mark.parametrize("which", ["full", "partial"])
def test_somebody_cuts_or_removes_a_tile_file(hall: Hall, swept: Swept, which: str) -> None:
    path = hall.publisher.root / (Tile(0, 1) if which == "full" else partial(hall)).path
    path.write_bytes(path.read_bytes()[:-32])
    assert [found.details["file"] for found in swept()] == [str(path)]
    path.unlink()
    (found,) = swept()
    assert (found.code, found.message) == (
        "tile-file",
        f"the published tile {path.relative_to(hall.publisher.root)} is missing",
    )


def test_somebody_publishes_a_file_of_their_own(hall: Hall, swept: Swept) -> None:
    for name in ("tile/0/005", "tile/0/x000/001", "notes.txt"):
        path = hall.publisher.root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x" * 32)
    assert {found.code for found in swept()} == {"file-stray"}
    assert {Path(found.details["file"]).name for found in swept()} == {"005", "001", "notes.txt"}


def test_somebody_changes_the_checkpoint(hall: Hall, swept: Swept) -> None:
    path = hall.publisher.root / "checkpoint"
    path.write_bytes(path.read_bytes().replace(b"\n7", b"\n8", 1))
    assert [found.code for found in swept()] == ["checkpoint-file"]


def test_somebody_changes_the_policy(hall: Hall, swept: Swept) -> None:
    (hall.publisher.root / "policy").write_text("log nobody\n")
    assert [found.code for found in swept()] == ["policy-file"]


def test_what_is_published_is_made_anew_by_a_start(hall: Hall, swept: Swept) -> None:
    """The way out that the finding names."""
    shutil.move(hall.publisher.root, hall.data / "published.kept")
    assert [found.code for found in swept()] == ["checkpoint-file"]
    with hall.sequencing():
        pass
    assert swept() == []
