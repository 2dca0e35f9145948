"""The recorder behind ``eventsourcing``'s interface: signed entries in, signed entries out.

The stock PostgreSQL recorder locks the table for each append and notifies inside the transaction; this one calls
``ledger.append_one`` or ``append_acts`` (one round trip, no table lock), and its notifications follow the leaf index,
which the sequencer alone gives. A stored event's ``state`` is the signed entry, its ``topic`` the explicit type name.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
from ledger.store.database import Database
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
    """What one wish must know: the head, its request if it was made before, where its stream ends if it is there."""

    head: Head
    made: dict[bytes, Made]
    ends: dict[str, End]


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
    words = b"%b\0%b\0%d\0%b\0%d\0%d" % (id_, stream.encode(), seq, prev or b"", governs, epoch)
    return hmac.digest(secret, words, "sha256")[:SEAL_BYTES]


_APPEND_ONE: Final = "SELECT ledger.append_one(%s, %s, %s, %s, %b, %b, %b, %b, %b, %b)"
_APPEND_ACTS: Final = (
    "SELECT ledger.append_acts(%s, %b::text[], %b::integer[], %b::bytea[], %b::bytea[], %b::bytea[], %b::bytea[],"
    " %b::bytea[], %b::bytea[])"
)


def append(
    connection: psycopg.Connection[tuple[Any, ...]],
    events: Sequence[SignedEvent],
    *,
    secret: bytes,
    epoch: int,
    governs: bool = False,
) -> int:
    """Append all of ``events`` or none, in one transaction; returns the epoch after it.

    Raises StaleEpochError, SeqTakenError or RequestTakenError, each with nothing written.
    """
    seals = [
        seal_of(
            secret,
            id_=event.id,
            stream=str(event.originator_id),
            seq=event.originator_version,
            prev=event.prev,
            governs=governs,
            epoch=epoch,
        )
        for event in events
    ]
    assert not governs or len(events) == 1, "what governs enters alone"
    columns = (
        [str(event.originator_id) for event in events],
        [event.originator_version for event in events],
        [event.prev for event in events],
        [event.id for event in events],
        seals,
        [event.state for event in events],
        [event.request for event in events],
        [event.content for event in events],
    )
    try:
        if len(events) == 1:
            row = connection.execute(_APPEND_ONE, (epoch, governs, *(one for (one,) in columns))).fetchone()
        else:
            row = connection.execute(_APPEND_ACTS, (epoch, *columns)).fetchone()
    except psycopg.errors.UniqueViolation as error:
        if error.diag.table_name == "requests":
            raise RequestTakenError(str(error)) from error
        raise SeqTakenError(str(error)) from error
    assert row is not None
    after = int(row[0])
    if after < 0:
        raise StaleEpochError(-1 - after)
    return after


def append_played(
    connection: psycopg.Connection[tuple[Any, ...]],
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
            # One round trip for all of them: the server's answers come together.
            with connection.pipeline(), connection.cursor() as cursor:
                rows = [
                    (
                        epoch + offset,
                        True,
                        str(event.originator_id),
                        event.originator_version,
                        event.prev,
                        event.id,
                        seal_of(
                            secret,
                            id_=event.id,
                            stream=str(event.originator_id),
                            seq=event.originator_version,
                            prev=event.prev,
                            governs=True,
                            epoch=epoch + offset,
                        ),
                        event.state,
                        event.request,
                        event.content,
                    )
                    for offset, event in enumerate(events)
                ]
                cursor.executemany(_APPEND_ONE, rows)
            if read_epoch(connection) != epoch + len(events):
                raise StaleEpochError(read_epoch(connection))


def read_epoch(connection: psycopg.Connection[tuple[Any, ...]]) -> int:
    """The epoch now: the number of governing statements after entry 0, placed in the tree or not."""
    row = connection.execute("SELECT max(epoch) FROM ledger.governing").fetchone()
    assert row is not None
    return int(row[0])


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

    def look(self, request: bytes, stream: str) -> Look:
        """All that one wish must know, in one round trip: three would be most of the time that it takes."""
        with self._database.use("writer") as connection:
            row = connection.execute(
                "SELECT h.size, h.root, h.recorded_us, l.seq, l.id, r.content, r.stream, r.seq, s.id FROM ledger.head h"
                " LEFT JOIN ledger.requests r ON r.request = %b"
                " LEFT JOIN ledger.statements s ON (s.stream, s.seq) = (r.stream, r.seq)"
                " LEFT JOIN LATERAL (SELECT seq, id FROM ledger.statements WHERE stream = %s ORDER BY seq DESC LIMIT 1)"
                " AS l ON true",
                (request, stream),
                binary=True,
            ).fetchone()
        assert row is not None, "an open ledger has a head"
        made = {} if row[5] is None else {request: Made(*row[5:])}
        return Look(Head(*row[:3]), made, {} if row[3] is None else {stream: End(row[3], row[4])})

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
