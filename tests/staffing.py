"""A window and its clerk, for tests of what is filmed there."""

from __future__ import annotations

from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.registry import catalogue, keys, people
from ledger.registry.changes import confirm


def clerk_of(hall: Hall) -> Desk:
    """Opens the windows w1 and w2 of a ledger whose keys are kept here; the desk of who sits at w1."""
    (first, first_key), (other, other_key) = hall.officers()
    one = Desk(door=hall.door, actor=first, key=first_key, role="key_officer")
    two = Desk(door=hall.door, actor=other, key=other_key, role="key_officer")
    admins = []
    for actor, roles, more in (
        ("staff/cat-a", ["catalogue_admin"], {}),
        ("staff/cat-b", ["catalogue_admin"], {}),
        ("staff/chen", ["window_clerk"], {"unit": "env", "windows": ["w1"]}),
    ):
        confirm(two, people.appoint(one, actor, person=actor, roles=roles, **more).id)
        key = hall.keyring.make_actor(actor)
        confirm(
            two, keys.add(one, actor, key.public, keys.prove_possession(hall.origin, actor, key), custody="server").id
        )
        admins.append(Desk(door=hall.door, actor=actor, key=key, role=roles[0]))
    cat, dog, clerk = admins
    confirm(dog, catalogue.unit(cat, "env", name="环保", tier="district").id)
    for window in ("w1", "w2"):
        confirm(dog, catalogue.window(cat, window, unit="env", name=window).id)
    return Desk(door=hall.door, actor=clerk.actor, key=clerk.key, role="window_clerk", window="w1")
