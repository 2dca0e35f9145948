"""A file is there whole or as it was, whatever happens in between."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from ledger.files import replace_file, write_file


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_holds_what_was_written_last_and_nothing_is_left_beside_it(tmp_path: Path, durable: bool) -> None:
    for content in (b"a longer one", b"short", b""):
        replace_file(tmp_path / "head", content, durable=durable)
        assert (tmp_path / "head").read_bytes() == content
        assert names(tmp_path) == ["head"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_who_fails_on_the_way_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    replace_file(tmp_path / "head", b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), full)
    with pytest.raises(OSError, match="No space"):
        replace_file(tmp_path / "head", b"new", durable=True)
    assert (tmp_path / "head").read_bytes() == b"old"
    assert names(tmp_path) == ["head"]


def test_what_a_dead_writer_left_aside_is_taken_over(tmp_path: Path) -> None:
    aside = tmp_path / f".head.{os.getpid()}"
    aside.write_bytes(b"half of a longer file that nobody finished")
    replace_file(tmp_path / "head", b"whole")
    assert (tmp_path / "head").read_bytes() == b"whole"
    assert names(tmp_path) == ["head"]


def test_a_private_file_is_its_owners_from_the_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes = []
    replace = Path.replace

    def noting(old: Path, new: Path) -> Path:
        if new.is_relative_to(tmp_path):
            modes.append(old.stat().st_mode)
        return replace(old, new)

    monkeypatch.setattr(Path, "replace", noting)
    replace_file(tmp_path / "key", b"secret", private=True)
    assert [stat.S_IMODE(mode) for mode in (*modes, (tmp_path / "key").stat().st_mode)] == [0o600, 0o600]


def test_it_is_written_aside_where_the_caller_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "served").mkdir()
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda old, new: None if old.is_relative_to(tmp_path) else replace(old, new))
    replace_file(tmp_path / "served" / "tile", b"tile", aside=tmp_path / "writing")
    assert names(tmp_path / "served") == []
    assert (tmp_path / "writing").read_bytes() == b"tile"


def test_only_write_file_makes_the_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "none" / "head", b"")
    write_file(tmp_path / "made" / "here" / "head", b"x")
    assert (tmp_path / "made" / "here" / "head").read_bytes() == b"x"
