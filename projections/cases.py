"""Live approvals: what each case is now, every act on it, and which were open as of any position.

Promise: states come from the fold of ``ledger.facts.approval``; its result is kept between chunks as JSON, so that a
new act costs the same however long the case is. Live cases run on recorded time; the claimed time stands beside it.

A case is *open* until it is closed. An open case stands in the queue of its item's unit and of every unit whose
branch of a parallel review is open.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final

import orjson
from psycopg import sql

from ledger.errors import NotFound
from ledger.facts.approval import FOLD, Approval, Branch, Stage
from ledger.facts.case_clocks import ItemRules, TimedAct
from ledger.facts.registry import Registry
from ledger.facts.shown import ShownCase, kept
from ledger.statement import StatementId
from ledger.store.database import Connection
from projections.chunk import Chunk, Spans, copy_rows, json_text, named, write_rows

DDL: Final = """
CREATE TABLE approvals (
    stream       text    COLLATE "C" NOT NULL PRIMARY KEY,
    item         text    COLLATE "C" NOT NULL,
    item_version text    COLLATE "C" NOT NULL,    -- statement id, hex: the rules the case has
    unit         text    COLLATE "C" NOT NULL,    -- the item's
    win          text    COLLATE "C",             -- of the last act that names a window
    stage        text    COLLATE "C" NOT NULL,
    suspended    boolean NOT NULL,
    applied_us   bigint  NOT NULL,                -- claimed, µs since 1970 UTC
    received_us  bigint  NOT NULL,                -- recorded time of the application
    changed_us   bigint  NOT NULL,                -- recorded time of the last act
    first_index  bigint  NOT NULL,                -- leaf of the application
    last_index   bigint  NOT NULL,                -- leaf of the last act
    acts         bigint  NOT NULL,
    state        jsonb   NOT NULL                 -- the rest of the fold's state
);
CREATE TABLE approval_acts (
    stream      text   COLLATE "C" NOT NULL,
    leaf_index  bigint NOT NULL,
    seq         bigint NOT NULL,
    recorded_us bigint NOT NULL,
    at_us       bigint NOT NULL,
    type        text   COLLATE "C" NOT NULL,
    actor       text   COLLATE "C" NOT NULL,
    role        text   COLLATE "C" NOT NULL,
    unit        text   COLLATE "C",
    win         text   COLLATE "C",
    stage       text   COLLATE "C" NOT NULL,      -- after the act
    suspended   boolean NOT NULL,
    data        jsonb  NOT NULL,                  -- what the act says in clear
    PRIMARY KEY (stream, leaf_index)
);
CREATE TABLE approval_open (
    stream     text    COLLATE "C" NOT NULL,
    from_index bigint  NOT NULL,                  -- leaf of the act that began this state
    to_index   bigint,                            -- leaf of the act that ended it; null: it lasts
    stage      text    COLLATE "C" NOT NULL,
    suspended  boolean NOT NULL,
    item       text    COLLATE "C" NOT NULL,
    units      text[]  COLLATE "C" NOT NULL,      -- in whose queues it stands, sorted
    win        text    COLLATE "C",
    PRIMARY KEY (stream, from_index)
);
CREATE INDEX ON approval_open USING gist (int8range(from_index, to_index));
CREATE INDEX ON approval_open (stream) WHERE to_index IS NULL;
"""

TABLES: Final = {
    "approvals": "stream",
    "approval_acts": "stream, leaf_index",
    "approval_open": "stream, from_index",
}


# ── Apply ──────────────────────────────────────────────────────────────────────────────────────────────────


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts on approvals."""
    acts = chunk.of("approval")
    if not acts:
        return
    registry = chunk.registry()
    cases = _load(connection, {act.said.stream for act in acts}, registry)
    rows: list[tuple[Any, ...]] = []
    spans = Spans()
    for act in acts:
        said = act.said
        case = cases.get(said.stream)
        before = None if case is None else case.span()
        state = FOLD.apply(None if case is None else case.state, said, act.recorded_us, registry)
        if case is None:
            case = cases[said.stream] = ShownCase.opened(said, act.index, act.recorded_us, state)
        case.take(said, act.index, act.recorded_us, state)
        spans.move(said.stream, before, case.span(), act.index)
        rows.append(
            (
                said.stream,
                act.index,
                said.seq,
                act.recorded_us,
                said.at_us,
                said.type,
                said.actor,
                said.role,
                said.unit,
                said.window,
                str(state.stage),
                state.is_suspended,
                json_text(said.data),
            )
        )
    columns = "stream leaf_index seq recorded_us at_us type actor role unit win stage suspended data"
    copy_rows(connection, "approval_acts", columns, rows)
    _save(connection, cases)
    spans.write(connection, "approval_open", "stage suspended item units win")


