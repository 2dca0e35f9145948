"""Films for one viewer: a granted span with the viewer and the time burned in, served piece by piece.

    DATA/clips/shown/NAME.mp4     made once for a grant, viewer, file and day; removed after a day, or with its grant
    DATA/clips/shown/NAME.json    {"grant", "rows"}: which bytes are which seconds: [[start, end, from µs, to µs], …]

Promise: no byte of a piece leaves before the statement stands that says which seconds it shows. A piece is up to ten
seconds long, whatever was asked for; browsers ask for the next. Pictures are decoded by another program, never here.
"""

from __future__ import annotations

import hashlib
import mmap
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import orjson

from ledger.cases.grants import Opened, read_grant
from ledger.cases.kept_footage import clips_folder, kept
from ledger.door.hall import Hall
from ledger.errors import Malformed, Unavailable
from ledger.facts.cameras import masks_digest
from ledger.files import replace_file
from ledger.statement import instant_text
from ledger.store.sequencer import now_us
from ledger.verify.fmp4 import read_groups, read_init

CELL_US: Final = 10_000_000
_KEPT_S: Final = 25 * 3600
_LIMIT_S: Final = 1800
_MAKING: Final = threading.Lock()


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes ``start`` ≤ b < ``end`` of a film, which show ``from_us`` ≤ t < ``to_us`` of it."""

    start: int
    end: int
    from_us: int
    to_us: int


@dataclass(frozen=True, slots=True)
class ViewerFilm:
    """A film that was made for a viewer. ``cells``: its bytes in pieces of up to ten seconds, without a hole."""

    path: Path
    size: int
    cells: tuple[Piece, ...]

    def piece_at(self, start: int, end: int) -> tuple[Piece, int]:
        """The piece in which byte ``start`` lies, and where to stop: at its end, or at ``end``."""
        cell = next(one for one in self.cells if one.start <= start < one.end)
        return cell, min(end, cell.end)


def film_for(hall: Hall, seen: Opened, *, link: str | None = None) -> ViewerFilm:
    """The film of what was opened, made when there is none yet."""
    made_us = now_us()
    day = instant_text(made_us)[:10]
    span = str(seen.since_us), str(seen.until_us)
    masks = _masks(hall, seen.camera)
    told = "\0".join(["3", masks_digest(masks), seen.grant, seen.viewer, seen.sha256, *span, link or day])
    path = clips_folder(hall.data, "shown") / f"{hashlib.sha256(told.encode()).hexdigest()}.mp4"
    index = path.with_suffix(".json")
    if not index.exists():
        with _MAKING:  # one at a time: encoding takes all the cores there are
            if not index.exists():
                _remove(hall)
                text = f"{seen.viewer}  {seen.grant}  {instant_text(made_us)[:19]}Z"
                within = (seen.since_us - seen.clip_since_us, seen.until_us - seen.clip_since_us)
                _watermark(kept(hall.data, seen.sha256), path, text, within, masks)
                replace_file(index, orjson.dumps({"grant": seen.grant, "rows": _index(path)}), private=True)
    rows = [Piece(*row) for row in orjson.loads(index.read_bytes())["rows"]]
    return ViewerFilm(path, rows[-1].end, tuple(_cells(rows)))


def _masks(hall: Hall, camera: str) -> tuple[str, ...]:
    """What is not shown of the camera, also of one that was retired since."""
    _, registry = hall.door.registry()
    entry = registry.entries.get(f"camera/{camera}")
    return () if entry is None else tuple(entry.data.get("masks", ()))


def _watermark(source: Path, out: Path, text: str, span: tuple[int, int], masks: Sequence[str]) -> None:
    words = ["watermark", source, "--out", out, "--text", text, "--since-us", span[0], "--until-us", span[1]]
    words += [word for mask in masks for word in ("--mask", mask)]
    command = [sys.executable, "-m", "camera_ingest.cli", *map(str, words)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_LIMIT_S, check=False)  # noqa: S603 - our own
    except subprocess.TimeoutExpired as error:
        raise Unavailable(
            "the film for this viewer took too long", code="film", mend="ask for a shorter span"
        ) from error
    if done.returncode != 0:
        why = done.stdout.decode(errors="replace").strip() or done.stderr.decode(errors="replace").strip()[-200:]
        raise Unavailable(
            f"the film for this viewer could not be made: {why}"[:300],
            code="film",
            mend="pip install 'mingjian[camera]' where it is served",
        )
    out.chmod(0o600)


def _index(path: Path) -> list[list[int]]:
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as view,
    ):
        init = read_init(view)
        groups = list(read_groups(view, len(init.raw)))
        if not groups:
            raise Malformed("the film for this viewer has no picture", code="film")

        def at(ticks: int) -> int:
            return (ticks - groups[0].dts) * 1_000_000 // init.scale

        rows = [[one.start, one.end, at(one.dts), at(other.dts)] for one, other in pairwise(groups)]
        rows.append([groups[-1].start, groups[-1].end, at(groups[-1].dts), at(groups[-1].ends)])
        rows[0][0] = 0  # the initialisation goes with the first pictures
        return rows


def _cells(rows: Sequence[Piece]) -> list[Piece]:
    cells: list[Piece] = []
    for row in rows:
        if cells and row.from_us // CELL_US == cells[-1].from_us // CELL_US:
            last = cells.pop()
            row = Piece(last.start, row.end, last.from_us, row.to_us)
        cells.append(row)
    return cells


def sweep_films(hall: Hall) -> int:
    """Remove the films whose day is over, or whose grant ended; how many files went."""
    with _MAKING:
        return _remove(hall)


def _remove(hall: Hall) -> int:
    before, removed = time.time() - _KEPT_S, 0
    for path in sorted(clips_folder(hall.data, "shown").iterdir(), reverse=True):  # each film before its index
        index = path.with_suffix(".json")
        if path.stat().st_mtime < before or (index.exists() and _is_over(hall, index)):
            path.unlink()
            removed += 1
    return removed


def _is_over(hall: Hall, index: Path) -> bool:
    said = orjson.loads(index.read_bytes())
    if not isinstance(said, dict):
        return True  # as an earlier version wrote it
    grant = read_grant(hall, said["grant"])
    return grant.stage != "granted" or grant.expires_us <= now_us()
