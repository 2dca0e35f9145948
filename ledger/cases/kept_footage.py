"""Clips and redactions that may be looked at, kept by their digests.

    DATA/clips/SHA256.mp4    a clip as it was cut, or a redaction; readable by the ledger's owner alone
    DATA/clips/shown/…       what is made of them for one viewer, gone when the grant is over

Promise: what is taken from here is byte for byte what its name says, or Evidence; nothing outside of the folder is
reached, whatever is asked for.
"""

from __future__ import annotations

import os
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger.errors import Evidence, Malformed, NotFound

_PIECE: Final = 1 << 20


def clips_folder(data: Path, *inside: str) -> Path:
    """The folder, made when it is not there."""
    folder = data
    for name in ("clips", *inside):
        folder /= name
        folder.mkdir(mode=0o700, exist_ok=True)  # each by itself: made along the way it would be everybody's
    return folder


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, hex."""
    digest = sha256()
    with path.open("rb") as file:
        while data := file.read(_PIECE):
            digest.update(data)
    return digest.hexdigest()


def keep(data: Path, path: Path) -> str:
    """Keep a copy of a file; its SHA-256."""
    folder, digest = clips_folder(data), sha256()
    descriptor, aside = tempfile.mkstemp(prefix=".new-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as out, path.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        Path(aside).replace(folder / f"{digest.hexdigest()}.mp4")
    finally:
        Path(aside).unlink(missing_ok=True)
    return digest.hexdigest()


def kept(data: Path, digest: str) -> Path:
    """The file of that SHA-256 (NotFound; Evidence when it is not what its name says)."""
    if len(digest) != 64 or not set(digest) <= set("0123456789abcdef"):
        raise Malformed("a file is named by its SHA-256 in hex", code="digest")
    path = clips_folder(data) / f"{digest}.mp4"
    if path.is_symlink() or not path.is_file():
        raise NotFound(
            f"the file {digest[:16]}… is not kept here", code="no-clip-file", mend="mingjian grant keep FILE"
        )
    found = digest_of(path)
    if found != digest:
        raise Evidence(
            "a kept clip is not what its name says", code="clip-changed", mend="keep it as evidence", path=str(path)
        )
    return path