def _load(connection: Connection, streams: set[str], registry: Registry) -> dict[str, ShownCase]:
    found = connection.execute(
        "SELECT stream, stage, item, state::text, item_version, unit, win, applied_us, received_us, first_index,"
        " changed_us, last_index, acts FROM approvals WHERE stream = ANY(%b)",
        (sorted(streams),),
    )
    cases: dict[str, ShownCase] = {}
    for stream, stage, item, text, version, *rest in found:
        rules = registry.item_versions[StatementId(bytes.fromhex(version))].rules
        cases[stream] = ShownCase(_state(stage, item, rules, orjson.loads(text)), version, *rest)
    return cases


def _save(connection: Connection, cases: dict[str, ShownCase]) -> None:
    rows = [
        (
            stream,
            case.state.item,
            case.item_version,
            case.unit,
            case.window,
            str(case.state.stage),
            case.state.is_suspended,
            case.applied_us,
            case.received_us,
            case.changed_us,
            case.first_index,
            case.last_index,
            case.acts,
            orjson.dumps(kept(case.state)).decode(),
        )
        for stream, case in cases.items()
    ]
    write_rows(
        connection,
        "INSERT INTO approvals SELECT stream, item, item_version, unit, win, stage, suspended, applied_us, received_us,"
        " changed_us, first_index, last_index, acts, state::jsonb FROM unnest(%b::text[], %b::text[], %b::text[],"
        " %b::text[], %b::text[], %b::text[], %b::boolean[], %b::bigint[], %b::bigint[], %b::bigint[], %b::bigint[],"
        " %b::bigint[], %b::bigint[], %b::text[]) AS u (stream, item, item_version, unit, win, stage, suspended,"
        " applied_us, received_us, changed_us, first_index, last_index, acts, state)"
        " ON CONFLICT (stream) DO UPDATE SET win = excluded.win, stage = excluded.stage,"
        " suspended = excluded.suspended, changed_us = excluded.changed_us, last_index = excluded.last_index,"
        " acts = excluded.acts, state = excluded.state",
        rows,
    )


def _state(stage: str, item: str, rules: ItemRules, kept: dict[str, Any]) -> Approval:
    """The state that ``kept`` was made of."""
    return Approval(
        stage=Stage(stage),
        item=item,
        rules=rules,
        opener=kept["opener"],
        receiver=kept["receiver"],
        accepted_by=kept["accepted_by"],
        gaps=frozenset(kept["gaps"]),
        fill_by=kept["fill_by"],
        branches=tuple(Branch(*branch) for branch in kept["branches"]),
        steps=frozenset((branch, step) for branch, step in kept["steps"]),
        pauses=frozenset((branch, kind) for branch, kind in kept["pauses"]),
        extensions=tuple(kept["extensions"]),
        late=frozenset((seq, person) for seq, person in kept["late"]),
        outcome=kept["outcome"],
    )


# ── Reads ──────────────────────────────────────────────────────────────────────────────────────────────────


