"""Simulated history placed as it would have been: many small batches, committed together.

Promise: what a run of ``Sequencer.step`` at those moments would have left, this leaves: each moment has its batch
statement with that time and ``simulated: true``, its leaves, nodes and root, in one order. All moments of one call
commit together or not at all, since nobody waits for a receipt in a history that is played; only the last head is
published. Whatever is appended must be valid, and alone: a row held back, refused or voided ends the play.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from ledger.errors import Evidence, Unavailable
from ledger.store.database import Connection
from ledger.store.sequencer import Batch, HeadRow, Sequencer, _Plan
from ledger.tree.merkle import Frontier

Moment = tuple[int, int]
"""How many rows, in the order in which they were inserted, were recorded together, and when (µs)."""

_PATIENCE_S: Final = 60.0
_WAIT_S: Final = 0.002


class SimulatedSequencer(Sequencer):
    """A sequencer whose clock is whoever calls ``place``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, simulated=True, **kwargs)

    def place(self, moments: Sequence[Moment]) -> Batch:
        """Place the rows of ``moments``, which were appended in one transaction."""
        connection = self._connection
        if connection is None:
            raise Unavailable("this sequencer does not lead", code="not-leader")
        head = self._head or self._read_head(connection)
        expected, until = sum(count for count, _ in moments), time.monotonic() + _PATIENCE_S
        while True:
            cut, rows, exhausted = self._cut(connection, head)
            if rows:
                break
            if time.monotonic() > until:
                raise Unavailable("an open transaction in this database holds the play back", code="stalled")
            time.sleep(_WAIT_S)
        plan = self._order(connection, head.epoch, rows)
        if len(rows) != expected or not exhausted or plan.held or plan.refused or plan.own:
            raise Evidence(
                "somebody else writes to a ledger whose history is being played",
                code="not-alone",
                mend="begin anew in an empty folder, and leave it alone until the play is over",
                expected=expected,
                found=len(rows),
            )
        ends = self._moved(cut, rows, plan, exhausted=True)
        try:
            frontier, after, low = Frontier.from_bytes(head.frontier), head, 0
            made: list[tuple[HeadRow, _Plan]] = []
            nodes: list[tuple[int, int, bytes]] = []
            for count, us in moments:
                high = low + count
                part = _Plan(
                    ids=plan.ids[low:high],
                    insertion_ids=plan.insertion_ids[low:high],
                    epoch=after.epoch + sum(row.governs for row in rows[low:high]),
                )
                part, after, grown = self._moment(after, ends, frontier, part, us)
                made.append((after, part))
                nodes += grown
                low = high
            self._commit_all(connection, head, made, nodes)
            batch = Batch(first=head.size, size=after.size, root=after.root, recorded_us=after.recorded_us)
            self._published(batch)
            self._head = after
        except BaseException:
            self._head = None
            raise
        return batch

    def _moment(
        self, head: HeadRow, ends: HeadRow, frontier: Frontier, part: _Plan, us: int
    ) -> tuple[_Plan, HeadRow, list[tuple[int, int, bytes]]]:
        """One batch, opened at its time and grown onto the tree in memory."""
        self._clock = lambda: us
        plan, recorded_us = self._open_batch(head, part, None)
        nodes = frontier.extend(plan.ids)
        after = replace(
            ends,
            size=frontier.size,
            root=frontier.root(),
            frontier=frontier.to_bytes(),
            recorded_us=recorded_us,
            batch_seq=head.batch_seq + 1,
            batch_id=plan.ids[0],
            epoch=part.epoch,
        )
        return plan, after, nodes

    def _commit_all(
        self,
        connection: Connection,
        head: HeadRow,
        made: Sequence[tuple[HeadRow, _Plan]],
        nodes: Sequence[tuple[int, int, bytes]],
    ) -> None:
        """What ``_commit`` writes for each batch, of all of them at once; the head moves from the first to the last."""
        *_, (last, _) = made
        prevs = [head.batch_id, *(after.batch_id for after, _ in made[:-1])]
        with connection.transaction():
            placed: dict[bytes, int] = dict(
                connection.execute(
                    "INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)"
                    " SELECT id, 'log', seq, prev, false, epoch, '', entry"
                    " FROM unnest(%b::bytea[], %b::integer[], %b::bytea[], %b::bigint[], %b::bytea[])"
                    " AS t (id, seq, prev, epoch, entry) RETURNING id, insertion_id",
                    (
                        [after.batch_id for after, _ in made],
                        [after.batch_seq for after, _ in made],
                        prevs,
                        [after.epoch for after, _ in made],
                        [part.own[0][1] for _, part in made],
                    ),
                    binary=True,
                ).fetchall()
            )
            self._make_partitions(connection, last.size)
            index = head.size
            with (
                connection.cursor() as cursor,
                cursor.copy("COPY ledger.leaves (index, insertion_id, id) FROM STDIN (FORMAT binary)") as copy,
            ):
                copy.set_types(["int8", "int8", "bytea"])
                for _, part in made:
                    for insertion_id, id_ in zip(part.insertion_ids, part.ids, strict=True):
                        copy.write_row((index, placed[id_] if insertion_id is None else insertion_id, id_))
                        index += 1
            connection.execute(
                "INSERT INTO ledger.nodes SELECT * FROM unnest(%b::smallint[], %b::bigint[], %b::bytea[])",
                ([n[0] for n in nodes], [n[1] for n in nodes], [n[2] for n in nodes]),
            )
            firsts = [head.size, *(after.size for after, _ in made[:-1])]
            with connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO ledger.batches VALUES (%s, %s, %s, %s)",
                    [
                        (first, after.size, after.recorded_us, after.root)
                        for first, (after, _) in zip(firsts, made, strict=True)
                    ],
                )
            self._move_head(connection, head, last)
