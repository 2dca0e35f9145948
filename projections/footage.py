"""Footage as pages ask for it: clips and what was made of them, who may see them, and when nothing was recorded.

Promise: spans are claimed times by the recorder's clock, as its statements give them; what makes a grant valid is
``ledger.facts.grants``, which whoever serves footage asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ledger.facts.grants import WATCHING_US
from ledger.facts.types import verb_of
from ledger.statement import instant_us
from ledger.store.database import Connection
from projections.chunk import Act, Chunk, named

DDL: Final = """
CREATE TABLE clip_files (
    statement    text   COLLATE "C" NOT NULL PRIMARY KEY, -- that it was extracted, or derived; hex
    clip         text   COLLATE "C" NOT NULL,       -- statement of the clip it was made of; its own for a clip
    camera       text   COLLATE "C" NOT NULL,
    kind         text   COLLATE "C" NOT NULL,       -- clip, remuxed, transcoded, exact_cut
    sha256       text   COLLATE "C" NOT NULL,
    from_us      bigint NOT NULL,
    to_us        bigint NOT NULL,
    offset_us    bigint,                            -- the camera's clock less the recorder's
    placed_index bigint NOT NULL,
    placed_us    bigint NOT NULL
);
CREATE INDEX ON clip_files (clip);
CREATE TABLE clip_grants (
    stream     text   COLLATE "C" NOT NULL PRIMARY KEY,
    clip       text   COLLATE "C" NOT NULL,
    viewer     text   COLLATE "C" NOT NULL,
    complaint  text   COLLATE "C",
    purpose    text   COLLATE "C" NOT NULL,
    basis      text   COLLATE "C" NOT NULL,
    stage      text   COLLATE "C" NOT NULL,         -- requested, granted, refused, withdrawn
    rights     text[] NOT NULL,
    expires_us bigint,
    granter    text   COLLATE "C",
    views      bigint NOT NULL,                     -- watchings, of however many pieces
    asked_us   bigint NOT NULL,
    granted_us bigint,
    viewed_us  bigint                               -- the last of it
);
CREATE INDEX ON clip_grants (clip);
CREATE TABLE clip_redactions (
    stream text COLLATE "C" NOT NULL PRIMARY KEY,
    clip   text COLLATE "C" NOT NULL,
    sha256 text COLLATE "C" NOT NULL,
    stage  text COLLATE "C" NOT NULL                -- redacted, confirmed, rejected
);
CREATE INDEX ON clip_redactions (clip);
CREATE TABLE footage_gaps (
    camera  text   COLLATE "C" NOT NULL,
    from_us bigint NOT NULL,
    to_us   bigint,                                 -- null: it lasts
    cause   text   COLLATE "C" NOT NULL,            -- stopped: nobody meant to record
    said    bigint NOT NULL,                        -- leaf
    PRIMARY KEY (camera, said)
);
CREATE INDEX ON footage_gaps (camera, from_us);
"""

TABLES: Final = {
    "clip_files": "statement",
    "clip_grants": "stream",
    "clip_redactions": "stream",
    "footage_gaps": "camera, said",
}
_ENDS: Final = frozenset({"gap_ended", "recording_started"})


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts on footage, grants and redactions."""
    for act in chunk.of("footage", "grant", "redaction"):
        match act.said.kind:
            case "footage":
                _of_camera(connection, act)
            case "grant":
                _of_grant(connection, act)
            case _:
                _of_redaction(connection, act)


def _of_camera(connection: Connection, act: Act) -> None:
    said, data = act.said, act.said.data
    camera, verb = said.stream.partition("/")[2], verb_of(said.type)
    match verb:
        case "clip_extracted" | "clip_derived":
            connection.execute(
                "INSERT INTO clip_files VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    said.id.hex(),
                    data.get("clip", said.id.hex()),
                    camera,
                    data.get("kind", "clip"),
                    data["sha256"],
                    instant_us(data["since"]),
                    instant_us(data["until"]),
                    data.get("offset_us"),
                    act.index,
                    act.recorded_us,
                ),
            )
        case "gap_detected" | "recording_stopped":
            connection.execute(
                "INSERT INTO footage_gaps VALUES (%s, %s, NULL, %s, %s)",
                (camera, instant_us(data["at"]), data.get("cause", "stopped"), act.index),
            )
        case _ if verb in _ENDS:
            connection.execute(
                "UPDATE footage_gaps SET to_us = %s WHERE camera = %s AND to_us IS NULL",
                (instant_us(data["at"]), camera),
            )


