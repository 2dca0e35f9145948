"""The real log, read by the shortest means, so that the figures are tested before and beside our own reader."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from ledger.facts.metrics import Event, Term

RECEIPT = Path(__file__).parents[3] / "shared" / "data" / "Receipt.xes.gz"


@dataclass(frozen=True, slots=True)
class Log:
    cases: list[list[Event]]
    terms: list[Term]


def microseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.fixture(scope="session")
def receipt() -> Log:
    if not RECEIPT.exists():
        pytest.skip(f"the real log is not at {RECEIPT}")
    log = Log([], [])
    with gzip.open(RECEIPT) as file:
        for _, trace in etree.iterparse(file, tag="{*}trace", resolve_entities=False, no_network=True):
            of_case = {a.get("key"): a.get("value") for a in trace}
            start, deadline, end = (
                microseconds(of_case[key]) if key in of_case else None for key in ("startdate", "deadline", "enddate")
            )
            log.terms.append((of_case["concept:name"], start, deadline, end))
            events = [{a.get("key"): a.get("value") for a in e} for e in trace.iterchildren("{*}event")]
            log.cases.append(
                [(e["concept:name"], microseconds(e["time:timestamp"]), e["org:resource"]) for e in events]
            )
            trace.clear()
    return log
