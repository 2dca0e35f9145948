"""What each detector calls odd, what it lets pass, and what a row says."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.facts.anomalies import Anomaly, Order, find_anomalies, read_order
from ledger.facts.anomalies.found import DAY_US, Seen
from tests.bench.anomalies import MemoryLog

HOUR, MINUTE = 3_600_000_000, 60_000_000
NINE = 9 * HOUR
Step = tuple[str, int, str | None]


def log(*cases: Sequence[Step], coarse: bool = False) -> MemoryLog:
    """Cases numbered from 0; a step is (activity, µs after the case's own morning, who)."""
    leaf = 0
    of: dict[int, list[Seen]] = {}
    for number, steps in enumerate(cases):
        of[number] = []
        for activity, us, who in steps:
            of[number].append(Seen(leaf, number * 7 * DAY_US + NINE + us, activity, who, coarse))
            leaf += 1
    return MemoryLog(of)


USUAL: list[Step] = [("apply", 0, "Li"), ("check", HOUR, "Wu"), ("decide", 2 * HOUR, "He")]


def found(log_: MemoryLog, kind: str, order: Order | None = None) -> list[Anomaly]:
    return [row for row in find_anomalies(log_, order=order) if row.kind == kind]


def test_a_log_in_which_all_cases_are_alike_has_no_anomaly() -> None:
    assert find_anomalies(log(*[USUAL] * 60)) == []


def test_an_empty_log_and_a_case_without_events_have_none() -> None:
    assert find_anomalies(log()) == []
    assert find_anomalies(log([])) == []


# ── A1 ──


def test_a_step_left_out_that_59_others_have_is_named_with_the_event_that_should_have_waited() -> None:
    cases = log(*[USUAL] * 59, [USUAL[0], USUAL[2]])
    (row,) = found(cases, "A1")
    assert (row.case, row.base_rate) == (59, Fraction(1, 60))
    assert [event.activity for event in cases.of[59] if event.leaf in row.leaves] == ["decide"]
    assert "check" in row.en
    assert "check" in row.zh


def test_order_that_29_cases_keep_is_no_rule_yet() -> None:
    assert found(log(*[USUAL] * 28, [USUAL[0], USUAL[2]]), "A1") == []


def test_order_that_one_case_in_ten_breaks_is_no_rule() -> None:
    assert found(log(*[USUAL] * 54, *[[USUAL[0], USUAL[2]]] * 6), "A1") == []


def test_order_given_by_hand_needs_no_support_and_takes_the_place_of_the_mined() -> None:
    cases = log(*[USUAL] * 59, [USUAL[0], USUAL[2]])
    assert [row.case for row in found(cases, "A1", frozenset({("check", "decide")}))] == [59]
    assert found(cases, "A1", frozenset({("apply", "decide")})) == []
    few = log(USUAL, [USUAL[2]])
    assert [row.case for row in found(few, "A1", frozenset({("check", "decide")}))] == [1]


# ── A2 ──


def test_an_event_dated_before_one_that_stands_ahead_of_it_is_back_dated() -> None:
    (row,) = found(log(*[USUAL] * 40, [USUAL[0], ("check", -HOUR, "Wu"), USUAL[2]]), "A2")
    assert row.case == 40
    assert row.leaves == (121, 120)
    assert "1.0 h" in row.en


def test_equal_times_are_no_back_dating() -> None:
    assert found(log(*[USUAL] * 40, [("apply", 0, "Li"), ("check", 0, "Wu")]), "A2") == []


def test_a_day_without_a_time_is_earlier_only_if_the_whole_day_is() -> None:
    noon = Seen(0, 5 * DAY_US + 12 * HOUR, "apply", None)
    same_day = Seen(1, 5 * DAY_US, "check", None, coarse=True)
    day_before = Seen(3, 4 * DAY_US, "check", None, coarse=True)
    usual = log(*[USUAL] * 40).of
    assert found(MemoryLog({**usual, 90: [noon, same_day]}), "A2") == []
    assert [row.case for row in found(MemoryLog({**usual, 90: [noon, day_before]}), "A2")] == [90]


def test_a_file_that_is_sorted_some_other_way_is_not_full_of_back_dating() -> None:
    assert found(log(*[USUAL[::-1]] * 40), "A2") == []


# ── A3 ──


def test_the_one_long_wait_among_200_is_a_stall_and_names_both_ends() -> None:
    (row,) = found(log(*[USUAL] * 199, [USUAL[0], ("check", 40 * DAY_US, "Wu")]), "A3")
    assert (row.case, row.leaves) == (199, (597, 598))
    assert "40.0 days" in row.en


def test_what_follows_a_back_dated_event_has_not_waited_since_then() -> None:
    cases = log(*[USUAL] * 199, [USUAL[0], ("check", -40 * DAY_US, "Wu"), ("decide", HOUR, "He")])
    assert found(cases, "A3") == []


# ── A5 ──


def batch(cases: int, within_us: int, who: str = "Li") -> list[list[Step]]:
    """Cases whose step "file" all falls into one minute."""
    return [[("file", -n * 7 * DAY_US + n * within_us // max(cases - 1, 1), who)] for n in range(cases)]


@pytest.mark.parametrize(("cases", "within_us", "rows"), [(5, 60_000_000, 5), (4, 1, 0), (5, 60_000_001, 0), (7, 0, 7)])
def test_five_cases_within_sixty_seconds_are_a_batch(cases: int, within_us: int, rows: int) -> None:
    others: list[list[Step]] = [[("file", 0, "Wu")]] * 50
    assert len(found(log(*batch(cases, within_us), *others), "A5")) == rows


def test_the_same_by_five_people_is_no_batch() -> None:
    five = [[("file", steps[0][1], f"person {n}")] for n, steps in enumerate(batch(5, 10))]
    assert found(log(*five, *[[("file", 0, "Wu")]] * 50), "A5") == []


def test_five_entries_in_one_case_are_no_batch() -> None:
    assert found(log([("file", n, "Li") for n in range(5)], *[[("file", 0, "Wu")]] * 50), "A5") == []


def test_a_step_that_a_machine_always_does_in_batches_is_none() -> None:
    assert found(log(*batch(20, 10)), "A5") == []


def test_days_without_a_time_make_no_batch() -> None:
    assert found(log(*batch(5, 0), *[[("file", 0, "Wu")]] * 50, coarse=True), "A5") == []


# ── A6, A7, A9, A10, A20 ──


def test_three_at_night_is_off_hours_where_everybody_works_by_day() -> None:
    cases = log(*[USUAL] * 199, [USUAL[0], USUAL[1], ("decide", 18 * HOUR, "He")])
    (row,) = found(cases, "A6")
    assert (row.case, row.leaves) == (199, (599,))


def test_a_log_that_runs_round_the_clock_has_no_off_hours() -> None:
    assert found(log(*[[("read", n * HOUR + n // 24 * DAY_US, "meter")] for n in range(24 * 7 * 5)]), "A6") == []


def test_a_step_done_four_times_is_a_loop_and_outranks_one_done_twice() -> None:
    def again(times: int) -> list[Step]:
        return [USUAL[0], *[("check", HOUR + n * MINUTE, "Wu") for n in range(times)], USUAL[2]]

    rows = found(log(*[USUAL] * 60, again(2), again(4)), "A7")
    assert [row.case for row in rows] == [61, 60]
    assert len(rows[0].leaves) == 4


def test_a_step_that_is_usually_repeated_is_no_loop() -> None:
    twice: list[Step] = [*USUAL, ("check", 3 * HOUR, "Wu")]
    assert found(log(*[twice] * 60), "A7") == []


def test_a_busy_colleague_who_never_does_the_step_has_rare_hands() -> None:
    (row,) = found(log(*[USUAL] * 150, [USUAL[0], USUAL[1], ("decide", 2 * HOUR, "Li")]), "A9")
    assert (row.case, row.leaves) == (150, (452,))


def test_a_name_that_nobody_knows_is_not_rare_hands() -> None:
    assert found(log(*[USUAL] * 150, [USUAL[0], USUAL[1], ("decide", 2 * HOUR, "Xu")]), "A9") == []


def test_one_person_for_two_steps_that_are_always_done_by_two() -> None:
    rows = found(log(*[USUAL] * 60, [USUAL[0], USUAL[1], ("decide", 2 * HOUR, "Wu")]), "A10")
    assert [(row.case, row.leaves) for row in rows] == [(60, (181, 182))]


def test_where_one_person_often_does_both_there_are_no_four_eyes_to_miss() -> None:
    alone: list[Step] = [USUAL[0], USUAL[1], ("decide", 2 * HOUR, "Wu")]
    assert found(log(*[USUAL] * 60, *[alone] * 10), "A10") == []


def test_a_claim_of_a_time_to_come_is_impossible() -> None:
    cases = log(*[USUAL] * 60)
    cases.of[7][2] = cases.of[7][2]._replace(future=True)
    assert [(row.case, row.leaves) for row in found(cases, "A20")] == [(7, (23,))]


# ── The ranking ──


def test_there_is_one_row_per_case_and_kind_the_highest_score_first_then_by_case() -> None:
    odd: list[Step] = [USUAL[0], ("decide", -HOUR, "He"), ("decide", 2 * HOUR, "He"), ("decide", 3 * HOUR, "He")]
    rows = find_anomalies(log(*[USUAL] * 60, odd, odd))
    assert len({(row.case, row.kind) for row in rows}) == len(rows)
    assert [(-row.score, row.case, row.kind) for row in rows] == sorted((-r.score, r.case, r.kind) for r in rows)
    assert all(0 < row.base_rate <= 1 for row in rows)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["apply", "check", "decide", ""]),
        st.none() | st.integers(0, 3 * DAY_US),
        st.sampled_from(["Li", "Wu", None]),
    ),
    max_size=6,
)


@given(st.lists(EVENTS, max_size=40))
def test_any_log_is_judged_and_every_row_stands_on_events_of_its_own_case(
    cases: list[list[tuple[str, int, str]]],
) -> None:
    of = {n: [Seen(n * 10 + i, us, a, who) for i, (a, us, who) in enumerate(steps)] for n, steps in enumerate(cases)}
    for row in find_anomalies(MemoryLog(of)):
        own = {event.leaf for event in of[row.case]}
        assert row.leaves
        assert own.issuperset(row.leaves) if row.kind != "A5" else row.leaves[0] in own


# ── Order files ──


@pytest.mark.parametrize(
    "text",
    [
        "# the way of a permit\napply\n\ncheck\ndecide\n",
        "apply -> check\ncheck -> decide\napply → decide",
        "apply -> check -> decide",
        '["apply", "check", "decide"]',
        '{"order": [["apply", "check"], ["check", "decide"], ["apply", "decide"]]}',
        "﻿apply\r\ncheck\r\ndecide\r\n",
    ],
)
def test_an_order_is_a_list_of_steps_or_of_pairs(text: str) -> None:
    assert read_order(text.encode()) == {("apply", "check"), ("apply", "decide"), ("check", "decide")}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"apply",
        b"apply -> apply",
        b"a -> b\nb -> c\nc -> a",
        b"a ->",
        b"[1, 2]",
        b"[",
        b'{"rules": []}',
        b"\xff\xfe",
        b'["a", "b", "a"]',
    ],
)
def test_an_order_that_says_nothing_or_contradicts_itself_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match="The order cannot be used") as refused:
        read_order(data)
    assert refused.value.mend
