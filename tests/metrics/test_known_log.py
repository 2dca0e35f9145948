"""The figures of the real log, known beforehand from other tools."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from ledger.facts.metrics import as_of, backtest, deadlines, span, threshold_rules, throughput

JUNE_2011_US = 1_306_886_400_000_000  # 2011-06-01T00:00Z


def test_its_counts(receipt: Any) -> None:
    found = throughput(receipt.cases)
    assert (found.cases, found.events, found.activities, found.resources) == (1434, 8577, 27, 48)
    assert found.timed_cases == 1434
    assert found.variants == 116
    assert [cases for _, cases in found.top_variants] == [713, 123, 116, 115, 75]
    assert found.directly_follows_edges == 99
    assert (found.handover_pairs, found.handovers_between) == (286, 1208)


def test_its_times_agree_with_other_tools_to_the_millisecond(receipt: Any) -> None:
    published = throughput(receipt.cases).as_json()
    known = {
        "mean_s": 467263.915,
        "median_s": 2868.583,
        "p90_s": 1217821.799,
        "max_s": 23832541.524,
        "sum_s": 670056454.479,
    }
    for name, seconds in known.items():
        # Half a millisecond and the width of a binary float: the median lies exactly between two.
        assert published[name] == pytest.approx(seconds, abs=0.000_500_001), name


def test_its_median_is_a_tie_at_three_decimals(receipt: Any) -> None:
    # 2868.5835 s exactly. Tools that round the nearest binary float print .583; half-even gives .584.
    found = throughput(receipt.cases)
    assert found.median_s == Fraction(28685835, 10**4)
    assert found.as_json()["median_s"] == 2868.5835
    assert found.as_json(decimals=3)["median_s"] == 2868.584
    assert found.as_json(decimals=3)["mean_s"] == 467263.915
    assert found.as_json(decimals=3)["p90_s"] == 1217821.799


def test_the_order_of_its_cases_changes_nothing(receipt: Any) -> None:
    shuffled = random.Random(8577).sample(receipt.cases, len(receipt.cases))
    assert throughput(shuffled) == throughput(receipt.cases)


def test_its_deadlines(receipt: Any) -> None:
    found = deadlines(receipt.terms)
    assert (found.closed, found.on_time, found.late, found.open) == (1329, 952, 377, 105)
    assert found.without_deadline == 0


def test_its_cards(receipt: Any) -> None:
    found = backtest(receipt.terms, rules=threshold_rules(yellow="0.9", red="1.0"))
    assert (found.green, found.yellow, found.red) == (727, 225, 377)
    assert (found.open, found.unmeasured) == (105, 0)
    assert len(found.cards) == 225 + 377


def test_its_state_as_of_the_first_of_june_2011(receipt: Any) -> None:
    spans = (span((at for _, at, _ in case), at_us=JUNE_2011_US) for case in receipt.cases)
    assert as_of(spans, at_us=JUNE_2011_US).as_json() == {
        "started": 768,
        "ended": 754,
        "open": 14,
        "events": 4683,
    }
