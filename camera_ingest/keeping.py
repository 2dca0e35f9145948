"""Holds, retention and destruction: what must stay stays, what goes is said, and a full disk stops nothing held.

    hold placed ─▶ release proposed ─▶ released, by two persons; a provisional one lapses by itself
    older than its retention ─▶ purged, by a statement that stands before the files go

Promise: no file goes whose span is under a hold when the statement is made; the ledger decides that, not this disk.
When room is short, unheld footage goes first, oldest first, whatever its age, with the rule ``disk``; when only held
footage is left, ``make_room`` refuses, and the recorder stops loudly.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from camera_ingest.archive import Archive, segment_file
from camera_ingest.folders import Recorder
from camera_ingest.guarding import Guard
from camera_ingest.journal import read_lines
from camera_ingest.sealing import Said, cameras_of, device_desk, seal_lines
from camera_ingest.spans import Segment, span_of, speaks_of
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import NotFound, Refused, Unavailable
from ledger.facts.footage import (
    HOLD_EXTENDED,
    HOLD_PLACED,
    HOLD_RELEASED,
    PURGED,
    RELEASE_PROPOSED,
    SPACE_FREED,
    SPACE_PASSED,
    Footage,
    Hold,
    footage_stream,
)
from ledger.statement import StatementId, instant_text, instant_us
from ledger.store.sequencer import now_us
from ledger.tree.merkle import root_of

log = structlog.get_logger()
_DAY_US: Final = 86_400_000_000
_HOUR_S: Final = 3600.0
_RESERVE_BYTES: Final = 1 << 30
BUDGET_PERMILLE: Final = 600
"""Of a recorder's disk: past it, held footage is alarmed."""


@dataclass(frozen=True, slots=True)
class Purged:
    """What one purge destroyed."""

    camera: str
    segments: int
    bytes: int
    outcome: Outcome


def place_hold(
    desk: Desk, camera: str, since_us: int, until_us: int, *, ground: str, expires_us: int | None = None
) -> Outcome:
    """Have nothing of the span destroyed until this is released; a provisional hold has an expiry."""
    values = {
        "since": instant_text(since_us),
        "until": instant_text(until_us),
        "ground": ground,
        "provisional": expires_us is not None,
        "expires": None if expires_us is None else instant_text(expires_us),
    }
    return desk.say(footage_stream(camera), HOLD_PLACED, values)


def extend_hold(desk: Desk, camera: str, hold: str, *, ground: str, expires_us: int | None = None) -> Outcome:
    """Have a provisional hold stay, until an instant or until it is released: a person's word for it."""
    expires = None if expires_us is None else instant_text(expires_us)
    return desk.say(footage_stream(camera), HOLD_EXTENDED, {"hold": hold, "ground": ground, "expires": expires})


def propose_release(desk: Desk, camera: str, hold: str, *, ground: str) -> Outcome:
    """Propose to end a hold, named by its statement's id; a second person confirms."""
    return desk.say(footage_stream(camera), RELEASE_PROPOSED, {"hold": hold, "ground": ground})


def release(desk: Desk, camera: str, proposal: str) -> Outcome:
    """Confirm a proposed release, as a second person."""
    found = standing(desk, camera).proposals.get(StatementId(_id(proposal)))
    if found is None:
        raise NotFound(f"no release {proposal:.64} waits", code="proposal", mend="mingjian-camera holds shows them")
    return desk.say(footage_stream(camera), HOLD_RELEASED, {**found.content, "proposal": proposal})


def _id(text: str) -> bytes:
    return bytes.fromhex(text) if len(text) == 64 and set(text) <= set("0123456789abcdef") else b""


def standing(desk: Desk, camera: str) -> Footage:
    """The holds and open proposals of a camera's footage."""
    found = desk.state(footage_stream(camera))
    return found if isinstance(found, Footage) else Footage()


