"""Erasures as they stand in the log: which digests are gone by whose statement, read from its rows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.facts.erasure import MADE, erasure_stream, subject_of
from ledger.statement import Statement, open_statement
from ledger.store.database import Connection

_QUERY: Final = (
    "SELECT l.index, s.entry FROM ledger.statements s JOIN ledger.leaves l USING (insertion_id)"
    " WHERE NOT EXISTS (SELECT FROM ledger.voided v WHERE v.id = s.id) AND {} ORDER BY l.index"
)


@dataclass(frozen=True, slots=True)
class Erasure:
    """A valid ``erasure.made.v1`` at leaf ``index``."""

    index: int
    act: Statement

    @property
    def subject(self) -> str:
        """Whose values went."""
        return subject_of(self.act.stream)

    @property
    def digests(self) -> Sequence[str]:
        """Which."""
        found: list[str] = self.act.data["digests"]
        return found


def read_erasures(connection: Connection, *, subjects: Collection[str] | None = None, since: int = 0) -> list[Erasure]:
    """The erasures in the tree from leaf ``since`` on, of ``subjects`` or of all, in the log's order."""
    if subjects is None:
        # 0 comes behind /: all streams of the kind.
        rows = connection.execute(
            _QUERY.format("s.stream > 'erasure/' AND s.stream < 'erasure0' AND l.index >= %s"), (since,), binary=True
        )
    else:
        streams = [erasure_stream(subject) for subject in subjects]
        rows = connection.execute(_QUERY.format("s.stream = ANY(%s) AND l.index >= %s"), (streams, since), binary=True)
    opened = [(index, open_statement(entry)) for index, entry in rows.fetchall()]
    return [Erasure(index, act) for index, act in opened if act.type == MADE]


def erased_by(connection: Connection, digests: Collection[str], *, subjects: Collection[str]) -> dict[str, int]:
    """Of ``digests``, those that were erased, with the leaf index of the statement.

    ``subjects``: whose they usually are, asked first; a value may have been sealed for another.
    """
    missing = set(digests)
    found: dict[str, int] = {}
    for asked in (subjects, None):
        if missing:
            for one in read_erasures(connection, subjects=asked):
                found |= dict.fromkeys(missing.intersection(one.digests), one.index)
            missing -= found.keys()
    return found
