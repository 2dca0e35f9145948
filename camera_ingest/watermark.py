"""Who looks, burned into what they look at: the viewer, the grant and the time, so that a copy says whose it was.

Promise: every picture of a watermarked film carries the text twice, and none outside of the granted span is in it. The
film is in fragments of a second each, in the form of ``ledger.verify.fmp4``, so that a server knows which seconds it
serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2

from camera_ingest.masks import Mask, black_out
from camera_ingest.pictures import Pixels, look_at, pictures, written
from ledger.errors import NotFound

_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_DARK: Final = (0, 0, 0)
_LIGHT: Final = (255, 255, 255)


def draw(pixels: Pixels, text: str) -> None:
    """Write ``text`` (ASCII) into a picture, below and at a third of its height."""
    height, width = pixels.shape[:2]
    size = max(0.3, width / 1600)
    (across, _), _ = cv2.getTextSize(text, _FONT, size, 1)
    size = size * min(1.0, (width - 12) / max(1, across))
    for y in (height - 8, height // 3):
        for colour, thickness in ((_DARK, 3), (_LIGHT, 1)):
            cv2.putText(pixels, text, (6, y), _FONT, size, colour, thickness, cv2.LINE_AA)


def watermark_film(
    source: Path, out: Path, text: str, *, since_us: int, until_us: int, masks: Sequence[Mask] = ()
) -> int:
    """Write the pictures of ``since_us`` ≤ t < ``until_us`` (of the film) with ``text``; how many there are.

    ``masks``: what is not shown of the camera, black in each of them.
    """
    film, count = look_at(source), 0
    with written(out, film.width, film.height, fragmented=True) as writer:
        for picture in pictures(source):
            if picture.at_us >= until_us:
                break
            if picture.at_us >= since_us:
                black_out(picture.pixels, masks)
                draw(picture.pixels, text)
                writer.write(picture.pixels, picture.at_us - since_us)
                count += 1
        if not count:
            raise NotFound("the clip has no picture in that span", code="no-footage", mend="ask for another span")
    return count
