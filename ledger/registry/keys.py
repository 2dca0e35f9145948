"""Keys: added and revoked by two officers, rotated by their holder.

    (unknown) ── added ─▶ valid ── rotated ─▶ the next one valid, this one not
                            └───── revoked ─▶ not valid from there on; a suspect range flags what it signed before

Whoever holds a new key proves it by signing; the private half never has to come here. A rotation takes the key whose
digest was committed when the former one was added, so that a thief of the present key cannot choose the next.
"""

from __future__ import annotations

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.errors import NotFound
from ledger.facts.registry import next_key_digest, possession_message
from ledger.keys import SigningKey
from ledger.registry.changes import propose


def prove_possession(origin: str, actor: str, key: SigningKey) -> bytes:
    """What the holder of a new key hands over beside its public half."""
    return key.sign(possession_message(origin, actor, key.public))


def add(
    desk: Desk,
    actor: str,
    public_key: bytes,
    proof: bytes,
    *,
    custody: str = "actor",
    next_public_key: bytes | None = None,
    request: str | None = None,
) -> Outcome:
    """Propose a key for an actor. ``custody``: actor, device or server; without a next key it cannot be rotated."""
    content = {
        "actor": actor,
        "key": public_key.hex(),
        "custody": custody,
        "proof": proof.hex(),
        "next": None if next_public_key is None else next_key_digest(next_public_key),
    }
    return propose(desk, f"key/{actor}", "key.added.v1", content, request=request)


def rotate(desk: Desk, new: SigningKey, *, next_public_key: bytes | None = None, request: str | None = None) -> Outcome:
    """Put the committed next key in the place of the desk's; one statement, the last that the old key signs."""
    _, registry = desk.door.registry()
    values = {
        "key": new.public.hex(),
        "proof": prove_possession(registry.origin, desk.actor, new).hex(),
        "next": None if next_public_key is None else next_key_digest(next_public_key),
    }
    more = {} if request is None else {"request": request}
    return desk.say(f"key/{desk.actor}", "key.rotated.v1", values, **more)


def revoke(
    desk: Desk,
    kid: str,
    *,
    reason: str,
    suspect_from: int | None = None,
    suspect_to: int | None = None,
    request: str | None = None,
) -> Outcome:
    """Propose to revoke a key by its thumbprint (hex). Statements it signed in the suspect range are flagged."""
    _, registry = desk.door.registry()
    record = next((record for known, record in registry.keys.items() if known.hex() == kid), None)
    if record is None:
        raise NotFound(f"there is no key {kid:.64}", code="key-unknown", mend="mingjian keys list shows them")
    content = {"kid": kid, "reason": reason, "suspect_from": suspect_from, "suspect_to": suspect_to}
    return propose(desk, f"key/{record.actor}", "key.revoked.v1", content, request=request)
