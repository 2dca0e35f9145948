"""Help for an enterprise, appointments for visits, reviews reserved ahead, and ratings of visits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from itertools import count
from typing import Any

import pytest

from ledger.cases import appointment, approval, enterprise_help, rating, reservation
from ledger.errors import MingjianError, Refused
from ledger.statement import instant_us

Place = Any
Commands = dict[str, Callable[[Place, str], Any]]
SLOT = "2024-03-06T10:00:00+08:00"
DAY = date(2024, 3, 6)
NUMBERS = count()


def after(desk: Any) -> Any:
    """The desk, the day after the slot."""
    return replace(desk, clock=lambda: instant_us("2024-03-07T09:00:00+08:00"))


def officer(place: Place) -> Any:
    return place.desk("staff/qi")


def applied(place: Place, name: str, item: str) -> str:
    """A case of that item, applied for now."""
    case = f"{name}-{item}-{next(NUMBERS)}"
    place.done(approval.apply_for(place.desk("staff/chen"), case, item, applicant="某公司"))
    return f"approval/{case}"


HELP: Commands = {
    "visit": lambda p, h: enterprise_help.visit(officer(p), h, "changhong", words="投产"),
    "raise": lambda p, h: enterprise_help.raise_difficulty(officer(p), h, "power", "utilities"),
    "raise another": lambda p, h: enterprise_help.raise_difficulty(officer(p), h, "staff", "labour"),
    "resolve": lambda p, h: enterprise_help.resolve(officer(p), h, "power", "resolved"),
    "resolve the other": lambda p, h: enterprise_help.resolve(officer(p), h, "staff", "not_possible"),
    "resolve anyhow": lambda p, h: enterprise_help.resolve(officer(p), h, "power", "somehow"),
    "list papers": lambda p, h: enterprise_help.list_papers(
        officer(p), h, "permit", "permit", ["site-plan", "power-of-attorney"], DAY, words="按项目定制"
    ),
    "list none": lambda p, h: enterprise_help.list_papers(officer(p), h, "other", "permit", [], DAY),
    "list for no item": lambda p, h: enterprise_help.list_papers(officer(p), h, "other", "moon", ["map"], DAY),
    "list for yesterday": lambda p, h: enterprise_help.list_papers(
        officer(p), h, "other", "permit", ["map"], date(2024, 3, 1)
    ),
    "link": lambda p, h: enterprise_help.link_application(p.hall, officer(p), h, "permit", applied(p, h, "permit")),
    "link another item": lambda p, h: enterprise_help.link_application(
        p.hall, officer(p), h, "permit", applied(p, h, "stamp")
    ),
    "link no case": lambda p, h: enterprise_help.link_application(p.hall, officer(p), h, "permit", f"approval/{h}-no"),
    "drop": lambda p, h: enterprise_help.drop_milestone(officer(p), h, "permit", "abroad"),
    "close": lambda p, h: enterprise_help.close(officer(p), h),
}
HELPS = {
    "nothing yet": ("", "visit"),
    "visited": ("visit", "visit, raise, raise another, list papers, close"),
    "a difficulty raised": ("visit, raise", "visit, raise another, resolve, list papers"),
    "one of two resolved": ("visit, raise, raise another, resolve", "visit, resolve the other, list papers"),
    "all resolved": ("visit, raise, resolve", "visit, raise another, list papers, close"),
    "papers listed for an application to come": (
        "visit, list papers",
        "visit, raise, raise another, link, drop",
    ),
    "applied for": ("visit, list papers, link", "visit, raise, raise another, list papers, close"),
    "dropped": ("visit, list papers, drop", "visit, raise, raise another, list papers, close"),
    "closed": ("visit, close", ""),
}
APPOINTMENT: Commands = {
    "make": lambda p, a: appointment.make(p.desk("staff/portal"), a, "env", SLOT, visitor="身份证1"),
    "make for yesterday": lambda p, a: appointment.make(p.desk("staff/portal"), a, "env", "2024-03-01T10:00:00+08:00"),
    "move": lambda p, a: appointment.move(p.desk("staff/portal"), a, SLOT),
    "keep": lambda p, a: appointment.keep(p.desk("staff/chen"), a, ticket="t-1"),
    "miss before the slot": lambda p, a: appointment.miss(p.desk("staff/chen"), a),
    "miss": lambda p, a: appointment.miss(after(p.desk("staff/chen")), a),
    "cancel": lambda p, a: appointment.cancel(p.desk("staff/portal"), a),
}
APPOINTMENTS = {
    "nothing yet": ("", "make"),
    "made": ("make", "move, keep, miss, cancel"),
    "kept": ("make, keep", ""),
    "missed": ("make, miss", ""),
    "cancelled": ("make, cancel", ""),
}
RESERVATION: Commands = {
    "ask": lambda p, r: reservation.ask(p.desk("staff/chen"), r, "permit", "env", DAY, applicant="张三"),
    "ask another unit": lambda p, r: reservation.ask(p.desk("staff/chen"), r, "permit", "fire", DAY, applicant="张三"),
    "ask for no item": lambda p, r: reservation.ask(p.desk("staff/chen"), r, "moon", "env", DAY, applicant="张三"),
    "confirm": lambda p, r: reservation.confirm(p.desk("staff/qian"), r),
    "confirm as another unit": lambda p, r: reservation.confirm(p.desk("staff/fire"), r),
    "decline": lambda p, r: reservation.decline(p.desk("staff/sun"), r, "full"),
    "begin": lambda p, r: reservation.begin(p.desk("staff/qian"), r, "approval/a-1"),
    "begin the day after": lambda p, r: reservation.begin(after(p.desk("staff/qian")), r, "approval/a-1"),
    "lapse": lambda p, r: reservation.lapse(after(p.system()), r),
    "lapse too early": lambda p, r: reservation.lapse(p.system(), r),
    "withdraw": lambda p, r: reservation.withdraw(p.desk("staff/chen"), r),
}
RESERVATIONS = {
    "nothing yet": ("", "ask"),
    "asked: the item's unit answers": ("ask", "confirm, decline, withdraw"),
    "confirmed": ("ask, confirm", "begin, lapse, withdraw"),
    "begun": ("ask, confirm, begin", ""),
    "declined": ("ask, decline", ""),
    "lapsed": ("ask, confirm, lapse", ""),
    "withdrawn": ("ask, withdraw", ""),
}
RATING: Commands = {
    "rate 2": lambda p, v: rating.rate(p.desk("staff/portal"), v, 2, dimensions={"wait": 1}, words="太慢"),
    "rate 5": lambda p, v: rating.rate(p.desk("staff/portal"), v, 5),
    "rate 0": lambda p, v: rating.rate(p.desk("staff/portal"), v, 0),
    "rate 6": lambda p, v: rating.rate(p.desk("staff/portal"), v, 6),
    "rate the waiting 6": lambda p, v: rating.rate(p.desk("staff/portal"), v, 5, dimensions={"wait": 6}),
    "follow up": lambda p, v: rating.follow_up(p.desk("staff/head"), v, "apologised"),
}
RATINGS = {
    "nothing yet": ("", "rate 2, rate 5"),
    "a low one: followed up, and never rated again": ("rate 2", "follow up"),
    "a good one": ("rate 5", ""),
    "followed up": ("rate 2, follow up", ""),
}
KINDS = {
    "enterprise_help": (HELP, HELPS),
    "appointment": (APPOINTMENT, APPOINTMENTS),
    "reservation": (RESERVATION, RESERVATIONS),
    "rating": (RATING, RATINGS),
}


@pytest.mark.parametrize(
    ("kind", "situation"), [(kind, each) for kind, (_, situations) in KINDS.items() for each in situations]
)
def test_in_each_situation_exactly_these_commands_may_come(table: Any, kind: str, situation: str) -> None:
    commands, situations = KINDS[kind]
    table.check(kind, commands, *situations[situation])


def test_papers_are_listed_before_the_application_and_never_after(table: Any, place: Place) -> None:
    one = table.bring("enterprise_help", HELP, "visit")
    earlier = applied(place, one, "permit")
    later = replace(officer(place), clock=lambda: instant_us("2024-03-05T09:00:00+08:00"))
    place.done(enterprise_help.list_papers(later, one, "permit", "permit", ["map"], DAY))
    with pytest.raises(Refused) as caught:
        enterprise_help.link_application(place.hall, later, one, "permit", earlier)
    assert caught.value.code == "milestone-late"


def test_a_visit_is_rated_in_its_own_stream_and_nowhere_else(place: Place, name: Callable[[], str]) -> None:
    with pytest.raises(Refused) as caught:
        place.desk("staff/portal").say(
            f"rating/{name()}", "rating.given.v1", {"visit": "t-1", "level": 5, "channel": "terminal"}
        )
    assert caught.value.code == "rating-stream"


def test_staff_do_not_rate_themselves(place: Place, name: Callable[[], str]) -> None:
    with pytest.raises(MingjianError) as caught:
        rating.rate(place.desk("staff/chen"), name(), 5)
    assert caught.value.code == "right"


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any) -> None:
    table.same_outside(outsider, *KINDS)
