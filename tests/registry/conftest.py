"""A real ledger with its two officers, and two more people who may change the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.keys import SigningKey
from ledger.registry import changes, keys, people


@dataclass
class Office:
    """The ledger, and a desk for each of its people."""

    hall: Hall
    keys: dict[str, SigningKey] = field(default_factory=dict)

    def officer(self, number: int) -> Desk:
        actor, key = self.hall.officers()[number - 1]
        return Desk(door=self.hall.door, actor=actor, key=key, role="key_officer")

    def admin(self, number: int) -> Desk:
        actor = f"staff/cat-{number}"
        return Desk(door=self.hall.door, actor=actor, key=self.keys[actor], role="catalogue_admin")

    def agreed(self, proposal: Outcome, by: Desk) -> Outcome:
        """Confirmed, and in the tree."""
        outcome = changes.confirm(by, proposal.id)
        assert self.hall.wait_placed([outcome], timeout_s=20)
        return outcome

    def size(self) -> int:
        return self.hall.reader.head().size

    def key(self, actor: str, **more: Any) -> SigningKey:
        """A key for the actor, added by both officers."""
        key = self.keys[actor] = SigningKey.generate()
        proof = keys.prove_possession(self.hall.origin, actor, key)
        self.agreed(keys.add(self.officer(1), actor, key.public, proof, **more), self.officer(2))
        return key


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    data = tmp_path_factory.mktemp("office") / "data"
    create_ledger(data)
    with open_ledger(data) as hall, hall.sequencing():
        found = Office(hall)
        for number in (1, 2):
            actor = f"staff/cat-{number}"
            proposal = people.appoint(
                found.officer(1), actor, person=f"00{number}", name="林", roles=["catalogue_admin"]
            )
            found.agreed(proposal, found.officer(2))
            found.key(actor)
        yield found
