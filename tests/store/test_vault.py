"""The vault: what was added is there, what is forgotten is nowhere, what was changed is told."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from ledger.disclosure import seal_value
from ledger.errors import Evidence, Unavailable
from ledger.store.vault import Vault


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "vault.sqlite")


def fill(vault: Vault, subject: str, text: str) -> str:
    keys = vault.subject_keys([subject])
    disclosure = seal_value(bytes(16), "applicant", text)
    vault.add([(subject, disclosure)], [(subject, f"pseudonym-{subject}", text)], keys=keys)
    return disclosure.digest


def test_it_is_open_to_its_owner_alone(tmp_path: Path, vault: Vault) -> None:
    fill(vault, "case/1", "张三")
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_forgotten_subject_is_nowhere_and_the_others_are_whole(tmp_path: Path, vault: Vault) -> None:
    forgotten, kept = fill(vault, "case/1", "张三"), fill(vault, "case/2", "李四")
    key = vault.subject_keys(["case/1"])["case/1"]
    path = tmp_path / "vault.sqlite"
    query = "SELECT d.sealed FROM disclosures d JOIN subjects s ON s.number = d.subject WHERE s.subject = 'case/1'"
    held = sqlite3.connect(path).execute(query).fetchone()[0]
    vault.subject_keys(["case/1"])
    assert vault.forget("case/1") == 2
    assert list(vault.open([forgotten, kept])) == [kept]
    assert vault.names(["pseudonym-case/1", "pseudonym-case/2"]) == {"pseudonym-case/2": "李四"}
    remains = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert key not in remains
    assert held not in remains


def test_forgetting_is_not_reported_as_done_while_a_reader_keeps_the_remains(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.sqlite")
    fill(vault, "case/1", "张三")
    vault._db.execute("PRAGMA busy_timeout = 100")
    with sqlite3.connect(tmp_path / "vault.sqlite", isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM disclosures").fetchone()
        with pytest.raises(Unavailable, match="remains"):
            vault.forget("case/1")
        reader.execute("COMMIT")
    reader.close()
    assert vault.forget("case/1") == 0


def test_a_changed_value_is_evidence(tmp_path: Path, vault: Vault) -> None:
    digest = fill(vault, "case/1", "张三")
    with sqlite3.connect(tmp_path / "vault.sqlite") as other:
        (sealed,) = other.execute("SELECT sealed FROM disclosures").fetchone()
        changed = sealed[:20] + bytes([sealed[20] ^ 1]) + sealed[21:]
        other.execute("UPDATE disclosures SET sealed = ?", (changed,))
    other.close()
    with pytest.raises(Evidence, match="was changed"):
        vault.open([digest])


def test_a_value_put_in_the_place_of_another_is_evidence(tmp_path: Path, vault: Vault) -> None:
    keys = vault.subject_keys(["case/1"])
    one, two = (seal_value(bytes(16), "applicant", name) for name in ("张三", "李四"))
    vault.add([("case/1", one), ("case/1", two)], keys=keys)
    with sqlite3.connect(tmp_path / "vault.sqlite") as other:
        sealed = [row[0] for row in other.execute("SELECT sealed FROM disclosures ORDER BY digest")]
        other.execute("UPDATE disclosures SET sealed = ? WHERE sealed = ?", sealed)
    other.close()
    with pytest.raises(Evidence):
        vault.open([one.digest, two.digest])


def test_adding_again_changes_nothing(vault: Vault) -> None:
    assert fill(vault, "case/1", "张三") == fill(vault, "case/1", "张三")
    assert vault.forget("case/1") == 2


def test_a_value_of_a_subject_that_was_forgotten_meanwhile_is_not_taken_for_kept(vault: Vault) -> None:
    keys = vault.subject_keys(["case/1"])
    vault.forget("case/1")
    disclosure = seal_value(bytes(16), "applicant", "张三")
    with pytest.raises(Unavailable, match="forgotten"):
        vault.add([("case/1", disclosure)], keys=keys)
    vault.subject_keys(["case/1"])
    with pytest.raises(Unavailable, match="forgotten"):
        vault.add([("case/1", disclosure)], keys=keys)
    assert vault.open([disclosure.digest]) == {}


OLD_LAYOUT = """
CREATE TABLE subjects (subject TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE disclosures (digest BLOB PRIMARY KEY, subject TEXT NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX disclosures_by_subject ON disclosures (subject);
CREATE TABLE names (pseudonym TEXT PRIMARY KEY, subject TEXT NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX names_by_subject ON names (subject);
INSERT INTO subjects SELECT subject, key FROM new.subjects;
INSERT INTO disclosures
    SELECT digest, s.subject, sealed FROM new.disclosures d JOIN new.subjects s ON number = d.subject;
INSERT INTO names SELECT pseudonym, s.subject, sealed FROM new.names n JOIN new.subjects s ON number = n.subject;
"""


def test_a_vault_of_the_first_layout_is_read_on(tmp_path: Path, vault: Vault) -> None:
    digests = [fill(vault, "case/1", "张三"), fill(vault, "case/2", "李四")]
    vault.close()
    with sqlite3.connect(tmp_path / "old.sqlite", isolation_level=None) as other:
        other.execute("ATTACH ? AS new", (str(tmp_path / "vault.sqlite"),))
        other.executescript(OLD_LAYOUT)
    other.close()
    for _ in range(2):  # rewritten at the first opening, and left alone by the next
        old = Vault(tmp_path / "old.sqlite")
        opened = old.open(digests)
        assert [opened[digest].value for digest in digests] == ["张三", "李四"]
        assert old.named(["pseudonym-case/1", "pseudonym-case/3"]) == {"pseudonym-case/1"}
        old.close()
    old = Vault(tmp_path / "old.sqlite")
    assert old.forget("case/1") == 2
    assert list(old.open(digests)) == digests[1:]
    old.close()


def test_a_file_that_is_no_vault_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "vault.sqlite").write_bytes(b"not a database" * 100)
    with pytest.raises(Unavailable):
        Vault(tmp_path / "vault.sqlite")
