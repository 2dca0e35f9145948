"""Between which two moments must it have happened? What witnesses and time authorities signed brackets every entry.

One piece of evidence says: the tree of ``size`` entries was there at a moment, and it stands in the log at ``index``.

    it bounds from above   every entry below ``size``: it was there by then
    it bounds from below   whatever had seen a tree with entry ``index`` in it: it was signed after that moment

Evidence beside the log (the cosignatures on the checkpoint that is checked) bounds from above only: nothing in the log
has seen it. A cosignature that merely lies on a head is not taken as a lower bound of those who had seen the head: a
witness may sign a head late, and only what stands in a tree was certainly there before the tree.

Where several witnesses signed one head, the policy's quorum decides which moments count: as few as it needs, the
earliest for a bound from above, the latest for one from below. So nobody outside a quorum can move a bound.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.tree.note import Verified, VerifierKey
from ledger.tree.policy import Policy

_SECOND_US: Final = 1_000_000
_LAST_S: Final = 253_402_300_799  # the year 9999 ends; who states a later time states none


@dataclass(frozen=True, slots=True)
class Interval:
    """Unix microseconds; None where nothing from outside bounds it."""

    after_us: int | None
    before_us: int | None


class Brackets:
    """The evidence of one log, given in any order. Only what bounds more tightly than the rest is kept."""

    __slots__ = ("_latest_us", "_sizes", "_stands_at", "_was_us")

    def __init__(self) -> None:
        self._stands_at = array("Q")  # rising, with _was_us
        self._was_us = array("q")
        self._sizes = array("Q")  # rising, with _latest_us
        self._latest_us = array("q")

    def add(self, *, size: int, latest_us: int, index: int | None = None, earliest_us: int = 0) -> None:
        """The tree of ``size`` was there by ``latest_us``; where that stands at ``index``, from ``earliest_us`` on."""
        at = bisect_left(self._sizes, size)
        if at == len(self._sizes) or self._latest_us[at] > latest_us:
            low = bisect_left(self._latest_us, latest_us, 0, at)
            high = at + (at < len(self._sizes) and self._sizes[at] == size)
            self._sizes[low:high] = array("Q", [size])
            self._latest_us[low:high] = array("q", [latest_us])
        if index is not None:
            at = bisect_right(self._stands_at, index)
            if at == 0 or self._was_us[at - 1] < earliest_us:
                low = at - (at > 0 and self._stands_at[at - 1] == index)
                high = bisect_right(self._was_us, earliest_us, at)
                self._stands_at[low:high] = array("Q", [index])
                self._was_us[low:high] = array("q", [earliest_us])

    def interval(self, index: int, *, seen_size: int) -> Interval:
        """When the entry at ``index``, whose signer had seen ``seen_size``, must have been signed and placed."""
        return Interval(self.after_us(seen_size), self.before_us(index))

    def after_us(self, seen_size: int) -> int | None:
        """The newest moment that stands among the first ``seen_size`` entries."""
        at = bisect_left(self._stands_at, seen_size)
        return self._was_us[at - 1] if at else None

    def before_us(self, index: int) -> int | None:
        """The first moment by which the entry at ``index`` was there."""
        at = bisect_right(self._sizes, index)
        return self._latest_us[at] if at < len(self._sizes) else None


def cosigned_us(cosignatures: Sequence[Verified], policy: Policy) -> tuple[int, int] | None:
    """``(earliest, latest)`` moment of a head by its witnesses' lines; None where they do not meet the quorum.

    Cosignatures state whole seconds, so the latest is the end of the second.
    """
    timed = sorted((one for one in cosignatures if (one.time_s or 0) <= _LAST_S), key=lambda one: one.time_s or 0)
    latest, earliest = _met(timed, policy), _met(timed[::-1], policy)
    if latest is None or earliest is None:
        return None
    return earliest * _SECOND_US, (latest + 1) * _SECOND_US


def _met(timed: Sequence[Verified], policy: Policy) -> int | None:
    """The time of the line with which the quorum is met, taken in this order."""
    signed: set[VerifierKey] = set()
    for one in timed:
        signed.add(one.key)
        if policy.is_met_by(signed):
            return one.time_s or 0
    return None
