"""What the ledger has of a recorder: how far its journal is sealed, its key, its cameras with their holds.

For the recorder itself, beside the ledger or on a machine of its own, which asks over HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ledger.door.hall import Hall
from ledger.facts.footage import HOLD_PLACED, Footage, footage_stream, recorder_stream
from ledger.facts.registry import Registry
from ledger.statement import instant_text, open_statement
from ledger.store.sequencer import now_us

_LOOK_BACK_DAYS: Final = 60


@dataclass(frozen=True, slots=True)
class Known:
    """``upto``: the last line that is sealed; ``keys``: the entries that gave it keys; ``cameras``: what to keep."""

    upto: int
    keys: tuple[bytes, ...]
    cameras: dict[str, dict[str, Any]]

    def as_json(self) -> dict[str, Any]:
        """As it goes over HTTP."""
        return {"upto": self.upto, "keys": [entry.hex() for entry in self.keys], "cameras": self.cameras}


def sealed_upto(hall: Hall, actor: str) -> int:
    """The last line that the ledger has of a recorder."""
    today = datetime.fromtimestamp(now_us() / 1_000_000, UTC).date()
    for back in range(_LOOK_BACK_DAYS):
        found = _state(hall, recorder_stream(actor, (today - timedelta(days=back)).isoformat()))
        if found is not None:
            return int(found)
    return 0


def known_of(hall: Hall, actor: str) -> Known:
    """All of it."""
    _, registry = hall.door.registry()
    keys = tuple(
        entry
        for _, _, entry in hall.reader.stream(f"key/{actor}")
        if open_statement(entry).type in ("key.added.v1", "key.rotated.v1")
    )
    cameras = {
        camera: {"retention_days": said["retention_days"]} | _kept(hall, camera)
        for camera, said in _cameras(registry, actor)
    }
    return Known(sealed_upto(hall, actor), keys, cameras)


def held_last(hall: Hall, actor: str) -> dict[str, str | None]:
    """Of each camera the hold that was placed last, if nothing was stated since: quick, to be asked often."""
    _, registry = hall.door.registry()
    found: dict[str, str | None] = {}
    for camera, _ in _cameras(registry, actor):
        entry = hall.reader.last_entry(footage_stream(camera))
        act = None if entry is None else open_statement(entry)
        found[camera] = act.id.hex() if act is not None and act.type == HOLD_PLACED else None
    return found


def _cameras(registry: Registry, actor: str) -> list[tuple[str, Mapping[str, Any]]]:
    return [
        (stream.removeprefix("camera/"), said) for stream, said in registry.cameras() if said.get("recorder") == actor
    ]


def _kept(hall: Hall, camera: str) -> dict[str, Any]:
    state = _state(hall, footage_stream(camera))
    found = state if isinstance(state, Footage) else Footage()
    holds = [
        {
            "since": instant_text(one.since_us),
            "until": instant_text(one.until_us),
            "expires": None if one.expires_us is None else instant_text(one.expires_us),
        }
        for one in found.holds.values()
    ]
    return {"holds": holds, "is_full": found.is_full}


def _state(hall: Hall, stream: str) -> Any:
    _, registry = hall.door.registry()
    found = hall.door.stream(registry, stream)
    return None if found is None else found.state
