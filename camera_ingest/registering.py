"""Cameras and recorders made known to the ledger, by two persons.

    (unknown) ── registered ─▶ bound to a recorder and to windows ── changed ─▶ … ── retired ─▶ (unknown)

A custodian proposes, a key officer or another custodian confirms. Where both key officers' keys are kept here (a
demo's, a small hall's) and there is no custodian, they appoint one, as they give a recorder its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import Refused
from ledger.facts.registry import possession_message
from ledger.registry import keys, people
from ledger.registry.changes import confirm, is_open, propose

CUSTODIAN: Final = "video_custodian"
_ACTOR: Final = "staff/custodian"


def custodian(hall: Hall, actor: str | None = None) -> Desk:
    """The desk of a custodian whose key is kept here, by name or whoever there is."""
    _, registry = hall.door.registry()
    if actor is None:
        held = (name for name, held in registry.appointments.items() if CUSTODIAN in held.roles)
        actor = next((name for name in held if hall.keyring.keeps(name) and registry.active_keys(name)), None)
    if actor is None:
        actor = _appoint(hall)
    return Desk(door=hall.door, actor=actor, key=hall.keyring.actor(actor), role=CUSTODIAN)


def second(hall: Hall) -> Desk:
    """The desk of the key officer who confirms."""
    _, (actor, key) = hall.officers()
    return Desk(door=hall.door, actor=actor, key=key, role="key_officer")


def _appoint(hall: Hall) -> str:
    (first, first_key), _ = hall.officers()
    one = Desk(door=hall.door, actor=first, key=first_key, role="key_officer")
    confirm(second(hall), people.appoint(one, _ACTOR, person=_ACTOR, roles=[CUSTODIAN]).id)
    key = hall.keyring.make_actor(_ACTOR)
    proof = key.sign(possession_message(hall.origin, _ACTOR, key.public))
    confirm(second(hall), keys.add(one, _ACTOR, key.public, proof, custody="server").id)
    return _ACTOR


def give_key(hall: Hall, recorder: str) -> None:
    """See that a recorder has a key, which stays on this machine, and that the ledger knows it."""
    key = hall.keyring.make_actor(recorder)
    _, registry = hall.door.registry()
    if key.thumbprint in registry.keys:
        return
    (first, first_key), _ = hall.officers()
    one = Desk(door=hall.door, actor=first, key=first_key, role="key_officer")
    proof = key.sign(possession_message(hall.origin, recorder, key.public))
    confirm(second(hall), keys.add(one, recorder, key.public, proof, custody="device").id)


def register(
    hall: Hall,
    camera: str,
    *,
    name: str,
    recorder: str,
    windows: Sequence[str],
    place: str,
    retention_days: int,
    desk: Desk | None = None,
    **more: Any,
) -> Outcome:
    """Register a camera or change what is said of it. ``more``: site, signage, assessment, masks."""
    desk = desk or custodian(hall)
    _, registry = hall.door.registry()
    for window in windows:
        if not is_open(registry, window if "/" in window else f"window/{window}"):
            raise Refused(
                f"there is no open window {window}", code="no-window", mend="mingjian registry propose window.opened.v1"
            )
    stream = f"camera/{camera}"
    content = {
        "name": name,
        "recorder": recorder,
        "windows": list(windows),
        "place": place,
        "retention_days": retention_days,
        **more,
    }
    known = is_open(registry, stream)
    if known and content.get("masks") is None:
        # Whoever points a camera elsewhere does not uncover by it what nobody may be shown: [] does.
        content["masks"] = registry.entries[stream].data.get("masks")
    change = "camera.changed.v1" if known else "camera.registered.v1"
    return confirm(second(hall), propose(desk, stream, change, content).id)
