"""``mingjian demo dispute``: a ticket served before the demo's first camera, disputed at once, to see what follows.

Everything goes the ordinary way: the clerk of that window takes, calls and serves a ticket, a complaint names the
serving as disputed, the system clock holds the footage. The answer says how long that took by the log, and how to cut;
and the code by which the citizen follows it at /my.
"""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any, Final

import orjson

from ledger.cases import complaint, ticket
from ledger.cases.tracking import new_tracking_code
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import NotFound
from ledger.facts.disputed import covers
from ledger.facts.registry import Registry
from ledger.statement import open_statement
from oversight.complaints import HoldKeeper

_WAIT_S: Final = 3.0
_PICTURE_S: Final = 20.0
_COMPLAINING: Final = ("citizen", "supervisor", "investigator")
_ANSWERS: Final = frozenset({"complaint.evidence_held.v1", "complaint.evidence_missing.v1"})


def dispute(hall: Hall, *, camera: str = "demo-1", seconds: float = 3.0) -> dict[str, Any]:
    """Serve a ticket for so long at the window of ``camera``, and dispute it; what was held, and how soon."""
    _, registry = hall.door.registry()
    said = dict(registry.cameras()).get(f"camera/{camera}")
    if said is None:
        raise NotFound(
            f"there is no camera {camera:.40}", code="no-camera", mend="mingjian up --demo, and wait a little"
        )
    clerk, citizen = _clerk(hall, registry, said), _complainer(hall, registry)
    keeper = HoldKeeper(hall)
    _await_picture(hall.data / "footage", camera)
    name = f"demo-{secrets.token_hex(4)}"
    ticket.take(clerk, name, number="D001", queue=str(clerk.window))
    ticket.call(clerk, name)
    time.sleep(seconds)
    event = ticket.serve(clerk, name)
    code = new_tracking_code()
    received = complaint.receive(
        citizen, name, ["attitude"], tracking=code, words="办理态度不好（演示）", events=[event.id], channel="website"
    )
    hall.wait_placed([event, received], timeout_s=10)
    answered = _answered(hall, keeper, name)
    return {
        "camera": camera,
        "window": clerk.window,
        "ticket": ticket.stream_of(name),
        "event": event.id.hex(),
        "complaint": complaint.stream_of(name),
        "holds": [] if answered is None else answered[0],
        "hold_s": None if answered is None else round((answered[1] - _recorded(hall, received)) / 1e6, 3),
        "page": f"/complaints/{name}",
        "tracking": code,
        "clip": f"mingjian-camera clip --event {event.id.hex()} --margin 5s --complaint {name} --out clip.mp4",
    }


def _clerk(hall: Hall, registry: Registry, camera: dict[str, Any] | Any) -> Desk:
    for actor, held in registry.appointments.items():
        if "window_clerk" in held.roles and hall.keyring.keeps(actor) and registry.active_keys(actor):
            for window in sorted(held.windows):
                if covers(camera, window):
                    key = hall.keyring.actor(actor)
                    return Desk(door=hall.door, actor=actor, key=key, role="window_clerk", window=window)
    raise NotFound(
        "no clerk of that window has a key here", code="no-clerk", mend="dispute an event of the log instead"
    )


def _complainer(hall: Hall, registry: Registry) -> Desk:
    for role in _COMPLAINING:
        for actor, held in registry.appointments.items():
            if role in held.roles and hall.keyring.keeps(actor) and registry.active_keys(actor):
                return Desk(door=hall.door, actor=actor, key=hall.keyring.actor(actor), role=role)
    raise NotFound("nobody who may complain has a key here", code="no-complainer", mend="mingjian up --demo")


def _await_picture(footage: Path, camera: str) -> None:
    """Until the camera is recorded: a demo that was started just now may not have its first picture yet."""
    until = time.monotonic() + _PICTURE_S
    while time.monotonic() < until:
        said = _read(footage / "cameras.json").get(camera)
        if said is None:
            return  # it is recorded elsewhere, or nowhere
        folder = footage / str(said["recorder"]).removeprefix("recorder/") / camera
        if _read(folder / "seen.json").get("state") in ("recording", "stopped"):
            return
        time.sleep(0.1)


def _read(path: Path) -> dict[str, Any]:
    try:
        return dict(orjson.loads(path.read_bytes()))
    except (OSError, orjson.JSONDecodeError):
        return {}


def _answered(hall: Hall, keeper: HoldKeeper, name: str) -> tuple[list[str], int] | None:
    """The holds that were placed for a complaint, and when the log says so; placed here where no server runs."""
    until = time.monotonic() + _WAIT_S
    while (found := _answer_of(hall, name)) is None and time.monotonic() < until:
        time.sleep(0.05)
    if found is None:
        keeper.hold()
        until = time.monotonic() + _WAIT_S
        while (found := _answer_of(hall, name)) is None and time.monotonic() < until:
            time.sleep(0.05)
    return found


def _answer_of(hall: Hall, name: str) -> tuple[list[str], int] | None:
    for index, _, entry in hall.reader.stream(complaint.stream_of(name)):
        act = open_statement(entry)
        if index is not None and act.type in _ANSWERS:
            return list(act.data.get("holds", ())), hall.reader.recorded_us([index])[index]
    return None


def _recorded(hall: Hall, outcome: Outcome) -> int:
    (index,) = hall.reader.placed([outcome.id]).values()
    return hall.reader.recorded_us([index])[index]
