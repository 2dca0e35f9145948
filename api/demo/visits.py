"""The hall's day: somebody takes a number, is called, applies, and goes home with the paper or with a promise.

Promise: of ``n`` cases exactly ``on_the_spot`` are closed at the window; windows serve one visitor after the other, in
the order of the numbers of their queue. How long things take is drawn so that most promises are kept, some are pressing
at the end and a few are broken.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import date
from random import Random
from typing import Final

from api.demo.centres import Awaited, Centres, Visit
from api.demo.district import Item, person_name
from api.demo.play import MINUTE, SECOND, Play, Script, at, day_of
from ledger.cases import approval, rating, ticket
from ledger.door.desk import Desk
from ledger.door.door import Outcome

_BANDS: Final = ("resident", "resident", "resident", "newcomer", "newcomer", "enterprise", "taiwan_firm")
_CHANNELS: Final = ("window", "window", "window", "website", "wechat", "phone", "proxy")
_PAPERS: Final = ("identity", "application_form", "contract", "photo", "licence", "site_plan", "proof_of_residence")
_RATED: Final = 0.62
_SKIPPED: Final = 0.015
HUGGING: Final = "land"
"""A unit that likes to decide on the last day (planted, see ``oddities``)."""


Planted = Callable[["Hall", str, Item, Random], Script]
"""Hall, case, item, lots → what happens."""


@dataclass(slots=True)
class Hall:
    """The windows: when each is free, and the numbers given out today."""

    play: Play
    by_kind: dict[bool, list[tuple[list[Item], list[int]]]]  # on the spot → of each window its items and their weights
    free_us: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    recent: deque[Visit] = field(default_factory=deque)
    promised: dict[str, str] = field(default_factory=dict)  # unit → its last promise case
    awaited: deque[Awaited] = field(default_factory=deque)
    expected: dict[str, Awaited] = field(default_factory=dict)  # by the case in which the firm will apply
    planted: dict[bool, deque[tuple[date, Planted]]] = field(
        default_factory=lambda: {True: deque(), False: deque()}
    )  # scripts that take the place of a usual one from a day on, by whether it is on the spot
    owed: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})  # cases that planted scripts add
    late_us: dict[tuple[str, date], int] = field(default_factory=dict)  # by how much a unit calls late on a day
    hugged: list[tuple[str, Outcome]] = field(default_factory=list)  # what the unit ``HUGGING`` decided just in time
    numbers: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @classmethod
    def opened(cls, play: Play, centres: Centres) -> Hall:
        """The hall of the play's district. ``centres`` learns of its visits, and its firms come to apply."""
        by_unit: dict[tuple[bool, str], list[Item]] = defaultdict(list)
        for item in play.district.items.values():
            by_unit[item.on_the_spot, item.unit].append(item)
        kinds: dict[bool, list[tuple[list[Item], list[int]]]] = {True: [], False: []}
        for spot, windows in kinds.items():
            for unit in play.district.windows.values():
                if items := by_unit[spot, unit]:
                    windows.append((items, [item.weight for item in items]))
        return cls(play, kinds, recent=centres.recent, promised=centres.promised, awaited=centres.awaited)

    def choose(self, spot: bool, rng: Random) -> Item:
        """What somebody wants: of some window, so that all have the same work."""
        items, weights = rng.choice(self.by_kind[spot])
        return rng.choices(items, weights)[0]

    def serve(self, unit: str, arrival: int, minutes: float) -> tuple[str, int, int]:
        """The window of a unit that calls who comes at ``arrival``, when it calls, and when it is done."""
        windows = self.play.district.units[unit].windows
        window = min(windows, key=lambda code: self.free_us[code])
        late = self.late_us.get((unit, day_of(arrival)), 0)
        called = max(arrival + 50 * SECOND + late, self.free_us[window] + 20 * SECOND)
        done = called + round(minutes * MINUTE)
        self.free_us[window] = done + 30 * SECOND
        return window, called, done

    def number(self, unit: str, day: date) -> tuple[str, str]:
        """The next ticket of a unit's queue: its name, and what is printed on it."""
        self.numbers[unit] += 1
        return f"{day:%Y%m%d}-{unit}-{self.numbers[unit]:03}", f"{unit[:1].upper()}{self.numbers[unit]:03}"


