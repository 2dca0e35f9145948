"""The six stories of the source, for a stage: each crosses centres, and each ends well.

A story is a generator that yields when it goes on (µs since 1970) and returns the stream that it is mainly about. It
needs the items of ``ITEMS``, and these parts, each played by whom the stage says: citizen, clerk, dispatcher, duty,
grid, grid_second, help, help_second, host, mediator, mediator_second, mediator_third, trading.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from datetime import date, datetime, timedelta
from typing import Final, Protocol

from ledger.cases import (
    approval,
    assistance,
    bundle,
    consultation,
    emergency,
    grid,
    mediation,
    proxy,
    rating,
    referral,
    ticket,
    trading,
)
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.facts.clocks import SHANGHAI
from ledger.statement import instant_text

ITEMS: Final = ("subsidy", "title", "water", "power", "gas")

Story = Generator[int, None, str]
Days = Callable[[int], date]
"""The n-th working day after the story's first, which is 0."""


class Stage(Protocol):
    """Where stories are played."""

    def part(self, name: str) -> Desk:
        """The desk of who plays a part."""

    def done(self, outcome: Outcome) -> Outcome:
        """Told of each act."""


def at(day: date, hour: int, minute: int = 0) -> int:
    """A local time of a day (µs)."""
    return round(datetime(day.year, day.month, day.day, hour, minute, tzinfo=SHANGHAI).timestamp()) * 1_000_000


def container_clearance(stage: Stage, day: Days) -> Story:
    """A Taiwan firm missed the customs hour; eight containers are cleared an hour before the ship is closed."""
    officer = stage.part("help")
    yield at(day(0), 14)
    stage.done(
        assistance.ask(
            officer, "clearance", "taiwan_firm", person="松霖公司", need="错过报关时间,8个柜子", channel="phone"
        )
    )
    stage.done(assistance.triage(officer, "clearance", "urgent"))
    yield at(day(0), 14, 50)
    stage.done(assistance.assist(officer, "clearance", "customs_cleared_at_once", words="封舱前一小时办结"))
    stage.done(assistance.close(officer, "clearance"))
    stage.done(rating.rate(stage.part("citizen"), "clearance", 5, channel="letter", words="感谢信"))
    return "assistance/clearance"


def market_stalls(stage: Stage, day: Days) -> Story:
    """Vendors, residents and shopkeepers at odds in a housing estate agree on time, place and size."""
    worker, host = stage.part("grid"), stage.part("host")
    yield at(day(0), 9)
    stage.done(grid.report_problem(worker, "stalls", "street_vending", place="旭日海湾小区", words="噪声、卫生"))
    stage.done(grid.escalate(worker, "stalls", "district", "three_parties"))
    stage.done(
        referral.make(
            stage.part("dispatcher"),
            "stalls",
            "grid/stalls",
            sender="social",
            centre="consultation",
            reason="parties_at_odds",
        )
    )
    stage.done(consultation.propose(host, "stalls", "小区临时摊点", channel="grid", systems=["grid", "service"]))
    stage.done(referral.take(host, "stalls", "consultation/stalls"))
    for party in ("vendors", "residents", "shopkeepers"):
        stage.done(consultation.join(host, "stalls", party))
    for ahead in (2, 4):
        stage.done(consultation.schedule(host, "stalls", "meeting", day(ahead)))
        yield at(day(ahead), 15)
        stage.done(consultation.hold(host, "stalls", 20))
    stage.done(consultation.agree(host, "stalls", ["fixed_time", "fixed_place", "fixed_size"]))
    stage.done(consultation.release(host, "stalls", "briefing", "旭日海湾摊点协商结果"))
    yield at(day(6), 10)
    stage.done(consultation.follow_up(host, "stalls", kept=True, words="锦旗"))
    stage.done(consultation.close(host, "stalls"))
    dispatcher = stage.part("dispatcher")
    stage.done(grid.dispatch(dispatcher, "stalls", "xinyang"))
    stage.done(grid.handle(worker, "stalls", measures=["lines_drawn"]))
    stage.done(grid.verify(stage.part("grid_second"), "stalls"))
    stage.done(grid.close(dispatcher, "stalls"))
    return "consultation/stalls"


def bridge_rescue(stage: Stage, day: Days) -> Story:
    """A grid worker sees a young woman on the bridge; police, fire brigade and ambulance are there in time."""
    officer = stage.part("duty")
    yield at(day(0), 16)
    alarm = emergency.raise_alarm(
        stage.part("grid"),
        "bridge",
        "rescue",
        place="彩虹桥",
        words="年轻女子",
        channel="grid_app",
        systems=["grid", "three_defences"],
    )
    stage.done(alarm)
    stage.done(emergency.acknowledge(officer, "bridge"))
    yield at(day(0), 16, 2)
    forces = ["police", "fire_brigade", "ambulance"]
    stage.done(emergency.dispatch(officer, "bridge", forces))
    for minute, force in enumerate(forces, start=8):
        yield at(day(0), 16, minute)
        stage.done(emergency.arrive(officer, "bridge", force))
    yield at(day(0), 16, 40)
    stage.done(emergency.stabilise(officer, "bridge"))
    stage.done(emergency.close(officer, "bridge", injured=0, dead=0))
    stage.done(emergency.review(officer, "bridge"))
    return "emergency/bridge"


