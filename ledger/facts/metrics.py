"""What the ledger's figures mean: throughput, deadlines, state at a moment, the card back-test.

Promise: each figure is defined here once. The server's projections and the outsider's verifier call these
same functions, so a published figure can be made again from the signed events, bit for bit. Inputs are
streams, read once, in any order of cases; each function states what it keeps. Times are integer
microseconds of UTC since 1970, durations are integers, and rounding happens once, in ``as_json``.

Missing is ``None`` and is counted, never guessed and never dropped: an event without a time has its place in
its case's sequence but no instant, an event without a resource hands nothing over. No cases at all give
zeros for counts and ``None`` for figures that do not exist.

Which clock the times come from (claimed or recorded), of which source and as of which position, is the
caller's choice and the caller's label.

    >>> found = throughput([[("apply", 0, "Li"), ("decide", 3_000_000, "Wu")]])
    >>> found.mean_s, found.handovers_between
    (Fraction(3, 1), 1)
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final, TypeAlias

from ledger.facts.exact import DECIMALS, Ratio, decimal_fraction, mean, median, number, percentile
from ledger.facts.rule_files import bad_rules, day_or_none, read_rules

MICROSECONDS: Final = 1_000_000

Event: TypeAlias = tuple[str, int | None, str | None]
"""(activity, instant in µs, resource)."""

Span: TypeAlias = tuple[int | None, int | None, int]
"""(first instant, last instant, number of events at or before the moment asked about)."""

Term: TypeAlias = tuple[str, int | None, int | None, int | None]
"""(the case's id, start, deadline, end), instants in µs; no end means open."""


# ── Throughput ─────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Throughput:
    """How long cases took and which ways they went. Times are exact seconds."""

    cases: int
    events: int
    activities: int
    resources: int
    timed_cases: int
    """The n of the five figures below: cases with at least one event that has a time."""
    mean_s: Fraction | None
    median_s: Fraction | None
    p90_s: Fraction | None
    max_s: Fraction | None
    sum_s: Fraction
    variants: int
    top_variants: tuple[tuple[tuple[str, ...], int], ...]
    """(activities in order, cases), most cases first, equals in code point order of their activities."""
    directly_follows_edges: int
    handover_pairs: int
    handovers_between: int

    @property
    def n(self) -> int:
        """Of how many cases it speaks."""
        return self.cases

    def as_json(self, *, decimals: int = DECIMALS) -> dict[str, Any]:
        """The figures under their published names; seconds as numbers with ``decimals`` decimals."""
        return {
            "cases": self.cases,
            "events": self.events,
            "activities": self.activities,
            "resources": self.resources,
            "timed_cases": self.timed_cases,
            "mean_s": number(self.mean_s, decimals=decimals),
            "median_s": number(self.median_s, decimals=decimals),
            "p90_s": number(self.p90_s, decimals=decimals),
            "max_s": number(self.max_s, decimals=decimals),
            "sum_s": number(self.sum_s, decimals=decimals),
            "variants": self.variants,
            "top_variants": [
                {"activities": list(activities), "cases": cases} for activities, cases in self.top_variants
            ],
            "directly_follows_edges": self.directly_follows_edges,
            "handover_pairs": self.handover_pairs,
            "handovers_between": self.handovers_between,
        }


def throughput(cases: Iterable[Iterable[Event]], *, top: int = 5) -> Throughput:
    """Throughput of ``cases``, each given as its events in the order of its stream (a file's order).

    - *Throughput time* of a case: its latest instant less its earliest, so never negative; one event gives 0,
      no event with a time gives none. p90 interpolates linearly.
    - *Sequence*: the order given. It is what was signed; claimed times may be wrong, equal or missing, and
      are not used to sort.
    - *Variant*: the whole sequence of activities. Each case has exactly one; a case without events has ().
    - *Directly-follows edge*: a distinct ordered pair of activities, one right after the other in a case.
    - *Handover*: two resources, one right after the other in a case, both named. ``handover_pairs`` counts
      distinct ordered pairs, a person to themselves included; ``handovers_between`` counts every time the
      work went to a different person.

    Keeps 8 bytes per case (and, while it sorts, a list of them), 4 bytes per event of each distinct variant,
    and one entry per distinct activity, resource and pair of resources.
    """
    n_cases = n_events = between = 0
    activity_ids: dict[str, int] = {}
    resources: set[str] = set()
    handed: set[tuple[str, str]] = set()
    durations = array("q")
    # Keyed by the sequence itself, packed: as small as a digest for a short case, and exact.
    variants: dict[bytes, int] = {}
    for events in cases:
        n_cases += 1
        trace = array("I")
        first = last = before = None
        for activity, at_us, resource in events:
            trace.append(activity_ids.setdefault(activity, len(activity_ids)))
            if at_us is not None:
                if first is None or last is None:
                    first = last = at_us
                elif at_us > last:
                    last = at_us
                elif at_us < first:
                    first = at_us
            if resource is not None:
                resources.add(resource)
                if before is not None:
                    handed.add((before, resource))
                    between += before != resource
            before = resource
        n_events += len(trace)
        if first is not None and last is not None:
            durations.append(last - first)
        packed = trace.tobytes()
        variants[packed] = variants.get(packed, 0) + 1

    names = list(activity_ids)
    edges: set[tuple[int, int]] = set()
    for packed in variants:
        edges.update(pairwise(_unpack(packed)))
    ascending = sorted(durations)
    return Throughput(
        cases=n_cases,
        events=n_events,
        activities=len(names),
        resources=len(resources),
        timed_cases=len(ascending),
        mean_s=_seconds(mean(ascending)),
        median_s=_seconds(median(ascending)),
        p90_s=_seconds(percentile(ascending, Fraction(9, 10))),
        max_s=_seconds(ascending[-1] if ascending else None),
        sum_s=Fraction(sum(ascending), MICROSECONDS),
        variants=len(variants),
        top_variants=_most_common(variants, names, top=top),
        directly_follows_edges=len(edges),
        handover_pairs=len(handed),
        handovers_between=between,
    )


def _unpack(packed: bytes) -> array[int]:
    trace = array("I")
    trace.frombytes(packed)
    return trace


def _most_common(variants: dict[bytes, int], names: list[str], *, top: int) -> tuple[tuple[tuple[str, ...], int], ...]:
    # Activity ids depend on the order in which cases came, so ties are broken by the names. Variants are
    # spelled out one at a time, and only those that can be among the first: with a variant per case, all of
    # them in words would take many times the memory of everything else.
    counts = sorted(variants.values(), reverse=True)[:top]
    least = counts[-1] if counts else 0
    spelled = (
        (tuple(names[i] for i in _unpack(packed)), cases) for packed, cases in variants.items() if cases >= least
    )
    return tuple(heapq.nsmallest(top, spelled, key=lambda variant: (-variant[1], variant[0])))


def _seconds(us: Fraction | int | None) -> Fraction | None:
    return None if us is None else Fraction(us) / MICROSECONDS


# ── State at a moment of event time ────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class AsOf:
    """What had begun and what was over at a moment, by the events' own times."""

    started: int
    ended: int
    events: int

    @property
    def n(self) -> int:
        """Of how many cases it speaks."""
        return self.started

    @property
    def open(self) -> int:
        """Begun and not yet over."""
        return self.started - self.ended

    def as_json(self) -> dict[str, int]:
        """``{"started", "ended", "open", "events"}``."""
        return {"started": self.started, "ended": self.ended, "open": self.open, "events": self.events}


def span(times_us: Iterable[int | None], *, at_us: int) -> Span:
    """One case's earliest and latest instant, and how many of its events lie at or before ``at_us``."""
    times = [time for time in times_us if time is not None]
    return min(times, default=None), max(times, default=None), sum(time <= at_us for time in times)


def as_of(spans: Iterable[Span], *, at_us: int) -> AsOf:
    """Count cases as of ``at_us``, from one ``span`` of each at that moment; keeps nothing.

    Started: the earliest event is at or before the moment. Ended: the latest is (in hindsight: whether a last
    event *was* the last is known only afterwards). A case without any time has neither started nor ended.
    """
    started = ended = events = 0
    for first_us, last_us, by_then in spans:
        started += first_us is not None and first_us <= at_us
        ended += last_us is not None and last_us <= at_us
        events += by_then
    return AsOf(started=started, ended=ended, events=events)


# ── Deadlines ──────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Deadlines:
    """closed + open are all the cases counted; on_time + late + without_deadline are the closed ones."""

    closed: int
    on_time: int
    late: int
    without_deadline: int
    open: int
    overdue: int | None
    """Open ones past their deadline at the moment asked about; ``None`` when no moment was named."""

    @property
    def n(self) -> int:
        """Of how many cases it speaks."""
        return self.closed + self.open

    @property
    def on_time_rate(self) -> Ratio | None:
        """Closed in time among closed and open already overdue; ``None`` when no moment was named.

        Never among the closed alone: a unit that leaves its late cases open would look punctual.
        """
        if self.overdue is None:
            return None
        return Ratio(self.on_time, self.on_time + self.late + self.overdue)

    def as_json(self) -> dict[str, Any]:
        """The counts by name, ``overdue`` and ``on_time_rate`` null when no moment was named."""
        rate = self.on_time_rate
        return {
            "closed": self.closed,
            "on_time": self.on_time,
            "late": self.late,
            "open": self.open,
            "without_deadline": self.without_deadline,
            "overdue": self.overdue,
            "on_time_rate": None if rate is None else rate.as_json(),
        }


def deadlines(terms: Iterable[Term], *, at_us: int | None = None) -> Deadlines:
    """How the cases stand to their deadlines; keeps nothing.

    Closed: has an end. On time: closed at or before the deadline, the instant itself included. Late: closed
    after it. Without a deadline a closed case is neither. Open: has no end.

    With ``at_us`` everything is as of that moment: a case that starts later is not counted, one that ends
    later is open, and an open one whose deadline has passed is overdue.
    """
    on_time = late = without = still_open = overdue = 0
    for _case, start_us, deadline_us, end_us in terms:
        if at_us is not None and start_us is not None and start_us > at_us:
            continue
        if end_us is None or (at_us is not None and end_us > at_us):
            still_open += 1
            overdue += at_us is not None and deadline_us is not None and deadline_us < at_us
        elif deadline_us is None:
            without += 1
        elif end_us <= deadline_us:
            on_time += 1
        else:
            late += 1
    return Deadlines(
        closed=on_time + late + without,
        on_time=on_time,
        late=late,
        without_deadline=without,
        open=still_open,
        overdue=None if at_us is None else overdue,
    )


# ── Cards, back-tested at calendar time ────────────────────────────────────────────────────────────────────


class Colour(StrEnum):
    """A card's colour. Green is no card at all."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class CardRule:
    """A card at a fraction of the time from start to deadline.

    Yellow warns *at* its fraction (used ≥ threshold); red reproaches only *past* it (used > threshold), so
    that red at 1.0 is exactly "late" and the deadline's own instant is in time.
    """

    id: str
    colour: Colour
    threshold: Fraction
    legal_basis: str
    source: str
    valid_from: date | None
    valid_to: date | None
    version: int

    def raised(self, *, used_us: int, allowed_us: int) -> bool:
        """Whether a case that used ``used_us`` of ``allowed_us`` (> 0) gets this card; exact."""
        used = used_us * self.threshold.denominator
        limit = allowed_us * self.threshold.numerator
        return used > limit if self.colour is Colour.RED else used >= limit


@dataclass(frozen=True, slots=True)
class CardRules:
    """A pack of rules that make sense together, lowest threshold first.

    Raises ``Malformed`` unless there is a rule, ids and thresholds are distinct, every threshold is above 0
    and every yellow is below every red.
    """

    pack: str
    rules: tuple[CardRule, ...]

    def __post_init__(self) -> None:
        """Order the rules, and refuse a pack that contradicts itself."""
        rules = tuple(sorted(self.rules, key=lambda rule: rule.threshold))
        object.__setattr__(self, "rules", rules)
        if not rules:
            raise bad_rules("the pack has no rules", mend="write at least one rule")
        if len({rule.id for rule in rules}) < len(rules):
            raise bad_rules("two rules have the same id", mend="give each rule an id of its own")
        if any(rule.colour is Colour.GREEN for rule in rules):
            raise bad_rules("a rule is green", mend="green is no card: use yellow or red")
        if rules[0].threshold <= 0:
            raise bad_rules(
                f"the threshold of {rules[0].id} is not above 0",
                mend="a threshold is a fraction of the time allowed, such as 0.9",
                rule=rules[0].id,
            )
        for lower, upper in pairwise(rules):
            if lower.threshold == upper.threshold or (lower.colour is Colour.RED and upper.colour is Colour.YELLOW):
                raise bad_rules(
                    f"{lower.id} ({lower.colour}, {_plain(lower.threshold)}) and {upper.id} ({upper.colour}, "
                    f"{_plain(upper.threshold)}) contradict each other",
                    mend="thresholds are distinct, and every yellow one is below every red one",
                    rules=[lower.id, upper.id],
                )


@dataclass(frozen=True, slots=True)
class Card:
    """The highest card one case would have got."""

    case: str
    rule: str
    colour: Colour


@dataclass(frozen=True, slots=True)
class Backtest:
    """Cases by the highest card they would have got, and those cards in the order of the cases."""

    green: int
    yellow: int
    red: int
    open: int
    unmeasured: int
    """Closed, but without a start or deadline, or with a deadline that is not after the start."""
    cards: tuple[Card, ...]

    @property
    def n(self) -> int:
        """How many cases were judged."""
        return self.green + self.yellow + self.red

    def as_json(self) -> dict[str, int]:
        """The counts by name; ``green``, ``yellow`` and ``red`` sum to the n judged."""
        return {
            "green": self.green,
            "yellow": self.yellow,
            "red": self.red,
            "open": self.open,
            "unmeasured": self.unmeasured,
        }


def backtest(terms: Iterable[Term], *, rules: CardRules) -> Backtest:
    """Which cards ``rules`` would have raised on closed cases, in plain elapsed time; keeps the cards.

    The fraction used is (end − start) / (deadline − start), compared exactly; a case counts once, under the
    highest card raised. One that ended before it began has used none of its time: green. An open case is
    counted and not judged, for it has not used its last fraction yet. A case whose fraction does not exist
    is counted as unmeasured. The rules' validity dates are carried, not applied: a dry run asks what a rule
    *would* have done, most of all before it was valid.
    """
    counts = dict.fromkeys(Colour, 0)
    still_open = unmeasured = 0
    cards: list[Card] = []
    highest_first = rules.rules[::-1]
    for case, start_us, deadline_us, end_us in terms:
        if end_us is None:
            still_open += 1
            continue
        if start_us is None or deadline_us is None or deadline_us <= start_us:
            unmeasured += 1
            continue
        used_us, allowed_us = end_us - start_us, deadline_us - start_us
        for rule in highest_first:
            if rule.raised(used_us=used_us, allowed_us=allowed_us):
                counts[rule.colour] += 1
                cards.append(Card(case, rule.id, rule.colour))
                break
        else:
            counts[Colour.GREEN] += 1
    return Backtest(
        green=counts[Colour.GREEN],
        yellow=counts[Colour.YELLOW],
        red=counts[Colour.RED],
        open=still_open,
        unmeasured=unmeasured,
        cards=tuple(cards),
    )


# ── Rules from text ────────────────────────────────────────────────────────────────────────────────────────

_RULE_KEYS: Final = frozenset(
    ("id", "colour", "threshold", "legal_basis", "source", "valid_from", "valid_to", "version")
)


def threshold_rules(*, yellow: str, red: str) -> CardRules:
    """A pack of two rules from two decimals as they were typed, such as ``"0.9"`` and ``"1.0"``."""
    return CardRules(
        "asked",
        tuple(
            CardRule(
                id=colour.value,
                colour=colour,
                threshold=decimal_fraction(text, name=colour.value),
                legal_basis="",
                source="asked",
                valid_from=None,
                valid_to=None,
                version=1,
            )
            for colour, text in ((Colour.YELLOW, yellow), (Colour.RED, red))
        ),
    )


def read_card_rules(data: bytes) -> CardRules:
    """A rule file: UTF-8 JSON, every key of a rule present and none besides, or ``Malformed``.

    Thresholds are decimals *in text*, so that they are exact and may stand in a signed statement::

        {"pack": "sample",
         "rules": [{"id": "Y-90", "colour": "yellow", "threshold": "0.9", "legal_basis": "…", "source": "…",
                    "valid_from": "2011-01-01", "valid_to": null, "version": 1}]}

    Validity is in whole days, both included; null is without end.
    """
    found = read_rules(data)
    if not isinstance(found, dict) or found.keys() != {"pack", "rules"} or not isinstance(found["rules"], list):
        raise bad_rules("the file is not one pack", mend='write {"pack": NAME, "rules": [RULE, …]}')
    pack = _text(found, "pack", where="the file")
    return CardRules(pack, tuple(_rule(rule, nth=nth) for nth, rule in enumerate(found["rules"], start=1)))


def _rule(found: object, *, nth: int) -> CardRule:
    where = f"rule {nth}"
    if not isinstance(found, dict) or found.keys() != _RULE_KEYS:
        keys = found.keys() if isinstance(found, dict) else set()
        raise bad_rules(
            f"{where} has not the keys of a rule",
            mend="give each rule exactly these: " + ", ".join(sorted(_RULE_KEYS)),
            missing=sorted(_RULE_KEYS - keys),
            unknown=sorted(keys - _RULE_KEYS),
        )
    if found["colour"] not in (Colour.YELLOW, Colour.RED):
        raise bad_rules(f"{where}: the colour is not yellow or red", mend='write "yellow" or "red"')
    version = found["version"]
    if type(version) is not int or not 1 <= version < 2**53:
        raise bad_rules(f"{where}: the version is not a number from 1", mend="write 1, 2, 3 …")
    valid_from, valid_to = (day_or_none(found[key], f"{where}: {key}") for key in ("valid_from", "valid_to"))
    if valid_from and valid_to and valid_to < valid_from:
        raise bad_rules(f"{where} ends before it begins", mend="valid_from is not after valid_to")
    return CardRule(
        id=_text(found, "id", where=where),
        colour=Colour(found["colour"]),
        threshold=decimal_fraction(_text(found, "threshold", where=where), name=f"{where}: threshold"),
        legal_basis=_text(found, "legal_basis", where=where),
        source=_text(found, "source", where=where),
        valid_from=valid_from,
        valid_to=valid_to,
        version=version,
    )


def _text(found: dict[str, Any], key: str, *, where: str) -> str:
    value = found[key]
    if not isinstance(value, str) or not value.strip():
        raise bad_rules(f"{where}: {key} is not a text", mend=f'write {key} in quotes, such as "0.9"')
    return value


def _plain(threshold: Fraction) -> str:
    return f"{float(threshold):g}"
