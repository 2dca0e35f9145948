"""Throughput of streams of cases, against the plainest reference that can be written."""

from __future__ import annotations

import statistics
from collections import Counter
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ledger.facts.metrics import Event, throughput

TIMES = st.none() | st.integers(-(10**15), 10**15)
EVENTS = st.tuples(st.sampled_from("abcd"), TIMES, st.none() | st.sampled_from(["Li", "Wu", "An"]))
LOGS = st.lists(st.lists(EVENTS, max_size=6), max_size=25)


@given(LOGS)
def test_every_figure_is_that_of_the_naive_reference(log: list[list[Event]]) -> None:
    found = throughput(iter(iter(case) for case in log))  # streams: each can be read only once

    assert found.cases == len(log)
    assert found.events == sum(map(len, log))
    assert found.activities == len({activity for case in log for activity, _, _ in case})
    assert found.resources == len({who for case in log for _, _, who in case} - {None})

    timed = [times for case in log if (times := [at for _, at, _ in case if at is not None])]
    durations = [Fraction(max(times) - min(times), 10**6) for times in timed]
    assert found.timed_cases == len(durations)
    assert found.sum_s == sum(durations)
    if durations:
        assert found.mean_s == statistics.mean(durations)
        assert found.median_s == statistics.median(durations)
        assert found.max_s == max(durations)
        ascending = [*sorted(durations), max(durations)]
        tenths = 9 * (len(durations) - 1)
        low, high = ascending[tenths // 10], ascending[tenths // 10 + 1]
        assert found.p90_s == low + (high - low) * Fraction(tenths % 10, 10)
    else:
        assert (found.mean_s, found.median_s, found.p90_s, found.max_s) == (None, None, None, None)

    variants = Counter(tuple(activity for activity, _, _ in case) for case in log)
    assert found.variants == len(variants)
    by_cases_then_name = sorted(variants.items(), key=lambda variant: (-variant[1], variant[0]))
    assert found.top_variants == tuple(by_cases_then_name[:5])

    steps = [step for case in log for step in pairwise(case)]
    assert found.directly_follows_edges == len({(a, b) for (a, _, _), (b, _, _) in steps})
    handed = Counter((a, b) for (_, _, a), (_, _, b) in steps if a is not None and b is not None)
    assert found.handover_pairs == len(handed)
    assert found.handovers_between == sum(times for (a, b), times in handed.items() if a != b)


@given(LOGS, st.randoms(use_true_random=False))
def test_the_order_of_cases_changes_nothing(log: list[list[Event]], chance: object) -> None:
    assert throughput(sorted(log, key=lambda _: chance.random())) == throughput(log)  # type: ignore[attr-defined]


def test_of_no_cases_there_are_counts_of_zero_and_no_times() -> None:
    assert throughput([]).as_json() == {
        "cases": 0,
        "events": 0,
        "activities": 0,
        "resources": 0,
        "timed_cases": 0,
        "mean_s": None,
        "median_s": None,
        "p90_s": None,
        "max_s": None,
        "sum_s": 0.0,
        "variants": 0,
        "top_variants": [],
        "directly_follows_edges": 0,
        "handover_pairs": 0,
        "handovers_between": 0,
    }


def test_a_case_of_one_event_took_no_time_and_handed_nothing_over() -> None:
    found = throughput([[("apply", 5, "Li")]])
    assert (found.timed_cases, found.mean_s, found.max_s) == (1, Fraction(0), Fraction(0))
    assert (found.directly_follows_edges, found.handover_pairs) == (0, 0)


def test_a_case_without_any_time_counts_as_a_case_but_not_among_the_times() -> None:
    found = throughput([[("apply", None, "Li")], [("apply", 0, "Li"), ("decide", 4_000_000, "Li")], []])
    assert (found.cases, found.timed_cases, found.mean_s) == (3, 1, Fraction(4))
    assert found.variants == 3


def test_claimed_times_that_run_backwards_neither_sort_the_sequence_nor_make_time_negative() -> None:
    found = throughput([[("decide", 9_000_000, None), ("apply", 2_000_000, None)]])
    assert found.max_s == 7
    assert found.top_variants == ((("decide", "apply"), 1),)


def test_work_handed_to_oneself_is_a_pair_but_not_between_people() -> None:
    found = throughput([[("a", 0, "Li"), ("b", 1, "Li"), ("c", 2, "Wu")]])
    assert (found.handover_pairs, found.handovers_between) == (2, 1)


def test_nothing_is_handed_over_across_an_event_without_a_resource() -> None:
    found = throughput([[("a", 0, "Li"), ("b", 1, None), ("c", 2, "Wu")]])
    assert (found.handover_pairs, found.handovers_between, found.resources) == (0, 0, 2)


def test_equally_frequent_variants_come_in_the_order_of_their_names() -> None:
    cases: list[list[Event]] = [[(name, 0, None)] for name in ("z", "y", "x", "x", "办")]
    found = throughput(cases, top=3)
    assert found.top_variants == ((("x",), 2), (("y",), 1), (("z",), 1))


def test_names_that_only_look_alike_when_joined_stay_different_variants() -> None:
    assert throughput([[("ab", 0, None), ("c", 0, None)], [("a", 0, None), ("bc", 0, None)]]).variants == 2
