"""An emergency, and what is done before one: plans, drills, a post that is never empty, inspections of sites."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ledger.cases import drill, duty, emergency, inspection, plan
from ledger.errors import MingjianError, Refused
from ledger.registry import places

Place = Any
Commands = dict[str, Callable[[Place, str], Any]]
DAY = date(2024, 3, 20)
SITE: dict[str, Any] = {"name": "翔鹭石化", "kind": "hazardous_chemicals", "unit": "fire", "inspect_every_days": 30}


@pytest.fixture(scope="module", autouse=True)
def site(place: Place) -> None:
    proposal = places.site(place.desk("staff/cat-a"), "xianglu", **SITE)
    place.agreed(proposal, place.desk("staff/cat-b"))


def ying(place: Place) -> Any:
    return place.desk("staff/ying")


def zhi(place: Place) -> Any:
    return place.desk("staff/zhi")


EMERGENCY: Commands = {
    "alarm": lambda p, e: emergency.raise_alarm(p.desk("staff/grid"), e, "rescue", place="彩虹桥", words="一女子"),
    "acknowledge": lambda p, e: emergency.acknowledge(ying(p), e),
    "call off": lambda p, e: emergency.call_off(ying(p), e, "nobody_there"),
    "dispatch": lambda p, e: emergency.dispatch(ying(p), e, ["police", "fire_brigade"]),
    "police arrive": lambda p, e: emergency.arrive(ying(p), e, "police"),
    "confer": lambda p, e: emergency.confer(ying(p), e, ["district", "town"]),
    "stabilise": lambda p, e: emergency.stabilise(ying(p), e),
    "close": lambda p, e: emergency.close(ying(p), e),
    "review": lambda p, e: emergency.review(ying(p), e),
}
SENT = "alarm, acknowledge, dispatch"
EMERGENCIES = {
    "nothing yet": ("", "alarm"),
    "alarm": ("alarm", "acknowledge, call off"),
    "acknowledged": ("alarm, acknowledge", "call off, dispatch, confer"),
    "forces sent": (SENT, "dispatch, police arrive, confer"),
    "the police are there, and arrive once": (f"{SENT}, police arrive", "dispatch, confer, stabilise"),
    "stabilised": (f"{SENT}, police arrive, stabilise", "confer, close"),
    "closed": (f"{SENT}, police arrive, stabilise, close", "review"),
    "reviewed": (f"{SENT}, police arrive, stabilise, close, review", ""),
    "a false alarm": ("alarm, call off", "close"),
}
PLAN: Commands = {
    "draft": lambda p, n: plan.draft(ying(p), n, "flood", "防汛预案", "ab" * 32),
    "approve": lambda p, n: plan.approve(zhi(p), n),
    "approve one's own": lambda p, n: plan.approve(ying(p), n),
    "retire": lambda p, n: plan.retire(ying(p), n, "superseded"),
}
PLANS = {
    "nothing yet": ("", "draft"),
    "drafted: another approves": ("draft", "draft, approve"),
    "in force": ("draft, approve", "draft, retire"),
    "retired": ("draft, approve, retire", ""),
}
DRILL: Commands = {
    "schedule": lambda p, d: drill.schedule(ying(p), d, "plan/flood", DAY),
    "hold": lambda p, d: drill.hold(ying(p), d, 60),
    "cancel": lambda p, d: drill.cancel(ying(p), d, "typhoon"),
    "review": lambda p, d: drill.review(ying(p), d),
}
DRILLS = {
    "nothing yet": ("", "schedule"),
    "scheduled, and perhaps put off": ("schedule", "schedule, hold, cancel"),
    "held": ("schedule, hold", "review"),
    "cancelled": ("schedule, cancel", ""),
    "reviewed": ("schedule, hold, review", ""),
}
DUTY: Commands = {
    "begin": lambda p, d: duty.begin(ying(p), d),
    "offer": lambda p, d: duty.offer(ying(p), d, "staff/zhi", matters=["emergency/e-1"]),
    "offer as the other": lambda p, d: duty.offer(zhi(p), d, "staff/ying"),
    "offer to oneself": lambda p, d: duty.offer(ying(p), d, "staff/ying"),
    "accept": lambda p, d: duty.accept(zhi(p), d),
    "accept one's own": lambda p, d: duty.accept(ying(p), d),
    "decline": lambda p, d: duty.decline(zhi(p), d, "ill"),
}
DUTIES = {
    "nobody yet": ("", "begin"),
    "on duty: whoever is on duty offers": ("begin", "offer"),
    "offered: the one who was named answers": ("begin, offer", "accept, decline"),
    "handed over": ("begin, offer, accept", "offer as the other"),
    "declined: still on duty": ("begin, offer, decline", "offer"),
}
INSPECTION: Commands = {
    "plan": lambda p, i: inspection.plan(ying(p), i, "xianglu", DAY),
    "plan for no site": lambda p, i: inspection.plan(ying(p), i, "nowhere", DAY),
    "find nothing": lambda p, i: inspection.carry_out(p.desk("staff/grid"), i),
    "find faults": lambda p, i: inspection.carry_out(ying(p), i, faults=["valve", "sign"]),
    "mend valve": lambda p, i: inspection.mend_fault(ying(p), i, "valve"),
    "mend sign": lambda p, i: inspection.mend_fault(ying(p), i, "sign"),
    "cancel": lambda p, i: inspection.cancel(ying(p), i, "site_shut"),
    "close": lambda p, i: inspection.close(ying(p), i),
}
INSPECTIONS = {
    "nothing yet": ("", "plan"),
    "planned": ("plan", "find nothing, find faults, cancel"),
    "nothing wrong": ("plan, find nothing", "close"),
    "faults": ("plan, find faults", "mend valve, mend sign"),
    "one mended": ("plan, find faults, mend valve", "mend sign"),
    "all mended": ("plan, find faults, mend valve, mend sign", "close"),
    "cancelled": ("plan, cancel", ""),
    "closed": ("plan, find nothing, close", ""),
}
KINDS = {
    "emergency": (EMERGENCY, EMERGENCIES),
    "plan": (PLAN, PLANS),
    "drill": (DRILL, DRILLS),
    "duty": (DUTY, DUTIES),
    "inspection": (INSPECTION, INSPECTIONS),
}


@pytest.mark.parametrize(
    ("kind", "situation"), [(kind, each) for kind, (_, situations) in KINDS.items() for each in situations]
)
def test_in_each_situation_exactly_these_commands_may_come(table: Any, kind: str, situation: str) -> None:
    commands, situations = KINDS[kind]
    table.check(kind, commands, *situations[situation])


def test_a_revision_that_is_not_approved_does_not_take_the_plan_s_place(place: Place, table: Any) -> None:
    one = table.bring("plan", PLAN, "draft, approve")
    place.done(plan.draft(ying(place), one, "flood", "防汛预案(修订)", "cd" * 32))
    assert (place.state(f"plan/{one}").in_force, place.state(f"plan/{one}").draft) == ("ab" * 32, "cd" * 32)


def test_an_emergency_is_of_a_known_kind_and_epidemics_are_one_of_the_three_defences(
    place: Place, name: Callable[[], str]
) -> None:
    with pytest.raises(MingjianError) as caught:
        emergency.raise_alarm(ying(place), name(), "boredom", place="x")
    assert caught.value.code == "kind-of-emergency"
    for kind in ("fire", "flood", "epidemic"):
        place.done(emergency.raise_alarm(ying(place), name(), kind, place="x"))


@pytest.mark.parametrize(
    ("change", "why"), [({"kind": "cave"}, "kind-of-site"), ({"inspect_every_days": 0}, "interval")]
)
def test_a_site_is_of_a_known_kind(place: Place, change: dict[str, Any], why: str) -> None:
    with pytest.raises(Refused) as caught:
        places.site(place.desk("staff/cat-a"), "cave", **(SITE | change))
    assert caught.value.code == why


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any) -> None:
    table.same_outside(outsider, *KINDS)
