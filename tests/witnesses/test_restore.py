"""Going back is refused at the start by whoever remembers more, and the way out puts back what was lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.door.desk import Desk
from ledger.door.door import Wish
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.door.keyring import Keyring
from ledger.errors import Evidence, Refused
from ledger.exchange.export_log import export_log
from ledger.facts.registry import CLOCK_ACTOR
from ledger.keys import SigningKey
from ledger.statement import instant_text, open_statement
from ledger.store.published import log_policy
from ledger.store.sequencer import now_us
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.note import Signer, split_note

Command = Callable[..., tuple[int, Any]]


def size_of(note: bytes) -> int:
    return Checkpoint.parse(split_note(note).text).size


@dataclass
class Lost:
    """A ledger put back to an older copy of its whole folder, what was exported before, and who remembers more."""

    data: Path
    export: Path
    size: int
    lost_from: int
    witness: Any


@pytest.fixture
def lost(data: Path, tmp_path: Path, witness: Any, register: Any, state: Any, until: Any) -> Lost:

    one = witness("w1")
    with open_ledger(data) as hall:
        with hall.sequencing():
            register(hall, one)
            until(lambda: hall.publisher.served() is not None)
        lost_from = hall.reader.head().size
    shutil.copytree(data, tmp_path / "older")
    with open_ledger(data) as hall:
        with hall.sequencing():
            for number in range(3):
                state(hall, number)
            # A governing act among what is lost, and a person who gets a key by it.
            hall.source_key("permits")
            last = hall.reader.last_entry("key/source/permits")
            assert last is not None
            given = open_statement(last).id
            until(lambda: hall.reader.placed([given]) and is_cosigned(hall))
        # A mirror holds what was signed, cosigned or not.
        export_log(hall, tmp_path / "export", latest=True)
        size = hall.reader.head().size
    until(lambda: not (data / "postgres" / "cluster" / "postmaster.pid").exists())
    shutil.rmtree(data)
    shutil.move(tmp_path / "older", data)
    return Lost(data, tmp_path / "export", size, lost_from, one)


def is_cosigned(hall: Hall) -> bool:
    served, newest = hall.publisher.served(), hall.publisher.latest()
    assert newest is not None
    return served is not None and served.checkpoint == newest.checkpoint


def test_a_start_on_an_older_copy_is_refused_by_the_witness_and_both_notes_are_kept(lost: Lost) -> None:
    """Also the folder's own memory was put back, and says nothing."""
    with open_ledger(lost.data) as hall:
        hall.publisher.check_start()
        with pytest.raises(Evidence) as caught, hall.sequencing():
            pass
        assert caught.value.code == "witness-ahead"
        (place,) = (lost.data / "evidence").iterdir()
        assert size_of((place / "ours").read_bytes()) == lost.lost_from
        assert lost.lost_from < size_of((place / "theirs").read_bytes()) <= lost.size
        assert json.loads((place / "error.json").read_bytes())["error"]["code"] == "witness-ahead"
        # Once more is the same evidence.
        with pytest.raises(Evidence), hall.sequencing():
            pass
        assert len(list((lost.data / "evidence").iterdir())) == 1
        assert hall.reader.head().size == lost.lost_from


def test_the_way_out_puts_back_every_entry_and_the_log_goes_on(
    lost: Lost, command: Command, state: Any, until: Any, tmp_path: Path
) -> None:
    code, said = command("keys", "list", "--data", lost.data)
    assert code == 0
    code, said = command("log", "repair", "--from", lost.export, "--data", lost.data)
    assert code == 0, said
    assert (said["from"], said["size"], said["added"]) == (lost.lost_from, lost.size, lost.size - lost.lost_from)
    assert said["witnesses_asked"] == 1
    with open_ledger(lost.data) as hall:
        assert list(hall.sweep().whole()) == []
        before = hall.reader.head()
        with hall.sequencing():
            # The key that the lost act brought is valid again, and requests made then are remembered.
            assert hall.door.registry()[1].active_keys("source/permits") != []
            state(hall, 1)
            assert hall.reader.head().size == before.size
            state(hall, 7)
            until(lambda: is_cosigned(hall))
        assert hall.reader.head().size > lost.size
        assert list(hall.sweep().whole()) == []
        policy = tmp_path / "policy"
        policy.write_bytes(hall.policy().to_bytes())
    assert command("export", "log", tmp_path / "after", "--data", lost.data)[0] == 0
    code, said = command("log", tmp_path / "after", "--policy", policy, program="mingjian-verify")
    assert (code, said["ok"]) == (0, True), said
    for file in sorted((lost.export / "tile" / "entries").iterdir()):
        whole = next((tmp_path / "after" / "tile" / "entries").glob("**/*.p/*" if file.is_dir() else file.name))
        assert whole.read_bytes().startswith(next(file.iterdir()).read_bytes() if file.is_dir() else file.read_bytes())
    code, said = command("log", "repair", "--from", lost.export, "--data", lost.data)
    assert (code, said["error"]["code"]) == (1, "copy-short")


