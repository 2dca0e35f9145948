"""Cases read by people whose session acts, on pages and over the interface alike.

Promise: each reading is stated before anything is shown (``ledger.cases.reads``). A complaint's file is read on its own
page and nowhere else: only that page knows of whom it speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ledger.cases.reads import note_read, reading_role
from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.errors import NotAllowed

COMPLAINT: Final = "complaint/"
_OVERSEERS: Final = frozenset({"supervisor", "auditor", "complaint_head", "investigator"})


def note(hall: Hall, actor: str | None, stream: str) -> None:
    """Say that ``actor`` looks at that case; who may not say so may not look (NotAllowed).

    Without an actor (a token, a session that only reads) nothing is said.
    """
    if actor is None:
        return
    if stream.startswith(COMPLAINT):
        raise NotAllowed(
            "the file of a complaint is for those who work on it",
            code="complaint-file",
            mend=f"open its page: /complaints/{stream.removeprefix(COMPLAINT)}",
        )
    desk = _desk(hall, actor)
    note_read(desk, stream, purpose="supervision" if desk.role in _OVERSEERS else "handling")


def note_complaint(hall: Hall, actor: str | None, streams: Sequence[str]) -> None:
    """Say that ``actor`` looks at a complaint's file and at the cases that it disputes; who may, its page decides."""
    if actor is not None:
        desk = _desk(hall, actor)
        for stream in streams:
            note_read(desk, stream, purpose="complaint")


def _desk(hall: Hall, actor: str) -> Desk:
    _, registry = hall.door.registry()
    role = reading_role(registry, actor)
    if role is None:
        raise NotAllowed(f"{actor} holds no role that reads cases", code="right", mend="ask with a role that may")
    held = registry.appointment_of(actor)
    return Desk(door=hall.door, actor=actor, key=hall.keyring.actor(actor), role=role, unit=held.unit)
