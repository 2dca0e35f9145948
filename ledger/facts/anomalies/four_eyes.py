"""A10: one person did two steps that in this log are done by two.

A pair of steps is under four eyes when, in at least 30 cases that have both with names, nobody did both in at least
98 % of the others. Base rate: the share of those cases in which somebody did. Keeps counts of pairs of the first
``MOST`` steps that the log has; people who share an account are outside what a log can show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import combinations
from typing import Final

from ledger.facts.anomalies.found import LEAST_CASES, Anomaly, Seen, named, score

HOLDS: Final = Fraction(98, 100)
MOST: Final = 300


def _hands(events: Sequence[Seen]) -> dict[str, dict[str, int]]:
    """Step → person → the first statement of theirs."""
    hands: dict[str, dict[str, int]] = {}
    for event in events:
        if event.resource is not None and event.activity:
            hands.setdefault(event.activity, {}).setdefault(event.resource, event.leaf)
    return hands


class FourEyes:
    """The detector."""

    def __init__(self) -> None:
        """Nothing learnt yet."""
        self._known: set[str] = set()
        self._both: Counter[tuple[str, str]] = Counter()
        self._same: Counter[tuple[str, str]] = Counter()
        self._cases: list[tuple[int, Fraction, tuple[int, int], tuple[str, str]]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """Count for each two steps how often one person did both."""
        hands = _hands(events)
        for activity in hands:
            if len(self._known) < MOST:
                self._known.add(activity)
        for pair in combinations(sorted(self._known.intersection(hands)), 2):
            self._both[pair] += 1
            self._same[pair] += not hands[pair[0]].keys().isdisjoint(hands[pair[1]])

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Note the two steps that are most seldom in one hand."""
        hands = _hands(events)
        broken = []
        for pair in combinations(sorted(self._known.intersection(hands)), 2):
            both, same = self._both[pair], self._same[pair]
            if both < LEAST_CASES or both - same < HOLDS * (both - 1):
                continue
            for person in sorted(hands[pair[0]].keys() & hands[pair[1]].keys())[:1]:
                broken.append((Fraction(same, both), (hands[pair[0]][person], hands[pair[1]][person]), pair))
        if broken:
            self._cases.append((case, *min(broken)))

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        for case, rate, leaves, (a, b) in self._cases:
            times = f"{self._same[a, b]}/{self._both[a, b]}"
            yield Anomaly(
                case,
                "A10",
                score(rate),
                rate,
                leaves,
                f"“{named(a)}”与“{named(b)}”由同一人办理；{times} 件如此，其余均为两人",
                f"one person did both “{named(a)}” and “{named(b)}”; so in {times} cases, else always two",
            )
