"""A6 of a live log: somebody worked on a case when the hall is closed, and no roster made that normal.

Closed is a day off of the calendar, and a half hour of the local day that holds less than a tenth of an even share of
the acts of all staff, and so do those within an hour: who comes last is served. A roster for that window and day makes
a day off normal; one that names a shift of its own makes any hour normal. Emergencies, duty and grid work know no hours
and are not judged; recorded time decides.

Base rate: the share of the cases with such an act; strength is how quiet that hour is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Final

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Act, Case, Register
from ledger.facts.clocks import SHANGHAI

QUIET: Final = Fraction(1, 10)
_LEAST_ACTS: Final = 300
_HALVES: Final = 48
KINDS: Final = frozenset({"approval", "ticket", "trading", "reservation", "mediation", "consultation", "assistance"})
ROLES: Final = frozenset({"window_clerk", "reviewer", "approver", "unit_head", "trading_officer"})


def _half(when: datetime) -> int:
    return when.hour * 2 + when.minute // 30


def _local(us: int) -> datetime:
    return datetime.fromtimestamp(us // 1_000_000, SHANGHAI)


class AfterHours:
    """The detector."""

    def __init__(self, register: Register) -> None:
        """Nothing learnt yet."""
        self._register = register
        self._halves, self._n = [0] * _HALVES, 0
        self._reasons = Reasons("A6")

    def learn(self, case: Case) -> None:
        """Count acts by half hour."""
        for act in self._acts(case):
            self._halves[_half(_local(act.recorded_us))] += 1
            self._n += 1

    def judge(self, case: Case) -> None:
        """Note the acts at closed hours."""
        self._reasons.could("hour")
        self._reasons.could("day")
        if self._n < _LEAST_ACTS:
            return
        for act in self._acts(case):
            when = _local(act.recorded_us)
            window, day, text = act.window or "", when.date(), when.strftime("%Y-%m-%d %H:%M")
            if (window, day) in self._register.rostered:
                continue
            density = self._density(_half(when))
            if density < QUIET:
                self._reasons.did(
                    "hour",
                    case.leaf,
                    [act.leaf],
                    f"“{act.verb}”发生在 {text}，此时段一般无人办理，也无排班",
                    f"“{act.verb}” at {text}, when hardly anybody works and no roster says so",
                    strength=float(QUIET - density),
                )
            elif not self._register.is_worked(day) and (window, day) not in self._register.rostered_days:
                self._reasons.did(
                    "day",
                    case.leaf,
                    [act.leaf],
                    f"“{act.verb}”发生在休息日 {text}，且无排班",
                    f"“{act.verb}” at {text}, a day off without a roster",
                )

    def closed(self, us: int, window: str = "") -> str | None:
        """That moment as text, if the hall is closed then and no roster of the window makes it normal."""
        when = _local(us)
        day = when.date()
        if self._n < _LEAST_ACTS or (window, day) in self._register.rostered:
            return None
        is_off = not self._register.is_worked(day) and (window, day) not in self._register.rostered_days
        return when.strftime("%Y-%m-%d %H:%M") if is_off or self._density(_half(when)) < QUIET else None

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        return self._reasons.found()

    def _density(self, half: int) -> Fraction:
        """How busy that half hour is, or the busiest within an hour of it; 1 is an even share."""
        near = (self._halves[(half + by) % _HALVES] for by in range(-2, 3))
        return Fraction(max(near) * _HALVES, self._n)

    def _acts(self, case: Case) -> Iterator[Act]:
        if case.kind in KINDS:
            yield from (act for act in case.acts if act.role in ROLES)
