"""The projector: each statement once, tables and cursor together, the same content however it came about."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.door.hall import Hall
from ledger.errors import Evidence, Unavailable
from ledger.exchange.importer import import_xes
from ledger.keys import SigningKey
from ledger.statement import open_statement, sign_statement, statement_id
from ledger.store.recorder import seal_of
from projections import imported, runner, tickets
from projections.runner import Projector, make_tables, read_position


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.integers(2, 900))
def test_how_the_log_is_cut_into_chunks_does_not_show(projector: Projector, batch: int) -> None:
    digest = projector.digest()
    assert projector.rebuild(batch=batch).digest == digest


def test_it_is_unchanged_by_reads_repeated_imports_and_empty_batches(
    hall: Hall, projector: Projector, log: Path
) -> None:
    before, size = projector.digest(), hall.reader.head().size
    with hall.database.use("reader") as connection:
        imported.throughput(connection, "permits")
        imported.case_list(connection, "permits")
    sequencer = hall.sequencer()
    assert sequencer.lead()
    for _ in range(3):
        assert sequencer.step(heartbeat=True) is not None
    sequencer.resign()
    with hall.sequencing():
        assert import_xes(hall, log, source="permits").added == 0
    assert projector.catch_up() == 3
    assert hall.reader.head().size == size + 3
    assert projector.digest() == before
    assert projector.rebuild().digest == before


def test_stopped_between_two_chunks_it_goes_on_there(hall: Hall, projector: Projector) -> None:
    digest = projector.digest()
    drop_live(hall)
    stop = threading.Event()
    done = projector.catch_up(stop=stop, batch=100, progress=lambda *_: stop.set())
    with hall.database.use("reader") as connection:
        assert read_position(connection).position == done == 100
    assert projector.catch_up() == hall.reader.head().size - 100
    assert projector.digest() == digest


def test_what_fails_within_a_chunk_leaves_neither_rows_nor_cursor(
    hall: Hall, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = projector.digest()
    drop_live(hall)

    def fails(*_: object) -> None:
        raise RuntimeError("after the others have written")

    with monkeypatch.context() as patch:
        patch.setattr(tickets, "apply", fails)
        with pytest.raises(RuntimeError):
            projector.catch_up(batch=100)
    with hall.database.use("reader") as connection:
        assert read_position(connection).position == 0
        assert connection.execute("SELECT count(*) FROM projections.imported_cases").fetchone() == (0,)
    projector.catch_up()
    assert projector.digest() == digest


def test_two_projectors_at_once_fold_each_statement_once(hall: Hall, projector: Projector) -> None:
    digest = projector.digest()
    drop_live(hall)
    workers = [threading.Thread(target=Projector(hall.database).catch_up, kwargs={"batch": 30}) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert projector.digest() == digest


def test_readers_read_on_while_it_is_made_again(hall: Hall, projector: Projector) -> None:
    stop = threading.Event()
    seen: set[int] = set()
    failed: list[Exception] = []

    def read() -> None:
        try:
            with hall.database.connect("reader") as connection:
                while not stop.is_set():
                    row = connection.execute("SELECT count(*) FROM projections.imported_events").fetchone()
                    assert row is not None
                    seen.add(row[0])
        except psycopg.Error as error:
            failed.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(4):
        projector.rebuild(batch=200)
    stop.set()
    for reader in readers:
        reader.join()
    assert failed == []
    assert len(seen) == 1


def test_a_second_rebuild_at_the_same_time_is_told_to_wait(
    hall: Hall, projector: Projector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "_LOCK_PATIENCE_S", 0.1)
    with hall.database.connect("owner") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (runner._REBUILD_LOCK,))
        with pytest.raises(Unavailable, match="being rebuilt"):
            projector.rebuild()


def test_a_changed_entry_is_evidence_and_is_not_folded(hall: Hall, projector: Projector) -> None:
    flip = (
        "UPDATE ledger.statements SET entry = set_byte(entry, {0}, get_byte(entry, {0}) # 1)"
        " WHERE insertion_id = (SELECT insertion_id FROM ledger.leaves WHERE index = 200)"
    )
    digest = projector.digest()
    with hall.database.connect("owner") as owner:
        owner.execute("SET session_replication_role = replica")
        for at in (0, 300):  # one is no statement any more, the other is another statement
            owner.execute(flip.format(at).encode())
            with pytest.raises(Evidence, match="entry 200 were changed"):
                projector.rebuild(batch=100)
            owner.execute(flip.format(at).encode())
    assert projector.digest() == digest


def test_tables_of_another_version_of_the_program_are_made_again(hall: Hall, projector: Projector) -> None:
    digest = projector.digest()
    with hall.database.connect("owner") as owner:
        owner.execute("UPDATE projections.cursor SET shape = 'older'; DELETE FROM projections.imported_events")
    projector.ensure()
    assert projector.digest() == digest


def test_a_copy_can_be_folded_to_any_position(hall: Hall, projector: Projector) -> None:
    with hall.database.connect("owner") as owner:
        make_tables(owner, "beside")
        for position in (1, 150, 151, 300):
            projector.fold_to(owner, "beside", position)
            assert owner.execute("SELECT position FROM beside.cursor").fetchone() == (position,)
        owner.execute("DROP SCHEMA beside CASCADE")


@pytest.mark.parametrize("batch", [1, 5000])
def test_what_was_voided_counts_nowhere(hall: Hall, projector: Projector, batch: int) -> None:
    """Sealed by a stolen secret for an epoch long past, placed and voided; also when the void is in the next chunk."""
    with hall.database.connect("owner") as owner:
        ((entry, stream, seq),) = owner.execute(
            "SELECT entry, stream, seq FROM ledger.statements WHERE stream LIKE 'imported/%'"
            " ORDER BY seq DESC, stream LIMIT 1"
        ).fetchall()
        act = open_statement(entry)
        forged = sign_statement(replace(act, seq=seq + 1, prev=act.id), SigningKey.generate())
        id_ = statement_id(forged)
        words = {"id_": id_, "stream": stream, "seq": seq + 1, "prev": act.id, "governs": False, "epoch": 0}
        seal = seal_of(hall.keyring.secret("door"), **words)
        owner.execute(
            "INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)"
            " VALUES (%b, %s, %s, %b, false, 0, %b, %b)",
            (id_, stream, seq + 1, act.id, seal, forged),
        )
    digest = projector.digest()
    with hall.sequencing():
        until = time.monotonic() + 10
        while not hall.reader.placed([id_]):
            assert time.monotonic() < until
            time.sleep(0.02)
    assert projector.catch_up() == 3  # a batch, the statement, its void
    assert projector.digest() == digest
    assert projector.rebuild(batch=batch).digest == digest


def drop_live(hall: Hall) -> None:
    with hall.database.connect("owner") as owner:
        owner.execute("DROP SCHEMA projections CASCADE")
