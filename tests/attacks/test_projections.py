"""The obvious attack: not on the tree, but on the row that a screen reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.doctor import examine
from api.tokens import Tokens
from ledger.door.hall import Hall
from ledger.errors import Evidence
from ledger.store.database import Connection
from projections.check import check_projections
from projections.checked import check_stream
from projections.runner import TABLES, Projector
from tests.running import serving

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


# ── From outside: over HTTP, with nothing of the server's ──────────────────────────────────────────────────

SEEN_OUTSIDE = [
    ("UPDATE projections.approvals SET stage = 'closed' WHERE stream = 'approval/a-1'", "approval/a-1"),
    ("UPDATE projections.approvals SET received_us = received_us - 1 WHERE stream = 'approval/a-1'", "approval/a-1"),
    ("UPDATE projections.approvals SET state = state || '{\"gaps\": [\"x\"]}'", "approval/a-1"),
    ("UPDATE projections.approval_open SET units = '{other}' WHERE stream = 'approval/a-2'", "approval/a-2"),
    ("UPDATE projections.approval_open SET from_index = from_index - 1 WHERE stream = 'approval/a-2'", "approval/a-2"),
    ("DELETE FROM projections.approval_open WHERE stream = 'approval/a-2'", "approval/a-2"),
    ("DELETE FROM projections.approvals WHERE stream = 'approval/a-2'", "approval/a-2: shown is no row"),
    ("INSERT INTO projections.approvals SELECT 'approval/b-1', item, item_version, unit, win, stage, suspended,"
     " applied_us, received_us, changed_us, first_index, last_index, acts, state FROM projections.approvals"
     " WHERE stream = 'approval/a-1'", "right is no row"),
    ("UPDATE projections.tickets SET taken_us = taken_us - 60000000", "ticket/t-1"),
    ("UPDATE projections.ticket_open SET win = 'w9'", "ticket/t-1"),
]  # fmt: skip


@pytest.fixture
def monitor(hall: Hall, say: Any, tmp_path: Path) -> Any:
    """One look of a monitor at the real server, which says what its tables hold as they are now."""
    policy, token = tmp_path / "policy", tmp_path / "token"
    policy.write_bytes(hall.policy().to_bytes())
    token.write_text(Tokens(hall.data).make("auditor"))
    words = ("--policy", policy, "--token-file", token, "--state", tmp_path / "monitor", "--once", "--jobs", "1")

    def look() -> tuple[int, dict[str, Any]]:
        with serving(hall) as base:
            code, found = say("monitor", base, *words, "--max-age", "1e8")
        return code, found

    return look


def test_a_monitor_recomputes_what_the_pages_show(hall: Hall, monitor: Any) -> None:
    for _ in range(2):
        code, found = monitor()
        assert (code, found["ok"], found["shown"]) == (0, True, hall.reader.head().size), found


@pytest.mark.attack("row-changed", ("monitor", "mingjian-verify monitor"))
def test_a_monitor_sees_a_changed_row_and_keeps_what_was_shown(
    hall: Hall, monitor: Any, owner: Connection, say: Any, tmp_path: Path
) -> None:
    """A row of a list or queue is changed, added or taken away: who follows the log from outside recomputes it."""
    for attack, named in SEEN_OUTSIDE:
        owner.execute(attack.encode())
        code, found = monitor()
        assert (code, found["code"]) == (1, "shown"), found
        assert named in found["reason"]
        code, shows = say("evidence", found["findings"][0]["evidence"], "--policy", tmp_path / "policy")
        assert (code, shows["kind"], shows["stands"]) == (0, "shown", "as-observed")
        Projector(hall.database).rebuild()
    assert monitor()[0] == 0


@pytest.mark.attack("row-changed", ("monitor", "mingjian-verify monitor"))
def test_a_server_that_says_no_more_what_its_pages_show_is_noticed(monitor: Any, owner: Connection) -> None:
    """The digest is not served any more, so that nobody may compare: the monitor has had it before, and alarms."""
    assert monitor()[0] == 0
    owner.execute("UPDATE projections.cursor SET position = 1")
    code, found = monitor()
    assert (code, [alarm["code"] for alarm in found["alarms"]]) == (4, ["shown-gone"])
