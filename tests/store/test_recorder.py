"""The recorder behind ``eventsourcing``'s interface: what is refused wrote nothing, what is read was signed so."""

from __future__ import annotations

import pytest
from eventsourcing.persistence import StoredEvent

from ledger.door.hall import Hall
from ledger.statement import statement_id
from ledger.store.recorder import (
    End,
    Made,
    RequestTakenError,
    SeqTakenError,
    SignedEvent,
    StaleEpochError,
    StatementRecorder,
    append,
    seal_of,
)


@pytest.fixture
def recorder(shared: Hall) -> StatementRecorder:
    return StatementRecorder(shared.database, secret=shared.keyring.secret("door"))


def event(stream: str, seq: int = 1, *, prev: bytes | None = None, request: bytes | None = None) -> SignedEvent:
    entry = f"{stream} {seq} {request!r}".encode()
    id_ = statement_id(entry)
    return SignedEvent(stream, seq, "", entry, id=id_, prev=prev, request=request or id_, content=id_)


def test_what_is_recorded_is_read_back_byte_for_byte_by_seq(recorder: StatementRecorder) -> None:
    first = event("test/read")
    second = event("test/read", 2, prev=first.id)
    recorder.insert_events([first, second], epoch=0)
    states = [first.state, second.state]
    assert [one.state for one in recorder.select_events("test/read")] == states
    assert [one.state for one in recorder.select_events("test/read", desc=True, limit=1)] == states[1:]
    assert [one.state for one in recorder.select_events("test/read", gt=1, lte=5)] == states[1:]


@pytest.mark.parametrize("alone", [True, False])
def test_a_place_that_is_taken_is_refused_with_all_that_came_along(recorder: StatementRecorder, alone: bool) -> None:
    stream = f"test/taken-{alone}"
    recorder.insert_events([event(stream)], epoch=0)
    along = [] if alone else [event(f"{stream}-beside")]
    with pytest.raises(SeqTakenError):
        recorder.insert_events([*along, event(stream, request=bytes(32))], epoch=0)
    assert recorder.select_events(f"{stream}-beside") == []
    assert len(recorder.select_events(stream)) == 1


def test_a_request_that_was_made_is_refused(recorder: StatementRecorder) -> None:
    recorder.insert_events([event("test/asked", request=b"r" * 32)], epoch=0)
    with pytest.raises(RequestTakenError):
        recorder.insert_events([event("test/asked-again", request=b"r" * 32)], epoch=0)
    assert recorder.select_events("test/asked-again") == []


def test_an_append_checked_against_other_registries_is_refused_and_told_which_hold(recorder: StatementRecorder) -> None:
    with pytest.raises(StaleEpochError) as caught:
        recorder.insert_events([event("test/stale")], epoch=7)
    assert caught.value.epoch == 0
    assert recorder.select_events("test/stale") == []


def test_only_signed_events_can_be_recorded(recorder: StatementRecorder) -> None:
    with pytest.raises(AssertionError):
        recorder.insert_events([StoredEvent("test/plain", 1, "", b"{}")], epoch=0)


def test_notifications_follow_the_leaf_index(shared: Hall, recorder: StatementRecorder) -> None:
    recorder.insert_events([event("test/notified")], epoch=0)
    with shared.sequencing():
        while recorder.select_notifications(recorder.max_notification_id(), 1)[0].originator_id != "test/notified":
            pass
    last = recorder.max_notification_id()
    assert last == shared.reader.head().size
    ids = [each.id for each in recorder.select_notifications(1, 10_000)]
    assert ids == list(range(1, last + 1))
    assert recorder.select_notifications(last, 10, inclusive_of_start=False) == []
    with recorder.subscribe(gt=last - 1) as following:
        assert next(following).originator_id == "test/notified"


def test_what_one_act_must_know_is_of_one_moment(shared: Hall, recorder: StatementRecorder) -> None:
    head = shared.reader.head()
    first = event("test/look")
    second = event("test/look", 2, prev=first.id)
    nothing = recorder.look(first.request, "test/look", whole=True, size=head.size)
    assert (nothing.head, nothing.epoch, nothing.made, nothing.end, nothing.told) == (head, 0, None, None, [])
    assert (nothing.root, recorder.look(bytes(32), "test/look", size=head.size + 1).root) == (
        shared.reader.batch_root(head.size),
        None,
    )
    recorder.insert_events([first, second], epoch=0)
    look = recorder.look(first.request, "test/look", whole=True)
    assert look.made == Made(first.content, "test/look", 1, first.id)
    assert look.end == End(2, second.id)
    assert [(one.originator_version, one.state) for one in look.told] == [(1, first.state), (2, second.state)]
    assert recorder.look(bytes(32), "test/look") == look._replace(made=None, told=[])


def test_an_append_stands_what_the_driver_deallocates(shared: Hall) -> None:
    secret = shared.keyring.secret("door")
    with shared.database.connect("writer") as connection:
        append(connection, [event("test/deallocated-1")], secret=secret, epoch=0)
        connection.execute("DEALLOCATE ALL")
        append(connection, [event("test/deallocated-2")], secret=secret, epoch=0)
        with connection.transaction():
            connection.execute("DEALLOCATE ALL")
            append(connection, [event("test/deallocated-3")], secret=secret, epoch=0)
        with pytest.raises(SeqTakenError):
            append(connection, [event("test/deallocated-3", request=bytes(32))], secret=secret, epoch=0)


def test_many_at_once_are_stored_as_one_by_one(shared: Hall, recorder: StatementRecorder) -> None:
    """Bytes, numbers, NULL and the door's seal: what is copied in is what would have been inserted."""
    query = (
        "SELECT id, stream, seq, prev, governs, epoch, seal, entry, r.request, r.content FROM ledger.statements s"
        " JOIN ledger.requests r USING (stream, seq) WHERE stream = ANY(%s) ORDER BY insertion_id"
    )
    first = event("test/区·many")
    events = [first, event("test/区·many", 2, prev=first.id), *(event(f"test/many-{n}") for n in range(120))]
    recorder.insert_events(events, epoch=0)
    with shared.database.use("reader") as connection:
        rows = connection.execute(query, ([one.originator_id for one in events],), binary=True).fetchall()
    assert rows == [
        (
            one.id,
            one.originator_id,
            one.originator_version,
            one.prev,
            False,
            0,
            seal_of(
                shared.keyring.secret("door"),
                id_=one.id,
                stream=str(one.originator_id),
                seq=one.originator_version,
                prev=one.prev,
                governs=False,
                epoch=0,
            ),
            one.state,
            one.request,
            one.content,
        )
        for one in events
    ]
