"""The sequencer: gives every committed statement its one place in the tree, in an order that nobody can argue with.

Promises: one leader at a time (a session advisory lock); no statement before its ``prev``; none lost, none twice;
batch, leaves, nodes and head commit together or not at all; whatever dies whenever, the next start goes on by the
ordinary path. It reads no clock but the one it is given, and signs nothing before the head is durable.

Which rows are taken. A row's transaction id says when its transaction began to write; every transaction below
``pg_snapshot_xmin`` is over. So all rows with ``done ≤ xid < horizon`` are final: that is a *cut*. Within a cut rows
go in insertion order, except that a row whose ``prev`` is not placed yet waits for it (in the same cut, or *held*
for a later one). An append takes its lock before its transaction id, so a cut never splits what the lock ordered.

What is checked. A row that carries the door's seal was checked by the door against the registries of its epoch; if
that is still the epoch here, it is valid here. Anything else is judged in full, as the outsider's verifier would. A
sealed row that fails (acknowledged, but no longer valid) is placed and voided; an unsealed one was never promised to
anybody and is refused.

What is carried. A batch that is made anyway carries the newest cosigned checkpoint if it is newer than the last one
carried. So that the history is bracketed also when nobody states anything, a batch is made for that alone, at most one
each ``CARRY_S``, and only if the checkpoint covers anything but batches since the last one carried: a batch made to
carry is itself nothing that asks for another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import psycopg
import structlog

from ledger.errors import Evidence, MingjianError, Refused, Unavailable
from ledger.facts.registry import CLOCK_ACTOR, LOG_STREAM, Registry
from ledger.facts.streams import FOLDS, check_act
from ledger.keys import SigningKey
from ledger.statement import (
    Draft,
    Statement,
    StatementId,
    check_statement_signature,
    instant_text,
    open_statement,
    sign_statement,
    statement_id,
)
from ledger.store.database import Connection, Database
from ledger.store.recorder import seal_of
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tree.merkle import Frontier
from ledger.tree.note import split_note

log = structlog.get_logger("sequencer")

CUT_LIMIT: Final = 20_000
LEAVES_PER_PARTITION: Final = 1 << 24
LEADER_LOCK: Final = 4823093174209355
CARRY_S: Final = 60.0
MAX_CARRIED_BYTES: Final = 16_384
_STALL_S: Final = 5.0
_REST_S: Final = 0.1


def now_us() -> int:
    """The machine's clock: microseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class HeadRow:
    """The row of ``ledger.head``, with the frontier opened."""

    size: int
    root: bytes
    frontier: bytes
    recorded_us: int
    batch_seq: int
    batch_id: bytes | None
    epoch: int
    done_xid: str
    target_xid: str | None
    after_id: int
    held: list[int]
    refused: list[int]


@dataclass(frozen=True, slots=True)
class _Row:
    insertion_id: int
    id: bytes
    stream: str
    seq: int
    prev: bytes | None
    governs: bool
    epoch: int
    seal: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step placed: ``first`` is the batch statement's index, ``size`` the tree after it."""

    first: int
    size: int
    root: bytes
    recorded_us: int


@dataclass(slots=True)
class _Plan:
    """Leaves in order, and the log's own statements among them (position in ``ids`` → entry)."""

    ids: list[bytes] = field(default_factory=list)
    insertion_ids: list[int | None] = field(default_factory=list)
    own: list[tuple[int, bytes]] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    epoch: int = 0


_ROWS: Final = "s.insertion_id, s.id, s.stream, s.seq, s.prev, s.governs, s.epoch, s.seal"
_CUT: Final = (
    "WITH cut AS MATERIALIZED (SELECT insertion_id FROM ledger.statements"
    " WHERE xid >= %s::xid8 AND xid < %s::xid8)"
    f" SELECT {_ROWS} FROM cut JOIN ledger.statements s USING (insertion_id)"
    " WHERE s.insertion_id > %s AND s.stream NOT IN ('log', 'ledger') ORDER BY s.insertion_id LIMIT %s"
)
_HELD: Final = f"SELECT {_ROWS} FROM ledger.statements s WHERE insertion_id = ANY(%s) ORDER BY insertion_id"
_HEAD: Final = (
    "SELECT size, root, frontier, recorded_us, batch_seq, batch_id, epoch, done_xid::text, target_xid::text,"
    " after_id, held, refused FROM ledger.head"
)


