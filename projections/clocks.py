"""The clocks of live approvals: every run, when it is due, and what it was as of any position.

Promise: due instants come from ``ledger.facts.case_clocks`` over the case's acts and from nowhere else. A row is a
version of one run: it holds from the leaf that made it so to the leaf that changed it. Whether a run is overdue
depends on when one asks, so it is not stored: ``due_us`` is, and an index finds what has passed it.

Procedures of trading have rows here too, which ``trades`` writes.

The calendar is the shipped one with the schedules that the log holds, as known on the day of the act. A schedule that
enters the log makes the open runs anew; one that the log knew before it was in force counts from the case's next act.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ledger.facts.calendar import Calendar, YearSchedule, calendar_with
from ledger.facts.card_rules import Pack, in_force
from ledger.facts.case_clocks import ClocksByAct, ItemRules, TimedAct
from ledger.facts.figures.of_cases import run_row
from ledger.facts.registry import Registry
from ledger.statement import StatementId
from ledger.store.database import Connection
from projections.chunk import Act, Chunk, Spans, named

DDL: Final = """
CREATE TABLE clock_runs (
    stream        text    COLLATE "C" NOT NULL,
    clock         text    COLLATE "C" NOT NULL,   -- statutory, joint, promise, gap_notice, branch, step, delivery …
    branch        text    COLLATE "C" NOT NULL,   -- '' for a clock of the whole case
    step          text    COLLATE "C" NOT NULL,   -- '' for other clocks
    number        bigint  NOT NULL,               -- 1, 2, … of this clock
    from_index    bigint  NOT NULL,               -- leaf of the act that made it so
    to_index      bigint,                         -- leaf of the act that changed it; null: it holds
    unit          text    COLLATE "C" NOT NULL,   -- working-day, calendar-day, hour
    limit_units   bigint  NOT NULL,               -- extension included
    extension     bigint  NOT NULL,
    started_us    bigint  NOT NULL,
    stopped_us    bigint,
    paused        boolean NOT NULL,
    due_us        bigint,                         -- its last instant; null: not yet known
    not_before_us bigint,                         -- where it is not: a bound
    PRIMARY KEY (stream, clock, branch, step, number, from_index)
);
CREATE INDEX ON clock_runs (due_us) WHERE to_index IS NULL AND stopped_us IS NULL;
CREATE INDEX ON clock_runs (stream) WHERE to_index IS NULL;
CREATE INDEX ON clock_runs USING gist (int8range(from_index, to_index)) WHERE stopped_us IS NULL;
"""

TABLES: Final = {"clock_runs": "stream, clock, branch, step, number, from_index"}

KEY: Final = {"stream": "text", "clock": "text", "branch": "text", "step": "text", "number": "bigint"}
VALUES: Final = "unit limit_units extension started_us stopped_us paused due_us not_before_us"
_CASES: Final = 500


# ── Apply ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Case:
    """What the clocks of one case need, for the length of a chunk: its acts so far and its runs as they stand."""

    rules: ItemRules
    acts: list[TimedAct]
    runs: dict[tuple[Any, ...], tuple[Any, ...]]
    clocks: ClocksByAct | None = None


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts on approvals (their rows in ``approval_acts`` stand already) and schedules of working days."""
    acts = chunk.of("approval", "calendar")
    if not acts:
        return
    # A schedule asks every open case as it stood there: what came before it is written first.
    waiting: list[Act] = []
    for act in acts:
        if act.said.kind == "approval":
            waiting.append(act)
        elif not act.said.type.endswith(".change_proposed.v1"):
            _apply_acts(connection, chunk.registry(), waiting)
            waiting = []
            _apply_schedule(connection, chunk.registry(), act)
    _apply_acts(connection, chunk.registry(), waiting)


def _apply_acts(connection: Connection, registry: Registry, acts: list[Act]) -> None:
    if not acts:
        return
    calendar = calendar_before(connection, acts[0].index)
    cases = _load(connection, registry, sorted({act.said.stream for act in acts}), acts[0].index)
    versions = Spans(KEY)
    for act in acts:
        case = cases[act.said.stream]
        if case.clocks is None:
            case.clocks = ClocksByAct(case.rules, case.acts, calendar)
        case.clocks.take(TimedAct.of(act.said, act.recorded_us))
        _move(versions, act.said.stream, case, case.clocks, act)
    versions.write(connection, "clock_runs", VALUES)


def _apply_schedule(connection: Connection, registry: Registry, act: Act) -> None:
    rows = connection.execute(
        "SELECT DISTINCT stream FROM clock_runs WHERE to_index IS NULL AND stopped_us IS NULL"
        " AND stream LIKE 'approval/%' ORDER BY stream"
    ).fetchall()
    calendar = calendar_before(connection, act.index + 1)
    versions = Spans(KEY)
    for low in range(0, len(rows), _CASES):
        cases = _load(connection, registry, [stream for (stream,) in rows[low : low + _CASES]], act.index)
        for stream, case in cases.items():
            _move(versions, stream, case, ClocksByAct(case.rules, case.acts, calendar), act)
    versions.write(connection, "clock_runs", VALUES)


