"""A live log in memory: a hall that works as it should, and ways to put things into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ledger.facts.anomalies.found import Anomaly, Stroke
from ledger.facts.anomalies.live import (
    NOBODY,
    Act,
    Case,
    Item,
    Overdue,
    Raised,
    Rated,
    Register,
    Run,
    Served,
    Span,
    Turn,
)
from ledger.facts.anomalies.live_run import find_live
from ledger.statement import instant_us

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 24 * 3600 * SECOND
OPENED = instant_us("2024-01-02T08:00:00+08:00")
MONDAY = instant_us("2024-03-04T09:00:00+08:00")
STAMP = Item("stamp", "env", True, 5 * MINUTE, OPENED, None)
PERMIT = Item("permit", "env", False, 5 * MINUTE, OPENED, None)
ROLES = {"chen": "window_clerk", "zhao": "window_clerk", "qian": "reviewer", "sun": "approver"}
APART = ("footage", "grant", "live")
Step = tuple[int, str, str, dict[str, Any]]


@dataclass
class MemoryHall:
    """Streams by name, tickets, ratings, runs and cards. ``leaf``: the log's length."""

    register: Register = field(
        default_factory=lambda: Register(
            persons={f"staff/{name}": name for name in ROLES},
            staff={f"staff/{name}": [Span(OPENED, None)] for name in ROLES},
            units={"env": (1, Span(OPENED, None)), "fire": (2, Span(OPENED, None))},
            windows={"w1": (3, Span(OPENED, None), "env"), "w2": (4, Span(OPENED, None), "env")},
            items={"stamp": [STAMP], "permit": [PERMIT]},
            cameras={"c1": (5, ("w1",), 45)},
            opened_us=OPENED,
        )
    )
    leaf: int = 100
    of: list[Case] = field(default_factory=list)
    all_turns: list[Turn] = field(default_factory=list)
    all_ratings: list[Rated] = field(default_factory=list)
    all_runs: list[Run] = field(default_factory=list)
    all_cards: list[Raised] = field(default_factory=list)
    all_overdue: list[Overdue] = field(default_factory=list)

    # ── what the detectors read ──

    def cases(self) -> Iterator[Case]:
        yield from (case for case in self.of if case.kind == "approval")

    def matters(self, *kinds: str) -> Iterator[Case]:
        yield from (
            case
            for case in self.of
            if case.kind != "approval"
            and (case.kind in kinds if kinds else case.kind not in ("footage", "grant", "live"))
        )

    def strokes(self) -> Iterator[Stroke]:
        yield from sorted(
            Stroke(act.verb, act.actor, act.decides_us(case.grace_us), case.leaf, act.leaf)
            for case in self.of
            for act in case.acts
            if act.role not in NOBODY
        )

    def turns(self) -> Iterator[Turn]:
        yield from sorted(self.all_turns, key=lambda turn: turn.recorded_us)

    def ratings(self) -> Iterator[Rated]:
        yield from sorted(self.all_ratings)

    def runs(self) -> Iterator[Run]:
        yield from self.all_runs

    def raised(self) -> Iterator[Raised]:
        yield from self.all_cards

    def overdue(self) -> Iterator[Overdue]:
        yield from self.all_overdue

    def visits(self, window: str, since_us: int, until_us: int) -> list[int]:
        return [t.leaf for t in self.all_turns if t.window == window and since_us <= t.recorded_us < until_us][:5]

    # ── what the tests put in ──

    def put(
        self,
        kind: str,
        *steps: Step,
        at: int = MONDAY,
        item: Item | None = None,
        ticket: Served | None = None,
        due: Mapping[str, int] | None = None,
        stream: str | None = None,
        claimed: Mapping[str, int] | None = None,
        window: str | None = "w1",
    ) -> Case:
        """A stream; a step is (µs after ``at``, act, who, data). ``due``, ``claimed``: act → instant."""
        acts, first = [], self.leaf + 1
        for after, verb, who, data in steps:
            self.leaf += 1
            role = ROLES.get(who, who)
            acts.append(
                Act(
                    self.leaf,
                    at + after,
                    (claimed or {}).get(verb, at + after),
                    verb,
                    f"staff/{who}" if who in ROLES else who,
                    role,
                    "env" if role in ("reviewer", "approver") else None,
                    window if role == "window_clerk" else None,
                    data,
                    f"{self.leaf:064x}",
                )
            )
        near = {act.leaf: due[act.verb] for act in acts if due and act.verb in due}
        case = Case(first, kind, stream or f"{kind}/{first}", acts, item, ticket, near)
        self.of.append(case)
        return case

    def stamp(self, at: int, *, who: str = "chen", ticket: str | None = "", **more: Any) -> Case:
        """A case closed in one visit."""
        name = f"t{self.leaf}" if ticket == "" else ticket
        first = {"channel": "window"} | ({} if name is None else {"ticket": name})
        steps = [(0, "applied", who, first), (MINUTE, "accepted", who, {})]
        steps += [(5 * MINUTE, "decided", who, {"outcome": "granted"}), (6 * MINUTE, "closed", who, {})]
        served = None if name is None else Served(at - MINUTE, at + 7 * MINUTE)
        return self.put("approval", *steps, at=at, **({"item": STAMP, "ticket": served} | more))

    def permit(self, at: int, *steps: Step, ticket: str | None = None, **more: Any) -> Case:
        """A promise case: taken in, looked into for ``steps`` (or an examination), decided by another."""
        first = {"channel": "window", "ticket": ticket or f"t{self.leaf}"}
        examined: tuple[Step, ...] = (
            (HOUR, "step_started", "qian", {"step": "examine"}),
            (DAY, "step_finished", "qian", {"step": "examine"}),
        )
        return self.put(
            "approval",
            (0, "applied", "chen", first),
            (MINUTE, "accepted", "chen", {}),
            *(steps or examined),
            (2 * DAY, "decided", "sun", {"outcome": "granted"}),
            at=at,
            **({"item": PERMIT} | more),
        )

    def found(self, kind: str | None = None) -> list[Anomaly]:
        """The rows, of one kind or of all."""
        rows = find_live(self, until_us=MONDAY + 300 * DAY)
        return [row for row in rows if kind in (None, row.kind)]


def working_hall(days: int = 40) -> MemoryHall:
    """So many working days without anything odd: ten stamps a day and two permits."""
    hall = MemoryHall()
    for number in range(days):
        morning = MONDAY + (number // 5 * 7 + number % 5) * DAY
        for visit in range(10):
            who = ("chen", "zhao")[visit % 2]
            hall.stamp(morning + visit * 40 * MINUTE, who=who)
        for visit in range(3 if number % 5 < 3 else 0):  # they are decided two days later
            hall.permit(morning + 15 * MINUTE + visit * 80 * MINUTE)
    return hall
