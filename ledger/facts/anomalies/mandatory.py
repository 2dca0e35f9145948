"""A1 where the catalogue names an item's steps: granted without one of them, or one finished before the one it follows.

An item's ``steps`` are mandatory and in order. What came of a step is not asked; a case that ended otherwise than by
being granted owes those only that precede what was done. Judged at the first finish of each step, and at the first
decision: what comes after that is a case reopened.

Base rate: of all cases of the log, those that show the same: a broken rule needs no comparison.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Case


class Mandatory:
    """The detector. Keeps what it found."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._reasons = Reasons("A1")

    def judge(self, case: Case) -> None:
        """Look for the first step that was due and had not been finished."""
        steps = () if case.item is None else case.item.steps
        done: set[str] = set()
        for act in case.acts if steps else ():
            step = str(act.data.get("step", "")) if act.verb == "step_finished" else ""
            if step in steps and step not in done:
                before = steps[: steps.index(step)]
                what_zh, what_en = f"完成“{step}”", f"“{step}” was finished"
                done.add(step)
            elif act.verb == "decided" and act.data.get("outcome") == "granted":
                before, what_zh, what_en = steps, "准予", "it was granted"
            else:
                continue
            missing = next((one for one in before if one not in done), None)
            if missing is not None:
                zh = f"{what_zh}，而事项目录规定在先的步骤“{missing}”尚未完成"
                en = f"{what_en} without “{missing}” before it, which the catalogue makes mandatory"
                self._reasons.did(missing, case.leaf, [act.leaf], zh, en, strength=1)
                return
            if act.verb == "decided":
                return

    def found(self, cases: int) -> Iterator[Anomaly]:
        """One row per case."""
        return self._reasons.found(at_all=cases)
