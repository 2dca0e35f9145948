"""Folders of kept footage are their owner's alone, also the ones above them."""

from __future__ import annotations

import os
from pathlib import Path

from ledger.cases.kept_footage import clips_folder


def test_the_folder_above_is_as_private_as_the_one_asked_for(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        shown = clips_folder(tmp_path, "shown")
    finally:
        os.umask(before)
    assert shown == tmp_path / "clips" / "shown"
    assert [folder.stat().st_mode & 0o777 for folder in (shown, shown.parent)] == [0o700, 0o700]
