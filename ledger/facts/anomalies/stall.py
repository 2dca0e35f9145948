"""A3: the wait before a step was longer than 99 of 100 waits before that step.

The wait is measured from the newest time before the step, so that a back-dated event makes no stall of its
successor. Steps with fewer than 30 waits have no p99 worth the name.

Base rate: the share of the cases with a stall; strength is the wait over its p99. Keeps 8 bytes per event.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from ledger.facts.anomalies.found import COMMON, LEAST_CASES, Anomaly, Seen, named, ranks, score
from ledger.facts.exact import percentile

_P: Final = Fraction(99, 100)


def _waits(events: Sequence[Seen]) -> Iterator[tuple[Seen, Seen, int]]:
    newest: Seen | None = None
    for event in events:
        if event.at_us is None:
            continue
        if newest is not None and newest.at_us is not None:
            if event.at_us < newest.at_us:
                continue
            yield newest, event, event.at_us - newest.at_us
        newest = event


class Stall:
    """The detector."""

    def __init__(self, *, least_us: int = 0) -> None:
        """Nothing learnt yet. ``least_us``: no shorter wait is a stall, however short the others are."""
        self._least_us = least_us
        self._gaps: dict[str, array[int]] = {}
        self._longest: dict[str, Fraction] | None = None
        self._judged = 0
        self._cases: list[tuple[int, tuple[int, int], str, int, float]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """Keep the waits by step."""
        for _, event, gap in _waits(events):
            if event.activity not in self._gaps:
                self._gaps[event.activity] = array("q")
            self._gaps[event.activity].append(gap)

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Note the case's strongest stall."""
        if self._longest is None:
            self._longest = {}
            for activity, gaps in self._gaps.items():
                limit = percentile(sorted(gaps), _P) if len(gaps) >= LEAST_CASES else None
                if limit:
                    self._longest[activity] = limit
            self._gaps.clear()
        self._judged += 1
        stalls = [
            (gap / self._longest[event.activity], (before.leaf, event.leaf), event.activity, gap)
            for before, event, gap in _waits(events)
            if gap > self._longest.get(event.activity, gap) and gap >= self._least_us
        ]
        if stalls:
            strength, leaves, activity, gap = max(stalls)
            self._cases.append((case, leaves, activity, gap, float(strength)))

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        rate = Fraction(len(self._cases), max(self._judged, 1))
        if rate > COMMON or self._longest is None:
            return
        strengths = ranks([strength for *_, strength in self._cases])
        for (case, leaves, activity, gap, over), strength in zip(self._cases, strengths, strict=True):
            days = f"{gap / 86_400_000_000:.1f}"
            yield Anomaly(
                case,
                "A3",
                score(rate, strength=strength),
                rate,
                leaves,
                f"“{named(activity)}”之前停滞 {days} 天，为该步骤 99% 分位的 {over:.1f} 倍",
                f"{days} days of standstill before “{named(activity)}”, {over:.1f} times that step's 99th percentile",
            )
