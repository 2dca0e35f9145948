"""The clocks of trading procedures, as rows of ``clock_runs`` beside those of approvals.

Promise: as ``clocks``: due instants come from ``ledger.facts.trading_clocks`` over the procedure's acts and from
nowhere else. Their limits stand in a rule pack, so a pack that is adopted or withdrawn makes the runs of what is open
anew, as a schedule of working days does. A procedure has its acts in ``matter_acts``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import orjson

from ledger.facts.card_rules import trading_rules
from ledger.facts.case_clocks import ClocksByAct, TimedAct
from ledger.facts.figures.of_cases import run_row
from ledger.facts.trading_clocks import TradingFold, TradingRules
from ledger.store.database import Connection
from projections.chunk import Act, Chunk, Spans
from projections.clocks import KEY, VALUES, calendar_before, packs_before

DDL: Final = """
CREATE INDEX ON matter_acts (leaf_index) WHERE kind = 'trading' AND type = 'trading.planned.v1';
"""

TABLES: Final[dict[str, str]] = {}

_MANY: Final = 200
_ENDS: Final = ["trading.completed.v1", "trading.cancelled.v1"]


# ── Apply ──────────────────────────────────────────────────────────────────────────────────────────────────


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts on procedures (their rows in ``matter_acts`` stand already), rule packs and schedules."""
    waiting: list[Act] = []
    for act in chunk.of("trading", "rulepack", "calendar"):
        if act.said.kind == "trading":
            waiting.append(act)
        elif not act.said.type.endswith(".change_proposed.v1"):
            _apply_acts(connection, waiting)
            waiting = []
            _apply_anew(connection, act)
    _apply_acts(connection, waiting)


def _apply_acts(connection: Connection, acts: list[Act]) -> None:
    if not acts:
        return
    rules = trading_rules(packs_before(connection, acts[0].index))
    if not rules.clocks:
        return
    procedures = _load(connection, rules, sorted({act.said.stream for act in acts}), acts[0].index)
    versions = Spans(KEY)
    for act in acts:
        clocks, runs = procedures[act.said.stream]
        clocks.take(TimedAct.of(act.said, act.recorded_us))
        _move(versions, act.said.stream, clocks, runs, act)
    versions.write(connection, "clock_runs", VALUES)


def _apply_anew(connection: Connection, act: Act) -> None:
    rules = trading_rules(packs_before(connection, act.index + 1))
    rows = connection.execute(
        "SELECT stream FROM matter_acts p WHERE kind = 'trading' AND type = 'trading.planned.v1' AND leaf_index < %s"
        " AND NOT EXISTS (SELECT FROM matter_acts e WHERE e.stream = p.stream AND e.type = ANY(%s)"
        " AND e.leaf_index < %s)"
        " GROUP BY stream ORDER BY stream",
        (act.index, _ENDS, act.index),
    ).fetchall()
    versions = Spans(KEY)
    for low in range(0, len(rows), _MANY):
        found = _load(connection, rules, [stream for (stream,) in rows[low : low + _MANY]], act.index)
        for stream, (clocks, runs) in found.items():
            _move(versions, stream, clocks, runs, act)
    versions.write(connection, "clock_runs", VALUES)


_Runs = dict[tuple[Any, ...], tuple[Any, ...]]


def _move(versions: Spans, stream: str, clocks: ClocksByAct, runs: _Runs, act: Act) -> None:
    found: _Runs = dict(run_row(run) for run in clocks.runs(act.recorded_us))
    for key in [*found, *(key for key in runs if key not in found)]:
        versions.move((stream, *key), runs.get(key), found.get(key), act.index)
    runs.clear()
    runs.update(found)


def _load(
    connection: Connection, rules: TradingRules, streams: Sequence[str], before: int
) -> dict[str, tuple[ClocksByAct, _Runs]]:
    acts: dict[str, list[TimedAct]] = {stream: [] for stream in streams}
    for stream, _, act in _acts(connection, streams, before=before, table="matter_acts"):
        acts[stream].append(act)
    calendar = calendar_before(connection, before + 1)
    found: dict[str, tuple[ClocksByAct, _Runs]] = {
        stream: (ClocksByAct(rules, known, calendar, fold=TradingFold), {}) for stream, known in acts.items()
    }
    columns = f"{' '.join(KEY)} {VALUES}".replace(" ", ", ")
    query = f"SELECT {columns} FROM clock_runs WHERE stream = ANY(%b) AND to_index IS NULL"  # noqa: S608 constants
    for row in connection.execute(query.encode(), (list(streams),)):
        found[row[0]][1][row[1:5]] = row[5:]
    return found


def _acts(
    connection: Connection, streams: Sequence[str], *, before: int | None, table: str
) -> Iterator[tuple[str, int, TimedAct]]:
    rows = connection.execute(
        f"SELECT stream, leaf_index, seq, type, data::text, at_us, recorded_us FROM {table}"  # noqa: S608 constants
        " WHERE stream = ANY(%s) AND (%s::bigint IS NULL OR leaf_index < %s) ORDER BY stream, leaf_index".encode(),
        (list(streams), before, before),
    )
    for stream, leaf, seq, type_, data, at_us, recorded_us in rows:
        act = TimedAct(seq=seq, type=type_, data=orjson.loads(data), claimed_us=at_us, recorded_us=recorded_us)
        yield stream, leaf, act


# ── Reads ──────────────────────────────────────────────────────────────────────────────────────────────────


def timed_acts(connection: Connection, streams: Sequence[str]) -> Iterator[tuple[str, int, TimedAct]]:
    """``(stream, leaf index, act)`` of every act on those procedures, by stream and then in the order of the log."""
    return _acts(connection, streams, before=None, table="projections.matter_acts")


def opened(connection: Connection) -> list[str]:
    """The streams of the procedures that are not complete or cancelled, in order."""
    rows = connection.execute(
        "SELECT stream FROM projections.matter_acts p WHERE kind = 'trading' AND type = 'trading.planned.v1'"
        " AND NOT EXISTS (SELECT FROM projections.matter_acts e WHERE e.stream = p.stream AND e.type = ANY(%s))"
        " GROUP BY stream ORDER BY stream",
        (_ENDS,),
    )
    return [stream for (stream,) in rows]


def streams(connection: Connection) -> list[str]:
    """The streams of all procedures, ended ones too, in order."""
    rows = connection.execute(
        "SELECT DISTINCT stream FROM projections.matter_acts"
        " WHERE kind = 'trading' AND type = 'trading.planned.v1' ORDER BY stream"
    )
    return [stream for (stream,) in rows]
