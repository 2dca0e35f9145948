"""What the door takes of recorders and custodians, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from camera_ingest.registering import custodian, give_key, register, second
from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.errors import NotAllowed, Refused
from ledger.facts.cameras import MAX_STREAMS
from ledger.facts.footage import PURGED, SEALED

ROOT = "00" * 32
SPAN = {"since": "2026-03-04T09:00:00Z", "until": "2026-03-04T10:00:00Z"}
PURGE = SPAN | {"rule": "retention", "segments": 1, "bytes": 1, "root": ROOT}


def _camera(hall: Hall, id_: str, recorder: str = "recorder/1", **more: Any) -> None:
    said = {"name": id_, "windows": [], "place": "hall", "retention_days": 30} | more
    register(hall, id_, recorder=recorder, **said)


def _recorder(hall: Hall, actor: str) -> Desk:
    give_key(hall, actor)
    return Desk(door=hall.door, actor=actor, key=hall.keyring.actor(actor), role="recorder_device")


def _batch(first: int, last: int) -> Mapping[str, Any]:
    return {"first": first, "last": last, "root": ROOT, "cameras": {}}


def test_a_recorder_speaks_of_its_own_cameras_only(hall: Hall) -> None:
    _camera(hall, "mine", "recorder/mine")
    _camera(hall, "theirs", "recorder/theirs")
    desk = _recorder(hall, "recorder/mine")
    gap = {"line": 1, "at": "2026-03-04T09:00:00Z", "cause": "stall"}
    assert desk.say("footage/mine", "footage.gap_detected.v1", gap)
    for stream in ("footage/theirs", "footage/none"):
        with pytest.raises(NotAllowed) as refused:
            desk.say(stream, "footage.gap_detected.v1", gap)
        assert refused.value.code == "own-camera"
    with pytest.raises(NotAllowed):
        desk.say("recorder/theirs/2026-03-04", SEALED, _batch(1, 0))
    with pytest.raises(NotAllowed):
        desk.say("footage/mine", "footage.hold_placed.v1", SPAN | {"ground": "x", "provisional": False})


def test_no_line_is_left_out_between_two_batches(hall: Hall) -> None:
    desk = _recorder(hall, "recorder/order")
    stream = "recorder/order/2026-03-04"
    desk.say(stream, SEALED, _batch(1, 3))
    desk.say(stream, SEALED, _batch(4, 3))
    for first, last in ((5, 6), (3, 4), (4, 2), (4, 20_000)):
        with pytest.raises(Refused):
            desk.say(stream, SEALED, _batch(first, last))
    desk.say(stream, SEALED, _batch(4, 4))


def test_a_hold_wins_at_the_door_whoever_purges(hall: Hall) -> None:
    _camera(hall, "held", "recorder/held")
    desk, device = custodian(hall), _recorder(hall, "recorder/held")
    hold = desk.say("footage/held", "footage.hold_placed.v1", SPAN | {"ground": "c-1", "provisional": False})
    for who in (desk, device):
        with pytest.raises(Refused) as refused:
            who.say("footage/held", PURGED, PURGE)
        assert refused.value.code == "hold"
    beside = {"since": SPAN["until"], "until": "2026-03-04T11:00:00Z"}
    desk.say("footage/held", PURGED, PURGE | beside)
    content = {"hold": hold.id.hex(), "ground": "decided"}
    proposal = desk.say("footage/held", "footage.hold_release_proposed.v1", content)
    released = {**content, "proposal": proposal.id.hex()}
    with pytest.raises(NotAllowed):
        desk.say("footage/held", "footage.hold_released.v1", released)
    second(hall).say("footage/held", "footage.hold_released.v1", released)
    with pytest.raises(Refused):
        desk.say("footage/held", "footage.hold_release_proposed.v1", content)
    device.say("footage/held", PURGED, PURGE)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"retention_days": 29}, "retention"),
        ({"place": "nursing_room"}, "camera-place"),
        ({"recorder": "staff/clerk"}, "recorder"),
        ({"windows": ["window/none"]}, "no-window"),
    ],
)
def test_a_registration_that_must_not_be_is_refused(hall: Hall, more: dict[str, Any], code: str) -> None:
    with pytest.raises(Refused) as refused:
        _camera(hall, "bad", **more)
    assert refused.value.code == code


def test_a_recorder_is_given_no_more_cameras_than_it_carries(hall: Hall) -> None:
    for number in range(MAX_STREAMS):
        _camera(hall, f"many-{number}", "recorder/many")
    with pytest.raises(Refused, match="cameras already"):
        _camera(hall, "many-more", "recorder/many")
    _camera(hall, "many-0", "recorder/many", place="corridor")  # a change is none more
