"""Figures are exact until they are rounded, once, half-even."""

from __future__ import annotations

import json
import statistics
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.facts.exact import Ratio, decimal_fraction, mean, median, number, percentile, rounded, wilson

INTEGERS = st.integers(-(2**62), 2**62)
SHARES = st.fractions(0, 1, max_denominator=1000)


@given(st.lists(INTEGERS, min_size=1))
def test_mean_and_median_are_those_of_the_statistics_module_over_fractions(values: list[int]) -> None:
    exact = [Fraction(value) for value in values]
    assert mean(values) == statistics.mean(exact)
    assert median(sorted(values)) == statistics.median(exact)


@given(st.lists(INTEGERS, min_size=1), SHARES)
def test_a_percentile_lies_on_the_broken_line_through_the_sorted_values(values: list[int], q: Fraction) -> None:
    ascending = sorted(values)
    # The line has its corners at the shares i / (n − 1); walk along it to q.
    expected = Fraction(ascending[0])
    for i, (low, high) in enumerate(pairwise(ascending)):
        along = min(max(q * (len(ascending) - 1) - i, Fraction(0)), Fraction(1))
        expected += along * (high - low)
    assert percentile(ascending, q) == expected


def test_a_percentile_of_one_value_is_that_value_and_the_ends_are_the_extremes() -> None:
    assert percentile([7], Fraction(9, 10)) == 7
    assert percentile([1, 5, 9], Fraction(0)) == 1
    assert percentile([1, 5, 9], Fraction(1)) == 9


def test_of_nothing_there_is_no_figure() -> None:
    assert mean([]) is None
    assert median([]) is None
    assert percentile([], Fraction(9, 10)) is None
    assert number(None) is None
    assert wilson(0, 0) is None
    assert Ratio(0, 0).as_json() == {"part": 0, "n": 0, "value": None, "low": None, "high": None}


@pytest.mark.parametrize("q", [Fraction(-1, 10), Fraction(11, 10)])
def test_a_share_outside_nought_to_one_is_a_bug(q: Fraction) -> None:
    with pytest.raises(AssertionError):
        percentile([1], q)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (Fraction(5, 2), 0, "2"),
        (Fraction(7, 2), 0, "4"),
        (Fraction(-5, 2), 0, "-2"),
        (Fraction(1, 8), 2, "0.12"),
        (Fraction(3, 8), 2, "0.38"),
        (Fraction(1, 3), 3, "0.333"),
        (12, 3, "12.000"),
    ],
)
def test_a_tie_goes_to_the_even_digit(value: Fraction, decimals: int, text: str) -> None:
    assert str(rounded(value, decimals=decimals)) == text


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**6), st.integers(0, 9))
def test_rounding_agrees_with_decimal_arithmetic_of_ample_precision(
    numerator: int, denominator: int, decimals: int
) -> None:
    # Quotient and remainder by hand: a rounded quotient would hide how near a tie is.
    whole, rest = divmod(abs(numerator) * 10**decimals, denominator)
    whole += 2 * rest > denominator or (2 * rest == denominator and whole % 2)
    expected = (whole if numerator >= 0 else -whole) * Fraction(1, 10**decimals)
    assert Fraction(rounded(Fraction(numerator, denominator), decimals=decimals)) == expected


def test_rounding_does_not_depend_on_the_callers_decimal_context() -> None:
    with localcontext(prec=3, rounding="ROUND_UP"):
        assert str(rounded(Fraction(123456789, 1000))) == "123456.789000"
        narrow = wilson(72, 100)
    assert narrow == wilson(72, 100)


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_a_json_number_of_up_to_fifteen_digits_prints_the_rounded_decimal(millionths: int) -> None:
    value = Fraction(millionths, 10**6)
    assert Decimal(json.dumps(number(value))) == rounded(value)


@given(st.decimals(0, 10**6, places=9))
def test_a_decimal_in_text_has_exactly_its_value(value: Decimal) -> None:
    assert decimal_fraction(f"{value:f}", name="x") == Fraction(value)


@pytest.mark.parametrize(
    "text", ["", " 0.9", "0.9\n", ".9", "9.", "-1", "+1", "1e3", "9/10", "nan", "0,9", "٠.٩", "1_0", "1" * 99]
)
def test_what_is_not_a_plain_decimal_is_refused_by_name(text: str) -> None:
    with pytest.raises(Malformed, match="yellow") as refused:
        decimal_fraction(text, name="yellow")
    assert refused.value.mend


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        # At the ends the interval stops at 0 and 1, and the other bound is z² / (n + z²) away.
        (0, 10, "0.000000", "0.277540"),
        (10, 10, "0.722460", "1.000000"),
        (5, 10, "0.236590", "0.763410"),
    ],
)
def test_wilson_intervals_worked_by_hand(part: int, whole: int, low: str, high: str) -> None:
    assert wilson(part, whole) == (Decimal(low), Decimal(high))


@given(st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_wilson_interval_holds_the_share_and_solves_its_equation(counts: tuple[int, int]) -> None:
    part, whole = counts
    interval = wilson(part, whole)
    assert interval is not None
    low, high = map(Fraction, interval)
    share, z, half_step = Fraction(part, whole), Fraction(196, 100), Fraction(1, 2 * 10**6)
    assert 0 <= low <= share + half_step
    assert share - half_step <= high <= 1

    def excess(p: Fraction) -> Fraction:
        """Negative within the interval: the share is less than z standard errors of p away from p."""
        return (share - p) ** 2 - z * z * p * (1 - p) / whole

    assert excess(low - half_step) >= 0 >= excess(low + half_step)
    assert excess(high - half_step) <= 0 <= excess(high + half_step)


@pytest.mark.parametrize(("part", "whole"), [(-1, 3), (4, 3)])
def test_more_than_all_or_less_than_none_is_a_bug(part: int, whole: int) -> None:
    with pytest.raises(AssertionError):
        wilson(part, whole)


def test_a_ratio_carries_its_n_and_its_interval() -> None:
    assert Ratio(5, 10).as_json() == {"part": 5, "n": 10, "value": 0.5, "low": 0.23659, "high": 0.76341}
