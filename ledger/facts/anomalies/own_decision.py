"""A10 of a live log: one person accepted a promise case and decided it, or reviewed and decided it.

Accepting and deciding by one person breaks a rule and needs no comparison. Reviewing and deciding by one does where
it is done by two in at least 98 % of at least 30 cases: that is ``four_eyes``, over persons and not accounts.

Base rate: of all cases of the log, those that show it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import NOBODY, Case, Register


class OwnDecision:
    """The detector."""

    def __init__(self, register: Register) -> None:
        """Nothing seen yet."""
        self._register = register
        self._reasons = Reasons("A10")

    def judge(self, case: Case) -> None:
        """Compare who accepted with who decided."""
        if case.item is None or case.item.on_the_spot:
            return
        accepted = [a for a in case.acts if a.verb in ("accepted", "accepted_with_gaps") and a.role not in NOBODY]
        for act in case.acts:
            if act.verb != "decided":
                continue
            person = self._register.person(act.actor)
            same = [one for one in accepted if self._register.person(one.actor) == person]
            if same:
                self._reasons.did(
                    "accepted",
                    case.leaf,
                    [same[0].leaf, act.leaf],
                    "承诺件的受理与决定为同一人",
                    "one person accepted a promise case and decided it",
                )

    def found(self, cases: int) -> Iterator[Anomaly]:
        """One row per case."""
        return self._reasons.found(at_all=cases)
