"""One statement per transaction from four client processes: the door, the recorder alone, the stock recorder, INSERT.

*door* is all that an act costs its caller: request and stream looked up, rights checked, signed, appended, while a
sequencer in another process places and publishes. *recorder* is like beside like: sign and append. The rivals are
given signed bytes ready made and sign nothing. All four wait for the disk (``synchronous_commit`` and ``fsync`` on).
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from ledger.door.door import Wish
from ledger.door.hall import Hall, open_ledger
from ledger.door.stated import Stated, StatementMapper
from ledger.keys import SigningKey
from ledger.statement import StatementId, sign_statement
from ledger.store.recorder import StatementRecorder
from tests.bench.rounds import alternate, seconds
from tests.bench.stand import Place, Stand
from tests.bench.statements import make_drafts
from tests.bench.table import Row, at_least

CLIENTS = 4
_CASE = 8  # statements in a stream
_RAW = "CREATE TABLE IF NOT EXISTS raw (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry bytea NOT NULL)"

Once = Callable[[], None]


def stock_recorder(conninfo: str) -> PostgresApplicationRecorder:
    """The stock recorder with its defaults; its tables made."""
    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    store = PostgresDatastore(
        dbname=str(parts["dbname"]),
        host=str(parts["host"]),
        port=str(parts["port"]),
        user=str(parts["user"]),
        password="",
    )
    recorder = PostgresApplicationRecorder(store)
    recorder.create_table()
    return recorder


def rows(stand: Stand) -> Iterator[Row]:
    """Rows 1 and 2: in memory and on disk."""
    places: tuple[tuple[Place, float], ...] = (("memory", 5.0), ("disk", 2.5))
    for place, aim in places:
        hall = stand.ledger(place, "append")
        rival = stand.rival_database(hall)
        with hall.sequencing():
            hall.source_key("bench")
        stock_recorder(rival).datastore.close()
        with psycopg.connect(rival, autocommit=True) as connection:
            connection.execute(_RAW)
        with _clients(hall.data, rival) as clients, _sequencer(hall.data) as placing:
            duration_s = 0.5 if stand.quick else 2.0

            def side(name: str, clients: list[Pipe] = clients, duration_s: float = duration_s) -> float:
                return float(sum(_ask(clients, (name, duration_s)))) / duration_s

            def placed(name: str, hall: Hall = hall, placing: Pipe = placing, side: Any = side) -> float:
                _ask([placing], "start")
                rate: float = side(name)
                _ask([placing], "stop")
                return rate

            found = alternate(
                {
                    "door": partial(placed, "door"),
                    "recorder": partial(side, "recorder"),
                    "stock": partial(side, "stock"),
                    "INSERT": partial(side, "INSERT"),
                },
                rounds=stand.rounds,
            )
        best = found["INSERT"]
        if place == "memory":  # no wait to hide the signature in: both need the same cores
            best = 1 / (1 / best + 1 / _signatures_a_second())
        limit = f"one signature, one row, one commit: {best:,.0f}/s"
        for ours, what in (
            ("recorder", "sign and append, one statement per transaction, 4 clients"),
            ("door", "the same through the door (looked up, checked, placed, published)"),
        ):
            for against, name, bound in (("stock", "stock recorder, unsigned", aim), ("INSERT", "raw INSERT", 0.6)):
                ratio = found[ours] / found[against]
                yield Row(
                    name=f"{ours}-{against.lower()}-{place}",
                    what=f"{what}, data {'in memory' if place == 'memory' else 'on disk with fsync'}",
                    ours=f"{found[ours]:,.0f}/s",
                    rival=f"{name} {found[against]:,.0f}/s",
                    ratio=ratio,
                    aims=(at_least(ratio, bound),),
                    limit=limit,
                )


def _signatures_a_second() -> float:
    """Of all cores together, were they to do nothing else."""
    key, message, count = SigningKey.generate(), bytes(700), 2000
    took = statistics.median(seconds(lambda: [key.sign(message) for _ in range(count)]) for _ in range(3))
    return len(os.sched_getaffinity(0)) * count / took


def _ask(pipes: list[Pipe], order: Any) -> list[Any]:
    for pipe in pipes:
        pipe.send(order)
    answers = [pipe.recv() for pipe in pipes]
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


@contextmanager
def _processes(target: Callable[..., None], arguments: list[tuple[Any, ...]]) -> Iterator[list[Pipe]]:
    """Processes that answer orders, until None comes."""
    context = get_context("spawn")
    pipes, running = [], []
    for each in arguments:
        ours, theirs = context.Pipe()
        process = context.Process(target=target, args=(theirs, *each), daemon=True)
        process.start()
        pipes.append(ours)
        running.append(process)
    try:
        for pipe in pipes:
            assert pipe.recv() == "ready"
        yield pipes
    finally:
        for pipe in pipes:
            with suppress(OSError):  # it has ended already, with its own words
                pipe.send(None)
        for process in running:
            process.join(timeout=30)


@contextmanager
def _clients(data: Path, rival: str) -> Iterator[list[Pipe]]:
    with _processes(_client, [(data, rival, number) for number in range(CLIENTS)]) as pipes:
        yield pipes


@contextmanager
def _sequencer(data: Path) -> Iterator[Pipe]:
    with _processes(place, [(data,)]) as (pipe,):
        yield pipe


def place(pipe: Pipe, data: Path) -> None:
    """A process that places statements between the orders "start" and "stop"; "stop" waits until all are placed."""
    with open_ledger(data) as hall, ExitStack() as placing:
        pipe.send("ready")
        while order := pipe.recv():
            if order == "start":
                placing.enter_context(hall.sequencing())
            else:
                _wait_all(hall)
                placing.close()
            pipe.send(None)


def _wait_all(hall: Hall) -> None:
    """Until every statement that is committed now has its leaf (its own stream's are made by the sequencer)."""
    with hall.database.connect("reader") as connection:
        last = connection.execute("SELECT max(insertion_id) FROM ledger.statements WHERE stream <> 'log'").fetchone()
        while not connection.execute("SELECT 1 FROM ledger.leaves WHERE insertion_id = %s", last).fetchone():
            time.sleep(0.02)


def _client(pipe: Pipe, data: Path, rival: str, number: int) -> None:
    with open_ledger(data) as hall, psycopg.connect(rival, autocommit=True) as connection:
        sides = _sides(hall, stock_recorder(rival), connection, number)
        for once in sides.values():
            once()  # pools, prepared statements and caches are warm before anything is measured
        pipe.send("ready")
        while order := pipe.recv():
            name, duration_s = order
            once, count, until = sides[name], 0, time.monotonic() + duration_s
            try:
                while time.monotonic() < until:
                    once()
                    count += 1
                pipe.send(count)
            except Exception as error:
                pipe.send(RuntimeError(f"{name}: {error}"))


def _sides(
    hall: Hall, stock: PostgresApplicationRecorder, connection: psycopg.Connection[Any], client: int
) -> Mapping[str, Once]:
    key = hall.source_key("bench")
    epoch, registry = hall.door.registry()
    recorder = StatementRecorder(hall.database, secret=hall.keyring.secret("door"))
    mapper = StatementMapper()
    draft = replace(make_drafts(1)[0], sd=(), audience=registry.origin)
    entry = sign_statement(replace(draft, request=uuid4().hex * 2), SigningKey.generate())
    counters = {"door": 0, "recorder": 0}
    chain: dict[str, Any] = {}

    def place_of(side: str) -> tuple[str, int]:
        count = counters[side]
        counters[side] += 1
        return f"imported/bench/{side}-{client}-{count // _CASE}", count % _CASE + 1

    def door() -> None:
        stream, seq = place_of("door")
        first = seq == 1
        wish = Wish(
            actor=draft.actor,
            role=draft.role,
            stream=stream,
            type="imported.case.v1" if first else draft.type,
            at=draft.at,
            request=uuid4().hex * 2,
            values={"case_no": 1} if first else {"ordinal": seq, "activity": "决定受理", "lifecycle": "complete"},
        )
        hall.door.submit(wish, key)

    def append() -> None:
        stream, seq = place_of("recorder")
        prev: StatementId | None = None if seq == 1 else chain["prev"]
        said = replace(draft, stream=stream, seq=seq, prev=prev, request=uuid4().hex * 2)
        event: Any = mapper.to_stored_event(Stated(said, key))
        recorder.insert_events([event], epoch=epoch)
        chain["prev"] = event.id

    def unsigned() -> None:
        stock.insert_events([StoredEvent(uuid4(), 1, draft.type, entry)])

    def raw() -> None:
        connection.execute("INSERT INTO raw (entry) VALUES (%b)", (entry,))

    return {"door": door, "recorder": append, "stock": unsigned, "INSERT": raw}
