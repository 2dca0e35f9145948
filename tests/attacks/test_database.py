"""What the database's owner may try with every right there is, and how each attempt is named.

Each test is one attack. ``owner`` changes the rows, ``swept`` looks; where a page or the door would meet the changed
row first, that is looked at too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ledger.door.hall import Hall
from ledger.errors import Evidence
from ledger.keys import SigningKey
from ledger.statement import open_statement, sign_statement, statement_id
from ledger.store.database import Connection
from ledger.store.recorder import seal_of
from ledger.tree.tiles import Tile

pytestmark = pytest.mark.attack(
    "row-changed",
    ("investigator, on the page", "each page that shows it"),
    ("operator's staff", "mingjian doctor, mingjian sweep"),
)
Swept = Callable[[], list[Evidence]]
VICTIM = 300  # an imported event: somewhere in the middle of the second full tile


def codes(found: list[Evidence]) -> set[str]:
    return {each.code for each in found}


def named(found: list[Evidence], code: str, **details: object) -> Evidence:
    """The one finding of that code; its details name the place."""
    (one,) = [each for each in found if each.code == code]
    assert {name: one.details.get(name) for name in details} == details
    return one


def read(hall: Hall, index: int) -> None:
    """As a page reads it."""
    checkpoint = hall.publisher.checkpoint()
    assert checkpoint is not None
    list(hall.reader.verified([index], checkpoint))


def flip(owner: Connection, index: int) -> None:
    owner.execute(
        "UPDATE ledger.statements SET entry = set_byte(entry, 300, get_byte(entry, 300) # 1)"
        " WHERE insertion_id = (SELECT insertion_id FROM ledger.leaves WHERE index = %s)",
        (index,),
    )


def test_the_owner_changes_one_bit_of_an_act(hall: Hall, owner: Connection, swept: Swept) -> None:
    flip(owner, VICTIM)
    found = swept()
    assert codes(found) == {"entry-changed"}
    named(found, "entry-changed", entry=VICTIM, table="ledger.statements")
    with pytest.raises(Evidence, match=f"entry {VICTIM} were changed"):
        read(hall, VICTIM)


def test_the_owner_puts_another_act_with_its_own_id_and_leaf_in_the_place(
    hall: Hall, owner: Connection, swept: Swept
) -> None:
    """Bytes, id and leaf agree: only the tree knows better."""
    ((entry,),) = owner.execute(
        "SELECT entry FROM ledger.statements JOIN ledger.leaves USING (insertion_id) WHERE index = %s", (VICTIM,)
    )
    act = open_statement(entry)
    forged = sign_statement(replace_data(act, activity="approved"), SigningKey.generate())
    id_ = statement_id(forged)
    owner.execute(
        "UPDATE ledger.statements SET entry = %b, id = %b WHERE insertion_id ="
        " (SELECT insertion_id FROM ledger.leaves WHERE index = %s)",
        (forged, id_, VICTIM),
    )
    owner.execute("UPDATE ledger.leaves SET id = %b WHERE index = %s", (id_, VICTIM))
    found = swept()
    assert {"root-changed", "node-changed", "batch-changed", "tile-file"} <= codes(found)
    tile = Tile(0, 1).path
    named([each for each in found if each.details.get("tile") == tile], "tile-file", hash=VICTIM - 256)
    with pytest.raises(Evidence, match=f"entry {VICTIM} does not stand in the tree"):
        read(hall, VICTIM)


def replace_data(act, **values):  # type: ignore[no-untyped-def]
    """The draft of ``act`` with other data."""
    return replace(act, data=act.data | values)


def test_the_owner_swaps_two_acts(hall: Hall, owner: Connection, swept: Swept) -> None:
    owner.execute(
        "UPDATE ledger.leaves a SET insertion_id = b.insertion_id FROM ledger.leaves b"
        " WHERE (a.index, b.index) IN ((%(i)s, %(i)s + 1), (%(i)s + 1, %(i)s))",
        {"i": VICTIM},
    )
    found = swept()
    assert {each.details["entry"] for each in found if each.code == "leaf-changed"} == {VICTIM, VICTIM + 1}
    with pytest.raises(Evidence, match=f"entry {VICTIM} were changed"):
        read(hall, VICTIM)


def test_the_owner_swaps_two_acts_with_their_leaves(hall: Hall, owner: Connection, swept: Swept) -> None:
    owner.execute(
        "UPDATE ledger.leaves a SET insertion_id = b.insertion_id, id = b.id FROM ledger.leaves b"
        " WHERE (a.index, b.index) IN ((%(i)s, %(i)s + 1), (%(i)s + 1, %(i)s))",
        {"i": VICTIM},
    )
    found = swept()
    assert {"root-changed", "tile-file", "order"} <= codes(found)
    named(found, "order", entry=VICTIM)


def test_the_owner_deletes_an_act(hall: Hall, owner: Connection, swept: Swept) -> None:
    owner.execute(
        "DELETE FROM ledger.statements WHERE insertion_id = (SELECT insertion_id FROM ledger.leaves WHERE index = %s)",
        (VICTIM,),
    )
    named(swept(), "entry-missing", entry=VICTIM, table="ledger.statements")
    with pytest.raises(Evidence, match=f"entry {VICTIM} is missing"):
        read(hall, VICTIM)


def test_the_owner_deletes_an_act_and_its_leaf(hall: Hall, owner: Connection, swept: Swept) -> None:
    owner.execute(
        "DELETE FROM ledger.statements WHERE insertion_id = (SELECT insertion_id FROM ledger.leaves WHERE index = %s)",
        (VICTIM,),
    )
    owner.execute("DELETE FROM ledger.leaves WHERE index = %s", (VICTIM,))
    named(swept(), "leaf-missing", entry=VICTIM, table="ledger.leaves")


def test_the_owner_changes_a_leaf(hall: Hall, owner: Connection, swept: Swept) -> None:
    owner.execute("UPDATE ledger.leaves SET id = set_byte(id, 0, get_byte(id, 0) # 1) WHERE index = %s", (VICTIM,))
    found = swept()
    assert codes(found) == {"leaf-changed"}
    named(found, "leaf-changed", entry=VICTIM, table="ledger.leaves")


def test_the_owner_changes_a_node_of_the_tree(hall: Hall, owner: Connection, swept: Swept) -> None:
    owner.execute(
        "UPDATE ledger.nodes SET hash = set_byte(hash, 0, get_byte(hash, 0) # 1) WHERE (level, index) = (1, 1)"
    )
    found = swept()
    named(found, "node-changed", row="1/1", table="ledger.nodes")
    # Every proof runs over it, so nothing in the tree can be shown until it is whole again.
    with pytest.raises(Evidence):
        read(hall, 3)


@pytest.mark.parametrize(
    ("column", "value"), [("stream", "'imported/permits/gone'"), ("seq", "seq + 1000"), ("governs", "NOT governs")]
)
def test_the_owner_hides_an_act_by_a_column_beside_its_bytes(
    hall: Hall, owner: Connection, swept: Swept, column: str, value: str
) -> None:
    """The bytes stay, so every hash holds; but by that column a case finds its acts."""
    owner.execute(
        sql.SQL(
            "UPDATE ledger.statements SET {} = {} WHERE insertion_id ="
            " (SELECT insertion_id FROM ledger.leaves WHERE index = %s)"
        ).format(sql.Identifier(column), sql.SQL(value)),
        (VICTIM,),
    )
    named(swept(), "column-changed", entry=VICTIM, column=column)


def test_the_owner_says_that_the_door_checked_it_against_other_registries(
    hall: Hall, owner: Connection, swept: Swept
) -> None:
    owner.execute(
        "UPDATE ledger.statements SET epoch = epoch + 1 WHERE insertion_id ="
        " (SELECT insertion_id FROM ledger.leaves WHERE index = %s)",
        (VICTIM,),
    )
    named(swept(), "column-changed", entry=VICTIM, column="epoch")


def test_the_owner_has_an_act_forgotten_by_voiding_it(hall: Hall, owner: Connection, swept: Swept) -> None:
    owner.execute("INSERT INTO ledger.voided SELECT id FROM ledger.leaves WHERE index = %s", (VICTIM,))
    named(swept(), "voided-changed", entry=VICTIM)


def test_the_owner_dates_a_batch_back(hall: Hall, owner: Connection, swept: Swept) -> None:
    ((first,),) = owner.execute("SELECT max(first) FROM ledger.batches WHERE first > 0").fetchall()
    owner.execute("UPDATE ledger.batches SET recorded_us = recorded_us - 86400000000 WHERE first = %s", (first,))
    assert {each.details.get("row") for each in swept() if each.code == "batch-changed"} == {str(first)}


def test_the_owner_takes_away_a_revocation_from_the_table_of_what_governs(
    hall: Hall, owner: Connection, swept: Swept
) -> None:
    owner.execute("DELETE FROM ledger.governing WHERE epoch = 3")
    named(swept(), "governing-changed", row="3", table="ledger.governing")


def test_the_owner_makes_a_request_forgotten_so_that_it_can_be_made_again(
    hall: Hall, owner: Connection, swept: Swept
) -> None:
    owner.execute(
        "DELETE FROM ledger.requests r USING ledger.statements s JOIN ledger.leaves l USING (insertion_id)"
        " WHERE (r.stream, r.seq) = (s.stream, s.seq) AND l.index = %s",
        (VICTIM,),
    )
    named(swept(), "request-changed", entry=VICTIM, table="ledger.requests")


def test_the_owner_remembers_a_request_that_nobody_made(hall: Hall, owner: Connection, swept: Swept) -> None:
    """So that a citizen's act would be answered with somebody else's."""
    owner.execute("INSERT INTO ledger.requests VALUES (sha256('a'), sha256('b'), 'approval/a-9', 1)")
    owner.execute("INSERT INTO ledger.requests VALUES (sha256('c'), sha256('b'), 'approval/a-1', 1)")
    assert {each.details["row"] for each in swept()} == {"approval/a-9 1", "approval/a-1 1"}


def test_the_owner_places_one_act_twice(hall: Hall, owner: Connection, swept: Swept) -> None:
    size = hall.reader.head().size
    owner.execute(
        "INSERT INTO ledger.leaves SELECT %s, insertion_id, id FROM ledger.leaves WHERE index = %s", (size, VICTIM)
    )
    found = swept()
    assert {"placed-twice", "row-stray"} <= codes(found)


def test_the_owner_writes_an_act_that_no_door_saw(hall: Hall, owner: Connection, swept: Swept) -> None:
    """The sequencer refuses it a place, goes on with the others, and the sweep names the row."""
    ((entry, stream, seq),) = owner.execute(
        "SELECT entry, stream, seq FROM ledger.statements WHERE stream LIKE 'imported/%' ORDER BY seq DESC LIMIT 1"
    ).fetchall()
    act = open_statement(entry)
    forged = sign_statement(replace(act, seq=seq + 1, prev=act.id), SigningKey.generate())
    ((insertion_id,),) = owner.execute(
        "INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)"
        " VALUES (%b, %s, %s, %b, false, 0, '', %b) RETURNING insertion_id",
        (statement_id(forged), stream, seq + 1, act.id, forged),
    ).fetchall()
    size = hall.reader.head().size
    with hall.sequencing():
        until = time.monotonic() + 10
        while not owner.execute("SELECT 1 FROM ledger.head WHERE refused <> '{}'").fetchall():
            assert time.monotonic() < until
            time.sleep(0.02)
    assert hall.reader.head().size == size
    named(swept(), "row-forged", insertion_id=insertion_id, stream=stream, seq=seq + 1)


def test_the_owner_steals_the_doors_secret_and_seals_a_forged_act(hall: Hall, owner: Connection, swept: Swept) -> None:
    """Sealed for an epoch long past, it is judged in full, placed and voided: on record, and without effect."""
    ((entry, stream, seq),) = owner.execute(
        "SELECT entry, stream, seq FROM ledger.statements WHERE stream LIKE 'imported/%' ORDER BY seq DESC LIMIT 1"
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
    with hall.sequencing():
        until = time.monotonic() + 10
        while not owner.execute("SELECT 1 FROM ledger.voided WHERE id = %b", (id_,)).fetchall():
            assert time.monotonic() < until
            time.sleep(0.02)
    index = hall.reader.placed([id_])[id_]
    ((_, void),) = [(one.index, open_statement(one.entry)) for one in hall.reader.entries(index + 1, index + 2)]
    assert (void.type, void.data) == ("log.voided.v1", {"statement": id_.hex(), "reason": "key-unknown"})
    # It was written past append, which remembers requests.
    assert codes(swept()) == {"request-changed"}


def test_the_owner_moves_the_head_under_a_running_sequencer(hall: Hall, owner: Connection) -> None:
    """Nothing is built on it: placing ends, and the finding stands for every page to show."""
    with hall.sequencing(heartbeat_s=0.2):
        size = hall.reader.head().size
        until = time.monotonic() + 10
        while hall.reader.head().size == size:
            assert time.monotonic() < until
            time.sleep(0.02)
        owner.execute("UPDATE ledger.head SET root = set_byte(root, 0, get_byte(root, 0) # 1)")
        while not hall.findings.all():
            assert time.monotonic() < until
            time.sleep(0.02)
    assert [finding["code"] for finding in hall.findings.all()] == ["head-moved"]


def test_the_owner_rolls_the_database_back(
    hall: Hall, lived_in: tuple[object, str], monkeypatch: pytest.MonkeyPatch, swept: Swept
) -> None:
    """An older copy of the database beside the head file that knows more: nobody may write on it."""
    with hall.sequencing(heartbeat_s=0.1):
        size = hall.reader.head().size
        until = time.monotonic() + 10
        while hall.reader.head().size < size + 3:
            assert time.monotonic() < until
            time.sleep(0.02)
    _, url = lived_in
    name = conninfo_to_dict(hall.database.conninfo)["dbname"]
    hall.database.close()
    with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
        server.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
        server.execute(f"CREATE DATABASE {name} TEMPLATE mingjian STRATEGY file_copy".encode())
    with pytest.raises(Evidence, match="rolled back") as caught, hall.sequencing():
        pytest.fail("it must not start")
    assert caught.value.code == "rolled-back"
    assert "rolled-back" in codes(swept())


def test_the_owner_rolls_back_and_lets_another_history_grow_as_long(hall: Hall, owner: Connection) -> None:
    """The size is right again, the tree at the remembered size is another."""
    head = hall.reader.head()
    owner.execute("UPDATE ledger.leaves SET id = sha256(id) WHERE index = %s", (head.size - 1,))
    with pytest.raises(Evidence) as caught, hall.sequencing():
        pytest.fail("it must not start")
    assert caught.value.code == "forked"


def test_the_owner_takes_the_head_file_away(hall: Hall) -> None:
    hall.publisher.guard.unlink()
    with pytest.raises(Evidence) as caught, hall.sequencing():
        pytest.fail("it must not start")
    assert caught.value.code == "guard-missing"
