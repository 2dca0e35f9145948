"""A table that cannot be read is refused with its line and the reason, before anything has happened."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Malformed, MingjianError, NotFound
from ledger.exchange import csv_in
from ledger.exchange.csv_in import Table, spool_csv
from ledger.exchange.xes import Limits, read_spool

STEPS = Table(case="case", time="at", activity="step")
HEAD = b"case,step,at\n"
GOOD = b"1,a,2024-01-01\n"


def refusal(folder: Path, content: bytes, table: Table = STEPS, **options: Any) -> Malformed:
    path, spool = folder / "table.csv", folder / "spool"
    path.write_bytes(content)
    with pytest.raises(Malformed) as caught:
        spool_csv(path, spool, table=table, **options)
    assert [one.name for one in folder.iterdir()] == ["table.csv"], "nothing is left behind"
    return caught.value


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        pytest.param(b"", 1, "empty", id="nothing at all"),
        pytest.param(b"\n\n", 1, "empty", id="only line ends"),
        pytest.param(gzip.compress(b""), 1, "empty", id="an empty gzip"),
        pytest.param(HEAD + GOOD + b"1,a\n", 3, "3 columns expected, 2 found", id="too few"),
        pytest.param(HEAD + b"1,a,2024-01-01,x\n" + GOOD, 2, "3 columns expected, 4 found", id="too many"),
        pytest.param(HEAD + b'1,"a\nb",2024-01-01\n1,x\n', 4, "2 found", id="behind a line end in quotes"),
        pytest.param(HEAD + GOOD + b'1,"a,2024-01-01\n' + GOOD * 5, 3, "never closed", id="a quote left open"),
        pytest.param(HEAD + b'1,"a"b,2024-01-01\n', 2, "closing quote", id="something behind a quote"),
        pytest.param(HEAD + GOOD * 3 + b"1,caf\xe9,2024-01-01\n", 5, "not utf-8", id="Latin-1"),
        pytest.param(HEAD + GOOD + b"1,\xe4\xb8", 3, "not utf-8", id="half a letter at the end"),
        pytest.param(("case,step,at\n1,a,x\n").encode("utf-16")[2:], 1, "zero byte", id="UTF-16 without its mark"),
        pytest.param(HEAD + b"1,a\0,2024-01-01\n", 2, "zero byte", id="zero"),
        pytest.param(b"case,step,at,step\n", 1, "two columns are called 'step'", id="a column twice"),
        pytest.param(b"case,step, at ,at\n", 1, "two columns are called 'at'", id="a column twice but for blanks"),
        pytest.param(HEAD + b"1," + b"a" * 5000 + b",2024-01-01\n", 2, "longer than 4,096", id="a long activity"),
        pytest.param(HEAD + b"1,a," + b"9" * 140_000 + b"\n", 2, "more than 131,072 letters", id="a long field"),
        pytest.param(gzip.compress(HEAD + GOOD * 50)[:-9], 1, "gzip", id="half a gzip"),
        pytest.param(b"\x1f\x8b\x08garbage", 1, "gzip", id="no gzip"),
    ],
)
def test_a_broken_table_names_its_line(tmp_path: Path, content: bytes, line: int, reason: str) -> None:
    error = refusal(tmp_path, content)
    assert error.details["line"] == line
    assert reason in error.details["reason"]
    assert f"line {line}: " in error.message
    assert error.mend


def test_a_column_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    error = refusal(tmp_path, b"Case;Step;At\n1;a;b\n")
    assert (error.code, error.details["missing"]) == ("no-column", ["case", "at", "step"])
    assert error.details["columns"] == ["Case", "Step", "At"]
    assert "'Case', 'Step', 'At'" in error.message
    assert refusal(tmp_path, HEAD, wanted=["secret"]).details["missing"] == ["secret"]


def test_a_wide_table_does_not_make_a_wide_message(tmp_path: Path) -> None:
    error = refusal(tmp_path, b",".join(b"column%d" % number for number in range(5_000)))
    assert len(error.message) < 1_500


@pytest.mark.parametrize("name", ["klingon", "zlib", "rot13", "base64"])
def test_an_encoding_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    table = Table(case="case", time="at", activity="step", encoding=name)
    assert "encoding" in refusal(tmp_path, HEAD, table).message


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_what_cannot_stand_between_columns_is_refused(tmp_path: Path, delimiter: str) -> None:
    assert refusal(tmp_path, HEAD, Table(case="case", time="at", delimiter=delimiter)).code == "delimiter"


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        spool_csv(tmp_path / "none.csv", tmp_path / "spool", table=STEPS)
    with pytest.raises(Malformed, match="folder"):
        spool_csv(tmp_path, tmp_path / "spool", table=STEPS)


@pytest.mark.parametrize(
    ("content", "limits", "reason"),
    [
        (HEAD + GOOD * 100, Limits(unpacked_bytes=1000), "larger than 1,000 bytes"),
        (HEAD + b"1,a," + b"9" * 3000 + b"\n", Limits(record_bytes=2000), "one row is larger than 2,000 letters"),
        (HEAD + b'1,"' + b"a\n" * 3000, Limits(record_bytes=2000), "one row is larger than 2,000 letters"),
        (HEAD + b"".join(b"%d,a,x\n" % n for n in range(20)), Limits(distinct=10), "more than 10 different cases"),
        (HEAD + b"".join(b"1,a%d,x\n" % n for n in range(20)), Limits(distinct=10), "more than 10 different"),
    ],
    ids=["size", "a line", "a row of many lines", "cases", "activities"],
)
def test_what_asks_too_much_is_refused(tmp_path: Path, content: bytes, limits: Limits, reason: str) -> None:
    assert reason in refusal(tmp_path, content, limits=limits).message


def test_a_gzip_that_grows_beyond_all_measure_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_in, "_RATIO_FROM_BYTES", 1 << 20)
    bomb = gzip.compress(HEAD + GOOD * 200_000)
    assert "bomb" in refusal(tmp_path, bomb).message


def test_no_bytes_whatever_do_anything_but_be_read_or_refused(tmp_path: Path) -> None:
    chance, path = random.Random(7), tmp_path / "table.csv"
    start = HEAD + GOOD * 5 + b'2,"x ""y""\nz",04/03/2024\n' + "3,受理,\n".encode()
    for number in range(400):
        content = bytearray(start)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(content))
            content[place : place + chance.randint(0, 3)] = chance.choice(
                [b'"', b",", b"\n", b"\r", b"\0", b"\xff", b"\xef\xbb\xbf", b";", b"", bytes([chance.randrange(256)])]
            )
        path.write_bytes(content)
        spool = tmp_path / f"spool{number}"
        try:
            summary = spool_csv(path, spool, table=STEPS)
        except MingjianError:
            assert not spool.exists()
        else:
            assert len(list(read_spool(spool))) == summary.traces + summary.events
