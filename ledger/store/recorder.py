"""The recorder behind ``eventsourcing``'s interface: signed entries in, signed entries out.

The stock PostgreSQL recorder locks the table for each append and notifies inside the transaction; this one calls
``ledger.append_one`` (one round trip, no table lock) or copies many, and its notifications follow the leaf index,
which the sequencer alone gives. A stored event's ``state`` is the signed entry, its ``topic`` the explicit type name.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from struct import Struct
from typing import Any, Final, NamedTuple
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    Notification,
    RecordConflictError,
    StoredEvent,
    Subscription,
)

from ledger.statement import Draft, canonical_json
from ledger.store.database import Connection, Database, Prepared
from ledger.store.reading import Head

SEAL_BYTES: Final = 16
VOIDED: Final = "voided"


@dataclass(frozen=True)
class SignedEvent(StoredEvent):
    """A stored event with what uniqueness and the seal need beside the entry."""

    id: bytes
    prev: bytes | None
    request: bytes
    content: bytes


class Made(NamedTuple):
    """A request made before: its content's digest, and the stream, seq and id of its statement."""

    content: bytes
    stream: str
    seq: int
    id: bytes


class End(NamedTuple):
    """Where a stream ends, placed in the tree or not."""

    seq: int
    id: bytes


class Look(NamedTuple):
    """What one act must know, all of one moment (what was made stays as it is).

    ``made``: its request, if it was made before; ``end``: where its stream ends, if it is there; ``told``: the whole
    stream where that was asked for; ``root``: of the batch that ended at the size that was asked for, if one did.
    """

    head: Head
    epoch: int
    made: Made | None
    end: End | None
    told: list[StoredEvent]
    root: bytes | None


class StaleEpochError(Exception):
    """The registries moved between check and append; nothing was written. ``epoch`` is the present one."""

    def __init__(self, epoch: int) -> None:
        super().__init__(epoch)
        self.epoch = epoch


class SeqTakenError(RecordConflictError):
    """Another statement took that place in its stream; nothing was written."""


class RequestTakenError(RecordConflictError):
    """The actor has made that request before; nothing was written."""


def request_key(actor: str, request: str) -> bytes:
    """What makes a request of an actor unique for ever."""
    return hashlib.sha256(f"{actor}\0{request}".encode()).digest()


def content_digest(act: Draft) -> bytes:
    """What must be the same when the same request comes again: type, stream, data and ``_sd``."""
    return content_of(act.type, act.stream, act.data, act.sd)


def content_of(type_name: str, stream: str, data: dict[str, Any], digests: tuple[str, ...]) -> bytes:
    """:func:`content_digest` of the parts."""
    return hashlib.sha256(
        canonical_json({"type": type_name, "stream": stream, "data": data, "_sd": list(digests)})
    ).digest()


def seal_of(
    secret: bytes, *, id_: bytes, stream: str, seq: int, prev: bytes | None, governs: bool, epoch: int
) -> bytes:
    """The door's MAC: whoever wrote this row had checked it against the registries of ``epoch``."""
    mac = _keyed(secret).copy()  # half the time of a new one
    mac.update(b"%b\0%b\0%d\0%b\0%d\0%d" % (id_, stream.encode(), seq, prev or b"", governs, epoch))
    return mac.digest()[:SEAL_BYTES]


@lru_cache(maxsize=4)
def _keyed(secret: bytes) -> hmac.HMAC:
    return hmac.new(secret, digestmod="sha256")


_APPEND_ONE: Final = Prepared(
    "append_one",
    "SELECT ledger.append_one($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    *("int8", "bool", "text", "int4", "bytea", "bytea", "bytea", "bytea", "bytea", "bytea"),
)
_INT8: Final = Struct(">q")
_INT4: Final = Struct(">i")
_BOOL: Final = (b"\0", b"\1")


def append(
    connection: Connection, events: Sequence[SignedEvent], *, secret: bytes, epoch: int, governs: bool = False
) -> int:
    """Append all of ``events`` or none, in one transaction; returns the epoch after it.

    Raises StaleEpochError, SeqTakenError or RequestTakenError, each with nothing written.
    """
    try:
        if len(events) == 1:
            after = _append_one(connection, events[0], secret, epoch, governs=governs)
        else:
            assert not governs, "what governs enters alone"
            after = _append_acts(connection, events, secret, epoch)
    except psycopg.errors.UniqueViolation as error:
        if error.diag.table_name == "requests":
            raise RequestTakenError(str(error)) from error
        raise SeqTakenError(str(error)) from error
    if after < 0:
        raise StaleEpochError(-1 - after)
    return after


def _append_one(connection: Connection, event: SignedEvent, secret: bytes, epoch: int, *, governs: bool) -> int:
    stream, seq, prev = str(event.originator_id), event.originator_version, event.prev
    answer = _APPEND_ONE.run(
        connection,
        (
            _INT8.pack(epoch),
            _BOOL[governs],
            stream.encode(),
            _INT4.pack(seq),
            prev,
            event.id,
            seal_of(secret, id_=event.id, stream=stream, seq=seq, prev=prev, governs=governs, epoch=epoch),
            event.state,
            event.request,
            event.content,
        ),
    )
    return _int(answer.get_value(0, 0))


