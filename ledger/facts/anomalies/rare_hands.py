"""A9: a step was done by a person who hardly ever does it, though the person works here and the step is frequent.

With n events in all, a person of p events and a step of s events would meet p·s/n times by chance. Rare hands are
those who met at most ``FEW`` times, made at most 1 % of the step's events, and would have met at least twice as
often. Who appears once in the whole log is not rare hands but a name that nobody knows: nothing to compare with.

Base rate: the share of the cases with such an event; strength is how much oftener chance would have it.
Keeps a count per pair of person and step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from ledger.facts.anomalies.found import COMMON, EVIDENCE, LEAST_CASES, Anomaly, Seen, named, ranks, score

FEW: Final = 3
_SHARE: Final = 100
_OFTENER: Final = 2


class RareHands:
    """The detector."""

    def __init__(self, *, oftener: int = _OFTENER) -> None:
        """Nothing learnt yet. ``oftener``: how many times as often chance would have it."""
        self._oftener = oftener
        self._pairs: Counter[tuple[str, str]] = Counter()
        self._steps: Counter[str] = Counter()
        self._people: Counter[str] = Counter()
        self._n = self._judged = 0
        self._cases: list[tuple[int, float, tuple[int, ...], str, int]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """Count who does what."""
        for event in events:
            if event.resource is not None and event.activity:
                self._pairs[event.resource, event.activity] += 1
                self._steps[event.activity] += 1
                self._people[event.resource] += 1
                self._n += 1

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Note the rarest hand of the case."""
        self._judged += 1
        rare = []
        for event in events:
            if event.resource is None or not event.activity:
                continue
            met, step = self._pairs[event.resource, event.activity], self._steps[event.activity]
            if met > FEW or step < LEAST_CASES or met * _SHARE > step:
                continue
            by_chance = self._people[event.resource] * step
            if by_chance >= self._oftener * met * self._n:
                rare.append((by_chance / (met * self._n), event))
        if rare:
            strength, worst = max(rare)
            leaves = dict.fromkeys([worst.leaf, *(event.leaf for _, event in rare)])
            met = self._pairs[worst.resource or "", worst.activity]
            self._cases.append((case, strength, tuple(leaves)[:EVIDENCE], worst.activity, met))

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        rate = Fraction(len(self._cases), max(self._judged, 1))
        if rate > COMMON:
            return
        strengths = ranks([over for _, over, *_ in self._cases])
        for (case, _, leaves, activity, met), strength in zip(self._cases, strengths, strict=True):
            times = f"{met}/{self._steps[activity]}"
            yield Anomaly(
                case,
                "A9",
                score(rate, strength=strength),
                rate,
                leaves,
                f"“{named(activity)}”由很少做此步骤的人办理：该步骤 {times} 次出自此人",
                f"“{named(activity)}” by somebody who hardly ever does it: {times} of that step's events are theirs",
            )