def cases_of_days(days: list[date], n: int, on_the_spot: int, rng: Random) -> Iterator[tuple[date, list[bool]]]:
    """How the cases fall on the days: for each day, of each case whether it is closed on the spot.

    Mondays are fuller than Fridays. The sums are exact.
    """
    weights = [1.25 if day.weekday() == 0 else 0.85 if day.weekday() == 4 else 1.0 for day in days]
    rest = sum(weights)
    for day, weight in zip(days, weights, strict=True):
        count = n if day == days[-1] else min(n, round(n * weight / rest))
        rest -= weight
        kinds = []
        for _ in range(count):
            spot = rng.random() * n < on_the_spot
            kinds.append(spot)
            n, on_the_spot = n - 1, on_the_spot - spot
        yield day, kinds


def arrivals(hall: Hall, day: date, kinds: list[bool]) -> None:
    """Put a day's visitors on the stage."""
    play, rng = hall.play, hall.play.rng
    hall.numbers.clear()
    moments = sorted(play.in_hours(day) for _ in kinds)
    for number, (moment, spot) in enumerate(zip(moments, kinds, strict=True), start=1):
        if hall.owed[spot]:
            hall.owed[spot] -= 1
            continue
        planted = hall.planted[spot]
        begin: Planted = on_the_spot if spot else promise
        if planted and planted[0][0] <= day:
            begin = planted.popleft()[1]
        item, case = hall.choose(spot, rng), f"{day:%Y%m%d}-{number:04}"
        firm = next((one for one in hall.awaited if one.day <= day), None) if begin is promise else None
        if firm is not None:
            hall.awaited.remove(firm)
            item, firm.case, hall.expected[case] = firm.item, case, firm
        script = begin(hall, case, item, Random(rng.getrandbits(64)))
        play.begin(moment, script)


def received(
    hall: Hall, case: str, item: Item, rng: Random, minutes: float
) -> Generator[int, None, tuple[Desk, str, str, int]]:
    """Number, call, application; returns the clerk's desk, the window, the ticket, and when the visit is over."""
    play = hall.play
    name, printed = hall.number(item.unit, day_of(play.now_us))
    window, called, done = hall.serve(item.unit, play.now_us, minutes)
    desk = play.clerk(window)
    ticket.take(desk, name, number=printed, queue=item.unit, channel=rng.choice(("kiosk", "kiosk", "counter", "app")))
    yield called
    ticket.call(desk, name)
    if rng.random() < _SKIPPED:
        yield play.now_us + 2 * MINUTE
        ticket.skip(desk, name)
        yield play.now_us + 3 * MINUTE
        ticket.call(desk, name)
        done += 5 * MINUTE
    yield play.now_us + round((0.5 + rng.random()) * MINUTE)
    said = approval.apply_for(
        desk,
        case,
        item.code,
        applicant=person_name(rng),
        contact=f"13{rng.randrange(10**9):09}",
        channel=rng.choice(_CHANNELS),
        applicant_band=rng.choice(_BANDS),
        papers=rng.sample(_PAPERS, 2 + item.weight % 3),
        ticket=name,
    )
    if (firm := hall.expected.pop(case, None)) is not None:
        firm.application, firm.applied_us = said.id, play.now_us
    return desk, window, name, max(done, play.now_us + MINUTE)


def on_the_spot(hall: Hall, case: str, item: Item, rng: Random) -> Script:
    """Applied, accepted, decided, delivered and closed in one visit."""
    play = hall.play
    desk, window, name, done = yield from received(hall, case, item, rng, 4 + rng.expovariate(1 / 7))
    rest = done - play.now_us
    yield play.now_us + rest // 3
    approval.accept(desk, case)
    yield play.now_us + rest // 3
    denied = rng.random() < 0.006
    said = approval.decide(desk, case, "denied" if denied else "granted", reasons="材料与申请不符" if denied else None)
    hall.recent.append(Visit(case, item.code, window, said.id, play.now_us))
    yield done
    if not denied:
        approval.deliver(desk, case, "counter")
        yield play.now_us + 15 * SECOND
    approval.close(desk, case)
    ticket.serve(desk, name, case=case)
    play.leave(f"approval/{case}", f"ticket/{name}")
    yield from rated(play, name, rng)


