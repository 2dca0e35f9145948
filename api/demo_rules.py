"""The demo's rules of cards: a sample pack, adopted by two persons of the demo as any pack is.

Promise: a ledger in whose log a pack was ever adopted, or which has one in force, is left as it is.
"""

from __future__ import annotations

from typing import Final

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.facts.card_rules import pack_object
from ledger.registry import catalogue, changes, keys, people

# Who proposes and who confirms, as what.
_PEOPLE: Final = (("staff/demo-supervisor", "supervisor"), ("staff/demo-rules", "catalogue_admin"))
_PLACED_S: Final = 20.0


def adopt_rules(hall: Hall, file: bytes) -> None:
    """Have the pack in ``file`` adopted where none ever was. Statements must be placed meanwhile."""
    _, registry = hall.door.registry()
    if any(stream.startswith("rulepack/") for stream in registry.entries):
        return
    supervisor, admin = (_desk(hall, actor, role) for actor, role in _PEOPLE)
    proposal = catalogue.adopt_rules(supervisor, pack_object(file))
    hall.wait_placed([changes.confirm(admin, proposal.id)], timeout_s=_PLACED_S)


def _desk(hall: Hall, actor: str, role: str) -> Desk:
    """Somebody of the demo at their desk, appointed and given a key by both officers when they are new."""
    _, registry = hall.door.registry()
    one, two = (Desk(door=hall.door, actor=name, key=key, role="key_officer") for name, key in hall.officers())

    def agree(proposal: Outcome) -> None:
        changes.confirm(two, proposal.id)

    if actor not in registry.appointments:
        agree(people.appoint(one, actor, person=actor, roles=[role], name="演示"))
    key = hall.keyring.make_actor(actor)
    if key.thumbprint not in registry.active_keys(actor):
        agree(keys.add(one, actor, key.public, keys.prove_possession(hall.origin, actor, key), custody="server"))
    return Desk(door=hall.door, actor=actor, key=key, role=role)