def test_what_was_acknowledged_since_the_restore_gets_its_place_after_what_was_lost(
    lost: Lost, command: Command
) -> None:
    with open_ledger(lost.data) as hall:
        wish = Wish(
            actor=CLOCK_ACTOR,
            role="system_clock",
            stream="heads",
            type="heads.stated.v1",
            at=instant_text(now_us()),
            request="heads-2",
            values={"size": 2, "count": 1, "root": "00" * 32},
        )
        waiting = hall.door.submit(wish, hall.keyring.own("clock"))
    assert command("log", "repair", "--from", lost.export, "--data", lost.data)[0] == 0
    with open_ledger(lost.data) as hall, hall.sequencing():
        assert hall.wait_placed([waiting], timeout_s=10)[waiting.id] > lost.size
        assert list(hall.sweep().whole()) == []


def test_what_governs_and_was_stated_since_the_restore_is_in_the_way_and_nothing_is_changed(
    lost: Lost, command: Command, state: Any
) -> None:
    """Somebody was told yes after the restore, before anybody saw that it was one."""
    with open_ledger(lost.data) as hall:
        (first, key), _ = hall.officers()

        desk = Desk(door=hall.door, actor=first, key=key, role="key_officer")
        # Of a stream that was not touched by what was lost.
        values = {"change": "staff.appointed.v1", "content": {"person": "00" * 16, "roles": ["auditor"]}}
        waiting = desk.say("staff/late", "staff.change_proposed.v1", values)
    code, said = command("log", "repair", "--from", lost.export, "--data", lost.data)
    # It governs, so its number among what governs is taken by what was lost: that is said, and nothing is changed.
    assert (code, said["error"]["code"]) == (1, "repair-conflict")
    with open_ledger(lost.data) as hall:
        assert hall.reader.head().size == lost.lost_from
        assert hall.reader.placed([waiting.id]) == {}


def test_a_copy_that_is_too_short_or_of_another_history_is_refused(
    lost: Lost, command: Command, tmp_path: Path
) -> None:
    with open_ledger(lost.data) as hall:
        export_log(hall, tmp_path / "short", latest=True)
        size = hall.reader.head().size
    code, said = command("log", "repair", "--from", tmp_path / "short", "--data", lost.data)
    assert (code, said["error"]["code"]) == (1, "copy-short")
    assert lost.lost_from < said["error"]["signed"] <= lost.size
    # One bit of one lost entry.
    (bundle,) = (path for path in (lost.export / "tile" / "entries").rglob("*") if path.is_file())
    raw = bytearray(bundle.read_bytes())
    raw[-1] ^= 1
    bundle.write_bytes(raw)
    code, said = command("log", "repair", "--from", lost.export, "--data", lost.data)
    assert (code, said["error"]["code"]) == (1, "forked")
    with open_ledger(lost.data) as hall:
        assert hall.reader.head().size == size
    code, said = command("log", "repair", "--from", tmp_path / "nothing", "--data", lost.data)
    assert (code, said["error"]["code"]) == (1, "no-file")


