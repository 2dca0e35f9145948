"""No reader misses a statement, none comes twice, and none stands before its ``prev``.

Four writers append chains with mixed batch sizes; some take a savepoint, fail inside it and try again, some draw their
transaction id early and write late. A second database of the same cluster works beside them. One sequencer places, one
follower reads by leaf index while all this goes on.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.statement import statement_id
from ledger.store.database import Database
from ledger.store.recorder import SignedEvent, append
from ledger.tree.merkle import Frontier

WRITERS = 4
STREAMS_EACH = 6
STATEMENTS_EACH = 700


@pytest.fixture
def hall(postgres: int, tmp_path: Path) -> Iterator[Hall]:
    create_ledger(tmp_path / "data")
    with open_ledger(tmp_path / "data") as opened:
        yield opened


def _event(stream: str, seq: int, prev: bytes | None) -> SignedEvent:
    entry = f"{stream} {seq}".encode()
    id_ = statement_id(entry)
    return SignedEvent(stream, seq, "", entry, id=id_, prev=prev, request=id_, content=id_)


def _write(conninfo: str, secret: bytes, writer: int) -> None:
    rng = random.Random(writer)
    heads: dict[str, tuple[int, bytes | None]] = {f"test/{writer}-{n}": (0, None) for n in range(STREAMS_EACH)}
    written = 0
    with Database(conninfo).connect("writer") as connection:
        while written < STATEMENTS_EACH:
            events = []
            for _ in range(rng.choice((1, 1, 2, 5, 40))):
                stream = rng.choice(list(heads))
                seq, prev = heads[stream]
                event = _event(stream, seq + 1, prev)
                heads[stream] = (seq + 1, event.id)
                events.append(event)
            if rng.random() < 0.3:
                with connection.transaction():
                    if rng.random() < 0.5:
                        connection.execute("SELECT pg_current_xact_id()")  # an early id, a late write
                        time.sleep(rng.random() * 0.02)
                    try:
                        with connection.transaction():
                            append(connection, events[:1], secret=secret, epoch=0)
                            connection.execute("SELECT 1/0")
                    except psycopg.errors.DivisionByZero:
                        pass
                    append(connection, events, secret=secret, epoch=0)
            else:
                append(connection, events, secret=secret, epoch=0)
            written += len(events)


def _disturb(conninfo: str, stop: threading.Event) -> None:
    """Another database of the cluster, whose open transactions hold the common horizon back."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("CREATE DATABASE beside")
    with psycopg.connect(conninfo, dbname="beside", autocommit=True) as other:
        other.execute("CREATE TABLE t (x int)")
        while not stop.is_set():
            with other.transaction():
                other.execute("INSERT INTO t VALUES (1)")
                time.sleep(0.03)


def test_a_follower_of_the_leaf_index_sees_every_statement_once_and_in_order(hall: Hall) -> None:
    conninfo, secret = hall.database.conninfo, hall.keyring.secret("door")
    stop = threading.Event()
    beside = threading.Thread(target=_disturb, args=(conninfo, stop))
    beside.start()
    seen: list[bytes] = []
    context = multiprocessing.get_context("spawn")
    with hall.sequencing():
        writers = [context.Process(target=_write, args=(conninfo, secret, n)) for n in range(WRITERS)]
        for writer in writers:
            writer.start()

        def follow() -> None:
            size = hall.reader.head().size
            while len(seen) < size:
                batch = hall.reader.entries(len(seen), min(size, len(seen) + 500))
                assert [one.index for one in batch] == list(range(len(seen), len(seen) + len(batch)))
                seen.extend(one.entry for one in batch)

        while any(writer.is_alive() for writer in writers):
            follow()
        for writer in writers:
            writer.join()
            assert writer.exitcode == 0
        with hall.database.use("reader") as connection:
            row = connection.execute("SELECT count(*) FROM ledger.statements WHERE stream LIKE 'test/%'").fetchone()
        assert row is not None
        written = row[0]
        until = time.monotonic() + 20
        while sum(entry.startswith(b"test/") for entry in seen) < written and time.monotonic() < until:
            follow()
    stop.set()
    beside.join()

    placed = [entry.decode().split() for entry in seen if entry.startswith(b"test/")]
    assert len(placed) == written >= WRITERS * STATEMENTS_EACH
    assert len({tuple(words) for words in placed}) == written, "twice"
    last: dict[str, int] = {}
    for stream, seq in placed:
        assert int(seq) == last.get(stream, 0) + 1, f"{stream} {seq} stands before its prev"
        last[stream] = int(seq)

    frontier = Frontier()
    frontier.extend([statement_id(entry) for entry in seen])
    assert hall.reader.batch_root(len(seen)) == frontier.root()
