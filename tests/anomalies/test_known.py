"""Known anomalies put into logs are found again: on a seed not used for tuning, and in logs that lack this and that."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.exchange.generate import generate_records
from ledger.exchange.xes import read_xes
from ledger.facts.anomalies import find_anomalies
from ledger.facts.anomalies.found import DAY_US
from tests.bench.anomalies import SURE, Cases, Injector, Judged, MemoryLog, load


@pytest.fixture(scope="module")
def real(real_log: Path) -> Cases:
    return load(read_xes(real_log))


def judged(clean: Cases, **how: object) -> Judged:
    put = Injector(clean, 7, **how)  # type: ignore[arg-type]
    return Judged.of(find_anomalies(MemoryLog(put.of)), put.key, len(put.of))


def test_in_the_real_log_the_first_thirty_are_right_and_four_kinds_are_all_found(real: Cases) -> None:
    found = judged(real)
    assert found.precision >= 0.85
    assert [found.recall[kind] for kind in SURE] == [1.0] * len(SURE)


def test_in_a_generated_log_likewise() -> None:
    found = judged(load(generate_records(cases=1200, seed=3)))
    assert found.precision >= 0.85
    assert [found.recall[kind] for kind in SURE] == [1.0] * len(SURE)


def test_without_people(real: Cases) -> None:
    nobody = {case: [event._replace(resource=None) for event in events] for case, events in real.items()}
    found = judged(nobody, kinds=("A1", "A2", "A3", "A6", "A7"))
    assert found.precision >= 0.85
    assert found.recall["A1"] == found.recall["A2"] == found.recall["A7"] == 1.0


def test_with_days_for_times(real: Cases) -> None:
    days = {
        case: [e._replace(at_us=None if e.at_us is None else e.at_us // DAY_US * DAY_US, coarse=True) for e in events]
        for case, events in real.items()
    }
    found = judged(days, kinds=("A1", "A2", "A3", "A7", "A9"))
    assert found.precision >= 0.85
    assert found.recall["A1"] == found.recall["A2"] == found.recall["A7"] == 1.0


def test_cases_into_which_nothing_was_put_are_left_as_they_were(real: Cases) -> None:
    put = Injector(real, 7)
    assert len(put.key) == 105
    assert all(put.of[case] == events for case, events in real.items() if case not in put.key)
