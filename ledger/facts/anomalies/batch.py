"""A5: one actor entered one step of five or more cases within 60 seconds.

Times that are only a day say nothing here and are left out. Base rate: of all cases with that step, the share that
lie in such batches; a step that machines do in batches has a high one, and where it passes a fifth there is no flag.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import groupby
from typing import Final

from ledger.facts.anomalies.found import COMMON, EVIDENCE, Anomaly, Stroke, named, score

CASES: Final = 5
WITHIN_US: Final = 60_000_000


def batches(strokes: Iterable[Stroke]) -> Iterator[list[Stroke]]:
    """The longest runs, in one actor's strokes of one step, of which every stroke lies in a window with five cases."""
    window: deque[Stroke] = deque()
    batch: list[Stroke] = []
    for stroke in strokes:
        window.append(stroke)
        while stroke.at_us - window[0].at_us > WITHIN_US:
            window.popleft()
        if len({one.case for one in window}) >= CASES:
            if batch and batch[-1].at_us < window[0].at_us:
                yield batch
                batch = []
            known = {one.leaf for one in batch}
            batch.extend(one for one in window if one.leaf not in known)
    if batch:
        yield batch


def find(strokes: Iterable[Stroke]) -> Iterator[Anomaly]:
    """One row per case, for its largest batch."""
    seen: Counter[str] = Counter()
    held: Counter[str] = Counter()
    found: dict[int, tuple[int, str, int, tuple[int, ...]]] = {}
    for (activity, _), mine in groupby(strokes, key=lambda stroke: (stroke.activity, stroke.resource)):
        count = _Counting(mine)
        for batch in batches(count):
            cases = {stroke.case for stroke in batch}
            held[activity] += len(batch)
            leaves = tuple(stroke.leaf for stroke in batch)
            for stroke in batch:
                mine_first = (stroke.leaf, *(leaf for leaf in leaves if leaf != stroke.leaf))[:EVIDENCE]
                row = (len(cases), activity, batch[-1].at_us - batch[0].at_us, mine_first)
                found[stroke.case] = max(found.get(stroke.case, row), row)
        seen[activity] += count.n
    for case, (cases_n, activity, span_us, leaves) in sorted(found.items()):
        rate = Fraction(held[activity], seen[activity])
        if rate > COMMON:
            continue
        seconds = f"{span_us / 1_000_000:.0f}"
        times = f"{held[activity]}/{seen[activity]}"
        yield Anomaly(
            case,
            "A5",
            score(rate),
            rate,
            leaves,
            f"同一人在 {seconds} 秒内为 {cases_n} 件办件录入“{named(activity)}”；该步骤 {times} 次如此",
            f"one person entered “{named(activity)}” for {cases_n} cases within {seconds} s;"
            f" so are {times} of that step's entries",
        )


class _Counting:
    def __init__(self, strokes: Iterator[Stroke]) -> None:
        self.n = 0
        self._strokes = strokes

    def __iter__(self) -> Iterator[Stroke]:
        for stroke in self._strokes:
            self.n += 1
            yield stroke
