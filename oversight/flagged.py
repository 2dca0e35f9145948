"""A source's anomalies as they are published: ranked, named by the source's own case ids, with statements as evidence.

Promise: one row per case and kind, the highest score first, equals by case (its id as text), then by kind. A case
whose id was erased is named by its stream.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.facts.anomalies import Order
from ledger.facts.exact import number
from ledger.store.database import Connection
from projections import anomalies

CaseIds = Callable[[list[str]], dict[str, str]]
"""The source's own ids of streams, where they can still be opened."""


def flagged(
    connection: Connection, source: str, *, case_ids: CaseIds, order: Order | None = None, limit: int | None = None
) -> list[dict[str, Any]]:
    """``[{"case", "kind", "score", "evidence", "base_rate", "zh", "en"}]``, inside the caller's transaction."""
    found = anomalies.ranked(connection, source, order=order, limit=limit)
    streams = anomalies.streams_of(connection, source, [anomaly.case for anomaly in found])
    ids = case_ids(sorted(set(streams.values())))
    names = {case: ids.get(stream, stream) for case, stream in streams.items()}
    found.sort(key=lambda anomaly: (-anomaly.score, names[anomaly.case], anomaly.kind))
    shown = found[:limit]
    statements = anomalies.statement_ids(connection, [leaf for anomaly in shown for leaf in anomaly.leaves])
    return [
        {
            "case": names[anomaly.case],
            "kind": anomaly.kind,
            "score": anomaly.score,
            "evidence": [statements[leaf] for leaf in anomaly.leaves],
            "base_rate": number(anomaly.base_rate),
            "zh": anomaly.zh,
            "en": anomaly.en,
        }
        for anomaly in shown
    ]
