"""The stage of the demo: one clock, scripts in the order of time, and a desk for everybody who acts.

Promise: scripts are run in the order of the times that they ask for, whatever script they belong to, so that cases lie
interleaved in the log as they would; what happens between two of them is signed by whoever does it, with a key of their
own. The clock never goes back. In memory are the scripts under way and their streams, nothing that is over.

A script is a generator that yields when it wants to go on (µs since 1970)::

    def visit(play):
        ticket.take(play.desk(clerk), "T1", …)
        yield play.now_us + 7 * MINUTE
        ticket.call(…)
"""

from __future__ import annotations

import heapq
import hmac
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import count
from random import Random
from typing import Any, Final

from api.demo.district import District
from ledger.door.desk import Desk
from ledger.door.door import Outcome, Wish
from ledger.door.hall import Hall
from ledger.door.played import FLUSH_AT, PlayedDoor
from ledger.facts.calendar import CalendarUnknown, china_mainland
from ledger.facts.clocks import SHANGHAI
from ledger.keys import SigningKey

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_SATURDAY: Final = 5
_MORNING: Final = (time(8, 30), time(12, 0))
_AFTERNOON: Final = (time(14, 0), time(17, 30))

_CAST: Final = {
    "citizen": "staff/portal",
    "clerk": "staff/clerk-land-1",
    "dispatcher": "staff/dispatcher-1",
    "duty": "staff/duty-1",
    "grid": "staff/grid-xinyang-1",
    "grid_second": "staff/grid-xinyang-2",
    "help": "staff/help-1",
    "help_second": "staff/help-2",
    "host": "staff/host-1",
    "mediator": "staff/mediator-2",
    "mediator_second": "staff/mediator-1",
    "mediator_third": "staff/mediator-4",
    "trading": "staff/trading-1",
}

Script = Generator[int, None, None]


def at(day: date, hour: int = 0, minute: int = 0) -> int:
    """A local time of a day (µs)."""
    return round(datetime(day.year, day.month, day.day, hour, minute, tzinfo=SHANGHAI).timestamp()) * SECOND


