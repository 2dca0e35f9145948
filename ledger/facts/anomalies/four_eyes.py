"""A10: one person did two steps that in this log are done by two.

A pair of steps is under four eyes when, in at least 30 cases that have both with names, nobody did both in at least
98 % of the others, and that is no accident of a large staff: either those who do one step hardly ever do the other, or
by chance one hand would have done both three times as often and in at least ten cases.

Base rate: the share of those cases in which somebody did. Keeps counts of pairs of the first ``MOST`` steps that the
log has; people who share an account are outside what a log can show.
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
TIMES: Final = 3
LEAST_BY_CHANCE: Final = 10


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
        self._by: dict[str, Counter[str]] = {}
        self._twice: dict[tuple[str, str], Counter[str]] = {}
        self._apart: dict[tuple[str, str], bool] = {}
        self._cases: list[tuple[int, Fraction, tuple[int, int], tuple[str, str]]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """Count for each two steps how often one person did both."""
        hands = _hands(events)
        for activity in hands:
            if len(self._known) < MOST:
                self._known.add(activity)
        for pair in combinations(sorted(self._known.intersection(hands)), 2):
            self._both[pair] += 1
            same = hands[pair[0]].keys() & hands[pair[1]].keys()
            if same:
                self._same[pair] += 1
                self._twice.setdefault(pair, Counter()).update(same)
        for activity, people in hands.items():
            self._by.setdefault(activity, Counter()).update(people.keys())

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Note the two steps that are most seldom in one hand."""
        hands = _hands(events)
        broken = []
        for pair in combinations(sorted(self._known.intersection(hands)), 2):
            both, same = self._both[pair], self._same[pair]
            if pair not in self._apart:
                self._apart[pair] = self._are_apart(pair)
            if not self._apart[pair]:
                continue
            for person in sorted(hands[pair[0]].keys() & hands[pair[1]].keys())[:1]:
                broken.append((Fraction(same, both), (hands[pair[0]][person], hands[pair[1]][person]), pair))
        if broken:
            self._cases.append((case, *min(broken)))

    def _are_apart(self, pair: tuple[str, str]) -> bool:
        both, same = self._both[pair], self._same[pair]
        if both < LEAST_CASES or both - same < HOLDS * (both - 1):
            return False
        one, other, twice = self._by[pair[0]], self._by[pair[1]], self._twice.get(pair, Counter())
        # Those in question do not count as their own explanation.
        met = sum((one[who] - twice[who]) * (other[who] - twice[who]) for who in one.keys() & other.keys())
        by_chance = Fraction(met * both, one.total() * other.total())
        return by_chance * TIMES <= same or by_chance >= max(TIMES * same, LEAST_BY_CHANCE)

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
