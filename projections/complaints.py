"""Efficiency complaints: how each stands as of any position, what it disputes, and the holds on footage for it.

Promise: stages come from the fold of ``ledger.facts.complaint``. Times are recorded times, so that how long it took
from a complaint to its hold is read off the log: ``sought_us`` less ``received_us``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import orjson
from psycopg import sql

from ledger.facts.complaint import FOLD, Complaint
from ledger.facts.disputed import complaint_of
from ledger.facts.types import verb_of
from ledger.statement import instant_us
from ledger.store.database import Connection
from projections.chunk import Act, Chunk, Spans, named

DDL: Final = """
CREATE TABLE complaints (
    stream         text   COLLATE "C" NOT NULL PRIMARY KEY,
    id             text   COLLATE "C" NOT NULL,     -- of the statement that received it, hex
    number         text   COLLATE "C",              -- as registered
    channel        text   COLLATE "C" NOT NULL,
    win            text   COLLATE "C",              -- where it says so itself
    since_us       bigint,                          -- claimed span, where no event is named
    until_us       bigint,
    events         text[] NOT NULL,                 -- ids of the statements it disputes
    allegations    bigint NOT NULL,
    received_index bigint NOT NULL,
    received_us    bigint NOT NULL,
    sought_us      bigint,                          -- holds were placed, or it was said why not
    accepted_us    bigint,
    accepted_id    text   COLLATE "C",
    refused_us     bigint,                          -- null again once a review is asked for
    refused_id     text   COLLATE "C"
);
CREATE INDEX ON complaints (received_index);
CREATE INDEX ON complaints (channel, received_us);
CREATE INDEX ON complaints (received_index) WHERE sought_us IS NULL;
CREATE INDEX ON complaints (refused_us) WHERE refused_us IS NOT NULL;
CREATE TABLE complaint_states (
    stream     text   COLLATE "C" NOT NULL,
    from_index bigint NOT NULL,                     -- as in approval_open
    to_index   bigint,
    stage      text   COLLATE "C" NOT NULL,
    outcome    text   COLLATE "C",
    state      jsonb  NOT NULL,                     -- what the fold keeps beside it
    PRIMARY KEY (stream, from_index)
);
CREATE INDEX ON complaint_states (stream) WHERE to_index IS NULL;
CREATE TABLE complaint_holds (
    hold         text    COLLATE "C" NOT NULL PRIMARY KEY, -- statement, hex
    complaint    text    COLLATE "C" NOT NULL,      -- stream
    camera       text    COLLATE "C" NOT NULL,
    from_us      bigint  NOT NULL,                  -- the span, half open
    to_us        bigint  NOT NULL,
    about        text[]  NOT NULL,                  -- cases and tickets
    provisional  boolean NOT NULL,
    expires_us   bigint,
    waits        boolean NOT NULL,                  -- for a person: not placed
    placed_index bigint  NOT NULL,
    placed_us    bigint  NOT NULL,
    ended        text    COLLATE "C",               -- released, lapsed; of one that waited also placed
    ended_us     bigint
);
CREATE INDEX ON complaint_holds (complaint);
CREATE INDEX ON complaint_holds (expires_us) WHERE ended IS NULL AND provisional;
"""

TABLES: Final = {"complaints": "stream", "complaint_states": "stream, from_index", "complaint_holds": "hold"}


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts on complaints, and the holds that complaints have."""
    _apply_complaints(connection, chunk)
    for act in chunk.of("footage"):
        _apply_hold(connection, act)


def _apply_complaints(connection: Connection, chunk: Chunk) -> None:
    acts = chunk.of("complaint")
    if not acts:
        return
    registry, spans, states = chunk.registry(), Spans(), dict[str, Complaint]()
    for stream, raw in connection.execute(
        "SELECT stream, state FROM complaint_states WHERE stream = ANY(%s) AND to_index IS NULL",
        (sorted({act.said.stream for act in acts}),),
    ):
        states[stream] = _state(raw)
    for act in acts:
        stream = act.said.stream
        before = states.get(stream)
        after = states[stream] = FOLD.apply(before, act.said, act.recorded_us, registry)
        spans.move(stream, _span(before), _span(after), act.index)
        if before is None:
            _open(connection, act)
        else:
            _move(connection, act)
    spans.write(connection, "complaint_states", "stage outcome state")


def _open(connection: Connection, act: Act) -> None:
    said, data = act.said, act.said.data
    connection.execute(
        "INSERT INTO complaints (stream, id, channel, win, since_us, until_us, events, allegations, received_index,"
        " received_us) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            said.stream,
            said.id.hex(),
            data["channel"],
            data.get("window"),
            instant_us(data["since"]) if "since" in data else None,
            instant_us(data["until"]) if "until" in data else None,
            data.get("events", []),
            len(data["allegations"]),
            act.index,
            act.recorded_us,
        ),
    )


