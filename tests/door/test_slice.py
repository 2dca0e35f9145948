"""A fact goes in through the door and comes out of the tree, with everything real in between."""

from __future__ import annotations

import pytest

from ledger.door.door import Wish
from ledger.door.hall import Hall
from ledger.errors import Conflict, Evidence, NotAllowed
from ledger.statement import instant_text, open_statement
from ledger.store.sequencer import now_us
from ledger.tree.merkle import check_inclusion


def wish(number: int, **more: object) -> Wish:
    values = {
        "actor": "source/s",
        "role": "source_adapter",
        "stream": f"imported/s/{number:032x}",
        "type": "imported.case.v1",
        "at": instant_text(now_us()),
        "request": f"r-{number}",
        "values": {"case_no": number + 1, "rest": {"name": "张三"}},
    }
    return Wish(**(values | more))  # type: ignore[arg-type]


def test_an_acknowledged_act_is_in_the_tree_within_two_seconds_and_proved(hall: Hall) -> None:
    outcome = hall.door.submit(wish(1), hall.source_key("s"))
    index = hall.wait_placed([outcome])[outcome.id]
    checkpoint = hall.publisher.checkpoint()
    assert checkpoint is not None
    path = hall.reader.inclusion(index, checkpoint.size)
    check_inclusion(outcome.id, index, checkpoint.size, path, checkpoint.root)


def test_the_same_request_twice_is_one_statement(hall: Hall) -> None:
    first = hall.door.submit(wish(2), hall.source_key("s"))
    again = hall.door.submit(wish(2), hall.source_key("s"))
    assert (again.id, again.repeated) == (first.id, True)


def test_the_same_request_with_other_content_is_refused(hall: Hall) -> None:
    hall.door.submit(wish(3), hall.source_key("s"))
    with pytest.raises(Conflict, match="other content"):
        hall.door.submit(wish(3, values={"case_no": 99, "rest": {}}), hall.source_key("s"))


def test_an_adapter_may_not_write_into_another_source(hall: Hall) -> None:
    with pytest.raises(NotAllowed, match="not of source/s"):
        hall.door.submit(wish(4, stream="imported/other/" + "0" * 32), hall.source_key("s"))
    assert hall.reader.stream("imported/other/" + "0" * 32) == []


def test_a_personal_value_stands_nowhere_in_the_database(hall: Hall) -> None:
    outcome = hall.door.submit(wish(5), hall.source_key("s"))
    (_, _, entry), *_ = hall.reader.stream(outcome.stream)
    assert "张三".encode() not in entry
    digest = open_statement(entry).sd[0]
    assert hall.vault.open([digest])[digest].value == {"name": "张三"}


def test_a_row_changed_by_the_databases_owner_is_named(hall: Hall) -> None:
    outcome = hall.door.submit(wish(6), hall.source_key("s"))
    index = hall.wait_placed([outcome])[outcome.id]
    checkpoint = hall.publisher.checkpoint()
    assert checkpoint is not None
    assert next(hall.reader.verified([index], checkpoint)).index == index
    with hall.database.connect("owner") as owner:
        owner.execute("ALTER TABLE ledger.statements DISABLE TRIGGER forbid")
        owner.execute(
            "UPDATE ledger.statements SET entry = set_byte(entry, 200, get_byte(entry, 200) # 1) WHERE id = %s",
            (outcome.id,),
        )
        with pytest.raises(Evidence, match=f"entry {index} were changed"):
            next(hall.reader.verified([index], checkpoint))
        owner.execute(
            "UPDATE ledger.statements SET entry = set_byte(entry, 200, get_byte(entry, 200) # 1) WHERE id = %s",
            (outcome.id,),
        )
        owner.execute("ALTER TABLE ledger.statements ENABLE TRIGGER forbid")
