"""``mingjian-camera clip``: cut here, or by the process that records, which has everything at hand already.

    DATA/footage/clips.sock    where that process takes requests while its ledger is open: a line of JSON each way

Starting the whole program and opening a ledger takes longer than cutting; who asks the process waits for the cutting
alone. It serves whoever runs as the same user, a few at a time, and is never needed: where nobody listens, or for
another database, the command does the same itself.
"""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from ledger.errors import Evidence, Malformed, MingjianError, Refused, Unavailable

if TYPE_CHECKING:
    from camera_ingest.clips import Cut
    from camera_ingest.disputes import Missed
    from camera_ingest.folders import Camera
    from ledger.cases.cameras import Event
    from ledger.door.desk import Desk
    from ledger.door.hall import Hall

_SOCKET: Final = "clips.sock"
_MAX_BYTES: Final = 16 << 20
_ANSWER_S: Final = 3600.0
_ASK_S: Final = 5.0
_AT_ONCE: Final = 2
_FAMILIES: Final = {kind.__name__: kind for kind in (Refused, Evidence, Unavailable)}
_BUSY: Final = b"{}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A clip as it is asked for: ``camera`` with a span in µs, or ``event`` with a margin."""

    camera: str | None
    since: int | None
    until: int | None
    event: str | None
    margin: str
    exact: bool
    view: bool
    complaint: str | None
    out: str
    actor: str | None

    @property
    def is_by_span(self) -> bool:
        """Whether by camera and span."""
        return self.camera is not None and self.since is not None and self.until is not None

    def check(self) -> None:
        """Refuse what is asked for by both, or by neither."""
        if self.is_by_span == (self.event is not None):
            by_span = "mingjian-camera clip ID --from A --to B --out FILE"
            raise Malformed(
                "a clip is asked for by camera and span, or by event",
                code="usage",
                mend=f"{by_span}, or: clip --event EVENT --margin 10m --out FILE",
            )


# ------------------------------------------------------------------------------------------------------------ cutting


def cut_wanted(hall: Hall, wanted: Wanted) -> dict[str, Any]:
    """Cut it; the command's answer. A sequencer must be running."""
    from camera_ingest.clips import cut_clip
    from camera_ingest.disputes import seal_for
    from camera_ingest.folders import recorder_named
    from camera_ingest.registering import custodian
    from ledger.cases.cameras import cameras_that_saw, read_event

    desk = custodian(hall, wanted.actor)

    def cut(camera: Camera, since_us: int, until_us: int, out: Path) -> Cut:
        return cut_clip(hall, desk, recorder_named(hall.data, camera.recorder), camera.id, since_us, until_us, out)

    def find(named: str) -> tuple[Event, dict[str, str]]:
        event = read_event(hall, named)
        return event, cameras_that_saw(hall, event)

    event, cuts, missed = cut_by(hall.data, wanted, find, cut)
    rows = [{"camera": id_} | one.as_json() | _derivatives(hall, desk, one, wanted) for id_, one in cuts]
    sealed = None if wanted.complaint is None else seal_for(hall, desk, wanted.complaint, cuts, missed)
    hall.wait_placed([one.outcome for _, one in cuts])
    return told(event, rows, missed) | ({} if sealed is None else {"complaint": sealed})


def cut_by(
    data: Path,
    wanted: Wanted,
    find: Callable[[str], tuple[Event, dict[str, str]]],
    cut: Callable[[Camera, int, int, Path], Cut],
) -> tuple[Event | None, list[tuple[str, Cut]], list[Missed]]:
    """Cut what is wanted of ``data``'s cameras with ``cut``; ``find``: an event, and which cameras saw it."""
    from camera_ingest.disputes import cameras_of_event, clip_event, read_margin
    from camera_ingest.folders import camera_named

    margin_us = read_margin(wanted.margin)
    if wanted.event is None:
        assert wanted.camera is not None
        assert wanted.since is not None
        assert wanted.until is not None
        camera = camera_named(data, wanted.camera)
        return None, [(camera.id, cut(camera, wanted.since, wanted.until, Path(wanted.out)))], []
    event, saw = find(wanted.event)
    cameras = [one for one in cameras_of_event(data, event, saw) if wanted.camera in (None, one.id)]
    return event, *clip_event(cut, event, cameras, margin_us, Path(wanted.out))


def told(event: Event | None, rows: Sequence[dict[str, Any]], missed: Sequence[Missed]) -> dict[str, Any]:
    """The command's answer: of a span its clip; of an event the first, and all of them."""
    if event is None:
        return rows[0]
    missing = [one.as_json() for one in missed]
    return {"event": event.as_json()} | rows[0] | {"clips": list(rows), "missing": missing}


def _derivatives(hall: Hall, desk: Desk, cut: Cut, wanted: Wanted) -> dict[str, Any]:
    from camera_ingest.deriving import derive
    from ledger.cases.kept_footage import keep

    made = {}
    for name, exact in (("exact", True), ("view", False)):
        if getattr(wanted, name) or (name == "view" and wanted.complaint is not None):
            one = derive(hall, desk, cut.clip, cut.clip.with_suffix(f".{name}.mp4"), exact=exact)
            if wanted.complaint is not None:
                keep(hall.data, one.file)
            made[name] = one.as_json()
    return made


