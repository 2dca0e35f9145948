"""A file that is broken, or made to break us, is refused with its name, line and reason, and leaves nothing."""

from __future__ import annotations

import gzip
import io
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Malformed, NotFound
from ledger.exchange.xes import Limits, Summary, read_spool, spool_xes

GOOD = """<?xml version="1.0" encoding="UTF-8"?>
<log xes.version="1.0" xmlns="http://www.xes-standard.org/">
  <trace>
    <string key="concept:name" value="件-1"/>
    <date key="startdate" value="2024-03-04T09:00:00+08:00"/>
    <event>
      <string key="concept:name" value="a"/>
      <list key="l"><values><int key="n" value="1"/></values></list>
    </event>
  </trace>
</log>
"""


def spool(folder: Path, log: bytes | str, **options: Any) -> Summary:
    """Read a log; whatever comes of it, a spool is there exactly if it was accepted."""
    path, spool_path = folder / "log.xes", folder / "spool"
    path.write_bytes(log.encode() if isinstance(log, str) else log)
    spool_path.unlink(missing_ok=True)
    try:
        summary = spool_xes(path, spool_path, **options)
    except Malformed:
        assert not spool_path.exists()
        raise
    assert len(list(read_spool(spool_path))) == summary.traces + summary.events
    return summary


def refusal(folder: Path, log: bytes | str, **options: Any) -> Malformed:
    with pytest.raises(Malformed) as caught:
        spool(folder, log, **options)
    error = caught.value
    assert error.details["file"] == str(folder / "log.xes")
    assert error.message == f"{error.details['file']}, line {error.details['line']}: {error.details['reason']}"
    assert error.mend
    return error


def laughs() -> str:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE log [<!ENTITY l0 "ha">{entities}]><log><string key="a" value="&l9;"/></log>'


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(laughs(), id="billion laughs"),
        pytest.param(
            f'<!DOCTYPE log [<!ENTITY a "{"a" * 50_000}">]><log><string key="k" value="{"&a;" * 5_000}"/></log>',
            id="quadratic",
        ),
        pytest.param('<!DOCTYPE log [<!ENTITY x SYSTEM "file:///etc/passwd">]><log>&x;</log>', id="a file of ours"),
        pytest.param('<!DOCTYPE log [<!ENTITY % x SYSTEM "http://example.org/x"> %x;]><log/>', id="parameter entity"),
        pytest.param('<!DOCTYPE log SYSTEM "http://example.org/log.dtd"><log/>', id="a DTD elsewhere"),
        pytest.param("<!DOCTYPE log><log/>", id="the name alone"),
    ],
)
def test_a_document_type_is_refused_before_any_entity(tmp_path: Path, log: str) -> None:
    assert "DOCTYPE" in refusal(tmp_path, log).details["reason"]


