"""A2: an event claims a time earlier than one before it in the file's order.

The order in which a source wrote its events down is the nearest thing to a recorded time that an imported log has.
A time that is only a day is earlier only if the whole day is.

Base rate: the share of the cases with two times that show it. Where a fifth does, the file is sorted some other way.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from ledger.facts.anomalies.found import COMMON, EVIDENCE, Anomaly, Seen, named, score


def back_dated(events: Sequence[Seen]) -> dict[int, tuple[Seen, int]]:
    """Place in the case → (the earlier event that claims a later time, by how many µs) for each back-dated event."""
    found: dict[int, tuple[Seen, int]] = {}
    newest: Seen | None = None
    for place, event in enumerate(events):
        if event.at_us is None or event.latest_us is None:
            continue
        if newest is not None and newest.at_us is not None and event.latest_us < newest.at_us:
            found[place] = newest, newest.at_us - event.latest_us
        elif newest is None or newest.at_us is None or event.at_us >= newest.at_us:
            newest = event
    return found


class BackDated:
    """The detector."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._timed = 0
        self._cases: list[tuple[int, tuple[int, ...], str, int]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """There is nothing to learn: time goes forward."""

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Compare each time with the newest before it."""
        self._timed += sum(event.at_us is not None for event in events) > 1
        found = back_dated(events)
        if found:
            worst = max(found, key=lambda place: found[place][1])
            before, by_us = found[worst]
            leaves = [leaf for place in [worst, *found] for leaf in (events[place].leaf, found[place][0].leaf)]
            shown = tuple(dict.fromkeys([events[worst].leaf, before.leaf, *leaves]))[:EVIDENCE]
            self._cases.append((case, shown, events[worst].activity, by_us))

    def found(self) -> Iterator[Anomaly]:
        """One row per case, for its farthest step back."""
        rate = Fraction(len(self._cases), max(self._timed, 1))
        if rate > COMMON:
            return
        for case, leaves, activity, by_us in self._cases:
            hours = f"{by_us / 3_600_000_000:.1f}"
            cases = f"{len(self._cases)}/{self._timed}"
            yield Anomaly(
                case,
                "A2",
                score(rate),
                rate,
                leaves,
                f"“{named(activity)}”所称时间比此前已记的事件早 {hours} 小时；{cases} 件有此情形",
                f"“{named(activity)}” claims a time {hours} h before an event ahead of it; so in {cases} cases",
            )