# A row of COPY in binary is its count of columns, then each with its length in front; −1 is the length of NULL.
_COPY: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPIED: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"
_HASH: Final = b"\0\0\0\x20"
_STATEMENT: Final = Struct(">hi32si")
_REQUEST: Final = Struct(">hi32si32si")
_ACT: Final = Struct(">i?iqi")
_SEQ: Final = Struct(">ii")
_COLUMNS: Final = "id, stream, seq, prev, governs, epoch, seal, entry"
_WRITTEN: Final = 50


def _append_acts(connection: Connection, events: Sequence[SignedEvent], secret: bytes, epoch: int) -> int:
    with connection.transaction(), connection.cursor() as cursor:
        # Lock and epoch first, before anything that takes a transaction id.
        row = cursor.execute("SELECT ledger.begin_acts(%s)", (epoch,)).fetchone()
        assert row is not None
        if row[0] != epoch:
            return int(row[0])
        requests: list[bytes] = []
        with cursor.copy(f"COPY ledger.statements ({_COLUMNS}) FROM STDIN (FORMAT binary)") as copy:
            copy.write(_COPY)
            for low in range(0, len(events), _WRITTEN):  # the server takes in the former while the next are made
                copy.write(_rows(events[low : low + _WRITTEN], secret, epoch, requests))
            copy.write(_COPIED)
        requests.sort()  # neighbours in the index go in one after the other
        with cursor.copy("COPY ledger.requests (request, content, stream, seq) FROM STDIN (FORMAT binary)") as copy:
            copy.write(b"".join((_COPY, *requests, _COPIED)))
    return epoch


def _rows(events: Sequence[SignedEvent], secret: bytes, epoch: int, requests: list[bytes]) -> bytes:
    """The rows of ``events`` as COPY takes them; those of their requests go to ``requests``."""
    rows: list[bytes] = []
    checked = _ACT.pack(1, False, 8, epoch, SEAL_BYTES)
    for event in events:
        stream, seq, prev = str(event.originator_id), event.originator_version, event.prev
        name, place = stream.encode(), _SEQ.pack(4, seq)
        rows += (
            _STATEMENT.pack(8, 32, event.id, len(name)),
            name,
            place,
            _NULL if prev is None else _HASH + prev,
            checked,
            seal_of(secret, id_=event.id, stream=stream, seq=seq, prev=prev, governs=False, epoch=epoch),
            _INT4.pack(len(event.state)),
            event.state,
        )
        requests.append(_REQUEST.pack(4, 32, event.request, 32, event.content, len(name)) + name + place)
    return b"".join(rows)


def _int(raw: bytes | None) -> int:
    assert raw is not None
    return int.from_bytes(raw, "big", signed=True)


def _bytes(raw: bytes | None) -> bytes:
    assert raw is not None
    return raw


def append_played(
    connection: Connection,
    runs: Sequence[tuple[int, bool, Sequence[SignedEvent]]],
    *,
    secret: bytes,
) -> None:
    """Append what one writer played alone, in its order and in one transaction: runs of (epoch, governs, events).

    Of a run that governs each event moves the epoch by one. Raises as :func:`append` does, with nothing written.
    """
    with connection.transaction():
        for epoch, governs, events in runs:
            if not governs:
                append(connection, events, secret=secret, epoch=epoch)
                continue
            for offset, event in enumerate(events):
                append(connection, [event], secret=secret, epoch=epoch + offset, governs=True)


def read_epoch(connection: Connection) -> int:
    """The epoch now: the number of governing statements after entry 0, placed in the tree or not."""
    row = connection.execute("SELECT max(epoch) FROM ledger.governing").fetchone()
    assert row is not None
    return int(row[0])


# What a repeated request needs besides is asked for when there is one: hardly ever.
_LOOK: Final = (
    "SELECT h.root, h.size, h.recorded_us, (SELECT max(epoch) FROM ledger.governing),"
    " EXISTS (SELECT FROM ledger.requests WHERE request = $1), (SELECT root FROM ledger.batches WHERE size = $3),"
    " l.* FROM ledger.head h"
)
_LOOK_END: Final = Prepared(
    "look_end",
    f"{_LOOK} LEFT JOIN LATERAL (SELECT seq, id FROM ledger.statements WHERE stream = $2 ORDER BY seq DESC LIMIT 1) l"
    " ON true",
    *("bytea", "text", "int8"),
)
_LOOK_WHOLE: Final = Prepared(
    "look_whole",
    f"{_LOOK} LEFT JOIN LATERAL (SELECT seq, id, entry, EXISTS (SELECT FROM ledger.voided v WHERE v.id = s.id)"
    " FROM ledger.statements s WHERE stream = $2) l ON true ORDER BY l.seq",
    *("bytea", "text", "int8"),
)


