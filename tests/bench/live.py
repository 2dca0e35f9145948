"""Live approvals through the door: a unit, a window, an item, staff, and cases of which a few are open at any time."""

from __future__ import annotations

from typing import Any

from ledger.disclosure import pseudonym
from ledger.door.door import Outcome, Wish
from ledger.door.hall import Hall
from ledger.facts.registry import possession_message
from ledger.keys import SigningKey
from ledger.statement import instant_text
from ledger.store.sequencer import now_us

OPEN = 40
ITEMS = 12
CLERK = "staff/clerk"
ADMINS = ("staff/catalogue-1", "staff/catalogue-2")
_CHUNK = 300
_PERMIT = {
    "unit": "env",
    "centre": "administrative",
    "handling": "promise",
    "clocks": {"statutory": {"limit": 20}, "promise": {"limit": 7}},
}


def fill_approvals(hall: Hall, *, closed: int) -> Outcome:
    """``closed`` cases applied for, withdrawn and closed; ``OPEN`` are open at any time and at the end."""
    key = _staff(hall)
    version = hall.door.registry()[1].items["item/permit-0"][-1].id.hex()
    wishes: list[Wish] = []
    last: Outcome | None = None
    for number in range(closed + OPEN):
        applied: dict[str, Any] = {"item": "permit-0", "item_version": version, "channel": "window"}
        wishes.append(_act(number, "applied", applied))
        if number >= OPEN:
            wishes += [_act(number - OPEN, "withdrawn", {}), _act(number - OPEN, "closed", {})]
        if len(wishes) >= _CHUNK or number == closed + OPEN - 1:
            last = hall.door.submit_all(wishes, key)[-1]
            wishes = []
    assert last is not None
    return last


def _act(number: int, verb: str, values: dict[str, Any]) -> Wish:
    return Wish(
        actor=CLERK,
        role="window_clerk",
        stream=f"approval/{number:06d}",
        type=f"approval.{verb}.v1",
        at=instant_text(now_us()),
        request=f"{verb}-{number}",
        values=values,
        window="w1",
    )


def _staff(hall: Hall) -> SigningKey:
    """Two catalogue administrators publish the items; a clerk takes the cases. All keys are kept here."""
    admins = [(name, _appoint(hall, name, {"roles": ["catalogue_admin"]})) for name in ADMINS]
    for number in range(ITEMS):
        content = {"name": f"permit {number}", **_PERMIT}
        _agree(hall, f"item/permit-{number}", "item.published.v1", content, admins, role="catalogue_admin")
    return _appoint(hall, CLERK, {"roles": ["window_clerk"], "unit": "env", "windows": ["w1"]})


def _appoint(hall: Hall, actor: str, content: dict[str, Any]) -> SigningKey:
    key = hall.keyring.make_actor(actor)
    person = {"person": pseudonym(hall.keyring.secret("names"), "person", actor)}
    officers = list(hall.officers())
    # The door makes a pseudonym of a name; what is proposed holds it already.
    _agree(hall, actor, "staff.appointed.v1", content | person, officers, clear={"person": actor})
    proof = key.sign(possession_message(hall.origin, actor, key.public)).hex()
    added = {"actor": actor, "key": key.public.hex(), "custody": "server", "proof": proof}
    _agree(hall, f"key/{actor}", "key.added.v1", added, officers)
    return key


def _agree(
    hall: Hall,
    stream: str,
    type_: str,
    content: dict[str, Any],
    pair: list[tuple[str, SigningKey]],
    *,
    role: str = "key_officer",
    clear: dict[str, Any] | None = None,
) -> None:
    """One of ``pair`` proposes, the other confirms."""

    def state(who: tuple[str, SigningKey], name: str, values: dict[str, Any]) -> Outcome:
        actor, key = who
        at, request = instant_text(now_us()), f"{name}-{stream}"
        return hall.door.submit(
            Wish(actor=actor, role=role, stream=stream, type=name, at=at, request=request, values=values), key
        )

    kind = type_.partition(".")[0]
    proposed = state(pair[0], f"{kind}.change_proposed.v1", {"change": type_, "content": content})
    state(pair[1], type_, {**content, **(clear or {}), "proposal": proposed.id.hex()})
