"""The log that lies beside the repository, or a made-up one of the same family where none does."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.generate import generate_xes

REAL_LOG = Path(__file__).resolve().parents[3] / "shared" / "data" / "Receipt.xes.gz"

Pairs = list[tuple[str, str, str]]


@dataclass(frozen=True)
class KnownLog:
    path: Path
    cases: int
    events: int
    activities: int
    resources: int
    flags: dict[str, int]

    def walk(self) -> Iterator[tuple[Pairs, list[Pairs]]]:
        return walk(self.path)


def walk(path: Path) -> Iterator[tuple[Pairs, list[Pairs]]]:
    """Another library's view of a log: per trace its attributes and its events' as (type, key, value)."""

    def pairs(element: Any) -> Pairs:
        children = [(etree.QName(child).localname, child) for child in element if isinstance(child.tag, str)]
        return [(kind, child.get("key"), child.get("value")) for kind, child in children if kind != "event"]

    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for _, trace in etree.iterparse(file, tag="{*}trace", resolve_entities=False):
            yield pairs(trace), [pairs(event) for event in trace.iterfind("{*}event")]
            trace.clear()


@pytest.fixture(scope="session")
def walk_log() -> Callable[[Path], Iterator[tuple[Pairs, list[Pairs]]]]:
    return walk


@pytest.fixture(scope="session")
def known_log(tmp_path_factory: pytest.TempPathFactory) -> KnownLog:
    if REAL_LOG.exists():
        return KnownLog(REAL_LOG, 1434, 8577, 27, 48, {"before-case-start": 12, "end-before-start": 2})
    path = tmp_path_factory.mktemp("log") / "made-up.xes.gz"
    generate_xes(path, cases=1434)
    traces = list(walk(path))
    events = [{key: value for _, key, value in event} for _, found in traces for event in found]
    return KnownLog(
        path,
        len(traces),
        len(events),
        len({event["concept:name"] for event in events}),
        len({event["org:resource"] for event in events}),
        {},
    )


@pytest.fixture(scope="session")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """An open ledger whose statements are placed."""
    data = tmp_path_factory.mktemp("hall") / "data"
    create_ledger(data)
    with open_ledger(data) as opened, opened.sequencing():
        yield opened
