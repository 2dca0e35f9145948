"""Erasures as they stand in the log: which digests are gone by whose statement; and their carrying out in the vault.

Promise: when ``apply_erasures`` returns, no value that a placed and published erasure names is in the vault, whichever
copy of it lies there. The vault itself remembers how far the log's erasures were applied to it, so an older copy knows
that it is older, and a process that was ended between the statement and the destruction goes on with the next start.
Each statement is checked against the signed tree first: a row that somebody wrote destroys nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.facts.erasure import MADE, erasure_stream, subject_of
from ledger.facts.registry import LOG_STREAM
from ledger.statement import Statement, open_statement
from ledger.store.database import Connection, Database
from ledger.store.reading import LogReader
from ledger.store.vault import Vault
from ledger.tree.checkpoint import Checkpoint

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


def apply_erasures(database: Database, reader: LogReader, vault: Vault, checkpoint: Checkpoint | None) -> int:
    """Destroy what the log says under ``checkpoint`` is erased and ``vault`` was not told yet; how many values went."""
    if checkpoint is None:
        return 0
    with database.use("reader") as connection:
        found = read_erasures(connection, since=vault.erased_upto())
    found = [one for one in found if one.index < checkpoint.size and _holds(reader, one, checkpoint)]
    if not found:
        return 0
    return vault.erase(((one.subject, one.digests) for one in found), upto=found[-1].index + 1)


def _holds(reader: LogReader, one: Erasure, checkpoint: Checkpoint) -> bool:
    """Whether the statement stands in the signed tree and is not voided by the one behind it (Evidence otherwise)."""
    indexes = [index for index in (one.index, one.index + 1) if index < checkpoint.size]
    placed, *after = reader.verified(indexes, checkpoint)
    act = open_statement(placed.entry)
    behind = [open_statement(other.entry) for other in after]
    return act.id == one.act.id and not any(
        other.stream == LOG_STREAM and other.data.get("statement") == act.id.hex() for other in behind
    )
