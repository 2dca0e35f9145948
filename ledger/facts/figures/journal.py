"""Tidy facts: what each matter adds to the figures, as rows, and what must be remembered of it to know them.

Promise: ``take`` reads one valid act at a time and ``facts`` tells the rows that hold after it; both are pure, so the
server, which keeps journals in a table, and an outsider, who keeps them in memory, get the same rows from the same
acts. A row once given may fall away or change with a later act (a case is reopened, an amount reversed): a table that
keeps both, the later one with weight −1, knows the sum as of every earlier position.

A row says: ``measure`` · ``at_us``, the moment by which it belongs to a period · ``place``, whose matter it is ·
``kind``, where the measure has kinds · ``value`` and ``second``, integers. Moments are recorded time (µs since 1970
UTC), durations µs, money fen. What each measure means stands where it is made, in ``of_cases`` and ``of_centres``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple, Protocol

from ledger.errors import Malformed
from ledger.facts.calendar import Calendar
from ledger.facts.case_clocks import day_at, instant_at, us_of
from ledger.facts.clocks import SHANGHAI, ClockSpec, due, last_instant_of
from ledger.facts.figures.definitions import DAY_US
from ledger.facts.terms import Terms
from ledger.statement import Statement


class Place(NamedTuple):
    """Whose matter it is, in codes; ``""`` where that is not known. As it was when the matter began."""

    unit: str = ""
    window: str = ""
    item: str = ""
    centre: str = ""
    tier: str = ""
    zone: str = ""
    class_: str = ""

    def code(self, dimension: str) -> str:
        """Whose it is by that dimension."""
        return str(getattr(self, "class_" if dimension == "class" else dimension))


class Fact(NamedTuple):
    """One row."""

    measure: str
    at_us: int
    place: Place
    kind: str = ""
    value: int = 1
    second: int = 0


class Look(Protocol):
    """What else the log says, as it stood right before the act."""

    def item(self, version: str) -> Mapping[str, Any]:
        """The item's data in that version (statement id, hex)."""

    def entry(self, stream: str) -> Mapping[str, Any] | None:
        """What holds of a thing of the registries, such as ``unit/env``; None for no such thing."""

    def person(self, actor: str) -> str:
        """Whom an actor stands for."""

    def calendar(self) -> Calendar:
        """The working days."""

    def terms(self) -> Terms:
        """Within how many working days the hall must act."""

    def place(self, stream: str) -> Place | None:
        """Whose matter another stream is, if it has rows."""


@dataclass(slots=True)
class Journal:
    """What is remembered of one stream; ``kept`` is JSON."""

    place: Place
    kept: dict[str, Any] = field(default_factory=dict)


class Subject(NamedTuple):
    """How one kind of stream is read. ``take`` changes the journal in place; the first act gets an empty one."""

    take: Callable[[Journal, str, Statement, int, Look], None]
    facts: Callable[[Journal], Iterator[Fact]]


def of_unit(look: Look, unit: str, **more: str) -> Place:
    """The place of a matter of that unit."""
    known = look.entry(f"unit/{unit}") or {}
    return Place(unit=unit, **({"centre": known.get("centre") or "", "tier": known.get("tier") or ""} | more))


def of_window(look: Look, window: str, **more: str) -> Place:
    """The place of a matter at that window."""
    known = look.entry(f"window/{window}") or {}
    return of_unit(look, known.get("unit") or "", window=window, zone=known.get("zone") or "", **more)


def term_us(look: Look, from_us: int, working_days: int) -> int | None:
    """The last instant of so many working days from a moment, by the calendar known then; None where it ends."""
    spec, known = ClockSpec(working_days), look.calendar().as_known(day_at(from_us))
    try:
        found = due(spec, instant_at(from_us), calendar=known, beyond="not-yet-known")
    except Malformed:  # so many days that no calendar will ever have them
        return None
    return us_of(last_instant_of(found, spec)) if found.known else None


def day_end_us(day: str) -> int:
    """The last instant of a local day (ISO)."""
    first = date.fromisoformat(day)
    return (day_us(first + timedelta(days=1)) if first < date.max else day_us(first) + DAY_US) - 1


def day_us(day: date) -> int:
    """The first instant of a local day."""
    return us_of(datetime(day.year, day.month, day.day, tzinfo=SHANGHAI))


def met(measure: str, place: Place, due_us: int | None, done_us: int | None, kind: str = "") -> Iterator[Fact]:
    """A term that was met or not: ``…_stopped`` (1 in time, 0 late) when it was done, else ``…_running`` with its due.

    One whose due is not known is neither.
    """
    if due_us is not None and done_us is not None:
        yield Fact(f"{measure}_stopped", done_us, place, kind, int(done_us <= due_us))
    elif due_us is not None:
        yield Fact(f"{measure}_running", due_us, place, kind, due_us)
