"""A1: a step that comes before another in (nearly) every case did not come before it here.

Order is a set of rules "before *b* there was an *a*". Mined: those that hold in at least 98 % of at least 30 cases
with *b*, judged at the first *b* in the file's order (one case is left out of the share: the one under suspicion must
not be what breaks the rule that it breaks). Given by hand, they are taken as they are. A case that breaks
several is named for the missing step that is missing most seldom.

Base rate: of the cases with a step that the missing one must precede, the share that lack it likewise.
Keeps counts of pairs of the first ``MOST`` steps that the log has.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from ledger.facts.anomalies.found import COMMON, EVIDENCE, LEAST_CASES, Anomaly, Seen, named, score

HOLDS: Final = Fraction(98, 100)
MOST: Final = 300

Order = frozenset[tuple[str, str]]
"""Pairs (a, b): before b there was an a."""


class Skipped:
    """The detector. ``order``: rules given by hand, in the place of mined ones."""

    def __init__(self, order: Order | None = None, *, most: int = MOST) -> None:
        """Nothing learnt yet. ``most``: so many steps are learnt, the first that the log has."""
        self._given = order
        self._most = most
        self._with: Counter[str] = Counter()
        self._before: Counter[tuple[str, str]] = Counter()
        self._needs: dict[str, list[str]] | None = None
        self._due: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()
        self._broken: list[tuple[int, dict[str, tuple[list[int], str]]]] = []

    def learn(self, case: int, events: Sequence[Seen]) -> None:
        """Count who comes before whom."""
        if self._given is not None:
            return
        came: list[str] = []
        for event in events:
            b = event.activity
            if b and b not in came and (b in self._with or len(self._with) < self._most):
                self._with[b] += 1
                self._before.update((a, b) for a in came)
                came.append(b)

    def judge(self, case: int, events: Sequence[Seen]) -> None:
        """Note which steps were due and which of them were missing."""
        if self._needs is None:
            self._needs = self._rules()
        came: set[str] = set()
        due: set[str] = set()
        missing: dict[str, tuple[list[int], str]] = {}
        for event in events:
            b = event.activity
            if b in came:
                continue
            for a in self._needs.get(b, ()):
                due.add(a)
                if a not in came:
                    missing.setdefault(a, ([], b))[0].append(event.leaf)
            came.add(b)
        self._due.update(due)
        self._missing.update(missing.keys())
        if missing:
            self._broken.append((case, missing))

    def found(self) -> Iterator[Anomaly]:
        """One row per case, for the step that is missing most seldom."""
        for case, missing in self._broken:
            rate, a = min((Fraction(self._missing[a], self._due[a]), a) for a in missing)
            if rate > COMMON and self._given is None:
                continue
            leaves, b = missing[a]
            times = f"{self._missing[a]}/{self._due[a]}"
            yield Anomaly(
                case,
                "A1",
                score(rate),
                rate,
                tuple(leaves[:EVIDENCE]),
                f"做了“{named(b)}”，而此前没有“{named(a)}”；本应先有该步骤的办件中，仅 {times} 缺失",
                f"“{named(b)}” was done without “{named(a)}” before it; it is missing so in {times} cases only",
            )

    def _rules(self) -> dict[str, list[str]]:
        pairs = self._given
        if pairs is None:
            pairs = frozenset(
                (a, b)
                for (a, b), held in self._before.items()
                if self._with[b] >= LEAST_CASES and held >= HOLDS * (self._with[b] - 1)
            )
        needs: dict[str, list[str]] = {}
        for a, b in sorted(pairs):
            needs.setdefault(b, []).append(a)
        return needs