@pytest.mark.parametrize(
    ("log", "line", "reason"),
    [
        pytest.param(b"", 1, "the file is empty", id="empty"),
        pytest.param(gzip.compress(b""), 1, "the file is empty", id="empty gzip"),
        pytest.param(b"\n\n", 3, "holds no element", id="blank"),
        pytest.param("case,activity\n1,a\n", 1, "not XML", id="CSV"),
        pytest.param(random.Random(1).randbytes(1000), 1, "", id="noise"),
        pytest.param("<html>\n<body/></html>", 1, "root is <html>, not <log>", id="XML of another kind"),
        pytest.param('<x:Log xmlns:x="u"/>', 1, "root is <Log>", id="almost a log"),
        pytest.param("<log>\n<trace>\n<event>\n", 4, "breaks off: <event> is not closed", id="cut between tags"),
        pytest.param("<log>\n<trace>\n<string key='a", 3, "breaks off inside a tag", id="cut inside a tag"),
        pytest.param("<log>\n<trace>\n</log>", 3, "closing tag does not match", id="wrong closing tag"),
        pytest.param("<log/>\n<log/>", 2, "follows the end", id="two logs"),
        pytest.param("<log>\n<event/></log>", 2, "outside of any trace", id="an event without a case"),
        pytest.param("<log>\n&nbsp;</log>", 2, "entity", id="an entity of HTML"),
        pytest.param("<log>\n<string key='a' key='b'/></log>", 2, "same XML attribute twice", id="attribute twice"),
        pytest.param("<log>\n<x:trace/></log>", 2, "namespace prefix", id="unknown prefix"),
        pytest.param("<log>\n<string key='\x01'/></log>", 2, "character", id="control character"),
        pytest.param("<log>\n<string key='é'/></log>".encode("latin-1"), 2, "encoding", id="not UTF-8"),
        pytest.param(b'<?xml version="1.0" encoding="UTF-16"?>\n<log/>', 1, "encoding", id="not UTF-16"),
        pytest.param('<?xml version="1.0" encoding="GBK"?>\n<log/>'.encode("gbk"), 1, "encoding", id="GBK"),
        pytest.param(b'<?xml version="1.0" encoding="klingon"?>\n<log/>', 1, "encoding", id="no encoding at all"),
        pytest.param(gzip.compress(GOOD.encode())[:-9], 1, "breaks off", id="gzip cut"),
        pytest.param(gzip.compress(GOOD.encode()) + b"more", 11, "damaged", id="gzip and more"),
        pytest.param(gzip.compress(GOOD.encode())[:-8] + b"\0" * 8, 11, "damaged", id="gzip with a wrong sum"),
    ],
)
def test_a_broken_file_names_line_and_reason(tmp_path: Path, log: bytes | str, line: int, reason: str) -> None:
    error = refusal(tmp_path, log)
    assert re.search(reason, error.details["reason"])
    # How far a damaged gzip was unpacked before it was noticed is zlib's own affair.
    assert error.details["line"] == line or "gzip" in error.details["reason"]


