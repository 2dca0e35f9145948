"""Cameras as a board asks for them: recording, in a gap or stopped; tampered with; how much of them is held.

Promise: one span of leaves per state of a camera, so that it can be asked as of any position; ``since_us`` is the
claimed time, by the recorder's clock, of what made it so. What is registered stands in ``projections.registries``.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ledger.facts.types import verb_of
from ledger.statement import instant_us
from ledger.store.database import Connection
from projections.chunk import Act, Chunk, Spans

DDL: Final = """
CREATE TABLE camera_states (
    camera     text    COLLATE "C" NOT NULL,
    from_index bigint  NOT NULL,                  -- as in approval_open
    to_index   bigint,
    state      text    COLLATE "C" NOT NULL,      -- never, recording, gap, stopped
    cause      text    COLLATE "C",               -- of a gap
    since_us   bigint,
    tampered   text    COLLATE "C",               -- black, frozen, …; null: it is not
    holds      bigint  NOT NULL,                  -- placed, and neither released nor lapsed
    is_full    boolean NOT NULL,                  -- held footage is past its share of the recorder's disk
    PRIMARY KEY (camera, from_index)
);
CREATE INDEX ON camera_states USING gist (int8range(from_index, to_index));
CREATE INDEX ON camera_states (camera) WHERE to_index IS NULL;
"""

TABLES: Final = {"camera_states": "camera, from_index"}
_STATE: Final = "state cause since_us tampered holds is_full"


class _State(NamedTuple):
    state: str = "never"
    cause: str | None = None
    since_us: int | None = None
    tampered: str | None = None
    holds: int = 0
    is_full: bool = False


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in what recorders say of their cameras, and what is held."""
    acts = chunk.of("footage")
    if not acts:
        return
    cameras = sorted({_camera(act) for act in acts})
    rows = connection.execute(
        "SELECT camera, state, cause, since_us, tampered, holds, is_full FROM camera_states"
        " WHERE camera = ANY(%s) AND to_index IS NULL",
        (cameras,),
    )
    states = {row[0]: _State(*row[1:]) for row in rows}
    spans = Spans({"camera": "text"})
    for act in acts:
        camera = _camera(act)
        before = states.get(camera)
        after = states[camera] = _after(before or _State(), act)
        spans.move(camera, before, after, act.index)
    spans.write(connection, "camera_states", _STATE)


def _camera(act: Act) -> str:
    return act.said.stream.partition("/")[2]


def _after(state: _State, act: Act) -> _State:
    data = act.said.data
    match verb_of(act.said.type):
        case "recording_started" | "gap_ended":
            return state._replace(state="recording", cause=None, since_us=instant_us(data["at"]))
        case "gap_detected":
            return state._replace(state="gap", cause=data["cause"], since_us=instant_us(data["at"]))
        case "recording_stopped":
            return state._replace(state="stopped", cause=None, since_us=instant_us(data["at"]))
        case "tampered":
            return state._replace(tampered=data["state"])
        case "recovered":
            return state._replace(tampered=None)
        case "hold_placed":
            return state._replace(holds=state.holds + 1)
        case "hold_released" | "hold_lapsed":
            return state._replace(holds=state.holds - 1)
        case "held_space_passed" | "held_space_freed":
            return state._replace(is_full=verb_of(act.said.type) == "held_space_passed")
    return state


def states(connection: Connection, *, position: int | None = None) -> dict[str, dict[str, Any]]:
    """The states of all cameras as of ``position`` (None: now), by id."""
    query = "SELECT camera, state, cause, since_us, tampered, holds, is_full FROM projections.camera_states"
    if position is None:
        rows = connection.execute(f"{query} WHERE to_index IS NULL".encode())
    else:
        rows = connection.execute(
            f"{query} WHERE int8range(from_index, to_index) @> %s::bigint".encode(), (position - 1,)
        )
    return {row[0]: _State(*row[1:])._asdict() for row in rows}
