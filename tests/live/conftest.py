"""A hall with filmed windows, one of them masked, served as ``mingjian up`` serves it, and people who may watch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest
from playwright.sync_api import Browser

from api.sessions import Sessions
from camera_ingest.folders import Camera, recorder_named, write_camera
from camera_ingest.masks import keep_masks
from camera_ingest.registering import give_key, register
from camera_ingest.sealing import Sealer
from ledger.door.desk import Desk
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.registry import catalogue, keys, people
from ledger.registry.changes import confirm
from ledger.statement import Statement, open_statement
from oversight.complaints import run_holds
from tests import browsing
from tests.camera import conftest as rig
from tests.running import kept_up, serving

MASK = "0/0/160/90"
RECORDER = "recorder/1"
STAFF: dict[str, tuple[str, dict[str, Any]]] = {
    "staff/cat-a": ("catalogue_admin", {}),
    "staff/cat-b": ("catalogue_admin", {}),
    "staff/cha": ("investigator", {}),
    "staff/zhang": ("complaint_head", {}),
    "staff/su": ("supervisor", {}),
    "staff/chen": ("window_clerk", {"unit": "env", "windows": ["w1"]}),
    "staff/lu": ("video_custodian", {}),
}


@dataclass
class Office:
    """The hall, where it is served, and its camera that can be stopped."""

    hall: Hall
    base: str
    north: Any
    another: Callable[[Hall], Any]
    browsers: dict[str | None, httpx.Client] = field(default_factory=dict)

    def another_server(self) -> Any:
        """The same hall, served once more; its address."""
        return self.another(self.hall)

    def desk(self, actor: str, **more: Any) -> Desk:
        key = self.hall.keyring.actor(actor)
        return Desk(door=self.hall.door, actor=actor, key=key, role=STAFF[actor][0], **more)

    def browser(self, actor: str | None) -> httpx.Client:
        """A browser in a session of ``actor`` (None: that only reads)."""
        if actor not in self.browsers:
            headers = {"Accept": "text/html"}
            client = self.browsers[actor] = httpx.Client(base_url=self.base, headers=headers, timeout=20)
            client.get(Sessions(self.hall.data).link(actor=actor))
        return self.browsers[actor]

    def acts(self, stream: str) -> list[Statement]:
        return [open_statement(entry) for _, _, entry in self.hall.reader.stream(stream)]

    def watch(self, actor: str | None, camera: str, **said: Any) -> httpx.Response:
        return self.browser(actor).post(f"/live/{camera}?lang=en", data={"purpose": "patrol", "window": "w1"} | said)

    @contextmanager
    def viewing(self, actor: str, camera: str, **said: Any) -> Iterator[str]:
        """A viewing that is opened, and ended after it."""
        answer = self.watch(actor, camera, **said)
        assert answer.status_code == 303, answer.text
        view = answer.headers["location"].partition("view=")[2][:16]
        try:
            yield view
        finally:
            self.browser(actor).post(f"/live/views/{view}/end")

    def pieces(self, actor: str, view: str, *, limit_s: float = 15) -> Iterator[tuple[dict[str, Any], bytes, float]]:
        """What is sent of a viewing, and when it came."""
        after, until = 0, time.monotonic() + limit_s
        while time.monotonic() < until:
            answer = self.browser(actor).get(f"/live/views/{view}/next", params={"after": after})
            came = time.time()
            assert answer.status_code == 200, answer.text
            after, data, at = int(answer.headers["x-last"]), answer.content, 0
            while at < len(data):
                line = data.index(b"\n", at)
                header = orjson.loads(data[at:line])
                at = line + 1 + header.get("bytes", 0)
                yield header, data[line + 1 : at], came

    def wait(self, what: Callable[[], Any], limit_s: float = 15) -> None:
        until = time.monotonic() + limit_s
        while not what():
            assert time.monotonic() < until, "it did not come to pass"
            time.sleep(0.05)


def _hire(hall: Hall) -> None:
    (first, first_key), (other, other_key) = hall.officers()
    one = Desk(door=hall.door, actor=first, key=first_key, role="key_officer")
    two = Desk(door=hall.door, actor=other, key=other_key, role="key_officer")
    for actor, (role, more) in STAFF.items():
        confirm(two, people.appoint(one, actor, person=actor, roles=[role], **more).id)
        key = hall.keyring.make_actor(actor)
        proof = keys.prove_possession(hall.origin, actor, key)
        confirm(two, keys.add(one, actor, key.public, proof, custody="server").id)


@pytest.fixture(scope="package")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    if not rig.has_gstreamer():
        pytest.skip(f"no RTSP server here: apt-get install {rig.PACKAGES}")
    data = tmp_path_factory.mktemp("live") / "data"
    create_ledger(data)
    stop = threading.Event()
    with (
        open_ledger(data) as hall,
        hall.sequencing(),
        kept_up(hall),
        serving(hall) as base,
        rig.rtsp_camera(rig.CLOCK) as north,
        rig.rtsp_camera(rig.CLOCK) as south,
    ):
        Sessions(data).served_at(base)
        _hire(hall)
        found = Office(hall, base, north, serving)
        cat, dog = found.desk("staff/cat-a"), found.desk("staff/cat-b")
        confirm(dog, catalogue.unit(cat, "env", name="环保", tier="district").id)
        for window in ("w1", "w2"):
            confirm(dog, catalogue.window(cat, window, unit="env", name=window).id)
        for id_, camera, masks in (("north", north, []), ("south", south, [MASK])):
            said: dict[str, Any] = {"windows": ["w1"], "place": "counter", "retention_days": 30}
            register(hall, id_, name=f"{id_} counter", recorder=RECORDER, masks=masks, **said)
            give_key(hall, RECORDER)
            write_camera(data, Camera(id_, camera.url, RECORDER))
        keep_masks(hall, recorder_named(data, RECORDER))
        holds = threading.Thread(target=run_holds, args=(hall, stop), daemon=True)
        holds.start()
        # One picture of each is enough: thumbnails are made, and no judge finds the plain grey out of focus.
        worker = rig.start_worker(data, health_s=3600)
        sealer = Sealer(data, [RECORDER], every_s=1)
        sealer.start()
        try:
            folders = [data / "footage" / "1" / id_ for id_ in ("north", "south")]
            found.wait(lambda: all(any(one.glob("*/*.mp4")) for one in folders), limit_s=30)
            yield found
        finally:
            for client in found.browsers.values():
                client.close()
            rig.stop_worker(worker)
            sealer.stop()
            stop.set()
            holds.join(timeout=20)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser
