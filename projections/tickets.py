"""Tickets of the hall: how each stands, how long it waited, and which were waiting or being served as of any position.

Promise: states come from the fold of ``ledger.facts.ticket``. Times are recorded times. A ticket is *open* until it
is served or expired.
"""

from __future__ import annotations

from typing import Any, Final

from psycopg import sql

from ledger.facts.shown import ShownTicket
from ledger.facts.ticket import FOLD, LAST_WAITS, Stage, Ticket
from ledger.store.database import Connection
from projections.chunk import Chunk, Spans, named, write_rows

DDL: Final = """
CREATE TABLE tickets (
    stream      text   COLLATE "C" NOT NULL PRIMARY KEY,
    stage       text   COLLATE "C" NOT NULL,
    number      text   COLLATE "C" NOT NULL,
    queue       text   COLLATE "C" NOT NULL,
    channel     text   COLLATE "C" NOT NULL,      -- through which it was taken
    opener      text   COLLATE "C" NOT NULL,
    win         text   COLLATE "C",               -- the window that called it last
    calls       bigint NOT NULL,
    served_case text   COLLATE "C",               -- for which case it was served
    first_index bigint NOT NULL,
    last_index  bigint NOT NULL,
    taken_us    bigint NOT NULL,                  -- recorded, µs since 1970 UTC
    called_us   bigint,                           -- the first call
    ended_us    bigint                            -- served or expired
);
CREATE TABLE ticket_open (
    stream     text   COLLATE "C" NOT NULL,
    from_index bigint NOT NULL,                   -- as in approval_open
    to_index   bigint,
    stage      text   COLLATE "C" NOT NULL,
    queue      text   COLLATE "C" NOT NULL,
    win        text   COLLATE "C",
    PRIMARY KEY (stream, from_index)
);
CREATE INDEX ON ticket_open USING gist (int8range(from_index, to_index));
CREATE INDEX ON ticket_open (stream) WHERE to_index IS NULL;
CREATE INDEX ON ticket_open (stage, from_index) WHERE to_index IS NULL;
CREATE INDEX ON tickets (queue, called_us) WHERE called_us IS NOT NULL;
"""

TABLES: Final = {"tickets": "stream", "ticket_open": "stream, from_index"}