def _of_grant(connection: Connection, act: Act) -> None:
    said, data = act.said, act.said.data
    match verb_of(said.type):
        case "clip_requested":
            connection.execute(
                "INSERT INTO clip_grants VALUES (%s, %s, %s, %s, %s, %s, 'requested', %s, NULL, NULL, 0, %s)",
                (
                    said.stream,
                    data["clip"],
                    data["viewer"],
                    data.get("complaint"),
                    data["purpose"],
                    data["basis"],
                    data["rights"],
                    act.recorded_us,
                ),
            )
        case "clip_granted":
            connection.execute(
                "UPDATE clip_grants SET stage = 'granted', rights = %s, expires_us = %s, granter = %s, granted_us = %s"
                " WHERE stream = %s",
                (data["rights"], instant_us(data["expires"]), said.actor, act.recorded_us, said.stream),
            )
        case "clip_refused":
            connection.execute("UPDATE clip_grants SET stage = 'refused' WHERE stream = %s", (said.stream,))
        case "grant_withdrawn":
            connection.execute("UPDATE clip_grants SET stage = 'withdrawn' WHERE stream = %s", (said.stream,))
        case "clip_viewed":
            connection.execute(
                "UPDATE clip_grants SET viewed_us = %(us)s, views = views"
                " + CASE WHEN %(us)s - viewed_us <= %(one)s THEN 0 ELSE 1 END WHERE stream = %(stream)s",
                {"us": act.recorded_us, "one": WATCHING_US, "stream": said.stream},
            )


def _of_redaction(connection: Connection, act: Act) -> None:
    said, data = act.said, act.said.data
    match verb_of(said.type):
        case "clip_redacted":
            connection.execute(
                "INSERT INTO clip_redactions VALUES (%s, %s, %s, 'redacted')",
                (said.stream, data["clip"], data["sha256"]),
            )
        case "redaction_confirmed":
            connection.execute("UPDATE clip_redactions SET stage = 'confirmed' WHERE stream = %s", (said.stream,))
        case "redaction_rejected":
            connection.execute("UPDATE clip_redactions SET stage = 'rejected' WHERE stream = %s", (said.stream,))


# ── Reads ──────────────────────────────────────────────────────────────────────────────────────────────────

_FILE: Final = "statement clip camera kind sha256 from_us to_us offset_us placed_index placed_us"
_GRANT: Final = (
    "stream clip viewer complaint purpose basis stage rights expires_us granter views asked_us granted_us viewed_us"
)


def files_of(connection: Connection, clips: Sequence[str]) -> list[dict[str, Any]]:
    """Those clips (their statements, hex) and what was made of them, in order."""
    columns = _FILE.replace(" ", ", ")
    rest = " FROM projections.clip_files WHERE clip = ANY(%s) ORDER BY placed_index"
    return named(connection.execute(f"SELECT {columns}{rest}".encode(), (list(clips),)), _FILE)


def grants_of(connection: Connection, clips: Sequence[str]) -> list[dict[str, Any]]:
    """The grants of those clips, in order."""
    columns = _GRANT.replace(" ", ", ")
    rest = " FROM projections.clip_grants WHERE clip = ANY(%s) ORDER BY asked_us, stream"
    return named(connection.execute(f"SELECT {columns}{rest}".encode(), (list(clips),)), _GRANT)


def redactions_of(connection: Connection, clips: Sequence[str]) -> list[dict[str, Any]]:
    """The redactions of those clips."""
    rows = connection.execute(
        "SELECT stream, clip, sha256, stage FROM projections.clip_redactions WHERE clip = ANY(%s) ORDER BY stream",
        (list(clips),),
    )
    return named(rows, "stream clip sha256 stage")


def gaps_of(connection: Connection, camera: str, from_us: int, to_us: int) -> list[dict[str, Any]]:
    """The gaps of a camera that have any of the span; ``to_us`` None: it lasts."""
    rows = connection.execute(
        "SELECT from_us, to_us, cause FROM projections.footage_gaps"
        " WHERE camera = %s AND from_us < %s AND (to_us IS NULL OR to_us > %s) ORDER BY from_us",
        (camera, to_us, from_us),
    )
    return named(rows, "from_us to_us cause")
