"""Which cells of a table would give somebody away, and which must fall with them.

Promise: of what is left no count under ``FLOOR`` can be seen, and none that is hidden can be derived from the totals.
A reader is taken to know these rules, to see the total of every column, and to know which hidden counts are small.

A cell is a row of counts of people (granted and denied, say). It is hidden as a whole when one of its counts is under
``FLOOR``, nought included. Then, as long as a hidden count has only one value that fits the totals, the smallest cell
that still stands is hidden too (its counts are then known to be ``FLOOR`` or more). When none is left to hide, the
totals are hidden as well.

    >>> suppress({"a": (20,), "b": (3,), "c": (12,)})
    Suppressed(cells=frozenset({'b', 'c'}), totals=False)
    >>> suppress({"a": (3,)})
    Suppressed(cells=frozenset({'a'}), totals=True)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

FLOOR: Final = 10


@dataclass(frozen=True, slots=True)
class Suppressed:
    """The cells to hide, and whether the totals go too."""

    cells: frozenset[str]
    totals: bool


def suppress(cells: Mapping[str, tuple[int, ...]]) -> Suppressed:
    """What of ``cells`` must be hidden, all of them of the same length."""
    hidden = {name for name, counts in cells.items() if min(counts) < FLOOR}
    # A total under the floor is a small cell itself, and so is then every part of it.
    if any(sum(column) < FLOOR for column in zip(*cells.values(), strict=True)):
        return Suppressed(frozenset(cells), totals=True)
    left = sorted(cells.keys() - hidden, key=lambda name: (cells[name], name))
    while _derivable(cells, hidden):
        if not left:
            return Suppressed(frozenset(cells), totals=True)
        hidden.add(left.pop(0))
    return Suppressed(frozenset(hidden), totals=False)


def _derivable(cells: Mapping[str, tuple[int, ...]], hidden: Collection[str]) -> bool:
    """Whether some hidden count has only one value that fits what is shown."""
    columns = zip(*(cells[name] for name in sorted(hidden)), strict=True)
    return any(_fixed(column) for column in columns)


def _fixed(column: tuple[int, ...]) -> bool:
    # A small count lies in 0 … FLOOR − 1, another from FLOOR on; their sum is known.
    total = sum(column)
    lows = [0 if count < FLOOR else FLOOR for count in column]
    highs = [FLOOR - 1 if count < FLOOR else total for count in column]
    low_sum, high_sum = sum(lows), sum(highs)
    for low, high in zip(lows, highs, strict=True):
        least = max(low, total - (high_sum - high))
        most = min(high, total - (low_sum - low))
        if least >= most:
            return True
    return False
