"""What is derived: folding into all projections beside the stock runner, a rebuild beside reading and decoding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import psycopg
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner

from ledger.door.hall import Hall
from ledger.statement import open_statement
from ledger.store.reading import FOLLOW_LIMIT
from projections.runner import Projector
from tests.bench.rounds import alternate, seconds
from tests.bench.stand import Stand
from tests.bench.table import Row, at_least, at_most

_STOCK_BYTES = 700


class Notes(Aggregate):
    """The rival's aggregate: events of about the size of ours."""

    def __init__(self) -> None:
        self.count = 0

    @event("Noted")
    def note(self, text: str) -> None:
        """One event."""
        self.count += 1


class NotesApp(Application[Any]):
    """The rival's application."""

    name = "notes"


class EmptyView(PostgresTrackingRecorder):
    """A view that keeps nothing but how far it is."""


class EmptyProjection(Projection[EmptyView]):
    """Does nothing with an event but say that it was seen: the least that the stock runner can do."""

    name = "empty"
    topics: ClassVar[tuple[str, ...]] = ()  # type: ignore[misc]

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Move the tracking in a transaction of its own, as the library does."""
        self.view.insert_tracking(tracking)


def rows(stand: Stand) -> Iterator[Row]:
    """Rows 6 and 7, over imported history and over a played district."""
    yield from _rows(stand, stand.history, "", "")
    yield from _rows(stand, stand.district, "-district", ", a played district")


def _rows(stand: Stand, hall: Hall, name: str, of: str) -> Iterator[Row]:
    size = hall.reader.head().size
    projector = Projector(hall.database)
    rival = stand.rival_database(hall)
    env = _stock_env(rival)
    events = 200 if stand.quick else 1500
    last = _fill_stock(env, events)

    def fold() -> float:
        with hall.database.connect("owner") as connection:
            connection.execute("DROP SCHEMA IF EXISTS projections CASCADE")
        return size / seconds(projector.catch_up)

    def stock() -> float:
        with psycopg.connect(rival, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS empty_tracking, bkup1_empty_tracking")
        return events / seconds(lambda: _run_stock(env, last))

    def read() -> float:
        return seconds(lambda: _decode(hall, size))

    def rebuild() -> float:
        return seconds(projector.rebuild)

    folded = alternate({"ours": fold, "stock": stock}, rounds=stand.rounds)
    rebuilt = alternate({"ours": rebuild, "read": read}, rounds=stand.rounds)
    ratio = folded["ours"] / folded["stock"]
    yield Row(
        name=f"fold{name}",
        what=f"fold a statement into all projections{of}",
        ours=f"{folded['ours']:,.0f}/s",
        rival=f"stock ProjectionRunner, empty view {folded['stock']:,.0f}/s",
        ratio=ratio,
        aims=(at_least(ratio, 20),),
        limit=f"read and decode {size / rebuilt['read']:,.0f}/s",
    )
    ratio = rebuilt["ours"] / rebuilt["read"]
    yield Row(
        name=f"rebuild{name}",
        what=f"rebuild everything{of}, {size:,} entries",
        ours=f"{rebuilt['ours']:.2f} s",
        rival=f"read and decode the same {rebuilt['read']:.2f} s",
        ratio=ratio,
        aims=(at_most(ratio, 4),),
        limit="read and decode: the rival's figure",
    )


def _decode(hall: Hall, size: int) -> None:
    for low in range(0, size, FOLLOW_LIMIT):
        for placed in hall.reader.entries(low, min(low + FOLLOW_LIMIT, size)):
            open_statement(placed.entry)


def _stock_env(conninfo: str) -> dict[str, str]:
    parts = psycopg.conninfo.conninfo_to_dict(conninfo)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parts["dbname"]),
        "POSTGRES_HOST": str(parts["host"]),
        "POSTGRES_PORT": str(parts["port"]),
        "POSTGRES_USER": str(parts["user"]),
        "POSTGRES_PASSWORD": "",
    }


def _fill_stock(env: dict[str, str], events: int) -> int:
    """Events in the stock application; returns the id of the last."""
    app = NotesApp(env)
    try:
        while (app.recorder.max_notification_id() or 0) < events:
            notes = Notes()
            for _ in range(99):
                notes.note("x" * _STOCK_BYTES)
            app.save(notes)
        return int(app.recorder.max_notification_id() or 0)
    finally:
        app.close()


def _run_stock(env: dict[str, str], last: int) -> None:
    with ProjectionRunner(
        application_class=NotesApp, projection_class=EmptyProjection, view_class=EmptyView, env=env
    ) as runner:
        runner.wait(last, timeout=120)
