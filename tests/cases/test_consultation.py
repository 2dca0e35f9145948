"""A consultation through the real door: parties, meetings, an agreement and whether it was kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ledger.cases import consultation
from ledger.errors import MingjianError

Place = Any
DAY = date(2024, 3, 6)


def host(place: Place) -> Any:
    return place.desk("staff/host")


COMMANDS: dict[str, Callable[[Place, str], Any]] = {
    "propose": lambda p, c: consultation.propose(host(p), c, "小区临时摊点"),
    "vendors join": lambda p, c: consultation.join(host(p), c, "vendors", spokesperson="杨某"),
    "residents join": lambda p, c: consultation.join(host(p), c, "residents"),
    "schedule": lambda p, c: consultation.schedule(host(p), c, "meeting", DAY),
    "hold": lambda p, c: consultation.hold(host(p), c, 12, words="各方发言"),
    "agree": lambda p, c: consultation.agree(host(p), c, ["fixed_time", "fixed_place", "fixed_size"]),
    "disagree": lambda p, c: consultation.disagree(host(p), c, reasons="再议"),
    "follow up": lambda p, c: consultation.follow_up(host(p), c, kept=True),
    "release": lambda p, c: consultation.release(host(p), c, "briefing", "协商通报"),
    "drop": lambda p, c: consultation.drop(host(p), c, "no_parties"),
    "close": lambda p, c: consultation.close(host(p), c),
}
BOTH = "propose, vendors join, residents join, schedule"
SITUATIONS = {
    "nothing yet": ("", "propose"),
    "proposed": ("propose", "vendors join, residents join, schedule, drop, release"),
    "a party joins once": ("propose, vendors join", "residents join, schedule, drop, release"),
    "scheduled: nobody agrees before the meeting": (BOTH, "hold, drop, release"),
    "held": (f"{BOTH}, hold", "schedule, agree, disagree, release"),
    "held with one party: no agreement": ("propose, vendors join, schedule, hold", "schedule, disagree, release"),
    "agreed": (f"{BOTH}, hold, agree", "follow up, release"),
    "followed up, as often as need be": (f"{BOTH}, hold, agree, follow up", "follow up, close, release"),
    "not agreed: meet again, or close": (f"{BOTH}, hold, disagree", "schedule, close, release"),
    "dropped": ("propose, drop", "close"),
    "closed": ("propose, drop, close", ""),
}


@pytest.mark.parametrize("situation", SITUATIONS)
def test_in_each_situation_exactly_these_commands_may_come(table: Any, situation: str) -> None:
    table.check("consultation", COMMANDS, *SITUATIONS[situation])


@pytest.mark.parametrize(
    ("path", "command", "why"),
    [
        ("propose", lambda p, c: consultation.schedule(host(p), c, "picnic", DAY), "form-of-meeting"),
        ("propose", lambda p, c: consultation.release(host(p), c, "rumour", "x"), "form-of-release"),
        ("propose", lambda p, c: consultation.drop(p.desk("staff/tiao"), c, "x"), "right"),
    ],
)
def test_what_does_not_fit_is_refused(table: Any, path: str, command: Any, why: str) -> None:
    one = table.bring("consultation", COMMANDS, path)
    with pytest.raises(MingjianError) as caught:
        command(table.place, one)
    assert caught.value.code == why


def test_who_replays_the_log_finds_the_same(table: Any, outsider: Any) -> None:
    table.same_outside(outsider, "consultation")
