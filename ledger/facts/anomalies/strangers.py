"""A9 of a live log, beside ``rare_hands``: an act on a case at a window of a unit that has nothing to do with it.

To do with it have the item's unit and that of the window which took it in: one window takes in what others decide, and
the parts of a bundle come together. Branches of a parallel review are other units' by their nature.

Base rate: of the approvals with acts at windows, those with a stranger's; where a fifth have one, windows here
work for each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Case, Register


class Strangers:
    """The detector."""

    def __init__(self, register: Register) -> None:
        """Nothing seen yet."""
        self._windows = {code: unit for code, (_, _, unit) in register.windows.items()}
        self._reasons = Reasons("A9")

    def judge(self, case: Case) -> None:
        """Compare each window's unit with the item's and with that of the first window."""
        if case.item is None:
            return
        at = [(act, self._windows.get(act.window or "")) for act in case.acts if "branch" not in act.data]
        known = [(act, unit) for act, unit in at if unit is not None]
        if not known:
            return
        self._reasons.could("unit")
        strange = [(act, unit) for act, unit in known if unit not in (case.item.unit, known[0][1])]
        if strange:
            act, unit = strange[0]
            self._reasons.did(
                "unit",
                case.leaf,
                [one.leaf for one, _ in strange],
                f"“{act.verb}”在 {unit} 的窗口办理，而事项属 {case.item.unit}",
                f"“{act.verb}” was done at a window of {unit}, the item is of {case.item.unit}",
            )

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        return self._reasons.found()