def test_a_successor_of_a_head_that_never_was_signed_is_refused(lost: Lost, command: Command, tmp_path: Path) -> None:
    """The operator leaves out the end of the old log and lets the new one go on from an earlier place."""
    code, said = command("log", "close", "--yes", "--data", lost.data)
    head = Checkpoint.parse(split_note(said["note"].encode()).text)
    shorter = Checkpoint(head.origin, head.size - 1, bytes(32))
    stranger = sign_checkpoint(shorter, Signer(head.origin, SigningKey.generate()))
    create_ledger(tmp_path / "successor", successor_of=stranger)
    with open_ledger(tmp_path / "successor") as hall:
        export_log(hall, tmp_path / "next")
        new = hall.policy().to_bytes()
    both = b"\n".join([log_policy(head.origin, key_of(lost.data)).to_bytes().splitlines()[0], new])
    (tmp_path / "policy").write_bytes(both)
    code, told = command("log", tmp_path / "next", "--policy", tmp_path / "policy", program="mingjian-verify")
    assert (code, told["first_bad"], told["code"]) == (1, 0, "successor")


def key_of(data: Path) -> bytes:
    return Keyring(data).own("log").public


def test_the_way_out_is_open_over_http_from_any_mirror(
    lost: Lost, command: Command, tmp_path: Path, files: Any, until: Any
) -> None:
    """Another organisation has followed with ``mingjian-verify mirror`` and serves its copy as plain files."""
    policy = tmp_path / "policy"
    origin = (lost.export / "checkpoint").read_text().split("\n")[0]
    policy.write_bytes(log_policy(origin, key_of(lost.data)).to_bytes())
    with files(lost.export) as there:
        words = ("mirror", there, tmp_path / "mirror", "--policy", policy)
        assert command(*words, program="mingjian-verify")[0] == 0
    with files(tmp_path / "mirror") as url:
        code, said = command("log", "repair", "--from", url, "--data", lost.data)
        assert (code, said.get("added")) == (0, lost.size - lost.lost_from), said
    with open_ledger(lost.data) as hall:
        assert list(hall.sweep().whole()) == []
        with hall.sequencing():
            until(lambda: is_cosigned(hall))
    # A mirror that is not there is said to be so.
    code, said = command("log", "repair", "--from", url, "--data", lost.data)
    assert (code, said["error"]["code"]) == (3, "unreachable")


def test_only_the_database_was_put_back(lost: Lost, command: Command, tmp_path: Path) -> None:
    """The guard beside it remembers; with no witness in reach the copy must still end where the guard does."""
    lost.witness.end()
    (lost.data / "head").write_bytes((lost.export / "checkpoint").read_bytes())
    with open_ledger(lost.data) as hall, pytest.raises(Evidence, match="rolled back"), hall.sequencing():
        pass
    assert command("log", "repair", "--from", lost.export, "--data", lost.data)[0] == 0
    with open_ledger(lost.data) as hall, hall.sequencing():
        assert hall.reader.head().size == lost.size


def test_where_nobody_has_the_entries_the_log_is_closed_and_a_successor_names_its_last_head(
    lost: Lost, command: Command, tmp_path: Path
) -> None:
    code, said = command("log", "close", "--data", lost.data)
    assert (code, said["error"]["code"]) == (1, "close")
    code, said = command("log", "close", "--yes", "--data", lost.data)
    assert (code, said["size"]) == (0, lost.lost_from)
    with open_ledger(lost.data) as hall, pytest.raises(Refused, match="closed"), hall.sequencing():
        pass
    last = tmp_path / "last"
    last.write_text(said["note"])
    create_ledger(tmp_path / "successor", successor_of=last.read_bytes())
    was = {"origin": said["note"].split("\n")[0], "size": said["size"], "root": said["root"]}
    with open_ledger(tmp_path / "successor") as hall:
        export_log(hall, tmp_path / "next")
        new, old = hall.policy().to_bytes(), log_policy(was["origin"], key_of(lost.data)).to_bytes()
    # Whoever has the old log's key in the policy has its signature checked, too.
    both = b"\n".join([old.splitlines()[0], new])
    for text, signed in ((new, None), (both, True)):
        (tmp_path / "policy").write_bytes(text)
        code, told = command("log", tmp_path / "next", "--policy", tmp_path / "policy", program="mingjian-verify")
        assert (code, told["successor_of"]) == (0, was | {"signed": signed}), told
    with open_ledger(tmp_path / "successor") as hall:
        (entry,) = hall.reader.entries(0, 1)
        assert open_statement(entry.entry).data["successor_of"] == said["note"]
        with hall.sequencing():
            pass
