"""The demo's own cameras: drawn, recorded like any other, and pointed at a real one with one command."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import orjson

from camera_ingest.cli import main
from camera_ingest.demo import COUNT, set_up
from camera_ingest.folders import read_cameras
from camera_ingest.registering import second
from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.registry import catalogue, keys, people
from ledger.registry.changes import confirm


def _window(hall: Hall) -> None:
    """A unit with one window, opened by two persons."""
    (first, first_key), _ = hall.officers()
    one, desks = Desk(door=hall.door, actor=first, key=first_key, role="key_officer"), []
    for actor in ("staff/cat-a", "staff/cat-b"):
        confirm(second(hall), people.appoint(one, actor, person=actor, roles=["catalogue_admin"]).id)
        key = hall.keyring.make_actor(actor)
        proof = keys.prove_possession(hall.origin, actor, key)
        confirm(second(hall), keys.add(one, actor, key.public, proof, custody="server").id)
        desks.append(Desk(door=hall.door, actor=actor, key=key, role="catalogue_admin"))
    confirm(desks[1], catalogue.unit(desks[0], "env", name="环保", tier="district").id)
    confirm(desks[1], catalogue.window(desks[0], "w1", unit="env", name="1").id)


def test_four_drawn_cameras_are_recorded_and_one_is_pointed_at_a_real_one(hall: Hall, rig: Any, tmp_path: Path) -> None:
    _window(hall)
    folder = hall.data / "footage" / "demo"

    def seen(camera: str) -> dict[str, Any]:
        path = folder / camera / "seen.json"
        return orjson.loads(path.read_bytes()) if path.exists() else {}

    demo = subprocess.Popen([sys.executable, "-m", "camera_ingest.demo", "--data", str(hall.data), "--every-s", "2"])
    try:
        rig.wait_for(
            lambda: all(seen(f"demo-{number}").get("state") == "recording" for number in range(1, COUNT + 1)),
            limit_s=40,
        )
        with rig.camera(rig.BALL) as real:
            assert main(["add", "demo-1", "--url", real.url, "--window", "w1", "--untried",
                         "--recorder", "recorder/demo", "--data", str(hall.data), "--json"]) == 0  # fmt: skip
            first = seen("demo-1").get("run")
            rig.wait_for(lambda: seen("demo-1").get("run") not in (None, first), limit_s=40)
            width = []
            for path in (folder / "demo-1").glob("*/*.part"):
                with av.open(str(path)) as container:
                    width.append(container.streams.video[0].width)
            assert width == [320]
    finally:
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(timeout=40) == 0
    # Another start leaves it where it was pointed.
    drawn = set_up(hall)
    for _, _, listener in drawn:
        listener.close()
    assert [id_ for id_, _, _ in drawn] == ["demo-2", "demo-3", "demo-4"]
    assert read_cameras(hall.data)["demo-1"].url == real.url
    sealed = [path for path in (folder / "demo-2").glob("*/*.mp4")]
    assert sealed
    with av.open(str(sealed[0])) as container:
        picture = next(container.decode(video=0)).to_ndarray(format="gray")
    # Light letters on dark edges, in the line that says what it is and in the one that says when.
    for band in (picture[10:30], picture[335:352]):
        assert int(band.max()) - int(band.min()) > 150
