"""A real ledger with a staffed hall, a clock that the tests turn, and an outsider who replays the log."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.errors import NotAllowed, Refused
from ledger.facts.registry import Registry
from ledger.facts.streams import FOLDS, check_act
from ledger.facts.types import TYPES
from ledger.keys import SigningKey
from ledger.registry import catalogue, changes, keys, people
from ledger.statement import Statement, check_statement_signature, instant_us, open_statement
from tests.facts.conftest import PERMIT, STAMP

# Who works here: roles, unit, windows.
PEOPLE: Mapping[str, tuple[tuple[str, ...], str | None, tuple[str, ...]]] = {
    "staff/cat-a": (("catalogue_admin",), None, ()),
    "staff/cat-b": (("catalogue_admin",), None, ()),
    "staff/chen": (("window_clerk", "approver"), "env", ("w1", "w2")),
    "staff/zhao": (("window_clerk",), "env", ("w1", "w2")),
    "staff/qian": (("reviewer",), "env", ()),
    "staff/fire": (("reviewer",), "fire", ()),
    "staff/fire-sun": (("approver",), "fire", ()),
    "staff/sun": (("approver",), "env", ()),
    "staff/head": (("unit_head",), "env", ()),
}

# Who works in the other centres; they come when they are needed.
OTHERS: Mapping[str, tuple[tuple[str, ...], str | None, tuple[str, ...]]] = {
    "staff/host": (("host",), None, ()),
    "staff/tiao": (("mediator",), None, ()),
    "staff/jie": (("mediator",), None, ()),
    "staff/third": (("mediator",), None, ()),
    "staff/qiu": (("help_officer",), None, ()),
    "staff/bang": (("help_officer",), None, ()),
    "staff/ying": (("duty_officer",), None, ()),
    "staff/zhi": (("duty_officer",), None, ()),
    "staff/grid": (("grid_worker",), "xinyang", ()),
    "staff/grid-b": (("grid_worker",), "xinyang", ()),
    "staff/pai": (("tier_dispatcher",), None, ()),
    "staff/dai": (("proxy",), None, ()),
    "staff/trade": (("trading_officer",), None, ()),
    "staff/qi": (("enterprise_officer",), None, ()),
    "staff/cha": (("investigator", "complaint_head"), None, ()),
    "staff/cha-b": (("investigator",), None, ()),
    "staff/zhang": (("complaint_head", "investigator"), None, ()),
    "staff/zhang-b": (("complaint_head",), None, ()),
    "staff/du": (("supervisor",), None, ()),
    "staff/lu": (("video_custodian",), None, ()),
    "staff/portal": (("citizen",), None, ()),
}


@dataclass
class Outsider:
    """Replays the log from entry 0 in its own order, checking everything, and keeps the state of each stream."""

    hall: Hall
    registry: Registry | None = None
    states: dict[str, Any] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    position: int = 0

    def catch_up(self) -> None:
        head = self.hall.reader.head()
        entries = self.hall.reader.entries(self.position, head.size)
        recorded = self.hall.reader.recorded_us([each.index for each in entries])
        for each in entries:
            self._take(open_statement(each.entry), each.index, recorded[each.index])
        self.position = head.size

    def _take(self, act: Statement, index: int, recorded_us: int) -> None:
        assert act.seq == self.seen.get(act.stream, 0) + 1, act.stream
        self.seen[act.stream] = act.seq
        if index == 0:
            self.registry = Registry.opened(act)
            return
        assert self.registry is not None
        assert check_statement_signature(act.entry, self.registry.key_of(act).public)
        if index == 1:
            self.registry.confirm_opening(act)
            return
        check_act(self.registry, act, self.states.get(act.stream))
        if TYPES[act.type].governs:
            self.registry.apply(act, index)
        elif act.kind in FOLDS:
            self.states[act.stream] = FOLDS[act.kind].apply(
                self.states.get(act.stream), act, recorded_us, self.registry
            )


@dataclass
class Place:
    """The ledger, the clock on its wall (µs; claimed and recorded alike), and who works there."""

    hall: Hall
    keys: dict[str, SigningKey] = field(default_factory=dict)
    now_us: int = instant_us("2024-03-04T09:00:00+08:00")  # a Monday; March 2024 has no holiday
    last: Outcome | None = None

    def clock(self) -> int:
        self.now_us += 1
        return self.now_us

    def at(self, text: str) -> None:
        """Turn the clock on, to a local time like 2024-03-06T10:00, once what was said before is in the tree."""
        self.placed()
        self.now_us = max(self.now_us, instant_us(f"{text}:00+08:00"))

    def placed(self) -> None:
        """Wait until everything said so far is in the tree."""
        if self.last is not None:
            assert self.hall.wait_placed([self.last], timeout_s=20)

    def desk(self, actor: str, role: str | None = None, *, window: str | None = None) -> Desk:
        roles, unit, windows = (PEOPLE | OTHERS)[actor]
        if actor not in self.keys:
            self.register(actor)
        role = role or roles[0]
        clerk = role == "window_clerk"
        return Desk(
            door=self.hall.door,
            actor=actor,
            key=self.keys[actor],
            role=role,
            unit=None if clerk else unit,
            window=(window or windows[0]) if clerk else None,
            clock=self.clock,
        )

    def officer(self, number: int) -> Desk:
        actor, key = self.hall.officers()[number - 1]
        return Desk(door=self.hall.door, actor=actor, key=key, role="key_officer", clock=self.clock)

    def system(self) -> Desk:
        return Desk(
            door=self.hall.door,
            actor="system/clock",
            key=self.hall.keyring.own("clock"),
            role="system_clock",
            clock=self.clock,
        )

    def done(self, outcome: Outcome) -> Outcome:
        self.last = outcome
        return outcome

    def agreed(self, proposal: Outcome, by: Desk) -> Outcome:
        """The proposal, confirmed by a second person."""
        return self.done(changes.confirm(by, proposal.id))

    def register(self, actor: str) -> None:
        roles, unit, windows = (PEOPLE | OTHERS)[actor]
        one, two = self.officer(1), self.officer(2)
        self.agreed(people.appoint(one, actor, person=actor, name="某人", roles=roles, unit=unit, windows=windows), two)
        key = self.keys[actor] = SigningKey.generate()
        proof = keys.prove_possession(self.hall.origin, actor, key)
        self.agreed(keys.add(one, actor, key.public, proof), two)

    def publish(self, code: str, data: Mapping[str, Any]) -> None:
        self.agreed(catalogue.item(self.desk("staff/cat-a"), code, **data), self.desk("staff/cat-b"))

    def state(self, stream: str) -> Any:
        return self.system().state(stream)


@contextmanager
def staffed_place(data: Path, *, monday: str = "2024-03-04") -> Iterator[Place]:
    """A new ledger on the tests' clock, with people and two items, placing what is said until it ends."""
    start = instant_us(f"{monday}T08:00:00+08:00")
    create_ledger(data, clock=lambda: start)
    with open_ledger(data) as hall:
        place = Place(hall, now_us=start + 3_600_000_000)
        stop = threading.Event()
        sequencer = hall.sequencer(clock=lambda: place.now_us)
        thread = threading.Thread(target=sequencer.run, args=(stop,), daemon=True)
        thread.start()
        try:
            for actor in PEOPLE:
                place.register(actor)
            place.publish("permit", PERMIT)
            place.publish("stamp", STAMP)
            yield place
        finally:
            stop.set()
            thread.join(timeout=30)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with staffed_place(tmp_path_factory.mktemp("place") / "data") as found:
        yield found


