"""A19: in some week a unit's visitors waited much longer, or far fewer of its cases were in time, than in its others.

The mean wait of a week is held against the median of the unit's other weeks: out of line is a week of at least
``LEAST`` visits whose mean is over twice it and further off than six times the median of their distances. The on-time
share of a week is out of line when its upper Wilson bound (95 %) lies below the lower one of all the other weeks
together. A week with fewer cases, and a unit with fewer than five such weeks, are not judged.

A row is a unit, known by its registration; evidence is of its worst week. Base rate: of all weeks judged, those out
of line. Keeps a sum and a few leaves per unit and week.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from heapq import heappush, heappushpop
from statistics import median
from typing import Final

from ledger.facts.anomalies.found import EVIDENCE, Anomaly, Reasons
from ledger.facts.anomalies.live import Register, Run, Turn
from ledger.facts.case_clocks import day_at
from ledger.facts.exact import wilson

LEAST: Final = 10
LEAST_WEEKS: Final = 5
TIMES: Final = 2
DISTANCES: Final = 6


@dataclass(slots=True)
class _Week:
    n: int = 0
    part: int = 0
    worst: list[tuple[int, int]] = field(default_factory=list)

    def add(self, amount: int, weight: int, leaf: int) -> None:
        self.n += 1
        self.part += amount
        if len(self.worst) < EVIDENCE:
            heappush(self.worst, (weight, leaf))
        else:
            heappushpop(self.worst, (weight, leaf))

    def leaves(self) -> list[int]:
        return [leaf for _, leaf in sorted(self.worst, reverse=True)]


Weeks = dict[str, dict[date, _Week]]


def _monday(us: int) -> date:
    day = day_at(us)
    return day - timedelta(days=day.weekday())


def waits(turns: Iterable[Turn], register: Register) -> Weeks:
    """Unit → week → waits of tickets from being taken to the first call, in seconds."""
    weeks: Weeks = {}
    taken: dict[int, int] = {}
    day = None
    for turn in turns:
        if day_at(turn.recorded_us) != day:
            day = day_at(turn.recorded_us)
            taken.clear()  # who was not called on the day waits no more
        if turn.verb == "taken":
            taken[turn.ticket] = turn.recorded_us
        elif turn.verb == "called" and (turn.window or "") in register.windows and turn.ticket in taken:
            seconds = (turn.recorded_us - taken.pop(turn.ticket)) // 1_000_000
            unit = register.windows[turn.window or ""][2]
            week = weeks.setdefault(unit, {}).setdefault(_monday(turn.recorded_us), _Week())
            week.add(seconds, seconds, turn.leaf)
    return weeks


def on_time(runs: Iterable[Run]) -> Weeks:
    """Unit → week of the due instant → promise runs that stopped in time."""
    weeks: Weeks = {}
    for run in runs:
        late = run.stopped_us > run.due_us
        week = weeks.setdefault(run.unit, {}).setdefault(_monday(run.due_us), _Week())
        week.add(not late, run.stopped_us - run.due_us, run.leaf)
    return weeks


def find(waited: Weeks, timely: Weeks, register: Register) -> Iterator[Anomaly]:
    """One row per unit."""
    reasons = Reasons("A19")
    for unit, weeks in sorted(waited.items()):
        judged = {monday: week for monday, week in weeks.items() if week.n >= LEAST}
        if len(judged) < LEAST_WEEKS or unit not in register.units:
            continue
        means = {monday: Fraction(week.part, week.n) for monday, week in judged.items()}
        reasons.could("wait", len(means))
        for monday, mean in sorted(means.items()):
            others = [value for other, value in means.items() if other != monday]
            middle = median(others)
            apart = median(abs(value - middle) for value in others)
            if mean > TIMES * middle and mean - middle > DISTANCES * apart and mean - middle > 60:
                zh = f"{monday} 起一周平均等候 {float(mean) / 60:.0f} 分钟，平时 {float(middle) / 60:.0f} 分钟"
                en = f"{float(mean) / 60:.0f} min of waiting in the week of {monday}, usually {float(middle) / 60:.0f}"
                strength = float(mean - middle)
                _did(reasons, "wait", register.units, unit, judged[monday], zh, en, strength)
    for unit, weeks in sorted(timely.items()):
        judged = {monday: week for monday, week in weeks.items() if week.n >= LEAST}
        if len(judged) < LEAST_WEEKS or unit not in register.units:
            continue
        reasons.could("time", len(judged))
        n, part = sum(week.n for week in judged.values()), sum(week.part for week in judged.values())
        for monday, week in sorted(judged.items()):
            mine, rest_of = wilson(week.part, week.n), wilson(part - week.part, n - week.n)
            if mine is not None and rest_of is not None and mine[1] < rest_of[0]:
                here, rest = f"{week.part}/{week.n}", f"{part - week.part}/{n - week.n}"
                zh = f"{monday} 起一周按时办结 {here}，其余各周 {rest}"
                en = f"in the week of {monday} {here} were in time, in the others {rest}"
                strength = float(rest_of[0] - mine[1])
                _did(reasons, "time", register.units, unit, week, zh, en, strength)
    return reasons.found()


def _did(
    reasons: Reasons,
    reason: str,
    units: Mapping[str, tuple[int, object]],
    unit: str,
    week: _Week,
    zh: str,
    en: str,
    strength: float,
) -> None:
    reasons.did(reason, units[unit][0], week.leaves(), f"{unit}：{zh}", f"{unit}: {en}", strength=strength)
