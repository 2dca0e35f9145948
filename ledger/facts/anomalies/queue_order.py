"""A14: a ticket was called before one of the same queue that had been taken earlier and was waiting.

Somebody waited if they were called later on the same day; who never came says nothing. Of a pair the one is named that
stands out: a ticket that overtook several, or one that several overtook. Tickets taken through an appointment have
their own turn, and so has a call after a skip. Two that were taken within a minute may change places.

Base rate: of the first calls of tickets, those out of order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Turn
from ledger.facts.case_clocks import day_at

SAME_US: Final = 60_000_000
OWN_TURN: Final = frozenset({"appointment", "reservation", "green_channel"})
_MOST_PAIRS: Final = 50


class _Waiting:
    """The tickets of one queue and day that were not called yet, and who was called ahead of whom."""

    def __init__(self) -> None:
        self.taken: dict[int, Turn] = {}
        self.ahead: dict[int, list[tuple[Turn, Turn]]] = {}  # who waits → (taken, call of another)


def find(turns: Iterable[Turn]) -> Iterator[Anomaly]:
    """One row per ticket."""
    reasons = Reasons("A14")
    queues: dict[str, _Waiting] = {}
    of: dict[int, str] = {}
    pairs: list[tuple[Turn, Turn]] = []  # (who was overtaken, as taken; the other's call)
    day = None
    for turn in turns:
        today = day_at(turn.recorded_us)
        if today != day:
            day = today
            queues.clear()
            of.clear()
        if turn.verb == "taken" and turn.queue is not None and turn.channel not in OWN_TURN:
            of[turn.ticket] = turn.queue
            queues.setdefault(turn.queue, _Waiting()).taken[turn.ticket] = turn
        elif turn.ticket in of:
            queue = queues[of.pop(turn.ticket)]
            mine = queue.taken.pop(turn.ticket)
            overtaken = queue.ahead.pop(turn.ticket, [])
            if turn.verb != "called":
                continue
            reasons.could("order")
            pairs += [(mine, call) for _, call in overtaken]
            for other in list(queue.taken.values())[:_MOST_PAIRS]:
                if mine.recorded_us - other.recorded_us <= SAME_US:
                    break  # they stand in the order in which they were taken
                queue.ahead.setdefault(other.ticket, []).append((mine, turn))
    overtook, waited = Counter(call.ticket for _, call in pairs), Counter(taken.ticket for taken, _ in pairs)
    for taken, call in pairs:
        passed = waited[taken.ticket] > overtook[call.ticket]
        many = waited[taken.ticket] if passed else overtook[call.ticket]
        reasons.did(
            "order",
            taken.ticket if passed else call.ticket,
            [taken.leaf, call.leaf] if passed else [call.leaf, taken.leaf],
            f"取号更早，却有 {many} 人先被叫号" if passed else f"先于 {many} 个更早取号者被叫号",
            f"{many} who came later were called before" if passed else f"called before {many} who had come earlier",
            strength=float(many),
        )
    return reasons.found()
