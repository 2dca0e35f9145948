"""The obvious attack: not on the tree, but on the row that a screen reads."""

from __future__ import annotations

import json

import pytest

from api.doctor import examine
from ledger.door.hall import Hall
from ledger.errors import Evidence
from ledger.store.database import Connection
from projections.check import check_projections
from projections.checked import check_stream
from projections.runner import TABLES, Projector

pytestmark = pytest.mark.attack(
    "row-changed", ("investigator, on the page", "each page that shows it"), ("operator's staff", "mingjian doctor")
)

# table, what the owner does, the stream whose page would show it (None: the case with the most events)
ATTACKS = [
    ("imported_cases", "UPDATE projections.imported_cases SET events = events - 1 WHERE stream = %s", None),
    ("imported_cases", "DELETE FROM projections.imported_cases WHERE stream = %s", None),
    (
        "imported_events",
        "UPDATE projections.imported_events SET resource = repeat('0', 32) WHERE ordinal = 1 AND case_index ="
        " (SELECT case_index FROM projections.imported_cases WHERE stream = %s)",
        None,
    ),
    (
        "imported_events",
        "DELETE FROM projections.imported_events WHERE ordinal = 2 AND case_index ="
        " (SELECT case_index FROM projections.imported_cases WHERE stream = %s)",
        None,
    ),
    (
        "imported_events",
        "INSERT INTO projections.imported_events SELECT source, case_index, 999, leaf_index, at_us, activity,"
        " lifecycle, resource, flags FROM projections.imported_events WHERE ordinal = 1 AND case_index ="
        " (SELECT case_index FROM projections.imported_cases WHERE stream = %s)",
        None,
    ),
    ("approvals", "UPDATE projections.approvals SET stage = 'closed' WHERE stream = %s", "approval/a-1"),
    ("approval_acts", "UPDATE projections.approval_acts SET actor = 'staff/li' WHERE stream = %s", "approval/a-1"),
    ("approval_open", "DELETE FROM projections.approval_open WHERE stream = %s", "approval/a-2"),
    ("tickets", "UPDATE projections.tickets SET taken_us = taken_us - 60000000 WHERE stream = %s", "ticket/t-1"),
    ("ticket_open", "UPDATE projections.ticket_open SET win = 'w9' WHERE win = 'w1' AND stream = %s", "ticket/t-1"),
]


@pytest.mark.parametrize(("table", "attack", "stream"), ATTACKS)
def test_the_owner_changes_a_row_that_a_page_shows(
    hall: Hall, owner: Connection, table: str, attack: str, stream: str | None
) -> None:
    if stream is None:
        ((stream,),) = owner.execute("SELECT stream FROM projections.imported_cases ORDER BY events DESC LIMIT 1")
    checkpoint = hall.publisher.checkpoint()
    assert checkpoint is not None
    owner.execute(attack.encode(), (stream,))
    with pytest.raises(Evidence) as caught:
        check_stream(hall.database, checkpoint, stream)
    assert (caught.value.code, caught.value.details["table"]) == ("projection-changed", f"projections.{table}")
    _, found = check_projections(hall.database)
    assert [each.details["table"] for each in found] == [f"projections.{table}"]
    assert found[0].details["row"].keys() == set(TABLES[table].split(", "))
    Projector(hall.database).rebuild()
    assert check_projections(hall.database)[1] == []
    check_stream(hall.database, checkpoint, stream)


def test_a_page_is_not_fooled_by_a_changed_act_under_an_unchanged_row(hall: Hall, owner: Connection) -> None:
    checkpoint = hall.publisher.checkpoint()
    assert checkpoint is not None
    owner.execute(
        "UPDATE ledger.statements SET entry = set_byte(entry, 300, get_byte(entry, 300) # 1)"
        " WHERE stream = 'approval/a-1' AND seq = 2"
    )
    with pytest.raises(Evidence, match="were changed"):
        check_stream(hall.database, checkpoint, "approval/a-1")


def test_the_owner_takes_the_last_act_out_of_a_stream(hall: Hall, owner: Connection) -> None:
    """Rows and projection agree that it never was; the chain inside the case has no end, but the sweep knows."""
    owner.execute("UPDATE ledger.statements SET stream = 'approval/a-3' WHERE stream = 'approval/a-1' AND seq = 2")
    checkpoint = hall.publisher.checkpoint()
    assert checkpoint is not None
    with pytest.raises(Evidence):
        check_stream(hall.database, checkpoint, "approval/a-1")
    assert "column-changed" in {finding["code"] for finding in examine(hall.data).findings}


def test_the_doctor_names_the_row_and_what_to_do(hall: Hall, owner: Connection) -> None:
    owner.execute("UPDATE projections.approvals SET item = 'other' WHERE stream = 'approval/a-1'")
    (finding,) = examine(hall.data).findings
    assert (finding["part"], finding["row"], finding["columns"]) == (
        "projections",
        {"stream": "approval/a-1"},
        ["item"],
    )
    assert "mingjian rebuild" in finding["mend"]
    json.dumps(finding)