def _move(versions: Spans, stream: str, case: _Case, clocks: ClocksByAct, act: Act) -> None:
    """Reckon the case's runs as of ``act`` and note what is different."""
    found: dict[tuple[Any, ...], tuple[Any, ...]] = dict(run_row(run) for run in clocks.runs(act.recorded_us))
    # A run may be gone: the joint clock takes the statutory one's place.
    for key in [*found, *(key for key in case.runs if key not in found)]:
        versions.move((stream, *key), case.runs.get(key), found.get(key), act.index)
    case.runs = found


def calendar_before(connection: Connection, before: int) -> Calendar:
    """The shipped schedules, and those that the log holds before that leaf (for an ``apply``)."""
    of_log = connection.execute(
        "SELECT data::text FROM registry_versions WHERE kind = 'calendar' AND NOT proposal AND leaf_index < %s"
        " ORDER BY leaf_index",
        (before,),
    ).fetchall()
    return calendar_with(tuple(YearSchedule.from_json(orjson.loads(data)) for (data,) in of_log))


def packs_before(connection: Connection, before: int) -> list[Pack]:
    """The rule packs in force before that leaf (for an ``apply``)."""
    rows = connection.execute(
        "SELECT stream, type, data::text, recorded_us FROM registry_versions WHERE kind = 'rulepack' AND NOT proposal"
        " AND leaf_index < %s ORDER BY leaf_index",
        (before,),
    ).fetchall()
    acts = ((stream, type_, orjson.loads(data), recorded_us) for stream, type_, data, recorded_us in rows)
    return [each.pack for each in in_force(acts)]


def _load(connection: Connection, registry: Registry, streams: list[str], before: int) -> dict[str, _Case]:
    """The cases with their acts before that leaf, and their runs as they are written."""
    cases: dict[str, _Case] = {}
    for stream, version in connection.execute(
        "SELECT stream, item_version FROM approvals WHERE stream = ANY(%b) ORDER BY stream", (streams,)
    ):
        cases[stream] = _Case(registry.item_versions[StatementId(bytes.fromhex(version))].rules, [], {})
    for stream, seq, type_, data, at_us, recorded_us in connection.execute(
        "SELECT stream, seq, type, data::text, at_us, recorded_us FROM approval_acts"
        " WHERE stream = ANY(%b) AND leaf_index < %s ORDER BY stream, leaf_index",
        (streams, before),
    ):
        act = TimedAct(seq=seq, type=type_, data=orjson.loads(data), claimed_us=at_us, recorded_us=recorded_us)
        cases[stream].acts.append(act)
    columns = f"{' '.join(KEY)} {VALUES}".replace(" ", ", ")
    query = f"SELECT {columns} FROM clock_runs WHERE stream = ANY(%b) AND to_index IS NULL"  # noqa: S608 constants
    for row in connection.execute(query.encode(), (streams,)):
        cases[row[0]].runs[row[1:5]] = row[5:]
    return cases


# ── Reads ──────────────────────────────────────────────────────────────────────────────────────────────────


def case_runs(connection: Connection, stream: str, *, position: int | None = None) -> list[dict[str, Any]]:
    """The runs of one case as of ``position`` (None: now), in the order in which they started."""
    columns = f"clock branch step number from_index {VALUES}"
    rows = connection.execute(
        f"SELECT {columns.replace(' ', ', ')} FROM projections.clock_runs WHERE stream = %(stream)s"  # noqa: S608 constants
        " AND CASE WHEN %(position)s::bigint IS NULL THEN to_index IS NULL"
        " ELSE from_index < %(position)s AND (to_index IS NULL OR to_index >= %(position)s) END"
        " ORDER BY started_us, clock, branch, step, number".encode(),
        {"stream": stream, "position": position},
    )
    return named(rows, columns)


def due_list(
    connection: Connection,
    *,
    position: int | None = None,
    before_us: int | None = None,
    clock: str | None = None,
    limit: int = 50,
    offset: int = 0,
) -> dict[str, Any]:
    """``{"n", "runs": [...]}``: running clocks by due instant, the earliest first; those due before ``before_us``.

    As of ``position`` (None: now). Runs whose due date is not yet known come last.
    """
    held = "to_index IS NULL" if position is None else "int8range(from_index, to_index) @> %(position)s::bigint - 1"
    wanted = f"FROM projections.clock_runs WHERE {held} AND stopped_us IS NULL"
    wanted += " AND (%(clock)s::text IS NULL OR clock = %(clock)s)"
    wanted += " AND (%(before)s::bigint IS NULL OR due_us < %(before)s)"
    values = {"clock": clock, "before": before_us, "limit": limit, "offset": offset, "position": position}
    count = connection.execute(f"SELECT count(*) {wanted}".encode(), values).fetchone()
    assert count is not None
    columns = f"stream clock branch step number {VALUES}"
    rows = connection.execute(
        f"SELECT {columns.replace(' ', ', ')} {wanted}"
        " ORDER BY due_us, stream, clock, branch, step, number LIMIT %(limit)s OFFSET %(offset)s".encode(),
        values,
    )
    return {"n": count[0], "runs": named(rows, columns)}