class Sequencer:
    """Places statements while it leads. Not thread-safe; one instance per thread."""

    def __init__(
        self,
        database: Database,
        *,
        clock_key: SigningKey,
        door_secret: bytes,
        origin: str,
        clock: Callable[[], int] = now_us,
        simulated: bool = False,
        published: Callable[[Batch], None] = lambda _: None,
        cosigned: Callable[[], SignedCheckpoint | None] = lambda: None,
        carry_s: float = CARRY_S,
    ) -> None:
        """``published`` is called after each commit with the new head: it signs and writes the checkpoint.

        ``cosigned`` gives the newest checkpoint that meets the log's policy, if that asks for witnesses.
        """
        self._database = database
        self._key = clock_key
        self._secret = door_secret
        self._origin = origin
        self._clock = clock
        self._simulated = simulated
        self._published = published
        self._cosigned = cosigned
        self._carry_s = carry_s
        self._carried: int | None = None  # size of the checkpoint carried last; None: not looked up yet
        self._looked = 0  # size of the one that was last found not to ask for a batch of its own
        self._connection: Connection | None = None
        self._head: HeadRow | None = None
        self._waiting_since: float | None = None

    # ------------------------------------------------------------------------------------------ leadership

    def lead(self) -> bool:
        """Try to become the leader; True when this instance leads (already)."""
        if self._connection is not None and not self._connection.closed:
            return True
        connection = self._database.connect("sequencer")
        row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LEADER_LOCK,)).fetchone()
        if row != (True,):
            connection.close()
            return False
        self._connection, self._head = connection, None
        return True

    def resign(self) -> None:
        """Give up leadership."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._head = self._waiting_since = self._carried = None
        self._looked = 0

    # ---------------------------------------------------------------------------------------- one step

    def step(self, *, heartbeat: bool = False) -> Batch | None:
        """Place what is final now; None when there was nothing. ``heartbeat`` makes a batch even then.

        Told in order, with what is true after each step and what happens if the process dies there.
        """
        connection = self._connection
        if connection is None:
            raise Unavailable("this sequencer does not lead", code="not-leader")
        try:
            # 1. Read the head. Nothing has happened; dying here is as if we had never come. Whoever reads it anew
            #    publishes it: the leader before may have died between steps 6 and 7.
            head = self._head
            if head is None:
                head = self._read_head(connection)
                self._published(Batch(first=head.size, size=head.size, root=head.root, recorded_us=head.recorded_us))
                self._head = head

            # 2. Take a cut. Its rows are final: no transaction that could add to it is still running.
            head, rows, exhausted = self._cut(connection, head)

            # 3. Order it. Only memory has changed.
            plan = self._order(connection, head.epoch, rows)
            after = self._moved(head, rows, plan, exhausted=exhausted)
            if not plan.ids and not heartbeat:
                if (after.held, after.refused) != (head.held, head.refused):
                    self._save_cut(connection, after)
                self._head = after
                self._watch_stall(connection, after)
                return None
            self._waiting_since = None

            # 4. Sign the batch statement that opens it: its time is the recorded time of all that follow.
            carry = self._to_carry(connection, head)
            plan, recorded_us = self._open_batch(head, plan, carry)

            # 5. Grow the tree in memory.
            frontier = Frontier.from_bytes(head.frontier)
            nodes = frontier.extend(plan.ids)
            after = replace(
                after,
                size=frontier.size,
                root=frontier.root(),
                frontier=frontier.to_bytes(),
                recorded_us=recorded_us,
                batch_seq=head.batch_seq + len(plan.own),
                batch_id=plan.ids[plan.own[-1][0]],
                epoch=plan.epoch,
            )

            # 6. Commit batch, leaves, nodes and head together, if the head is still the one of step 1. This is the
            #    point of no return. Dying before it: nothing happened, the next leader takes the same cut. Dying
            #    after it: the statements are placed for ever, and the next start publishes what step 7 did not.
            self._commit(connection, head, after, plan, nodes)
            self._carried = self._carried if carry is None else carry.checkpoint.size

            # 7. Sign the checkpoint and write the files. All of it can be made again from the committed head.
            batch = Batch(first=head.size, size=after.size, root=after.root, recorded_us=recorded_us)
            self._published(batch)
            self._head = after
        except BaseException:
            self._head = None  # what memory believes may not be what was committed and published
            raise
        return batch

    def run(self, stop: threading.Event, *, poll_s: float = 0.02, heartbeat_s: float | None = None) -> None:
        """Lead when possible and place statements until ``stop``; survives a database that restarts, a full disk.

        Evidence (the head moved under it, rows of the tree are missing) ends it: nothing may be built on that.
        """
        last = time.monotonic()
        carried = last - self._carry_s
        while not stop.is_set():
            try:
                if not self.lead():
                    stop.wait(0.2)
                    continue
                beat = heartbeat_s is not None and time.monotonic() - last > heartbeat_s
                if not beat and time.monotonic() - carried >= self._carry_s and self._is_owed():
                    beat, carried = True, time.monotonic()
                began = time.monotonic()
                if self.step(heartbeat=beat) is not None:
                    last = time.monotonic()
                if self._head is None or self._head.target_xid is None:
                    # Half of the time at most: what comes meanwhile shares a batch, and its files and signatures.
                    stop.wait(max(poll_s, min(time.monotonic() - began, _REST_S)))
            except (psycopg.OperationalError, OSError, Unavailable) as error:
                log.warning("database or disk does not answer; trying again", error=str(error).strip())
                self.resign()
                stop.wait(0.5)
            except Evidence as error:
                log.critical("no statement is placed any more", error=error.message, code=error.code)
                self.resign()
                raise
        self.resign()

    # ------------------------------------------------------------------------------------------- the parts

    def _read_head(self, connection: Connection) -> HeadRow:
        row = connection.execute(_HEAD).fetchone()
        if row is None:
            raise Refused("this database holds no ledger yet", code="no-ledger", mend="mingjian init")
        head = HeadRow(*row)
        frontier = Frontier.from_bytes(head.frontier)
        if frontier.size != head.size or frontier.root() != head.root:
            raise Evidence("the head row contradicts itself", code="head-changed", size=head.size)
        return head

    def _cut(self, connection: Connection, head: HeadRow) -> tuple[HeadRow, list[_Row], bool]:
        if head.target_xid is None:
            row = connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text").fetchone()
            assert row is not None
            head = replace(head, target_xid=row[0], after_id=0)
        fresh = [
            _Row(*row)
            for row in connection.execute(_CUT, (head.done_xid, head.target_xid, head.after_id, CUT_LIMIT), binary=True)
        ]
        held = [_Row(*row) for row in connection.execute(_HELD, (head.held,), binary=True)] if head.held else []
        return head, held + fresh, len(fresh) < CUT_LIMIT

    def _moved(self, head: HeadRow, rows: Sequence[_Row], plan: _Plan, *, exhausted: bool) -> HeadRow:
        """The head's memory of the cut, after ``rows`` have been dealt with."""
        held, refused = sorted(plan.held), sorted({*head.refused, *plan.refused})
        if exhausted:
            assert head.target_xid is not None
            return replace(head, done_xid=head.target_xid, target_xid=None, after_id=0, held=held, refused=refused)
        return replace(head, after_id=rows[-1].insertion_id, held=held, refused=refused)

    def _order(self, connection: Connection, epoch: int, rows: Sequence[_Row]) -> _Plan:
        plan = _Plan(epoch=epoch)
        if not rows:
            return plan
        in_cut = {row.id for row in rows}
        outside = [row.prev for row in rows if row.prev is not None and row.prev not in in_cut]
        placed = {
            id_
            for (id_,) in connection.execute("SELECT id FROM ledger.leaves WHERE id = ANY(%b)", (outside,), binary=True)
        }
        waiting: dict[bytes, list[_Row]] = {}
        for row in rows:
            ready = [row]
            while ready:
                row = ready.pop()
                if row.prev is not None and row.prev not in placed:
                    waiting.setdefault(row.prev, []).append(row)
                elif self._place(connection, plan, row):
                    placed.add(row.id)
                    ready.extend(reversed(waiting.pop(row.id, [])))
        plan.held = [row.insertion_id for rows_ in waiting.values() for row in rows_]
        return plan

    def _place(self, connection: Connection, plan: _Plan, row: _Row) -> bool:
        sealed = row.seal == seal_of(
            self._secret,
            id_=row.id,
            stream=row.stream,
            seq=row.seq,
            prev=row.prev,
            governs=row.governs,
            epoch=row.epoch,
        )
        reason = None
        if not sealed or row.epoch != plan.epoch:
            reason = self._judge(connection, plan, row)
        if reason is not None and not sealed:
            log.error("a row that no door sealed was refused", insertion_id=row.insertion_id, reason=reason)
            plan.refused.append(row.insertion_id)
            return False
        plan.ids.append(row.id)
        plan.insertion_ids.append(row.insertion_id)
        if reason is not None:
            log.error("an acknowledged statement is not valid here and is voided", id=row.id.hex(), reason=reason)
            plan.own.append((len(plan.ids), reason.encode()))
            plan.ids.append(b"")  # the void is signed in _open_batch, when its prev is known
            plan.insertion_ids.append(None)
        elif row.governs:
            plan.epoch += 1
        return True

    def _judge(self, connection: Connection, plan: _Plan, row: _Row) -> str | None:
        """The reason why the row is not valid at this place, or None: the full check, for rows nobody vouches for."""
        found = connection.execute(
            "SELECT entry FROM ledger.statements WHERE insertion_id = %s", (row.insertion_id,), binary=True
        ).fetchone()
        assert found is not None
        entry = found[0]
        try:
            act = open_statement(entry)
            if (act.id, act.stream, act.seq, act.prev) != (row.id, row.stream, row.seq, row.prev):
                return "row-changed"
            registry = read_registry(connection, plan.epoch)
            if not check_statement_signature(entry, registry.key_of(act).public):
                return "signature"
            fold, state = FOLDS.get(act.kind), None
            if fold is not None:
                for before in self._before(connection, plan, act.stream, act.seq):
                    state = fold.apply(state, before, None, registry)
            check_act(registry, act, state)
        except MingjianError as error:
            return error.code
        return None

    def _before(self, connection: Connection, plan: _Plan, stream: str, seq: int) -> list[Statement]:
        """The stream so far, without what was voided before or is being voided in this very batch."""
        rows = connection.execute(
            "SELECT id, entry FROM ledger.statements s WHERE stream = %s AND seq < %s"
            " AND NOT EXISTS (SELECT FROM ledger.voided v WHERE v.id = s.id) ORDER BY seq",
            (stream, seq),
            binary=True,
        )
        voiding = {plan.ids[position - 1] for position, _ in plan.own}
        return [open_statement(entry) for id_, entry in rows if id_ not in voiding]

    def _to_carry(self, connection: Connection, head: HeadRow) -> SignedCheckpoint | None:
        """The newest cosigned checkpoint, if no batch has carried it or a newer one."""
        signed = self._cosigned()
        if signed is None or not signed.cosignatures or len(signed.note) > MAX_CARRIED_BYTES:
            return None
        if self._carried is None:
            self._carried = _last_carried(connection)
        checkpoint = signed.checkpoint
        if checkpoint.size <= self._carried:
            return None
        row = connection.execute(
            "SELECT root FROM ledger.batches WHERE size = %s", (checkpoint.size,), binary=True
        ).fetchone()
        if checkpoint.size > head.size or row != (checkpoint.root,):
            raise Evidence(
                f"witnesses have signed another tree at size {checkpoint.size} than this database holds",
                code="forked",
                mend="keep both: the cosigned checkpoint and this database are the evidence",
                size=checkpoint.size,
                note=signed.note.decode(),
            )
        return signed

    def _is_owed(self) -> bool:
        """Whether a cosigned checkpoint that is not carried yet covers anything but batches since the last carried."""
        connection, head, signed = self._connection, self._head, self._cosigned()
        if connection is None or head is None or signed is None or signed.checkpoint.size == self._looked:
            return False
        if self._to_carry(connection, head) is None:
            self._looked = signed.checkpoint.size
            return False
        row = connection.execute(
            "SELECT 1 FROM ledger.leaves l JOIN ledger.statements s USING (insertion_id)"
            " WHERE l.index >= %s AND l.index < %s AND s.stream <> 'log' LIMIT 1",
            (self._carried, signed.checkpoint.size),
        ).fetchone()
        if row is None:
            self._looked = signed.checkpoint.size
        return row is not None

    def _open_batch(self, head: HeadRow, plan: _Plan, carry: SignedCheckpoint | None) -> tuple[_Plan, int]:
        """The plan with its batch statement in front and its voids signed; and the batch's time."""
        recorded_us = max(self._clock(), head.recorded_us)
        at = instant_text(recorded_us)
        data: dict[str, Any] = {"size": len(plan.ids)}
        if self._simulated:
            data["simulated"] = True
        if carry is not None:
            data["checkpoint"] = carry.note.decode()
        seq, prev = head.batch_seq + 1, head.batch_id

        def sign(type_: str, content: dict[str, Any]) -> bytes:
            draft = Draft(
                actor=CLOCK_ACTOR,
                stream=LOG_STREAM,
                type=type_,
                seq=seq,
                prev=None if prev is None else StatementId(prev),
                seen_size=head.size,
                seen_root=head.root,
                at=at,
                role="system_clock",
                request=f"log-{seq}",
                data=content,
                audience=self._origin,
            )
            return sign_statement(draft, self._key)

        batch = sign("log.batch.v1", data)
        opened = replace(
            plan,
            ids=[statement_id(batch), *plan.ids],
            insertion_ids=[None, *plan.insertion_ids],
            own=[(0, batch)],
        )
        for position, reason in plan.own:
            seq, prev = seq + 1, opened.ids[opened.own[-1][0]]
            void = sign("log.voided.v1", {"statement": plan.ids[position - 1].hex(), "reason": reason.decode()})
            opened.ids[position + 1] = statement_id(void)
            opened.own.append((position + 1, void))
        return opened, recorded_us

    def _commit(
        self,
        connection: Connection,
        head: HeadRow,
        after: HeadRow,
        plan: _Plan,
        nodes: Sequence[tuple[int, int, bytes]],
    ) -> None:
        with connection.transaction():
            insertion_ids = plan.insertion_ids
            for offset, (position, entry) in enumerate(plan.own):
                seq = head.batch_seq + 1 + offset
                prev = head.batch_id if offset == 0 else plan.ids[plan.own[offset - 1][0]]
                row = connection.execute(
                    "INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)"
                    " VALUES (%b, 'log', %s, %b, false, %s, '', %b) RETURNING insertion_id",
                    (plan.ids[position], seq, prev, after.epoch, entry),
                ).fetchone()
                assert row is not None
                insertion_ids[position] = row[0]
            self._make_partitions(connection, after.size)
            with (
                connection.cursor() as cursor,
                cursor.copy("COPY ledger.leaves (index, insertion_id, id) FROM STDIN (FORMAT binary)") as copy,
            ):
                copy.set_types(["int8", "int8", "bytea"])
                for index, (insertion_id, id_) in enumerate(zip(insertion_ids, plan.ids, strict=True), start=head.size):
                    copy.write_row((index, insertion_id, id_))
            for position, _ in plan.own[1:]:
                connection.execute("INSERT INTO ledger.voided VALUES (%b)", (plan.ids[position - 1],))
            if nodes:
                connection.execute(
                    "INSERT INTO ledger.nodes SELECT * FROM unnest(%b::smallint[], %b::bigint[], %b::bytea[])",
                    ([n[0] for n in nodes], [n[1] for n in nodes], [n[2] for n in nodes]),
                )
            connection.execute(
                "INSERT INTO ledger.batches VALUES (%s, %s, %s, %s)",
                (head.size, after.size, after.recorded_us, after.root),
            )
            self._move_head(connection, head, after)

    def _move_head(self, connection: Connection, head: HeadRow, after: HeadRow) -> None:
        """Last of a commit: from ``head``, and from no other, to ``after``."""
        moved = connection.execute(
            "UPDATE ledger.head SET size = %s, root = %s, frontier = %s, recorded_us = %s, batch_seq = %s,"
            " batch_id = %s, epoch = %s, done_xid = %s::xid8, target_xid = %s::xid8, after_id = %s,"
            " held = %s, refused = %s WHERE size = %s AND root = %s",
            (
                after.size,
                after.root,
                after.frontier,
                after.recorded_us,
                after.batch_seq,
                after.batch_id,
                after.epoch,
                after.done_xid,
                after.target_xid,
                after.after_id,
                after.held,
                after.refused,
                head.size,
                head.root,
            ),
        )
        if moved.rowcount != 1:
            raise Evidence(
                f"the head is no longer at size {head.size}: somebody else moved it",
                code="head-moved",
                size=head.size,
            )

    def _make_partitions(self, connection: Connection, size: int) -> None:
        number = (size - 1) // LEAVES_PER_PARTITION
        if self._head is not None and (self._head.size - 1) // LEAVES_PER_PARTITION == number:
            return
        make_partition(connection, number)

    def _save_cut(self, connection: Connection, after: HeadRow) -> None:
        connection.execute(
            "UPDATE ledger.head SET done_xid = %s::xid8, target_xid = %s::xid8, after_id = %s, held = %s, refused = %s"
            " WHERE size = %s",
            (after.done_xid, after.target_xid, after.after_id, after.held, after.refused, after.size),
        )

    def _watch_stall(self, connection: Connection, head: HeadRow) -> None:
        """Say aloud when rows wait behind a transaction that does not end: the horizon is the whole cluster's."""
        row = connection.execute(
            "SELECT 1 FROM ledger.statements WHERE xid >= %s::xid8 AND stream NOT IN ('log', 'ledger') LIMIT 1",
            (head.done_xid,),
        ).fetchone()
        if row is None:
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = time.monotonic()
        elif time.monotonic() - self._waiting_since > _STALL_S:
            self._waiting_since = time.monotonic()
            log.error(
                "statements wait: an open transaction somewhere in this PostgreSQL cluster holds the horizon back",
                horizon=head.done_xid,
            )


