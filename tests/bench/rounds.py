"""Alternate the sides of a comparison and take medians: what the machine does to one, it does to the other."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping


def say(text: str) -> None:
    """Progress, on standard error."""
    print(text, file=sys.stderr, flush=True)


def alternate(sides: Mapping[str, Callable[[], float]], *, rounds: int) -> dict[str, float]:
    """The median of each side over ``rounds``; the order turns round each time, so that nobody always comes second."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for number in range(rounds):
        for name in order:
            found[name].append(sides[name]())
        order.reverse()
        say(f"  round {number + 1}/{rounds}: " + ", ".join(f"{name} {found[name][-1]:,.4g}" for name in sides))
    return {name: statistics.median(values) for name, values in found.items()}


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes by the wall."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
