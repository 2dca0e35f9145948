"""A7 of a live log: somebody was asked for papers more than once, or a case went through a step again.

All gaps are told at once, a step of review is done once, and a case that was closed stays closed. Base rate: of all
approvals, those in which that came again; strength is how often it came.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Act, Case

ONCE: Final = frozenset({"gaps_told", "step_started"})


class AskedAgain:
    """The detector."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._reasons = Reasons("A7")

    def judge(self, case: Case) -> None:
        """Count what should come once."""
        if case.kind != "approval":
            return
        for reason in (*ONCE, "reopened"):
            self._reasons.could(reason)
        by: dict[tuple[str, object, object], list[Act]] = {}
        for act in case.acts:
            if act.verb in ONCE:
                by.setdefault((act.verb, act.data.get("branch"), act.data.get("step")), []).append(act)
            elif act.verb == "reopened":
                self._reasons.did(
                    "reopened", case.leaf, [act.leaf], "办结后重新办理", "a case was reopened after it was closed"
                )
        for (verb, _, step), acts in by.items():
            if len(acts) > 1:
                name = verb if step is None else f"{verb}:{step}"
                zh, en = f"“{name}”做了 {len(acts)} 次", f"“{name}” was done {len(acts)} times"
                self._reasons.did(verb, case.leaf, [act.leaf for act in acts], zh, en, strength=float(len(acts)))

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        return self._reasons.found()
