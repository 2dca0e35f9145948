"""What the other centres do: assistance, mediation, consultation, emergencies, grid, trading, enterprises, complaints.

Promise: how much of each happens follows the scale, but never falls under a handful, so that there is something to see
of every stream. Plans, drills, duty and inspections keep to their calendar whatever the scale. No camera of a play
records anything: every complaint says so of itself.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Final, NamedTuple

from api.demo.district import Item, person_name
from api.demo.play import DAY, HOUR, MINUTE, SECOND, Play, Script, at, day_of
from ledger.cases import (
    appointment,
    assistance,
    complaint,
    consultation,
    drill,
    duty,
    emergency,
    enterprise_help,
    grid,
    inspection,
    mediation,
    plan,
    proxy,
    referral,
    reservation,
    trading,
)
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.facts.patrol import ENDED, live_stream
from ledger.facts.patrol import VIEWED as LIVE_VIEWED
from ledger.statement import StatementId, instant_text

NOT_RECORDED: Final = "not_recorded"
_TOWNS: Final = ("haicang", "xinyang", "songyu", "dongfu")
_CHANNELS: Final = ("phone", "website", "microblog", "wechat", "qq", "forum", "sms", "window")
_FIRMS: Final = ("construction", "planning", "env", "commerce", "land", "fire")
_YUAN: Final = 100
_RECENT: Final = 300


class Visit(NamedTuple):
    """A visit that somebody may complain of."""

    case: str
    item: str
    window: str
    event: StatementId
    at_us: int


@dataclass(slots=True)
class Awaited:
    """An application that a firm will make from ``day`` on. ``application``: once it is made."""

    day: date
    item: Item
    case: str = ""
    application: StatementId | None = None
    applied_us: int = 0


@dataclass(slots=True)
class Centres:
    """All that goes on beside the windows. ``recent``: the last visits; ``promised``: unit → its last promise case."""

    play: Play
    rng: Random
    scale: float
    days: list[date]
    recent: deque[Visit] = field(default_factory=lambda: deque(maxlen=_RECENT))
    promised: dict[str, str] = field(default_factory=dict)
    awaited: deque[Awaited] = field(default_factory=deque)
    numbers: dict[str, int] = field(default_factory=dict)

    def name(self, kind: str) -> str:
        """The next name of a kind."""
        self.numbers[kind] = self.numbers.get(kind, 0) + 1
        return f"{day_of(self.play.now_us):%Y}-{self.numbers[kind]:05}"

    def day(self, number: int, day: date) -> None:
        """Put on the stage what begins on the ``number``-th working day."""
        for begin, in_full, least, around_the_clock in _BEGIN:
            whole = max(least, round(in_full * self.scale))
            many = (number + 1) * whole // len(self.days) - number * whole // len(self.days)
            for _ in range(many):
                moment = (
                    at(day) + round(self.rng.random() * DAY) if around_the_clock else self.play.in_hours(day, self.rng)
                )
                self.play.begin(moment, begin(self, Random(self.rng.getrandbits(64))))

    def start(self) -> None:
        """What keeps to its calendar: duty, plans and drills, inspections."""
        first, last = self.days[0], self.days[-1]
        self.play.begin(at(first, 8), self._duty())
        self.play.begin(at(first, 9), self._plans())
        for code, data in self.play.district.sites.items():
            if every := data.get("inspect_every_days"):
                due = first + timedelta(days=10 + self.rng.randrange(every))
                while due <= last:
                    script = self._inspection(code, due, Random(self.rng.getrandbits(64)))
                    self.play.begin(at(due - timedelta(days=7), 10), script)
                    due += timedelta(days=int(every))

    # ------------------------------------------------------------------------------------- by the calendar

    def _duty(self) -> Script:
        officers = [self.play.desk(f"staff/duty-{number}") for number in (1, 2, 3)]
        duty.begin(officers[0], "main")
        turn = 0
        while True:
            day = day_of(self.play.now_us)
            yield at(day, 20) if self.play.now_us < at(day, 20) else at(day + timedelta(days=1), 8)
            here, after = officers[turn % 3], officers[(turn + 1) % 3]
            duty.offer(here, "main", after.actor)
            yield self.play.now_us + 4 * MINUTE
            duty.accept(after, "main")
            turn += 1

    def _plans(self) -> Script:
        one, two = self.play.desk("staff/duty-1"), self.play.desk("staff/duty-2")
        for kind, title in (("fire", "火灾"), ("flood", "防汛"), ("epidemic", "防疫"), ("typhoon", "防台风")):
            document = hashlib.sha256(title.encode()).hexdigest()
            plan.draft(one, kind, kind, f"海沧区{title}应急预案", document)
            yield self.play.later(1)
            plan.approve(two, kind)
        for number, kind in enumerate(("fire", "flood", "epidemic", "typhoon", "fire"), start=1):
            name = f"{kind}-{number}"
            day = self.play.working_day(day_of(self.play.now_us), 12)
            drill.schedule(one, name, kind, day)
            yield self.play.in_hours(day, self.rng)
            drill.hold(one, name, 20 + self.rng.randrange(80))
            yield self.play.later(3)
            drill.review(two, name)
            self.play.leave(f"drill/{name}")
            yield self.play.later(6)

    def _inspection(self, site: str, due: date, rng: Random) -> Script:
        officer, name = self.play.desk("staff/duty-3"), f"{site}-{due:%Y%m%d}"
        inspection.plan(officer, name, site, due)
        late = rng.random() < 0.06
        yield self.play.in_hours(due + timedelta(days=2 + rng.randrange(6) if late else -rng.randrange(1, 6)), rng)
        faults = rng.sample(("blocked_exit", "extinguisher_out_of_date", "wiring"), 1) if rng.random() < 0.2 else []
        inspection.carry_out(officer, name, faults=faults)
        for fault in faults:
            yield self.play.later(rng.randrange(2, 9))
            inspection.mend_fault(officer, name, fault)
        yield self.play.now_us + HOUR
        inspection.close(officer, name)
        self.play.leave(f"inspection/{name}")

    # ----------------------------------------------------------------------------------------- as it comes

    def assistance(self, rng: Random) -> Script:
        """Somebody in need: wages recovered, relief granted by a second person, or help in kind."""
        play, name = self.play, self.name("assistance")
        one, two = play.desk(f"staff/help-{1 + rng.randrange(2)}"), play.desk("staff/help-3")
        kind = rng.choice(
            ("labour", "labour", "labour", "social_relief", "legal_aid", "taiwan_firm", "women", "school", "disability")
        )
        assistance.ask(one, name, kind, person=person_name(rng), need="求助事项", channel=rng.choice(_CHANNELS))
        yield play.now_us + round((5 + rng.random() * 50) * MINUTE)
        assistance.triage(one, name, rng.choice(("normal", "normal", "urgent")))
        yield play.later(rng.randrange(0, 3))
        if rng.random() < 0.04:
            assistance.refer(one, name, "mediation")
        elif kind == "labour" or kind == "legal_aid":
            assistance.assist(one, name, "claim_filed")
            yield play.later(rng.randrange(3, 15))
            assistance.recover(one, name, rng.randrange(2_000, 60_000) * _YUAN)
        elif kind in ("social_relief", "school", "disability"):
            assistance.assess(one, name, entitled=True)
            yield play.later(1)
            fen = rng.randrange(500, 6_000) * _YUAN
            grant = assistance.grant(two, name, fen, "civil_affairs")
            yield play.later(rng.randrange(1, 5))
            assistance.pay(one, name, fen, grant.id)
        else:
            assistance.assist(one, name, "advised")
        yield play.later(1)
        assistance.close(one, name)
        play.leave(f"assistance/{name}")

    def mediation(self, rng: Random) -> Script:
        """A dispute before two or more mediators of different kinds."""
        play, name = self.play, self.name("mediation")
        actors = rng.sample([f"staff/mediator-{number}" for number in (1, 2, 3, 4)], 3)
        one, other, third = (play.desk(actor) for actor in actors)
        studio = rng.choice(("wanzai", "shuimu", None, None))
        dispute = rng.choice(("labour", "labour", "traffic", "consumer", "medical", "governance", "petition"))
        mediation.file(
            one,
            name,
            dispute,
            parties={"a": person_name(rng), "b": person_name(rng)},
            matter="纠纷",
            studio=studio,
            channel=rng.choice(_CHANNELS),
        )
        yield play.later(1)
        if rng.random() < 0.06:
            mediation.decline(one, name)
            yield play.later(1)
            mediation.close(one, name)
            return
        mediation.consent(one, name)
        mediation.name_mediators(one, name, {one.actor: "people", other.actor: "administrative"})
        for _ in range(rng.choice((1, 1, 2, 3))):
            yield play.later(rng.randrange(1, 6))
            mediation.hold_session(one, name)
        yield play.now_us + HOUR
        if rng.random() < 0.12:
            mediation.fail(one, name)
            yield play.later(1)
            mediation.close(one, name)
            if dispute == "petition" and rng.random() < 0.5:
                yield play.later(rng.randrange(10, 40))
                mediation.repeat_petition(one, name, "letter")
            return
        mediation.agree(other, name, "调解协议")
        yield play.later(2)
        mediation.confirm(third, name, "court")
        yield play.later(rng.randrange(3, 20))
        if rng.random() < 0.05:
            mediation.breach(one, name)
        else:
            mediation.perform(one, name)
        mediation.close(one, name)
        play.leave(f"mediation/{name}")

    def consultation(self, rng: Random) -> Script:
        """A topic, its parties, a meeting or two, an agreement and what came of it."""
        play, name = self.play, self.name("consultation")
        host = play.desk(f"staff/host-{1 + rng.randrange(2)}")
        topic = rng.choice(("城区绿化", "公交线路调整", "环境保护", "公共自行车慢行系统", "停车位", "社区食堂"))
        consultation.propose(host, name, topic)
        for party in rng.sample(("residents", "shops", "units", "experts", "vendors"), 3):
            consultation.join(host, name, party)
        for _ in range(rng.choice((1, 2))):
            day = play.working_day(day_of(play.now_us), rng.randrange(3, 8))
            consultation.schedule(host, name, rng.choice(("meeting", "hearing", "expert_argument")), day)
            yield play.in_hours(day, rng)
            consultation.hold(host, name, rng.randrange(12, 60))
        yield play.now_us + HOUR
        if rng.random() < 0.15:
            consultation.disagree(host, name)
        else:
            consultation.agree(host, name, ["plan_adopted"])
            consultation.release(host, name, "briefing", f"{topic}协商情况通报")
            yield play.later(15)
            consultation.follow_up(host, name, kept=rng.random() < 0.9)
        yield play.later(1)
        consultation.close(host, name)
        play.leave(f"consultation/{name}")

    def emergency(self, rng: Random) -> Script:
        """An alarm, in minutes on the scene."""
        play, name = self.play, self.name("emergency")
        officer = play.desk(f"staff/duty-{1 + rng.randrange(3)}")
        kind = rng.choice(
            ("fire", "flood", "traffic_accident", "rescue", "public_order", "hazardous_chemicals", "other")
        )
        channel = rng.choice(("phone", "grid_app", "video"))
        systems = ["grid", "three_defences"] if channel == "grid_app" else ["three_defences"]
        emergency.raise_alarm(officer, name, kind, place="海沧区", channel=channel, systems=systems)
        yield play.now_us + round((20 + rng.random() * 60) * SECOND)
        emergency.acknowledge(officer, name)
        yield play.now_us + round((30 + rng.random() * 120) * SECOND)
        if rng.random() < 0.1:
            emergency.call_off(officer, name, "false_report")
        else:
            forces = rng.sample(("police", "fire_brigade", "ambulance", "grid_team"), rng.choice((1, 2, 3)))
            emergency.dispatch(officer, name, forces)
            for force in forces:
                yield play.now_us + round((3 + rng.random() * 7) * MINUTE)
                emergency.arrive(officer, name, force)
            yield play.now_us + round((20 + rng.random() * 120) * MINUTE)
            emergency.stabilise(officer, name)
        yield play.now_us + round((10 + rng.random() * 60) * MINUTE)
        emergency.close(officer, name)
        if rng.random() < 0.5:
            yield play.later(2)
            emergency.review(officer, name)
        play.leave(f"emergency/{name}")

    def grid(self, rng: Random) -> Script:
        """A grid worker sees something; it is handled by another, verified, closed."""
        play, name, town = self.play, self.name("grid"), rng.choice(_TOWNS)
        one, other = (play.desk(f"staff/grid-{town}-{number}") for number in (1, 2))
        dispatcher = play.desk(f"staff/dispatcher-{1 + rng.randrange(2)}")
        kind = rng.choice(("street_vending", "rubbish", "noise", "street_light", "illegal_parking", "fire_hazard"))
        grid.report_problem(one, name, kind, place="网格", systems=["grid"])
        yield play.now_us + round((5 + rng.random() * 90) * MINUTE)
        if rng.random() < 0.04:
            grid.reject(dispatcher, name, "not_a_problem")
        else:
            if rng.random() < 0.08:
                grid.escalate(dispatcher, name, "town", "beyond_the_village")
            grid.dispatch(dispatcher, name, town)
            yield play.later(rng.randrange(0, 4))
            grid.handle(other, name, measures=["cleared"])
            yield play.later(rng.randrange(0, 2))
            grid.verify(one, name)
        yield play.now_us + 30 * MINUTE
        grid.close(dispatcher, name)
        play.leave(f"grid/{name}")

    def trading(self, rng: Random) -> Script:
        """A public purchase from plan to completion; bids have three weeks or more."""
        play, name = self.play, self.name("trading")
        officer = play.desk(f"staff/trading-{1 + rng.randrange(2)}")
        buyer = rng.choice(("construction", "education", "health", "water", "transport", "police", "cityadmin"))
        fen = rng.randrange(200_000, 20_000_000) * _YUAN
        trading.plan(
            officer,
            name,
            rng.choice(("道路改造", "校舍修缮", "设备采购", "管网改造")),
            buyer=buyer,
            method="open",
            fen=fen,
        )
        yield play.later(2)
        closes = day_of(play.now_us) + timedelta(days=21 + rng.randrange(10))
        closing = at(play.working_day(closes, 0), 10)
        trading.publish_tender(officer, name, instant_text(closing))
        bidders = rng.sample([f"firm-{number:02}" for number in range(1, 31)], rng.randrange(3, 7))
        moments = sorted(rng.uniform(play.now_us + DAY, closing - 2 * HOUR) for _ in bidders)
        for moment, bidder in zip(moments, bidders, strict=True):
            yield play.snapped(round(moment))
            if play.now_us < closing:
                trading.receive_bid(officer, name, bidder)
        yield max(closing + 30 * MINUTE, play.now_us + MINUTE)
        bids = play.door.state(f"trading/{name}").bidders
        prices = {bidder: round(fen * (0.82 + 0.16 * rng.random())) for bidder in bids}
        trading.open_bids(officer, name, prices=prices)
        yield play.later(3)
        winner = min(prices, key=lambda bidder: prices[bidder])
        trading.award(officer, name, winner, prices[winner])
        yield play.later(8 if rng.random() < 0.9 else 28)  # a few sign when the law's thirty days are over
        trading.sign_contract(officer, name, prices[winner])
        yield play.later(5)
        trading.start(officer, name)
        yield play.later(rng.randrange(20, 60))
        trading.pay(officer, name, prices[winner])
        yield play.later(2)
        trading.complete(officer, name)
        play.leave(f"trading/{name}")

    def enterprise(self, rng: Random) -> Script:
        """One of the thousand enterprises is visited."""
        play, name = self.play, self.name("enterprise")
        officer = play.desk(f"staff/enterprise-{1 + rng.randrange(2)}")
        enterprise_help.visit(officer, name, f"enterprise-{rng.randrange(1, 1200):04}")
        if rng.random() < 0.35:
            yield play.now_us + 30 * MINUTE
            enterprise_help.raise_difficulty(
                officer, name, "d1", rng.choice(("land", "labour", "loans", "power", "permits"))
            )
            yield play.later(rng.randrange(2, 15))
            enterprise_help.resolve(officer, name, "d1", rng.choice(("resolved", "resolved", "resolved", "referred")))
        if rng.random() < 0.6:
            yield from self._prepared(officer, name, rng)
        yield play.later(1)
        enterprise_help.close(officer, name)
        play.leave(f"enterprise_help/{name}")

    def _prepared(self, officer: Desk, name: str, rng: Random) -> Script:
        """A list of papers made for the firm, and the application weeks later; a few come to nothing."""
        play = self.play
        items = [one for one in play.district.items.values() if not one.on_the_spot and one.unit in _FIRMS]
        item, today = rng.choice(items), day_of(play.now_us)
        papers = rng.sample(("licence", "site_plan", "contract", "deed", "seal"), 3)
        enterprise_help.list_papers(officer, name, "m1", item.code, papers, play.working_day(today, 20))
        awaited = Awaited(play.working_day(today, 3 + rng.randrange(20)), item)
        self.awaited.append(awaited)
        for _ in range(40):
            yield play.later(1)
            if awaited.application is not None:
                values = {
                    "milestone": "m1",
                    "case": f"approval/{awaited.case}",
                    "application": awaited.application.hex(),
                }
                values["applied"] = instant_text(awaited.applied_us)
                officer.say(enterprise_help.stream_of(name), "enterprise_help.applied_for.v1", values)
                return
        if not awaited.case:
            self.awaited.remove(awaited)
        enterprise_help.drop_milestone(officer, name, "m1", "plan_changed")

    def appointment(self, rng: Random) -> Script:
        """A visit at an hour of one's choice."""
        play, name = self.play, self.name("appointment")
        window = rng.choice(list(play.district.windows))
        slot = play.later(rng.randrange(1, 6))
        queue = play.district.windows[window]
        visitor = person_name(rng)
        appointment.make(play.desk("staff/portal"), name, queue, instant_text(slot), visitor=visitor, channel="wechat")
        luck = rng.random()
        if luck < 0.06:
            yield play.now_us + HOUR
            appointment.cancel(play.desk("staff/portal"), name)
        else:
            yield slot + round((rng.random() * 8 + (30 if luck > 0.94 else 0)) * MINUTE)
            (appointment.miss if luck > 0.94 else appointment.keep)(play.clerk(window), name)
        play.leave(f"appointment/{name}")

    def reservation(self, rng: Random) -> Script:
        """A day of review kept for a case that is not complete yet."""
        play, name = self.play, self.name("reservation")
        item = rng.choice([item for item in play.district.items.values() if not item.on_the_spot])
        day = play.working_day(day_of(play.now_us), rng.randrange(3, 10))
        window = play.district.units[item.unit].windows[0]
        reservation.ask(play.clerk(window), name, item.code, item.unit, day, applicant=person_name(rng))
        yield play.later(1)
        approver = play.desk(f"staff/approve-{item.unit}")
        if rng.random() < 0.1:
            reservation.decline(approver, name, "no_day_free")
            return
        reservation.confirm(approver, name)
        yield at(day, 9, 5) + rng.randrange(60) * MINUTE
        if item.unit in self.promised and rng.random() < 0.85:
            reservation.begin(approver, name, f"approval/{self.promised[item.unit]}")
        else:
            yield at(day + timedelta(days=1)) + MINUTE
            reservation.lapse(play.system(), name)
        play.leave(f"reservation/{name}")

    def proxy(self, rng: Random) -> Script:
        """A grid worker acts for somebody who cannot come, with consent."""
        if not self.recent:
            return
        play, name, town, visit = self.play, self.name("proxy"), rng.choice(_TOWNS), rng.choice(self.recent)
        worker = play.desk(f"staff/grid-{town}-1")
        until = day_of(play.now_us) + timedelta(days=60)
        proxy.consent(worker, name, person_name(rng), scope=[visit.item], until=until, form="written")
        proxy.assign(worker, name, worker.actor)
        yield play.later(1)
        proxy.act_for(worker, name, visit.item, f"approval/{visit.case}", "applied")
        yield play.later(rng.randrange(2, 9))
        proxy.end(worker, name, "done")
        play.leave(f"proxy/{name}")

    def referral(self, rng: Random) -> Script:
        """A problem from the grid that is really a need for help."""
        play, name, town = self.play, self.name("referral"), rng.choice(_TOWNS)
        worker, dispatcher = play.desk(f"staff/grid-{town}-1"), play.desk("staff/dispatcher-1")
        officer = play.desk("staff/help-1")
        report, matter = f"r{name}", f"r{name}"
        grid.report_problem(worker, report, "person_in_need", place="网格", systems=["grid", "service"])
        yield play.now_us + 20 * MINUTE
        referral.make(dispatcher, name, f"grid/{report}", sender="social", centre="assistance", reason="need_of_help")
        grid.reject(dispatcher, report, "referred")
        grid.close(dispatcher, report)
        yield play.now_us + HOUR
        assistance.ask(officer, matter, "social_relief", person=person_name(rng), need="困难", channel="grid")
        referral.take(officer, name, f"assistance/{matter}")
        yield play.later(1)
        assistance.triage(officer, matter, "normal")
        yield play.later(1)
        assistance.assist(officer, matter, "volunteers_sent")
        yield play.later(1)
        assistance.close(officer, matter)
        play.leave(f"grid/{report}", f"assistance/{matter}", f"referral/{name}")

    def patrol(self, rng: Random) -> Script:
        """An officer of the complaint centre watches a window for some minutes."""
        officer = rng.choice(("staff/complaints-1", "staff/investigator-1", "staff/supervisor-1"))
        stream, _ = self.watch(officer, "patrol", rng)
        yield self.play.now_us + round((2 + rng.random() * 12) * MINUTE)
        self.play.system().say(stream, ENDED, {"cause": "left"})  # nothing records in a play: no footage was shown
        self.play.leave(stream)

    def watch(self, actor: str, purpose: str, rng: Random, *, complaint: str | None = None) -> tuple[str, Outcome]:
        """Somebody begins to watch a camera that covers a window; the stream and what was said."""
        district = self.play.district
        camera = rng.choice([name for name, data in district.cameras.items() if data["windows"]])
        stream = live_stream(self.name("live"))
        window = district.cameras[camera]["windows"][0]
        values = {"camera": camera, "window": window, "purpose": purpose, "complaint": complaint}
        return stream, self.play.desk(actor).say(stream, LIVE_VIEWED, values)

    def complaint(self, rng: Random) -> Script:
        """An efficiency complaint about one of the last visits, from reception to the call back."""
        if not self.recent:
            return
        play, name, visit = self.play, self.name("complaint"), rng.choice(self.recent)
        clerk = play.district.clerk_of(visit.window)
        allegations = rng.sample(("attitude", "delay", "advice", "papers"), rng.choice((1, 1, 2)))
        received = complaint.receive(
            play.desk("staff/portal"),
            name,
            allegations,
            tracking=f"{rng.getrandbits(80):020x}",
            words="对窗口服务不满意",
            events=[visit.event],
            window=visit.window,
            since=instant_text(visit.at_us - 10 * MINUTE),
            until=instant_text(visit.at_us + 10 * MINUTE),
            complainant=person_name(rng),
            channel=rng.choice(_CHANNELS),
        )
        yield play.now_us + SECOND
        play.system().say(
            f"complaint/{name}",
            "complaint.evidence_missing.v1",
            {"reason": NOT_RECORDED, "cameras": play.district.covering(visit.window) or None},
            causes=(received.id,),
        )
        head = play.desk(f"staff/complaints-{1 + rng.randrange(2)}")
        investigator = play.desk(f"staff/investigator-{1 + rng.randrange(2)}")
        yield play.later(1)
        complaint.register(investigator, name, f"XN-{name}")
        yield play.later(rng.randrange(0, 3))
        luck = rng.random()
        if luck < 0.08:
            complaint.refuse(head, name, "not_about_a_service", reasons="不属于效能投诉")
            yield play.later(1)
            complaint.close(head, name)
            return
        if luck < 0.14:
            complaint.forward(head, name, play.district.windows[visit.window], "other_unit_s")
            yield play.later(1)
            complaint.close(head, name)
            return
        complaint.accept(head, name, [clerk], investigator.actor)
        yield play.later(rng.randrange(1, 4))
        complaint.investigate(investigator, name, [f"approval/{visit.case}"])
        yield play.later(rng.randrange(1, 3))
        complaint.reply(play.clerk(visit.window), name, "已按规定办理")
        yield play.later(rng.randrange(1, 4))
        upheld = rng.random() < 0.3
        for allegation in allegations:
            outcome = "upheld" if upheld else rng.choice(("not_upheld", "not_upheld", "cannot_tell"))
            complaint.find(investigator, name, allegation, outcome, events=[visit.event])
        yield play.later(rng.randrange(1, 3))
        complaint.decide(head, name, "upheld" if upheld else "not_upheld")
        yield play.later(1)
        complaint.tell(head, name, "letter")
        yield play.later(rng.randrange(1, 4))
        complaint.call_back(investigator, name, satisfied=rng.random() < 0.7)
        yield play.now_us + 10 * MINUTE
        complaint.close(head, name)
        play.leave(f"complaint/{name}")


Begin = Callable[[Centres, Random], Script]
# What, how often in the whole time at scale 1, at least, and whether it happens at any hour.
_BEGIN: Final[tuple[tuple[Begin, int, int, bool], ...]] = (
    (Centres.assistance, 1500, 12, False),
    (Centres.mediation, 750, 12, False),
    (Centres.consultation, 24, 8, False),
    (Centres.emergency, 260, 12, True),
    (Centres.grid, 5200, 20, False),
    (Centres.trading, 48, 10, False),
    (Centres.enterprise, 2500, 12, False),
    (Centres.appointment, 3000, 12, False),
    (Centres.reservation, 150, 8, False),
    (Centres.proxy, 600, 8, False),
    (Centres.referral, 200, 6, False),
    (Centres.complaint, 130, 10, False),
    (Centres.patrol, 500, 24, False),
)
