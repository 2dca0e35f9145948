"""A20, as far as a log without registries shows it: an event claims a time at which it cannot have happened.

That is a time after it was recorded here, and one far outside the time of this log: by more than a year, and by more
than the log's whole length, before all but the first hundredth of its cases began, or after all but the last of them.

Base rate: the share of the cases that show it. Keeps 8 bytes per case.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from ledger.facts.anomalies.found import COMMON, DAY_US, EVIDENCE, LEAST_CASES, Anomaly, Seen, named, score

FAR_US: Final = 365 * DAY_US


class Impossible:
    """The detector. ``leaves``: of the events that it found."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.leaves: set[int] = set()
        self._began = array("q")
        self._within: tuple[int, int] | None = None
        self._judged = 0
        self._cases: list[tuple[int, tuple[int, ...], str, bool]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """Note when the case began, by the middle one of its times: a single wrong one does not move it."""
        times = sorted(event.at_us for event in events if event.at_us is not None)
        if times:
            self._began.append(times[len(times) // 2])

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Note events of the future, and those far from all others."""
        if self._within is None:
            self._within = self._span()
        low, high = self._within
        self._judged += 1
        future = [event for event in events if event.future]
        far = [event for event in events if event.at_us is not None and not low <= event.at_us <= high]
        wrong = future or far
        if wrong:
            self.leaves.update(event.leaf for event in (*future, *far))
            leaves = tuple(event.leaf for event in wrong)[:EVIDENCE]
            self._cases.append((case, leaves, wrong[0].activity, bool(future)))

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        rate = Fraction(len(self._cases), max(self._judged, 1))
        if rate > COMMON:
            return
        for case, leaves, activity, future in self._cases:
            zh = "所称时间晚于其记录时间" if future else "所称时间远在本日志的时段之外"
            en = "claims a time after it was recorded" if future else "claims a time far outside that of this log"
            yield Anomaly(
                case, "A20", score(rate), rate, leaves, f"“{named(activity)}”{zh}", f"“{named(activity)}” {en}"
            )

    def _span(self) -> tuple[int, int]:
        began = sorted(self._began)
        if len(began) < LEAST_CASES:
            return -(2**63), 2**63
        low, high = began[len(began) // 100], began[-1 - len(began) // 100]
        far = max(FAR_US, high - low)
        return low - far, high + far
