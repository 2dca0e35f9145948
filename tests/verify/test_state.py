"""An audit remembers: the next one reads only what is new, finds the same, and sees that a log went back or forked."""

from __future__ import annotations

import hashlib
import pickle
import zlib
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from ledger.verify import log as audit_of_log
from ledger.verify.log import Verdict, verify_log
from ledger.verify.state import load_state


def same(verdict: Verdict) -> tuple[Any, ...]:
    return verdict.faults, verdict.entries, verdict.signatures, verdict.voided, verdict.suspect, verdict.outside


def grow(book: Any, step: int) -> None:
    """Something of every kind that is remembered."""
    if step == 1:
        book.import_cases(40, events=1, per_batch=7)
    book.imported(500 + step, 0)
    book.seal()
    if step == 2:
        book.add_key("source/other")
        book.imported(500 + step, 1, role="key_officer")
        book.void("role")
        book.seal()
    for case in range(1000 * step, 1000 * step + 100):
        book.imported(case, 0)
    book.seal()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_in_steps_it_finds_what_it_finds_at_once(new_book: Any, tmp_path: Path, state: Path) -> None:
    book = new_book.importing()
    since = 0
    for step in range(1, 5):
        grow(book, step)
        folder = book.write(tmp_path / "log")
        verdict = verify_log(folder, book.policy, workers=1, state=state)
        assert verdict.since == since
        assert same(verdict) == same(verify_log(folder, book.policy, workers=1))
        assert verdict.ok
        since = book.size
    again = verify_log(folder, book.policy, workers=1, state=state)
    assert (again.ok, again.since, again.signatures) == (True, book.size, verdict.signatures)


def test_rules_go_on_where_they_were(new_book: Any, tmp_path: Path, state: Path) -> None:
    """A request made twice, a stream with a gap: over the seam too."""
    book = new_book.importing()
    grow(book, 1)
    assert verify_log(book.write(tmp_path / "log"), book.policy, workers=1, state=state).ok
    for how, code in (({"request": "r-9"}, "request"), ({"seq": 7}, "chain"), ({"seen_size": 3}, "seen")):
        changed = deepcopy(book)
        changed.imported(501, 1, **how)
        at = changed.seal()
        verdict = verify_log(changed.write(tmp_path / "log"), book.policy, workers=1, state=state)
        assert [(fault.where, fault.code) for fault in verdict.faults] == [(at + 1, code)]
    # What was found bad was not remembered.
    book.seal()
    assert verify_log(book.write(tmp_path / "log"), book.policy, workers=1, state=state).ok


def test_what_was_verified_is_not_read_again_but_binds(new_book: Any, tmp_path: Path, state: Path) -> None:
    book = new_book.importing()
    grow(book, 1)
    grow(book, 2)
    assert verify_log(book.write(tmp_path / "log"), book.policy, workers=1, state=state).ok
    # The whole log is written anew, from an early entry on, and is good in itself.
    forked = new_book.importing()
    forked.imported(777, 0)
    forked.seal()
    for step in (1, 2, 3):
        grow(forked, step)
    folder = forked.write(tmp_path / "forked")
    assert verify_log(folder, forked.policy, workers=1).ok
    assert forked.size > book.size
    verdict = verify_log(folder, forked.policy, workers=1, state=state)
    assert "not-joined" in [fault.code for fault in verdict.faults]


def test_a_log_that_went_back_is_seen(new_book: Any, tmp_path: Path, state: Path) -> None:
    book = new_book.importing()
    size = book.size
    grow(book, 1)
    assert verify_log(book.write(tmp_path / "log"), book.policy, workers=1, state=state).ok
    verdict = verify_log(book.write(tmp_path / "log", size=size), book.policy, workers=1, state=state)
    assert [(fault.where, fault.code) for fault in verdict.faults] == [("checkpoint", "went-back")]


def test_an_audit_without_signatures_does_not_stand_for_one_with_them(
    new_book: Any, tmp_path: Path, state: Path
) -> None:
    book = new_book.importing()
    folder = book.write(tmp_path / "log")
    verify_log(folder, book.policy, workers=1, state=state, signatures=False)
    assert verify_log(folder, book.policy, workers=1, state=state).since == 0
    assert verify_log(folder, book.policy, workers=1, state=state, signatures=False).since == book.size


def test_a_broken_off_audit_goes_on(
    long_log: Path, long_book: Any, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_of_log, "KEEP_EVERY_S", 0.0)

    def stop(done: int, _size: int) -> None:
        if done > 256:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify_log(long_log, long_book.policy, workers=1, state=state, progress=stop)
    verdict = verify_log(long_log, long_book.policy, workers=1, state=state)
    assert (verdict.ok, verdict.since, verdict.signatures) == (True, 256, long_book.size)


def test_a_file_that_is_not_ours_is_as_none(new_book: Any, tmp_path: Path, state: Path) -> None:
    book = new_book.importing()
    folder = book.write(tmp_path / "log")
    verify_log(folder, book.policy, workers=1, state=state)
    good = state.read_bytes()
    magic = good[: good.index(b"\n") + 1]
    evil = zlib.compress(pickle.dumps((print, {})))
    for raw in (b"", good[:-1], good[:60], b"x" + good, magic + hashlib.sha256(evil).digest() + evil):
        state.write_bytes(raw)
        assert load_state(state, book.policy, signatures=True) is None
    flipped = bytearray(good)
    flipped[200] ^= 1
    state.write_bytes(flipped)
    assert verify_log(folder, book.policy, workers=1, state=state).since == 0
    another = new_book.opened(name="example.org/other")
    assert load_state(state, book.policy, signatures=True) is not None
    assert load_state(state, another.policy, signatures=True) is None
