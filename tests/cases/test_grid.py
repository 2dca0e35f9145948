"""A grid report, what is done for somebody with their consent, what goes to another centre, and what is handed down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ledger.cases import grid, proxy, referral, ticket
from ledger.errors import MingjianError, Refused
from ledger.registry import catalogue, places
from ledger.statement import instant_us

Place = Any
Commands = dict[str, Callable[[Place, str], Any]]
SOURCE, TARGET = "ticket/source", "ticket/target"  # any streams will do


@pytest.fixture(scope="module", autouse=True)
def streams(place: Place) -> None:
    for stream in (SOURCE, TARGET):
        ticket.take(place.desk("staff/chen"), stream.partition("/")[2], number="A1", queue="env")
    place.desk("staff/dai")


def worker(place: Place) -> Any:
    return place.desk("staff/grid")


def second(place: Place) -> Any:
    return place.desk("staff/grid-b")


def dispatcher(place: Place) -> Any:
    return place.desk("staff/pai")


GRID: Commands = {
    "report": lambda p, r: grid.report_problem(worker(p), r, "noise", place="3号楼", tier="village"),
    "dispatch": lambda p, r: grid.dispatch(dispatcher(p), r, "xinyang"),
    "reject": lambda p, r: grid.reject(dispatcher(p), r, "known"),
    "escalate to the district": lambda p, r: grid.escalate(worker(p), r, "district", "beyond_us"),
    "escalate to the village": lambda p, r: grid.escalate(worker(p), r, "village", "beyond_us"),
    "handle": lambda p, r: grid.handle(worker(p), r, measures=["talked"]),
    "handle as another unit": lambda p, r: grid.handle(p.desk("staff/fire"), r),
    "verify": lambda p, r: grid.verify(second(p), r),
    "verify one's own": lambda p, r: grid.verify(worker(p), r),
    "send back": lambda p, r: grid.send_back(second(p), r, "still_noisy"),
    "close": lambda p, r: grid.close(dispatcher(p), r),
}
REPORTS = {
    "nothing yet": ("", "report"),
    "reported: it goes up, never down": ("report", "dispatch, reject, escalate to the district"),
    "dispatched to a unit: that one handles it": ("report, dispatch", "escalate to the district, handle"),
    "handled: another verifies": ("report, dispatch, handle", "verify, send back"),
    "sent back": ("report, dispatch, handle, send back", "escalate to the district, handle"),
    "verified": ("report, dispatch, handle, verify", "close"),
    "escalated to the district: no higher": ("report, dispatch, escalate to the district", "dispatch, reject"),
    "rejected": ("report, reject", "close"),
    "closed": ("report, reject, close", ""),
}


def afterwards(desk: Any) -> Any:
    return replace(desk, clock=lambda: instant_us("2024-04-01T09:00:00+08:00"))


PROXY: Commands = {
    "consent": lambda p, x: proxy.consent(
        worker(p), x, "吴某", scope=["permit"], until=date(2024, 3, 31), form="witnessed"
    ),
    "assign": lambda p, x: proxy.assign(worker(p), x, "staff/dai"),
    "act": lambda p, x: proxy.act_for(p.desk("staff/dai"), x, "permit", "approval/a-1", "papers_handed_in"),
    "act as another": lambda p, x: proxy.act_for(worker(p), x, "permit", "approval/a-1", "papers_handed_in"),
    "act outside the consent": lambda p, x: proxy.act_for(p.desk("staff/dai"), x, "stamp", "approval/a-2", "asked"),
    "act when it is over": lambda p, x: proxy.act_for(
        afterwards(p.desk("staff/dai")), x, "permit", "approval/a-1", "asked"
    ),
    "withdraw": lambda p, x: proxy.withdraw(p.desk("staff/portal"), x),
    "end": lambda p, x: proxy.end(p.desk("staff/dai"), x, "done"),
}
PROXIES = {
    "nothing yet: nobody acts without consent": ("", "consent"),
    "consented": ("consent", "assign, withdraw"),
    "assigned: that one acts, within the consent": ("consent, assign", "assign, act, withdraw, end"),
    "acted, and again": ("consent, assign, act", "assign, act, withdraw, end"),
    "withdrawn": ("consent, assign, withdraw", ""),
    "ended": ("consent, assign, end", ""),
}
REFERRAL: Commands = {
    "make": lambda p, r: referral.make(
        p.desk("staff/qiu"), r, SOURCE, sender="assistance", centre="mediation", reason="dispute"
    ),
    "make to oneself": lambda p, r: referral.make(
        p.desk("staff/qiu"), r, SOURCE, sender="assistance", centre="assistance", reason="x"
    ),
    "make to no centre": lambda p, r: referral.make(
        p.desk("staff/qiu"), r, SOURCE, sender="assistance", centre="moon", reason="x"
    ),
    "take": lambda p, r: referral.take(p.desk("staff/tiao"), r, TARGET),
    "send back": lambda p, r: referral.send_back(p.desk("staff/tiao"), r, "no_dispute"),
}
REFERRALS = {
    "nothing yet": ("", "make"),
    "made": ("make", "take, send back"),
    "taken": ("make, take", ""),
    "sent back": ("make, send back", "make"),
}
KINDS = {"grid": (GRID, REPORTS), "proxy": (PROXY, PROXIES), "referral": (REFERRAL, REFERRALS)}


@pytest.mark.parametrize(
    ("kind", "situation"), [(kind, each) for kind, (_, situations) in KINDS.items() for each in situations]
)
def test_in_each_situation_exactly_these_commands_may_come(table: Any, kind: str, situation: str) -> None:
    commands, situations = KINDS[kind]
    table.check(kind, commands, *situations[situation])


def test_a_referral_links_the_two_streams_by_what_caused_what(place: Place, table: Any) -> None:
    one = table.bring("referral", REFERRAL, "make, take")
    rows = list(place.hall.reader.stream(f"referral/{one}"))
    heads = [next(id_ for _, id_, _ in place.hall.reader.stream(stream)).hex().encode() for stream in (SOURCE, TARGET)]
    assert [head in entry for (_, _, entry), head in zip(rows, heads, strict=True)] == [True, True]


def test_consent_has_a_form_a_scope_and_a_last_day_to_come(place: Place, name: Callable[[], str]) -> None:
    good: dict[str, Any] = {"scope": ["permit"], "until": date(2024, 3, 31), "form": "written"}
    for bad in ({"scope": []}, {"scope": ["permit", "permit"]}, {"until": date(2024, 3, 1)}, {"form": "nod"}):
        with pytest.raises(MingjianError):
            proxy.consent(worker(place), name(), "吴某", **(good | bad))


# ── Items handed down through the tiers ────────────────────────────────────────────────────────────────────


def hand_down(place: Place, unit: str, tier: str, *, item: str = "permit") -> Any:
    return places.hand_down(place.desk("staff/cat-a"), item, unit, tier=tier)


def test_an_item_is_handed_down_by_two_persons_to_a_unit_of_a_lower_tier(place: Place) -> None:
    for unit, tier in (("env", "district"), ("xinyang", "town"), ("xiayang", "village")):
        proposal = catalogue.unit(place.desk("staff/cat-a"), unit, name=unit, tier=tier)
        place.agreed(proposal, place.desk("staff/cat-b"))
    place.agreed(hand_down(place, "xinyang", "town"), place.desk("staff/cat-b"))
    _, registry = place.hall.door.registry()
    assert registry.entries["handdown/permit/xinyang"].data["tier"] == "town"
    for unit, tier, item, why in (
        ("xiayang", "town", "permit", "tier"),  # said to be what it is not
        ("env", "district", "permit", "tier-order"),
        ("nowhere", "town", "permit", "unit"),
        ("xinyang", "town", "moon", "item"),
        ("xiayang", "cloud", "permit", "tier"),
    ):
        with pytest.raises(Refused) as caught:
            hand_down(place, unit, tier, item=item)
        assert caught.value.code == why
    back = places.take_back(place.desk("staff/cat-a"), "permit", "xinyang")
    place.agreed(back, place.desk("staff/cat-b"))
    assert place.hall.door.registry()[1].entries["handdown/permit/xinyang"].closed


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any) -> None:
    table.same_outside(outsider, *KINDS)
    assert outsider.registry.entries["handdown/permit/xinyang"].closed
