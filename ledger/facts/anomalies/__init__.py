"""Reasons to open a file, found in a log. Never a verdict. Here: in one that brings nothing but cases, steps, people
and times; ``live_run`` looks at a live log, with registries, clocks, tickets and cards.

Promise: the same log and the same order rules give the same rows. Each row has a kind, the statements that show it, a
base rate (how many cases of this log show the same) and words; rows of all kinds are ranked by one score, −ln of the
base rate (see ``found``). Only ``leaves`` that are in the log are evidence.

    A1 skipped · A2 back_dated · A3 stall · A4 hugging · A5 batch · A6 off_hours · A7 loop · A9 rare_hands ·
    A10 four_eyes · A20 impossible

The log is read three times as a stream: learn, judge, and once in the order of actors for A5. What is kept grows with
the number of distinct steps, of pairs of person and step, of flagged cases, and by 8 bytes per event (``stall``).
"""

from __future__ import annotations

import json
from graphlib import CycleError, TopologicalSorter
from typing import Any, Final

from ledger.errors import Malformed
from ledger.facts.anomalies import batch, hugging
from ledger.facts.anomalies.back_dated import BackDated
from ledger.facts.anomalies.found import Anomaly, Detector, Log
from ledger.facts.anomalies.four_eyes import FourEyes
from ledger.facts.anomalies.impossible import Impossible
from ledger.facts.anomalies.loop import Loop
from ledger.facts.anomalies.off_hours import OffHours
from ledger.facts.anomalies.rare_hands import RareHands
from ledger.facts.anomalies.skipped import Order, Skipped
from ledger.facts.anomalies.stall import Stall

_MOST_STEPS = 500
_BY_TIME: Final = frozenset({"A3", "A6"})
VERSIONS: Final = {f"A{number}": 1 for number in range(1, 21)} | {"A15": 2, "A17": 2}
"""Which version of each kind's detector this is; it goes up when the detector comes to find other things."""


def find_anomalies(log: Log, *, order: Order | None = None) -> list[Anomaly]:
    """All anomalies of ``log``, the highest score first, equals in the order of the cases, one per case and kind."""
    impossible = Impossible()
    detectors: list[Detector] = [
        Skipped(order),
        BackDated(),
        Stall(),
        OffHours(),
        Loop(),
        RareHands(),
        FourEyes(),
        impossible,
    ]
    for case, events in log.cases():
        for detector in detectors:
            detector.learn(case, events)
    for case, events in log.cases():
        for detector in detectors:
            detector.judge(case, events)
    found = [anomaly for detector in detectors for anomaly in detector.found()]
    # Where a time cannot be, no wait is one either, and no hour.
    found = [row for row in found if row.kind not in _BY_TIME or impossible.leaves.isdisjoint(row.leaves)]
    found += batch.find(log.strokes())
    found += hugging.find(log.runs(), who=("经办人", "the hand"))
    return sorted(found, key=lambda anomaly: (-anomaly.score, anomaly.case, anomaly.kind))


def read_order(data: bytes) -> Order:
    """Order rules of a file in UTF-8, or Malformed.

    Text: a line ``a -> b`` says that before b there was an a; lines without an arrow are steps in their order, each of
    them before all that stand below it. Empty lines and those that begin with ``#`` count for nothing. JSON: a list of
    steps in their order, or a list of pairs ``[a, b]``, or ``{"order": LIST}``.
    """
    try:
        text = data.decode("utf-8-sig")
    except ValueError:
        raise _bad("the file is not UTF-8") from None
    if text.lstrip()[:1] in ("[", "{"):
        return _from_json(text)
    steps: list[str] = []
    pairs: list[tuple[str, ...]] = []
    for line in (line.strip() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.replace("→", "->").split("->")]
        if len(parts) == 1:
            steps.append(parts[0])
        pairs += [(a, b) for place, b in enumerate(parts) for a in parts[:place]]
    return _order(steps, pairs)


def _from_json(text: str) -> Order:
    try:
        found: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(f"the file is not JSON: {error}") from None
    if isinstance(found, dict):
        found = found.get("order")
    if isinstance(found, list) and all(isinstance(step, str) for step in found):
        return _order(found, [])
    if isinstance(found, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(step, str) for step in pair) for pair in found
    ):
        return _order([], [tuple(pair) for pair in found])
    raise _bad("it is neither a list of steps nor a list of pairs")


def _order(steps: list[str], pairs: list[tuple[str, ...]]) -> Order:
    if len(steps) > _MOST_STEPS:
        raise _bad(f"it names more than {_MOST_STEPS} steps in one order")
    rules = {(a, b) for place, b in enumerate(steps) for a in steps[:place]} | {(a, b) for a, b in pairs}
    if not rules:
        raise _bad("it says of no step that it comes before another")
    before: TopologicalSorter[str] = TopologicalSorter()
    for a, b in sorted(rules):
        if not a or not b:
            raise _bad("a step has no name")
        before.add(b, a)
    try:
        before.prepare()
    except CycleError as error:
        round_ = [f"{step!r:.80}" for step in error.args[1]]
        raise _bad(f"no case could keep it: {' before '.join(round_)}", steps=round_) from None
    return frozenset(rules)


def _bad(what: str, **details: Any) -> Malformed:
    return Malformed(
        f"The order cannot be used: {what}",
        code="order-malformed",
        mend="write one step per line in their order, or lines like: a -> b",
        **details,
    )


__all__ = ["VERSIONS", "Anomaly", "Log", "Order", "find_anomalies", "read_order"]
