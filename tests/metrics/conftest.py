"""The real log, read by the shortest means, so that the figures are tested before and beside our own reader."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from lxml import etree

from ledger.facts.metrics import Event, Term


@dataclass(frozen=True, slots=True)
class Log:
    cases: list[list[Event]]
    terms: list[Term]


def microseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


@pytest.fixture(scope="session")
def receipt(real_log: Path) -> Log:
    log = Log([], [])
    with gzip.open(real_log) as file:
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
