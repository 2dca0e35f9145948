"""Files written whole or not at all, for every room that must not forget.

Promise: a reader finds what a file held before or what it holds now, never a part; ``durable``: the content and its
name are on disk on return, also after a power cut. Whoever dies in between leaves a file aside that nobody reads; the
next writer of the same process number takes it over.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def write_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    """:func:`replace_file`, in a folder that is made when it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content, durable=durable)


def replace_file(
    path: Path, content: bytes, *, durable: bool = False, private: bool = False, aside: Path | None = None
) -> None:
    """Write ``path``, or put it in the place of what is there; OSError with everything as it was.

    ``private``: readable by its owner alone. ``aside``: where it is written first, on the same disk (else beside it).
    """
    aside = aside or path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600 if private else 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(path)
    except BaseException:
        with suppress(OSError):
            aside.unlink()
        raise
    if durable:
        flush_folder(path.parent)


def flush_folder(folder: Path) -> None:
    """Make durable what was named, renamed or taken away in ``folder``."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