class TestLimits:
    """Each holds just above what it allows, and lets through what it allows."""

    def test_nesting(self, tmp_path: Path) -> None:
        def nested(depth: int) -> str:
            return "<log><trace><event>" + "<a key='k'>" * depth + "</a>" * depth + "</event></trace></log>"

        assert spool(tmp_path, nested(61)).events == 1
        assert "deep" in refusal(tmp_path, nested(62)).details["reason"]
        assert "deep" in refusal(tmp_path, nested(500_000)).details["reason"]
        assert spool(tmp_path, nested(240), limits=Limits(depth=250)).events == 1

    @pytest.mark.parametrize(
        "log",
        [
            pytest.param("<log><string key='a' value='{}'/></log>", id="attribute of the log"),
            pytest.param("<log><trace><string key='a' value='{}'/></trace></log>", id="attribute of a case"),
            pytest.param("<log><trace><event><string key='{}'/></event></trace></log>", id="attribute of an event"),
            pytest.param("<log><trace><event>{}</event></trace></log>", id="text"),
            pytest.param("<log><!-- {} --></log>", id="comment"),
            pytest.param("<log><{}/></log>", id="name"),
        ],
    )
    def test_the_size_of_one_thing(self, tmp_path: Path, log: str) -> None:
        assert spool(tmp_path, log.format("x" * 2_000_000)).size_bytes > 2_000_000
        assert "larger than 4,194,304 bytes" in refusal(tmp_path, log.format("x" * 5_000_000)).details["reason"]

    @pytest.mark.parametrize(
        "log",
        [
            pytest.param("<log>{}</log>", id="the header"),
            pytest.param("<log><trace>{}</trace></log>", id="a case"),
            pytest.param("<log><trace><event>{}</event></trace></log>", id="an event"),
            pytest.param("<log><trace><event><list key='l'>{}</list></event></trace></log>", id="a list"),
        ],
    )
    def test_many_small_things_in_one(self, tmp_path: Path, log: str) -> None:
        one = "<int key='a' value='1'/>"
        assert spool(tmp_path, log.format(one * 10_000)).traces <= 1
        assert "larger than" in refusal(tmp_path, log.format(one * 200_000)).details["reason"]

    def test_different_names(self, tmp_path: Path) -> None:
        log = "<log>" + "".join(f"<a{n} key='k'/>" for n in range(20_000)) + "</log>"
        assert "different element" in refusal(tmp_path, log).details["reason"]

    def test_different_cases(self, tmp_path: Path) -> None:
        log = "<log>" + "<trace/>" * 1001 + "</log>"
        assert spool(tmp_path, log, limits=Limits(distinct=1001)).cases == 1001
        assert "different cases" in refusal(tmp_path, log, limits=Limits(distinct=1000)).details["reason"]

    def test_a_log_in_all(self, tmp_path: Path) -> None:
        size = len(GOOD.encode())
        assert spool(tmp_path, GOOD, limits=Limits(unpacked_bytes=size)).events == 1
        assert "larger" in refusal(tmp_path, GOOD, limits=Limits(unpacked_bytes=size - 1)).details["reason"]
        packed = gzip.compress(GOOD.encode())
        assert "larger" in refusal(tmp_path, packed, limits=Limits(unpacked_bytes=size - 1)).details["reason"]

    def test_a_gzip_bomb(self, tmp_path: Path) -> None:
        bomb = io.BytesIO()
        with gzip.GzipFile(fileobj=bomb, mode="wb", compresslevel=9) as packed:
            packed.write(b"<log>")
            for _ in range(70):
                packed.write(b" " * (1 << 20))
            packed.write(b"</log>")
        assert "looks like a bomb" in refusal(tmp_path, bomb.getvalue()).details["reason"]


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="is a folder"):
        spool_xes(tmp_path, tmp_path / "spool")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Malformed, match="no regular file"):
        spool_xes(tmp_path / "pipe", tmp_path / "spool")
    with pytest.raises(NotFound, match="there is no file"):
        spool_xes(tmp_path / "nothing.xes", tmp_path / "spool")
    with pytest.raises(NotFound, match="there is no file"):
        spool_xes(tmp_path / "nothing.xes" / "log.xes", tmp_path / "spool")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def test_a_log_cut_anywhere_is_refused(folder: Path) -> None:
    whole = GOOD.strip().encode()
    for size in range(len(whole)):
        assert refusal(folder, whole[:size]).details["line"] <= whole[:size].count(b"\n") + 1


def test_a_gzip_cut_anywhere_is_refused(folder: Path) -> None:
    whole = gzip.compress(GOOD.encode())
    for size in range(len(whole)):
        refusal(folder, whole[:size])


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(GOOD.encode()) - 1), st.binary(max_size=4), st.integers(0, 12)),
        min_size=1,
        max_size=4,
    ),
    st.booleans(),
)
def test_a_log_with_anything_changed_is_read_or_refused(
    folder: Path, changes: list[tuple[int, bytes, int]], packed: bool
) -> None:
    log = GOOD.encode()
    for place, put, drop in changes:
        log = log[:place] + put + log[place + drop :]
    # Anything but a Summary or a refusal, or a refusal that names no line of the file, is a failure.
    refused: Malformed | None = None
    try:
        spool(folder, gzip.compress(log) if packed else log)
    except Malformed as error:
        refused = error
    if refused is not None:
        assert refused.details["reason"]
        assert 1 <= refused.details["line"] <= log.count(b"\n") + 1


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_damaged_gzip_is_refused_or_says_the_same(folder: Path, place: int, flip: int) -> None:
    packed = bytearray(gzip.compress(GOOD.encode(), mtime=0))
    packed[place % len(packed)] ^= flip
    try:
        summary = spool(folder, bytes(packed))
    except Malformed:
        return
    # What gzip's sum does not cover: the header's time, name flags and system.
    assert (summary.cases, summary.events, summary.activities) == (1, 1, 1)
