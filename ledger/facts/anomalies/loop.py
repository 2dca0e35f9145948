"""A7: a step was done more than once, which the cases of this log seldom need.

Base rate: of the cases with that step, the share that have it more than once; strength is how seldom a case has it so
often. A single second go is what all loops begin with: its score is half that step's and half that of repeating
any step at all. A case is named for the step with the smallest rate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

from ledger.facts.anomalies.found import COMMON, EVIDENCE, Anomaly, Seen, named, ranks, score


class Loop:
    """The detector."""

    def __init__(self) -> None:
        """Nothing learnt yet."""
        self._exactly: dict[str, Counter[int]] = {}
        self._at_least: dict[tuple[str, int], int] = {}
        self._judged = 0
        self._cases: list[tuple[int, dict[str, int], dict[str, tuple[int, ...]]]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """Count how often cases have each step."""
        for activity, times in Counter(event.activity for event in events if event.activity).items():
            self._exactly.setdefault(activity, Counter())[times] += 1

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Keep the steps that came more than once."""
        self._judged += 1
        times = Counter(event.activity for event in events if event.activity)
        again = {activity: n for activity, n in times.items() if n > 1}
        if again:
            leaves = {a: tuple(e.leaf for e in events if e.activity == a)[:EVIDENCE] for a in again}
            self._cases.append((case, again, leaves))

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        rows = []
        any_step = Fraction(len(self._cases), max(self._judged, 1))
        for case, again, leaves in self._cases:
            rate, often, activity = min((self._rate(a, 2), self._rate(a, n), a) for a, n in again.items())
            if rate <= COMMON:
                rows.append((case, rate, often, activity, again[activity], leaves[activity]))
        strengths = ranks([-float(often) for _, _, often, *_ in rows])
        for (case, rate, _, activity, n, leaves_of), strength in zip(rows, strengths, strict=True):
            repeated, so_often = self._words(activity, 2), self._words(activity, n)
            yield Anomaly(
                case,
                "A7",
                score(rate, strength=strength) if n > 2 else (score(rate) + score(any_step)) / 2,
                rate,
                leaves_of,
                f"“{named(activity)}”做了 {n} 次；有此步骤的办件中 {repeated} 重复办理，{so_often} 达到此数",
                f"“{named(activity)}” was done {n} times; of the cases with that step {repeated} repeat it,"
                f" {so_often} so often",
            )

    def _count(self, activity: str, n: int) -> int:
        if (activity, n) not in self._at_least:
            self._at_least[activity, n] = sum(c for times, c in self._exactly[activity].items() if times >= n)
        return self._at_least[activity, n]

    def _rate(self, activity: str, n: int) -> Fraction:
        return Fraction(self._count(activity, n), self._count(activity, 1))

    def _words(self, activity: str, n: int) -> str:
        return f"{self._count(activity, n)}/{self._count(activity, 1)}"
