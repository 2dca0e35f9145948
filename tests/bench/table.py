"""The table: what was measured, what was aimed at, met or by how much missed; as text, JSON and a block of Markdown."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tests.bench.rounds import say

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"


@dataclass(frozen=True, slots=True)
class Aim:
    """A measured value and its bound. ``text`` reads as in the list of aims."""

    value: float
    way: Literal["at least", "at most"]
    bound: float
    text: str

    @property
    def met(self) -> bool:
        return self.value >= self.bound if self.way == "at least" else self.value <= self.bound

    @property
    def verdict(self) -> str:
        if self.met:
            return "met"
        if self.way == "at least":
            return f"missed by {1 - self.value / self.bound:.0%}"
        if self.value < 2 * self.bound:
            return f"missed by {self.value / self.bound - 1:.0%}"
        return f"missed: {self.value / self.bound:.1f} × the aim" if self.bound else "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line. ``limit`` is what the disk, the signature or the read would allow at best."""

    name: str
    what: str
    ours: str
    rival: str
    ratio: float | None
    aims: tuple[Aim, ...]
    limit: str

    @property
    def cells(self) -> tuple[str, ...]:
        ratio = "–" if self.ratio is None else f"{self.ratio:.2f} ×"
        aim = ", ".join(each.text for each in self.aims)
        verdicts = [each.verdict for each in self.aims]
        verdict = "met" if set(verdicts) <= {"met"} else ", ".join(v for v in verdicts if v != "met")
        return self.name, self.what, self.ours, self.rival, ratio, aim, verdict, self.limit

    def as_json(self) -> dict[str, Any]:
        """The row with its aims spelled out."""
        return {
            "name": self.name,
            "what": self.what,
            "ours": self.ours,
            "rival": self.rival,
            "ratio": self.ratio,
            "aims": [
                {"value": each.value, "way": each.way, "bound": each.bound, "met": each.met} for each in self.aims
            ],
            "limit": self.limit,
        }


def at_least(value: float, bound: float) -> Aim:
    """A ratio to reach."""
    return Aim(value, "at least", bound, f"≥ {bound:g} ×")


def at_most(value: float, bound: float) -> Aim:
    """A ratio not to pass."""
    return Aim(value, "at most", bound, f"≤ {bound:g} ×")


HEAD = ("row", "what", "ours", "rival", "ratio", "aim", "verdict", "limit")


def as_text(rows: Sequence[Row]) -> str:
    """The table for a terminal; the limits stand in the Markdown and the JSON only."""
    lines = [HEAD[:-1], *(row.cells[:-1] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def as_markdown(rows: Sequence[Row], command: str) -> str:
    """The same with the machine and the command that made it."""
    lines = [
        BEGIN,
        "",
        f"`{command}` on {machine()}.",
        "",
        "| " + " | ".join(HEAD) + " |",
        "|" + "---|" * len(HEAD),
        *("| " + " | ".join(row.cells) + " |" for row in rows),
        "",
        END,
    ]
    return "\n".join(lines)


def write_block(path: Path, block: str) -> None:
    """Replace what stands between the markers of ``path``; the rest is left as it is."""
    text = path.read_text("utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{path} has no block between {BEGIN} and {END}")
    path.write_text(before + block + after, "utf-8")
    say(f"{path} has the new table")


def machine() -> str:
    """Processor, cores, memory, kernel and Python in a line."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores of {model}, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"
