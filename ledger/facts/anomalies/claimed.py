"""A2 of a live log: an act claims a time that is not the one at which it was recorded, or one before its predecessor's.

A claimed time further from the recorded one than the item's grace (five minutes where there is none) is back-dated,
unless the act says that it is a late entry and a second person confirmed it; so is one that lies before the newest
claimed time ahead of it by more than the grace: two desks' clocks may stand apart by so much.

Base rate: the share of all cases that show it.
"""

from __future__ import annotations

from collections.abc import Iterator

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import NOBODY, Case


class Claimed:
    """The detector."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._reasons = Reasons("A2")

    def judge(self, case: Case) -> None:
        """Compare each claimed time with the recorded one, and with those ahead of it."""
        self._reasons.could("late")
        self._reasons.could("order")
        confirmed = {act.data.get("seq") for act in case.acts if act.verb == "late_entry_confirmed"}
        newest = None
        for seq, act in enumerate(case.acts, start=1):
            if act.role in NOBODY or seq in confirmed:
                continue
            by_us = act.recorded_us - act.at_us
            if by_us > case.grace_us:
                hours = f"{by_us / 3_600_000_000:.1f}"
                self._reasons.did(
                    "late",
                    case.leaf,
                    [act.leaf],
                    f"“{act.verb}”所称时间比记录时间早 {hours} 小时，且未经第二人确认",
                    f"“{act.verb}” claims a time {hours} h before it was recorded, and no second person confirmed it",
                    strength=float(by_us),
                )
            elif newest is not None and newest.at_us - act.at_us > case.grace_us:
                hours = f"{(newest.at_us - act.at_us) / 3_600_000_000:.1f}"
                self._reasons.did(
                    "order",
                    case.leaf,
                    [act.leaf, newest.leaf],
                    f"“{act.verb}”所称时间比此前已记的“{newest.verb}”早 {hours} 小时",
                    f"“{act.verb}” claims a time {hours} h before “{newest.verb}”, which stands ahead of it",
                    strength=float(newest.at_us - act.at_us),
                )
            if newest is None or act.at_us > newest.at_us:
                newest = act

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        return self._reasons.found()