def land_petition(stage: Stage, day: Days) -> Story:
    """An old man who petitioned for eight months is visited at home; then his village gets its water pipes."""
    mediator, other = stage.part("mediator"), stage.part("mediator_second")
    yield at(day(0), 9)
    stage.done(
        mediation.file(
            mediator, "land", "petition", parties={"a": "许永年", "b": "街道"}, matter="滩涂征用", studio="wanzai"
        )
    )
    stage.done(mediation.consent(mediator, "land"))
    stage.done(mediation.name_mediators(mediator, "land", {mediator.actor: "people", other.actor: "administrative"}))
    stage.done(mediation.hold_session(mediator, "land", words="到家中"))
    stage.done(mediation.agree(other, "land", "一站式处理"))
    stage.done(mediation.confirm(stage.part("mediator_third"), "land", "court"))
    trade = stage.part("trading")
    stage.done(trading.plan(trade, "pipes", "社区自来水管网改造", buyer="water", method="open", fen=9_000_000))
    stage.done(trading.publish_tender(trade, "pipes", instant_text(at(day(15), 12))))
    for firm in ("firm-a", "firm-b"):
        stage.done(trading.receive_bid(trade, "pipes", firm))
    yield at(day(15), 12)
    stage.done(trading.open_bids(trade, "pipes", prices={"firm-a": 8_800_000, "firm-b": 8_500_000}))
    stage.done(trading.award(trade, "pipes", "firm-b", 8_500_000))
    stage.done(trading.sign_contract(trade, "pipes", 8_500_000))
    stage.done(trading.start(trade, "pipes"))
    stage.done(trading.pay(trade, "pipes", 8_500_000))
    stage.done(trading.complete(trade, "pipes"))
    stage.done(mediation.perform(mediator, "land"))
    stage.done(mediation.close(mediator, "land"))
    return "mediation/land"


def proxy_subsidy(stage: Stage, day: Days) -> Story:
    """A grid worker applies for a subsidy for a woman who lives alone and is ill, and has her treated."""
    worker, clerk = stage.part("grid"), stage.part("clerk")
    yield at(day(0), 9)
    until = day(0) + timedelta(days=90)
    stage.done(proxy.consent(worker, "subsidy", "吴某", scope=["subsidy"], until=until, form="guardian"))
    stage.done(proxy.assign(worker, "subsidy", worker.actor))
    yield at(day(0), 9, 30)
    stage.done(ticket.take(clerk, "subsidy", number="S001", queue="subsidies"))
    yield at(day(0), 9, 36)
    stage.done(ticket.call(clerk, "subsidy"))
    stage.done(approval.apply_for(clerk, "subsidy", "subsidy", applicant="吴某", channel="proxy", ticket="subsidy"))
    stage.done(proxy.act_for(worker, "subsidy", "subsidy", "approval/subsidy", "applied"))
    yield at(day(0), 9, 40)
    stage.done(approval.accept(clerk, "subsidy"))
    yield at(day(0), 9, 45)
    stage.done(approval.decide(clerk, "subsidy", "granted"))
    stage.done(approval.deliver(clerk, "subsidy", "home"))
    stage.done(approval.close(clerk, "subsidy"))
    stage.done(ticket.serve(clerk, "subsidy", case="subsidy"))
    stage.done(
        referral.make(
            clerk, "subsidy", "approval/subsidy", sender="administrative", centre="assistance", reason="ill_and_alone"
        )
    )
    officer = stage.part("help")
    stage.done(assistance.ask(officer, "subsidy", "social_relief", person="吴某", need="精神病,独居"))
    stage.done(referral.take(officer, "subsidy", "assistance/subsidy"))
    yield at(day(0), 10)
    stage.done(assistance.triage(officer, "subsidy", "urgent"))
    yield at(day(0), 15)
    stage.done(assistance.assess(officer, "subsidy", entitled=True))
    stage.done(assistance.assist(officer, "subsidy", "treated_free_of_charge"))
    grant = stage.done(assistance.grant(stage.part("help_second"), "subsidy", 120_000, "civil_affairs"))
    stage.done(assistance.pay(officer, "subsidy", 120_000, grant.id))
    stage.done(assistance.close(officer, "subsidy"))
    stage.done(proxy.end(worker, "subsidy", "done"))
    return "proxy/subsidy"


def house_sale(stage: Stage, day: Days) -> Story:
    """A second-hand house: title, water, power and gas in one visit."""
    clerk = stage.part("clerk")
    parts = ("title", "water", "power", "gas")
    yield at(day(0), 9)
    stage.done(ticket.take(clerk, "house", number="B017", queue="env", holder="身份证2"))
    yield at(day(0), 9, 8)
    stage.done(ticket.call(clerk, "house"))
    yield at(day(0), 9, 12)
    for part in parts:
        stage.done(approval.apply_for(clerk, f"house-{part}", part, applicant="买方", ticket="house"))
    children = [f"approval/house-{part}" for part in parts]
    stage.done(bundle.open_bundle(clerk, "house", "house_sale", children))
    yield at(day(0), 9, 20)
    for part, child in zip(parts, children, strict=True):
        case = f"house-{part}"
        for step in (approval.accept, lambda d, c: approval.decide(d, c, "granted")):
            stage.done(step(clerk, case))
        stage.done(approval.deliver(clerk, case, "counter"))
        stage.done(approval.close(clerk, case))
        stage.done(bundle.finish_child(clerk, "house", child, "granted"))
    yield at(day(0), 9, 35)
    stage.done(bundle.close(clerk, "house"))
    stage.done(ticket.serve(clerk, "house", case="house-title"))
    stage.done(rating.rate(stage.part("citizen"), "house", 5, dimensions={"smile": 5, "waiting_area": 4}))
    return "bundle/house"


STORIES: Final[Mapping[str, Callable[[Stage, Days], Story]]] = {
    "container clearance": container_clearance,
    "market stalls": market_stalls,
    "bridge rescue": bridge_rescue,
    "land petition": land_petition,
    "proxy subsidy": proxy_subsidy,
    "house sale": house_sale,
}
