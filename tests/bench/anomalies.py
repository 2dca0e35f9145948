"""Known anomalies put into a log, and how well they are found again: ours beside chance, IsolationForest and ECOD.

    python -m tests.bench --rows anomalies

Nine kinds, fifteen cases each, per seed; every other case is an untouched control. Detectors and thresholds were
looked at on seeds 0 to 4; what is reported are seeds 5 to 9. A row counts as right only when both its case and its
kind are those put in: an honest oddity of the real log counts as wrong, for nobody knows better.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

from ledger.exchange.generate import generate_records
from ledger.exchange.xes import EventRecord, Flag, Record, read_instant, read_xes
from ledger.facts.anomalies import find_anomalies
from ledger.facts.anomalies.found import DAY_US, Anomaly, Run, Seen, Stroke

if TYPE_CHECKING:
    from tests.bench.stand import Stand
    from tests.bench.table import Row

REAL_LOG: Final = Path(__file__).resolve().parents[3] / "shared" / "data" / "Receipt.xes.gz"
KINDS: Final = ("A1", "A2", "A3", "A5", "A6", "A7", "A9", "A20", "A4")
SURE: Final = ("A1", "A2", "A5", "A7")  # these must all be found
EACH: Final = 15
REPORTED: Final = range(5, 10)
FIRST: Final = 30
_HOUR_US: Final = 3_600_000_000
_TRIES: Final = 1500  # a log that hardly carries a kind gets fewer of it

Cases = dict[int, list[Seen]]
Terms = dict[int, tuple[int, int, int]]
"""Case → start, deadline, end."""


@dataclass
class MemoryLog:
    """A log in memory, for the detectors."""

    of: Cases
    terms: Terms = field(default_factory=dict)

    def cases(self) -> Iterator[tuple[int, Sequence[Seen]]]:
        yield from sorted(self.of.items())

    def strokes(self) -> Iterator[Stroke]:
        yield from sorted(
            Stroke(event.activity, event.resource, event.at_us, case, event.leaf)
            for case, events in self.of.items()
            for event in events
            if event.activity and event.resource is not None and event.at_us is not None and not event.coarse
        )

    def runs(self) -> Iterator[Run]:
        for case, (start, due, end) in sorted(self.terms.items()):
            last = next((event for event in reversed(self.of[case]) if event.resource is not None), None)
            if last is not None and last.resource is not None:
                yield Run(case, last.resource, start, due, end, last.leaf)


def load_terms(records: Iterator[Record]) -> Terms:
    """Of the cases that have all three, start, deadline and end; numbered as by ``load``."""
    terms: Terms = {}
    numbers: dict[str, int] = {}
    for record in records:
        number = numbers.setdefault(record.case_id, len(numbers))
        if not isinstance(record, EventRecord):
            dates = {one.name: read_instant(one.value or "") for one in record.attributes if one.type == "date"}
            found = [dates.get(name) for name in ("startdate", "deadline", "enddate")]
            if all(found):
                terms[number] = (found[0].us, found[1].us, found[2].us)  # type: ignore[union-attr]
    return terms


def load(records: Iterator[Record]) -> Cases:
    """A file's cases, numbered in its order; leaves are counted as an import would."""
    cases: dict[str, tuple[int, list[Seen]]] = {}
    for leaf, record in enumerate(records):
        _, events = cases.setdefault(record.case_id, (len(cases), []))
        if isinstance(record, EventRecord):
            coarse = Flag.DATE_ONLY in record.flags
            events.append(Seen(leaf, record.at_us, record.activity or "", record.resource, coarse))
    return dict(cases.values())