_COLUMNS: Final = (
    "stream stage number queue channel opener win calls served_case first_index last_index taken_us called_us ended_us"
)


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts on tickets."""
    acts = chunk.of("ticket")
    if not acts:
        return
    names = sql.SQL(", ").join(map(sql.Identifier, _COLUMNS.split()))
    rows = {
        row[0]: _ticket(*row[1:])
        for row in connection.execute(
            sql.SQL("SELECT {} FROM tickets WHERE stream = ANY(%b)").format(names),
            (sorted({act.said.stream for act in acts}),),
        )
    }
    registry, spans = chunk.registry(), Spans()
    for act in acts:
        stream = act.said.stream
        shown = rows.get(stream)
        before = None if shown is None else shown.span()
        state = FOLD.apply(None if shown is None else shown.state, act.said, act.recorded_us, registry)
        if shown is None:
            shown = rows[stream] = ShownTicket.opened(act.said, act.index, act.recorded_us, state)
        shown.take(act.said, act.index, act.recorded_us, state)
        spans.move(stream, before, shown.span(), act.index)
    write_rows(
        connection,
        "INSERT INTO tickets SELECT * FROM unnest(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[],"
        " %b::text[], %b::text[], %b::bigint[], %b::text[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[],"
        " %b::bigint[])"
        " ON CONFLICT (stream) DO UPDATE SET stage = excluded.stage, win = excluded.win, calls = excluded.calls,"
        " served_case = excluded.served_case, last_index = excluded.last_index, called_us = excluded.called_us,"
        " ended_us = excluded.ended_us",
        [shown.row(stream)[:-1] for stream, shown in rows.items()],
    )
    spans.write(connection, "ticket_open", "stage queue win")


def _ticket(
    stage: str,
    number: str,
    queue: str,
    channel: str,
    opener: str,
    window: str | None,
    calls: int,
    case: str | None,
    first_index: int,
    last_index: int,
    taken_us: int,
    called_us: int | None,
    ended_us: int | None,
) -> ShownTicket:
    state = Ticket(
        stage=Stage(stage),
        number=number,
        queue=queue,
        channel=channel,
        opener=opener,
        window=window,
        calls=calls,
        case=case,
    )
    return ShownTicket(state, first_index, taken_us, last_index, called_us, ended_us)


def by_queue(connection: Connection) -> list[dict[str, Any]]:
    """``{"queue", "stage", "window", "n", "first_us"}``: the open tickets of each queue, and since when the first."""
    rows = connection.execute(
        "SELECT o.queue, o.stage, o.win, count(*), min(t.taken_us) FROM projections.ticket_open o"
        " JOIN projections.tickets t USING (stream) WHERE o.to_index IS NULL GROUP BY 1, 2, 3 ORDER BY 5, 1, 3"
    )
    return named(rows, "queue stage window n first_us")


def taken_before(connection: Connection, us: int) -> list[tuple[str, int]]:
    """``(stream, taken µs)`` of the tickets that are open and were taken before ``us``, the oldest first."""
    return connection.execute(
        "SELECT t.stream, t.taken_us FROM projections.ticket_open o JOIN projections.tickets t USING (stream)"
        " WHERE o.to_index IS NULL AND t.taken_us < %s ORDER BY t.taken_us, t.stream",
        (us,),
    ).fetchall()


def waiting(
    connection: Connection, *, position: int | None = None, queue: str | None = None, window: str | None = None
) -> list[dict[str, Any]]:
    """The tickets open as of ``position`` (None: now), in the order in which they were taken."""
    wanted = [
        "o.to_index IS NULL" if position is None else "int8range(o.from_index, o.to_index) @> %(position)s::bigint - 1"
    ]
    if queue is not None:
        wanted.append("o.queue = %(queue)s")
    if window is not None:
        wanted.append("o.win = %(window)s")
    rows = connection.execute(
        sql.SQL(
            "SELECT t.stream, t.number, o.stage, o.queue, o.win, o.from_index, t.taken_us"
            " FROM projections.ticket_open o JOIN projections.tickets t USING (stream) WHERE {} ORDER BY t.first_index"
        ).format(sql.SQL(" AND ").join(map(sql.SQL, wanted))),
        {"position": position, "queue": queue, "window": window},
    )
    return named(rows, "stream number stage queue window since_index taken_us")


Hall = tuple[list[str], list[str]]
"""Windows and queues of a part of the hall."""


def newest(connection: Connection, stage: str, *, hall: Hall | None = None, limit: int) -> dict[str, Any]:
    """``{"n", "tickets": [{"number", "queue", "window", "calls"}]}``: open tickets in ``stage``, the last one first.

    ``hall``: those of these windows or queues only.
    """
    wanted = (
        " FROM projections.ticket_open o WHERE o.to_index IS NULL AND o.stage = %(stage)s"
        " AND (%(queues)s::text[] IS NULL OR o.win = ANY(%(windows)s) OR o.queue = ANY(%(queues)s))"
    )
    windows, queues = (None, None) if hall is None else hall
    values = {"stage": stage, "windows": windows, "queues": queues, "limit": limit}
    count = connection.execute(f"SELECT count(*){wanted}".encode(), values).fetchone()
    assert count is not None
    rows = connection.execute(
        "SELECT t.number, o.queue, o.win, t.calls FROM (SELECT stream, queue, win, from_index"  # noqa: S608 constants
        f"{wanted} ORDER BY o.from_index DESC LIMIT %(limit)s) AS o JOIN projections.tickets t USING (stream)"
        " ORDER BY o.from_index DESC".encode(),
        values,
    )
    return {"n": count[0], "tickets": named(rows, "number queue window calls")}


def waits(connection: Connection, *, since_us: int, hall: Hall | None = None) -> list[dict[str, Any]]:
    """``{"queue", "n", "waits_us"}``: how many wait in each queue, the longest first, and how long its last
    ``LAST_WAITS`` tickets since ``since_us`` waited for their first call.
    """
    rows = connection.execute(
        "SELECT q.queue, q.n, array(SELECT t.called_us - t.taken_us FROM projections.tickets t WHERE t.queue = q.queue"
        " AND t.called_us >= %(since)s ORDER BY t.called_us DESC LIMIT %(last)s) FROM (SELECT queue, count(*) AS n"
        " FROM projections.ticket_open WHERE to_index IS NULL AND stage = 'taken'"
        " AND (%(queues)s::text[] IS NULL OR queue = ANY(%(queues)s)) GROUP BY queue) AS q ORDER BY q.n DESC, q.queue",
        {"since": since_us, "last": LAST_WAITS, "queues": None if hall is None else hall[1]},
    )
    return named(rows, "queue n waits_us")
