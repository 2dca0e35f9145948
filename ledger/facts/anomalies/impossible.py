"""A20, as far as a log without registries shows it: an event claims a time after it was recorded here.

Base rate: the share of the cases that show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from ledger.facts.anomalies.found import COMMON, EVIDENCE, Anomaly, Seen, named, score


class Impossible:
    """The detector."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._judged = 0
        self._cases: list[tuple[int, tuple[int, ...], str]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """There is nothing to learn: nobody records tomorrow."""

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Note events of the future."""
        self._judged += 1
        future = [event for event in events if event.future]
        if future:
            self._cases.append((case, tuple(event.leaf for event in future)[:EVIDENCE], future[0].activity))

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        rate = Fraction(len(self._cases), max(self._judged, 1))
        if rate > COMMON:
            return
        for case, leaves, activity in self._cases:
            yield Anomaly(
                case,
                "A20",
                score(rate),
                rate,
                leaves,
                f"“{named(activity)}”所称时间晚于其记录时间",
                f"“{named(activity)}” claims a time after it was recorded",
            )
