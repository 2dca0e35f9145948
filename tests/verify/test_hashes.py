"""The quick audit: files, hashes, signed root. What it finds good, the careful one finds good there, nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ledger.tree.merkle import leaf_hash, root_of
from ledger.verify.hashes import hashes_agree
from ledger.verify.log import verify_log
from tests.verify.log_files import write_log


def write(folder: Path, entries: list[bytes]) -> tuple[int, bytes]:
    """Entries of any kind as tiles and bundles: size and root."""
    write_log(folder, entries, b"")
    return len(entries), root_of([leaf_hash(entry) for entry in entries])


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 767, 70_000])
@pytest.mark.parametrize("workers", [1, 2])
def test_any_size_leads_to_its_root_and_to_no_other(tmp_path: Path, size: int, workers: int) -> None:
    found, root = write(tmp_path, [b"%d" % number for number in range(size)])
    assert hashes_agree(tmp_path, found, root, workers=workers)
    assert not hashes_agree(tmp_path, found, bytes(32), workers=workers)


def test_the_empty_tree(tmp_path: Path) -> None:
    assert hashes_agree(tmp_path, 0, root_of([]), workers=1)


def test_a_byte_changed_in_any_file_is_found_and_named_as_by_the_careful_audit(long_book: Any, folder: Path) -> None:
    policy = long_book.policy
    assert verify_log(folder, policy, hashes_only=True, workers=1).ok
    for path in sorted(path for path in (folder / "tile").rglob("*") if path.is_file()):
        raw = path.read_bytes()
        for changed in (raw[:50] + bytes([raw[50] ^ 1]) + raw[51:], raw[:-1], raw + b"\0", b""):
            path.write_bytes(changed)
            quick = verify_log(folder, policy, hashes_only=True, workers=1)
            careful = verify_log(folder, policy, workers=1)
            assert not quick.ok
            assert quick.faults[0] == careful.faults[0], path
        path.write_bytes(raw)


def test_two_entries_changed_over_are_found_in_upper_tiles_too(tmp_path: Path) -> None:
    entries = [b"%d" % number for number in range(70_000)]
    size, root = write(tmp_path, entries)
    good = shutil.copytree(tmp_path, tmp_path.with_name("good"))
    for name in ("tile/2/000.p/1", "tile/1/000", "tile/1/001.p/17", "tile/0/273.p/112"):
        raw = bytearray((tmp_path / name).read_bytes())
        raw[-1] ^= 1
        (tmp_path / name).write_bytes(raw)
        assert not hashes_agree(tmp_path, size, root, workers=1), name
        shutil.copy(good / name, tmp_path / name)
    assert hashes_agree(tmp_path, size, root, workers=2)


def test_nothing_is_opened(new_book: Any, tmp_path: Path) -> None:
    book = new_book.importing()
    book.pending.append(b"no statement at all")
    book.seal()
    folder = book.write(tmp_path / "log")
    assert verify_log(folder, book.policy, hashes_only=True).ok
    assert not verify_log(folder, book.policy).ok
