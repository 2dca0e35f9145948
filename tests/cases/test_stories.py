"""The six stories of the source, played through the real commands: each crosses centres, and each ends well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import pytest

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
from ledger.statement import instant_us, open_statement

Place = Any
ON_THE_SPOT = {"unit": "env", "centre": "administrative", "handling": "on_the_spot", "clocks": {}}


def container_clearance(place: Place) -> str:
    """A Taiwan firm missed the customs hour; eight containers are cleared an hour before the ship is closed."""
    officer = place.desk("staff/qiu")
    place.at("2024-03-05T14:00")
    place.done(
        assistance.ask(
            officer, "clearance", "taiwan_firm", person="松霖公司", need="错过报关时间,8个柜子", channel="phone"
        )
    )
    place.done(assistance.triage(officer, "clearance", "urgent"))
    place.at("2024-03-05T14:50")
    place.done(assistance.assist(officer, "clearance", "customs_cleared_at_once", words="封舱前一小时办结"))
    place.done(assistance.close(officer, "clearance"))
    place.done(rating.rate(place.desk("staff/portal"), "clearance", 5, channel="letter", words="感谢信"))
    return "assistance/clearance"


def market_stalls(place: Place) -> str:
    """Vendors, residents and shopkeepers at odds in a housing estate agree on time, place and size."""
    worker, host = place.desk("staff/grid"), place.desk("staff/host")
    place.at("2024-03-06T09:00")
    place.done(grid.report_problem(worker, "stalls", "street_vending", place="旭日海湾小区", words="噪声、卫生"))
    place.done(grid.escalate(worker, "stalls", "district", "three_parties"))
    place.done(
        referral.make(
            place.desk("staff/pai"),
            "stalls",
            "grid/stalls",
            sender="social",
            centre="consultation",
            reason="parties_at_odds",
        )
    )
    place.done(consultation.propose(host, "stalls", "小区临时摊点", channel="grid", systems=["grid", "service"]))
    place.done(referral.take(host, "stalls", "consultation/stalls"))
    for party in ("vendors", "residents", "shopkeepers"):
        place.done(consultation.join(host, "stalls", party))
    for day in (8, 12):
        place.done(consultation.schedule(host, "stalls", "meeting", date(2024, 3, day)))
        place.at(f"2024-03-{day:02}T15:00")
        place.done(consultation.hold(host, "stalls", 20))
    place.done(consultation.agree(host, "stalls", ["fixed_time", "fixed_place", "fixed_size"]))
    place.done(consultation.release(host, "stalls", "briefing", "旭日海湾摊点协商结果"))
    place.at("2024-03-14T10:00")
    place.done(consultation.follow_up(host, "stalls", kept=True, words="锦旗"))
    place.done(consultation.close(host, "stalls"))
    dispatcher = place.desk("staff/pai")
    place.done(grid.dispatch(dispatcher, "stalls", "xinyang"))
    place.done(grid.handle(worker, "stalls", measures=["lines_drawn"]))
    place.done(grid.verify(place.desk("staff/grid-b"), "stalls"))
    place.done(grid.close(dispatcher, "stalls"))
    return "consultation/stalls"


def bridge_rescue(place: Place) -> str:
    """A grid worker sees a young woman on the bridge; police, fire brigade and ambulance are there in time."""
    officer = place.desk("staff/ying")
    place.at("2024-03-15T16:00")
    alarm = emergency.raise_alarm(
        place.desk("staff/grid"),
        "bridge",
        "rescue",
        place="彩虹桥",
        words="年轻女子",
        channel="grid_app",
        systems=["grid", "three_defences"],
    )
    place.done(alarm)
    place.done(emergency.acknowledge(officer, "bridge"))
    place.at("2024-03-15T16:02")
    forces = ["police", "fire_brigade", "ambulance"]
    place.done(emergency.dispatch(officer, "bridge", forces))
    for minute, force in enumerate(forces, start=8):
        place.at(f"2024-03-15T16:{minute:02}")
        place.done(emergency.arrive(officer, "bridge", force))
    place.at("2024-03-15T16:40")
    place.done(emergency.stabilise(officer, "bridge"))
    place.done(emergency.close(officer, "bridge", injured=0, dead=0))
    place.done(emergency.review(officer, "bridge"))
    return "emergency/bridge"


def land_petition(place: Place) -> str:
    """An old man who petitioned for eight months is visited at home; then his village gets its water pipes."""
    mediator, other = place.desk("staff/tiao"), place.desk("staff/jie")
    place.at("2024-03-18T09:00")
    place.done(
        mediation.file(
            mediator, "land", "petition", parties={"a": "许永年", "b": "街道"}, matter="滩涂征用", studio="wanzai"
        )
    )
    place.done(mediation.consent(mediator, "land"))
    place.done(mediation.name_mediators(mediator, "land", {"staff/tiao": "people", "staff/jie": "administrative"}))
    place.done(mediation.hold_session(mediator, "land", words="到家中"))
    place.done(mediation.agree(other, "land", "一站式处理"))
    place.done(mediation.confirm(place.desk("staff/third"), "land", "court"))
    trade = place.desk("staff/trade")
    place.done(trading.plan(trade, "pipes", "社区自来水管网改造", buyer="water", method="open", fen=9_000_000))
    place.done(trading.publish_tender(trade, "pipes", "2024-03-20T12:00:00+08:00"))
    for firm in ("firm-a", "firm-b"):
        place.done(trading.receive_bid(trade, "pipes", firm))
    place.at("2024-03-20T12:00")
    place.done(trading.open_bids(trade, "pipes", prices={"firm-a": 8_800_000, "firm-b": 8_500_000}))
    place.done(trading.award(trade, "pipes", "firm-b", 8_500_000))
    place.done(trading.sign_contract(trade, "pipes", 8_500_000))
    place.done(trading.start(trade, "pipes"))
    place.done(trading.pay(trade, "pipes", 8_500_000))
    place.done(trading.complete(trade, "pipes"))
    place.done(mediation.perform(mediator, "land"))
    place.done(mediation.close(mediator, "land"))
    return "mediation/land"


def proxy_subsidy(place: Place) -> str:
    """A grid worker applies for a subsidy for a woman who lives alone and is ill, and has her treated."""
    worker, clerk = place.desk("staff/grid"), place.desk("staff/chen")
    place.at("2024-03-21T09:00")
    place.done(proxy.consent(worker, "subsidy", "吴某", scope=["subsidy"], until=date(2024, 6, 30), form="guardian"))
    place.done(proxy.assign(worker, "subsidy", "staff/grid"))
    place.done(approval.apply_for(clerk, "subsidy", "subsidy", applicant="吴某", channel="proxy"))
    place.done(proxy.act_for(worker, "subsidy", "subsidy", "approval/subsidy", "applied"))
    place.done(approval.accept(clerk, "subsidy"))
    place.done(approval.decide(clerk, "subsidy", "granted"))
    place.done(
        referral.make(
            clerk, "subsidy", "approval/subsidy", sender="administrative", centre="assistance", reason="ill_and_alone"
        )
    )
    officer = place.desk("staff/qiu")
    place.done(assistance.ask(officer, "subsidy", "social_relief", person="吴某", need="精神病,独居"))
    place.done(referral.take(officer, "subsidy", "assistance/subsidy"))
    place.done(assistance.triage(officer, "subsidy", "urgent"))
    place.done(assistance.assess(officer, "subsidy", entitled=True))
    place.done(assistance.assist(officer, "subsidy", "treated_free_of_charge"))
    grant = place.done(assistance.grant(place.desk("staff/bang"), "subsidy", 120_000, "civil_affairs"))
    place.done(assistance.pay(officer, "subsidy", 120_000, grant.id))
    place.done(assistance.close(officer, "subsidy"))
    place.done(approval.deliver(clerk, "subsidy", "home"))
    place.done(approval.close(clerk, "subsidy"))
    place.done(proxy.end(worker, "subsidy", "done"))
    return "proxy/subsidy"


def house_sale(place: Place) -> str:
    """A second-hand house: title, water, power and gas in one visit."""
    clerk = place.desk("staff/chen")
    parts = ("title", "water", "power", "gas")
    place.at("2024-03-22T09:00")
    place.done(ticket.take(clerk, "house", number="B017", queue="env", holder="身份证2"))
    place.done(ticket.call(clerk, "house"))
    for part in parts:
        place.done(approval.apply_for(clerk, f"house-{part}", part, applicant="买方", ticket="house"))
    children = [f"approval/house-{part}" for part in parts]
    place.done(bundle.open_bundle(clerk, "house", "house_sale", children))
    for part, child in zip(parts, children, strict=True):
        case = f"house-{part}"
        for step in (approval.accept, lambda d, c: approval.decide(d, c, "granted")):
            place.done(step(clerk, case))
        place.done(approval.deliver(clerk, case, "counter"))
        place.done(approval.close(clerk, case))
        place.done(bundle.finish_child(clerk, "house", child, "granted"))
    place.done(bundle.close(clerk, "house"))
    place.done(ticket.serve(clerk, "house", case="house-title"))
    place.done(rating.rate(place.desk("staff/portal"), "house", 5, dimensions={"smile": 5, "waiting_area": 4}))
    return "bundle/house"


STORIES: Mapping[str, Callable[[Place], str]] = {
    "container clearance": container_clearance,
    "market stalls": market_stalls,
    "bridge rescue": bridge_rescue,
    "land petition": land_petition,
    "proxy subsidy": proxy_subsidy,
    "house sale": house_sale,
}


def play_stories(place: Place) -> dict[str, str]:
    """Play all six, in the order of their days; which stream each of them is mainly about."""
    for code in ("subsidy", "title", "water", "power", "gas"):
        place.publish(code, {"name": code, **ON_THE_SPOT})
    return {name: play(place) for name, play in STORIES.items()}


@pytest.fixture(scope="module")
def stories(place: Place) -> dict[str, Any]:
    played = play_stories(place)
    place.placed()
    return {name: place.state(stream) for name, stream in played.items()}


def recorded_us(place: Place, stream: str) -> dict[str, int]:
    """When each kind of act of a stream was recorded first."""
    rows = list(place.hall.reader.stream(stream))
    when = place.hall.reader.recorded_us([index for index, _, _ in rows])
    found: dict[str, int] = {}
    for index, _, entry in rows:
        found.setdefault(open_statement(entry).type.split(".")[1], when[index])
    return found


def test_the_containers_are_cleared_within_the_hour(place: Place, stories: dict[str, Any]) -> None:
    when = recorded_us(place, "assistance/clearance")
    assert stories["container clearance"].stage == "closed"
    assert when["helped"] - when["requested"] <= 3_600_000_000


def test_the_stalls_come_to_an_agreement_of_three_parties_that_is_kept(stories: dict[str, Any]) -> None:
    found = stories["market stalls"]
    assert (found.stage, len(found.parties), found.meetings, found.kept) == ("closed", 3, 2, True)


def test_the_alarm_is_answered_in_minutes(place: Place, stories: dict[str, Any]) -> None:
    when = recorded_us(place, "emergency/bridge")
    found = stories["bridge rescue"]
    assert (found.stage, found.sent == found.arrived) == ("reviewed", True)
    assert when["dispatched"] - when["alarm_raised"] < 180_000_000
    assert when["arrived"] - when["dispatched"] < 600_000_000


def test_the_petition_ends_and_does_not_come_again(place: Place, stories: dict[str, Any]) -> None:
    found = stories["land petition"]
    assert (found.stage, found.sessions, found.petitions) == ("closed", 1, 0)
    assert place.state("trading/pipes").stage == "complete"


def test_the_subsidy_is_applied_for_with_consent_and_paid(place: Place, stories: dict[str, Any]) -> None:
    assert stories["proxy subsidy"].cases == ("approval/subsidy",)
    relief = place.state("assistance/subsidy")
    assert (relief.stage, relief.granted_fen, relief.paid_fen, relief.recovered_fen) == ("closed", 120_000, 120_000, 0)
    assert place.state("referral/subsidy").target == "assistance/subsidy"


def test_the_house_is_sold_in_one_run(stories: dict[str, Any]) -> None:
    found = stories["house sale"]
    assert (found.stage, len(found.children), set(found.children.values())) == ("closed", 4, {"granted"})


def test_nobody_s_name_stands_in_the_log(place: Place, stories: dict[str, Any]) -> None:
    head = place.hall.reader.head()
    log = b"".join(each.entry for each in place.hall.reader.entries(0, head.size))
    for secret in ("松霖", "许永年", "吴某", "买方", "身份证2", "彩虹桥", "年轻女子", "一站式处理"):
        assert secret.encode() not in log
    assert "旭日海湾摊点协商结果".encode() in log  # what is released is for everybody


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any, stories: dict[str, Any]) -> None:
    table.same_outside(
        outsider,
        *("approval", "assistance", "bundle", "consultation", "emergency", "grid", "mediation"),
        *("proxy", "rating", "referral", "ticket", "trading"),
    )
    assert instant_us("2024-03-22T09:00:00+08:00") < outsider.hall.reader.head().recorded_us
