"""Deadlines, and the state as of a moment of event time."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.facts.metrics import AsOf, Term, as_of, deadlines, span

INSTANTS = st.none() | st.integers(0, 20)
TERMS = st.lists(st.tuples(st.just("c"), INSTANTS, INSTANTS, INSTANTS))


@pytest.mark.parametrize(("end", "on_time", "late"), [(9, 1, 0), (10, 1, 0), (11, 0, 1)])
def test_the_deadlines_own_instant_is_in_time(end: int, on_time: int, late: int) -> None:
    found = deadlines([("c", 0, 10, end)])
    assert (found.closed, found.on_time, found.late) == (1, on_time, late)


def test_a_closed_case_without_a_deadline_is_neither_on_time_nor_late() -> None:
    found = deadlines([("c", 0, None, 5)])
    assert (found.closed, found.on_time, found.late, found.without_deadline) == (1, 0, 0, 1)


def test_no_cases() -> None:
    assert deadlines([]).as_json() == {
        "closed": 0,
        "on_time": 0,
        "late": 0,
        "open": 0,
        "without_deadline": 0,
        "overdue": None,
        "on_time_rate": None,
    }


def test_the_on_time_rate_counts_open_cases_already_overdue_against_the_unit() -> None:
    terms: list[Term] = [
        ("in time", 0, 10, 9),
        ("late", 0, 10, 11),
        ("open, overdue", 0, 10, None),
        ("open, not due", 0, 99, None),
        ("open, due this instant", 0, 20, None),
        ("open, no deadline", 0, None, None),
        ("closed, no deadline", 0, None, 9),
    ]
    found = deadlines(terms, at_us=20)
    assert (found.open, found.overdue) == (4, 1)
    assert found.on_time_rate is not None
    assert found.on_time_rate.value == Fraction(1, 3)
    assert found.as_json()["on_time_rate"]["n"] == 3


def test_as_of_an_earlier_moment_what_came_later_has_not_happened() -> None:
    terms: list[Term] = [("ends later", 0, 3, 9), ("starts later", 6, 8, 9), ("done", 0, 3, 2)]
    found = deadlines(terms, at_us=5)
    assert (found.closed, found.on_time, found.open, found.overdue) == (1, 1, 1, 1)


@given(TERMS, st.none() | st.integers(0, 20))
def test_every_case_is_counted_once(terms: list[Term], at_us: int | None) -> None:
    found = deadlines(iter(terms), at_us=at_us)
    begun = [t for t in terms if at_us is None or t[1] is None or t[1] <= at_us]
    assert found.closed + found.open == len(begun)
    assert found.on_time + found.late + found.without_deadline == found.closed
    assert found.overdue is None if at_us is None else 0 <= (found.overdue or 0) <= found.open


@given(st.lists(st.lists(INSTANTS)), st.integers(0, 20))
def test_state_at_a_moment_is_that_of_the_naive_reference(cases: list[list[int | None]], at_us: int) -> None:
    found = as_of((span(iter(case), at_us=at_us) for case in cases), at_us=at_us)
    timed = [times for case in cases if (times := [t for t in case if t is not None])]
    assert found.started == sum(any(t <= at_us for t in times) for times in timed)
    assert found.ended == sum(all(t <= at_us for t in times) for times in timed)
    assert found.open == sum(min(times) <= at_us < max(times) for times in timed)
    assert found.events == sum(t <= at_us for times in timed for t in times)


def test_of_no_cases_nothing_has_started() -> None:
    assert as_of([], at_us=0) == AsOf(started=0, ended=0, events=0)
    assert span([], at_us=0) == (None, None, 0)
