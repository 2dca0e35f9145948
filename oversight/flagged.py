"""Anomalies as they are published: ranked, named by case, with statements as evidence; and what is made of them.

Promise: one row per case and kind, the highest score first, equals by case (its id as text), then by kind. A case of an
imported source is named by the source's own id, or by its stream where that was erased; a live one by its stream. What
a supervisor has made of exactly this evidence, a row says too (``triage``: confirmed or dismissed).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall, open_ledger
from ledger.errors import Malformed, MingjianError, NotFound
from ledger.facts.anomalies import VERSIONS, Anomaly, Order
from ledger.facts.exact import Ratio, number
from ledger.facts.triage import KINDS, TRIAGED, stream_of
from ledger.keys import SigningKey
from ledger.registry.erasure import appointed_here, kept_here
from ledger.store.database import Connection
from projections import anomalies
from projections.runner import read_position, unmoved

CaseIds = Callable[[list[str]], dict[str, str]]
"""The source's own ids of streams, where they can still be opened."""
ROLE: Final = "supervisor"
KEPT: Final = 1000
EVERY_S: Final = 300.0
FIRST_S: Final = 20.0
_POLL_S: Final = 0.5
log = structlog.get_logger()


def flagged(
    connection: Connection, source: str, *, case_ids: CaseIds, order: Order | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """``[{"case", "kind", "score", "evidence", "base_rate", "zh", "en"}]`` of a source; ``triage`` if it was judged."""
    found = anomalies.ranked(connection, source, order=order, limit=limit)
    streams = anomalies.streams_of(connection, source, [anomaly.case for anomaly in found])
    ids = case_ids(sorted(set(streams.values())))
    return _rows(connection, found, streams, ids, limit)


def flagged_live(
    connection: Connection, *, position: int | None = None, order: Order | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """Those of the live log as of ``position`` (None: all that the projections have), as ``flagged``."""
    found, _ = _found(connection, position, order, limit)
    streams = anomalies.live_streams(connection, [anomaly.case for anomaly in found])
    return _rows(connection, found, streams, {}, limit, position=position)


def _found(
    connection: Connection, position: int | None, order: Order | None, limit: int | None
) -> tuple[list[Anomaly], tuple[int, int]]:
    standing = read_position(connection)
    if position is None or position >= standing.position:
        position, recorded_us = standing.position, standing.recorded_us
    else:
        recorded_us = anomalies.recorded_before(connection, position)
    if recorded_us is None:
        return [], (position, 0)
    return anomalies.ranked_live(connection, position, recorded_us, order=order, limit=limit), (position, recorded_us)


def _rows(
    connection: Connection,
    found: list[Anomaly],
    streams: Mapping[int, str],
    ids: Mapping[str, str],
    limit: int | None,
    *,
    position: int | None = None,
) -> list[dict[str, Any]]:
    names = {case: ids.get(stream, stream) for case, stream in streams.items()}
    found.sort(key=lambda anomaly: (-anomaly.score, names[anomaly.case], anomaly.kind))
    shown = found[:limit]
    statements = anomalies.statement_ids(connection, [leaf for anomaly in shown for leaf in anomaly.leaves])
    evidence = [[statements[leaf] for leaf in anomaly.leaves] for anomaly in shown]
    triage = [stream_of(row.kind, streams[row.case], of) for row, of in zip(shown, evidence, strict=True)]
    judged = anomalies.judged(connection, triage, position=position)
    return [
        {
            "case": names[anomaly.case],
            "kind": anomaly.kind,
            "score": anomaly.score,
            "evidence": of,
            "base_rate": number(anomaly.base_rate),
            "zh": anomaly.zh,
            "en": anomaly.en,
        }
        | ({"triage": judged[stream]} if stream in judged else {})
        for anomaly, of, stream in zip(shown, evidence, triage, strict=True)
    ]


# ── What is made of them ───────────────────────────────────────────────────────────────────────────────────


def judge(
    desk: Desk, verdict: str, kind: str, case: str, evidence: Sequence[str], reason: str, *, request: str | None = None
) -> Outcome:
    """State that an anomaly was ``confirmed`` or ``dismissed``. ``case``: its stream; ``evidence``: ids of its row."""
    if verdict not in TRIAGED or kind not in KINDS:
        raise Malformed(f"{verdict} {kind} is nothing that can be said", code="usage", mend="confirmed A2, say")
    if not reason.strip():
        raise Malformed("a reason is wanted", code="usage", mend='--reason "what was found"')
    values = {"kind": kind, "version": VERSIONS[kind], "case": case, "evidence": list(evidence), "reason": reason}
    more: dict[str, Any] = {} if request is None else {"request": request}
    return desk.say(stream_of(kind, case, evidence), f"anomaly.{verdict}.v1", values, **more)


def supervisor(hall: Hall, actor: str | None = None, *, key: SigningKey | None = None) -> Desk:
    """The desk of that supervisor, or of whoever has the role and whose key is kept here.

    A ledger whose two key officers' keys are kept here (a demo's) and that has no supervisor gets one from them.
    """
    _, registry = hall.door.registry()
    if actor is None:
        actor = next(iter(kept_here(hall, registry, ROLE)), None) or appointed_here(hall, "staff/supervisor", ROLE)
    return Desk(door=hall.door, actor=actor, key=key or hall.keyring.actor(actor), role=ROLE)


def row_of(rows: Sequence[Mapping[str, Any]], case: str, kind: str) -> Mapping[str, Any]:
    """The row of that case and kind (NotFound when it is not listed). ``case``: its id, or its stream's last part."""
    for row in rows:
        if row["kind"] == kind and case in (row["case"], row["case"].partition("/")[2]):
            return row
    raise NotFound(
        f"there is no {kind} of {case}", code="no-anomaly", mend="mingjian anomalies list shows what there is"
    )


def precision(connection: Connection, *, position: int | None = None) -> list[dict[str, Any]]:
    """By kind and version of its detector, of those judged the share confirmed, with its 95 % Wilson interval.

    ``[{"kind", "version", "confirmed", "n", "value", "low", "high"}]``.
    """
    rows = []
    for kind, version, confirmed, n in anomalies.triaged(connection, position=position):
        share = Ratio(confirmed, n).as_json()
        share["confirmed"] = share.pop("part")
        rows.append({"kind": kind, "version": version} | share)
    return rows


# ── Kept for pages ─────────────────────────────────────────────────────────────────────────────────────────


def refresh(hall: Hall, *, keep: int = KEPT) -> dict[str, Any]:
    """Look at the live log as far as the projections are, and keep the first rows: ``{"position", "n", "kept"}``.

    Nothing is done where the last run saw the same; the rows stand under their position (``anomalies.stored``).
    """
    with hall.database.use("reader") as connection, unmoved(connection):
        standing = read_position(connection)
        last = anomalies.stored(connection, limit=0)
        if last["position"] == standing.position or standing.recorded_us is None:
            return {"position": standing.position, "n": last["found"], "kept": min(keep, last["found"])}
        found, (position, recorded_us) = _found(connection, None, None, None)
        n = len(found)
        found = found[:keep]
        streams = anomalies.live_streams(connection, [row.case for row in found])
        rows = _rows(connection, found, streams, {}, keep)
    kept = [
        (
            row["case"],
            row["kind"],
            row["score"],
            row["base_rate"],
            row["evidence"],
            stream_of(row["kind"], row["case"], row["evidence"]),
            row["zh"],
            row["en"],
        )
        for row in rows
    ]
    with hall.database.use("owner") as connection:
        anomalies.store(connection, position, recorded_us, n, kept)
    return {"position": position, "n": n, "kept": len(kept)}


def run_anomalies(hall: Hall, stop: threading.Event, *, first_s: float = FIRST_S, every_s: float = EVERY_S) -> None:
    """Look again every so often until ``stop``, where there is something new.

    Each run has a process of its own, which gives way to everybody: in this one it would hold up the pages.
    """
    pause_s = first_s
    while not stop.wait(pause_s):
        pause_s = every_s
        try:
            if not _is_new(hall):
                continue
        except (MingjianError, psycopg.Error) as error:
            log.warning("the anomalies could not be looked at; trying again", error=str(error).strip())
            continue
        process = get_context("spawn").Process(target=_refresh_at, args=(hall.data,), name="anomalies", daemon=True)
        process.start()
        while process.is_alive() and not stop.wait(_POLL_S):
            continue
        process.terminate()
        process.join()


def _is_new(hall: Hall) -> bool:
    with hall.database.use("reader") as connection, connection.transaction():
        return bool(anomalies.stored(connection, limit=0)["position"] != read_position(connection).position)


def _refresh_at(data: Path) -> None:
    os.nice(10)
    with open_ledger(data) as hall:
        refresh(hall)
