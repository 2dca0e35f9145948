"""Proposals for sites, and for items handed down through the tiers (下放).

    site      registered ─▶ changed … ─▶ closed            handdown  made ─▶ taken_back (─▶ made …)

Each returns the proposal's outcome, for ``changes.confirm``. What a site or a hand-down must be is decided by
``ledger.facts.places``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.registry.changes import is_open, propose


def site(
    desk: Desk,
    code: str,
    *,
    name: str,
    kind: str,
    unit: str,
    tier: str | None = None,
    networks: Iterable[str] = (),
    amenities: Iterable[str] = (),
    inspect_every_days: int | None = None,
    request: str | None = None,
) -> Outcome:
    """Propose a site as it shall be. ``kind``: hazardous_chemicals, crowded_place, community, service_hall …"""
    _, registry = desk.door.registry()
    content = {
        "name": name,
        "kind": kind,
        "unit": unit,
        "tier": tier,
        "networks": list(networks) or None,
        "amenities": list(amenities) or None,
        "inspect_every_days": inspect_every_days,
    }
    change = "site.changed.v1" if is_open(registry, f"site/{code}") else "site.registered.v1"
    return propose(desk, f"site/{code}", change, content, request=request)


def close_site(desk: Desk, code: str, *, request: str | None = None) -> Outcome:
    """Propose that a site is closed."""
    return propose(desk, f"site/{code}", "site.closed.v1", {}, request=request)


def hand_down(desk: Desk, item: str, unit: str, *, tier: str, request: str | None = None) -> Outcome:
    """Propose that a unit of a lower tier (town or village) may handle an item."""
    content = {"item": item, "unit": unit, "tier": tier}
    return propose(desk, f"handdown/{item}/{unit}", "handdown.made.v1", content, request=request)


def take_back(desk: Desk, item: str, unit: str, *, request: str | None = None) -> Outcome:
    """Propose that it may not any more."""
    return propose(desk, f"handdown/{item}/{unit}", "handdown.taken_back.v1", {}, request=request)