def queue(
    connection: Connection,
    *,
    position: int | None = None,
    unit: str | None = None,
    window: str | None = None,
    item: str | None = None,
    stages: Sequence[str] = (),
    suspended: bool | None = None,
    limit: int = 50,
    offset: int = 0,
) -> dict[str, Any]:
    """``{"n", "cases": [...]}``: the cases open as of ``position`` (the first so many leaves; None: now), oldest first.

    ``n`` counts all that match, not only the page.
    """
    wanted = [
        "q.to_index IS NULL" if position is None else "int8range(q.from_index, q.to_index) @> %(position)s::bigint - 1"
    ]
    for given, condition in (
        (unit, "%(unit)s = ANY(q.units)"),
        (window, "q.win = %(window)s"),
        (item, "q.item = %(item)s"),
        (suspended, "q.suspended = %(suspended)s"),
        (stages or None, "q.stage = ANY(%(stages)s)"),
    ):
        if given is not None:
            wanted.append(condition)
    values = {
        "position": position,
        "unit": unit,
        "window": window,
        "item": item,
        "stages": list(stages),
        "suspended": suspended,
        "limit": limit,
        "offset": offset,
    }
    then = sql.SQL(" WHERE {}").format(sql.SQL(" AND ").join(map(sql.SQL, wanted)))
    count = connection.execute(sql.SQL("SELECT count(*) FROM projections.approval_open q") + then, values).fetchone()
    assert count is not None
    page = sql.SQL(
        "SELECT q.stream, q.stage, q.suspended, q.item, q.units, q.win, q.from_index, a.applied_us, a.received_us"
        # A plain join makes the planner read every case there ever was: one look-up for each open one is less.
        " FROM projections.approval_open q CROSS JOIN LATERAL (SELECT applied_us, received_us, first_index"
        " FROM projections.approvals WHERE stream = q.stream LIMIT 1) AS a"
    )
    rows = connection.execute(
        page + then + sql.SQL(" ORDER BY a.first_index LIMIT %(limit)s OFFSET %(offset)s"), values
    )
    names = "stream stage suspended item units window since_index applied_us received_us"
    return {"n": count[0], "cases": named(rows, names)}


def by_stage(connection: Connection, *, unit: str | None = None) -> dict[str, int]:
    """How many live cases are open now, by stage; ``unit``: in whose queue."""
    rows = connection.execute(
        "SELECT stage, count(*) FROM projections.approval_open WHERE to_index IS NULL"
        " AND (%(unit)s::text IS NULL OR %(unit)s = ANY(units)) GROUP BY stage ORDER BY stage",
        {"unit": unit},
    )
    return dict(rows.fetchall())


def history(connection: Connection, stream: str, *, position: int | None = None) -> list[dict[str, Any]]:
    """A case's acts among the first ``position`` leaves, with the stage after each (NotFound for no such case)."""
    rows = connection.execute(
        "SELECT seq, leaf_index, recorded_us, at_us, type, actor, role, unit, win, stage, suspended"
        " FROM projections.approval_acts WHERE stream = %(stream)s"
        " AND (%(position)s::bigint IS NULL OR leaf_index < %(position)s) ORDER BY leaf_index",
        {"stream": stream, "position": position},
    ).fetchall()
    if not rows:
        raise NotFound(f"there is no case {stream} as of then", code="no-case", mend="name a case that was applied for")
    return named(rows, "seq leaf_index recorded_us at_us type actor role unit window stage suspended")


def streams(connection: Connection) -> list[str]:
    """The streams of all cases, closed ones too, in order."""
    return [stream for (stream,) in connection.execute("SELECT stream FROM projections.approvals ORDER BY stream")]


def rules_of(connection: Connection, streams: Sequence[str]) -> list[tuple[str, str, str]]:
    """``(stream, item_version, unit)`` of those cases: the statement (hex) whose rules each has, the item's unit."""
    return connection.execute(
        "SELECT stream, item_version, unit FROM projections.approvals WHERE stream = ANY(%s)", (list(streams),)
    ).fetchall()


def timed_acts(connection: Connection, streams: Sequence[str]) -> Iterator[tuple[str, int, TimedAct]]:
    """``(stream, leaf index, act)`` of every act on those cases, by stream and then in the order of the log."""
    rows = connection.execute(
        "SELECT stream, leaf_index, seq, type, data::text, at_us, recorded_us FROM projections.approval_acts"
        " WHERE stream = ANY(%s) ORDER BY stream, leaf_index",
        (list(streams),),
    )
    for stream, leaf, seq, type_, data, at_us, recorded_us in rows:
        act = TimedAct(seq=seq, type=type_, data=orjson.loads(data), claimed_us=at_us, recorded_us=recorded_us)
        yield stream, leaf, act


def gaps_to_lapse(connection: Connection, *, day: date) -> list[tuple[str, date]]:
    """``(stream, fill_by)`` of the cases with gaps whose last local day to fill them is before ``day``, by that day."""
    rows = connection.execute(
        "SELECT stream, state ->> 'fill_by' FROM projections.approvals"
        " WHERE stage IN ('accepted_with_gaps', 'in_review') AND state ->> 'fill_by' < %s"
        " AND state -> 'gaps' <> '[]'::jsonb ORDER BY 2, 1",
        (day.isoformat(),),
    )
    return [(stream, date.fromisoformat(fill_by)) for stream, fill_by in rows]
