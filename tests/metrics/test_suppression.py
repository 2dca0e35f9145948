"""No count under ten is seen, and none that is hidden can be worked out from what is shown."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.facts.figures.suppression import FLOOR, Suppressed, suppress

COUNTS = st.one_of(st.integers(0, 12), st.integers(0, 40))
TABLES = st.integers(1, 2).flatmap(
    lambda width: st.dictionaries(st.sampled_from("abcde"), st.tuples(*[COUNTS] * width), min_size=1, max_size=4)
)


@pytest.mark.parametrize(
    ("cells", "hidden", "totals"),
    [
        ({"a": (20,), "b": (10,)}, "", False),
        ({"a": (20,), "b": (3,), "c": (12,)}, "bc", False),
        ({"a": (20,), "b": (3,), "c": (4,), "d": (12,)}, "bc", False),
        ({"a": (20,), "b": (0,), "c": (0,), "d": (12,)}, "bcd", False),
        ({"a": (20,), "b": (0,), "d": (10,)}, "abd", False),
        ({"a": (10,), "b": (0,)}, "ab", True),
        ({"a": (30,), "b": (9,), "c": (9,), "d": (12,)}, "bcd", False),
        ({"a": (3,), "b": (4,)}, "ab", True),
        ({"a": (20, 3), "b": (30, 40), "c": (15, 25)}, "ac", False),
        ({}, "", False),
    ],
)
def test_what_is_hidden(cells: dict[str, tuple[int, ...]], hidden: str, totals: bool) -> None:
    found = suppress(cells)
    assert found.totals is totals
    assert found.cells >= {name for name, counts in cells.items() if min(counts) < FLOOR}
    if not totals:
        assert found == Suppressed(frozenset(hidden), totals=False)


@settings(max_examples=100)
@given(TABLES)
def test_whoever_knows_the_rule_and_the_totals_finds_two_answers_for_each_hidden_count(
    cells: dict[str, tuple[int, ...]],
) -> None:
    found = suppress(cells)
    if found.totals:
        assert found.cells == frozenset(cells)
        return
    assert all(min(counts) >= FLOOR for name, counts in cells.items() if name not in found.cells)
    for column in zip(*(cells[name] for name in sorted(found.cells)), strict=True):
        # Every way to split the known sum over the hidden cells, small ones known to be small.
        total = sum(column)
        ranges = [range(FLOOR) if count < FLOOR else range(FLOOR, total + 1) for count in column[:-1]]
        last = range(FLOOR) if column[-1] < FLOOR else range(FLOOR, total + 1)
        fits = [(*split, total - sum(split)) for split in product(*ranges) if total - sum(split) in last]
        for number in range(len(column)):
            assert len({split[number] for split in fits}) > 1


def test_the_answer_does_not_hang_on_the_order_of_the_cells() -> None:
    cells = {"a": (20,), "b": (3,), "c": (12,), "d": (12,)}
    assert suppress(cells) == suppress(dict(reversed(cells.items())))
