"""A recorder's journal: what it saw, one signed line each, on disk before anything else is done about it.

    {"n":17,"prev":"…","kind":"segment",…}<TAB><base64 signature><LF>

The text is canonical JSON; ``n`` counts through from 1, ``prev`` is the leaf hash of the line before. The signature is
the recorder's, over "mingjian journal v1" LF and the text. A file is one UTC day; a last line that was cut off by
a loss of power was never acted upon and is taken away.

Promise: ``append`` returns when the line is on the disk. Lines reach the ledger later, by ``sealing``, in this order.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, Final

import orjson

from camera_ingest.folders import Recorder
from camera_ingest.segments import write_all
from ledger.errors import Evidence, Malformed
from ledger.files import flush_folder
from ledger.keys import SigningKey
from ledger.statement import canonical_json, instant_text
from ledger.store.sequencer import now_us
from ledger.verify.clip import LINE_CONTEXT, Line, line_leaf, open_line

BALLAST_BYTES: Final = 1 << 18
NO_LINE: Final = "00" * 32


def sign_line(body: dict[str, Any], key: SigningKey) -> Line:
    """A line that says ``body``."""
    text = canonical_json(body)
    return Line(text, body, key.sign(LINE_CONTEXT + text))


class Journal:
    """The journal of one recorder, for the process that records; threads may share it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._folder = recorder.folder / "journal"
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._lock = threading.Lock()
        self._file: FileIO | None = None
        self._day = ""
        last = self._mend()
        self.last = 0 if last is None else last.number
        self._prev = NO_LINE if last is None else line_leaf(last.text).hex()
        self._ballast = recorder.folder / "ballast"
        self._ballast.write_bytes(bytes(BALLAST_BYTES))

    def drop_ballast(self) -> None:
        """Give up the room that was kept for the last words on a full disk."""
        self._ballast.unlink(missing_ok=True)

    def _mend(self) -> Line | None:
        """The last whole line; what was torn behind it is cut off."""
        for path in reversed(journal_files(self._recorder.folder)):
            raw = path.read_bytes()
            whole = raw[: raw.rfind(b"\n") + 1]
            if len(whole) < len(raw):
                os.truncate(path, len(whole))
            if whole:
                return open_line(whole[:-1].rpartition(b"\n")[2], self._recorder.key.public)
        return None

    def append(self, kind: str, **says: Any) -> Line:
        """Write a line and wait until it is on the disk."""
        with self._lock:
            now = now_us()
            body = {"n": self.last + 1, "prev": self._prev, "kind": kind, "recorder": self._recorder.actor}
            line = sign_line(body | {"written": instant_text(now)} | says, self._recorder.key)
            file = self._open(instant_text(now)[:10])
            whole = os.fstat(file.fileno()).st_size
            try:
                write_all(file, line.to_bytes() + b"\n")
                os.fsync(file.fileno())
            except OSError:
                os.ftruncate(file.fileno(), whole)
                raise
            self.last, self._prev = line.number, line_leaf(line.text).hex()
            return line

    def _open(self, day: str) -> FileIO:
        # A clock put back does not put lines in front of others.
        day = max(day, self._day)
        if self._file is None or day != self._day:
            if self._file is not None:
                self._file.close()
            newest = journal_files(self._recorder.folder)[-1:]
            day = max(day, *(path.stem for path in newest)) if newest else day
            self._file, self._day = (self._folder / f"{day}.jsonl").open("ab", buffering=0), day
            flush_folder(self._folder)
        return self._file

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            if self._file is not None:
                self._file.close()
                self._file = None


def journal_files(folder: Path) -> list[Path]:
    """The files of a recorder's journal, oldest first."""
    return sorted((folder / "journal").glob("????-??-??.jsonl"))


def read_lines(
    recorder: Recorder, *, first_day: str = "", last_day: str = "~", wanted: Callable[[bytes], bool] | None = None
) -> Iterator[Line]:
    """The lines written on those days (UTC), in order; Evidence where one is not what its recorder signed.

    ``wanted``: of which bytes a line is opened; the others are passed over unread, so that a day is a matter of
    a fraction of a second. Without it, that each line names the one before it is checked too.
    """
    for path in journal_files(recorder.folder):
        if first_day <= path.stem <= last_day:
            yield from _read_file(path, recorder.key.public, wanted=wanted)


def _read_file(
    path: Path, public: bytes, *, start: int = 0, wanted: Callable[[bytes], bool] | None = None
) -> Iterator[Line]:
    before: Line | None = None
    with path.open("rb") as file:
        file.seek(start)
        for raw in file:
            if not raw.endswith(b"\n"):
                return  # being written
            if wanted is not None and not wanted(raw):
                continue
            try:
                line = open_line(raw[:-1], public)
            except Malformed as error:
                raise Evidence(
                    f"{path}: {error.message}: {raw[:60]!r}",
                    code="journal",
                    mend="keep the file as evidence; what was sealed of it can be proved from the ledger",
                ) from error
            if (
                wanted is None
                and before is not None
                and (line.number, line.says["prev"]) != (before.number + 1, line_leaf(before.text).hex())
            ):
                raise Evidence(f"{path}: line {line.number} does not follow the one before it", code="journal-chain")
            yield line
            before = line


def lines_after(recorder: Recorder, number: int, *, upto: int | None = None) -> list[Line]:
    """All lines behind line ``number``; with ``upto`` those up to that one."""
    files = journal_files(recorder.folder)
    first = len(files)
    while first and _first_number(files[first - 1]) > number + 1:
        first -= 1
    found: list[Line] = []
    for path in files[max(first - 1, 0) :]:
        for line in _read_file(path, recorder.key.public, start=_start_of(path, number + 1)):
            if upto is not None and line.number > upto:
                return found
            if line.number > number:
                found.append(line)
    return found


def _first_number(path: Path) -> int:
    with path.open("rb") as file:
        return _number(file.readline())


def _start_of(path: Path, number: int) -> int:
    """Where the lines from ``number`` on begin in a file whose numbers go up; 0 where they may begin before it."""
    with path.open("rb") as file:
        low, high = 0, path.stat().st_size  # the line begins at low or later; before high begins none of a lower number
        while low < high:
            middle = (low + high) // 2
            file.seek(middle)
            if middle:
                file.readline()  # what is left of the line that the middle lies in
            at, raw = file.tell(), file.readline()
            if raw.endswith(b"\n") and at < high and _number(raw) < number:
                low = at + len(raw)
            else:
                high = middle
        return low


def _number(raw: bytes) -> int:
    try:
        return int(orjson.loads(raw.partition(b"\t")[0])["n"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return 0  # read from there on, and told what it is


def last_states(recorder: Recorder, *, days: int = 3) -> dict[str, Line]:
    """The last line of each camera, of the newest files."""
    found: dict[str, Line] = {}
    for path in journal_files(recorder.folder)[-days:]:
        for line in _read_file(path, recorder.key.public):
            if line.says["kind"] not in ("tampered", "recovered", "clock_stepped") and "camera" in line.says:
                found[line.says["camera"]] = line
    return found
