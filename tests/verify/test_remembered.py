"""What an audit remembers of streams and batches is bounded in memory, and nothing of it is lost or changed."""

from __future__ import annotations

import gc
import pickle
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Unavailable
from ledger.statement import StatementId
from ledger.tree import stated
from ledger.verify import remembered
from ledger.verify.log import verify_log
from ledger.verify.remembered import Ended, Ends, Kept, Stream, Streams


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Only some are held in memory; the others go below the folder that is given back."""
    monkeypatch.setattr(remembered, "HELD", 10)
    monkeypatch.setattr(remembered, "NEAR", 8)
    monkeypatch.setattr(stated, "REACH", 20)
    monkeypatch.setattr(stated, "_BEHIND", 5)
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def stream(seq: int) -> Stream:
    return Stream(seq, StatementId(seq.to_bytes(32)), {"seq": seq})


def test_a_stream_is_given_back_as_it_was_left_however_long_ago(few: Path) -> None:
    known = Streams()
    for number in range(95):
        assert known.get(f"s/{number}") is None
        known.put(f"s/{number}", stream(1))
    for number in (3, 94, 3, 50):
        found = known.get(f"s/{number}")
        assert found is not None
        found.seq += 1
    for number in range(200, 240):
        known.put(f"s/{number}", stream(1))
    assert len(known._young) + len(known._old) <= 20
    again: Streams = pickle.loads(pickle.dumps(known))  # noqa: S301 – our own
    for one in (known, again):
        moved = {name: each.seq for name, each in one.all() if each.seq > 1}
        assert moved == {"s/3": 3, "s/50": 2, "s/94": 2}
        assert [name for name, _ in one.all()] == sorted(f"s/{n}" for n in (*range(95), *range(200, 240)))
    del known, again, one
    gc.collect()
    assert list(few.iterdir()) == []


def test_ends_are_found_by_their_size_and_no_others_are(few: Path) -> None:
    ends = Ends()
    ends.add(2, Ended(b"", 0))
    for number in range(50):
        ends.add(2 + 3 * number, Ended(number.to_bytes(32), number))
    for one in (ends, pickle.loads(pickle.dumps(ends)), pickle.loads(pickle.dumps(Ends()))):  # noqa: S301 – our own
        if one.get(2) is not None:
            assert [one.get(2 + 3 * number) for number in range(50)] == [
                Ended(number.to_bytes(32), number) for number in range(50)
            ]
        assert one.get(3) is None
        assert one.get(10_000) is None


def test_a_log_whose_streams_lie_aside_is_judged_alike(new_book: Any, tmp_path: Path, few: Path) -> None:
    """Streams are gone on with, begun twice and left with a gap, long after they were put aside."""

    def faults(last: Any) -> list[tuple[Any, str]]:
        book = new_book.importing()
        book.import_cases(60, events=2, per_batch=3)
        last(book)
        at = book.seal()
        verdict = verify_log(book.write(tmp_path / "log"), book.policy, workers=1, state=tmp_path / "state")
        (tmp_path / "state").unlink(missing_ok=True)
        return [(fault.where - at if isinstance(fault.where, int) else 0, fault.code) for fault in verdict.faults]

    assert faults(lambda book: book.imported(1, 3)) == []
    assert faults(lambda book: book.imported(1, 3, seq=9)) == [(1, "chain")]
    assert faults(lambda book: book.imported(1, 0, seq=1, prev=None)) == [(1, "chain")]
    assert faults(lambda book: book.imported(1, 3, seen_size=2, seen_root=book.root(2))) == []
    assert faults(lambda book: book.imported(1, 3, seen_size=3, seen_root=book.root(3))) == [(1, "seen")]


def test_a_temporary_folder_that_cannot_be_used_is_no_verdict(few: Path) -> None:
    few.rmdir()
    known: Kept[Stream] = Kept()
    known._old["s/1"] = stream(1)
    with pytest.raises(Unavailable, match="temporary folder"):
        known._put_aside()
