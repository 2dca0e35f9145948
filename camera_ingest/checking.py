"""Disk and store against journal against ledger: every segment that is missing or changed is named, and where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from camera_ingest.archive import Archive, blob_name, hash_chunks
from camera_ingest.folders import Recorder, recorder_named
from camera_ingest.journal import lines_after
from camera_ingest.remote import proved_acts, read_policy
from camera_ingest.sealing import recorders_of
from camera_ingest.segments import hash_file, is_as_sealed
from camera_ingest.spans import Segment
from ledger.door.hall import Hall
from ledger.errors import Evidence, Refused
from ledger.facts.footage import PURGED, SEALED, footage_stream
from ledger.statement import Statement, instant_us, open_statement
from ledger.store.walking import read_kind
from ledger.tree.merkle import root_of
from ledger.verify.clip import Line, line_leaf


@dataclass(slots=True)
class Checked:
    """What was found. Each of ``missing`` and ``changed`` names camera, run, seq, file and where: disk or store."""

    segments: int = 0
    missing: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    gaps: int = 0
    purged: int = 0
    unsealed: int = 0
    strange: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether all that was sealed is there as it was."""
        return not (self.missing or self.changed or self.strange)

    def as_json(self) -> dict[str, Any]:
        """The answer of ``mingjian-camera check``."""
        return {
            "ok": self.is_good,
            "segments": self.segments,
            "missing": self.missing,
            "changed": self.changed,
            "gaps": self.gaps,
            "purged": self.purged,
            "unsealed": self.unsealed,
            "strange": self.strange,
        }


def check(hall: Hall, data: Path) -> Checked:
    """Walk all recorders of this machine."""
    found = Checked()
    for actor in recorders_of(data):
        acts = (open_statement(entry) for entry in read_kind(hall.database, actor))
        _check(recorder_named(data, actor), found, acts, lambda camera: _purges(hall, camera))
    return found


def check_away(data: Path) -> Checked:
    """The same for recorders whose ledger is elsewhere: against the statements noted here with their proofs."""
    found, policy = Checked(), read_policy(data)
    for actor in recorders_of(data):
        recorder = recorder_named(data, actor)
        try:
            acts = list(proved_acts(recorder, policy))
        except (Refused, Evidence) as error:
            found.strange.append(f"{recorder.folder / 'batches'}: {error.message}")
            continue

        def purges(camera: str, acts: Sequence[Statement] = acts) -> list[tuple[int, int]]:
            return _spans(act for act in acts if act.stream == footage_stream(camera))

        _check(recorder, found, acts, purges)
    return found


def _check(
    recorder: Recorder,
    found: Checked,
    acts: Iterable[Statement],
    purges_of: Callable[[str], list[tuple[int, int]]],
) -> None:
    try:
        lines = lines_after(recorder, 0)
    except Evidence as error:
        found.strange.append(error.message)
        return
    upto = _check_batches(acts, lines, found)
    found.unsealed += sum(1 for line in lines if line.number > upto)
    purges: dict[str, list[tuple[int, int]]] = {}
    archive, stored = Archive.of(recorder), _Stored(recorder)
    known = set()
    for line in lines:
        says = line.says
        if says["kind"] == "gap_detected":
            found.gaps += 1
        if says["kind"] != "segment":
            continue
        found.segments += 1
        camera, segment = says["camera"], Segment(line, instant_us(says["start"]), instant_us(says["end"]))
        path, name = recorder.camera(camera) / says["file"], blob_name(recorder, camera, says)
        known.add(path)
        named = {"camera": camera, "run": says["run"], "seq": says["seq"], "file": str(path), "start": says["start"]}
        is_here, is_there = path.exists(), stored.has(archive, camera, name)
        if not is_here and not is_there:
            if camera not in purges:
                purges[camera] = purges_of(camera)
            if any(low <= segment.start_us and segment.end_us <= high for low, high in purges[camera]):
                found.purged += 1
            else:
                where = "store" if archive.is_carried(camera, segment) else "disk"
                found.missing.append(named | {"where": where})
            continue
        if is_here and not is_as_sealed(hash_file(path, run=says["run"], seq=says["seq"]), path, says):
            found.changed.append(named | {"where": "disk"})
        if is_there and hash_chunks(archive.blobs.chunks(name), says) is None:
            found.changed.append(named | {"where": "store", "file": archive.blobs.url(name)})
        if not is_there and archive.is_carried(camera, segment):
            found.missing.append(named | {"where": "store", "file": archive.blobs.url(name)})
    found.strange += [
        f"{path}: no line of the journal speaks of it"
        for path in sorted(recorder.folder.glob("*/*/*.mp4"))
        if path not in known
    ]
    found.strange += [f"{archive.blobs.url(name)}: no line of the journal speaks of it" for name in stored.strange()]


class _Stored:
    """The names that a recorder's store has, listed once for each camera, and which of them somebody asked for."""

    def __init__(self, recorder: Recorder) -> None:
        self._name = recorder.folder.name
        self._names: dict[str, set[str]] = {}
        self._asked: set[str] = set()

    def has(self, archive: Archive, camera: str, name: str) -> bool:
        if archive.settings is None:
            return False
        if camera not in self._names:
            self._names[camera] = set(archive.blobs.names(f"{self._name}/{camera}/"))
        self._asked.add(name)
        return name in self._names[camera]

    def strange(self) -> list[str]:
        return sorted(name for names in self._names.values() for name in names - self._asked)


def _check_batches(acts: Iterable[Statement], lines: Sequence[Line], found: Checked) -> int:
    """The last line that the ledger has sealed; what was sealed must be what stands in the journal."""
    leaves = {line.number: line_leaf(line.text) for line in lines}
    upto = 0
    for act in acts:
        if act.type != SEALED:
            continue
        first, last = act.data["first"], act.data["last"]
        mine = [leaves[n] for n in range(first, last + 1) if n in leaves]
        if first != upto + 1:
            found.strange.append(f"{act.stream}: lines {upto + 1} to {first - 1} were never sealed")
        if len(mine) != last - first + 1 or root_of(mine).hex() != act.data["root"]:
            found.strange.append(f"{act.stream}: the journal's lines {first} to {last} are not those that were sealed")
        upto = last
    return upto


def _purges(hall: Hall, camera: str) -> list[tuple[int, int]]:
    return _spans(open_statement(entry) for _, _, entry in hall.reader.stream(footage_stream(camera)))


def _spans(acts: Iterable[Statement]) -> list[tuple[int, int]]:
    return [(instant_us(act.data["since"]), instant_us(act.data["until"])) for act in acts if act.type == PURGED]