def on_disk(recorder: Recorder, camera: str, *, until_us: int | None = None) -> list[Segment]:
    """The segments of a camera that are there, or in the store, oldest first; only those from before ``until_us``."""
    archive, days = Archive.of(recorder), recorder.camera(camera).glob("????-??-??")
    folders = sorted(path.name for path in days if any(path.glob("*.mp4")) or archive.noted(path))
    if not folders:
        return []
    # Lines of a day stand in that day's journal or, where a recorder died, in a later one; never in an earlier.
    since_us = instant_us(f"{folders[0]}T00:00:00Z")
    until = now_us() if until_us is None else until_us
    found = []
    wanted = speaks_of(camera, since_us - _DAY_US, until)
    for line in read_lines(recorder, first_day=instant_text(since_us - _DAY_US)[:10], wanted=wanted):
        says = line.says
        if says["kind"] == "segment":
            segment = Segment(line, instant_us(says["start"]), instant_us(says["end"]))
            if archive.is_kept(camera, segment):
                found.append(segment)
    return sorted(found, key=lambda one: one.start_us)


def purge(hall: Hall, desk: Desk, recorder: Recorder, camera: str, *, now: int | None = None) -> list[Purged]:
    """Destroy what is older than the camera's retention and under no hold."""
    now = now_us() if now is None else now
    _, registry = hall.door.registry()
    entry = registry.entries.get(f"camera/{camera}")
    if entry is None:
        raise NotFound(f"the ledger knows no camera {camera}", code="no-camera", mend="mingjian-camera add")
    before = now - int(entry.data["retention_days"]) * _DAY_US
    old = [one for one in on_disk(recorder, camera, until_us=before) if one.end_us <= before]
    return _destroy(hall, desk, recorder, camera, old, rule="retention")


def make_room(hall: Hall, desk: Desk, recorder: Recorder, cameras: Sequence[str], *, need_bytes: int) -> list[Purged]:
    """Destroy unheld footage, the oldest first, until so much room is there; Unavailable when only held is left."""
    done: list[Purged] = []
    archive = Archive.of(recorder)
    for camera in cameras:
        # What a store has needs no room here, held or not.
        if shutil.disk_usage(recorder.folder).free < need_bytes:
            archive.drop(camera, older_than_s=0)
    for camera in cameras:
        held = standing(desk, camera)
        for segment in on_disk(recorder, camera):
            if not segment_file(recorder, camera, segment).exists():
                continue
            if shutil.disk_usage(recorder.folder).free >= need_bytes:
                return done
            if not held.held(segment.start_us, segment.end_us, now_us=now_us()):
                done += _destroy(hall, desk, recorder, camera, [segment], rule="disk")
    if shutil.disk_usage(recorder.folder).free < need_bytes:
        raise Unavailable(
            "the disk is full, and what is left is held",
            code="disk-held",
            mend="give the recorder more room, or have holds released whose ground is over",
        )
    return done


def _destroy(
    hall: Hall, desk: Desk, recorder: Recorder, camera: str, segments: Sequence[Segment], *, rule: str
) -> list[Purged]:
    seal_lines(hall, recorder)  # what is not sealed was never promised, and cannot be missed
    held = standing(desk, camera)
    archive = Archive.of(recorder)
    free = {one.line.number for one in archive.destroyable(camera, segments, now=now_us())}

    def stays(one: Segment) -> bool:
        return one.line.number not in free or bool(held.held(one.start_us, one.end_us, now_us=now_us()))

    done = []
    for run in runs_of(segments, stays):
        values = purged_values(run, rule)
        try:
            outcome = desk.say(footage_stream(camera), PURGED, values)
        except Refused as error:
            if error.code != "hold":
                raise
            continue  # a hold came in between: it wins
        # The statement first: dying here, the files are still there and the next purge says so again.
        archive.destroy(camera, run)
        done.append(Purged(camera, len(run), values["bytes"], outcome))
    return done


def runs_of(segments: Sequence[Segment], stays: Callable[[Segment], bool]) -> list[list[Segment]]:
    """The segments that may go, in runs between those that stay: a statement speaks of one span without a hole."""
    runs: list[list[Segment]] = [[]]
    for segment in segments:
        if stays(segment):
            runs.append([])
        else:
            runs[-1].append(segment)
    return [run for run in runs if run]