def rated(play: Play, visit: str, rng: Random, *, mood: float = 0.0) -> Script:
    """Perhaps a rating, in the minutes after the visit."""
    if rng.random() >= _RATED:
        return
    yield play.now_us + round((0.3 + 2 * rng.random()) * MINUTE)
    level = 5 if rng.random() < 0.78 - mood else rng.choice((4, 4, 4, 4, 3, 3, 2, 1))
    portal = play.desk("staff/portal")
    dimensions = {"smile": min(5, level + rng.randrange(2)), "waiting_area": rng.choice((4, 5))}
    rating.rate(portal, visit, level, dimensions=dimensions if rng.random() < 0.3 else None)
    if level <= 2 and rng.random() < 0.8:
        yield play.later(1)
        rating.follow_up(play.desk("staff/supervisor-1"), visit, rng.choice(("apologised", "explained", "put_right")))
    play.leave(f"rating/{visit}")


def promise(hall: Hall, case: str, item: Item, rng: Random) -> Script:
    """Accepted at the window, reviewed behind it, decided by another, delivered."""
    play = hall.play
    assert item.days is not None
    desk, _, name, done = yield from received(hall, case, item, rng, 6 + rng.expovariate(1 / 9))
    yield done
    hall.promised[item.unit] = case
    luck = rng.random()
    if luck < 0.84:
        approval.accept(desk, case)
        accepted = True
    elif luck < 0.92:
        gaps = rng.sample(_PAPERS, 1 + (luck > 0.9))
        approval.accept_with_gaps(desk, case, gaps)
        accepted = True
        if rng.random() < 0.95:
            play.begin(play.later(rng.randrange(1, 9)), _filled(play, desk, case, gaps, rng))
    else:
        accepted = False
    ticket.serve(desk, name, case=case)
    play.leave(f"ticket/{name}")
    play.begin(play.now_us + SECOND, rated(play, name, rng))
    if not accepted and not (yield from _incomplete(play, desk, case, luck, rng)):
        return
    yield from reviewed(hall, case, item, rng)
    yield from handed_over(play, desk, case, rng)


def asked(hall: Hall, unit: str, rng: Random, *, minutes: float) -> Script:
    """Somebody only asks: a ticket without a case."""
    play = hall.play
    name, printed = hall.number(unit, day_of(play.now_us))
    window, called, done = hall.serve(unit, play.now_us, minutes)
    desk = play.clerk(window)
    ticket.take(desk, name, number=printed, queue=unit, channel="kiosk")
    yield called
    ticket.call(desk, name)
    yield done
    ticket.serve(desk, name)
    play.leave(f"ticket/{name}")
    yield from rated(play, name, rng)


def _filled(play: Play, desk: Desk, case: str, gaps: list[str], rng: Random) -> Script:
    """The missing papers come, one after the other."""
    for gap in gaps:
        if stage(play, case) not in ("accepted_with_gaps", "in_review"):
            return
        approval.fill_gap(desk, case, gap)
        yield play.later(1)


def _incomplete(play: Play, desk: Desk, case: str, luck: float, rng: Random) -> Generator[int, None, bool]:
    """Gaps told and supplied, a refusal, or nothing said at all; returns whether the case goes on."""
    if luck < 0.985:
        approval.tell_gaps(desk, case, rng.sample(_PAPERS, 2))
        yield play.later(rng.randrange(1, 5))
        approval.supply(desk, case, rng.sample(_PAPERS, 2))
        yield play.now_us + 20 * MINUTE
        approval.accept(desk, case)
        return True
    if luck < 0.988:
        yield play.now_us + 10 * MINUTE
        with_reason = rng.random() < 0.8
        approval.refuse(desk, case, reason="outside_competence" if with_reason else None)
        yield play.now_us + MINUTE
        approval.close(desk, case)
        play.leave(f"approval/{case}")
        return False
    # Nobody looks at it in time: the law accepts it, and somebody wakes up a day or two later. Or in time after all.
    forgotten = luck > 0.996
    yield play.later(7 if forgotten else 3)
    if stage(play, case) == "applied":
        approval.accept(desk, case)
    return True


def stage(play: Play, case: str) -> str:
    found = play.door.stream(play.door.registry()[1], f"approval/{case}")
    return "" if found is None else str(found.state.stage)


def _speed(rng: Random, days: int) -> int:
    """In how many working days a case promised within ``days`` is decided."""
    luck = rng.random()
    if luck < 0.93:
        return max(0, min(days - 1, round(days * rng.betavariate(3, 3.2))))
    if luck < 0.975:
        return days
    return days + rng.choice((1, 1, 2, 3, 5))