# ── Putting in ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Injector:
    """Puts anomalies into a copy of ``clean``; ``key`` says which case got which kind."""

    clean: Cases
    seed: int
    kinds: Sequence[str] = KINDS
    each: int = EACH
    terms: Terms = field(default_factory=dict)
    key: dict[int, str] = field(default_factory=dict)
    of: Cases = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chance = Random(f"anomalies/{self.seed}")
        self.of = {case: list(events) for case, events in self.clean.items()}
        self.leaf = max(event.leaf for events in self.clean.values() for event in events)
        self.befores = mandatory(self.clean)
        self.hands: dict[str, Counter[str]] = defaultdict(Counter)
        for events in self.clean.values():
            for event in events:
                if event.resource:
                    self.hands[event.resource][event.activity] += 1
        ways: dict[str, Callable[[list[Seen]], bool]] = {
            "A1": self._skip,
            "A2": self._back_date,
            "A3": self._stall,
            "A6": self._at_night,
            "A7": self._repeat,
            "A9": self._other_hand,
            "A20": self._never,
        }
        self.terms = dict(self.terms)
        for kind in self.kinds:
            if kind == "A4":
                self._hug()
                continue
            if kind == "A5":
                self._batches()
                continue
            for _ in range(_TRIES):
                if sum(found == kind for found in self.key.values()) == self.each:
                    break
                case = self._free(lambda events: len(events) >= 3)
                if ways[kind](self.of[case]):
                    self.key[case] = kind

    def _free(self, wanted: Callable[[list[Seen]], bool]) -> int:
        cases = [case for case, events in self.of.items() if case not in self.key and wanted(events)]
        return self.chance.choice(cases)

    def _skip(self, events: list[Seen]) -> bool:
        """Take out a step that something later in the case has always been preceded by."""
        names = [event.activity for event in events]
        due = sorted({a for b in names for a in self.befores.get(b, ()) if a in names[: names.index(b)]})
        if not due:
            return False
        gone = self.chance.choice(due)
        events[:] = [event for event in events if event.activity != gone]
        return True

    def _back_date(self, events: list[Seen]) -> bool:
        """Date an event one hour to five days before its predecessor."""
        place = self.chance.randrange(1, len(events))
        before = max((event.at_us for event in events[:place] if event.at_us is not None), default=None)
        if before is None or events[place].at_us is None:
            return False
        by_us = self.chance.randint(1, 120) * _HOUR_US
        if any(event.coarse for event in events[: place + 1]):
            by_us += 2 * DAY_US
        events[place] = events[place]._replace(at_us=before - by_us)
        return True

    def _stall(self, events: list[Seen]) -> bool:
        """Let everything from some step on wait for 60 to 200 days."""
        place = self.chance.randrange(1, len(events))
        _later(events, place, self.chance.randint(60, 200) * DAY_US)
        return True

    def _at_night(self, events: list[Seen]) -> bool:
        """Do a step at the next half past one to half past four at night, and all that follows later by as much."""
        place = self.chance.randrange(1, len(events))
        at_us = events[place].at_us
        if at_us is None or events[place].coarse:
            return False
        night = DAY_US + int(self.chance.uniform(1.5, 4.5) * _HOUR_US) - 8 * _HOUR_US * (self.east)
        _later(events, place, (night - at_us) % DAY_US)
        return True

    def _repeat(self, events: list[Seen]) -> bool:
        """Do a step three to five times more, some hours apart."""
        place = self.chance.randrange(len(events))
        times = self.chance.randint(3, 5)
        apart_us = self.chance.randint(1, 4) * (DAY_US if events[place].coarse else _HOUR_US // 4)
        _later(events, place + 1, times * apart_us)
        event, again = events[place], []
        for nth in range(1, times + 1):
            self.leaf += 1
            at_us = None if event.at_us is None else event.at_us + nth * apart_us
            again.append(event._replace(leaf=self.leaf, at_us=at_us))
        events[place + 1 : place + 1] = again
        return True

    def _other_hand(self, events: list[Seen]) -> bool:
        """Give a step to somebody who works here (20 events or more) and never does it."""
        place = self.chance.randrange(len(events))
        activity = events[place].activity
        others = [who for who, does in sorted(self.hands.items()) if does.total() >= 20 and not does[activity]]
        if events[place].resource is None or not others:
            return False
        events[place] = events[place]._replace(resource=self.chance.choice(others))
        return True

    def _never(self, events: list[Seen]) -> bool:
        """Date an event before 1980, or thirty years ahead."""
        place = self.chance.randrange(len(events))
        by_us = self.chance.choice((-40, 30)) * 365 * DAY_US
        if events[place].at_us is None:
            return False
        events[place] = events[place]._replace(at_us=(events[place].at_us or 0) + by_us)
        return True

    def _hug(self) -> None:
        """Let one who ended fifteen to thirty cases have ended fifteen of them as their term ran out."""
        runs: dict[str, list[Run]] = defaultdict(list)
        for run in MemoryLog(self.of, self.terms).runs():
            runs[run.unit].append(run)
        few = [unit for unit, mine in sorted(runs.items()) if self.each <= len(mine) <= 2 * self.each]
        usable = [u for u in few if sum(run.case not in self.key for run in runs[u]) >= self.each]
        if not usable:
            return
        mine = [run for run in runs[self.chance.choice(usable)] if run.case not in self.key]
        for run in self.chance.sample(mine, self.each):
            start, due, _ = self.terms[run.case]
            self.terms[run.case] = start, due, due - self.chance.randint(0, (due - start) // 50)
            self.key[run.case] = "A4"

    def _batches(self) -> None:
        """Five cases at a time, whole cases moved so that one step of all is entered in the same minute by one."""
        for _ in range(self.each // 5):
            names = Counter(event.activity for events in self.of.values() for event in events)
            activity = self.chance.choice([name for name, _ in names.most_common(6)])
            who = self.chance.choice([who for who, does in sorted(self.hands.items()) if does[activity] >= 20])
            first: int | None = None
            for _ in range(5):
                case = self._free(lambda events, a=activity: any(e.activity == a and not e.coarse for e in events))  # type: ignore[misc]
                events = self.of[case]
                place = next(i for i, event in enumerate(events) if event.activity == activity and not event.coarse)
                at_us = events[place].at_us or 0
                first = at_us if first is None else first
                _later(events, 0, first + self.chance.randint(0, 45_000_000) - at_us)
                events[place] = events[place]._replace(resource=who)
                self.key[case] = "A5"

    @property
    def east(self) -> int:
        """Whether the log is of people eight hours east of UTC: the night lies elsewhere then."""
        hours = Counter(
            (e.at_us // _HOUR_US) % 24 for events in self.clean.values() for e in events if e.at_us and not e.coarse
        )
        return int(sum(hours[hour] for hour in range(17, 21)) < sum(hours[hour] for hour in range(1, 5)))


def _later(events: list[Seen], place: int, by_us: int) -> None:
    events[place:] = [e if e.at_us is None else e._replace(at_us=e.at_us + by_us) for e in events[place:]]


def mandatory(cases: Cases) -> dict[str, list[str]]:
    """Step → the steps that were before its first occurrence in each of at least 30 cases."""
    seen: Counter[str] = Counter()
    held: Counter[tuple[str, str]] = Counter()
    for events in cases.values():
        came: list[str] = []
        for event in events:
            if event.activity not in came:
                seen[event.activity] += 1
                held.update((a, event.activity) for a in came)
                came.append(event.activity)
    needs: dict[str, list[str]] = defaultdict(list)
    for (a, b), n in sorted(held.items()):
        if seen[b] >= 30 and n >= 0.98 * seen[b]:
            needs[b].append(a)
    return needs


# ── Finding again ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Judged:
    """How well one seed was found again."""

    precision: float  # among the first thirty, case and kind right
    average_precision: float  # over cases, as the rivals can only name cases
    recall: dict[str, float]  # by kind, over all rows

    @classmethod
    def of(cls, found: Sequence[Anomaly], key: dict[int, str], cases: int) -> Judged:
        right = [key.get(row.case) == row.kind for row in found]
        named = {(row.case, row.kind) for row in found}
        best: dict[int, float] = {}
        for row in found:
            best.setdefault(row.case, row.score)
        kinds = sorted(set(key.values()))
        return cls(
            sum(right[:FIRST]) / min(FIRST, max(len(found), 1)),
            average_precision(best, set(key)),
            {
                kind: sum((case, kind) in named for case, k in key.items() if k == kind)
                / sum(k == kind for k in key.values())
                for kind in kinds
            },
        )


def average_precision(scores: dict[int, float], wrong: set[int]) -> float:
    """The mean, over the cases put in, of the precision at their place; ties by case."""
    ranked = sorted(scores, key=lambda case: (-scores[case], case))
    hits, total = 0, 0.0
    for place, case in enumerate(ranked, start=1):
        if case in wrong:
            hits += 1
            total += hits / place
    return total / len(wrong)


def ours(clean: Cases, seed: int, **how: Any) -> Judged:
    """Our detectors on one seed."""
    put = Injector(clean, seed, **how)
    return Judged.of(find_anomalies(MemoryLog(put.of, put.terms)), put.key, len(put.of))


# ── Rivals ─────────────────────────────────────────────────────────────────────────────────────────────────


def features(cases: Cases) -> tuple[list[int], list[list[float]]]:
    """What a rival is given of each case: all that ours look at, as numbers, so that only the judging differs."""
    everything = [event for events in cases.values() for event in events]
    steps = Counter(event.activity for event in everything)
    pairs = Counter((event.resource, event.activity) for event in everything)
    follows = Counter((a.activity, b.activity) for events in cases.values() for a, b in pairwise(events))
    hours = Counter(event.at_us // _HOUR_US % 24 for event in everything if event.at_us is not None)
    days = Counter(event.at_us // DAY_US % 7 for event in everything if event.at_us is not None)
    minutes = Counter((e.resource, e.activity, e.at_us // 60_000_000) for e in everything if e.at_us is not None)
    usual = [step for step, n in steps.items() if n * 2 > len(cases)]
    order, rows = sorted(cases), []
    for case in order:
        events = cases[case]
        names = [event.activity for event in events]
        times = [event.at_us for event in events if event.at_us is not None] or [0]
        gaps = [(b - a) / _HOUR_US for a, b in pairwise(times)] or [0.0]
        rows.append(
            [
                float(len(events)),
                float(len(events) - len(set(names))),
                float(max(Counter(names).values(), default=0)),
                float(sum(step not in names for step in usual)),
                math.log(1 + max(times) / _HOUR_US - min(times) / _HOUR_US),
                math.log(1 + max(0.0, *gaps)),
                float(min(0.0, *gaps)),
                math.log(min((pairs[e.resource, e.activity] / steps[e.activity] for e in events), default=1)),
                math.log(min((follows[pair] for pair in pairwise(names)), default=1)),
                math.log(min(hours[time // _HOUR_US % 24] for time in times) or 1),
                math.log(min(days[time // DAY_US % 7] for time in times) or 1),
                float(
                    max((minutes[e.resource, e.activity, e.at_us // 60_000_000] for e in events if e.at_us), default=1)
                ),
            ]
        )
    return order, rows


def rivals(cases: Cases, seed: int) -> dict[str, dict[int, float]]:
    """Rival → case → score, the higher the odder."""
    from pyod.models.ecod import ECOD  # type: ignore[import-not-found]
    from sklearn.ensemble import IsolationForest  # type: ignore[import-not-found]

    order, rows = features(cases)
    forest = -IsolationForest(random_state=seed).fit(rows).score_samples(rows)
    ecod = ECOD()
    ecod.fit(rows)
    chance = Random(seed)
    return {
        "random": {case: chance.random() for case in order},
        "IsolationForest": dict(zip(order, map(float, forest), strict=True)),
        "ECOD": dict(zip(order, map(float, ecod.decision_scores_), strict=True)),
    }


def first_right(scores: dict[int, float], key: dict[int, str]) -> float:
    """The share of the first thirty cases into which anything was put."""
    ranked = sorted(scores, key=lambda case: (-scores[case], case))[:FIRST]
    return sum(case in key for case in ranked) / FIRST


def mean(values: Sequence[float]) -> float:
    """Their mean."""
    return sum(values) / len(values)


def rows(stand: Stand) -> Iterator[Row]:
    """The row: ours on the seeds kept for reporting, rivals on the same cases."""
    from tests.bench.rounds import say
    from tests.bench.table import Aim, Row

    records = read_xes(REAL_LOG) if REAL_LOG.exists() else generate_records()
    kept = list(records)
    clean, terms = load(iter(kept)), load_terms(iter(kept))
    mine: list[Judged] = []
    theirs: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for seed in REPORTED:
        put = Injector(clean, seed, terms=terms)
        mine.append(Judged.of(find_anomalies(MemoryLog(put.of, put.terms)), put.key, len(put.of)))
        say(f"  seed {seed}: {mine[-1]}")
        for name, scores in rivals(put.of, seed).items():
            theirs[name].append((first_right(scores, put.key), average_precision(scores, set(put.key))))
    precision = mean([each.precision for each in mine])
    recall = {kind: mean([each.recall[kind] for each in mine if kind in each.recall] or [0.0]) for kind in KINDS}
    quality = mean([each.average_precision for each in mine])
    best = max(mean([ap for _, ap in found]) for found in theirs.values())
    yield Row(
        name="anomalies",
        what=f"up to {len(KINDS) * EACH} put into {len(clean):,} cases, seeds {REPORTED[0]}–{REPORTED[-1]}, mean AP",
        ours=f"{quality:.2f}, first {FIRST}: {precision:.2f}; found "
        + ", ".join(f"{kind} {share:.2f}" for kind, share in recall.items()),
        rival="; ".join(
            f"{name} {mean([ap for _, ap in found]):.2f}, first {FIRST}: {mean([p for p, _ in found]):.2f}"
            for name, found in theirs.items()
        ),
        ratio=quality / best,
        aims=(
            Aim(precision, "at least", 0.85, f"first {FIRST} ≥ 0.85"),
            *(Aim(recall[kind], "at least", 1.0, f"{kind} = 1") for kind in SURE),
        ),
        limit="1.00: all that was put in, before anything else",
    )
