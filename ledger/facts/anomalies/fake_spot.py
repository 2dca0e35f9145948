"""A11: an on-the-spot case that nobody can have come for: no ticket, or served in under twenty seconds.

The time is that from the call of the ticket to the end of the service; where there is no ticket, nothing is measured.
Channels are told apart: one whose visitors mostly have no ticket has no queue.

Base rate: of the on-the-spot cases of that channel that were decided, those without a ticket; of those with one that
was served, those served so fast.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledger.facts.anomalies.found import Anomaly, Reasons
from ledger.facts.anomalies.live import Case

FAST_US: Final = 20_000_000


class FakeSpot:
    """The detector."""

    def __init__(self) -> None:
        """Nothing seen yet."""
        self._reasons = Reasons("A11")

    def judge(self, case: Case) -> None:
        """Look for the ticket of an on-the-spot case."""
        if case.item is None or not case.item.on_the_spot:
            return
        decided = next((act for act in case.acts if act.verb == "decided"), None)
        if decided is None:
            return
        channel = f"ticket/{case.acts[0].data.get('channel')}"
        self._reasons.could(channel)
        if case.ticket is None or case.ticket.called_us is None:
            self._reasons.did(
                channel,
                case.leaf,
                [case.acts[0].leaf, decided.leaf],
                "即办件没有对应的排队号",
                "closed on the spot for a visit that has no ticket",
            )
        elif case.ticket.served_us is not None:
            self._reasons.could("fast")
            took = case.ticket.served_us - case.ticket.called_us
            if took < FAST_US:
                seconds = f"{took / 1_000_000:.0f}"
                self._reasons.did(
                    "fast",
                    case.leaf,
                    [case.acts[0].leaf, decided.leaf],
                    f"叫号后 {seconds} 秒即办结",
                    f"served {seconds} s after the ticket was called",
                )

    def found(self) -> Iterator[Anomaly]:
        """One row per case."""
        return self._reasons.found()