def reviewed(hall: Hall, case: str, item: Item, rng: Random) -> Script:
    """Steps, perhaps a pause, branches or an extension; then the decision, by somebody else than who accepted."""
    play, unit = hall.play, item.unit
    hugs = unit == HUGGING and stage(play, case) == "accepted" and rng.random() < 0.7
    reviewer, approver, head = (play.desk(f"staff/{who}-{unit}") for who in ("review", "approve", "head"))
    wanted = item.days or 1 if hugs else _speed(rng, item.days or 1)
    until = play.later(wanted)
    if hugs:
        until = at(day_of(until), 16, 25) + rng.randrange(50) * MINUTE
    soon = play.now_us + round((0.3 + 2 * rng.random()) * 60 * MINUTE)
    yield play.snapped(min(soon, max(until - 30 * MINUTE, play.now_us + MINUTE)))
    if not may_review(play, case):
        return
    approval.start_step(reviewer, case, "examine")
    yield play.snapped(max(play.now_us + 10 * MINUTE, play.now_us + (until - play.now_us) // 3))
    if not may_review(play, case):
        return
    approval.finish_step(reviewer, case, "examine", outcome="passed")
    special = 1.0 if hugs else rng.random()
    if special < 0.08 and (item.days or 0) > 6:  # of less, a pause would be the most
        approval.suspend(reviewer, case, "site_visit", notice=f"notice-{case}")
        yield play.later(rng.randrange(1, 4))
        if not may_review(play, case):
            return
        approval.resume(reviewer, case, "site_visit")
        until = max(until, play.later(0))
    elif special < 0.14 and unit in ("construction", "planning", "env"):
        until = max(until, (yield from _branches(play, case, unit, rng)))
    elif special < 0.155 and "joint" in item.data["clocks"]:
        approval.extend(head, case, "statutory", rng.choice((5, 10)), approval=f"approved-{case}", reasons="案情复杂")
    yield play.snapped(max(until, play.now_us + 5 * MINUTE))
    while _gaps(play, case) and may_review(play, case):
        yield play.later(1)
    if not may_review(play, case):
        return
    if rng.random() < 0.012:
        approval.withdraw(play.clerk(play.district.units[unit].windows[0]), case, reason="申请人撤回")
        return
    denied = rng.random() < 0.03
    said = approval.decide(approver, case, "denied" if denied else "granted", reasons="不符合条件" if denied else None)
    if hugs and day_of(play.now_us) == day_of(until):
        hall.hugged.append((case, said))


def _branches(play: Play, case: str, unit: str, rng: Random) -> Generator[int, None, int]:
    """Several units look at it beside each other; returns when the last is done."""
    others = rng.sample([other for other in ("env", "fire", "planning", "land", "construction") if other != unit], 2)
    approver = play.desk(f"staff/approve-{unit}")
    for other in others:
        approval.open_branch(approver, case, other, other)
    for other in others:
        reviewer = play.desk(f"staff/review-{other}")
        yield play.later(rng.randrange(0, 3))
        approval.start_step(reviewer, case, "examine", branch=other)
        yield play.now_us + 25 * MINUTE
        approval.finish_step(reviewer, case, "examine", branch=other, outcome="passed")
        approval.finish_branch(play.desk(f"staff/approve-{other}"), case, other, "agreed")
    return play.now_us + 20 * MINUTE


def _state(play: Play, case: str) -> object:
    found = play.door.stream(play.door.registry()[1], f"approval/{case}")
    return None if found is None else found.state


def _gaps(play: Play, case: str) -> bool:
    return bool(getattr(_state(play, case), "gaps", ()))


def may_review(play: Play, case: str) -> bool:
    """Whether the case still waits for its decision: gaps may have lapsed meanwhile."""
    return stage(play, case) in ("accepted", "accepted_with_gaps", "deemed_accepted", "in_review")


def handed_over(play: Play, desk: Desk, case: str, rng: Random) -> Script:
    """The result goes to the applicant, and the case is closed."""
    ended = stage(play, case)
    if ended == "granted":
        yield play.later(rng.choice((0, 1, 1, 2, 3, 6)))
        approval.deliver(desk, case, rng.choice(("counter", "counter", "post", "home")))
        yield play.now_us + 2 * MINUTE
    elif ended in ("denied", "withdrawn", "lapsed"):
        yield play.later(1)
    else:
        return
    approval.close(desk, case)
    play.leave(f"approval/{case}")
