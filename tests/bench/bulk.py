"""Statements signed beforehand, appended in bulk by one client, against a raw binary COPY of the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

import psycopg

from ledger.door.stated import Stated, StatementMapper
from ledger.exchange.importer import CHUNK
from ledger.store.recorder import SignedEvent, StatementRecorder
from tests.bench.rounds import alternate, seconds
from tests.bench.stand import Place, Stand
from tests.bench.statements import make_drafts
from tests.bench.table import Row, at_least

_RAW = "CREATE TABLE IF NOT EXISTS copied (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, entry bytea NOT NULL)"


def rows(stand: Stand) -> Iterator[Row]:
    """Row 3, in memory and on disk. Both sides commit once for every so many statements as an import does."""
    count = CHUNK if stand.quick else 10 * CHUNK
    places: tuple[Place, ...] = ("memory", "disk")
    for place in places:
        hall = stand.ledger(place, "bulk")
        with hall.sequencing():
            key = hall.source_key("bench")
        epoch, registry = hall.door.registry()
        recorder = StatementRecorder(hall.database, secret=hall.keyring.secret("door"))
        mapper = StatementMapper()
        drafts = [replace(draft, seq=1, prev=None, audience=registry.origin) for draft in make_drafts(count)]
        with psycopg.connect(stand.rival_database(hall), autocommit=True) as connection:
            connection.execute(_RAW)

            def events(drafts: Any = drafts, mapper: StatementMapper = mapper, key: Any = key) -> list[Any]:
                fresh = uuid4().hex
                named = (
                    replace(draft, stream=f"imported/bench/{fresh}-{n}", request=f"{fresh}-{n}")
                    for n, draft in enumerate(drafts)
                )
                return [mapper.to_stored_event(Stated(draft, key)) for draft in named]

            entries = [event.state for event in events()]

            def ours(recorder: StatementRecorder = recorder, epoch: int = epoch, events: Any = events) -> float:
                signed: list[SignedEvent] = events()
                return count / seconds(lambda: _chunked(partial(recorder.insert_events, epoch=epoch), signed))

            def copied(connection: psycopg.Connection[Any] = connection, entries: Any = entries) -> float:
                return count / seconds(lambda: _chunked(partial(_copy, connection), entries))

            found = alternate({"ours": ours, "COPY": copied}, rounds=stand.rounds)
        ratio = found["ours"] / found["COPY"]
        yield Row(
            name=f"bulk-{place}",
            what=f"bulk append of signed statements, data {'in memory' if place == 'memory' else 'on disk with fsync'}",
            ours=f"{found['ours']:,.0f}/s",
            rival=f"raw binary COPY {found['COPY']:,.0f}/s",
            ratio=ratio,
            aims=(at_least(ratio, 0.4),),
            limit="one table, one index, no uniqueness: the rival's figure",
        )


def _chunked(write: Callable[[Any], None], all_: Sequence[Any]) -> None:
    for low in range(0, len(all_), CHUNK):
        write(all_[low : low + CHUNK])


def _copy(connection: psycopg.Connection[Any], entries: list[bytes]) -> None:
    with connection.cursor() as cursor, cursor.copy("COPY copied (entry) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["bytea"])
        for entry in entries:
            copy.write_row((entry,))
