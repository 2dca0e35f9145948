"""A hall with tickets, windows and cameras on the tests' own clock; complaints come in, and holds follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ledger.cases import complaint, ticket
from ledger.door.desk import Desk
from ledger.keys import SigningKey
from ledger.registry import catalogue, keys
from ledger.registry.changes import propose
from ledger.statement import StatementId, open_statement
from oversight.complaints import HoldKeeper
from projections.runner import Projector
from tests.cases.conftest import staffed_place

RECORDER = "recorder/1"
CAMERAS = {"cam-1": "w1", "cam-2": "w2", "cam-2b": "window/w2"}


@dataclass
class Counter:
    """Window w1 with a camera, window w2 with two, w3 with none, and whoever complains."""

    place: Any
    keeper: HoldKeeper
    projector: Projector
    count: int = 0

    def served(self, window: str = "w1") -> tuple[str, StatementId]:
        """A ticket taken, called and served at a window: its stream, and the statement that it was served."""
        self.count += 1
        one = f"t-{self.count}"
        desk = self.place.desk("staff/zhao", window=window)
        ticket.take(desk, one, number=f"A{self.count:03d}", queue="env")
        ticket.call(desk, one)
        return f"ticket/{one}", self.place.done(ticket.serve(desk, one)).id

    def complain(self, *events: StatementId, channel: str = "website", **about: Any) -> str:
        """A complaint; its stream."""
        self.count += 1
        one, portal = f"c-{self.count}", self.place.desk("staff/portal")
        about |= {"tracking": one, "words": "态度恶劣", "events": events, "channel": channel}
        self.place.done(complaint.receive(portal, one, ["rude"], **about))
        return f"complaint/{one}"

    def look(self) -> None:
        """What the clock does by itself: it looks at what is new, and at what ends."""
        self.settle()
        self.keeper.hold()
        self.settle()
        self.keeper.end()
        self.settle()

    def settle(self) -> None:
        """Wait until everything stated is in the tree and in the projections."""
        until = time.monotonic() + 20
        unplaced = "SELECT count(*) FROM ledger.statements s LEFT JOIN ledger.leaves l USING (insertion_id)"
        while time.monotonic() < until:
            with self.place.hall.database.use("reader") as connection:
                if connection.execute(f"{unplaced} WHERE l.index IS NULL").fetchone() == (0,):
                    self.projector.catch_up()
                    return
            time.sleep(0.01)
        raise AssertionError("not everything was placed")

    def footage(self, camera: str) -> Any:
        return self.place.state(f"footage/{camera}")

    def holds(self, stream: str) -> dict[str, Any]:
        """The holds that stand for a complaint: camera and number → hold."""
        found = {}
        for camera in CAMERAS:
            state = self.footage(camera)
            mine = [hold for hold in (state.holds.values() if state else ()) if hold.ground == stream]
            found |= {f"{camera}:{number}": hold for number, hold in enumerate(mine)}
        return found

    def says(self, stream: str) -> list[tuple[str, dict[str, Any]]]:
        acts = [open_statement(entry) for _, _, entry in self.place.hall.reader.stream(stream)]
        return [(act.type, act.data) for act in acts]


@pytest.fixture(scope="module")
def counter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Counter]:
    with staffed_place(tmp_path_factory.mktemp("counter") / "data") as place:
        one, two = place.desk("staff/cat-a"), place.desk("staff/cat-b")
        place.agreed(catalogue.unit(one, "env", name="环保", tier="district"), two)
        for window in ("w1", "w2", "w3"):
            place.agreed(catalogue.window(one, window, unit="env", name=window), two)
        custodian: Desk = place.desk("staff/lu")
        said = {"recorder": RECORDER, "place": "counter", "retention_days": 30}
        for camera, window in CAMERAS.items():
            content = said | {"name": camera, "windows": [window]}
            proposal = propose(custodian, f"camera/{camera}", "camera.registered.v1", content)
            place.agreed(proposal, place.officer(2))
        key = place.keys[RECORDER] = SigningKey.generate()
        proof = keys.prove_possession(place.hall.origin, RECORDER, key)
        place.agreed(keys.add(place.officer(1), RECORDER, key.public, proof, custody="device"), place.officer(2))
        found = Counter(place, HoldKeeper(place.hall, now=place.clock), Projector(place.hall.database))
        found.settle()
        yield found


@pytest.fixture
def recorder(counter: Counter) -> Callable[[], Desk]:
    """The recorder's own desk."""
    place = counter.place
    made = {"door": place.hall.door, "key": place.keys[RECORDER], "clock": place.clock}
    return lambda: Desk(actor=RECORDER, role="recorder_device", **made)
