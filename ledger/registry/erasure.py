"""Erasures, holds and disclosures as acts: a privacy officer proposes, a second person confirms, the vault destroys.

    propose ─▶ erasure.proposed.v1     the digests of all that is kept for the subject, and the ground; nothing goes
    confirm ─▶ erasure.made.v1         by another person; from here on the values are gone, whatever happens to us
    carry_out                          destroys them in the vault: the same step that every start of a ledger takes

Promise: a value is destroyed only after its statement stands in the published tree. More than a statement holds is
erased by several. What a subject says later is another value, under another key, and is not erased with it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.disclosure import Disclosure, pseudonym
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.erasures import erased_by
from ledger.door.hall import Hall
from ledger.errors import NotFound, Refused, Unavailable
from ledger.facts.erasure import (
    GRANTED,
    MADE,
    MAX_DIGESTS,
    PERSON,
    PROPOSED,
    Subject,
    disclosure_stream,
    erasure_stream,
)
from ledger.facts.registry import Registry, possession_message
from ledger.registry import keys, people
from ledger.registry.changes import confirm as confirm_change
from ledger.statement import Statement, open_statement

OFFICER: Final = "privacy_officer"
_PLACED_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Erased:
    """What was done: the statements' places, how many digests they name, and how many values or names went here."""

    subject: str
    statements: list[int]
    digests: int
    destroyed: int


def person_subject(hall: Hall, name: str) -> str | None:
    """The subject of a person by the name, or the pseudonym, that is kept of them; None when none is."""
    for found in (name.removeprefix(PERSON), pseudonym(hall.keyring.secret("names"), "person", name)):
        if hall.vault.named([found]):
            return f"{PERSON}{found}"
    return None


def propose(desk: Desk, hall: Hall, subject: str, *, ground: str) -> list[Outcome]:
    """Propose to erase all that is kept for ``subject``; nothing goes yet. Refused while a hold stands."""
    digests = digests_of(hall, subject)
    if not digests and not (subject.startswith(PERSON) and hall.vault.named([subject.removeprefix(PERSON)])):
        raise NotFound(f"nothing is kept of {subject}", code="nothing-kept", mend="mingjian case show names its values")
    parts = [digests[low : low + MAX_DIGESTS] for low in range(0, len(digests), MAX_DIGESTS)] or [[]]
    stream = erasure_stream(subject)
    return [desk.say(stream, PROPOSED, {"ground": ground, "digests": part}) for part in parts]


def digests_of(hall: Hall, subject: str) -> list[str]:
    """The digests of what is kept for a subject, and of what its stream states and the vault still has; sorted."""
    stated = [digest for act in _acts(hall, subject) for digest in act.sd]
    return sorted({*hall.vault.digests_of(subject), *hall.vault.held(stated)})


def confirm(desk: Desk, subject: str, proposal: str) -> Outcome:
    """Confirm a proposed erasure of ``subject``, as a second person. The values go with ``carry_out``."""
    found = next((one for id_, one in standing(desk, subject).proposals.items() if id_.hex() == proposal), None)
    if found is None:
        raise NotFound(
            f"no erasure {proposal:.64} of {subject} waits for confirmation",
            code="proposal",
            mend="mingjian erase SUBJECT --ground CODE --as A proposes one",
        )
    return desk.say(erasure_stream(subject), MADE, {**found.content, "proposal": proposal})


def carry_out(hall: Hall, made: Sequence[Outcome]) -> Erased:
    """Destroy what those erasures name, once they are placed and published."""
    placed = hall.wait_placed(made, timeout_s=_PLACED_S)
    checkpoint = hall.publisher.checkpoint()
    if len(placed) < len(made) or checkpoint is None or max(placed.values()) >= checkpoint.size:
        raise Unavailable(
            "the erasure is stated, but not placed in the tree yet: nothing is destroyed so far",
            code="not-placed",
            mend="it is carried out at the next start of any command, or of mingjian up",
        )
    destroyed = hall.apply_erasures()
    acts = [open_statement(one.entry) for one in hall.reader.verified(sorted(placed.values()), checkpoint)]
    subject = made[0].stream.partition("/")[2]
    return Erased(subject, sorted(placed.values()), sum(len(act.data["digests"]) for act in acts), destroyed)


def place_hold(desk: Desk, subject: str, *, ground: str) -> Outcome:
    """Have nothing of the subject erased until this hold is released."""
    return desk.say(erasure_stream(subject), "hold.placed.v1", {"ground": ground})


def release_hold(desk: Desk, hold: str, *, subject: str, ground: str) -> Outcome:
    """End a hold, named by its statement's id."""
    return desk.say(erasure_stream(subject), "hold.released.v1", {"hold": hold, "ground": ground})