# ------------------------------------------------------------------------------------------------------------- asking


def ask_recorder(data: Path, wanted: Wanted) -> dict[str, Any] | None:
    """Have the process that records cut it; None where none takes it, and it is to be done here.

    Raises what the cutting raised there.
    """
    question = asdict(replace(wanted, out=str(Path(wanted.out).absolute()))) | {"database": _database()}
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            with _at(data) as address:
                asking.settimeout(_ASK_S)
                asking.connect(address)
            asking.sendall(orjson.dumps(question) + b"\n")
            asking.settimeout(_ANSWER_S)
            answer = orjson.loads(_line(asking))
        except TimeoutError:
            raise Unavailable("the recorder does not answer", code="recorder", mend="try again") from None
        except (OSError, orjson.JSONDecodeError):
            return None
    if "error" in answer:
        body = answer["error"]["error"]
        details = {name: value for name, value in body.items() if name not in ("code", "message", "mend")}
        kind = _FAMILIES.get(answer["family"], Refused)
        raise kind(body["message"], code=body["code"], mend=body.get("mend", ""), **details)
    result: dict[str, Any] | None = answer.get("result")
    if result is not None and not Path(wanted.out).is_absolute():
        return dict(_near(result, str(Path.cwd()) + os.sep))
    return result


def _near(said: Any, folder: str) -> Any:
    """Paths as they were asked for: from where the command stands."""
    match said:
        case dict():
            return {name: _near(value, folder) for name, value in said.items()}
        case list():
            return [_near(value, folder) for value in said]
        case str():
            return said.removeprefix(folder)
    return said


def _database() -> str:
    return os.environ.get("MINGJIAN_DATABASE_URL", "")


@contextmanager
def _at(data: Path) -> Iterator[str]:
    """The socket's address, whatever the length of its path."""
    folder = os.open(data / "footage", os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{_SOCKET}"
    finally:
        os.close(folder)


def _line(stream: socket.socket) -> bytes:
    found = bytearray()
    while not found.endswith(b"\n"):
        data = stream.recv(1 << 16)
        if not data or len(found) > _MAX_BYTES:
            raise ConnectionError("it was cut off")
        found += data
    return bytes(found)


# ------------------------------------------------------------------------------------------------------------ serving


@contextmanager
def serving_clips(hall: Hall) -> Iterator[None]:
    """While this lasts, clips are cut here for whoever asks on this machine. A sequencer must be running."""
    with ExitStack() as stack:
        try:
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            path = hall.data / "footage" / _SOCKET
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _at(hall.data) as address:
                path.unlink(missing_ok=True)  # of one that was killed; of two in one folder the later one cuts
                listener.bind(address)
            path.chmod(0o600)
            listener.listen(_AT_ONCE)
        except OSError:
            yield  # a file system without sockets: the command does it itself
            return
        stack.callback(path.unlink, missing_ok=True)
        room = threading.BoundedSemaphore(_AT_ONCE)
        thread = threading.Thread(target=_listen, args=(listener, hall, room), name="clips", daemon=True)
        thread.start()
        try:
            yield
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)
            for _ in range(_AT_ONCE):  # those that are being cut are done first: the ledger is open as long
                room.acquire(timeout=_ASK_S)


def _listen(listener: socket.socket, hall: Hall, room: threading.BoundedSemaphore) -> None:
    while True:
        try:
            asking, _ = listener.accept()
        except OSError:
            return
        if not room.acquire(blocking=False):
            with asking, suppress(OSError):
                asking.sendall(_BUSY)
            continue
        threading.Thread(target=_serve, args=(asking, hall, room), name="clip", daemon=True).start()


def _serve(asking: socket.socket, hall: Hall, room: threading.BoundedSemaphore) -> None:
    try:
        with asking, suppress(OSError, ValueError, TypeError, KeyError):
            asking.settimeout(_ASK_S)
            _, user, _ = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
            question = orjson.loads(_line(asking))
            # What is written belongs to this process's user, and stands in this process's ledger.
            if user != os.geteuid() or question.pop("database") != _database():
                asking.sendall(_BUSY)
                return
            asking.sendall(orjson.dumps(_answer(hall, Wanted(**question)), default=str) + b"\n")
    finally:
        room.release()


def _answer(hall: Hall, wanted: Wanted) -> Mapping[str, Any]:
    try:
        return {"result": cut_wanted(hall, wanted)}
    except MingjianError as error:
        family = next(name for name, kind in _FAMILIES.items() if isinstance(error, kind))
        return {"error": error.as_json(), "family": family}
    except OSError as error:
        told = Unavailable(f"{error.filename or 'the system'}: {error.strerror or error}", code="system")
        return {"error": told.as_json(), "family": "Unavailable"}
    except Exception:  # whatever it is, the command meets it itself and tells it
        return {}
