"""What the detectors of a live log are given: cases with their acts, tickets, clock runs, cards, and the registries.

Live statements have a recorded time w beside the claimed time e, actors whose persons are known, items, units, windows
and rosters. So a live log is asked more than an imported one, and what both are asked is asked in recorded order. A
case, ticket, procedure or camera is known by the leaf of its stream's first statement, a unit by its registration's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, Protocol

from ledger.facts.anomalies.found import Run, Stroke

NOBODY = frozenset({"system_clock", "source_adapter", "recorder_device", "citizen"})
"""Roles behind which stands no one person who works here."""


class Act(NamedTuple):
    """One act of a stream. ``verb``: its type without kind and version."""

    leaf: int
    recorded_us: int
    at_us: int
    verb: str
    actor: str
    role: str
    unit: str | None
    window: str | None
    data: Mapping[str, Any]
    id: str = ""
    """Of the statement, hex; only where something else may name it."""

    def decides_us(self, grace_us: int) -> int:
        """The time that decides: the claimed one within the grace of the recorded one, else that."""
        return self.at_us if abs(self.recorded_us - self.at_us) <= grace_us else self.recorded_us


class Item(NamedTuple):
    """One version of an item. ``from_us``: when it became valid; ``to_us``: when it was retired or revised."""

    code: str
    unit: str
    on_the_spot: bool
    grace_us: int
    from_us: int
    to_us: int | None
    steps: tuple[str, ...] = ()
    """Mandatory, in their order."""


class Served(NamedTuple):
    """When a case's ticket was called and served (recorded), as far as it was."""

    called_us: int | None
    served_us: int | None


class Case(NamedTuple):
    """One stream and its acts in the order of the log. ``item``, ``ticket``: an approval's; ``due_us``: see ``runs``.

    ``due_us``: of a pause or a withdrawal shortly before a clock of the case was due, by its leaf, when that was.
    """

    leaf: int
    kind: str
    stream: str
    acts: Sequence[Act]
    item: Item | None = None
    ticket: Served | None = None
    due_us: Mapping[int, int] = {}

    @property
    def grace_us(self) -> int:
        """How far claimed and recorded time may stand apart."""
        return GRACE_US if self.item is None else self.item.grace_us


GRACE_US = 300_000_000


class Turn(NamedTuple):
    """An act on a ticket, all of them in the order of the log. ``ticket``: the leaf of its first."""

    leaf: int
    recorded_us: int
    ticket: int
    verb: str
    queue: str | None
    channel: str | None
    window: str | None


class Rated(NamedTuple):
    """A rating of a visit to a window, by window and time. ``visit``: the leaf of the ticket's or case's first act."""

    window: str
    recorded_us: int
    visit: int
    level: int
    leaf: int


class Raised(NamedTuple):
    """A card as it was raised, and the run it is about as the log's own acts gave it then (None: there was no run)."""

    case: int
    leaf: int
    rule: str
    colour: str
    clock: str | None
    due_us: int | None
    fired_us: int
    recorded_us: int
    run_due_us: int | None
    stopped_us: int | None
    has_run: bool


class Overdue(NamedTuple):
    """A run that passed its due instant, and the rules whose cards it has."""

    case: int
    clock: str
    due_us: int
    leaf: int
    rules: frozenset[str]


class Span(NamedTuple):
    """From when to when something was there; the end may be open."""

    from_us: int
    to_us: int | None


@dataclass(frozen=True, slots=True)
class Register:
    """The registries, as far as detectors ask: small beside the log."""

    persons: Mapping[str, str] = field(default_factory=dict)
    """Actor → person."""
    staff: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    """Actor → when they were employed."""
    units: Mapping[str, tuple[int, Span]] = field(default_factory=dict)
    """Unit → the leaf of its registration, and when it was there."""
    windows: Mapping[str, tuple[int, Span, str]] = field(default_factory=dict)
    """Window → leaf, span, unit."""
    items: Mapping[str, Sequence[Item]] = field(default_factory=dict)
    """Item code → its versions."""
    cameras: Mapping[str, tuple[int, Sequence[str], int]] = field(default_factory=dict)
    """Camera → leaf, windows, days for which its footage is kept."""
    rostered: frozenset[tuple[str, date]] = frozenset()
    """Windows and days for which a roster names a shift of its own."""
    rostered_days: frozenset[tuple[str, date]] = frozenset()
    """Windows and days with any roster."""
    days_off: frozenset[date] = frozenset()
    working_weekends: frozenset[date] = frozenset()
    opened_us: int | None = None
    """When the ledger was opened: nothing was recorded before."""

    def person(self, actor: str) -> str:
        """Whose actor id this is."""
        return self.persons.get(actor, actor)

    def is_worked(self, day: date) -> bool:
        """Whether offices are open on ``day``; of a year without a schedule, as the weekday says."""
        if day.weekday() >= 5:  # Saturday, Sunday
            return day in self.working_weekends
        return day not in self.days_off


class LiveLog(Protocol):
    """A live log up to one position, read from its beginning as often as it is asked for."""

    @property
    def register(self) -> Register:
        """The registries."""

    def cases(self) -> Iterator[Case]:
        """Approvals."""

    def matters(self, *kinds: str) -> Iterator[Case]:
        """Streams of those kinds (unless given: of all but tickets, ratings and footage)."""

    def strokes(self) -> Iterator[Stroke]:
        """Acts of people, by act, person and the time that decides."""

    def turns(self) -> Iterator[Turn]:
        """Acts on tickets."""

    def ratings(self) -> Iterator[Rated]:
        """Ratings whose visit has a window."""

    def runs(self) -> Iterator[Run]:
        """Promise runs that stopped and had a due instant."""

    def raised(self) -> Iterator[Raised]:
        """Cards on clocks."""

    def overdue(self) -> Iterator[Overdue]:
        """Runs past their due instant, stopped or not, while cards were being raised."""

    def visits(self, window: str, since_us: int, until_us: int) -> list[int]:
        """The leaves of acts at a window in a span, the first few."""


__all__ = [
    "GRACE_US",
    "NOBODY",
    "Act",
    "Case",
    "Item",
    "LiveLog",
    "Overdue",
    "Raised",
    "Rated",
    "Register",
    "Run",
    "Served",
    "Span",
    "Turn",
]
