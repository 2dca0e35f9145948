"""Known anomalies put into logs are found again: on a seed not used for tuning, and in logs that lack this and that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from ledger.exchange.generate import generate_records
from ledger.exchange.xes import read_xes
from ledger.facts.anomalies import find_anomalies
from ledger.facts.anomalies.found import DAY_US, Seen
from tests.bench.anomalies import SURE, Cases, Injector, Judged, MemoryLog, load, load_terms


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


def test_terms_that_one_hand_ends_at_the_last_moment(real: Cases, real_log: Path) -> None:
    put = Injector(real, 7, kinds=("A4",), terms=load_terms(read_xes(real_log)))
    rows = [row for row in find_anomalies(MemoryLog(put.of, put.terms)) if row.kind == "A4"]
    assert {row.case for row in rows} >= set(put.key)
    assert len({row.en.partition(";")[2] for row in rows}) == 1  # one hand, and nobody else
    assert not [row for row in find_anomalies(MemoryLog(real, load_terms(read_xes(real_log)))) if row.kind == "A4"]


@pytest.mark.parametrize("hours", [-11, 0, 8, 13], ids=lambda hours: f"UTC{hours:+}")
def test_other_clocks_find_the_same(hours: int) -> None:
    clean = load(generate_records(cases=600, seed=4))
    moved = {
        case: [e if e.at_us is None else e._replace(at_us=e.at_us + hours * 3_600_000_000) for e in events]
        for case, events in clean.items()
    }
    kinds = ("A1", "A2", "A5", "A7")
    found = judged(moved, kinds=kinds)
    assert [found.recall[kind] for kind in kinds] == [1.0] * 4


def test_steps_by_any_name_are_judged_alike() -> None:
    clean = load(generate_records(cases=600, seed=4))
    names = {event.activity for events in clean.values() for event in events}
    other = {name: f"шаг {number} ✓" for number, name in enumerate(sorted(names))}
    renamed = {c: [e._replace(activity=other[e.activity]) for e in events] for c, events in clean.items()}
    rows = [(row.case, row.kind, row.score) for row in find_anomalies(MemoryLog(clean))]
    assert [(row.case, row.kind, row.score) for row in find_anomalies(MemoryLog(renamed))] == rows


@pytest.mark.parametrize("seed", range(3))
def test_a_log_without_anomalies_raises_few_alarms_and_none_of_the_sure_kinds(seed: int) -> None:
    """Every log has a longest wait (A3), a first repetition (A7), a rarest hand (A9); hardly anything else may show."""
    rows = find_anomalies(MemoryLog(load(generate_records(cases=800, seed=seed))))
    kinds = Counter(row.kind for row in rows)
    assert not {"A1", "A2", "A4", "A5", "A20"} & kinds.keys(), kinds
    assert len({row.case for row in rows if row.score > 5}) <= 8


def test_cases_of_one_activity_and_events_without_anything_are_let_be() -> None:
    one = {case: [Seen(case, case * DAY_US, "entered", None)] for case in range(500)}
    assert find_anomalies(MemoryLog(one)) == []
    none = {case: [Seen(case, None, "", None)] for case in range(500)}
    assert find_anomalies(MemoryLog(none)) == []


def test_cases_into_which_nothing_was_put_are_left_as_they_were(real: Cases) -> None:
    put = Injector(real, 7)
    assert len(put.key) == 120
    assert all(put.of[case] == events for case, events in real.items() if case not in put.key)