class StatementRecorder(ApplicationRecorder):
    """Reads and appends the statements of one database."""

    def __init__(self, database: Database, *, secret: bytes) -> None:
        """``secret``: the door's, 32 bytes, kept outside the database."""
        self._database = database
        self._secret = secret

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        """Append signed events; keyword arguments ``epoch`` and ``governs`` as in :func:`append`."""
        signed = [event for event in stored_events if isinstance(event, SignedEvent)]
        assert len(signed) == len(stored_events), "only the statement mapper's events can be recorded"
        with self._database.use("writer") as connection:
            append(connection, signed, secret=self._secret, **kwargs)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The statements of one stream by seq, placed in the tree or not."""
        order = "DESC" if desc else "ASC"
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT s.seq, s.entry, v.id IS NOT NULL FROM ledger.statements s LEFT JOIN ledger.voided v USING (id)"
                f" WHERE stream = %s AND seq > %s AND seq <= %s ORDER BY seq {order} LIMIT %s",
                (str(originator_id), gt or 0, 2**31 - 1 if lte is None else lte, limit),
                binary=True,
            ).fetchall()
        return [StoredEvent(str(originator_id), seq, VOIDED if void else "", entry) for seq, entry, void in rows]

    def look(self, request: bytes, stream: str, *, whole: bool = False, size: int | None = None) -> Look:
        """All that one act must know, nearly always in one round trip: several would be most of the time that it takes.

        ``whole``: with the entries of its stream. ``size``: at which the root is asked for.
        """
        asked = (request, stream.encode(), None if size is None or size >> 63 else _INT8.pack(size))
        with self._database.use("writer") as connection:
            answer = (_LOOK_WHOLE if whole else _LOOK_END).run(connection, asked)
        get, last = answer.get_value, answer.ntuples - 1
        assert last >= 0, "an open ledger has a head"
        end = get(last, 6)
        told = range(answer.ntuples) if whole and end is not None else ()
        return Look(
            head=Head(_int(get(0, 1)), _bytes(get(0, 0)), _int(get(0, 2))),
            epoch=_int(get(0, 3)),
            made=self.made([request])[request] if get(0, 4) == _BOOL[True] else None,
            end=None if end is None else End(_int(end), _bytes(get(last, 7))),
            told=[
                StoredEvent(
                    stream, _int(get(row, 6)), VOIDED if get(row, 9) == _BOOL[True] else "", _bytes(get(row, 8))
                )
                for row in told
            ],
            root=get(0, 5),
        )

    def ends(self, streams: Sequence[str]) -> dict[str, End]:
        """Where those streams end that there are."""
        if not streams:
            return {}
        with self._database.use("writer") as connection:
            rows = connection.execute(
                "SELECT stream, seq, id FROM unnest(%b::text[]) AS n (name) CROSS JOIN LATERAL ("
                " SELECT stream, seq, id FROM ledger.statements WHERE stream = n.name"
                " ORDER BY seq DESC LIMIT 1) AS last",
                (list(streams),),
                binary=True,
            ).fetchall()
        return {name: End(seq, id_) for name, seq, id_ in rows}

    def made(self, requests: Sequence[bytes]) -> dict[bytes, Made]:
        """Those of ``requests`` (``request_key``) that were made before."""
        with self._database.use("writer") as connection:
            rows = connection.execute(
                "SELECT r.request, r.content, r.stream, r.seq, s.id FROM ledger.requests r"
                " JOIN ledger.statements s USING (stream, seq) WHERE r.request = ANY(%b)",
                (list(requests),),
                binary=True,
            ).fetchall()
        return {row[0]: Made(*row[1:]) for row in rows}

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Placed statements in log order; a notification's id is leaf index + 1 (the library counts from 1)."""
        low = (start or 1) - 1 + (0 if inclusive_of_start else 1)
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT l.index, s.stream, s.seq, s.entry FROM ledger.leaves l"
                " JOIN ledger.statements s USING (insertion_id)"
                " WHERE l.index >= %s AND l.index < %s ORDER BY l.index LIMIT %s",
                (low, 2**62 if stop is None else stop, limit),
                binary=True,
            ).fetchall()
        return [Notification(stream, seq, "", entry, index + 1) for index, stream, seq, entry in rows]

    def max_notification_id(self) -> int | None:
        """The size of the log, None when nothing is placed."""
        with self._database.use("reader") as connection:
            row = connection.execute("SELECT size FROM ledger.head").fetchone()
        return None if row is None or row[0] == 0 else int(row[0])

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Follow the log for ever; stops when :meth:`Subscription.stop` is called."""
        return _Following(self, gt=gt, topics=topics)


class _Following(Subscription[ApplicationRecorder]):
    """Polls the leaf index: no LISTEN, so that no append ever pays for its readers."""

    POLL_S: Final = 0.05

    def __init__(self, recorder: ApplicationRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._notifications: Iterator[Notification] = iter(())

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            for notification in self._notifications:
                self._last_notification_id = notification.id
                return notification
            batch = self._recorder.select_notifications(self._last_notification_id, 1000, inclusive_of_start=False)
            self._notifications = iter(batch)
            if not batch:
                time.sleep(self.POLL_S)
        raise StopIteration
