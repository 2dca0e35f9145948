"""What two persons erase is nowhere, stays nowhere, and everything else still holds."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from api.questions import case_history
from ledger.door.hall import open_ledger
from ledger.errors import NotAllowed, NotFound, Refused
from ledger.exchange.export_log import export_log
from ledger.exchange.export_xes import export_xes
from ledger.keys import SigningKey
from ledger.registry import erasure
from ledger.statement import Draft, open_statement, sign_statement
from ledger.store.vault import Vault
from ledger.verify.log import verify_log
from projections.runner import Projector


def found(office: Any) -> list[Any]:
    return list(office.hall.sweep().whole())


def history(office: Any, stream: str) -> dict[str, Any]:
    Projector(office.hall.database).catch_up()
    return case_history(office.hall, stream)


def copied(data: Path, folder: Path) -> Path:
    """A backup of the vault as it is now: the file alone, everything in it."""
    with sqlite3.connect(data / "vault.sqlite") as vault, sqlite3.connect(folder / "backup") as backup:
        vault.backup(backup)
    vault.close()
    backup.close()
    return folder / "backup"


def restore(backup: Path, data: Path) -> None:
    for name in ("vault.sqlite", "vault.sqlite-wal", "vault.sqlite-shm"):
        (data / name).unlink(missing_ok=True)
    shutil.copy(backup, data / "vault.sqlite")


def test_values_and_key_are_in_no_file_of_ours_and_the_log_says_who_erased_them(office: Any) -> None:
    stream, *others = office.streams()
    digests = office.digests(stream)
    [opened] = [one.value for one in office.hall.vault.open(digests).values() if "case" in one.value]
    kept = office.digests(others[0])
    key = office.hall.vault.subject_keys([stream])[stream]
    done = office.erased(stream)
    assert (done.digests, done.destroyed) == (len(digests), len(digests))
    assert office.hall.vault.held(digests) == set()
    assert office.hall.vault.held(kept) == set(kept)
    remains = b"".join(
        path.read_bytes() for path in office.hall.data.rglob("*") if path.is_file() and "postgres" not in path.parts
    )
    assert key not in remains
    assert opened["case"].encode() not in remains
    events = history(office, stream)["events"]
    assert all(event["erased_by"] == done.statements for event in events if event["sealed"])
    assert found(office) == []


def test_the_log_and_an_export_stay_good_and_say_erased_by(office: Any, tmp_path: Path) -> None:
    stream = office.streams()[1]
    index = office.erased(stream).statements[0]
    export_log(office.hall, tmp_path / "log")
    assert verify_log(tmp_path / "log", office.hall.publisher.policy).ok
    told = export_xes(office.hall, tmp_path / "out.xes", source="permits")
    text = (tmp_path / "out.xes").read_text("utf-8")
    assert told.erased
    assert f'key="mingjian:erased" value="rest by {index}"' in text


def test_an_old_copy_of_the_vault_is_purged_before_anything_is_served(office: Any, data: Path, tmp_path: Path) -> None:
    stream, kept = office.streams()[2:4]
    digests, others = office.digests(stream), office.digests(kept)
    backup = copied(data, tmp_path)
    office.erased(stream)
    office.hall.vault.close()
    restore(backup, data)
    before = Vault(data / "vault.sqlite")
    assert before.held(digests) == set(digests)
    before.close()
    with open_ledger(data) as hall:
        assert hall.vault.held([*digests, *others]) == set(others)
        assert list(hall.sweep().whole()) == []
        assert hall.findings.all() == []


def test_whoever_dies_between_statement_and_destruction_is_followed_by_the_next_start(office: Any, data: Path) -> None:
    stream = office.streams()[4]
    digests = office.digests(stream)
    office.stated(stream)
    assert office.hall.vault.held(digests) == set(digests)
    with open_ledger(data) as hall:
        assert hall.vault.held(digests) == set()


def test_nothing_is_erased_while_a_hold_stands(office: Any) -> None:
    stream = office.streams()[5]
    digests = office.digests(stream)
    [proposed] = erasure.propose(office.one, office.hall, stream, ground="pipl-47")
    hold = erasure.place_hold(office.one, stream, ground="complaint")
    with pytest.raises(Refused, match="hold stands: complaint") as refused:
        erasure.confirm(office.other, stream, proposed.id.hex())
    assert refused.value.code == "hold"
    with pytest.raises(Refused, match="hold stands"):
        erasure.propose(office.one, office.hall, stream, ground="pipl-47")
    assert office.hall.vault.held(digests) == set(digests)
    erasure.release_hold(office.one, hold.id.hex(), subject=stream, ground="closed")
    made = erasure.confirm(office.other, stream, proposed.id.hex())
    assert erasure.carry_out(office.hall, [made]).destroyed == len(digests)


def test_a_hold_is_released_once_and_only_where_it_stands(office: Any) -> None:
    one, other = office.streams()[6:8]
    hold = erasure.place_hold(office.one, one, ground="retention").id.hex()
    with pytest.raises(Refused, match="no such hold"):
        erasure.release_hold(office.one, hold, subject=other, ground="expired")
    erasure.release_hold(office.one, hold, subject=one, ground="expired")
    with pytest.raises(Refused, match="no such hold"):
        erasure.release_hold(office.one, hold, subject=one, ground="expired")


def test_one_person_cannot_erase(office: Any) -> None:
    stream = office.streams()[6]
    [proposed] = erasure.propose(office.one, office.hall, stream, ground="pipl-47")
    with pytest.raises(NotAllowed) as refused:
        erasure.confirm(office.one, stream, proposed.id.hex())
    assert refused.value.code == "two-persons"
    with pytest.raises(NotAllowed):
        erasure.propose(office.other, office.hall, stream, ground="pipl-47")


def test_what_is_confirmed_is_what_was_proposed(office: Any) -> None:
    stream = office.streams()[7]
    [proposed] = erasure.propose(office.one, office.hall, stream, ground="pipl-47")
    values = {"ground": "pipl-47", "digests": office.digests(stream)[1:], "proposal": proposed.id.hex()}
    with pytest.raises(NotAllowed) as refused:
        office.other.say(f"erasure/{stream}", "erasure.made.v1", values)
    assert refused.value.code == "proposal-content"


def test_a_person_is_erased_by_name_and_no_case_with_them(office: Any) -> None:
    stream = office.streams()[8]
    people = {
        event["data"]["resource"]: event["index"]
        for event in history(office, stream)["events"]
        if "resource" in event["data"]
    }
    pseudonym = next(iter(people))
    name = office.hall.vault.names([pseudonym])[pseudonym]
    subject = erasure.person_subject(office.hall, name)
    assert subject == f"person/{pseudonym}"
    values = office.digests(stream)
    assert office.erased(subject).destroyed == 1
    assert office.hall.vault.names([pseudonym]) == {}
    assert office.hall.vault.held(values) == set(values)
    assert erasure.person_subject(office.hall, name) is None
    with pytest.raises(NotFound, match="nothing is kept"):
        erasure.propose(office.one, office.hall, subject, ground="pipl-47")


def test_a_value_gone_without_a_statement_is_an_alarm(office: Any) -> None:
    stream = office.streams()[9]
    digests = office.digests(stream)
    keys = office.hall.vault.subject_keys([stream])
    values = [(stream, one) for one in office.hall.vault.open(digests).values()]
    office.hall.vault.forget(stream)
    alarms = found(office)
    assert {alarm.code for alarm in alarms} == {"value-gone"}
    assert sorted(digest for alarm in alarms for digest in alarm.details["digests"]) == digests
    assert {alarm.details["stream"] for alarm in alarms} == {stream}
    del keys
    office.hall.vault.add(values, keys=office.hall.vault.subject_keys([stream]))
    assert found(office) == []


def test_a_row_that_somebody_wrote_into_the_database_destroys_nothing(office: Any, data: Path) -> None:
    stream, victim = office.streams()[10:12]
    digests = office.digests(victim)
    [made] = office.stated(stream)
    act = next(open_statement(entry) for _, id_, entry in office.hall.reader.stream(made.stream) if id_ == made.id)
    draft = {name: getattr(act, name) for name in Draft.__dataclass_fields__}
    forged = Draft(**draft | {"stream": f"erasure/{victim}", "data": act.data | {"digests": digests}})
    entry = sign_statement(forged, SigningKey.generate())
    with office.hall.database.connect("owner") as owner:
        owner.execute("SET session_replication_role = replica")
        change = "UPDATE ledger.statements SET entry = %b WHERE id = %b"
        owner.execute(change, (entry, act.id))
        with open_ledger(data) as hall:
            assert hall.vault.held(digests) == set(digests)
            assert [finding["code"] for finding in hall.findings.all()] == ["entry-changed"]
        owner.execute(change, (act.entry, act.id))
    with open_ledger(data) as hall:
        assert hall.findings.all() == []


def test_projections_hold_nothing_of_what_is_sealed(office: Any) -> None:
    Projector(office.hall.database).catch_up()
    with office.hall.database.use("reader") as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname = 'projections'"
        ).fetchall()
        rows = (connection.execute(b"SELECT * FROM " + table.encode()) for (table,) in tables)
        text = "".join(str(found.fetchall()) for found in rows)
    values = [
        str(node[2])
        for stream in office.streams()
        for one in office.hall.vault.open(office.digests(stream)).values()
        for node in one.value["attributes"]
        if isinstance(node[2], str) and len(node[2]) > 6
    ]
    assert values
    assert not [value for value in values if value in text]
