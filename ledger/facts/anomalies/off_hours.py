"""A6: an event at an hour, or on a day of the week, at which hardly anybody works in this log.

The log's own hours decide: an hour of the day (or a day of the week) is quiet when it holds less than a tenth of an
even share of all events. Whatever zone the hours are read in, quiet ones stay quiet. Times that are only a day say
nothing here, and neither does a time that the order of the events contradicts.

Base rate: the share of the cases with an event at a quiet time; strength is how quiet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Final

from ledger.facts.anomalies.back_dated import back_dated
from ledger.facts.anomalies.found import COMMON, DAY_US, EVIDENCE, Anomaly, Seen, named, ranks, score

QUIET: Final = Fraction(1, 10)
_LEAST_EVENTS: Final = 300  # below, an hour without events means nothing
_HOUR_US: Final = 3_600_000_000


def _bins(at_us: int) -> tuple[int, int]:
    return at_us % DAY_US // _HOUR_US, at_us // DAY_US % 7


class OffHours:
    """The detector."""

    def __init__(self) -> None:
        """Nothing learnt yet."""
        self._hours, self._days, self._n = [0] * 24, [0] * 7, 0
        self._judged = 0
        self._cases: list[tuple[int, Fraction, tuple[int, ...], str, int]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """Count events by hour and by day of the week."""
        for event in events:
            if event.at_us is not None and not event.coarse:
                hour, day = _bins(event.at_us)
                self._hours[hour] += 1
                self._days[day] += 1
                self._n += 1

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Note the quietest time at which the case was worked on."""
        self._judged += 1
        if self._n < _LEAST_EVENTS:
            return
        wrong = back_dated(events)
        quiet = []
        for place, event in enumerate(events):
            if event.at_us is not None and not event.coarse and place not in wrong:
                density = self._density(event.at_us)
                if density < QUIET:
                    quiet.append((density, event))
        if quiet:
            density, worst = min(quiet)
            leaves = dict.fromkeys([worst.leaf, *(event.leaf for _, event in quiet)])
            assert worst.at_us is not None
            self._cases.append((case, density, tuple(leaves)[:EVIDENCE], worst.activity, worst.at_us))

    def found(self) -> Iterator[Anomaly]:
        """One row per case, for its quietest time."""
        rate = Fraction(len(self._cases), max(self._judged, 1))
        if rate > COMMON:
            return
        strengths = ranks([-float(density) for _, density, *_ in self._cases])
        for (case, _, leaves, activity, at_us), strength in zip(self._cases, strengths, strict=True):
            when = datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%MZ")
            times = f"{len(self._cases)}/{self._judged}"
            yield Anomaly(
                case,
                "A6",
                score(rate, strength=strength),
                rate,
                leaves,
                f"“{named(activity)}”发生在 {when}，此时段一般无人办理；{times} 件有此类时间",
                f"“{named(activity)}” at {when}, when hardly anybody works in this log; {times} cases have such times",
            )

    def _density(self, at_us: int) -> Fraction:
        """How busy that time is, 1 being an even share: the quieter of its hour and its day."""
        hour, day = _bins(at_us)
        return min(Fraction(self._hours[hour] * 24, self._n), Fraction(self._days[day] * 7, self._n))
