"""Proposals for the catalogue: units, windows, items and their waivers, rosters, calendars, rule packs.

Each returns the proposal's outcome, for ``changes.confirm``. A thing that is not open is registered, one that is open
is changed: the proposer need not know which. ``end`` closes or retires.

    unit      registered ─▶ changed … ─▶ closed          item      published ─▶ revised … ─▶ retired
    window    opened ─▶ changed … ─▶ closed              waiver · roster · calendar: each statement stands by itself
    rulepack  adopted ─▶ adopted anew … ─▶ withdrawn
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.facts.calendar import YearSchedule
from ledger.facts.card_rules import parse_pack
from ledger.registry.changes import is_open, propose

_LIFE: Final = {
    "unit": ("registered", "changed", "closed"),
    "window": ("opened", "changed", "closed"),
    "item": ("published", "revised", "retired"),
}


def _propose_thing(desk: Desk, kind: str, code: str, content: Mapping[str, Any], request: str | None) -> Outcome:
    stream = f"{kind}/{code}"
    _, registry = desk.door.registry()
    begin, change, _ = _LIFE[kind]
    verb = change if is_open(registry, stream) else begin
    return propose(desk, stream, f"{kind}.{verb}.v1", content, request=request)


def unit(
    desk: Desk,
    code: str,
    *,
    name: str,
    tier: str,
    centre: str | None = None,
    parent: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Propose a unit as it shall be. ``tier``: district, town or village."""
    content = {"name": name, "tier": tier, "centre": centre, "parent": parent}
    return _propose_thing(desk, "unit", code, content, request)


def window(
    desk: Desk,
    code: str,
    *,
    unit: str,
    name: str,
    site: str | None = None,
    zone: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Propose a window as it shall be."""
    return _propose_thing(desk, "window", code, {"unit": unit, "name": name, "site": site, "zone": zone}, request)


def item(
    desk: Desk,
    code: str,
    *,
    name: str,
    unit: str,
    centre: str,
    handling: str,
    clocks: Mapping[str, Any],
    zone: str | None = None,
    grace_minutes: int | None = None,
    gap_days: int | None = None,
    back_office: Iterable[str] = (),
    fee_fen: int | None = None,
    fees: Mapping[str, int] | None = None,
    steps: Iterable[str] = (),
    valid_from: date | None = None,
    class_: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Propose an item as it shall be. ``handling``: on_the_spot or promise; ``clocks``: see ``facts.case_clocks``.

    ``steps``: those that are mandatory, in their order; ``class_``: such as port_policy or taiwan_firm.
    """
    content = {
        "name": name,
        "unit": unit,
        "centre": centre,
        "handling": handling,
        "clocks": dict(clocks),
        "zone": zone,
        "grace_minutes": grace_minutes,
        "gap_days": gap_days,
        "back_office": list(back_office) or None,
        "fee_fen": fee_fen,
        "fees": None if fees is None else dict(fees),
        "steps": list(steps) or None,
        "valid_from": None if valid_from is None else valid_from.isoformat(),
        "class": class_,
    }
    return _propose_thing(desk, "item", code, content, request)


def waiver(desk: Desk, item_code: str, *, percent: int, reason: str, request: str | None = None) -> Outcome:
    """Propose that an item may promise up to so many percent of its statutory limit."""
    content = {"percent": percent, "reason": reason}
    return propose(desk, f"waiver/{item_code}", "waiver.granted.v1", content, request=request)


def end(desk: Desk, kind: str, code: str, *, request: str | None = None) -> Outcome:
    """Propose that a unit or window closes, or an item is retired."""
    return propose(desk, f"{kind}/{code}", f"{kind}.{_LIFE[kind][2]}.v1", {}, request=request)


def roster(
    desk: Desk,
    window_code: str,
    day: date,
    staff: Iterable[str],
    *,
    hours: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Propose who works at a window on a day. ``hours``: a code for a shift, such as ``extended``."""
    content = {"window": window_code, "day": day.isoformat(), "staff": list(staff), "hours": hours}
    return propose(desk, f"roster/{window_code}/{day.isoformat()}", "roster.set.v1", content, request=request)


def schedule(desk: Desk, of: YearSchedule, *, calendar: str = "cn", request: str | None = None) -> Outcome:
    """Propose a year's working days, or their revision: a schedule of the same year known from a later day."""
    return propose(desk, f"calendar/{calendar}", "calendar.schedule_published.v1", of.as_json(), request=request)


def adopt_rules(desk: Desk, pack: Mapping[str, Any], *, request: str | None = None) -> Outcome:
    """Propose that cards are raised by the rules of ``pack``, new or in the old one's place: see ``card_rules``."""
    stream = f"rulepack/{parse_pack(pack).name}"
    return propose(desk, stream, "rulepack.adopted.v1", {"pack": dict(pack)}, request=request)


def withdraw_rules(desk: Desk, name: str, *, reason: str, request: str | None = None) -> Outcome:
    """Propose that a pack is in force no more; its cards stay."""
    return propose(desk, f"rulepack/{name}", "rulepack.withdrawn.v1", {"reason": reason}, request=request)
