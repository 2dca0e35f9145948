"""Files of records: every shape, every encoding, and what wants to hurt."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.exchange.adapters.contracts import contract
from ledger.exchange.adapters.reading import MAX_RECORD_BYTES, Sheet, json_records, parse, split_records, table_records

RECORDS: list[dict[str, Any]] = [{"id": "1", "t": 'a"[{,\\'}, {"id": "2", "n": [1, {"x": "中"}]}, {"id": "3"}]


def values(path: Path, **how: Any) -> list[Any]:
    return [parse(raw.data) for raw in json_records(path, **how)]


SHAPES = {
    "an array": json.dumps(RECORDS),
    "an array over lines": json.dumps(RECORDS, indent=2, ensure_ascii=False),
    "lines": "\n".join(map(json.dumps, RECORDS)),
    "lines with carriage returns and gaps": "\r\n\r\n".join(map(json.dumps, RECORDS)) + "\r\n",
    "objects behind each other": "\n".join(json.dumps(one, indent=1) for one in RECORDS),
    "an object that holds them": json.dumps({"about": ["x", {"records": 1}], "records": RECORDS, "n": 3}, indent=1),
    "the same in one line": json.dumps({"records": RECORDS}),
    "a byte-order mark": "\ufeff" + json.dumps(RECORDS),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_read(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(SHAPES[shape], "utf-8")
    assert values(path) == RECORDS


@pytest.mark.parametrize("encoding", ["gb18030", "utf-16"])
def test_other_encodings_are_read_when_they_are_named(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(json.dumps(RECORDS, ensure_ascii=False).encode(encoding))
    assert values(path, encoding=encoding) == RECORDS
    with pytest.raises(Malformed, match="not utf-8") as refused:
        values(path)
    assert refused.value.code == "encoding"


def test_packed_files_are_read(tmp_path: Path) -> None:
    gz, zipped = tmp_path / "r.json.gz", tmp_path / "r.zip"
    gz.write_bytes(gzip.compress(json.dumps(RECORDS).encode()))
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r.json", json.dumps(RECORDS))
    assert values(gz) == values(zipped) == RECORDS


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=4),
            st.recursive(st.none() | st.text(max_size=6) | st.integers(), lambda v: st.lists(v, max_size=3)),
        ),
        max_size=4,
    ),
    st.sampled_from([None, 1]),
)
def test_an_array_is_split_into_the_very_records_it_holds(records: list[Any], indent: int | None) -> None:
    found = [json.loads(raw.data) for raw in split_records(json.dumps(records, indent=indent).encode(), names=())]
    assert found == records


@pytest.mark.parametrize("text", ['{"id": "1"}\n{"id": \n{"id": "3"}\n', '[{"id": "1"},\n{"id" "2"},\n{"id": "3"}]'])
def test_a_broken_line_or_element_does_not_parse_and_the_others_are_read(tmp_path: Path, text: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    first, broken, last = json_records(path)
    assert (first.line, broken.line, last.line) == (1, 2, 3)
    assert (parse(first.data), parse(last.data)) == ({"id": "1"}, {"id": "3"})
    with pytest.raises(Malformed, match="no JSON"):
        parse(broken.data)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": "\\ud800"}',
        '{"a": "\\u0000"}',
        "[" * 100_000,
        "9" * 5000,
        '{"a": "\t"}',
        "{'a': 1}",
        '{"a": 1,}',
        "",
    ],
)
def test_what_other_readers_would_read_otherwise_is_no_json_here(text: str) -> None:
    with pytest.raises(Malformed, match=r"JSON|nested"):
        parse(text.encode())


def test_a_record_without_end_is_refused_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    for opening in (b'[{"a": "', b'[{"a": [', b'{"a": "', b'{"records": "'):
        path.write_bytes(opening + b"1," * (8 << 20))
        tracemalloc.start()
        with pytest.raises(Malformed, match="larger than"):
            list(json_records(path))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 8 * MAX_RECORD_BYTES, opening


@pytest.mark.parametrize("packed", ["gz", "zip"])
def test_a_bomb_is_refused(tmp_path: Path, packed: str) -> None:
    path, bomb = tmp_path / f"r.{packed}", b" " * (80 << 20)
    if packed == "gz":
        path.write_bytes(gzip.compress(bomb, 1))
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("r", bomb)
    with pytest.raises(Malformed, match="bomb"):
        list(json_records(path))


@pytest.mark.parametrize("data", [b"PK\x03\x04 no zip", gzip.compress(b"[1]" * 1000, mtime=0)[:-20], b"]", b"[1, 2"])
def test_a_broken_file_is_refused_with_its_name_and_line(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(data)
    with pytest.raises(Malformed, match=r"broken.json, line 1"):
        list(json_records(path))


def test_a_file_that_breaks_off_within_a_record_still_hands_it_on(tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_bytes(b'[{"id": "1"}, {"id": ')
    whole, broken = json_records(path)
    assert (whole.refused, broken.data) == (None, b'{"id": ')
    assert broken.refused is not None


def sheet(**how: Any) -> Sheet:
    return Sheet(columns={"编号": "ref", "时间": "at"}, kinds=contract("approval").field_kinds(), **how)


def test_a_table_becomes_records_with_fields_of_their_kinds(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = ("1,c1,applied,2024-03-04 09:30,身份证;表,,", "2,c1,extended,2024-03-05 09:30,,10,", "3,c1")
    text = "\r\n".join(("id,编号,act,时间,papers,days,late", *rows, ""))
    path.write_bytes(text.encode("gb18030"))
    raws = list(table_records(path, sheet(encoding="gb18030", zone="Asia/Shanghai")))
    assert [parse(raw.data) for raw in raws[:2]] == [
        {"id": "1", "ref": "c1", "act": "applied", "at": "2024-03-04T09:30:00+08:00", "papers": ["身份证", "表"]},
        {"id": "2", "ref": "c1", "act": "extended", "at": "2024-03-05T09:30:00+08:00", "days": 10},
    ]
    assert raws[2].refused is not None
    assert (raws[2].refused.code, raws[2].line) == ("ragged", 4)


def test_a_table_without_the_columns_of_the_contract_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,act\n1,applied\n", "utf-8")
    with pytest.raises(Malformed, match="no column '编号'"):
        list(table_records(path, sheet()))
