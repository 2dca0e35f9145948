"""Every byte of every file counts, and so does every file that should not be there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import Unavailable
from ledger.statement import instant_us
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.note import Algorithm, Signer, add_lines, split_note
from ledger.tree.policy import Policy, Witness
from ledger.verify.files import Fault
from ledger.verify.log import verify_log

ENTRIES = "tile/entries/001"


def audit(folder: Path, book: Any, **options: Any) -> list[tuple[int | str, str]]:
    """Where and why, the first to begin with."""
    faults = verify_log(folder, book.policy, **({"workers": 1} | options)).faults
    return [(fault.where, fault.code) for fault in faults]


def flip(path: Path, at: int, bit: int = 0) -> None:
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1 << bit
    path.write_bytes(raw)


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_untouched_log_is_good_and_everything_was_looked_at(long_log: Path, long_book: Any) -> None:
    verdict = verify_log(long_log, long_book.policy)
    assert verdict.ok
    assert verdict.entries == verdict.signatures == long_book.size


def test_without_signatures_only_the_two_that_open_the_log_are_checked(long_log: Path, long_book: Any) -> None:
    verdict = verify_log(long_log, long_book.policy, signatures=False)
    assert (verdict.ok, verdict.entries, verdict.signatures) == (True, long_book.size, 2)


def test_the_log_needs_no_policy_file_of_its_own(folder: Path, long_book: Any) -> None:
    (folder / "policy").unlink()
    assert audit(folder, long_book) == []


@pytest.mark.parametrize(
    "name",
    [
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/103",
        "tile/1/000.p/2",
    ],
)
@pytest.mark.parametrize("at", [0, 33, -1])
def test_a_flipped_bit_in_a_tile_names_the_tile(folder: Path, long_book: Any, name: str, at: int) -> None:
    flip(folder / name, at)
    assert audit(folder, long_book)[0] == (name, "tile-hash")


@pytest.mark.parametrize("index", [0, 1, 2, 5, 255, 256, 400, 614])
def test_a_flipped_bit_in_an_entry_names_the_entry(folder: Path, long_book: Any, index: int) -> None:
    bundle = next((folder / "tile/entries").glob(f"{index // 256:03}*"))
    path = bundle if bundle.is_file() else next(bundle.iterdir())
    flip(path, path.read_bytes().index(long_book.entries[index]) + len(long_book.entries[index]) // 2)
    assert audit(folder, long_book)[0] == (index, "entry-hash")


def test_a_flipped_bit_in_the_length_of_an_entry_names_the_bundle(folder: Path, long_book: Any) -> None:
    flip(folder / ENTRIES, 1)
    assert audit(folder, long_book)[0] == (ENTRIES, "bundle")


@pytest.mark.parametrize("name", ["checkpoint", "policy"])
def test_any_flipped_bit_in_checkpoint_or_policy_names_the_file(folder: Path, long_book: Any, name: str) -> None:
    raw = (folder / name).read_bytes()
    for at in range(len(raw)):
        flip(folder / name, at, at % 8)
        assert audit(folder, long_book)[0][0] == name, at
        (folder / name).write_bytes(raw)


def test_each_missing_file_is_named(folder: Path, long_book: Any) -> None:
    for name in names(folder):
        raw = (folder / name).read_bytes()
        (folder / name).unlink()
        assert audit(folder, long_book) == ([] if name == "policy" else [(name, "file-missing")])
        (folder / name).write_bytes(raw)


@pytest.mark.parametrize(
    "name",
    [
        "README",
        ".checkpoint.17",
        "tile/0/003",
        "tile/0/002",
        "tile/0/002.p/102",
        "tile/0/002.p/104",
        "tile/0/x000/001",
        "tile/1/000",
        "tile/2/000.p/1",
        "tile/entries/002",
        "tile/entries/003.p/1",
        "tile/entries/000.p/256",
        "tile/00/000",
        "more/tile/0/000",
    ],
)
def test_a_file_that_a_log_of_this_size_does_not_have_is_named(folder: Path, long_book: Any, name: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"\0" * 32)
    (where, code), *_ = audit(folder, long_book)
    assert (name == where or name.startswith(f"{where}/"), code) == (True, "file-extra")


def test_what_is_no_plain_file_is_named_and_never_opened(folder: Path, long_book: Any) -> None:
    for name in ("checkpoint", "policy", "tile/0/001", ENTRIES):
        aside = folder.parent / "aside"
        (folder / name).rename(aside)
        for make in (lambda path: path.symlink_to(aside), os.mkfifo, lambda path: path.symlink_to("/dev/zero")):  # noqa: B023
            make(folder / name)
            assert audit(folder, long_book) == [(name, "file-kind")]
            (folder / name).unlink()
        aside.rename(folder / name)


@pytest.mark.parametrize("name", ["checkpoint", "policy", "tile/0/001", ENTRIES])
def test_a_folder_in_the_place_of_a_file_is_named(folder: Path, long_book: Any, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    assert audit(folder, long_book)[0][0] == name


@pytest.mark.parametrize("name", ["tile/0/001", "tile/1/000.p/2", ENTRIES])
def test_a_cut_or_longer_file_is_named(folder: Path, long_book: Any, name: str) -> None:
    raw = (folder / name).read_bytes()
    for changed in (b"", raw[:-1], raw + b"\0", raw + raw):
        (folder / name).write_bytes(changed)
        assert audit(folder, long_book)[0] in {(name, "file-size"), (name, "bundle")}


def test_no_file_is_read_beyond_what_it_may_hold(folder: Path, long_book: Any) -> None:
    for name in ("checkpoint", "tile/0/000", ENTRIES):
        raw = (folder / name).read_bytes()
        with (folder / name).open("ab") as file:
            file.truncate(1 << 40)  # sparse: a terabyte that is not there
        assert audit(folder, long_book) == [(name, "file-size")]
        (folder / name).write_bytes(raw)


def test_a_checkpoint_of_another_key_says_nothing(folder: Path, long_book: Any, keys: Any) -> None:
    head = Checkpoint(long_book.origin, long_book.size, long_book.root())
    (folder / "checkpoint").write_bytes(sign_checkpoint(head, Signer(long_book.origin, keys("a stranger"))))
    assert audit(folder, long_book) == [("checkpoint", "note-unverified")]


def test_an_auditor_of_another_log_accepts_nothing(folder: Path, long_book: Any, new_book: Any) -> None:
    another = new_book.opened(name="example.org/other")
    assert audit(folder, another) == [("checkpoint", "note-unverified")]


def test_the_logs_own_policy_decides_nothing(folder: Path, long_book: Any, new_book: Any) -> None:
    another = new_book.opened(name="example.org/other")
    (folder / "policy").write_bytes(another.policy.to_bytes())
    assert audit(folder, long_book) == [("policy", "policy")]


def test_a_witness_that_the_policy_asks_for_must_have_signed(folder: Path, long_book: Any, keys: Any) -> None:
    witness = Signer("witness.example/w1", keys("witness"), Algorithm.COSIGNATURE_V1)
    policy = Policy(logs=long_book.policy.logs, witnesses=(Witness("w1", witness.key),), quorum="w1")
    refused = verify_log(folder, policy, workers=1)
    assert [(fault.where, fault.code) for fault in refused.faults] == [("checkpoint", "quorum-not-met")]

    note = split_note((folder / "checkpoint").read_bytes())
    line = witness.sign(note.text, time_s=instant_us(long_book.now) // 1_000_000)
    (folder / "checkpoint").write_bytes(add_lines(note, [line]))
    accepted = verify_log(folder, policy, workers=1)
    assert accepted.ok
    assert accepted.signed is not None
    assert [one.key.name for one in accepted.signed.cosignatures] == ["witness.example/w1"]
    # To an auditor who does not know that witness its line is not wrong, but named as unknown.
    unasked = verify_log(folder, long_book.policy, workers=1)
    assert unasked.ok
    assert unasked.signed is not None
    assert [line.name for line in unasked.signed.unknown] == ["witness.example/w1"]


def test_a_checkpoint_of_an_older_size_does_not_cover_the_newer_files(folder: Path, long_book: Any, keys: Any) -> None:
    head = Checkpoint(long_book.origin, 554, long_book.root(554))
    (folder / "checkpoint").write_bytes(sign_checkpoint(head, Signer(long_book.origin, keys("log"))))
    assert audit(folder, long_book)[0][1] == "file-extra"


def test_a_folder_that_is_not_there_is_neither_good_nor_bad(tmp_path: Path, long_book: Any) -> None:
    with pytest.raises(Unavailable, match="no folder"):
        verify_log(tmp_path / "nowhere", long_book.policy)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_change_of_any_file_goes_unseen(folder: Path, long_book: Any, data: st.DataObject) -> None:
    path = folder / data.draw(st.sampled_from(names(folder)))
    raw = path.read_bytes()
    low = data.draw(st.integers(0, len(raw)))
    high = data.draw(st.integers(low, min(len(raw), low + 64)))
    path.write_bytes(raw[:low] + data.draw(st.binary(max_size=64)) + raw[high:])
    try:
        faults = verify_log(folder, long_book.policy, workers=1).faults
        same = path.read_bytes() == raw
    finally:
        path.write_bytes(raw)
    # The policy file is only compared for its log line; a comment in it is nobody's business.
    assert (not faults) == same or path.name == "policy"
    assert all(isinstance(fault, Fault) for fault in faults)