def _move(connection: Connection, act: Act) -> None:
    said = act.said
    match verb_of(said.type):
        case "registered":
            _set(connection, said.stream, number=said.data["number"])
        case "evidence_held" | "evidence_missing":
            connection.execute(
                "UPDATE complaints SET sought_us = %s WHERE stream = %s AND sought_us IS NULL",
                (act.recorded_us, said.stream),
            )
        case "accepted":
            _set(connection, said.stream, accepted_us=act.recorded_us, accepted_id=said.id.hex())
        case "refused":
            _set(connection, said.stream, refused_us=act.recorded_us, refused_id=said.id.hex())
        case "review_asked":
            _set(connection, said.stream, refused_us=None)


def _set(connection: Connection, stream: str, **values: Any) -> None:
    pairs = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values)
    query = sql.SQL("UPDATE complaints SET {} WHERE stream = %s").format(pairs)
    connection.execute(query, (*values.values(), stream))


def _apply_hold(connection: Connection, act: Act) -> None:
    said, data = act.said, act.said.data
    verb = verb_of(said.type)
    match verb:
        case "hold_placed" | "hold_deferred" if complaint_of(data["ground"]) is not None:
            if verb == "hold_placed":
                connection.execute(
                    "UPDATE complaint_holds SET ended = 'placed', ended_us = %s WHERE complaint = %s AND camera = %s"
                    " AND waits AND ended IS NULL AND from_us >= %s AND to_us <= %s",
                    (
                        act.recorded_us,
                        data["ground"],
                        said.stream.partition("/")[2],
                        instant_us(data["since"]),
                        instant_us(data["until"]),
                    ),
                )
            expires = data.get("expires") or data.get("footage_until")
            connection.execute(
                "INSERT INTO complaint_holds VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    said.id.hex(),
                    data["ground"],
                    said.stream.partition("/")[2],
                    instant_us(data["since"]),
                    instant_us(data["until"]),
                    data.get("about", []),
                    data.get("provisional", True),
                    None if expires is None else instant_us(expires),
                    verb == "hold_deferred",
                    act.index,
                    act.recorded_us,
                ),
            )
        case "hold_extended":
            expires = data.get("expires")
            connection.execute(
                "UPDATE complaint_holds SET expires_us = %s, provisional = %s WHERE hold = %s",
                (None if expires is None else instant_us(expires), expires is not None, data["hold"]),
            )
        case "hold_lapsed" | "hold_released":
            connection.execute(
                "UPDATE complaint_holds SET ended = %s, ended_us = %s WHERE hold = %s",
                (verb.removeprefix("hold_"), act.recorded_us, data["hold"]),
            )


def _span(state: Complaint | None) -> tuple[Any, ...] | None:
    if state is None:
        return None
    return (state.stage, state.outcome, orjson.dumps(_kept(state), option=orjson.OPT_SORT_KEYS).decode())


def _kept(state: Complaint) -> dict[str, Any]:
    return {
        "stage": state.stage,
        "opener": state.opener,
        "hands": dict(state.hands),
        "tracking": state.tracking,
        "allegations": list(state.allegations),
        "complained_of": sorted(state.complained_of),
        "investigator": state.investigator,
        "heard": sorted(state.heard),
        "findings": dict(state.findings),
        "holds": sorted(state.holds),
        "extensions": state.extensions,
        "outcome": state.outcome,
    }


def _state(raw: dict[str, Any]) -> Complaint:
    # Grants are no stage and stand in none: whoever asks for them folds the stream.
    sets = {name: frozenset(raw[name]) for name in ("complained_of", "heard", "holds")}
    return Complaint(**(raw | sets | {"allegations": tuple(raw["allegations"])}))


# ── Reads ──────────────────────────────────────────────────────────────────────────────────────────────────

_COLUMNS: Final = (
    "stream id number channel win since_us until_us events allegations received_index received_us sought_us"
    " accepted_us accepted_id refused_us refused_id"
)
_HOLD: Final = (
    "hold complaint camera from_us to_us about provisional expires_us waits placed_index placed_us ended ended_us"
)
_PENDING: Final = (
    " FROM projections.complaint_holds JOIN projections.complaints ON stream = complaint"
    " WHERE ended IS NULL AND provisional AND NOT waits"
)
_OPEN: Final = ("received", "registered", "accepted", "investigated", "replied", "found")