def day_of(us: int) -> date:
    """The local day of an instant."""
    return datetime.fromtimestamp(us // SECOND, SHANGHAI).date()


def derived(secret: bytes, name: str) -> bytes:
    """32 bytes that belong to ``name`` and to nothing else."""
    return hmac.digest(secret, name.encode(), "sha256")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedDesk(Desk):
    """A desk whose requests are numbered: the same play makes the same statements."""

    numbers: Any

    def wish(self, stream: str, type_name: str, values: Any, **more: Any) -> Wish:
        """What this actor wants stated now."""
        return super(PlayedDesk, self).wish(
            stream, type_name, values, **({"request": f"play-{next(self.numbers)}"} | more)
        )


@dataclass(slots=True)
class Play:
    """The stage. ``now_us``: the clock, claimed and recorded alike."""

    hall: Hall
    secret: bytes
    rng: Random
    now_us: int
    end_us: int
    district: District
    ticked: Callable[[], None] = lambda: None
    door: PlayedDoor = field(init=False)
    acts: int = 0
    _keys: dict[str, SigningKey] = field(default_factory=dict)
    _desks: dict[tuple[str, str | None, str | None], PlayedDesk] = field(default_factory=dict)
    _scripts: list[tuple[int, int, Script]] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)
    _order: Any = field(default_factory=count)
    _working: dict[date, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take the ledger's door: from here on it is the play's."""
        self.door = PlayedDoor(self.hall, now=lambda: self.now_us, secret=derived(self.secret, "values"))
        self.hall.door = self.door

    # ------------------------------------------------------------------------------------------------- people

    def clock(self) -> int:
        """The time of the next act; no two have the same."""
        self.now_us += 1
        return self.now_us

    def key(self, actor: str) -> SigningKey:
        """The key of an actor, which only the play has."""
        if actor not in self._keys:
            self._keys[actor] = SigningKey.from_seed(derived(self.secret, f"key/{actor}"))
        return self._keys[actor]

    def keep_keys(self) -> None:
        """Leave everybody's key with the ledger, so that one can go on for them where the play ended."""
        for actor in self.district.people:
            self.hall.keyring.keep_actor(actor, self.key(actor))

    def desk(self, actor: str, role: str | None = None, *, window: str | None = None) -> Desk:
        """Somebody's desk; of a clerk at their window, of others in their unit."""
        name = (actor, role, window)
        if name not in self._desks:
            person = self.district.people[actor]
            role = role or person.roles[0]
            is_clerk = role == "window_clerk"
            self._desks[name] = PlayedDesk(
                door=self.door,
                actor=actor,
                key=self.key(actor),
                role=role,
                unit=None if is_clerk else person.unit,
                window=(window or person.windows[0]) if is_clerk else None,
                clock=self.clock,
                numbers=self._numbers,
            )
        return self._desks[name]

    def clerk(self, window: str) -> Desk:
        """The desk of who works at a window."""
        return self.desk(self.district.clerk_of(window), window=window)

    def officer(self, number: int) -> Desk:
        """One of the two officers who opened the ledger."""
        actor, key = self.hall.officers()[number - 1]
        return PlayedDesk(
            door=self.door, actor=actor, key=key, role="key_officer", clock=self.clock, numbers=self._numbers
        )

    def system(self) -> Desk:
        """The system clock."""
        return PlayedDesk(
            door=self.door,
            actor="system/clock",
            key=self.hall.keyring.own("clock"),
            role="system_clock",
            clock=self.clock,
            numbers=self._numbers,
        )

    def part(self, name: str) -> Desk:
        """The desk of who plays a part in a story."""
        return self.desk(_CAST[name])

    def done(self, outcome: Outcome) -> Outcome:
        """An act of a story."""
        return outcome

    # ---------------------------------------------------------------------------------------------------- time

    def is_working(self, day: date) -> bool:
        """Whether a day is worked. Past the known calendar, where nothing is played any more, weekdays are."""
        if day not in self._working:
            try:
                self._working[day] = china_mainland().as_known().is_working_day(day)
            except CalendarUnknown:
                self._working[day] = day.weekday() < _SATURDAY
        return self._working[day]

    def working_day(self, day: date, ahead: int) -> date:
        """The working day that lies ``ahead`` of them after a day; 0: that day, or the next that is one."""
        if ahead == 0:
            while not self.is_working(day):
                day += timedelta(days=1)
        for _ in range(ahead):
            day += timedelta(days=1)
            while not self.is_working(day):
                day += timedelta(days=1)
        return day

    def in_hours(self, day: date, rng: Random | None = None) -> int:
        """Some moment at which people work, on a day."""
        begin, end = (rng or self.rng).choice((_MORNING, _AFTERNOON))
        low, high = at(day, begin.hour, begin.minute + 5), at(day, end.hour, end.minute)
        return low + round((rng or self.rng).random() * (high - low - 20 * MINUTE))

    def snapped(self, us: int) -> int:
        """That moment, or the next at which people work."""
        day = day_of(us)
        since = us - at(day)
        noon, back, evening = (_MORNING[1], _AFTERNOON[0], _AFTERNOON[1])
        if self.is_working(day):
            minutes = since // MINUTE
            if minutes < 8 * 60 + 35:
                return at(day, 8, 35) + us % (20 * MINUTE)
            if noon.hour * 60 <= minutes < back.hour * 60 + 5:
                return at(day, back.hour, 5) + us % (20 * MINUTE)
            if minutes < evening.hour * 60 + evening.minute:
                return us
        return at(self.working_day(day, 1), 8, 35) + us % (20 * MINUTE)

    def later(self, ahead: int) -> int:
        """Some moment of a working day that many ahead; today's is not before now."""
        day = self.working_day(day_of(self.now_us), ahead)
        moment = self.in_hours(day)
        return moment if ahead else self.snapped(max(moment, self.now_us + 10 * MINUTE))

    # ----------------------------------------------------------------------------------------------- the scripts

    def begin(self, at_us: int, script: Script) -> None:
        """Have a script go on at a time, if the play lasts so long."""
        if at_us < self.end_us:
            heapq.heappush(self._scripts, (at_us, next(self._order), script))

    def run(self, until_us: int) -> None:
        """Run all that is to happen before ``until_us``."""
        while self._scripts and self._scripts[0][0] < until_us:
            at_us, _, script = heapq.heappop(self._scripts)
            self.now_us = max(self.now_us + 1, at_us)
            following = next(script, None)
            if following is not None:
                self.begin(following, script)
            if self.door.waiting >= FLUSH_AT // 2:
                self.flush()
        self.now_us = max(self.now_us, until_us)

    def flush(self) -> None:
        """Put what was said into the tree."""
        self.acts += self.door.waiting
        self.door.flush()
        self.ticked()

    def leave(self, *streams: str) -> None:
        """Nothing will be added to those."""
        for stream in streams:
            self.door.leave(stream)


def once(act: Callable[[], None]) -> Script:
    """A script of one act."""
    act()
    yield from ()


def agreed(proposal: Outcome, by: Desk) -> Outcome:
    """A proposal, confirmed by a second person."""
    from ledger.registry import changes

    return changes.confirm(by, proposal.id)
