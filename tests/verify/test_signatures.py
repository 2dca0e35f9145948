"""Many signatures in many processes, and still the first bad one is named by its index."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ledger.verify.log import verify_log
from ledger.verify.signatures import CHUNK, SignatureChecker

WORKERS = [1, 2]


def spoil(entry: bytes) -> bytes:
    """The same statement, its signature no longer good."""
    changed = bytearray(entry)
    changed[-40] ^= 1
    return bytes(changed)


@pytest.mark.parametrize("workers", WORKERS)
def test_all_good(long_book: Any, keys: Any, workers: int) -> None:
    entries = [entry for entry in long_book.entries if b"imported.event" in entry]
    assert len(entries) < CHUNK
    with SignatureChecker(workers=workers) as checker:
        for index, entry in enumerate(entries * 3):
            checker.add(index, entry, keys("source/permits").public)
        assert checker.finish() is None
        assert checker.good == 3 * len(entries)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("bad", [(0,), (700,), (1499,), (1400, 3, 700), (705, 702, 704)])
def test_the_first_bad_one_is_named(long_book: Any, keys: Any, workers: int, bad: tuple[int, ...]) -> None:
    good = next(entry for entry in long_book.entries if b"imported.event" in entry)
    with SignatureChecker(workers=workers) as checker:
        for index in range(1500):
            checker.add(index, spoil(good) if index in bad else good, keys("source/permits").public)
        assert checker.finish() == min(bad)
        assert checker.good == 1500 - len(bad)


def test_it_may_be_left_before_its_end(long_book: Any, keys: Any) -> None:
    with SignatureChecker(workers=2) as checker:
        for index in range(5 * CHUNK):
            checker.add(index, long_book.entries[100], keys("source/permits").public)
    assert checker.good <= 5 * CHUNK


@pytest.mark.parametrize("workers", WORKERS)
def test_a_bad_signature_comes_before_a_rule_that_is_broken_later(new_book: Any, tmp_path: Path, workers: int) -> None:
    book = new_book.importing()
    book.import_cases(60, events=9, per_batch=10)
    book.imported(1, 10)
    book.replace_last(spoil(book.last))
    at = book.seal()
    book.imported(1, 11, seq=99)
    book.seal()
    verdict = verify_log(book.write(tmp_path / "log"), book.policy, workers=workers)
    assert [(fault.where, fault.code) for fault in verdict.faults] == [(at + 1, "signature")]


def test_without_signatures_a_bad_one_is_not_seen(new_book: Any, tmp_path: Path) -> None:
    book = new_book.importing()
    book.imported(1, 0)
    book.replace_last(spoil(book.last))
    book.seal()
    folder = book.write(tmp_path / "log")
    assert verify_log(folder, book.policy, signatures=False).ok
    assert not verify_log(folder, book.policy).ok


@pytest.mark.parametrize("seed", range(5))
def test_the_report_is_the_same_whatever_the_number_of_processes(new_book: Any, tmp_path: Path, seed: int) -> None:
    """A log in which nothing, one thing or two things are wrong: first fault, code, words and counts."""
    chance = random.Random(seed)
    book = new_book.importing()
    book.import_cases(60, events=9, per_batch=10)
    for case, wrong in enumerate(chance.choices(_WRONG, k=min(seed, 2)), start=chance.randrange(50)):
        wrong(book, case)
        book.seal()
        book.import_cases(2)
    folder = book.write(tmp_path / "log")
    one, *others = (verify_log(folder, book.policy, workers=workers) for workers in (1, 2, 3))
    assert one.ok == (seed == 0)
    for other in others:
        assert other.faults == one.faults
        # With a fault the counts are of what was reached, and signatures are checked ahead.
        assert other == (one if one.ok else replace(one, signatures=other.signatures))


def _spoiled(book: Any, case: int) -> None:
    book.imported(case, 10)
    book.replace_last(spoil(book.last))


_WRONG: list[Any] = [
    _spoiled,
    lambda book, case: book.imported(case, 10, seq=99),
    lambda book, case: book.imported(case, 10, role="key_officer"),
    lambda book, case: book.imported(case, 10, request="r-9"),
    lambda book, case: book.imported(case, 10, data={"ordinal": -1}),
    lambda book, case: book.imported(case, 10, seen_size=7),
]
