"""The keys kept here: whole or not there, for their owner alone, never overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.door.hall import create_ledger, open_ledger
from ledger.door.keyring import Keyring
from ledger.errors import Evidence, NotFound
from ledger.store.published import Publisher


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    made = Keyring(tmp_path)
    made.make()
    return made


def test_files_and_folder_are_closed_to_others(keyring: Keyring) -> None:
    keyring.make_actor("staff/li")
    paths = [keyring.folder, *(path for path in keyring.folder.rglob("*") if path.is_file())]
    assert len(paths) == 7
    assert {path.stat().st_mode & 0o077 for path in paths} == {0}


def test_a_key_is_never_overwritten(keyring: Keyring) -> None:
    before = {path: path.read_bytes() for path in keyring.folder.rglob("*") if path.is_file()}
    keyring.make()
    assert {path: path.read_bytes() for path in keyring.folder.rglob("*") if path.is_file()} == before
    assert keyring.make_actor("staff/li").public == keyring.make_actor("staff/li").public


def test_a_half_written_key_of_a_process_that_died_is_in_nobodys_way(keyring: Keyring) -> None:
    (keyring.folder / "actors" / ".new-abc").write_bytes(b"-----BEGIN")
    assert keyring.make_actor("staff/li").public == keyring.actor("staff/li").public
    assert keyring.keeps("staff/li")


def test_a_missing_key_is_named(keyring: Keyring) -> None:
    (keyring.folder / "clock.pem").unlink()
    with pytest.raises(NotFound, match=r"clock\.pem"):
        keyring.own("clock")
    with pytest.raises(NotFound):
        keyring.actor("staff/wang")


def test_an_opening_that_was_cut_off_can_be_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the remembered head and the database's, and between the database and the first publication."""
    data = tmp_path / "data"

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    class NeverPublishing(Publisher):
        publish = cut

    # The name in the door, not the class: other ledgers of this process go on publishing.
    for name, replaced in (("write_genesis", cut), ("Publisher", NeverPublishing)):
        with monkeypatch.context() as patch:
            patch.setattr(f"ledger.door.hall.{name}", replaced)
            with pytest.raises(KeyboardInterrupt):
                create_ledger(data)
    with open_ledger(data) as hall:
        with hall.sequencing():
            pass
        published = hall.publisher.checkpoint()
        assert published is not None
        assert published.size == hall.reader.head().size


def test_an_emptied_database_is_not_opened_anew_in_the_folder_that_remembers(tmp_path: Path) -> None:
    data = tmp_path / "data"
    create_ledger(data)
    with open_ledger(data) as hall:
        size = hall.reader.head().size
        with hall.database.connect("owner") as owner:
            owner.execute("DROP SCHEMA ledger CASCADE; DROP TABLE public.mingjian_migrations")
    with pytest.raises(Evidence) as caught:
        create_ledger(data)
    assert (caught.value.code, caught.value.details["signed"]) == ("rolled-back", size)
    with pytest.raises(Evidence), open_ledger(data):
        pytest.fail("it must not open")
