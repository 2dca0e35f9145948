"""A12: one visit taken in twice (两头受理), or a promise case decided without any review.

Twice: two cases of the same item name the same ticket. Without review: between acceptance and decision of a promise
case there is no step, no branch and no pause; where a fifth of the promise cases are so, that is how reviews are
recorded here, and nothing is said of it.

Base rate: of the cases with a ticket, those that share it; of the decided promise cases, those without review.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Case

REVIEWS: Final = frozenset({"step_started", "step_finished", "branch_opened", "branch_finished", "suspended"})


def unreviewed(case: Case) -> bool:
    """Whether a promise case was decided and nobody had looked into it."""
    verbs = [act.verb for act in case.acts]
    if case.item is None or case.item.on_the_spot or "decided" not in verbs:
        return False
    return REVIEWS.isdisjoint(verbs[: verbs.index("decided")])


class DoubleIntake:
    """The detector. Keeps the tickets that cases name."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._reasons = Reasons("A12")
        self._tickets: dict[tuple[str, str], tuple[int, int]] = {}

    def judge(self, case: Case) -> None:
        """Look for a case of the same visit, and for a review."""
        if case.item is None:
            return
        first = case.acts[0]
        if "ticket" in first.data:
            self._reasons.could("twice")
            visit = (first.data["ticket"], case.item.code)
            other = self._tickets.setdefault(visit, (case.leaf, first.leaf))
            if other[0] != case.leaf:
                for leaf in (case.leaf, other[0]):
                    self._reasons.did(
                        "twice",
                        leaf,
                        [first.leaf, other[1]],
                        f"同一排队号 {first.data['ticket']} 就同一事项受理两次",
                        f"one ticket, {first.data['ticket']}, and two cases of the same item",
                    )
        if not case.item.on_the_spot and any(act.verb == "decided" for act in case.acts):
            self._reasons.could("unreviewed")
            if unreviewed(case):
                self._reasons.did(
                    "unreviewed",
                    case.leaf,
                    [act.leaf for act in case.acts if act.verb == "decided"],
                    "承诺件未经任何审查环节即作出决定",
                    "a promise case was decided without any step of review",
                )

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        return self._reasons.found()