def purged_values(run: Sequence[Segment], rule: str) -> dict[str, Any]:
    """What is said of a run that goes."""
    return {
        "since": instant_text(run[0].start_us),
        "until": instant_text(run[-1].end_us),
        "rule": rule,
        "segments": len(run),
        "bytes": sum(int(one.says["bytes"]) for one in run),
        "root": root_of([bytes.fromhex(one.says["root"]) for one in run]).hex(),
    }


def room_needed(recorder: Recorder) -> int:
    """The bytes that must be free on a recorder's disk, when they are not; else 0."""
    disk = shutil.disk_usage(recorder.folder)
    need = min(_RESERVE_BYTES, disk.total // 20)
    return need if disk.free < need else 0


class Tidy:
    """What a recorder's machine does about its disk by itself: makes room each minute, purges each hour."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._purged: dict[str, float] = {}
        self._held: dict[str, frozenset[StatementId]] = {}
        self._guard = Guard()

    def __call__(self, hall: Hall, recorder: Recorder) -> None:
        """Look after one recorder's disk; what cannot be done is logged, and done at the next time."""
        cameras, desk = cameras_of(self._data, recorder.actor), device_desk(hall, recorder)
        try:
            for camera in cameras:
                self._guard(recorder, camera, standing(desk, camera).holds)
        except (Refused, Unavailable) as error:
            log.error("the store's holds could not be set", recorder=recorder.actor, why=error.message)
        try:
            if time.monotonic() - self._purged.get(recorder.actor, -_HOUR_S) >= _HOUR_S:
                self._purged[recorder.actor] = time.monotonic()
                for camera in cameras:
                    purge(hall, desk, recorder, camera)
                self._held.pop(recorder.actor, None)
            # Counting what is held reads the journal: once an hour, and when holds came or went.
            held = frozenset(id_ for camera in cameras for id_ in standing(desk, camera).holds)
            if held != self._held.get(recorder.actor):
                look_at_budget(desk, recorder, cameras)
                self._held[recorder.actor] = held
            if need := room_needed(recorder):
                make_room(hall, desk, recorder, cameras, need_bytes=need)
        except (Refused, Unavailable) as error:
            log.error("footage could not be tidied", recorder=recorder.actor, why=error.message)


def look_at_budget(desk: Desk, recorder: Recorder, cameras: Sequence[str]) -> list[Outcome]:
    """Say when held footage goes past its share of the disk, and when it is within it again."""
    held = sum(held_bytes(desk, recorder, camera) for camera in cameras)
    states = {camera: standing(desk, camera).is_full for camera in cameras}
    return [desk.say(said.stream, said.type, said.values) for said in budget_says(recorder, held, states)]


def budget_says(recorder: Recorder, held: int, states: Mapping[str, bool]) -> list[Said]:
    """What is to be said of a recorder's held bytes; ``states``: of each camera whether that was said before."""
    total = shutil.disk_usage(recorder.folder).total
    is_full = held * 1000 > total * BUDGET_PERMILLE
    if is_full:
        log.error("held footage is past its budget", recorder=recorder.actor, held_bytes=held, disk_bytes=total)
    values, type_ = {"held_bytes": held, "disk_bytes": total}, SPACE_PASSED if is_full else SPACE_FREED
    changed = [camera for camera, was_full in states.items() if was_full is not is_full]
    return [Said(footage_stream(camera), type_, values, secrets.token_hex(16)) for camera in changed]


def held_bytes(desk: Desk, recorder: Recorder, camera: str) -> int:
    """How much of a camera's footage is under a hold; what several hold counts once."""
    return bytes_under(recorder, camera, standing(desk, camera).holds.values())


def bytes_under(recorder: Recorder, camera: str, holds: Iterable[Hold]) -> int:
    """The same, under those holds."""
    now = now_us()
    found = {
        segment.line.number: int(segment.says["bytes"])
        for hold in holds
        if hold.covers(hold.since_us, hold.until_us, now_us=now)
        for segment in span_of(recorder, camera, hold.since_us, hold.until_us).segments
        if segment_file(recorder, camera, segment).exists()
    }
    return sum(found.values())
