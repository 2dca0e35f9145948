"""The board's cameras: how many record, are held or tampered with, the worst first, each with a masked thumbnail."""

from __future__ import annotations

import time
from typing import Any

import orjson

from api.questions import snapshot
from api.routes.board import camera_board
from camera_ingest.folders import recorder_named
from camera_ingest.sealing import device_desk
from ledger.door.desk import Desk

Office = Any


def shown(office: Office, position: int | None = None) -> dict[str, Any]:
    with snapshot(office.hall) as (connection, _):
        return camera_board(connection, position=position)


def projected(office: Office) -> None:
    size = office.hall.reader.head().size

    def there() -> bool:
        with snapshot(office.hall) as (_, as_of):
            return bool(as_of["position"] >= size)

    office.wait(there)


def test_what_recorders_say_of_their_cameras_stands_on_the_board_the_worst_first_and_as_of_then(office: Office) -> None:
    office.wait(lambda: shown(office)["recording"] == 2, limit_s=20)
    hall = office.hall
    position = hall.reader.head().size
    device: Desk = device_desk(hall, recorder_named(hall.data, "recorder/1"))
    said = {"line": 900_001, "at": "2026-03-04T09:00:00Z", "state": "black", "measured": {"mean": 3}}
    out = device.say("footage/south", "footage.tampered.v1", said)
    assert hall.wait_placed([out], timeout_s=10)
    projected(office)
    now = shown(office)
    assert (now["n"], now["tampered"]) == (2, 1)
    worst = now["worst"][0]
    assert (worst["camera"], worst["tampered"], worst["rank"]) == ("south", "black", "bad")
    assert shown(office, position)["tampered"] == 0
    back = device.say("footage/south", "footage.recovered.v1", said | {"line": 900_002})
    gone = device.say("footage/south", "footage.held_space_passed.v1", {"held_bytes": 7, "disk_bytes": 9})
    free = device.say("footage/south", "footage.held_space_freed.v1", {"held_bytes": 1, "disk_bytes": 9})
    assert hall.wait_placed([back, gone, free], timeout_s=10)
    projected(office)
    assert (shown(office)["tampered"], shown(office)["full"]) == (0, 0)
    page = office.browser("staff/su").get("/board?lang=en").text
    assert 'href="/live/north?lang=en"' in page
    # Thumbnails are for those who may watch.
    office.wait(lambda: "/live/thumbnails/north" in office.browser("staff/su").get("/board").text, limit_s=20)
    assert "/live/thumbnails/" not in office.browser("staff/chen").get("/board").text


def test_the_question_is_answered_in_under_fifty_milliseconds_at_182_cameras(office: Office) -> None:
    with office.hall.database.use("owner") as connection, connection.transaction(force_rollback=True):
        connection.execute("SET search_path = projections")
        for number in range(180):
            said = {"name": f"c{number}", "windows": [f"w{number}"], "place": "counter", "retention_days": 30}
            stream = f"camera/c-{number}"
            connection.execute(
                "INSERT INTO registry_versions VALUES (%s, NULL, 'camera', %s, %s, 'camera.registered.v1', false,"
                " false, %s, 'staff/lu', 0, 0, %s)",
                (1_000_000 + number, stream, stream, f"{number:064x}", orjson.dumps(said).decode()),
            )
            connection.execute(
                "INSERT INTO camera_states VALUES (%s, %s, NULL, 'recording', NULL, 0, NULL, %s, false)",
                (f"c-{number}", 1_000_000 + number, number % 3),
            )
        camera_board(connection)
        took = []
        for _ in range(7):
            began = time.perf_counter()
            found = camera_board(connection)
            took.append(time.perf_counter() - began)
    assert (found["n"], found["recording"], found["never"], len(found["worst"])) == (182, 182, 0, 12)
    # The quickest: what else runs on the machine is not what is asked here.
    assert min(took) < 0.05, took
