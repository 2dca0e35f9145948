"""What nobody is shown of a camera: its static masks, registered by two persons, black in whatever leaves it.

Recordings are not masked: they are what was sealed. Live pictures, thumbnails and derivatives are.

A recorder knows no ledger, so the masks that stand for its cameras are told to it in a file beside their footage,
with each batch that is carried to the ledger:

    DATA/footage/RECORDER/CAMERA/masks.json    ["x/y/w/h", …] in pixels of the camera's picture

Promise: a picture is masked by what is known to stand, or is not made: without that file there is no thumbnail, and a
thumbnail's name says which masks it was made with, so that whoever serves it serves none made before a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from camera_ingest.folders import Recorder
from ledger.facts.cameras import mask_of, masks_digest
from ledger.files import replace_file

if TYPE_CHECKING:
    import numpy as np

    from ledger.door.hall import Hall

Mask = tuple[int, int, int, int]
_FILE: Final = "masks.json"


def black_out(
    pixels: np.ndarray[Any, np.dtype[np.uint8]], masks: Sequence[Mask], *, of: tuple[int, int] | None = None
) -> None:
    """Make what lies under the masks black, in place. ``of``: the width and height that the masks are of.

    ``pixels``: height × width, or height × width × colours; made smaller than ``of``, a pixel with any of a mask in it
    goes.
    """
    height, width = pixels.shape[:2]
    across, down = of or (width, height)
    for x, y, w, h in masks:
        left, top = x * width // across, y * height // down
        right, bottom = -(-(x + w) * width // across), -(-(y + h) * height // down)
        pixels[top : min(bottom, height), left : min(right, width)] = 0


def keep_masks(hall: Hall, recorder: Recorder) -> None:
    """Tell a recorder which masks stand for its cameras."""
    _, registry = hall.door.registry()
    for stream, said in registry.cameras():
        if said["recorder"] == recorder.actor:
            folder = recorder.camera(stream.partition("/")[2])
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            content = orjson.dumps(said.get("masks", []))
            path = folder / _FILE
            if not path.exists() or path.read_bytes() != content:
                replace_file(path, content, private=True)


def known_masks(folder: Path) -> list[str] | None:
    """The masks that a camera's recorder was told, as they were registered; None: it was not told yet."""
    try:
        found = orjson.loads((folder / _FILE).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return None
    return found if isinstance(found, list) else None


def thumbnail_path(folder: Path, masks: Sequence[str]) -> Path:
    """Where the thumbnail lies that was made with exactly those masks."""
    return folder / f"thumbnail-{masks_digest(masks)}.jpg"


def masks_of(codes: Sequence[str]) -> list[Mask]:
    """Registered masks as corners and sizes."""
    return [mask_of(code) for code in codes]
