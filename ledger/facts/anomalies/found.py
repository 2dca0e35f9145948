"""What every detector is given and what it gives back, and how a score is made, so that kinds can be compared.

Promise: a score is −ln of a *base rate*: the share of this log's cases (or of those in which it could have happened)
that show the same thing. It says how seldom that is here, never that somebody did wrong. What more than one case in
``COMMON`` shows is how this log is, and no anomaly. Within a kind that is defined by a quantile there is always a
longest gap and a rarest hand, whatever the log: there strength moves the score by ln 2 at most.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple, Protocol

COMMON: Final = Fraction(1, 5)
LEAST_CASES: Final = 30
"""From so many cases on, what a log does counts as its habit."""
EVIDENCE: Final = 12
"""A row names at most so many statements; the case itself shows the others."""

DAY_US: Final = 86_400_000_000


class Seen(NamedTuple):
    """One event of a case. ``coarse``: its time is a day without a time of day (``at_us`` is where the day begins)."""

    leaf: int
    at_us: int | None
    activity: str
    resource: str | None
    coarse: bool = False
    future: bool = False

    @property
    def latest_us(self) -> int | None:
        """The last moment that its time can mean."""
        return self.at_us + DAY_US - 1 if self.coarse and self.at_us is not None else self.at_us


class Stroke(NamedTuple):
    """One event as its actor's: in the order of (activity, resource, time)."""

    activity: str
    resource: str
    at_us: int
    case: int
    leaf: int


class Run(NamedTuple):
    """A term that ended: of a live case its promise clock. ``unit``: whose it was; ``leaf``: what ended it."""

    case: int
    unit: str
    started_us: int
    due_us: int
    stopped_us: int
    leaf: int


class Log(Protocol):
    """An imported log, read from its beginning as often as it is asked for."""

    def cases(self) -> Iterator[tuple[int, Sequence[Seen]]]:
        """Each case once, with its events in the file's order."""

    def strokes(self) -> Iterator[Stroke]:
        """Each event that has an activity, an actor and a time of day, in the order of those three."""

    def runs(self) -> Iterator[Run]:
        """The cases that have a start, a deadline and an end, as terms of whoever did their last event."""


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One reason to open a case. ``leaves``: the statements that show it."""

    case: int
    kind: str
    score: float
    base_rate: Fraction
    leaves: tuple[int, ...]
    zh: str
    en: str


class Detector(Protocol):
    """A detector sees each case twice: first to learn what is usual, then to say what is not."""

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """Take in a case."""

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Look at a case with what was learnt."""

    def found(self) -> Iterable[Anomaly]:
        """What was found in all cases, at most once per case."""


def score(base_rate: Fraction, *, strength: float = 0.0) -> float:
    """−ln of the base rate, and up to ln 2 more for a ``strength`` from 0 to 1; six decimals."""
    return round(-math.log(base_rate) + math.log(2) * strength, 6)


def ranks(strengths: Sequence[float]) -> list[float]:
    """For each, the share of the others that are weaker: 0 for the weakest, towards 1 for the strongest."""
    ascending = sorted(strengths)
    at = {value: place for place, value in reversed(list(enumerate(ascending)))}
    return [at[value] / len(ascending) for value in strengths]


def named(activity: str) -> str:
    """A step's name in a sentence, no longer than one can read."""
    return activity if len(activity) <= 60 else activity[:59] + "…"


def share(rate: Fraction) -> str:
    """A rate as people read it."""
    return f"{float(rate):.2%}"


class Reasons:
    """The rows of a kind that has several reasons. Each has its own base rate; a case is named for its rarest.

    ``could``: one more case in which that reason could have shown; ``did``: it did. A reason that needs no
    comparison (``at_all``: a rule was broken, whatever others do) is measured against all cases, and is named however
    many show it.
    """

    def __init__(self, kind: str) -> None:
        """Nothing seen yet."""
        self._kind = kind
        self._could: Counter[str] = Counter()
        self._did: dict[str, dict[int, tuple[float, tuple[int, ...], str, str]]] = {}

    def could(self, reason: str, cases: int = 1) -> None:
        """So many more cases in which it could have shown."""
        self._could[reason] += cases

    def did(self, reason: str, case: int, leaves: Iterable[int], zh: str, en: str, *, strength: float = 0.0) -> None:
        """It showed in ``case``; of several times the strongest counts."""
        rows = self._did.setdefault(reason, {})
        shown = tuple(dict.fromkeys(leaves))[:EVIDENCE]
        if case not in rows or rows[case][0] < strength:
            rows[case] = strength, shown, zh, en

    def found(self, *, at_all: int | None = None) -> Iterator[Anomaly]:
        """One row per case. ``at_all``: the number of all cases, for kinds whose reasons need no comparison."""
        best: dict[int, Anomaly] = {}
        for reason, rows in sorted(self._did.items()):
            of = max(len(rows), self._could[reason] if at_all is None else at_all)
            rate = Fraction(len(rows), of)
            if at_all is None and rate > COMMON:
                continue
            strengths = ranks([strength for strength, *_ in rows.values()])
            times = f"{len(rows)}/{of}"
            for (case, (strong, leaves, zh, en)), rank in zip(rows.items(), strengths, strict=True):
                row = Anomaly(
                    case,
                    self._kind,
                    score(rate, strength=rank if strong else 0.0),
                    rate,
                    leaves,
                    f"{zh}；{times} 有此情形",
                    f"{en}; so in {times}",
                )
                if case not in best or best[case].score < row.score:
                    best[case] = row
        yield from (best[case] for case in sorted(best))
