"""A4: a unit decides on the last stretch of its promise far oftener than the others do.

A promise run that stopped within its last tenth, or on the very day on which it was due, hugs its deadline. A unit is
named when even the lower Wilson bound (95 %) of its share lies above ``TIMES`` the share of all the other units, and
its cases are then the rows. Units of fewer than ten stopped runs are not judged.

An imported log has no units: there whoever did the last event of a case that has a deadline stands for one.

Base rate: of all stopped runs, those that hug in units so named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

from ledger.facts.anomalies.found import COMMON, Anomaly, Run, score
from ledger.facts.case_clocks import day_at
from ledger.facts.exact import wilson

LAST: Final = Fraction(1, 10)
TIMES: Final = 2
LEAST_RUNS: Final = 10


def hugs(run: Run) -> bool:
    """Whether it stopped in time, and just so."""
    if not run.started_us < run.stopped_us <= run.due_us:
        return False
    left = Fraction(run.due_us - run.stopped_us, run.due_us - run.started_us)
    day = day_at(run.due_us - 1)  # a day that ends at 24:00 is that day
    return left <= LAST or (day_at(run.stopped_us) == day and day_at(run.started_us) != day)


def find(runs: Iterable[Run], *, who: tuple[str, str] = ("单位", "unit")) -> Iterator[Anomaly]:
    """One row per case of the units so named. ``who``: what a unit is called."""
    all_, close = Counter[str](), dict[str, dict[int, int]]()
    for run in runs:
        all_[run.unit] += 1
        if hugs(run):
            close.setdefault(run.unit, {})[run.case] = run.leaf
    n, k = all_.total(), sum(map(len, close.values()))
    named = {}
    for unit, cases in close.items():
        low, _ = wilson(len(cases), all_[unit]) or (None, None)
        others = Fraction(k - len(cases), max(n - all_[unit], 1))
        if all_[unit] >= LEAST_RUNS and low is not None and n > all_[unit] and Fraction(low) > TIMES * others:
            named[unit] = others
    rate = Fraction(sum(len(close[unit]) for unit in named), max(n, 1))
    if not named or rate > COMMON:
        return
    for unit, others in sorted(named.items()):
        share, usual = f"{len(close[unit])}/{all_[unit]}", f"{float(others):.1%}"
        for case, leaf in sorted(close[unit].items()):
            yield Anomaly(
                case,
                "A4",
                score(rate),
                rate,
                (leaf,),
                f"在期限将满时办结；{who[0]} {unit:.12} 有 {share} 件如此，其他仅 {usual}",
                f"ended as its term ran out; {who[1]} {unit:.12} does so in {share} cases, all others in {usual}",
            )
