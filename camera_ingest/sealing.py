"""Lines carried to the ledger: once a minute, and at once when a hold or a clip asks.

Each batch is one transaction: what the lines say of gaps and states as statements of the camera's stream, and one
``segments.sealed.v1`` with the Merkle root over all the lines' texts. Where the last batch ended is read from the
ledger itself, so a batch that was cut off anywhere is made again or found done. A minute without lines is
a batch of none: silence is then the recorder's death, and nobody's choice.

The key is the device's. This may run on another machine than the recorder as long as it has journal and key.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson
import structlog

from camera_ingest.folders import Recorder, locked, read_cameras, recorder_named
from camera_ingest.journal import lines_after
from camera_ingest.masks import keep_masks
from ledger.cases.recorders import sealed_upto
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall, open_ledger
from ledger.errors import MingjianError, Refused
from ledger.facts.footage import HOLD_PLACED, MAX_LINES, SEALED, footage_stream, recorder_stream
from ledger.files import replace_file
from ledger.statement import instant_text, instant_us, open_statement
from ledger.store.sequencer import now_us
from ledger.tree.merkle import root_of
from ledger.verify.clip import Line, line_leaf

log = structlog.get_logger()
EVERY_S: Final = 60.0
LATE_S: Final = 180
CUT_S: Final = 3.0
"""How long one waits for a keyframe: cameras send one a second or two; where they do not, what is sealed must do."""
_LOOK_S: Final = 1.0
_CUT_LOOK_S: Final = 0.05
# Lines that are statements of their own: what supervisors look at.
_TOLD: Final = frozenset(
    {"recording_started", "recording_stopped", "gap_detected", "gap_ended", "clock_stepped", "tampered", "recovered"}
)


def device_desk(hall: Hall, recorder: Recorder) -> Desk:
    """Where a recorder works."""
    return Desk(door=hall.door, actor=recorder.actor, key=recorder.key, role="recorder_device")


def seal_lines(hall: Hall, recorder: Recorder) -> list[Outcome]:
    """Carry all lines of a recorder that the ledger does not have yet; the batches' outcomes."""
    desk = device_desk(hall, recorder)
    with locked(recorder.folder / "sealing"):
        upto = sealed_upto(hall, recorder.actor)
        lines = lines_after(recorder, upto)
        made = []
        for at in range(0, max(len(lines), 1), MAX_LINES):
            part = lines[at : at + MAX_LINES]
            made.append(_seal(desk, recorder, upto + 1, part))
            upto += len(part)
        remember(recorder, upto)
        return made


class Said(NamedTuple):
    """What a recorder has to state, to a ledger here or elsewhere."""

    stream: str
    type: str
    values: dict[str, Any]
    request: str


def batch_of(recorder: Recorder, first: int, lines: Sequence[Line]) -> Said:
    """The statement that seals lines; ``first``: the number of the first one, also where there is none."""
    now = now_us()
    last = first + len(lines) - 1
    age_s = max((now - instant_us(line.says["written"]) for line in lines), default=0) // 1_000_000
    values = {
        "first": first,
        "last": last,
        "root": root_of([line_leaf(line.text) for line in lines]).hex(),
        "cameras": _sums(lines),
        "late_s": age_s if age_s > LATE_S else None,
    }
    # An empty batch repeats numbers, so its request has the time beside them.
    request = f"seal-{first}-{last}" if lines else f"seal-{first}-none-{now}"
    return Said(recorder_stream(recorder.actor, _day(now)), SEALED, values, request)


def told_of(lines: Sequence[Line]) -> list[Said]:
    """The statements of what lines say of gaps and states."""
    return [_tell(line) for line in lines if line.says["kind"] in _TOLD]


def _seal(desk: Desk, recorder: Recorder, first: int, lines: Sequence[Line]) -> Outcome:
    batch, *told = (
        desk.wish(one.stream, one.type, one.values, request=one.request)
        for one in (batch_of(recorder, first, lines), *told_of(lines))
    )
    try:
        return desk.door.submit_all([*told, batch], desk.key)[-1]
    except Refused as error:
        if not told:
            raise
        # A camera that is not bound to us any more: its lines stay in the root, what they say is told nowhere else.
        log.warning("a line was refused", recorder=recorder.actor, why=error.message)
        for wish in told:
            try:
                desk.door.submit(wish, desk.key)
            except Refused as refusal:
                log.warning("a line was refused", stream=wish.stream, why=refusal.message)
        return desk.door.submit(batch, desk.key)


def _tell(line: Line) -> Said:
    says = line.says
    names = ("run", "at", "cause", "since", "state", "measured", "offset_us")
    values = {name: says[name] for name in names if says.get(name) is not None}
    type_ = f"footage.{says['kind']}.v1"
    return Said(footage_stream(says["camera"]), type_, {**values, "line": line.number}, f"line-{line.number}")


