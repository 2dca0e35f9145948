"""Any table is read whole and exactly: rows become events or cases, in the file's order, whatever clothes it wears."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.exchange import csv_in
from ledger.exchange.csv_in import Clock, Table, spool_csv
from ledger.exchange.xes import CaseRecord, EventRecord, Record, Summary, read_instant, read_spool

STEPS = Table(case="case", time="at", activity="step")
ROWS = Table(case="case", time="at", end="done")


def read(folder: Path, table: Table, content: str | bytes, **options: Any) -> tuple[Summary, list[Record]]:
    path, spool = folder / "table.csv", folder / "spool"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    spool.unlink(missing_ok=True)
    summary = spool_csv(path, spool, table=table, **options)
    assert {one.name for one in folder.iterdir()} == {"table.csv", "spool"}, "nothing else is left behind"
    return summary, list(read_spool(spool))


def told(records: list[Record]) -> list[tuple[Any, ...]]:
    """Cases and events with what a test cares for: attributes as (name, value)."""
    return [
        (record.case_id, record.ordinal)
        + ((record.activity, record.at) if isinstance(record, EventRecord) else ())
        + tuple((one.name, one.value) for one in record.attributes)
        for record in records
    ]


def test_rows_of_a_case_need_not_stand_together_and_keep_their_order(tmp_path: Path) -> None:
    content = (
        "case,step,at,note\n1,a,2024-01-03,x\n2,a,2024-01-01,\n1,b,2024-01-02,y\n2,b,2024-01-05,z\n1,a,2024-01-01,\n"
    )
    summary, records = read(tmp_path, STEPS, content)
    assert told(records) == [
        ("1", 0),
        ("1", 1, "a", "2024-01-03", ("note", "x")),
        ("1", 2, "b", "2024-01-02", ("note", "y")),
        ("1", 3, "a", "2024-01-01"),
        ("2", 0),
        ("2", 1, "a", "2024-01-01"),
        ("2", 2, "b", "2024-01-05", ("note", "z")),
    ]
    assert [record.line for record in records] == [2, 2, 4, 6, 3, 3, 5]
    assert (summary.cases, summary.events, summary.activities) == (2, 5, 2)
    assert summary.sha256 == hashlib.sha256(content.encode()).hexdigest()


def test_a_row_is_one_case_with_a_start_and_an_end_where_no_column_tells_an_activity(tmp_path: Path) -> None:
    table = Table(case="case", time="at", deadline="due", end="done", resource="who")
    content = "case,at,due,done,who,kind\n7,2024-03-04,2024-03-25,2024-03-22,李,x\n8,2024-03-05,2024-03-26,,王,y\n"
    _, records = read(tmp_path, table, content)
    assert told(records) == [
        (
            "7",
            0,
            ("startdate", "2024-03-04"),
            ("deadline", "2024-03-25"),
            ("enddate", "2024-03-22"),
            ("kind", "x"),
        ),
        ("7", 1, "start", "2024-03-04"),
        ("7", 2, "end", "2024-03-22"),
        ("8", 0, ("startdate", "2024-03-05"), ("deadline", "2024-03-26"), ("kind", "y")),
        ("8", 1, "start", "2024-03-05"),
    ]
    assert {record.resource for record in records if isinstance(record, EventRecord)} == {"李", "王"}
    assert [one.type for one in records[0].attributes] == ["date", "date", "date", "string"]


def test_the_dates_of_a_case_come_from_its_rows_and_are_not_its_events(tmp_path: Path) -> None:
    table = Table(case="case", time="at", activity="step", start="begun", deadline="due", end="done")
    content = "case,at,step,begun,due,done\n1,2024-01-01,a,2024-01-01,2024-02-01,\n"
    content += "1,2024-01-02,b,2024-01-01,2024-03-01,2024-01-02\n"
    _, records = read(tmp_path, table, content)
    assert told(records)[0] == (
        "1",
        0,
        ("concept:name", "1"),
        ("startdate", "2024-01-01"),
        ("deadline", "2024-02-01"),
        ("deadline", "2024-03-01"),
        ("enddate", "2024-01-02"),
    )
    assert records[0].flags == ("duplicate-key",)
    assert all(not record.attributes for record in records[1:])


def test_an_event_before_its_cases_start_is_flagged_wherever_the_start_is_told(tmp_path: Path) -> None:
    table = Table(case="case", time="at", activity="step", start="begun", end="done")
    content = "case,at,step,begun,done\n1,2024-01-01,a,,\n1,2024-01-06,b,2024-01-05,2024-01-04\n1,2024-01-02,c,,\n"
    _, records = read(tmp_path, table, content)
    assert [set(record.flags) - {"date-only"} for record in records] == [
        {"end-before-start"},
        {"before-case-start"},
        set(),
        {"before-case-start", "out-of-order"},
    ]


PLAIN = 'case,step,at,note\n1,受理,2024-01-03T00:00:00Z,"a ""b""\nc, d"\n2,b,2024-01-04T00:00:00Z,é\n'


def dressed(delimiter: str, end: str = "\n", quoting: Any = csv.QUOTE_MINIMAL) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(csv.reader(io.StringIO(PLAIN)))
    return out.getvalue()


@pytest.mark.parametrize(
    ("content", "more"),
    [
        pytest.param(b"\xef\xbb\xbf" + PLAIN.encode(), {}, id="byte-order mark"),
        pytest.param(PLAIN.encode("utf-16"), {}, id="UTF-16 by its mark"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN.encode(), {"encoding": "UTF8"}, id="byte-order mark and its encoding"),
        pytest.param(PLAIN.encode("gb18030"), {"encoding": "gb18030"}, id="another encoding"),
        pytest.param(dressed(";").encode(), {}, id="semicolons"),
        pytest.param(dressed("\t").encode(), {}, id="tabs"),
        pytest.param(dressed("|").encode(), {"delimiter": "|"}, id="a separator by name"),
        pytest.param(dressed(",", "\r\n").encode(), {}, id="Windows line ends"),
        pytest.param(dressed(",", "\r").encode(), {}, id="old Macintosh line ends"),
        pytest.param(dressed(",", quoting=csv.QUOTE_ALL).encode(), {}, id="everything quoted"),
        pytest.param(PLAIN.rstrip("\n").encode(), {}, id="no last line end"),
        pytest.param(PLAIN.replace("\n2", "\n\n\n2").encode(), {}, id="empty lines"),
        pytest.param(gzip.compress(PLAIN.encode()), {}, id="gzip by its first bytes"),
    ],
)
def test_the_same_table_in_other_clothes_gives_the_same_records(
    tmp_path: Path, content: bytes, more: dict[str, str]
) -> None:
    _, expected = read(tmp_path, STEPS, PLAIN)
    assert told(expected)[1] == ("1", 1, "受理", "2024-01-03T00:00:00Z", ("note", 'a "b"\nc, d'))
    _, records = read(tmp_path, Table(case="case", time="at", activity="step", **more), content)  # type: ignore[arg-type]
    assert told(records) == told(expected)


class TestColumns:
    def test_a_column_whose_name_means_something_else_is_kept_under_another(self, tmp_path: Path) -> None:
        content = "case,step,at,concept:name,lifecycle:transition,,time:timestamp\n1,a,2024-01-01,x,start,y,z\n"
        _, records = read(tmp_path, STEPS, content)
        event = records[1]
        assert isinstance(event, EventRecord)
        assert (event.activity, event.at, event.lifecycle) == ("a", "2024-01-01", "start")
        assert [(one.name, one.value) for one in event.attributes] == [
            ("column concept:name", "x"),
            ("column 6", "y"),
            ("column time:timestamp", "z"),
        ]

    def test_one_column_may_have_two_parts(self, tmp_path: Path) -> None:
        table = Table(case="case", time="at", activity="step", resource="step", start="at")
        _, records = read(tmp_path, table, "case,step,at\n1,a,2024-01-01\n")
        event = records[1]
        assert isinstance(event, EventRecord)
        assert (event.activity, event.resource, told(records)[0]) == ("a", "a", ("1", 0, ("startdate", "2024-01-01")))

    def test_a_text_that_looks_like_a_number_stays_a_text(self, tmp_path: Path) -> None:
        _, records = read(tmp_path, STEPS, "case,step,at,phone\n1,a,2024-01-01,13800138000\n")
        assert [one.type for one in records[1].attributes] == ["string"]

    def test_rows_that_name_no_case_are_cases_of_their_own(self, tmp_path: Path) -> None:
        _, records = read(
            tmp_path, STEPS, "case,step,at\n1,a,2024-01-01\n,b,2024-01-02\n1,c,2024-01-03\n,d,2024-01-04\n"
        )
        assert [(record.case_id, record.ordinal, record.flags) for record in records if record.ordinal == 0] == [
            ("1", 0, ()),
            ("#2", 0, ("no-case-id",)),
            ("#3", 0, ("no-case-id",)),
        ]
        assert len(records) == 7

    def test_what_is_missing_of_a_row_is_flagged_and_kept(self, tmp_path: Path) -> None:
        summary, records = read(tmp_path, STEPS, "case,step,at\n1,,soon\n1,a,\n")
        assert [record.flags for record in records[1:]] == [("bad-timestamp", "no-activity"), ("no-timestamp",)]
        assert told(records)[1] == ("1", 1, None, "soon")
        assert summary.flagged == 2

    def test_a_case_told_in_two_rows_is_split(self, tmp_path: Path) -> None:
        _, records = read(tmp_path, ROWS, "case,at,done\n1,2024-01-01,2024-01-02\n2,2024-01-01,\n1,2024-02-01,\n")
        assert [(r.case_id, r.ordinal, "case-split" in r.flags) for r in records if isinstance(r, CaseRecord)] == [
            ("1", 0, False),
            ("1", 3, True),
            ("2", 0, False),
        ]


SHANGHAI = "Asia/Shanghai"


@pytest.mark.parametrize(
    ("text", "zone", "formats", "date"),
    [
        ("2024-03-04 09:30", None, (), "2024-03-04 09:30"),
        ("2024-03-04 09:30", SHANGHAI, (), "2024-03-04T09:30:00+08:00"),
        ("2024-03-04 09:30", "-03:30", (), "2024-03-04T09:30:00-03:30"),
        ("2024-03-04", SHANGHAI, (), "2024-03-04+08:00"),
        ("2024-03-04+02:00", SHANGHAI, (), "2024-03-04+02:00"),
        ("2024-03-04T09:30:00Z", SHANGHAI, (), "2024-03-04T09:30:00Z"),
        ("2024-07-04 09:30", "Europe/Berlin", (), "2024-07-04T09:30:00+02:00"),
        ("2024-10-27 02:30", "Europe/Berlin", (), "2024-10-27T02:30:00+02:00"),
        ("04/03/2024", None, ("%d/%m/%Y",), "2024-03-04"),
        ("04/03/2024", SHANGHAI, ("%d/%m/%Y",), "2024-03-04+08:00"),
        ("04/03/2024 9:30", None, ("%d/%m/%Y", "%d/%m/%Y %H:%M"), "2024-03-04T09:30:00"),
        ("03/04/2024 09:30:00 PM", SHANGHAI, ("%m/%d/%Y %I:%M:%S %p",), "2024-03-04T21:30:00+08:00"),
        ("04.03.24 09:30 +0100", SHANGHAI, ("%d.%m.%y %H:%M %z",), "2024-03-04T09:30:00+01:00"),
        ("2024-04-03", None, ("%Y-%d-%m",), "2024-03-04"),
        ("31/31/2024", SHANGHAI, ("%d/%m/%Y",), "31/31/2024"),
        ("soon", SHANGHAI, (), "soon"),
        ("1890-01-01 00:00", SHANGHAI, (), "1889-12-31T15:54:17+00:00"),
        ("9999-12-31 23:00", "-05:00", (), "9999-12-31 23:00"),
    ],
)
def test_a_time_becomes_an_xes_date_of_the_same_meaning(
    text: str, zone: str | None, formats: tuple[str, ...], date: str
) -> None:
    assert Clock(zone, formats).as_date(text) == date


MOMENTS = st.datetimes(datetime(1902, 1, 1), datetime(2099, 12, 31))  # noqa: DTZ001 - they get their zone below


@given(MOMENTS, st.sampled_from([SHANGHAI, "Europe/London", "+05:45"]))
def test_a_local_time_means_the_moment_that_the_zone_says(moment: datetime, zone: str) -> None:
    moment = moment.replace(fold=0)
    known = datetime.strptime(zone, "%z").tzinfo if zone[0] == "+" else ZoneInfo(zone)
    since = moment.replace(tzinfo=known).astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    instant = read_instant(Clock(zone, ()).as_date(moment.isoformat()))
    assert instant is not None
    assert (instant.us, instant.flag) == (round(since.total_seconds() * 1_000_000), None)


def test_a_spelling_that_is_changed_is_kept_beside(tmp_path: Path) -> None:
    table = Table(case="case", time="at", activity="step", end="done", zone=SHANGHAI, time_formats=("%d/%m/%Y",))
    _, records = read(
        tmp_path, table, "case,step,at,done\n1,a,04/03/2024,05/03/2024\n2,a,2024-03-04 10:00,2024-03-04\n"
    )
    assert told(records) == [
        ("1", 0, ("enddate", "2024-03-05+08:00"), ("enddate:text", "05/03/2024")),
        ("1", 1, "a", "2024-03-04+08:00", ("time:text", "04/03/2024")),
        ("2", 0, ("enddate", "2024-03-04+08:00")),
        ("2", 1, "a", "2024-03-04T10:00:00+08:00"),
    ]


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
LINES = st.lists(
    st.tuples(
        st.sampled_from(["", "1", "2", "é", "case 4"]),
        st.sampled_from(["", "受理", "b"]) | TEXTS,
        st.sampled_from(["", "2024-01-03", "2024-01-02 10:00", "soon"]),
        TEXTS,
    ),
    max_size=30,
)


def plain_walk(rows: list[tuple[str, str, str, str]]) -> list[tuple[Any, ...]]:
    """What must come out, by nothing of ours: cases in the order of their first rows."""
    cases: dict[tuple[str, int], list[tuple[str, str, str, str]]] = {}
    for number, row in enumerate(rows):
        cases.setdefault((row[0], 0 if row[0] else number), []).append(row)
    found: list[tuple[Any, ...]] = []
    for place, ((name, _), events) in enumerate(cases.items(), start=1):
        case_id = name or f"#{place}"
        found.append((case_id, 0))
        for ordinal, (_, step, at, note) in enumerate(events, start=1):
            found.append((case_id, ordinal, step or None, at or None) + ((("note", note),) if note else ()))
    return found


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=LINES,
    delimiter=st.sampled_from(csv_in.DELIMITERS),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]),
    packed=st.booleans(),
    run_bytes=st.sampled_from([1, 60, 1 << 20]),
)
def test_whatever_is_written_as_a_table_is_read_again(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[str, str, str, str]],
    delimiter: str,
    end: str,
    encoding: str,
    packed: bool,
    run_bytes: int,
) -> None:
    out = io.StringIO(newline="")
    # Python's writer leaves a carriage return bare where lines end without one, which no reader can understand.
    quoting = csv.QUOTE_MINIMAL if end == "\r\n" else csv.QUOTE_ALL
    writer = csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([("case", "step", "at", "note"), *rows])
    content = out.getvalue().encode(encoding)
    table = Table(case="case", time="at", activity="step", encoding=encoding if encoding == "gb18030" else None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_in, "_RUN_BYTES", run_bytes)
        summary, records = read(tmp_path_factory.mktemp("t"), table, gzip.compress(content) if packed else content)
    assert told(records) == plain_walk(rows)
    assert summary.events == len(rows)


def test_memory_stays_bounded_when_the_rows_of_all_cases_are_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lines() -> Iterator[str]:
        yield "case,step,at,note\n"
        for number in range(30_000):
            yield f"{number % 50},a,2024-01-01T00:00:00Z,{'x' * 300}\n"

    path = tmp_path / "table.csv"
    with path.open("w") as out:
        out.writelines(lines())
    monkeypatch.setattr(csv_in, "_RUN_BYTES", 1 << 20)
    tracemalloc.start()
    try:
        summary = spool_csv(path, tmp_path / "spool", table=STEPS)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (summary.cases, summary.events) == (50, 30_000)
    assert path.stat().st_size > 9_000_000
    assert peak < 6_000_000
    ordinals = [(record.case_id, record.ordinal) for record in read_spool(tmp_path / "spool")]
    assert ordinals == [(str(case), ordinal) for case in range(50) for ordinal in range(601)]


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../../etc/passwd", "+25:00", "Asia"])
def test_a_zone_that_does_not_exist_is_refused(zone: str) -> None:
    with pytest.raises(Malformed, match="time zone"):
        Clock(zone, ())


@pytest.mark.parametrize("form", ["", "%Q", "%", "%H:%M", "%d/%m", "DD/MM/YYYY", "%d/%m/%Y %"])
def test_a_format_that_tells_no_date_is_refused(form: str) -> None:
    with pytest.raises(Malformed, match="no format"):
        Clock(None, (form,))
