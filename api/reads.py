"""What people read, on pages and over the interface alike: whether they may, and that it is on record.

Promise: each reading by somebody whose session acts is stated before anything is shown (``ledger.cases.reads``); who
may not say so may not look. A complaint's file is read on its own page and nowhere else: only that page knows of whom
it speaks. Who has no name here (a token, a session that only reads) reads no such file, and sees of a complaint how
many there are, how far they have come and what their clocks say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.cases.reads import note_read
from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.errors import NotAllowed
from ledger.facts.read import is_file, reading_role
from ledger.facts.types import GOVERNING_KINDS

COMPLAINT: Final = "complaint/"
_OVERSEERS: Final = frozenset({"supervisor", "auditor", "complaint_head", "investigator"})
_REGISTRIES: Final = GOVERNING_KINDS - {"staff"}
"""Kinds of stream that speak of nobody: keys and what is registered."""
_WHO: Final = (
    "investigators, complaint heads, custodians and those who oversee them read it: mingjian link --actor ACTOR"
)


def note(hall: Hall, actor: str | None, stream: str) -> None:
    """Say that ``actor`` looks at that stream; who may not say so may not look (NotAllowed)."""
    if stream.startswith(COMPLAINT):
        raise _closed(f"open its page: /complaints/{stream.removeprefix(COMPLAINT)}")
    if actor is None:
        if is_file(stream):
            raise _closed(_WHO)
    elif stream.partition("/")[0] not in _REGISTRIES:
        desk = _desk(hall, actor, stream)
        note_read(desk, stream, purpose="supervision" if desk.role in _OVERSEERS else "handling")


def note_complaint(hall: Hall, actor: str, streams: Sequence[str]) -> None:
    """Say that ``actor`` looks at a complaint's file, the first of ``streams``, and at the cases that it disputes.

    Of whom it speaks, and so who may not, its page knows.
    """
    desk = _desk(hall, actor, streams[0])
    for stream in streams:
        note_read(desk, stream, purpose="complaint")


def check_complaints(hall: Hall, actor: str | None) -> None:
    """Refuse the list of complaints to somebody who may read none of them; nothing is read by it."""
    if actor is not None:
        _desk(hall, actor, COMPLAINT)


def _desk(hall: Hall, actor: str, stream: str) -> Desk:
    _, registry = hall.door.registry()
    role = reading_role(registry, actor, stream)
    if role is None:
        if is_file(stream):
            raise _closed(_WHO)
        raise NotAllowed(f"{actor} holds no role that reads cases", code="right", mend="ask with a role that may")
    held = registry.appointment_of(actor)
    return Desk(door=hall.door, actor=actor, key=hall.keyring.actor(actor), role=role, unit=held.unit)


def _closed(mend: str) -> NotAllowed:
    return NotAllowed("the file of a complaint is for those who work on it", code="complaint-file", mend=mend)
