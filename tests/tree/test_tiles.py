"""C2SP tlog-tiles: one spelling per tile, exactly the tiles of a size, bundles to the byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.tree.tiles import (
    MAX_BUNDLE_BYTES,
    MAX_SIZE,
    Bundle,
    Tile,
    bundles_for,
    decode_bundle,
    decode_tile,
    encode_bundle,
    parse_path,
    tile_width,
    tiles_for,
)

indexes = st.one_of(st.integers(0, 2_000_000), st.integers(0, MAX_SIZE // 256))
widths = st.integers(1, 256)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 273, 112), "tile/0/273.p/112"),
        (Tile(4, 1_234_067, 1), "tile/4/x001/x234/067.p/1"),
        (Tile(63, 1_000), "tile/63/x001/000"),
        (Bundle(1_234_067), "tile/entries/x001/x234/067"),
        (Bundle(999, 255), "tile/entries/999.p/255"),
    ],
)
def test_paths_as_specified(tile: Tile | Bundle, path: str) -> None:
    assert tile.path == path
    assert parse_path(path) == tile


@given(st.builds(Tile, st.integers(0, 63), indexes, widths) | st.builds(Bundle, indexes, widths))
def test_every_path_reads_back(tile: Tile | Bundle) -> None:
    assert parse_path(tile.path) == tile


@given(st.text(alphabet="tile/ners0123456789xp.", max_size=40).map(lambda tail: f"tile/{tail}"))
def test_what_is_read_at_all_is_the_one_spelling(path: str) -> None:
    try:
        tile = parse_path(path)
    except Malformed:
        return
    assert tile.path == path


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/0",
        "tile/0/0000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/8/0/000",
        "tile/data/000",
        "tile/0/x000/067",
        "tile/0/001/067",
        "tile/0/x001/x067",
        "tile/0/X001/067",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/../0/000",
        "tile/0/٠٠٠",
        "tile/entries/x999/x999/x999/x999/x999/x999/999",
        "tile/0/" + "x001/" * 10_000 + "000",
    ],
)
def test_every_other_spelling_is_refused(path: str) -> None:
    with pytest.raises(Malformed):
        parse_path(path)


@pytest.mark.parametrize(("level", "index", "width"), [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**60, 1)])
def test_coordinates_that_no_tree_has_are_refused(level: int, index: int, width: int) -> None:
    with pytest.raises(Malformed):
        Tile(level, index, width)


def test_the_worked_example_of_the_specification() -> None:
    tiles = list(tiles_for(70_000))
    assert [t for t in tiles if t.width < 256] == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert [t for t in tiles if t.width == 256] == [*(Tile(0, i) for i in range(273)), Tile(1, 0)]
    assert [t.path for t in tiles_for(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert list(tiles_for(0)) == []


@given(st.integers(0, 200_000))
def test_tiles_of_a_size_hold_every_hash_of_it_once(size: int) -> None:
    held = [0] * 4
    for tile in tiles_for(size):
        assert tile.width == tile_width(tile.level, tile.index, size)
        assert tile.index * 256 == held[tile.level]
        held[tile.level] += tile.width
    assert held == [size, size >> 8, size >> 16, size >> 24]
    assert sum(b.width for b in bundles_for(size)) == size


@given(st.integers(0, 70_000), st.integers(0, 70_000))
def test_since_names_exactly_what_is_new(size: int, more: int) -> None:
    before = set(tiles_for(size))
    assert list(tiles_for(size + more, since=size)) == [t for t in tiles_for(size + more) if t not in before]
    had = set(bundles_for(size))
    expected = [b for b in bundles_for(size + more) if b not in had]
    assert list(bundles_for(size + more, since=size)) == expected


def test_listing_the_greatest_tree_begins_at_once() -> None:
    assert next(tiles_for(MAX_SIZE)) == Tile(0, 0)
    with pytest.raises(Malformed):
        next(tiles_for(MAX_SIZE + 1))
    with pytest.raises(Malformed):
        next(tiles_for(5, since=6))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_read_back(entries: list[bytes]) -> None:
    assert decode_bundle(encode_bundle(entries), len(entries)) == entries


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=20), st.data())
def test_a_cut_or_lengthened_bundle_is_refused(entries: list[bytes], data: st.DataObject) -> None:
    whole = encode_bundle(entries)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for bad in (whole[:cut], whole + b"\0", whole + b"\0\0"):
        with pytest.raises(Malformed):
            decode_bundle(bad, len(entries))
    if len(entries) < 256:
        with pytest.raises(Malformed):
            decode_bundle(whole, len(entries) + 1)


def test_the_bytes_of_a_bundle() -> None:
    assert encode_bundle([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    assert len(encode_bundle([bytes(65_535)])) == 65_537


def test_what_a_bundle_cannot_hold_is_refused() -> None:
    for entries in ([], [b""] * 257, [bytes(65_536)]):
        with pytest.raises(Malformed):
            encode_bundle(entries)
    with pytest.raises(Malformed):
        decode_bundle(bytes(MAX_BUNDLE_BYTES + 1), 256)
    with pytest.raises(Malformed):
        decode_bundle(b"", 0)


def test_a_tile_is_exactly_its_hashes() -> None:
    assert decode_tile(bytes(32) + b"\1" * 32, 2) == [bytes(32), b"\1" * 32]
    for data, width in ((bytes(63), 2), (bytes(65), 2), (b"", 0), (bytes(32 * 257), 257)):
        with pytest.raises(Malformed):
            decode_tile(data, width)
