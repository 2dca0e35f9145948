"""Rules of cards, adopted in a ledger by two of its people."""

from __future__ import annotations

import json
from typing import Any

from ledger.facts.card_rules import pack_object
from ledger.registry import catalogue
from oversight.clock import sample
from tests.cases.conftest import Place


def adopt(place: Place, *names: str, **packs: Any) -> None:
    """From now on these packs are in force and no others: shipped ones by name, others by their rules."""
    one, two = place.desk("staff/cat-a"), place.desk("staff/cat-b")
    wanted = [pack_object(sample(name)) for name in names]
    wanted += [json.loads(json.dumps({"pack": name, "rules": rules})) for name, rules in packs.items()]
    entries = place.hall.door.registry()[1].entries
    held = {stream: entry.data["pack"] for stream, entry in entries.items() if _in_force(stream, entry)}
    for stream in held.keys() - {f"rulepack/{pack['pack']}" for pack in wanted}:
        place.agreed(catalogue.withdraw_rules(one, stream.partition("/")[2], reason="replaced"), two)
    for pack in wanted:
        if held.get(f"rulepack/{pack['pack']}") != pack:
            place.agreed(catalogue.adopt_rules(one, pack), two)
    place.placed()


def _in_force(stream: str, entry: Any) -> bool:
    return stream.startswith("rulepack/") and not entry.closed