def _last_carried(connection: Connection) -> int:
    """The size of the checkpoint that a batch carried last; 0 when none did."""
    row = connection.execute(
        "SELECT entry FROM ledger.statements WHERE stream = 'log' AND position(%b::bytea in entry) > 0"
        " ORDER BY seq DESC LIMIT 1",
        (b'"checkpoint":',),
        binary=True,
    ).fetchone()
    if row is None:
        return 0
    return Checkpoint.parse(split_note(open_statement(row[0]).data["checkpoint"].encode()).text).size


def make_partition(connection: Connection, number: int) -> None:
    """The partition of ``ledger.leaves`` that holds indexes from ``number`` × 2^24, and the next one."""
    connection.execute("SELECT ledger.make_partition(%s), ledger.make_partition(%s)", (number, number + 1))


def read_registry(connection: Connection, epoch: int) -> Registry:
    """The registries after the first ``epoch`` governing statements, folded from their bytes."""
    rows = connection.execute(
        "SELECT s.entry FROM ledger.governing g JOIN ledger.statements s USING (stream, seq)"
        " WHERE NOT EXISTS (SELECT FROM ledger.voided v WHERE v.id = s.id) ORDER BY g.epoch LIMIT %s",
        (epoch + 1,),
        binary=True,
    )
    first, *rest = (open_statement(entry) for (entry,) in rows)
    registry = Registry.opened(first)
    for act in rest:
        registry.apply(act, None)
    return registry


class KnownRegistry:
    """The registries as the newest governing statements leave them, read anew only when one came or was voided."""

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._as_of: tuple[Any, ...] | None = None
        self._registry: Registry | None = None

    def read(self, connection: Connection) -> Registry:
        """The registries now; who is given them does not change them."""
        row = connection.execute(
            "SELECT (SELECT max(epoch) FROM ledger.governing), (SELECT count(*) FROM ledger.voided)"
        ).fetchone()
        assert row is not None
        if self._registry is None or row != self._as_of:
            self._registry, self._as_of = read_registry(connection, int(row[0])), row
        return self._registry
