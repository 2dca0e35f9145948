"""A13: ratings of one window come faster than people can have been served there.

A burst is five ratings or more of one window within two minutes, all of the same level. Base rate: of all ratings of
windows, those that lie in a burst. Every visit so rated is a row.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import groupby
from typing import Final

from ledger.facts.anomalies.found import COMMON, EVIDENCE, Anomaly, score
from ledger.facts.anomalies.live import Rated

RATINGS: Final = 5
WITHIN_US: Final = 120_000_000


def bursts(ratings: Iterable[Rated]) -> Iterator[list[Rated]]:
    """The longest runs of one window's ratings, by time, of which each lies in a span with five of its level."""
    window: deque[Rated] = deque()
    burst: list[Rated] = []
    for rated in ratings:
        window.append(rated)
        while rated.recorded_us - window[0].recorded_us > WITHIN_US:
            window.popleft()
        same = [one for one in window if one.level == rated.level]
        if len(same) >= RATINGS:
            if burst and (burst[-1].recorded_us < same[0].recorded_us or burst[-1].level != rated.level):
                yield burst
                burst = []
            known = {one.leaf for one in burst}
            burst.extend(one for one in same if one.leaf not in known)
    if burst:
        yield burst


def find(ratings: Iterable[Rated]) -> Iterator[Anomaly]:
    """One row per visit."""
    n, rows = 0, dict[int, tuple[int, str, int, tuple[int, ...]]]()
    for window, its in groupby(ratings, key=lambda rated: rated.window):
        mine = list(its)
        n += len(mine)
        for burst in bursts(mine):
            leaves = [one.leaf for one in burst]
            span = burst[-1].recorded_us - burst[0].recorded_us
            for one in burst:
                shown = tuple(dict.fromkeys([one.leaf, *leaves]))[:EVIDENCE]
                rows[one.visit] = max(rows.get(one.visit, (0, "", 0, ())), (len(burst), window, span, shown))
    rate = Fraction(len(rows), max(n, 1))
    if not rows or rate > COMMON:
        return
    for visit, (many, window, span, named) in sorted(rows.items()):
        seconds, times = f"{span / 1_000_000:.0f}", f"{len(rows)}/{n}"
        yield Anomaly(
            visit,
            "A13",
            score(rate),
            rate,
            named,
            f"窗口 {window} 在 {seconds} 秒内收到 {many} 次同级评价；评价中 {times} 如此",
            f"window {window} was rated {many} times alike within {seconds} s; so are {times} ratings",
        )
