"""Erasing in the vault: chosen values go, the key they were salted with goes, everything else stays readable."""

from __future__ import annotations

from pathlib import Path

from ledger.disclosure import Disclosure, derive_salt, seal_value
from ledger.store.vault import Vault


def kept(vault: Vault, subject: str, *texts: str) -> list[Disclosure]:
    keys = vault.subject_keys([subject])
    values = [seal_value(derive_salt(keys[subject], text, "applicant"), "applicant", text) for text in texts]
    vault.add([(subject, one) for one in values], keys=keys)
    return values


def test_the_key_that_salts_come_from_goes_and_other_values_of_the_subject_stay(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.sqlite")
    gone, stays = kept(vault, "case/1", "张三", "李四")
    key = vault.subject_keys(["case/1"])["case/1"]
    assert vault.erase([("case/1", [gone.digest])], upto=7) == 1
    assert {digest: one.value for digest, one in vault.open([gone.digest, stays.digest]).items()} == {
        stays.digest: "李四"
    }
    assert vault.subject_keys(["case/1"])["case/1"] != key
    assert key not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert vault.erased_upto() == 7


def test_erasing_again_changes_nothing(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.sqlite")
    gone, stays = kept(vault, "case/1", "张三", "李四")
    vault.erase([("case/1", [gone.digest])], upto=7)
    key = vault.subject_keys(["case/1"])
    assert vault.erase([("case/1", [gone.digest])], upto=8) == 0
    assert vault.subject_keys(["case/1"]) == key
    assert vault.held([stays.digest]) == {stays.digest}


def test_a_value_kept_for_another_subject_is_found_by_its_digest(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.sqlite")
    [value] = kept(vault, "citizen/1", "张三")
    assert vault.erase([("case/1", [value.digest])], upto=7) == 1
    assert vault.held([value.digest]) == set()
    assert vault.digests_of("citizen/1") == []
