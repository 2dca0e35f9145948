"""The live systems that are brought in: how much each adapter has stated, and when it last did.

Promise: one row per adapter that ever stated something that counts; times are recorded times.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.facts.adapters import ADAPTERS
from ledger.facts.registry import adapter_of
from ledger.facts.types import TYPES
from ledger.store.database import Connection
from projections.chunk import Chunk, named, write_rows

DDL: Final = """
CREATE TABLE live_sources (
    actor      text   COLLATE "C" NOT NULL PRIMARY KEY, -- adapter/KIND/SOURCE
    acts       bigint NOT NULL,
    last_index bigint NOT NULL,
    last_us    bigint NOT NULL
);
"""

TABLES: Final = {"live_sources": "actor"}

_KINDS: Final = tuple(sorted({TYPES[name].stream_kind for types in ADAPTERS.values() for name in types}))


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in what adapters stated."""
    found: dict[str, tuple[int, int, int]] = {}
    for act in chunk.of(*_KINDS):
        actor = act.said.actor
        if actor.startswith("adapter/"):
            found[actor] = (found.get(actor, (0, 0, 0))[0] + 1, act.index, act.recorded_us)
    write_rows(
        connection,
        "INSERT INTO live_sources SELECT * FROM unnest(%b::text[], %b::bigint[], %b::bigint[], %b::bigint[])"
        " ON CONFLICT (actor) DO UPDATE SET acts = live_sources.acts + excluded.acts,"
        " last_index = excluded.last_index, last_us = excluded.last_us",
        [(actor, *values) for actor, values in found.items()],
    )


def live_sources(connection: Connection) -> list[dict[str, Any]]:
    """``{"source", "kind", "acts", "last_index", "last_us"}`` of each, by source and kind."""
    rows = connection.execute("SELECT actor, acts, last_index, last_us FROM projections.live_sources").fetchall()
    told = [(*(adapter_of(actor) or ("", actor)), *rest) for actor, *rest in rows]
    return sorted(named(told, "kind source acts last_index last_us"), key=lambda one: (one["source"], one["kind"]))
