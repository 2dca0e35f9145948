"""The registries as of any position: units, windows, items, people, rosters, calendars, keys, policy.

Promise: every version that a governing statement stated, with the span of leaves for which it held. The registry that
decides what is valid is ``ledger.facts.registry``; this table is for looking things up and showing them.

Facts of one stream follow each other: a later one ends the former, and one that closes a thing (``item.retired``,
``staff.left`` …) ends it and is itself the last, ``closed``. Keys and calendars of a stream stand side by side: a key
ends when it is revoked or rotated, a year's schedule when another of the same year is published. Proposals are not
facts and stand here only as such.
"""

from __future__ import annotations

from typing import Any, Final

from psycopg import sql

from ledger.facts.registry import CLOSING
from ledger.facts.types import GOVERNING_KINDS
from ledger.keys import thumbprint
from ledger.store.database import Connection
from projections.chunk import Act, Chunk, copy_rows, json_text, named

DDL: Final = """
CREATE TABLE registry_versions (
    leaf_index  bigint  NOT NULL PRIMARY KEY,
    to_index    bigint,                           -- leaf of the statement that ended it; null: it holds
    kind        text    COLLATE "C" NOT NULL,     -- unit, window, item, staff …
    stream      text    COLLATE "C" NOT NULL,
    thing       text    COLLATE "C" NOT NULL,     -- what a later version ends: the stream, one key, one year
    type        text    COLLATE "C" NOT NULL,
    proposal    boolean NOT NULL,
    closed      boolean NOT NULL,                 -- it ended the thing
    statement   text    COLLATE "C" NOT NULL,     -- id, hex
    actor       text    COLLATE "C" NOT NULL,
    at_us       bigint  NOT NULL,
    recorded_us bigint  NOT NULL,
    data        jsonb   NOT NULL
);
CREATE INDEX ON registry_versions (thing, leaf_index);
CREATE INDEX ON registry_versions (stream, leaf_index);
CREATE INDEX ON registry_versions (kind, leaf_index);
"""

TABLES: Final = {"registry_versions": "leaf_index"}

_CLOSING: Final = frozenset({*CLOSING.values(), "key.revoked.v1"})
_COLUMNS: Final = "leaf_index to_index kind stream thing type proposal closed statement actor at_us recorded_us data"


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in governing statements."""
    rows: list[list[Any]] = []
    ends: list[tuple[str, int]] = []
    for act in chunk.of(*sorted(GOVERNING_KINDS)):
        said = act.said
        proposal = said.type.endswith(".change_proposed.v1")
        if said.type == "key.rotated.v1":
            ends.append((f"{said.stream}#{said.kid.hex()}", act.index))
        rows.append(
            [
                act.index,
                None,
                said.kind,
                said.stream,
                _thing(act, proposal=proposal),
                said.type,
                proposal,
                said.type in _CLOSING,
                said.id.hex(),
                said.actor,
                said.at_us,
                act.recorded_us,
                json_text(said.data),
            ]
        )
        if not proposal:
            ends.append((rows[-1][4], act.index))
    if not rows:
        return
    copy_rows(connection, "registry_versions", _COLUMNS, rows)
    for thing, index in ends:
        connection.execute(
            "UPDATE registry_versions SET to_index = %s WHERE thing = %s AND leaf_index < %s AND to_index IS NULL",
            (index, thing, index),
        )


def _thing(act: Act, *, proposal: bool) -> str:
    said = act.said
    if proposal or said.kind == "ledger":
        return said.id.hex()
    if said.kind == "key":
        kid = said.data["kid"] if said.type == "key.revoked.v1" else thumbprint(bytes.fromhex(said.data["key"])).hex()
        return f"{said.stream}#{kid}"
    if said.kind == "calendar":
        return f"{said.stream}#{said.data['year']}"
    return said.stream


def entries(
    connection: Connection, kind: str, *, position: int | None = None, closed: bool = False
) -> list[dict[str, Any]]:
    """What held in the registry of ``kind`` as of ``position`` (None: now), by thing; ``closed``: those ended too."""
    wanted = ["kind = %(kind)s", "NOT proposal"]
    if position is None:
        wanted.append("to_index IS NULL")
    else:
        wanted.append("leaf_index < %(position)s AND (to_index IS NULL OR to_index >= %(position)s)")
    if not closed:
        wanted.append("NOT closed")
    return _read(connection, wanted, {"kind": kind, "position": position}, order="thing, leaf_index")


def versions(connection: Connection, stream: str, *, position: int | None = None) -> list[dict[str, Any]]:
    """Every statement of a governing stream among the first ``position`` leaves, proposals included, in order."""
    wanted = ["stream = %(stream)s", "(%(position)s::bigint IS NULL OR leaf_index < %(position)s)"]
    return _read(connection, wanted, {"stream": stream, "position": position}, order="leaf_index")


def published(connection: Connection, kind: str, *, position: int | None = None) -> list[dict[str, Any]]:
    """All that was ever stated in the registry of ``kind`` among the first ``position`` leaves, proposals left out."""
    wanted = ["kind = %(kind)s", "NOT proposal", "(%(position)s::bigint IS NULL OR leaf_index < %(position)s)"]
    return _read(connection, wanted, {"kind": kind, "position": position}, order="leaf_index")


def _read(connection: Connection, wanted: list[str], values: dict[str, Any], *, order: str) -> list[dict[str, Any]]:
    query = sql.SQL("SELECT {} FROM projections.registry_versions WHERE {} ORDER BY {}").format(
        sql.SQL(", ").join(map(sql.Identifier, _COLUMNS.split())),
        sql.SQL(" AND ").join(map(sql.SQL, wanted)),
        sql.SQL(order),
    )
    return named(connection.execute(query, values), _COLUMNS)