@pytest.fixture(scope="module")
def outsider(place: Place) -> Outsider:
    return Outsider(place.hall)


@pytest.fixture
def name() -> Callable[[], str]:
    """A new name for a case or ticket each time."""
    import secrets

    return lambda: secrets.token_hex(8)


Commands = Mapping[str, Callable[[Place, str], Any]]


def _words(text: str) -> list[str]:
    return [word for word in text.split(", ") if word]


@dataclass(frozen=True)
class Table:
    """Tries commands on streams of one ledger, each situation in one of its own."""

    place: Place
    name: Callable[[], str]

    def bring(self, kind: str, commands: Commands, path: str) -> str:
        """A new stream, brought into the situation to which ``path`` leads."""
        one = self.name()
        for command in _words(path):
            self.place.done(commands[command](self.place, one))
        return one

    def check(self, kind: str, commands: Commands, path: str, may: str, *, of: str = "") -> None:
        """After ``path`` exactly the commands of ``may`` are done; the others leave nothing, and say what to do.

        ``of``: which are tried, all unless given.
        """
        one, allowed = self.bring(kind, commands, path), set()
        before = self.place.state(f"{kind}/{one}")
        for command in _words(of) or commands:
            try:
                self.place.done(commands[command](self.place, one))
            except Refused as refusal:
                says_more = refusal.mend is not None or isinstance(refusal, NotAllowed)
                assert says_more, command
                assert self.place.state(f"{kind}/{one}") == before, command
            else:
                allowed.add(command)
                one = self.bring(kind, commands, path)
                before = self.place.state(f"{kind}/{one}")
        assert allowed == set(_words(may))

    def same_outside(self, outsider: Outsider, *kinds: str) -> None:
        """Who replays the log finds the same states as the door has, of every stream of these kinds."""
        self.place.placed()
        outsider.catch_up()
        found = {stream: state for stream, state in outsider.states.items() if stream.partition("/")[0] in kinds}
        assert {stream.partition("/")[0] for stream in found} == set(kinds)
        for stream, state in found.items():
            assert state == self.place.state(stream), stream


@pytest.fixture
def table(place: Place, name: Callable[[], str]) -> Table:
    return Table(place, name)
