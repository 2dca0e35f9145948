"""Proposals about people: who may act as what.

    (nobody) ── appointed ─▶ holds roles ── changed ─▶ … ── left ─▶ (nobody) ── appointed ─▶ …

An actor id (``staff/…``) stands for one person for ever. The person goes into the log as a pseudonym, the name sealed;
one person under two actor ids is still one person to every rule that asks for two.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.registry.changes import is_open, propose


def appoint(
    desk: Desk,
    actor: str,
    *,
    person: str,
    roles: Iterable[str],
    name: str | None = None,
    unit: str | None = None,
    centre: str | None = None,
    windows: Iterable[str] = (),
    request: str | None = None,
) -> Outcome:
    """Propose what an actor may act as, new or changed. ``person``: the staff number, or what else is unique."""
    _, registry = desk.door.registry()
    content = {
        "person": desk.door.pseudonym_of(person),
        "roles": list(roles),
        "unit": unit,
        "centre": centre,
        "windows": list(windows) or None,
    }
    change = "staff.changed.v1" if is_open(registry, actor) else "staff.appointed.v1"
    return propose(desk, actor, change, content, sealed=None if name is None else {"name": name}, request=request)


def dismiss(desk: Desk, actor: str, *, request: str | None = None) -> Outcome:
    """Propose that an actor holds no role any more. The keys stay theirs until they are revoked."""
    return propose(desk, actor, "staff.left.v1", {}, request=request)
