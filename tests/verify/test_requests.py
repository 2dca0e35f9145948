"""A request made twice is found however far apart the two lie, and what is remembered of them is bounded."""

from __future__ import annotations

import gc
import hashlib
import pickle
from pathlib import Path
from typing import Any

import pytest

from ledger.verify import requests
from ledger.verify.log import verify_log
from ledger.verify.requests import Requests


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Only ten are kept in memory; the others go below the folder that is given back."""
    monkeypatch.setattr(requests, "NEWEST", 10)
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def digest(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest()[:16]


@pytest.mark.parametrize("distance", [1, 9, 10, 11, 25, 94])
def test_the_second_one_is_found_at_any_distance(distance: int) -> None:
    known = Requests()
    numbers = [*range(95), 95 - distance, *range(200, 240)]
    at_once = next((index for index, number in enumerate(numbers) if not known.add(digest(number))), None)
    assert at_once in (None, 95)
    assert (at_once if at_once is not None else known.late()) == 95


def test_where_all_differ_none_is_found_and_nothing_stays_behind(few: Path) -> None:
    known = Requests()
    assert all(known.add(digest(number)) for number in range(95))
    assert known.late() is None
    assert sum(path.stat().st_size for path in few.rglob("*") if path.is_file()) == 95 * 24
    assert len(known._newest) <= requests.NEWEST
    del known
    gc.collect()
    assert list(few.iterdir()) == []


def test_what_is_kept_goes_on_with_all_of_them() -> None:
    known = Requests()
    assert all(known.add(digest(number)) for number in range(57))
    again = pickle.loads(pickle.dumps(known))  # noqa: S301 – our own
    del known
    assert again.add(digest(99))
    assert again.late() is None
    assert again.add(digest(3))
    assert again.late() == 58


def test_an_audit_names_the_second_one(new_book: Any, tmp_path: Path) -> None:
    book = new_book.importing()
    book.import_cases(12, events=5, per_batch=10)
    book.imported(500, 0, request="r-9")
    at = book.seal()
    book.import_cases(5, events=5, per_batch=10)
    folder, state = book.write(tmp_path / "log"), tmp_path / "state"
    faults = verify_log(folder, book.policy, workers=1, state=state).faults
    assert [(fault.where, fault.code) for fault in faults] == [(at + 1, "request")]
    # Also where something else is broken later, and not where it is broken before.
    book.imported(500, 1, seq=99)
    book.seal()
    faults = verify_log(book.write(tmp_path / "later"), book.policy, workers=1).faults
    assert [(fault.where, fault.code) for fault in faults] == [(at + 1, "request")]


def test_what_was_broken_before_comes_first(new_book: Any, tmp_path: Path) -> None:
    book = new_book.importing()
    book.import_cases(12, events=5, per_batch=10)
    book.imported(500, 0)
    book.imported(500, 1, seq=99)
    at = book.seal()
    book.imported(501, 0, request="r-9")
    book.seal()
    faults = verify_log(book.write(tmp_path / "log"), book.policy, workers=1).faults
    assert [(fault.where, fault.code) for fault in faults] == [(at + 2, "chain")]


def test_an_audit_in_steps_finds_it_too(new_book: Any, tmp_path: Path) -> None:
    book, state = new_book.importing(), tmp_path / "state"
    book.import_cases(12, events=5, per_batch=10)
    book.seal()
    assert verify_log(book.write(tmp_path / "log"), book.policy, workers=1, state=state).ok
    since = book.size
    book.imported(500, 0, request="r-9")
    at = book.seal()
    verdict = verify_log(book.write(tmp_path / "log"), book.policy, workers=1, state=state)
    assert verdict.since == since
    assert [(fault.where, fault.code) for fault in verdict.faults] == [(at + 1, "request")]
