"""The first days of the district: its registries go into the log, each change by two persons."""

from __future__ import annotations

from collections.abc import Sequence

from api.demo.district import District
from api.demo.play import SECOND, Play, Script, agreed
from ledger.facts.card_rules import pack_object
from ledger.registry import catalogue, changes, keys, people, places

_PACE_US = 4 * SECOND


def open_district(play: Play, packs: Sequence[bytes]) -> Script:
    """Register everything there is, and adopt the packs of rules; between two changes a few seconds pass."""
    district = play.district
    one, two = play.officer(1), play.officer(2)
    for person in district.people.values():
        agreed(
            people.appoint(
                one,
                person.actor,
                person=person.actor,
                name=person.name,
                roles=person.roles,
                unit=person.unit,
                windows=person.windows,
            ),
            two,
        )
        key = play.key(person.actor)
        proof = keys.prove_possession(play.hall.origin, person.actor, key)
        agreed(keys.add(one, person.actor, key.public, proof, custody="server"), two)
        yield play.now_us + _PACE_US
    yield from _catalogue(play, district)
    for pack in map(pack_object, packs):
        agreed(catalogue.adopt_rules(play.desk("staff/supervisor-1"), pack), play.desk("staff/catalogue-1"))
    first, second = play.desk("staff/custodian-1"), play.desk("staff/custodian-2")
    for code, data in district.cameras.items():
        agreed(changes.propose(first, f"camera/{code}", "camera.registered.v1", data), second)
        yield play.now_us + _PACE_US


def _catalogue(play: Play, district: District) -> Script:
    one, two = play.desk("staff/catalogue-1"), play.desk("staff/catalogue-2")
    for unit in district.units.values():
        agreed(
            catalogue.unit(one, unit.code, name=unit.name, tier=unit.tier, centre=unit.centre, parent=unit.parent), two
        )
        yield play.now_us + _PACE_US
    for window, code in district.windows.items():
        unit = district.units[code]
        name = f"{unit.name}{window.rpartition('-')[2]}号窗口"
        site = "hall" if unit.tier == "district" else unit.code
        agreed(catalogue.window(one, window, unit=code, name=name, site=site, zone=unit.zone), two)
        yield play.now_us + _PACE_US
    for code, data in district.sites.items():
        agreed(places.site(one, code, **data), two)
        yield play.now_us + _PACE_US
    for item in district.items.values():
        agreed(catalogue.item(one, item.code, **item.data), two)
        yield play.now_us + _PACE_US
    for code, unit_code, tier in district.handed_down:
        agreed(places.hand_down(one, code, unit_code, tier=tier), two)
        yield play.now_us + _PACE_US
    for window, day, staff, hours in district.rosters:
        agreed(catalogue.roster(one, window, day, staff, hours=hours), two)
        yield play.now_us + _PACE_US
