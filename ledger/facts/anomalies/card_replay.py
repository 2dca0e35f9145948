"""A17: a card does not agree with what the case's own acts give when they are replayed.

Wrong is a card whose due instant is not the one that its run had when the card was raised, one on a run that there was
not, one raised before its time or on a run that had stopped before, and a run that went past its due instant without
the card that (nearly) every such run has. What a rule is, is read from the cards: those of a rule and clock that are
raised after the due instant in 98 % of at least ten belong to the runs that are overdue.

Base rate: of all cases of the log, those that show it: a broken rule needs no comparison.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Overdue, Raised

HOLDS: Final = Fraction(98, 100)
LEAST_CARDS: Final = 10
NEARLY_ALL: Final = Fraction(9, 10)


def find(raised: Iterable[Raised], overdue: Iterable[Overdue], *, cases: int) -> Iterator[Anomaly]:
    """One row per case."""
    reasons = Reasons("A17")
    after: Counter[tuple[str, str]] = Counter()
    all_: Counter[tuple[str, str]] = Counter()
    for card in raised:
        if card.clock is None:
            continue
        all_[card.rule, card.clock] += 1
        after[card.rule, card.clock] += card.due_us is not None and card.fired_us > card.due_us
        why = _wrong(card)
        if why is not None:
            zh, en = why
            reasons.did(en, card.case, [card.leaf], f"{card.rule}：{zh}", f"{card.rule}: {en}")
    past = {key for key, n in all_.items() if n >= LEAST_CARDS and after[key] >= HOLDS * n}
    runs: Counter[str] = Counter()
    has: Counter[tuple[str, str]] = Counter()
    lacking: list[tuple[Overdue, str]] = []
    for run in overdue:
        runs[run.clock] += 1
        for rule, clock in sorted(past):
            if clock == run.clock:
                has[rule, clock] += rule in run.rules
                if rule not in run.rules:
                    lacking.append((run, rule))
    for run, rule in lacking:
        if has[rule, run.clock] >= NEARLY_ALL * runs[run.clock]:
            reasons.did(
                "missing",
                run.case,
                [run.leaf],
                f"期限已过，却没有 {rule}",
                f"its clock ran past its due instant, and there is no {rule}",
                strength=1.0,
            )
    return reasons.found(at_all=cases)


def _wrong(card: Raised) -> tuple[str, str] | None:
    if not card.has_run:
        return "所依据的时限并不存在", "there was no such clock run"
    if card.due_us is not None and card.run_due_us is not None and card.due_us != card.run_due_us:
        return "所载到期时刻与重算不符", "its due instant is not what a replay gives"
    if card.fired_us > card.recorded_us:
        return "先于触发时刻发出", "it was raised before its time"
    if card.stopped_us is not None and card.stopped_us < card.fired_us:
        return "时限停止之后才触发", "its clock had stopped before"
    return None
