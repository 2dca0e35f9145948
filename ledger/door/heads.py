"""Case heads stated: the clock says in the log how many statements every stream has, and answers are proved from that.

``state_heads`` makes them and states them; ``prove_stream`` proves one stream's row. Who calls places statements
meanwhile, or another process does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.door.door import Wish
from ledger.door.hall import Hall
from ledger.errors import NotFound, Unavailable
from ledger.facts.attested import HEADS_STREAM, HEADS_TYPE
from ledger.facts.registry import CLOCK_ACTOR, LOG_STREAM
from ledger.statement import StatementId, instant_text, open_statement
from ledger.store.heads import NOTHING, HeadKeeper, heads_due
from ledger.store.sequencer import now_us
from ledger.tree.checkpoint import Checkpoint
from ledger.tree.heads import HeadProof, Heads

_PLACED_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class StatedHeads:
    """Case heads as they stand in the log: the entry at leaf ``index``, checked against the tree."""

    heads: Heads
    index: int
    id: StatementId
    entry: bytes


def keeper(hall: Hall) -> HeadKeeper:
    """Who makes and reads the rows of this ledger."""
    return HeadKeeper(hall.database, hall.reader)


def stated_heads(hall: Hall, *, at: int | None = None) -> StatedHeads | None:
    """The case heads stated last, None before the first; or those at size ``at``, NotFound where there are none."""
    checkpoint = _checkpoint(hall)
    # Named sizes are looked for from the newest back; there are few statements of heads.
    for index in hall.reader.valid_indexes(HEADS_STREAM, limit=1 if at is None else None):
        if index >= checkpoint.size:
            continue
        [placed] = hall.reader.verified([index], checkpoint)
        act = open_statement(placed.entry)
        heads = Heads.from_data(act.data)
        if at is None or heads.size == at:
            return StatedHeads(heads, index, act.id, placed.entry)
    if at is not None:
        raise NotFound(
            f"no case heads were stated at size {at}",
            code="no-heads",
            mend="without --at they are stated now; earlier sizes stand in the stream `heads`",
        )
    return None


def is_fresh(hall: Hall, stated: StatedHeads) -> bool:
    """Whether nothing but the clock's own batches and heads came after the size that was stated."""
    return hall.reader.is_only((HEADS_STREAM, LOG_STREAM), since=stated.heads.size)


def state_heads(hall: Hall, *, only_if_old: bool = True) -> StatedHeads:
    """Make the case heads at the published size and have the clock state them; those stated last if they are fresh.

    Unavailable when the statement is not placed in time: it is kept, and found the next time.
    """
    keeping = keeper(hall)
    with keeping.alone():
        last = stated_heads(hall)
        if last is not None and only_if_old and is_fresh(hall, last):
            return last
        checkpoint = _checkpoint(hall)
        heads = keeping.advance(NOTHING if last is None else last.heads, checkpoint.size, checkpoint)
        outcome = hall.door.submit(
            Wish(
                actor=CLOCK_ACTOR,
                role="system_clock",
                stream=HEADS_STREAM,
                type=HEADS_TYPE,
                at=instant_text(now_us()),
                request=f"heads-{heads.size}",
                values=heads.as_data(),
            ),
            hall.keyring.own("clock"),
        )
        if not hall.wait_placed([outcome], timeout_s=_PLACED_S):
            raise Unavailable(
                "the case heads are stated, but not placed in the tree yet",
                code="being-placed",
                mend="ask again in a moment",
            )
        keeping.thin()
        stated = stated_heads(hall)
        assert stated is not None
        return stated


def state_due_heads(hall: Hall, *, quiet: bool) -> StatedHeads | None:
    """State case heads if they are due by themselves (``heads_due``), None if not: for who serves the ledger."""
    last = stated_heads(hall)
    if not heads_due(_checkpoint(hall).size, 0 if last is None else last.heads.size, quiet=quiet):
        return None
    return state_heads(hall)


def kept_tile(hall: Hall, size: int, level: int, index: int) -> bytes:
    """A tile of the heads stated at ``size``: as many rows, or hashes, as it has (NotFound where there is none)."""
    stated = stated_heads(hall, at=size)
    assert stated is not None
    return _kept(hall, stated).tile(stated.heads, level, index)


def prove_stream(hall: Hall, stated: StatedHeads, stream: str) -> HeadProof:
    """The stream's row in ``stated``, or its absence, from rows made again where they are gone."""
    return _kept(hall, stated).prove(stated.heads, stream)


def _kept(hall: Hall, stated: StatedHeads) -> HeadKeeper:
    keeping = keeper(hall)
    if not keeping.has(stated.heads):
        with keeping.alone():
            keeping.restore(stated.heads, _checkpoint(hall))
    return keeping


def _checkpoint(hall: Hall) -> Checkpoint:
    checkpoint = hall.publisher.checkpoint()
    if checkpoint is None:
        raise Unavailable("nothing is published yet", code="no-checkpoint", mend="try again in a moment")
    return checkpoint
