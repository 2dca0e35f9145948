"""The sequencer's promises: nothing before its ``prev``, nothing before it is final, nothing left unpublished."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from ledger.door.hall import Hall
from ledger.errors import Unavailable
from ledger.statement import statement_id
from ledger.store.reading import Head
from ledger.store.recorder import SignedEvent, append
from ledger.store.sequencer import Batch, Sequencer


@pytest.fixture
def hall(shared: Hall) -> Hall:
    return shared


@pytest.fixture
def sequencer(hall: Hall) -> Iterator[Sequencer]:
    made = hall.sequencer()
    assert made.lead()
    while made.step() is not None:
        pass
    yield made
    made.resign()


def event(hall: Hall, stream: str, seq: int, prev: bytes | None = None) -> SignedEvent:
    entry = f"{stream} {seq}".encode()
    id_ = statement_id(entry)
    return SignedEvent(stream, seq, "", entry, id=id_, prev=prev, request=id_, content=id_)


def write(hall: Hall, connection: psycopg.Connection[tuple[object, ...]], *events: SignedEvent) -> None:
    append(connection, events, secret=hall.keyring.secret("door"), epoch=0)


def indexes(hall: Hall, *events: SignedEvent) -> list[int | None]:
    placed = hall.reader.placed([one.id for one in events])
    return [placed.get(one.id) for one in events]


def test_a_statement_whose_prev_is_not_final_is_held_and_placed_right_after_it(
    hall: Hall, sequencer: Sequencer
) -> None:
    parent = event(hall, "test/held", 1)
    child = event(hall, "test/held", 2, parent.id)
    with hall.database.connect("writer") as early, hall.database.connect("writer") as late:
        with early.transaction():
            early.execute("SELECT pg_current_xact_id()")  # drawn first, written last
            late.execute("BEGIN")
            write(hall, late, parent)
            write(hall, early, child)
        assert sequencer.step() is None
        with hall.database.use("reader") as connection:
            assert connection.execute("SELECT cardinality(held) FROM ledger.head").fetchone() == (1,)
        late.execute("COMMIT")
    assert sequencer.step() is not None
    first, second = indexes(hall, parent, child)
    assert first is not None
    assert second == first + 1


def test_a_transaction_open_in_another_database_holds_everything_back_and_nothing_is_lost(
    hall: Hall, sequencer: Sequencer
) -> None:
    one = event(hall, "test/stalled", 1)
    with psycopg.connect(hall.database.conninfo, dbname="postgres") as other:
        other.execute("SELECT pg_current_xact_id()")
        with hall.database.use("writer") as connection:
            write(hall, connection, one)
        assert sequencer.step() is None
        assert indexes(hall, one) == [None]
    assert sequencer.step() is not None
    assert indexes(hall, one) != [None]


def test_one_leads_and_the_next_goes_on_when_it_is_gone(hall: Hall, sequencer: Sequencer) -> None:
    other = hall.sequencer()
    assert not other.lead()
    with pytest.raises(Unavailable):
        other.step()
    sequencer.resign()
    assert other.lead()
    assert other.step(heartbeat=True) is not None
    other.resign()


def test_what_could_not_be_published_is_published_by_the_next_step(hall: Hall, sequencer: Sequencer) -> None:
    """The disk was full: the head is committed, the checkpoint was not written."""
    sequencer.resign()
    seen: list[Batch] = []
    failing = [OSError("no space left on device")]

    def published(batch: Batch) -> None:
        seen.append(batch)
        if batch.first != batch.size and failing:
            raise failing.pop()

    again = Sequencer(
        hall.database,
        clock_key=hall.keyring.own("clock"),
        door_secret=hall.keyring.secret("door"),
        origin=hall.origin,
        published=published,
    )
    assert again.lead()
    with pytest.raises(OSError, match="no space"):
        again.step(heartbeat=True)
    size = hall.reader.head().size
    assert again.step() is None
    assert seen[-1].size == size
    again.resign()


def test_who_takes_over_publishes_what_the_leader_before_committed(hall: Hall, sequencer: Sequencer) -> None:
    sequencer.resign()
    silent = Sequencer(
        hall.database,
        clock_key=hall.keyring.own("clock"),
        door_secret=hall.keyring.secret("door"),
        origin=hall.origin,
    )
    assert silent.lead()
    batch = silent.step(heartbeat=True)
    assert batch is not None
    silent.resign()
    before = hall.publisher.checkpoint()
    assert before is not None
    assert before.size < batch.size
    after = hall.sequencer()
    assert after.lead()
    assert after.step() is None
    published = hall.publisher.checkpoint()
    assert published is not None
    assert (published.size, published.root) == (batch.size, batch.root)
    after.resign()


def test_a_batch_is_never_dated_before_the_one_before_it(hall: Hall) -> None:
    future = hall.reader.head().recorded_us + 3_600_000_000
    for clock_us in (future, future - 7_200_000_000):
        sequencer = hall.sequencer(clock=lambda at=clock_us: at)  # type: ignore[misc]
        assert sequencer.lead()
        batch = sequencer.step(heartbeat=True)
        assert batch is not None
        assert batch.recorded_us == future
        sequencer.resign()


def test_a_checkpoint_never_goes_back(hall: Hall, sequencer: Sequencer) -> None:
    """A slow process that still has an older head in its hands must not put it over a newer one."""
    old = hall.reader.head()
    batch = sequencer.step(heartbeat=True)
    assert batch is not None
    hall.publisher.publish(Head(old.size, old.root, old.recorded_us))
    published = hall.publisher.checkpoint()
    assert published is not None
    assert published.size == batch.size