def complaint_list(
    connection: Connection, *, position: int | None = None, stage: str | None = None, limit: int = 50, offset: int = 0
) -> dict[str, Any]:
    """``{"n", "complaints": [...]}``: complaints as of ``position`` (None: now), the newest first.

    Each has its columns, ``stage``, ``outcome``, how many holds there were (``holds``) and wait (``waiting``).
    """
    wanted = (
        " FROM projections.complaints c JOIN projections.complaint_states s USING (stream)"
        " WHERE CASE WHEN %(position)s::bigint IS NULL THEN s.to_index IS NULL"
        " ELSE s.from_index < %(position)s AND (s.to_index IS NULL OR s.to_index >= %(position)s) END"
        " AND (%(stage)s::text IS NULL OR s.stage = %(stage)s)"
    )
    values = {"position": position, "stage": stage, "limit": limit, "offset": offset}
    count = connection.execute(f"SELECT count(*){wanted}".encode(), values).fetchone()
    assert count is not None
    rest = f"{wanted} ORDER BY c.received_index DESC LIMIT %(limit)s OFFSET %(offset)s"
    found = _read(connection, f"{_COLUMNS} stage outcome", rest, values)
    held = holds_of(connection, [one["stream"] for one in found], position=position)
    for one in found:
        mine = [hold for hold in held if hold["complaint"] == one["stream"]]
        one["holds"] = sum(not hold["waits"] for hold in mine)
        one["waiting"] = sum(hold["waits"] and hold["ended"] is None for hold in mine)
    return {"n": count[0], "complaints": found}


def holds_of(connection: Connection, complaints: Sequence[str], *, position: int | None = None) -> list[dict[str, Any]]:
    """The holds placed or put off for those complaints (streams), in order; how each stands now."""
    return _read(
        connection,
        _HOLD,
        " FROM projections.complaint_holds WHERE complaint = ANY(%(complaints)s)"
        " AND (%(position)s::bigint IS NULL OR placed_index < %(position)s) ORDER BY placed_index, hold",
        {"complaints": list(complaints), "position": position},
    )


def unsought(connection: Connection, *, without: Sequence[str] = (), limit: int = 100) -> list[dict[str, Any]]:
    """Open complaints, but those ``without``, for which nobody has looked for footage, the oldest first."""
    return _read(
        connection,
        _COLUMNS,
        " FROM projections.complaints JOIN projections.complaint_states USING (stream)"
        " WHERE sought_us IS NULL AND to_index IS NULL AND stage = ANY(%(open)s) AND stream <> ALL(%(without)s)"
        " ORDER BY received_index LIMIT %(limit)s",
        {"open": list(_OPEN), "without": list(without), "limit": limit},
    )


def earlier_unnamed(connection: Connection, channel: str, *, since_us: int, before_index: int) -> int:
    """How many complaints that name no event came through ``channel`` since then, before that leaf."""
    row = connection.execute(
        "SELECT count(*) FROM projections.complaints WHERE channel = %s AND received_us > %s AND received_index < %s"
        " AND events = '{}'",
        (channel, since_us, before_index),
    ).fetchone()
    assert row is not None
    return int(row[0])


def to_lapse(connection: Connection, *, now_us: int, limit: int = 100) -> list[dict[str, Any]]:
    """Provisional holds whose expiry has come."""
    return _read(
        connection,
        _HOLD,
        " FROM projections.complaint_holds WHERE ended IS NULL AND provisional AND NOT waits AND expires_us <= %(now)s"
        " ORDER BY expires_us LIMIT %(limit)s",
        {"now": now_us, "limit": limit},
    )


def to_keep(connection: Connection) -> list[dict[str, Any]]:
    """Provisional holds of complaints that were accepted since, with ``accepted_id``."""
    return _read(
        connection,
        f"{_HOLD} accepted_id",
        f"{_PENDING} AND accepted_us IS NOT NULL ORDER BY placed_index, hold",
        {},
    )


def refused(connection: Connection) -> list[dict[str, Any]]:
    """Provisional holds of refused complaints, with ``refused_us`` and ``refused_id``."""
    return _read(
        connection,
        f"{_HOLD} refused_us refused_id",
        f"{_PENDING} AND refused_us IS NOT NULL AND accepted_us IS NULL AND expires_us IS NULL"
        " ORDER BY placed_index, hold",
        {},
    )


def _read(connection: Connection, names: str, rest: str, values: dict[str, Any]) -> list[dict[str, Any]]:
    return named(connection.execute(f"SELECT {names.replace(' ', ', ')}{rest}".encode(), values), names)
