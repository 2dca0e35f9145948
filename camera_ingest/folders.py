"""Where footage lies on a recorder's disk, and what a recorder must know with the ledger down.

DATA/footage/cameras.json                     ``Camera`` by id; 0600, for an address may hold a password
DATA/footage/ledger.policy                    where the ledger of these recorders is elsewhere: whose it is (``remote``)
DATA/footage/clips.sock                       where the process that records takes requests for clips (``clip_command``)
DATA/footage/RECORDER/lock                    held by the process that records
DATA/footage/RECORDER/sealing                 held by whoever carries lines to the ledger
DATA/footage/RECORDER/journal/DATE.jsonl      what it saw, line by line, signed (``journal``)
DATA/footage/RECORDER/CAMERA/DATE/RUN-SEQ.mp4 sealed segments; RUN-SEQ.part is one being written
DATA/footage/RECORDER/CAMERA/cut              a wish that the segment being written end at its next keyframe
DATA/footage/RECORDER/CAMERA/seen.json        the camera's last state, for ``status``
DATA/footage/RECORDER/CAMERA/masks.json       what nobody is shown of it, and thumbnail-….jpg (``masks``)
DATA/footage/RECORDER/ballast                 room for the last lines on a full disk
DATA/keys/actors/recorder+RECORDER.pem        the device's key
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from ledger.door.keyring import Keyring
from ledger.errors import Conflict, Malformed, NotFound
from ledger.files import replace_file
from ledger.keys import SigningKey

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
DEFAULT_RECORDER: Final = "recorder/1"
POLICY: Final = "ledger.policy"


def check_id(id_: str) -> str:
    """The id of a camera, or a recorder's name, which are also names of folders (Malformed what cannot be one)."""
    if _ID.fullmatch(id_) is None:
        raise Malformed(
            f"{id_!r:.80} cannot name a camera", code="camera-id", mend="letters, digits, - _ and ., 64 at most"
        )
    return id_


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as this machine reads it. ``recorder``: the actor ``recorder/NAME``."""

    id: str
    url: str
    recorder: str
    retention_days: int = 30


@dataclass(frozen=True, slots=True)
class Recorder:
    """One recorder's folder and key."""

    actor: str
    folder: Path
    key: SigningKey

    def camera(self, id_: str) -> Path:
        """The folder of one of its cameras."""
        return self.folder / check_id(id_)


def footage(data: Path) -> Path:
    """The folder of all footage."""
    return data / "footage"


def is_remote(data: Path) -> bool:
    """Whether the ledger of this folder's recorders is elsewhere, known by its policy."""
    return (footage(data) / POLICY).exists()


def read_cameras(data: Path) -> dict[str, Camera]:
    """The cameras that this machine reads, by id."""
    try:
        raw = orjson.loads((footage(data) / "cameras.json").read_bytes())
    except FileNotFoundError:
        return {}
    return {
        id_: Camera(id_, said["url"], said["recorder"], said.get("retention_days", 30)) for id_, said in raw.items()
    }


def camera_named(data: Path, id_: str) -> Camera:
    """One of them (NotFound when it is none)."""
    found = read_cameras(data).get(id_)
    if found is None:
        raise NotFound(
            f"there is no camera {id_:.64}", code="no-camera", mend=f"mingjian-camera add {id_:.64} --url URL"
        )
    return found


def write_camera(data: Path, camera: Camera) -> None:
    """Add or change one."""
    folder = footage(data)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with locked(folder / "cameras.lock"):
        known = {**read_cameras(data), check_id(camera.id): camera}
        raw = {
            id_: {"url": one.url, "recorder": one.recorder, "retention_days": one.retention_days}
            for id_, one in known.items()
        }
        content = orjson.dumps(raw, option=orjson.OPT_INDENT_2)
        replace_file(folder / "cameras.json", content, durable=True, private=True)


def recorder_named(data: Path, actor: str) -> Recorder:
    """The recorder with that actor id and its key, which is kept here."""
    name = check_id(actor.removeprefix("recorder/"))
    folder = footage(data) / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Recorder(actor, folder, Keyring(data).actor(actor))


def write_state(path: Path, state: Mapping[str, Any]) -> None:
    """A small file for those who look on, written whole."""
    replace_file(path, orjson.dumps(dict(state)), private=True)


@contextmanager
def locked(path: Path, *, wait: bool = True, held: str = "") -> Iterator[None]:
    """While this lasts, nobody else holds ``path``; Conflict with ``held`` when somebody does and we do not wait."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Conflict(held, code="running", mend="stop the other one first") from None
        yield
