"""Sealed segments carried to a store, and read from wherever they lie.

    (on the disk) ── put, read back, noted ─▶ on the disk and in the store ── kept long enough ─▶ in the store alone
    … ── purged ─▶ (nowhere)

    RECORDER/CAMERA/DATE/carried    a line for each segment that the store has: its file's name, its line's number
    RECORDER/store.json             how carrying goes, for ``status``

An object's name is ``RECORDER/CAMERA/ROOT.mp4``: the root over its groups, which its line and so the ledger have.

Promise: a local copy goes only when the copy in the store was read back and is what was sealed, and the ledger has
its line. Carrying may be cut off anywhere and is done again; with the store away, recording goes on.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from camera_ingest.blobs import PART_BYTES, Blobs, Settings, read_settings
from camera_ingest.folders import Recorder, locked, read_cameras, recorder_named, write_state
from camera_ingest.journal import read_lines
from camera_ingest.segments import Hashed
from camera_ingest.spans import Segment
from ledger.errors import Evidence, Malformed, MingjianError, NotFound, Unavailable
from ledger.files import replace_file
from ledger.statement import instant_text, instant_us
from ledger.store.sequencer import now_us

log = structlog.get_logger()
CARRY_S: Final = 10.0
_AGAIN_S: Final = 60.0
_DAY_US: Final = 86_400_000_000
_NOTED: Final = "carried"
_FILE: Final = re.compile(rb'"file":"([^"]+)"')


def segment_file(recorder: Recorder, camera: str, segment: Segment) -> Path:
    """Where a segment's file lies, or lay before it was carried away."""
    folder = recorder.camera(camera).resolve()
    path = (folder / str(segment.says["file"])).resolve()
    if not path.is_relative_to(folder):
        raise Evidence(f"a line names a file outside of {folder}", code="path")
    return path


def blob_name(recorder: Recorder, camera: str, says: dict[str, Any]) -> str:
    """The name of a segment's object."""
    return f"{recorder.folder.name}/{camera}/{says['root']}.mp4"


def hash_chunks(chunks: Iterable[bytes], says: dict[str, Any]) -> Hashed | None:
    """What the bytes say, where they are those that the line speaks of; None where they are not."""
    hashed, size = Hashed(says["run"], says["seq"]), 0
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > says["bytes"]:  # nothing strange fills the memory
                return None
            hashed.take(chunk)
    except Malformed:
        return None
    if hashed.init is None or size != says["bytes"]:
        return None
    return hashed if all(says[name] == value for name, value in hashed.says().items()) else None


