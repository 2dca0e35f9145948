"""What a site's registration and the hand-down of an item must say before they are believed.

    site/CODE              registered ─▶ changed … ─▶ closed      a place that is watched, inspected or served in
    handdown/ITEM/UNIT     made ─▶ taken_back (─▶ made …)          the unit of a lower tier may handle the item (下放)

Promise: what is handed down goes down: to a registered unit of the tier that is said, and never to the item's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.errors import Refused
from ledger.facts.codes import check_code

SITE_KINDS: Final = frozenset(
    {"hazardous_chemicals", "crowded_place", "community", "rental_house", "fuel", "service_hall", "service_point"}
)
TIERS: Final = ("district", "town", "village")
"""From the highest down."""


def check_site(data: Mapping[str, Any]) -> None:
    """Refuse a site of no known kind, or one that is inspected without an interval."""
    check_code(data["kind"], SITE_KINDS, "kind of site")
    if data.get("inspect_every_days", 1) < 1:
        raise Refused(
            "a site is inspected every so many days, from 1", code="interval", mend="leave it out, or name days"
        )


def check_handdown(stream: str, data: Mapping[str, Any], things: Mapping[str, Any]) -> None:
    """Refuse a hand-down that must not be; ``things``: the registries' entries by stream."""
    item, unit = things.get(f"item/{data['item']}"), things.get(f"unit/{data['unit']}")
    if stream != f"handdown/{data['item']}/{data['unit']}":
        raise Refused("a hand-down has a stream of its own", code="handdown-stream", mend="use handdown/ITEM/UNIT")
    if item is None or item.closed:
        raise Refused(f"there is no item {data['item']}", code="item", mend="name a published item")
    if unit is None or unit.closed:
        raise Refused(f"there is no unit {data['unit']}", code="unit", mend="have the unit registered first")
    check_code(data["tier"], TIERS, "tier")
    if unit.data["tier"] != data["tier"]:
        raise Refused(
            f"{data['unit']} is of the tier {unit.data['tier']}", code="tier", mend=f"say {unit.data['tier']}"
        )
    own = things.get(f"unit/{item.data['unit']}")
    above = TIERS[0] if own is None else own.data["tier"]
    if above not in TIERS or TIERS.index(data["tier"]) <= TIERS.index(above):
        raise Refused(
            f"from {above} to {data['tier']} is not down", code="tier-order", mend="hand it to a unit of a lower tier"
        )
