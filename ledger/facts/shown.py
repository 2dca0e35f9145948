"""What lists and queues show of cases, cards and tickets, a line and one digest of them: for the table, and to check.

Promise: two who took the same statements in the same order get the same lines, byte for byte, whether they kept the
cases in a table (the projections) or in memory (a monitor). So a changed row of a table shows in its digest.

    row     JSON array, no spaces, members as in ``row`` of ``ShownCase``, ``ShownCard`` and ``ShownTicket``
    digest  SHA-256 over all rows by stream (in the order of its UTF-8 bytes), each followed by a line feed

Shown is what a position's statements give that are not voided: ``position`` is how many leaves were folded, and a void
right behind the last of them counts already.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from ledger.facts import approval, ticket
from ledger.facts.approval import Approval
from ledger.facts.cards import Card
from ledger.facts.ticket import Ticket
from ledger.statement import Statement, instant_us


class Shown(Protocol):
    """One stream as it is shown; ``take`` changes it in place."""

    def take(self, act: Statement, index: int, recorded_us: int, state: Any) -> None:
        """The valid ``act`` at leaf ``index`` made ``state`` of the one before."""

    def row(self, stream: str) -> list[Any]:
        """Its row."""


@dataclass(slots=True)
class ShownCase:
    """An approval. Times are µs since 1970 UTC: ``applied_us`` claimed, the others recorded."""

    state: Approval
    item_version: str  # statement id, hex: the rules the case has
    unit: str  # the item's
    window: str | None  # of the last act that names one
    applied_us: int
    received_us: int
    first_index: int
    changed_us: int = 0
    last_index: int = 0
    acts: int = 0
    since: int | None = None  # leaf of the act since which ``span`` is what it is

    @classmethod
    def opened(cls, act: Statement, index: int, recorded_us: int, state: Approval) -> ShownCase:
        """The case that an application opens, before it is taken."""
        version = act.data["item_version"]
        return cls(state, version, state.rules.unit, act.window, act.at_us, recorded_us, index)

    def take(self, act: Statement, index: int, recorded_us: int, state: Approval) -> None:
        """One act more."""
        before = self.span() if self.acts else None
        self.state = state
        self.window = act.window or self.window
        self.changed_us, self.last_index, self.acts = recorded_us, index, self.acts + 1
        if before != self.span():
            self.since = index

    def span(self) -> tuple[Any, ...] | None:
        """The state that a queue asks for; None when the case is closed. In the queues of all its units it stands."""
        state = self.state
        if state.stage is approval.Stage.CLOSED:
            return None
        units = {self.unit, *(branch.unit for branch in state.branches if branch.is_open)}
        return (str(state.stage), state.is_suspended, state.item, sorted(units), self.window)

    def row(self, stream: str) -> list[Any]:
        """The case, what else its state holds, and how it stands in queues."""
        state, span = self.state, self.span()
        return [
            stream,
            state.item,
            self.item_version,
            self.unit,
            self.window,
            str(state.stage),
            state.is_suspended,
            self.applied_us,
            self.received_us,
            self.changed_us,
            self.first_index,
            self.last_index,
            self.acts,
            kept(state),
            None if span is None else [self.since, *span],
        ]


@dataclass(slots=True)
class ShownCard:
    """A card. Until when its answer would be in time is not in it: that hangs on the calendar as it was known then."""

    state: Card
    raised: list[Any]  # what it was raised with, and where
    answered_us: int | None = None
    answered_index: int | None = None
    last_index: int = -1  # every act on a card changes how it stands

    @classmethod
    def opened(cls, act: Statement, index: int, recorded_us: int, state: Card) -> ShownCard:
        """The card that is raised, before the act that raises it."""
        get = act.data.get
        said = [get(name) for name in ("case", "rule", "colour", "pack", "version", "unit", "clock", "branch", "step")]
        due = get("due")
        moments = [None if due is None else instant_us(due), instant_us(act.data["fired"]), recorded_us, index]
        return cls(state, [*said, get("run"), *moments])

    def take(self, act: Statement, index: int, recorded_us: int, state: Card) -> None:
        """One act more."""
        self.state, self.last_index = state, index
        if act.type == "card.answered.v1":
            self.answered_us, self.answered_index = recorded_us, index

    def row(self, stream: str) -> list[Any]:
        """The card, and how it stands."""
        state = self.state
        answered = [self.answered_us, self.answered_index]
        return [stream, *self.raised, *answered, self.last_index, state.stage, state.proposed]


@dataclass(slots=True)
class ShownTicket:
    """A ticket. Times are recorded, µs since 1970 UTC."""

    state: Ticket
    first_index: int
    taken_us: int
    last_index: int = 0
    called_us: int | None = None  # the first call
    ended_us: int | None = None  # served or expired
    since: int | None = None

    @classmethod
    def opened(cls, act: Statement, index: int, recorded_us: int, state: Ticket) -> ShownTicket:
        """The ticket that is taken, before the act that takes it."""
        return cls(state, index, recorded_us, last_index=-1)

    def take(self, act: Statement, index: int, recorded_us: int, state: Ticket) -> None:
        """One act more."""
        before = None if self.last_index < 0 else self.span()
        self.state, self.last_index = state, index
        if state.stage is ticket.Stage.CALLED and self.called_us is None:
            self.called_us = recorded_us
        if self.span() is None:
            self.ended_us = recorded_us
        if before != self.span():
            self.since = index

    def span(self) -> tuple[Any, ...] | None:
        """The state that a queue asks for; None when the ticket is over."""
        state = self.state
        if state.stage in (ticket.Stage.SERVED, ticket.Stage.EXPIRED):
            return None
        return (str(state.stage), state.queue, state.window)

    def row(self, stream: str) -> list[Any]:
        """The ticket, and how it stands in its queue."""
        state, span = self.state, self.span()
        return [
            stream,
            str(state.stage),
            state.number,
            state.queue,
            state.channel,
            state.opener,
            state.window,
            state.calls,
            state.case,
            self.first_index,
            self.last_index,
            self.taken_us,
            self.called_us,
            self.ended_us,
            None if span is None else [self.since, *span],
        ]


# Kind of stream → how one begins to be shown.
SHOWN: Final[Mapping[str, Callable[[Statement, int, int, Any], Shown]]] = {
    "approval": ShownCase.opened,
    "card": ShownCard.opened,
    "ticket": ShownTicket.opened,
}


# Kind of stream → where its row says the leaf of its last act.
LAST_INDEX: Final[Mapping[str, int]] = {"approval": 11, "card": 17, "ticket": 10}


def kept(state: Approval) -> dict[str, Any]:
    """An approval's state as JSON, without what stands in other members of the row and in the item; sets in order."""
    return {
        "opener": state.opener,
        "receiver": state.receiver,
        "accepted_by": state.accepted_by,
        "gaps": sorted(state.gaps),
        "fill_by": state.fill_by,
        "branches": [[branch.name, branch.unit, branch.is_open] for branch in state.branches],
        "steps": _ordered(state.steps),
        "pauses": _ordered(state.pauses),
        "extensions": list(state.extensions),
        "late": sorted([seq, person] for seq, person in state.late),
        "outcome": state.outcome,
    }


def _ordered(pairs: frozenset[tuple[str | None, str]]) -> list[list[str | None]]:
    return [list(pair) for pair in sorted(pairs, key=lambda pair: (pair[0] or "", pair[1]))]


def row_bytes(row: Sequence[Any]) -> bytes:
    """The bytes of a row; members of objects are sorted by name."""
    return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)


def digest_of(rows: Iterable[bytes]) -> tuple[int, str]:
    """How many rows, and their digest in hex."""
    found, number = hashlib.sha256(), 0
    for row in rows:
        found.update(row + b"\n")
        number += 1
    return number, found.hexdigest()
