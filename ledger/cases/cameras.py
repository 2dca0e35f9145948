"""What was filmed: a disputed event, its window, and the cameras that were bound to it then, read from the log itself.

Promise: no derived table is asked, so nobody waits for one; each registration is checked against the signed tree.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.door.hall import Hall
from ledger.errors import NotFound, Refused
from ledger.facts.disputed import covers, window_of
from ledger.facts.registry import CLOSING
from ledger.statement import Statement, instant_text, open_statement

_PLACED_S: Final = 2.0
_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Event:
    """A statement of the log that is disputed, with its place and its window."""

    act: Statement
    index: int
    recorded_us: int
    window: str

    @classmethod
    def of(cls, act: Statement, index: int, recorded_us: int) -> Event:
        """As it stands there (Refused where it names no window: nobody filmed it)."""
        window = window_of(act)
        if window is None:
            raise Refused(
                f"{act.type} of {act.stream} names no window: no camera can have seen it",
                code="no-window",
                mend="dispute an event at a window: a ticket called or served, an application taken",
            )
        return cls(act, index, recorded_us, window)

    def as_json(self) -> dict[str, Any]:
        """What a command says of it."""
        return {
            "id": self.act.id.hex(),
            "index": self.index,
            "stream": self.act.stream,
            "type": self.act.type,
            "at": self.act.at,
            "recorded": instant_text(self.recorded_us),
            "window": self.window,
        }


def read_event(hall: Hall, named: str) -> Event:
    """The event of that id (hex) or place in the log (Refused where it names no window)."""
    text = named.strip()
    if text.isascii() and text.isdigit() and len(text) < 19:
        index = int(text)
        if index >= hall.reader.head().size:
            raise NotFound(
                f"the log has no entry {index} yet", code="no-event", mend="mingjian case history shows them"
            )
    elif re.fullmatch(r"[0-9a-f]{64}", text) and (placed := _placed(hall, bytes.fromhex(text))) is not None:
        index = placed
    else:
        raise NotFound(
            f"there is no statement {text:.70} in the log", code="no-event", mend="give its id, or its place in the log"
        )
    act = open_statement(hall.reader.entries(index, index + 1)[0].entry)
    return Event.of(act, index, hall.reader.recorded_us([index])[index])


def _placed(hall: Hall, id_: bytes) -> int | None:
    """Its place, waited for: what was stated a moment ago is being placed."""
    until = time.monotonic() + _PLACED_S
    while (found := hall.reader.placed([id_]).get(id_)) is None and time.monotonic() < until:
        time.sleep(_LOOK_S)
    return found


def cameras_that_saw(hall: Hall, event: Event) -> dict[str, str]:
    """The cameras that were bound to the event's window when it was stated, each with its recorder."""
    found = cameras_as_of(hall, event.index + 1).items()
    return {camera: str(said["recorder"]) for camera, said in sorted(found) if covers(said, event.window)}


def cameras_as_of(hall: Hall, position: int) -> dict[str, Mapping[str, Any]]:
    """The cameras registered among the first ``position`` leaves, by id, with what was said of each then."""
    _, registry = hall.door.registry()
    signed = hall.publisher.latest()
    if signed is None:
        raise NotFound("nothing is published yet", code="no-checkpoint")
    streams = [stream for stream in registry.entries if stream.startswith("camera/")]
    indexes = hall.reader.stream_indexes(streams, before=position)
    indexes -= hall.reader.voided_indexes(sorted(indexes))
    found: dict[str, Mapping[str, Any]] = {}
    for placed in hall.reader.verified(sorted(indexes), signed.checkpoint):
        act = open_statement(placed.entry)
        camera = act.stream.partition("/")[2]
        if act.type == CLOSING["camera"]:
            found.pop(camera, None)
        elif not act.type.endswith(".change_proposed.v1"):
            found[camera] = act.data
    return found
