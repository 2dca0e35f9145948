"""Irregularities planted on purpose, with their answer key: what a supervisor ought to find, and where.

Promise: each is one that the door lets through, played through the same commands as all else; the key names the case
(its stream), the kind (A1 to A20 of the domain) and the statements that show it. What the door refuses cannot be
planted. Some show a second kind too, and are named for both.

    A1  decided without the step that all others have        A11 on the spot without a ticket; served in seconds
    A2  claims a time long before it was recorded            A12 one visit taken in twice; decided without review
    A3  lies still for weeks                                 A13 six ratings of one window in a minute
    A4  a unit decides on the very last day                  A14 called before three who had come earlier
    A5  six decisions in a minute                            A15 a clip looked at over and over; windows watched live
                                                                 at night, for no complaint, all day long
    A6  decided in the middle of the night                   A16 footage that should be there is missing
    A7  papers asked for three times                         A17 a card before its time
    A8  the clock held or cheated, in four ways              A18 a single bid; a few days for bids; prices far apart
    A9  done by somebody who never does it                   A19 a week in which everybody waits
    A10 reviewed and decided by one                          A20 claims a time before the centre was there
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random
from typing import Any, Final

from api.demo.centres import Centres, Visit
from api.demo.district import Item, person_name
from api.demo.duties import Duties
from api.demo.play import DAY, HOUR, MINUTE, SECOND, Play, Script, at, day_of
from api.demo.visits import HUGGING, Hall, asked, handed_over, promise, received
from ledger.cases import approval, complaint, inspection, rating, ticket, trading
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.facts.cards import stream_of
from ledger.facts.grants import GRANTED, REQUESTED, VIEWED, grant_stream
from ledger.statement import instant_text

WAITING: Final = "police"
_VISITS_A_DAY: Final = 3
_BATCH: Final = 6
_AT_ONCE: Final = 5
_HUGGED: Final = 12
_ENOUGH: Final = 0.005
"""From this scale on there are promise cases enough to be planted among."""
_MANY: Final = 0.02
_MANY_HANDS: Final = 0.1
"""From this scale on everybody has done enough that what they never do is telling."""


@dataclass(slots=True)
class Oddities:
    """What is planted, and the key as it grows."""

    play: Play
    hall: Hall
    centres: Centres
    duties: Duties
    rng: Random
    days: list[date]
    scale: float
    key: list[dict[str, Any]] = field(default_factory=list)
    _at_once: list[tuple[str, Outcome]] = field(default_factory=list)

    def answer(self, kind: str, case: str, *said: Outcome | str) -> None:
        """One line of the key."""
        events = [one if isinstance(one, str) else one.id.hex() for one in said]
        self.key.append({"case": case, "kind": kind, "events": events})

    def plant(self) -> None:
        """Put all of it on the stage, spread over the middle of the time."""
        each = max(1, round(12 * self.scale))
        promised: list[Callable[..., Script]] = [
            self.skipped,
            self.back_dated,
            self.stalled,
            self.at_night,
            self.looped,
            self.held_without_notice,
            self.held_for_long,
            self.held_at_the_end,
            self.refiled,
            self.own_review,
            self.unreviewed,
            self.card_before_time,
            self.before_the_centre,
        ]
        if self.scale >= _MANY_HANDS:
            promised.append(self.other_hands)
        spot: list[Callable[..., Script]] = [self.without_ticket, self.in_seconds, self.taken_in_twice]
        if self.scale >= _ENOUGH:
            promised += [self.at_the_last_moment] * _HUGGED
        self.hall.planted[False] = self._spread(
            [one for one in promised for _ in range(1 if one == self.at_the_last_moment else each)]
        )
        self.hall.planted[True] = self._spread([one for one in spot for _ in range(each)])
        middle = len(self.days) // 2
        self._decided_at_once(self.days[middle + 8])
        self.play.begin(at(self.days[middle + 4], 15), self.rated_in_a_burst())
        for number in range(each):
            self.play.begin(at(self.days[middle + 10 + number], 10), self.out_of_turn())
            self.play.begin(at(self.days[middle + 12 + number], 10), self.inspected_by_another(number))
        for number, begin in enumerate((self.clip_seen_often, self.clip_missing)):
            self.play.begin(at(self.days[middle + 3 + number], 11), begin())
        for number, watch in enumerate((self.watched_at_night, self.watched_for_nothing, self.watched_all_day)):
            self.play.begin(at(self.days[middle + 5 + number], 9), watch())
        for number, how in enumerate(("single", "short", "spread")):
            self.play.begin(at(self.days[20 + 5 * number], 10), self.odd_purchase(how))
        self._weeks(next(day for day in self.days[middle:] if day.weekday() == 0))

    def _spread(self, scripts: list[Callable[..., Script]]) -> deque[tuple[date, Any]]:
        self.rng.shuffle(scripts)
        low, high = 12, len(self.days) * 7 // 10
        return deque((self.days[low + (high - low) * k // max(1, len(scripts))], one) for k, one in enumerate(scripts))

    # -------------------------------------------------------------------------------------- in promise cases

    def _accepted(self, hall: Hall, case: str, item: Item, rng: Random) -> Generator[int, None, Desk]:
        """Taken in as usual; returns the clerk's desk."""
        desk, _, name, done = yield from received(hall, case, item, rng, 8)
        yield done
        approval.accept(desk, case)
        ticket.serve(desk, name, case=case)
        self.play.leave(f"ticket/{name}")
        return desk

    def _people(self, item: Item) -> tuple[Desk, Desk]:
        return self.play.desk(f"staff/review-{item.unit}"), self.play.desk(f"staff/approve-{item.unit}")

    def _examined(self, case: str, by: Desk) -> Script:
        yield self.play.later(0)
        approval.start_step(by, case, "examine")
        yield self.play.snapped(self.play.now_us + 90 * MINUTE)
        approval.finish_step(by, case, "examine", outcome="passed")

    def _longest(self, item: Item) -> Item:
        """An item of some time, so that there is time for what is planted."""
        days = item.days or 0
        return item if days >= 5 else self._item(lambda one: (one.days or 0) >= 7)

    def _item(self, wanted: Callable[[Item], bool]) -> Item:
        return self.rng.choice([one for one in self.play.district.items.values() if wanted(one)])

    def skipped(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """A site visit, but nobody examines."""
        item = self._longest(item)
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        yield self.play.later(1)
        approval.suspend(reviewer, case, "site_visit", notice=f"notice-{case}")
        yield self.play.snapped(self.play.now_us + 2 * HOUR)
        approval.resume(reviewer, case, "site_visit")
        yield self.play.later(1)
        self.answer("A1", f"approval/{case}", approval.decide(approver, case, "granted"))
        yield from handed_over(self.play, desk, case, rng)

    def back_dated(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Decided after its time, and said to have been in time."""
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        yield from self._examined(case, reviewer)
        assert item.days is not None
        yield self.play.later(item.days + 2)
        then = self.play.now_us - 4 * DAY
        said = approval.decide(replace(approver, clock=lambda: then), case, "granted")
        self.answer("A2", f"approval/{case}", said)
        yield from handed_over(self.play, desk, case, rng)

    def stalled(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Nobody touches it for weeks."""
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        yield self.play.later(0)
        begun = approval.start_step(reviewer, case, "examine")
        yield self.play.later(32 + rng.randrange(6))
        self.answer("A3", f"approval/{case}", begun, approval.finish_step(reviewer, case, "examine", outcome="passed"))
        yield self.play.later(0)
        approval.decide(approver, case, "granted")
        yield from handed_over(self.play, desk, case, rng)

    def at_night(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Decided long after everybody has gone home."""
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        yield from self._examined(case, reviewer)
        yield at(self.play.working_day(day_of(self.play.now_us), 1), 2, rng.randrange(60))
        self.answer("A6", f"approval/{case}", approval.decide(approver, case, "granted"))
        yield from handed_over(self.play, desk, case, rng)

    def looped(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Other papers each time that somebody comes."""
        desk, _, name, done = yield from received(hall, case, item, rng, 8)
        yield done
        ticket.serve(desk, name, case=case)
        said = []
        for paper in ("contract", "site_plan", "licence"):
            said.append(approval.tell_gaps(desk, case, [paper]))
            yield self.play.later(2)
            approval.supply(desk, case, [paper])
            yield self.play.snapped(self.play.now_us + 30 * MINUTE)
        self.answer("A7", f"approval/{case}", *said)
        approval.accept(desk, case)
        reviewer, approver = self._people(item)
        yield from self._examined(case, reviewer)
        yield self.play.later(1)
        approval.decide(approver, case, "granted")
        yield from handed_over(self.play, desk, case, rng)

    def held_without_notice(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """A pause that nobody was told of."""
        item = self._longest(item)
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        yield from self._examined(case, reviewer)
        self.answer("A8", f"approval/{case}", approval.suspend(reviewer, case, "site_visit", notice="none"))
        yield self.play.later(1)
        approval.resume(reviewer, case, "site_visit")
        yield self.play.later(1)
        approval.decide(approver, case, "granted")
        yield from handed_over(self.play, desk, case, rng)

    def held_for_long(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Over half of its time under a pause."""
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        yield from self._examined(case, reviewer)
        held = approval.suspend(reviewer, case, "site_visit", notice=f"notice-{case}")
        yield self.play.later(12)
        self.answer("A8", f"approval/{case}", held, approval.resume(reviewer, case, "site_visit"))
        yield self.play.snapped(self.play.now_us + HOUR)
        approval.decide(approver, case, "granted")
        yield from handed_over(self.play, desk, case, rng)

    def held_at_the_end(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Paused a few hours before it would have been late."""
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        day = day_of(self.play.now_us)
        yield from self._examined(case, reviewer)
        assert item.days is not None
        yield at(self.play.working_day(day, item.days), 16, 50)
        said = approval.suspend(reviewer, case, "site_visit", notice=f"notice-{case}")
        self.answer("A8", f"approval/{case}", said)
        yield self.play.later(2)
        approval.resume(reviewer, case, "site_visit")
        yield self.play.snapped(self.play.now_us + HOUR)
        approval.decide(approver, case, "granted")
        yield from handed_over(self.play, desk, case, rng)

    def refiled(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Withdrawn as its time runs out, and applied for anew at once: the clock begins again."""
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        day = day_of(self.play.now_us)
        yield from self._examined(case, reviewer)
        assert item.days is not None
        yield at(self.play.working_day(day, item.days), 16, 20)
        gone = approval.withdraw(desk, case, reason="申请人撤回")
        yield self.play.now_us + 5 * MINUTE
        approval.close(desk, case)
        again = f"{case}-2"
        yield self.play.now_us + 20 * MINUTE
        hall.owed[False] += 1
        applied = approval.apply_for(desk, again, item.code, applicant=person_name(rng))
        self.answer("A8", f"approval/{case}", gone, applied)
        yield self.play.now_us + 3 * MINUTE
        approval.accept(desk, again)
        yield from self._examined(again, reviewer)
        yield self.play.later(1)
        approval.decide(approver, again, "granted")
        yield from handed_over(self.play, desk, again, rng)

    def other_hands(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """The clerk of another office hands the paper over: one who has done it never."""
        yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        yield from self._examined(case, reviewer)
        yield self.play.later(1)
        approval.decide(approver, case, "granted")
        yield self.play.later(1)
        stranger = self.play.clerk(f"haicang-{1 + rng.randrange(3)}")  # there, everything is done on the spot
        self.answer("A9", f"approval/{case}", approval.deliver(stranger, case, "counter"))
        yield self.play.now_us + MINUTE
        approval.close(stranger, case)

    def own_review(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Whoever decides has looked into it alone."""
        desk = yield from self._accepted(hall, case, item, rng)
        _, approver = self._people(item)
        yield self.play.later(0)
        first = approval.start_step(approver, case, "examine")
        yield self.play.snapped(self.play.now_us + HOUR)
        approval.finish_step(approver, case, "examine", outcome="passed")
        yield self.play.later(1)
        self.answer("A10", f"approval/{case}", first, approval.decide(approver, case, "granted"))
        yield from handed_over(self.play, desk, case, rng)

    def unreviewed(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Accepted, and granted without a look."""
        desk = yield from self._accepted(hall, case, item, rng)
        _, approver = self._people(item)
        yield self.play.snapped(self.play.now_us + 40 * MINUTE)
        self.answer("A12", f"approval/{case}", approval.decide(approver, case, "granted"))
        yield from handed_over(self.play, desk, case, rng)

    def card_before_time(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """A red card on a case that is in time, as if somebody had put it there."""
        item = self._longest(item)
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        yield from self._examined(case, reviewer)
        stream, now = f"approval/{case}", self.play.now_us
        pack = self.duties.pack
        values = {
            "case": stream,
            "rule": "R-OVER",
            "colour": "red",
            "pack": pack.name,
            "version": 1,
            "rules": pack.sha256,
            "unit": item.unit,
            "clock": "promise",
            "run": 1,
            "due": instant_text(now - HOUR),
            "fired": instant_text(now),
        }
        card = stream_of(stream, "R-OVER", "promise", None, None, 1)
        self.answer("A17", stream, self.play.system().say(card, "card.raised.v1", values))
        yield self.play.now_us + SECOND
        self.duties.take_back(stream, card, "R-OVER", ("promise", None, None, 1))
        yield self.play.later(1)
        approval.decide(approver, case, "granted")
        yield from handed_over(self.play, desk, case, rng)

    def before_the_centre(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Decided, it says, before there was a centre."""
        desk = yield from self._accepted(hall, case, item, rng)
        reviewer, approver = self._people(item)
        yield from self._examined(case, reviewer)
        yield self.play.later(1)
        then = self.play.now_us - 400 * DAY
        said = approval.decide(replace(approver, clock=lambda: then), case, "granted")
        self.answer("A20", f"approval/{case}", said)
        self.answer("A2", f"approval/{case}", said)
        yield from handed_over(self.play, desk, case, rng)

    def at_the_last_moment(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """A case of the unit that likes its last days."""
        yield from promise(hall, case, self._item(lambda one: one.unit == HUGGING and not one.on_the_spot), rng)

    def _decided_at_once(self, day: date) -> None:
        """Six cases of one unit wait for one evening, and are decided within a minute."""
        # Where few come it takes longer until six wait, and then their promise must be longer too.
        ahead, promised = (8, 10) if self.scale >= _MANY else (20, 15)
        moment, begin = at(day, 17, 10), day - timedelta(days=ahead)
        long = [one for one in self.play.district.items.values() if (one.days or 0) >= promised]
        unit = self.rng.choice(sorted({one.unit for one in long} - {HUGGING}))
        items = [one for one in long if one.unit == unit]
        cases: list[str] = []

        def one(hall: Hall, case: str, item: Item, rng: Random) -> Script:
            item = rng.choice(items)
            desk = yield from self._accepted(hall, case, item, rng)
            reviewer, approver = self._people(item)
            yield from self._examined(case, reviewer)
            cases.append(case)
            yield max(moment + 7 * SECOND * len(cases), self.play.now_us + MINUTE)
            said = approval.decide(approver, case, "granted")
            if self.play.now_us < moment + MINUTE:
                self._at_once.append((case, said))
            yield from handed_over(self.play, desk, case, rng)

        queue = [*self.hall.planted[False], *((begin, one) for _ in range(_BATCH))]
        self.hall.planted[False] = deque(sorted(queue, key=lambda pair: pair[0]))

    # ------------------------------------------------------------------------------------------ on the spot

    def without_ticket(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Entered and closed for nobody who had come."""
        desk = self.play.clerk(self.play.district.units[item.unit].windows[0])
        approval.apply_for(desk, case, item.code, applicant=person_name(rng), channel="window")
        yield self.play.now_us + 30 * SECOND
        approval.accept(desk, case)
        yield self.play.now_us + 30 * SECOND
        self.answer("A11", f"approval/{case}", approval.decide(desk, case, "granted"))
        approval.deliver(desk, case, "counter")
        approval.close(desk, case)
        self.play.leave(f"approval/{case}")

    def in_seconds(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """Called, and done before anybody could have sat down."""
        name, printed = hall.number(item.unit, day_of(self.play.now_us))
        window, called, _ = hall.serve(item.unit, self.play.now_us, 1)
        desk = self.play.clerk(window)
        ticket.take(desk, name, number=printed, queue=item.unit)
        yield called
        ticket.call(desk, name)
        approval.apply_for(desk, case, item.code, applicant=person_name(rng), ticket=name)
        approval.accept(desk, case)
        said = approval.decide(desk, case, "granted")
        approval.deliver(desk, case, "counter")
        approval.close(desk, case)
        self.answer("A11", f"approval/{case}", said, ticket.serve(desk, name, case=case))
        self.play.leave(f"approval/{case}", f"ticket/{name}")

    def taken_in_twice(self, hall: Hall, case: str, item: Item, rng: Random) -> Script:
        """One visit makes two cases of the same item."""
        desk, _, name, done = yield from received(hall, case, item, rng, 9)
        again = f"{case}-2"
        hall.owed[True] += 1
        yield self.play.now_us + MINUTE
        said = approval.apply_for(desk, again, item.code, applicant=person_name(rng), ticket=name)
        self.answer("A12", f"approval/{again}", said)
        self.answer("A12", f"approval/{case}", said)
        yield done
        for each in (case, again):
            approval.accept(desk, each)
            approval.decide(desk, each, "granted")
            approval.deliver(desk, each, "counter")
            approval.close(desk, each)
            self.play.leave(f"approval/{each}")
        ticket.serve(desk, name, case=case)

    # ------------------------------------------------------------------------------------- in the waiting area

    def _weeks(self, odd: date) -> None:
        """People who only ask come to one unit every day; in one week everybody waits there."""
        week = [day for day in self.days if odd <= day < odd + timedelta(days=7)]
        self.hall.late_us |= {(WAITING, day): 45 * MINUTE for day in week}
        for day in self.days:
            for _ in range(_VISITS_A_DAY):
                script = asked(self.hall, WAITING, Random(self.rng.getrandbits(64)), minutes=6)
                # Early enough that nobody is served after closing time.
                self.play.begin(at(day, 8, 45) + self.rng.randrange(120) * MINUTE, script)
        self.answer("A19", f"unit/{WAITING}")

    def rated_in_a_burst(self) -> Script:
        """Six ratings of one window in less than a minute."""
        desk, names = self.play.clerk(f"{WAITING}-2"), []
        for number in range(6):
            name = f"{day_of(self.play.now_us):%Y%m%d}-{WAITING}-b{number}"
            ticket.take(desk, name, number=f"B{number:03}", queue=f"{WAITING}-b", channel="kiosk")
            yield self.play.now_us + MINUTE
            ticket.call(desk, name)
            yield self.play.now_us + 3 * MINUTE
            ticket.serve(desk, name)
            names.append(name)
        yield at(day_of(self.play.now_us), 17, 20)
        said = []
        for name in names:
            said.append(rating.rate(self.play.desk("staff/portal"), name, 5))
            yield self.play.now_us + 6 * SECOND
        for name in names:
            self.answer("A13", f"ticket/{name}", *said)

    def out_of_turn(self) -> Script:
        """Who came last is called first."""
        desk, day = self.play.clerk("localtax-1"), day_of(self.play.now_us)
        names = [f"{day:%Y%m%d}-localtax-q{number}" for number in range(4)]
        taken = []
        for number, name in enumerate(names):
            taken.append(ticket.take(desk, name, number=f"Q{number:03}", queue="localtax-q", channel="kiosk"))
            yield self.play.now_us + 3 * MINUTE
        for name in (names[3], *names[:3]):
            called = ticket.call(desk, name)
            if name == names[3]:
                self.answer("A14", f"ticket/{name}", called, taken[0])
            yield self.play.now_us + 4 * MINUTE
            ticket.serve(desk, name)

    # -------------------------------------------------------------------------------------------- complaints

    def _complained(self, name: str) -> Generator[int, None, Visit]:
        """A complaint up to its investigation; returns the visit."""
        play, visit = self.play, self.centres.recent[-1]
        heard = complaint.receive(
            play.desk("staff/portal"),
            name,
            ["attitude"],
            tracking=hashlib.sha256(name.encode()).hexdigest()[:20],
            words="态度差",
            events=[visit.event],
            window=visit.window,
            since=instant_text(visit.at_us - 5 * MINUTE),
            until=instant_text(visit.at_us + 5 * MINUTE),
            channel="phone",
        )
        yield play.now_us + SECOND
        values = {"reason": "not_recorded", "cameras": play.district.covering(visit.window) or None}
        play.system().say(f"complaint/{name}", "complaint.evidence_missing.v1", values, causes=(heard.id,))
        yield play.later(1)
        complaint.register(play.desk("staff/investigator-1"), name, f"XN-{name}")
        yield play.later(1)
        clerk = play.district.clerk_of(visit.window)
        complaint.accept(play.desk("staff/complaints-1"), name, [clerk], "staff/investigator-1")
        return visit

    def clip_seen_often(self) -> Script:
        """A clip that somebody brought in is watched a dozen times under one grant."""
        name = "planted-clip"
        visit = yield from self._complained(name)
        play = self.play
        custodian, head = play.desk("staff/custodian-1"), play.desk("staff/complaints-1")
        investigator = play.desk("staff/investigator-1")
        since, until = instant_text(visit.at_us - 5 * MINUTE), instant_text(visit.at_us + 5 * MINUTE)
        camera = play.district.covering(visit.window)[0]
        content = {
            "since": since,
            "until": until,
            "sha256": hashlib.sha256(b"clip").hexdigest(),
            "manifest": hashlib.sha256(b"manifest").hexdigest(),
        }
        clip = custodian.say(f"footage/{camera}", "footage.clip_extracted.v1", content)
        complaint.seal_clip(custodian, name, clip.id)
        yield play.later(1)
        stream, span = grant_stream(name), {"since": since, "until": until}
        asked = {"clip": clip.id.hex(), "viewer": investigator.actor, "rights": ["unblurred", "view"], **span}
        why = {"purpose": "investigation", "complaint": name}
        investigator.say(stream, REQUESTED, {**asked, **why, "camera": camera, "basis": "complaint"})
        yield play.later(0)
        expires = instant_text(play.now_us + 12 * DAY)
        clerk = play.district.clerk_of(visit.window)
        head.say(stream, GRANTED, {**asked, "expires": expires, "complained_of": [clerk]})
        seen = {"viewer": investigator.actor, "viewer_role": investigator.role, **why, **span}
        said = []
        for _ in range(12):
            yield play.snapped(play.now_us + 2 * HOUR)
            said.append(play.system().say(stream, VIEWED, {**seen, "rendition": "clip", "sha256": content["sha256"]}))
        self.answer("A15", stream, *said)

    def watched_at_night(self) -> Script:
        """An officer watches a window hours after it has closed."""
        yield at(day_of(self.play.now_us), 23, 40)
        stream, said = self.centres.watch("staff/investigator-2", "supervision", self.rng)
        self.answer("A15", stream, said)

    def watched_for_nothing(self) -> Script:
        """An officer watches for a complaint that nobody made."""
        yield self.play.later(0)
        stream, said = self.centres.watch("staff/investigator-2", "complaint", self.rng, complaint="nobody-s")
        self.answer("A15", stream, said)

    def watched_all_day(self) -> Script:
        """An officer begins to watch again and again, fifteen times in a day."""
        begun: list[tuple[str, Outcome]] = []
        for number in range(15):
            yield at(day_of(self.play.now_us), 9, 5) + number * 9 * MINUTE
            begun.append(self.centres.watch("staff/complaints-2", "supervision", self.rng))
        self.answer("A15", begun[0][0], *(said for _, said in begun))

    def clip_missing(self) -> Script:
        """Footage of a few days ago is not to be had, though it should be kept for weeks."""
        name = "planted-missing"
        visit = yield from self._complained(name)
        camera = self.play.district.covering(visit.window)[0]
        said = complaint.miss_clip(
            self.play.desk("staff/custodian-1"),
            name,
            camera,
            "overwritten",
            since=instant_text(visit.at_us - 5 * MINUTE),
            until=instant_text(visit.at_us + 5 * MINUTE),
        )
        self.answer("A16", f"complaint/{name}", said)

    def inspected_by_another(self, number: int) -> Script:
        """A site is inspected by an officer who has never done one."""
        play, name = self.play, f"planted-{number + 1}"
        usual, stranger = play.desk("staff/duty-3"), play.desk("staff/duty-1")
        inspection.plan(usual, name, f"hazard-{number % 26 + 1:02}", play.working_day(day_of(play.now_us), 3))
        yield play.later(2)
        self.answer("A9", f"inspection/{name}", inspection.carry_out(stranger, name))
        yield play.now_us + HOUR
        inspection.close(usual, name)

    # ----------------------------------------------------------------------------------------------- trading

    def odd_purchase(self, how: str) -> Script:
        """A purchase with a single bid, with no time for bids, or with prices far apart."""
        play, name = self.play, f"planted-{how}"
        officer = play.desk("staff/trading-2")
        trading.plan(officer, name, "办公设备采购", buyer="agriculture", method="open", fen=90_000_000)
        yield play.later(1)
        closing = at(play.working_day(day_of(play.now_us) + timedelta(days=6 if how == "short" else 22), 0), 10)
        published = trading.publish_tender(officer, name, instant_text(closing))
        bidders = ["firm-31"] if how == "single" else ["firm-31", "firm-32", "firm-33"]
        bids = []
        for bidder in bidders:
            yield play.later(1)
            bids.append(trading.receive_bid(officer, name, bidder))
        yield max(closing + 20 * MINUTE, play.now_us + MINUTE)
        low = 80_000_000
        high = 4 * low if how == "spread" else low + 6_000_000
        prices = dict(zip(bidders, (low, low + 3_000_000, high), strict=False))
        opened = trading.open_bids(officer, name, prices=prices)
        shown = {"single": [bids[0], opened], "short": [published], "spread": [opened]}
        self.answer("A18", f"trading/{name}", *shown[how])
        yield play.later(3)
        trading.award(officer, name, "firm-31", low)
        yield play.later(5)
        trading.sign_contract(officer, name, low)
        trading.start(officer, name)

    # ------------------------------------------------------------------------------------------- at the end

    def close(self) -> list[dict[str, Any]]:
        """The whole key."""
        for case, said in self.hall.hugged:
            self.answer("A4", f"approval/{case}", said)
        if len(self._at_once) >= _AT_ONCE:
            for case, _ in self._at_once:
                self.answer("A5", f"approval/{case}", *(said for _, said in self._at_once))
        return sorted(self.key, key=lambda row: (int(row["kind"][1:]), row["case"]))