def standing(desk: Desk, subject: str) -> Subject:
    """The holds and open proposals of a subject."""
    found = desk.state(erasure_stream(subject))
    return found if isinstance(found, Subject) else Subject()


def chosen(hall: Hall, stream: str, fields: Collection[str]) -> list[tuple[Statement, list[Disclosure]]]:
    """The statements of a stream that have sealed values of those names, with the values; Refused where one is gone."""
    acts = [act for act in _acts(hall, stream) if act.sd]
    opened = hall.vault.open([digest for act in acts for digest in act.sd])
    gone = erased_by(hall, acts)
    found = []
    for act in acts:
        values = [opened[digest] for digest in act.sd if digest in opened and opened[digest].name in fields]
        if values:
            found.append((act, values))
    names = {value.name for _, values in found for value in values}
    if missing := sorted(set(fields) - names):
        erased = f"; some of its values were erased by entry {min(gone.values())}" if gone else ""
        raise NotFound(
            f"{stream} has no sealed value {', '.join(missing)}{erased}",
            code="no-value",
            mend=f"it has {', '.join(sorted({one.name for one in opened.values()})) or 'none'}",
        )
    return found


def grant(desk: Desk, stream: str, digests: Collection[str], *, to: str, purpose: str) -> list[Outcome]:
    """State to whom those values of ``stream`` are opened, and what for: before anybody sees one."""
    named = sorted(set(digests))
    parts = [named[low : low + MAX_DIGESTS] for low in range(0, len(named), MAX_DIGESTS)]
    where = disclosure_stream(stream)
    return [desk.say(where, GRANTED, {"to": to, "purpose": purpose, "digests": part}) for part in parts]


# ------------------------------------------------------------------------------------------------- who does it


def officers(hall: Hall, first: str | None = None, second: str | None = None) -> tuple[Desk, Desk]:
    """The desks of the privacy officer and of the second person, by name or whoever's keys are kept here.

    A ledger whose two key officers' keys are kept here (a demo's) and that has no privacy officer gets one from them.
    """
    _, registry = hall.door.registry()
    if first is None:
        first = next(iter(kept_here(hall, registry, OFFICER)), None)
    if first is None:
        first = appointed_here(hall, "staff/privacy", OFFICER)
        _, registry = hall.door.registry()
    if second is None:
        person = registry.person_of(first)
        others = [*kept_here(hall, registry, OFFICER), *kept_here(hall, registry, "key_officer")]
        second = next((actor for actor in others if registry.person_of(actor) != person), None)
    if second is None:
        raise NotFound("nobody's key is kept here who could confirm", code="no-second", mend="--second ACTOR")
    return desk_of(hall, first), desk_of(hall, second, "key_officer")


def desk_of(hall: Hall, actor: str, *roles: str) -> Desk:
    """Where ``actor`` works, as privacy officer or in the first of ``roles`` that they hold."""
    _, registry = hall.door.registry()
    held = registry.appointment_of(actor).roles
    role = next((one for one in (OFFICER, *roles) if one in held), None)
    if role is None:
        raise Refused(
            f"{actor} is no privacy officer",
            code="role",
            mend="have two officers appoint one: mingjian registry propose staff.appointed.v1",
        )
    return Desk(door=hall.door, actor=actor, key=hall.keyring.actor(actor), role=role)


def kept_here(hall: Hall, registry: Registry, role: str) -> list[str]:
    """The actors in a role whose keys lie with this ledger."""
    return [
        actor
        for actor, held in registry.appointments.items()
        if role in held.roles and hall.keyring.keeps(actor) and registry.active_keys(actor)
    ]


def appointed_here(hall: Hall, actor: str, role: str) -> str:
    """``actor``, newly appointed with a key kept here, by both officers whose keys are kept here as well."""
    (first, first_key), (second, second_key) = hall.officers()
    one = Desk(door=hall.door, actor=first, key=first_key, role="key_officer")
    two = Desk(door=hall.door, actor=second, key=second_key, role="key_officer")
    confirm_change(two, people.appoint(one, actor, person=actor, roles=[role]).id)
    key = hall.keyring.make_actor(actor)
    proof = key.sign(possession_message(hall.origin, actor, key.public))
    confirm_change(two, keys.add(one, actor, key.public, proof, custody="server").id)
    return actor


# ------------------------------------------------------------------------------------------------- from the log


def _acts(hall: Hall, stream: str) -> list[Statement]:
    return [open_statement(entry) for _, _, entry in hall.reader.stream(stream)]
