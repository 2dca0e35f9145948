"""A score is what its formula says, exactly; a formula that would pay for fake closings is none."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Malformed
from ledger.facts.exact import Ratio
from ledger.facts.figures.scorecard import Formula, score

GUIDE = Path(__file__).parents[2] / "docs/guide/figures.md"
ON_TIME = {"metric": "on-time", "figure": "on_time", "weight": 3, "higher_is_better": True}
REOPENED = {"metric": "reopened", "figure": "reopened", "weight": 1, "higher_is_better": False}
EARLY = {"metric": "early-closing", "figure": "early", "weight": 1, "higher_is_better": True}


def formula(*components: dict[str, Any], **changes: Any) -> Formula:
    return Formula.read(
        json.dumps({"id": "f", "version": 1, "source": "s", "components": components} | changes).encode()
    )


def test_shares_are_weighed_and_where_less_is_better_the_rest_counts() -> None:
    found = formula(ON_TIME, REOPENED)
    on_time, reopened = found.components
    assert score(found, {on_time: Ratio(1, 2), reopened: Ratio(1, 10)}) == (3 * Fraction(1, 2) + Fraction(9, 10)) / 4


def test_what_does_not_exist_counts_neither_way() -> None:
    found = formula(ON_TIME, REOPENED)
    on_time, reopened = found.components
    assert score(found, {on_time: Ratio(1, 2), reopened: Ratio(0, 0)}) == Fraction(1, 2)
    assert score(found, {}) is None


@pytest.mark.parametrize(
    ("components", "changes", "why"),
    [
        ([EARLY], {}, "reopened"),
        ([], {}, "no component"),
        ([ON_TIME, ON_TIME], {}, "twice"),
        ([ON_TIME | {"metric": "speed"}], {}, "no figure"),
        ([ON_TIME | {"metric": "fairness", "figure": "granted"}], {}, "no figure"),
        ([ON_TIME | {"figure": "closed_late"}], {}, "no share"),
        ([ON_TIME | {"weight": 0}], {}, "above 0"),
        ([ON_TIME | {"weight": 0.5}], {}, "above 0"),
        ([ON_TIME | {"bonus": 1}], {}, "members"),
        ([ON_TIME], {"version": "1"}, "whole number"),
        ([ON_TIME], {"extra": 1}, "not one formula"),
    ],
)
def test_a_formula_that_cannot_be_used_is_refused_with_what_to_do(
    components: list[dict[str, Any]], changes: dict[str, Any], why: str
) -> None:
    with pytest.raises(Malformed, match=why) as refused:
        formula(*components, **changes)
    assert refused.value.mend


def test_early_closing_may_count_beside_the_reopen_rate() -> None:
    assert len(formula(EARLY, REOPENED).components) == 2


def test_the_sample_says_that_it_is_one_and_the_guides_example_is_read() -> None:
    assert Formula.sample().source == "sample"
    [example] = re.findall(r"```json formula\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    assert Formula.read(example.encode()).id == "our-formula"