def by_clock(connection: Connection, *, now_us: int, soon_us: int, unit: str | None = None) -> list[dict[str, Any]]:
    """``{"clock", "running", "overdue", "soon", "paused", "unknown"}``: how the running clocks stand at ``now_us``.

    ``soon``: due from ``now_us`` until before ``soon_us``; ``unknown``: of which the due date is not yet known.
    ``unit``: only of cases whose item is the unit's.
    """
    rows = connection.execute(
        "SELECT clock, count(*), count(*) FILTER (WHERE due_us < %(now)s),"
        " count(*) FILTER (WHERE due_us >= %(now)s AND due_us < %(soon)s), count(*) FILTER (WHERE paused),"
        " count(*) FILTER (WHERE due_us IS NULL) FROM projections.clock_runs"
        " WHERE to_index IS NULL AND stopped_us IS NULL AND (%(unit)s::text IS NULL OR %(unit)s ="
        # Not EXISTS: the planner would read all cases of the unit, closed ones too, to ask once.
        " (SELECT a.unit FROM projections.approvals a WHERE a.stream = clock_runs.stream))"
        " GROUP BY clock ORDER BY clock",
        {"now": now_us, "soon": soon_us, "unit": unit},
    )
    return named(rows, "clock running overdue soon paused unknown")


def running(connection: Connection) -> set[str]:
    """The streams of the cases and trading procedures of which a clock runs, paused ones too."""
    rows = connection.execute(
        "SELECT DISTINCT stream FROM projections.clock_runs WHERE to_index IS NULL AND stopped_us IS NULL"
    )
    return {stream for (stream,) in rows}


def changed_since(connection: Connection, position: int) -> set[str]:
    """The streams of the cases and procedures that have an act, or a run that is another, from leaf ``position`` on."""
    rows = connection.execute(
        "SELECT stream FROM projections.clock_runs WHERE from_index >= %(since)s"
        " UNION SELECT stream FROM projections.approval_acts WHERE leaf_index >= %(since)s"
        " UNION SELECT stream FROM projections.matter_acts WHERE kind = 'trading' AND leaf_index >= %(since)s",
        {"since": position},
    )
    return {stream for (stream,) in rows}


def run_versions(connection: Connection, streams: Sequence[str]) -> list[tuple[Any, ...]]:
    """Every version of those cases' runs, former ones too; of each run in the order in which they came.

    ``(stream, clock, branch, step, number, from_index, started_us, limit_units, due_us)``: branch and step are ``""``
    where there is none, the limit is in the run's own units, ``due_us`` is None where it is not known yet.
    """
    return connection.execute(
        "SELECT stream, clock, branch, step, number, from_index, started_us, limit_units, due_us"
        " FROM projections.clock_runs WHERE stream = ANY(%s)"
        " ORDER BY stream, clock, branch, step, number, from_index",
        (list(streams),),
    ).fetchall()


def moved_by_schedule(connection: Connection, *, since: int) -> list[dict[str, Any]]:
    """Running clocks that a schedule at leaf ``since`` or later moved or settled, of the cases that do not say so yet.

    ``{"stream", "clock", "branch", "step", "number", "before_us", "after_us", "calendar", "recorded_us"}``, in the
    order of the log: ``calendar`` is the schedule's statement (hex); the instants are None where not known.
    """
    names = "stream clock branch step number before_us after_us calendar recorded_us"
    rows = connection.execute(
        "SELECT c.stream, c.clock, c.branch, c.step, c.number, p.due_us, c.due_us, s.statement, s.recorded_us"
        " FROM projections.registry_versions s JOIN projections.clock_runs c ON c.from_index = s.leaf_index"
        " JOIN projections.clock_runs p ON p.to_index = c.from_index"
        " AND (p.stream, p.clock, p.branch, p.step, p.number) = (c.stream, c.clock, c.branch, c.step, c.number)"
        " WHERE s.kind = 'calendar' AND NOT s.proposal AND s.leaf_index >= %s AND c.stopped_us IS NULL"
        " AND c.stream LIKE 'approval/%%'"
        " AND p.due_us IS DISTINCT FROM c.due_us"
        " AND NOT EXISTS (SELECT FROM projections.approval_acts a WHERE a.stream = c.stream"
        " AND a.type = 'approval.clocks_recomputed.v1' AND a.data ->> 'calendar' = s.statement)"
        " ORDER BY s.leaf_index, c.stream, c.started_us, c.clock, c.branch, c.step, c.number",
        (since,),
    )
    return named(rows, names)


def unknown(connection: Connection) -> dict[str, Any]:
    """``{"runs", "cases", "not_before_us"}``: running clocks due beyond the calendar, and the first bound."""
    rows = connection.execute(
        "SELECT count(*), count(DISTINCT stream), min(not_before_us) FROM projections.clock_runs"
        " WHERE to_index IS NULL AND stopped_us IS NULL AND due_us IS NULL AND NOT paused"
    )
    return named(rows, "runs cases not_before_us")[0]
