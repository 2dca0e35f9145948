"""Reads (查阅): that somebody looked at a matter is itself on record, and shown to the person it is about.

Promise: one statement for each reader, matter, purpose and hour, however often the page is opened.
"""

from __future__ import annotations

import hashlib
from typing import Final

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.facts.read import read_stream

_HOUR_US: Final = 3_600_000_000


def note_read(desk: Desk, subject: str, *, purpose: str) -> Outcome:
    """State that the desk's actor looked at the stream ``subject``."""
    told = f"{subject}\0{purpose}\0{desk.clock() // _HOUR_US}".encode()
    return act(
        desk,
        read_stream(desk.actor),
        "made",
        f"read-{hashlib.sha256(told).hexdigest()[:32]}",
        subject=subject,
        purpose=purpose,
    )
