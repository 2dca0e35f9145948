"""Exact figures: integers and fractions throughout, rounded once, at the end, half-even.

Promise: whoever holds the same integers gets the same published digits, bit for bit, on any machine. No
binary float takes part in a calculation; a float is made only by ``number``, from a decimal that is already
rounded, because JSON has no other kind of number. Nothing here reads a clock, a locale or the caller's
decimal context.

Of nothing there is no mean, no percentile and no ratio: those functions answer ``None`` for no values.

    >>> percentile([1, 2, 4], Fraction(9, 10))
    Fraction(18, 5)
    >>> number(Fraction(18, 5))
    3.6
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction
from typing import Any, Final

from ledger.errors import Malformed

DECIMALS: Final = 6
"""Decimals of every published figure. Times are integer microseconds, so sums, maxima and, but for a half
microsecond, medians are published in seconds without any rounding at all."""

Z: Final = Decimal("1.96")
"""The normal quantile of a 95 % Wilson interval, as published tables print it."""

_WILSON: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)
_DECIMAL_TEXT: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


def mean(values: Sequence[int]) -> Fraction | None:
    """Sum over count."""
    return Fraction(sum(values), len(values)) if values else None


def percentile(ascending: Sequence[int], q: Fraction) -> Fraction | None:
    """The value a share ``q`` (0…1) of the way through ``ascending``, between neighbours in proportion.

    Definition 7 of Hyndman and Fan (1996), numpy's ``linear``: with h = (n − 1)·q and i = ⌊h⌋ the answer is
    x[i] + (h − i)·(x[i+1] − x[i]). The caller has sorted.
    """
    if not 0 <= q <= 1:
        raise AssertionError(f"a percentile's share lies between 0 and 1, not {q}")
    if not ascending:
        return None
    position = (len(ascending) - 1) * q
    below = int(position)
    low = ascending[below]
    high = ascending[min(below + 1, len(ascending) - 1)]
    return low + (position - below) * (high - low)


def median(ascending: Sequence[int]) -> Fraction | None:
    """The middle value, or the mean of the two in the middle. The caller has sorted."""
    return percentile(ascending, Fraction(1, 2))


def rounded(value: Fraction | int, *, decimals: int = DECIMALS) -> Decimal:
    """``value`` with exactly ``decimals`` decimals, a tie going to the even digit."""
    # Built from text: the constructor is exact, whereas scaleb or division would round a second time, to
    # the precision of whatever context the caller happens to have.
    return Decimal(f"{round(Fraction(value) * 10**decimals)}E-{decimals}")


def number(value: Fraction | int | None, *, decimals: int = DECIMALS) -> float | None:
    """``value`` as a JSON number: rounded once, then the nearest binary float.

    The float prints the very decimal it was made from as long as that has at most 15 significant digits
    (seconds with 6 decimals: up to 31 years; beyond, it is still the same float everywhere).
    """
    return None if value is None else float(rounded(value, decimals=decimals))


def decimal_fraction(text: str, *, name: str) -> Fraction:
    """The exact value of a plain decimal such as ``0.9``; no sign, no exponent, no binary float on the way.

    Raises ``Malformed``, naming the value as ``name``.
    """
    if not _DECIMAL_TEXT.fullmatch(text):
        raise Malformed(
            f"{name} is not a plain decimal number: {text[:40]!r}",
            code="number-malformed",
            mend='write digits with at most one point and nine decimals, such as "0.9"',
            name=name,
        )
    return Fraction(text)


def wilson(part: int, whole: int) -> tuple[Decimal, Decimal] | None:
    """The 95 % Wilson score interval of ``part`` among ``whole``, 6 decimals; ``None`` for none at all.

    Wilson (1927), with z = 1.96: (k + z²/2 ± z·√(k·(n − k)/n + z²/4)) / (n + z²). Every operation is one
    decimal operation of 50 digits, half-even, in this order: z² · z²/2 · z²/4 · k·(n − k) · that /n ·
    + z²/4 · √ · ·z · k + z²/2 · n + z² · the sum and the difference · each / (n + z²); then each bound is
    rounded once more, half-even, to 6 decimals.
    """
    if not 0 <= part <= whole:
        raise AssertionError(f"{part} of {whole} is no share")
    if whole == 0:
        return None
    with localcontext(_WILSON):
        k, n, square = Decimal(part), Decimal(whole), Z * Z
        reach = (k * (n - k) / n + square / 4).sqrt() * Z
        centre, scale = k + square / 2, n + square
        step = Decimal(1).scaleb(-DECIMALS)
        low, high = (((centre + side) / scale).quantize(step) for side in (-reach, reach))
    return low, high


@dataclass(frozen=True, slots=True)
class Ratio:
    """``part`` among ``whole``, with its interval; a share is never shown without its n."""

    part: int
    whole: int

    @property
    def value(self) -> Fraction | None:
        """The exact share; ``None`` of nothing."""
        return Fraction(self.part, self.whole) if self.whole else None

    def as_json(self) -> dict[str, Any]:
        """``{"part", "n", "value", "low", "high"}``: the share and its 95 % Wilson interval, or nulls."""
        low, high = wilson(self.part, self.whole) or (None, None)
        return {
            "part": self.part,
            "n": self.whole,
            "value": number(self.value),
            "low": None if low is None else float(low),
            "high": None if high is None else float(high),
        }
