"""Statements put back into a database that has lost them: the rows of a restore, checked as they go in.

Promise of ``put_back``: either the tree ends at the wanted head and passes through every head that is known, or nothing
was changed. The tree is grown from this database's own frontier, so entries of another history lead to another root.
All is one transaction: statements, requests, leaves, batches, nodes, head. What was acknowledged here and stands in no
tree yet waits for its place still. Who remembers which heads, and where entries come from, the caller says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from ledger.errors import Conflict, Evidence, Malformed, Refused, Unavailable
from ledger.facts.registry import LOG_STREAM
from ledger.facts.streams import governs
from ledger.statement import Statement, open_statement
from ledger.store.database import Connection, Database
from ledger.store.recorder import content_digest, request_key, seal_of
from ledger.store.sequencer import LEADER_LOCK, LEAVES_PER_PARTITION, make_partition
from ledger.tree.checkpoint import Checkpoint
from ledger.tree.merkle import Frontier
from ledger.tree.tiles import TILE_WIDTH, Bundle, bundles_for, decode_bundle

_APPEND_LOCK: Final = 4823093174209357

_EXISTING: Final = (
    "SELECT s.id, s.insertion_id FROM unnest(%b::text[], %b::integer[]) AS n (stream, seq)"
    " JOIN ledger.statements s USING (stream, seq)"
)
_INSERT: Final = (
    "INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)"
    " SELECT * FROM unnest(%b::bytea[], %b::text[], %b::integer[], %b::bytea[], %b::boolean[], %b::bigint[],"
    " %b::bytea[], %b::bytea[]) RETURNING id, insertion_id"
)
# Every transaction up to this one is done: what it left without a place is held, so that no cut has to find it again.
_HEAD: Final = (
    "UPDATE ledger.head SET size = %s, root = %b, frontier = %b, recorded_us = %s, batch_seq = %s, batch_id = %b,"
    " epoch = %s, done_xid = (pg_current_xact_id()::text::numeric + 1)::text::xid8, target_xid = NULL, after_id = 0,"
    " held = ARRAY(SELECT insertion_id FROM ledger.statements s WHERE stream NOT IN ('log', 'ledger')"
    "  AND NOT insertion_id = ANY(head.refused)"
    "  AND NOT EXISTS (SELECT FROM ledger.leaves l WHERE l.insertion_id = s.insertion_id) ORDER BY insertion_id)"
)


@dataclass(slots=True)
class _Growth:
    """The head as it moves, and what is known of heads on the way."""

    frontier: Frontier
    recorded_us: int
    batch_seq: int
    batch_id: bytes | None
    epoch: int
    governing: int
    known: Mapping[int, tuple[bytes, str]]
    first: int = -1
    batch_end: int = 0
    nodes: list[tuple[int, int, bytes]] = field(default_factory=list)
    batches: list[tuple[int, int, int, bytes]] = field(default_factory=list)
    last_governs: bool = False


@contextmanager
def alone(database: Database) -> Iterator[Connection]:
    """While this lasts, nobody places statements (Unavailable while a sequencer does)."""
    with database.connect("sequencer") as connection:
        if connection.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,)).fetchone() != (True,):
            raise Unavailable("the ledger is running", code="running", mend="end `mingjian up` first")
        yield connection


def put_back(
    connection: Connection,
    bundle: Callable[[Bundle], bytes],
    wanted: Checkpoint,
    *,
    known: Mapping[int, tuple[bytes, str]],
    secret: bytes,
) -> tuple[int, int]:
    """Grow the tree to ``wanted``; the size before, and how many entries were put back.

    ``connection``: from :func:`alone`; ``bundle``: the bytes of an entry bundle; ``known``: the roots that are known,
    by size, and who holds each; ``secret``: the door's.
    """
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_APPEND_LOCK,))
            return _put_back(connection, bundle, wanted, {**known, wanted.size: (wanted.root, "the copy")}, secret)
    except psycopg.errors.UniqueViolation as error:
        raise Conflict(
            f"something else was stated here since the restore: {error.diag.message_detail or error}",
            code="repair-conflict",
            mend="restore the older copy once more, and put the entries back before anything is stated",
        ) from error


def _put_back(
    connection: Connection,
    read: Callable[[Bundle], bytes],
    wanted: Checkpoint,
    known: Mapping[int, tuple[bytes, str]],
    secret: bytes,
) -> tuple[int, int]:
    row = connection.execute(
        "SELECT frontier, recorded_us, batch_seq, batch_id, epoch FROM ledger.head FOR UPDATE", binary=True
    ).fetchone()
    count = connection.execute(
        "SELECT count(*) FROM ledger.governing g JOIN ledger.statements s USING (stream, seq)"
        " WHERE EXISTS (SELECT FROM ledger.leaves l WHERE l.insertion_id = s.insertion_id)"
    ).fetchone()
    assert row is not None
    assert count is not None
    at = _Growth(Frontier.from_bytes(row[0]), row[1], row[2], row[3], row[4], count[0], known)
    start = at.frontier.size
    if wanted.size <= start:
        raise Refused(
            f"nothing is missing: this database has {start} entries, the copy {wanted.size}",
            code="nothing-missing",
            size=start,
        )
    for number in range(start // LEAVES_PER_PARTITION, wanted.size // LEAVES_PER_PARTITION + 1):
        make_partition(connection, number)
    for bundle in bundles_for(wanted.size, since=start):
        low = bundle.index * TILE_WIDTH
        entries = decode_bundle(read(bundle), bundle.width)[max(0, start - low) :]
        _insert(connection, at, [open_statement(entry) for entry in entries], secret)
    if at.frontier.root() != wanted.root or at.frontier.size != at.batch_end:
        raise _other_history(at.frontier.size, "the copy")
    head = (at.frontier.size, at.frontier.root(), at.frontier.to_bytes(), at.recorded_us, at.batch_seq, at.batch_id)
    connection.execute(_HEAD, (*head, at.epoch))
    return start, at.frontier.size - start


def _insert(connection: Connection, at: _Growth, acts: Sequence[Statement], secret: bytes) -> None:
    """The rows of a few statements in their order, each where it stood."""
    streams, seqs = [act.stream for act in acts], [act.seq for act in acts]
    there: dict[bytes, int] = dict(connection.execute(_EXISTING, (streams, seqs), binary=True).fetchall())
    first = at.frontier.size
    rows: list[tuple[Any, ...]] = []
    governing: list[tuple[int, str, int]] = []
    voided: list[bytes] = []
    for act in acts:
        is_governing, epoch = governs(act.type), at.governing - 1
        if act.id not in there:
            seal = b""
            if act.stream != LOG_STREAM:
                seal = seal_of(
                    secret,
                    id_=act.id,
                    stream=act.stream,
                    seq=act.seq,
                    prev=act.prev,
                    governs=is_governing,
                    epoch=epoch,
                )
            rows.append((act.id, act.stream, act.seq, act.prev, is_governing, epoch, seal, act.entry))
            if is_governing:
                governing.append((at.governing, act.stream, act.seq))
        if act.type == "log.voided.v1":
            voided.append(bytes.fromhex(act.data["statement"]))
            at.epoch -= at.last_governs
        at.governing += is_governing
        at.epoch += is_governing
        at.last_governs = is_governing
        _grow(at, act)
    there |= dict(connection.execute(_INSERT, tuple(map(list, zip(*rows, strict=True))), binary=True)) if rows else {}
    with connection.cursor() as cursor:
        leaves = [(first + offset, there[act.id], act.id) for offset, act in enumerate(acts)]
        cursor.executemany("INSERT INTO ledger.leaves (index, insertion_id, id) VALUES (%s, %s, %b)", leaves)
        cursor.executemany(
            "INSERT INTO ledger.requests VALUES (%b, %b, %s, %s) ON CONFLICT (request) DO NOTHING",
            [
                (request_key(act.actor, act.request), content_digest(act), act.stream, act.seq)
                for act in acts
                if act.stream != LOG_STREAM
            ],
        )
        cursor.executemany("INSERT INTO ledger.governing VALUES (%s, %s, %s)", governing)
        cursor.executemany("INSERT INTO ledger.voided VALUES (%b)", [(id_,) for id_ in voided])
        cursor.executemany("INSERT INTO ledger.nodes VALUES (%s, %s, %b)", at.nodes)
        cursor.executemany("INSERT INTO ledger.batches VALUES (%s, %s, %s, %b)", at.batches)
    at.nodes.clear()
    at.batches.clear()


def _grow(at: _Growth, act: Statement) -> None:
    """One leaf more; where a batch ends, the tree must be what everybody remembers of that size."""
    index = at.frontier.size
    if index >= at.batch_end:
        if act.type != "log.batch.v1":
            raise Malformed(f"entry {index} of the copy opens no batch", code="copy", entry=index)
        at.first, at.batch_end, at.recorded_us = index, index + 1 + act.data["size"], act.at_us
    at.nodes += at.frontier.append(act.id)
    if act.stream == LOG_STREAM:
        at.batch_seq, at.batch_id = act.seq, act.id
    if at.frontier.size == at.batch_end:
        root = at.frontier.root()
        at.batches.append((at.first, at.batch_end, at.recorded_us, root))
        remembered, whose = at.known.get(at.batch_end, (root, ""))
        if remembered != root:
            raise _other_history(at.batch_end, whose)


def _other_history(size: int, whose: str) -> Evidence:
    return Evidence(
        f"this database and the copy do not lead to the root that {whose} holds at size {size}",
        code="forked",
        mend="nothing was changed; keep all of them: they are the evidence",
        size=size,
    )