@dataclass(slots=True)
class Archive:
    """One recorder's footage, on its disk and in its store."""

    recorder: Recorder
    settings: Settings | None
    _noted: dict[Path, dict[str, int]] = field(default_factory=dict)
    _blobs: Blobs | None = None

    @classmethod
    def of(cls, recorder: Recorder) -> Archive:
        """As the settings of its data folder stand now."""
        return cls(recorder, read_settings(recorder.folder.parent.parent))

    @property
    def blobs(self) -> Blobs:
        """The store (Unavailable where none is set)."""
        if self.settings is None:
            raise Unavailable(
                "this footage was carried to a store, and none is set",
                code="store-settings",
                mend="set MINGJIAN_BLOBS, or mingjian-camera store --url URL",
            )
        if self._blobs is None:
            self._blobs = Blobs(self.settings)
        return self._blobs

    # ------------------------------------------------------------------------------------------------ where it lies

    def noted(self, folder: Path) -> dict[str, int]:
        """The segments of a camera's day that the store has, with their lines' numbers."""
        if folder not in self._noted:
            found = {}
            with suppress(FileNotFoundError):
                # A last line that was cut off is not noted: its segment is looked for in the store again.
                for line in (folder / _NOTED).read_text().splitlines(keepends=True):
                    name, _, number = line.rstrip("\n").partition(" ")
                    if line.endswith("\n") and number.isdigit():
                        found[name] = int(number)
            self._noted[folder] = found
        return self._noted[folder]

    def is_carried(self, camera: str, segment: Segment) -> bool:
        """Whether the store has it."""
        path = segment_file(self.recorder, camera, segment)
        return path.name in self.noted(path.parent)

    def is_kept(self, camera: str, segment: Segment) -> bool:
        """Whether it lies anywhere, as far as this machine knows."""
        return segment_file(self.recorder, camera, segment).exists() or self.is_carried(camera, segment)

    def chunks(self, camera: str, segment: Segment) -> Iterator[bytes]:
        """Its bytes, from the disk or else from the store (NotFound)."""
        path = segment_file(self.recorder, camera, segment)
        if path.exists():
            yield from _chunks_of(path)
        elif self.settings is not None or self.is_carried(camera, segment):
            yield from self.blobs.chunks(blob_name(self.recorder, camera, segment.says))
        else:
            raise NotFound(f"there is no file {path}", code="no-file")

    def read(self, camera: str, segment: Segment, start: int, end: int) -> bytes:
        """Its bytes from ``start`` up to ``end``."""
        path = segment_file(self.recorder, camera, segment)
        if path.exists():
            with path.open("rb") as file:
                file.seek(start)
                return file.read(end - start)
        return self.blobs.read(blob_name(self.recorder, camera, segment.says), start, end)

    # ------------------------------------------------------------------------------------------------------ carried

    def waiting(self, camera: str) -> Iterator[Segment]:
        """The sealed segments of a camera that the store does not have yet, oldest first."""
        names = {
            f"{path.parent.name}/{path.name}".encode()
            for path in self.recorder.camera(camera).glob("????-??-??/*.mp4")
            if path.name not in self.noted(path.parent)
        }
        if not names:
            return
        of_camera = b'"camera":"%s"' % camera.encode("ascii")

        def wanted(raw: bytes) -> bool:
            found = _FILE.search(raw)
            return found is not None and found[1] in names and of_camera in raw

        for line in read_lines(self.recorder, first_day=min(names)[:10].decode(), wanted=wanted):
            yield Segment(line, instant_us(line.says["start"]), instant_us(line.says["end"]))

    def carry(self, camera: str, segment: Segment, *, retention_days: int) -> None:
        """Have one segment in the store, read back and noted."""
        path = segment_file(self.recorder, camera, segment)
        says, name = segment.says, blob_name(self.recorder, camera, segment.says)
        if hash_chunks(_chunks_of(path), says) is None:
            raise Evidence(f"{path} is not what was sealed; it is not carried", code="segment-changed")
        # Put before, and cut off before it was noted: what is there is read, not put again.
        if self.blobs.size(name) != says["bytes"] or hash_chunks(self.blobs.chunks(name), says) is None:
            self.blobs.put(name, path)
            if hash_chunks(self.blobs.chunks(name), says) is None:
                raise Unavailable(f"{self.blobs.url(name)} is read back as something else", code="store")
        self.blobs.lock(name, segment.end_us + retention_days * _DAY_US)
        with self._alone(), (path.parent / _NOTED).open("a+") as file:
            file.seek(0)
            torn = file.read()[-1:] not in ("", "\n")  # by a death in the middle of a line
            file.write("\n" * torn + f"{path.name} {segment.line.number}\n")
            file.flush()
            os.fsync(file.fileno())
        self.noted(path.parent)[path.name] = segment.line.number

    def drop(self, camera: str, *, older_than_s: float | None = None) -> int:
        """Take away local copies that the store has, and whose lines the ledger has; how many.

        ``older_than_s``: only those written so long ago; the time that the settings say when it is None.
        """
        if self.settings is None:
            return 0
        age_s = self.settings.keep_hours * 3600 if older_than_s is None else older_than_s
        upto, before, dropped = _sealed_upto(self.recorder), time.time() - age_s, 0
        for path in sorted(self.recorder.camera(camera).glob("????-??-??/*.mp4")):
            if self.noted(path.parent).get(path.name, upto + 1) <= upto and path.stat().st_mtime <= before:
                path.unlink()
                dropped += 1
        return dropped

    # ---------------------------------------------------------------------------------------------------- destroyed

    def destroyable(self, camera: str, segments: Sequence[Segment], *, now: int) -> list[Segment]:
        """Those that may be destroyed wherever they lie: a store's lock may be longer than a camera's retention.

        Unavailable where the store does not answer: nothing is said to be destroyed that may still be there.
        """
        carried = {one.line.number for one in segments if self.is_carried(camera, one)}
        if carried:
            next(self.blobs.names(f"{self.recorder.folder.name}/{camera}/"), None)
        found = []
        for one in segments:
            locked = None
            if one.line.number in carried:
                with suppress(NotFound):
                    locked = self.blobs.locked_until(blob_name(self.recorder, camera, one.says))
            if locked is not None and locked > now:
                log.warning("the store keeps it longer", file=one.says["file"], until=instant_text(locked))
            else:
                found.append(one)
        return found

    def destroy(self, camera: str, segments: Sequence[Segment]) -> None:
        """Destroy them, wherever they lie. Cut off anywhere, those that are left are still known."""
        gone: dict[Path, set[str]] = {}
        is_there = self.settings is not None
        for one in segments:
            path = segment_file(self.recorder, camera, one)
            name = blob_name(self.recorder, camera, one.says)
            if self.is_carried(camera, one):
                self.blobs.destroy(name)
            elif is_there:
                # Put, perhaps, and not noted. A store that is away does not keep a full disk from being emptied.
                try:
                    self.blobs.destroy(name)
                except Unavailable as error:
                    log.warning("what the store may have of it, `check` will name", why=error.message)
                    is_there = False
            path.unlink(missing_ok=True)
            gone.setdefault(path.parent, set()).add(path.name)
        with self._alone():
            for folder, names in gone.items():
                self._noted.pop(folder, None)  # what others noted meanwhile stays noted
                if left := {name: n for name, n in self.noted(folder).items() if name not in names}:
                    text = "".join(f"{name} {n}\n" for name, n in left.items())
                    replace_file(folder / _NOTED, text.encode(), durable=True)
                else:
                    (folder / _NOTED).unlink(missing_ok=True)
                self._noted.pop(folder, None)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While this lasts, nobody else changes what is noted."""
        with locked(self.recorder.folder / "carrying"):
            yield


def _chunks_of(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while data := file.read(PART_BYTES):
                yield data
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror or error}", code="unreadable") from error


def _sealed_upto(recorder: Recorder) -> int:
    try:
        return int(orjson.loads((recorder.folder / "sealed.json").read_bytes())["upto"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def carry_all(data: Path, actor: str, stop: threading.Event | None = None) -> dict[str, Any]:
    """Carry what waits of one recorder, drop what was kept long enough, and write down how it went."""
    stop = stop or threading.Event()
    recorder = recorder_named(data, actor)
    said: dict[str, Any] = {"state": "carried", "carried": 0, "dropped": 0, "why": None}
    try:
        archive = Archive.of(recorder)
        if archive.settings is None:
            return {}
        if archive.settings.lock is not None:
            archive.blobs.check_lock()
        for camera in [one for one in read_cameras(data).values() if one.recorder == actor]:
            for segment in archive.waiting(camera.id):
                if stop.is_set():
                    break
                try:
                    archive.carry(camera.id, segment, retention_days=camera.retention_days)
                    said["carried"] += 1
                except Evidence as error:
                    said |= {"state": "changed", "why": error.message}
                except NotFound:
                    pass  # destroyed in between
            said["dropped"] += archive.drop(camera.id)
    except Unavailable as error:
        said |= {"state": "unreachable", "why": error.message}
    except MingjianError as error:
        said |= {"state": "refused", "why": error.message}
    except OSError as error:
        said |= {"state": "failed", "why": str(error)}
    if said["why"] is not None:
        log.warning("footage is not carried to the store", recorder=actor, why=said["why"])
    write_state(recorder.folder / "store.json", {"at": instant_text(now_us())} | said)
    return said


class Carrier:
    """Carries the segments of this machine's recorders to the store, in a thread; one that is away is asked again."""

    def __init__(self, data: Path, recorders: Sequence[str], *, every_s: float = CARRY_S) -> None:
        self._data, self.recorders, self._every_s = data, list(recorders), every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="carrying", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the segment that is being carried; the others are carried at the next start."""
        self._stop.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        wait = self._every_s
        while not self._stop.wait(wait):
            try:
                states = [carry_all(self._data, actor, self._stop).get("state") for actor in list(self.recorders)]
                wait = self._every_s if {*states} <= {"carried", None} else min(_AGAIN_S, wait * 2)
            except Exception as error:  # whatever a store says to its library: recording goes on
                log.error("carrying failed", why=repr(error)[:200])


def store_state(recorder: Recorder, camera: str) -> dict[str, Any] | None:
    """How carrying goes, for ``status``: the last word of whoever carries, and how many wait. Needs no store."""
    try:
        archive = Archive.of(recorder)
    except MingjianError as error:
        return {"state": "refused", "why": error.message}
    if archive.settings is None:
        return None
    files = recorder.camera(camera).glob("????-??-??/*.mp4")
    said: dict[str, Any] = {"state": "never", "at": None, "why": None}
    with suppress(OSError, orjson.JSONDecodeError):
        said |= orjson.loads((recorder.folder / "store.json").read_bytes())
    waiting = sum(1 for path in files if path.name not in archive.noted(path.parent))
    return {name: said[name] for name in ("state", "at", "why")} | {"waiting": waiting}