def _sums(lines: Sequence[Line]) -> dict[str, Any]:
    found: dict[str, dict[str, int]] = {}
    for line in lines:
        if line.says["kind"] == "segment":
            one = found.setdefault(line.says["camera"], {"segments": 0, "us": 0})
            one["segments"] += 1
            one["us"] += instant_us(line.says["end"]) - instant_us(line.says["start"])
    return found


def _day(now: int) -> str:
    return datetime.fromtimestamp(now / 1_000_000, UTC).date().isoformat()


def remember(recorder: Recorder, upto: int) -> None:
    """Write down how far the ledger has it."""
    # For `status`, with the ledger down; the ledger itself decides what comes next.
    replace_file(recorder.folder / "sealed.json", orjson.dumps({"at": instant_text(now_us()), "upto": upto}))


class Sealer:
    """Carries the lines of this machine's recorders every minute, in a thread; a ledger that is down is asked again.

    ``after``: called for each recorder when its lines are carried. ``beside``: what goes on while the ledger is open.
    """

    def __init__(
        self,
        data: Path,
        recorders: Sequence[str],
        *,
        every_s: float = EVERY_S,
        after: Callable[[Hall, Recorder], None] = lambda *_: None,
        beside: Callable[[Hall], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self._data, self.recorders, self._every_s, self._after = data, list(recorders), every_s, after
        self._beside = beside
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sealing", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Carry what there is, and end."""
        self._stop.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        while True:
            try:
                with open_ledger(self._data) as hall, hall.sequencing(), self._beside(hall):
                    self._carry(hall)
                    return
            except (MingjianError, OSError) as error:
                log.warning("the ledger is not there; the journal is kept", why=str(error))
            except Exception as error:  # whatever the database says: footage goes on without it
                log.warning("the ledger does not answer; the journal is kept", why=repr(error)[:200])
            if self._stop.wait(self._every_s):
                return

    def _carry(self, hall: Hall) -> None:
        asked = _Asked(hall)
        for actor in list(self.recorders):
            keep_masks(hall, recorder_named(self._data, actor))
        while True:
            until = time.monotonic() + self._every_s
            while not self._stop.wait(min(_LOOK_S, self._every_s)) and time.monotonic() < until:
                # What a hold asks for is sealed at once: one on what nobody has promised holds nothing.
                for actor in list(self.recorders):
                    if held := [camera for camera in cameras_of(self._data, actor) if asked.is_held_anew(camera)]:
                        recorder = recorder_named(self._data, actor)
                        for camera in held:
                            cut_now(recorder, camera, now_us())
                        seal_lines(hall, recorder)
            stopping = self._stop.is_set()
            for actor in list(self.recorders):
                recorder = recorder_named(self._data, actor)
                outcomes = seal_lines(hall, recorder)
                keep_masks(hall, recorder)
                self._after(hall, recorder)
                if stopping:
                    hall.wait_placed(outcomes)
            if stopping:
                return


class _Asked:
    """Whether a hold was placed since one looked last."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._seen: dict[str, bytes | None] = {}

    def is_held_anew(self, camera: str) -> bool:
        entry = self._hall.reader.last_entry(footage_stream(camera))
        is_new = camera in self._seen and entry != self._seen[camera]
        self._seen[camera] = entry
        return is_new and entry is not None and open_statement(entry).type == HOLD_PLACED


def cut_now(recorder: Recorder, camera: str, until_us: int, *, wait_s: float = CUT_S) -> bool:
    """Have what was recorded up to then sealed in the journal: the segment being written ends at its next keyframe.

    True when that came to pass, or nothing is being written; False where no keyframe came within ``wait_s``.
    """
    folder = recorder.camera(camera)
    wish, until, over = folder / "cut", min(until_us, now_us()), time.monotonic() + wait_s
    try:
        while (seen := _seen_of(folder)).get("state") == "recording":
            if "end" in seen and instant_us(seen["end"]) >= until:
                return True
            if time.monotonic() > over:
                return False
            wish.touch()  # again and again: one segment may have begun before this moment, and end before it too
            time.sleep(_CUT_LOOK_S)
    finally:
        wish.unlink(missing_ok=True)
    return True


def _seen_of(folder: Path) -> dict[str, Any]:
    try:
        found = orjson.loads((folder / "seen.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def cameras_of(data: Path, recorder: str) -> list[str]:
    """The cameras that one of them reads."""
    return [camera.id for camera in read_cameras(data).values() if camera.recorder == recorder]


def recorders_of(data: Path) -> list[str]:
    """The recorders of this machine's cameras."""
    return sorted({camera.recorder for camera in read_cameras(data).values()})
