"""Any XES log of the family is read whole, exactly and in order; what is strange is kept and flagged."""

from __future__ import annotations

import gzip
import hashlib
import stat
import tracemalloc
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Unavailable
from ledger.exchange.xes import (
    Attribute,
    CaseRecord,
    EventRecord,
    Record,
    Summary,
    read_instant,
    read_spool,
    read_xes,
    spool_xes,
)

DAY_US = 86_400_000_000


def log_of(*traces: str) -> str:
    return "<log>" + "".join(f"<trace>{trace}</trace>" for trace in traces) + "</log>"


def event_of(at: str | None = "2024-03-04T10:00:00+08:00", *, name: str | None = "a", more: str = "") -> str:
    text = f'<string key="concept:name" value="{name}"/>' if name is not None else ""
    text += f'<date key="time:timestamp" value="{at}"/>' if at is not None else ""
    return f"<event>{text}{more}</event>"


def named(name: str) -> str:
    return f'<string key="concept:name" value="{name}"/>'


def start(at: str, *, key: str = "startdate") -> str:
    return f'<date key="{key}" value="{at}"/>'


class Read:
    """A log as written to a folder and read back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, log: str | bytes, **options: Any) -> list[Record]:
        return self.both(log, **options)[1]

    def both(self, log: str | bytes, **options: Any) -> tuple[Summary, list[Record]]:
        (self.folder / "log.xes").write_bytes(log.encode() if isinstance(log, str) else log)
        (self.folder / "spool").unlink(missing_ok=True)
        summary = spool_xes(self.folder / "log.xes", self.folder / "spool", **options)
        return summary, list(read_spool(self.folder / "spool"))


@pytest.fixture
def read(tmp_path: Path) -> Read:
    return Read(tmp_path)


def shape(records: list[Record]) -> list[tuple[str, int, tuple[str, ...]]]:
    return [(record.case_id, record.ordinal, record.flags) for record in records]


class TestTheKnownLog:
    def test_is_counted_as_everyone_counts_it(self, known_log: Any, tmp_path: Path) -> None:
        summary = spool_xes(known_log.path, tmp_path / "spool")
        counts = (summary.cases, summary.events, summary.activities, summary.resources)
        assert counts == (known_log.cases, known_log.events, known_log.activities, known_log.resources)
        assert summary.traces == known_log.cases
        assert summary.sha256 == hashlib.sha256(known_log.path.read_bytes()).hexdigest()
        assert summary.size_bytes == known_log.path.stat().st_size

    def test_keeps_its_strange_events_and_flags_them(self, known_log: Any, tmp_path: Path) -> None:
        summary = spool_xes(known_log.path, tmp_path / "spool")
        assert summary.flags == known_log.flags
        assert summary.flagged == sum(known_log.flags.values())
        early = {r.case_id for r in read_spool(tmp_path / "spool") if "before-case-start" in r.flags}
        assert len(early) == (2 if known_log.flags else 0)

    def test_gives_what_another_library_reads_in_the_same_order(self, known_log: Any) -> None:
        records = read_xes(known_log.path)
        for trace, events in known_log.walk():
            case = next(records)
            assert isinstance(case, CaseRecord)
            assert sorted([("string", "concept:name", case.case_id), *plain(case)]) == sorted(trace)
            for ordinal, event in enumerate(events, start=1):
                record = next(records)
                assert isinstance(record, EventRecord)
                assert (record.case_id, record.ordinal) == (case.case_id, ordinal)
                fields = [
                    ("string", "concept:name", record.activity),
                    ("string", "org:resource", record.resource),
                    ("string", "lifecycle:transition", record.lifecycle),
                    ("date", "time:timestamp", record.at),
                ]
                assert sorted([*fields, *plain(record)], key=str) == sorted(event, key=str)
                assert record.at is not None
                since = datetime.fromisoformat(record.at) - datetime(1970, 1, 1, tzinfo=UTC)
                assert record.at_us == since // timedelta(microseconds=1)
        assert next(records, None) is None

    def test_tells_first_and_last_moment(self, known_log: Any, tmp_path: Path) -> None:
        summary = spool_xes(known_log.path, tmp_path / "spool")
        times = [(r.at_us, r.at) for r in read_spool(tmp_path / "spool") if isinstance(r, EventRecord)]
        assert (summary.first_us, summary.first) == min(times, key=lambda time: time[0] or 0)
        assert summary.last_us == max(at_us for at_us, _ in times if at_us is not None)


def plain(record: Record) -> list[tuple[str, str, str | None]]:
    return [(attribute.type, attribute.name, attribute.value) for attribute in record.attributes]


PLAIN = (
    '<log xes.version="1.0">\n<trace><string key="concept:name" value="é1"/>\n'
    '<event><string key="concept:name" value="a &amp; b"/></event></trace></log>'
)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(b"\xef\xbb\xbf" + PLAIN.encode(), id="byte-order mark"),
        pytest.param(b'<?xml version="1.0" encoding="UTF-8" ?>\n<!-- c -->' + PLAIN.encode(), id="declaration"),
        pytest.param(PLAIN.replace("<log", '<log xmlns="http://www.xes-standard.org/"').encode(), id="namespace"),
        pytest.param(
            PLAIN.replace("</", "</x:")
            .replace("<log", '<x:log xmlns:x="http://example.org/other"')
            .replace("<trace", "<x:trace")
            .replace("<event", "<x:event")
            .replace("<string", "<x:string")
            .encode(),
            id="prefix of any namespace",
        ),
        pytest.param(PLAIN.replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param(PLAIN.replace('"', "'").encode(), id="single quotes"),
        pytest.param(PLAIN.encode("utf-16"), id="UTF-16"),
        pytest.param(b'<?xml version="1.0" encoding="iso-8859-1"?>' + PLAIN.encode("latin-1"), id="Latin-1"),
        pytest.param(b'<?xml version="1.0" encoding="cp1252"?>' + PLAIN.encode("cp1252"), id="code page"),
        pytest.param(gzip.compress(PLAIN.encode()), id="gzip by its first bytes"),
        pytest.param(gzip.compress(PLAIN[:40].encode()) + gzip.compress(PLAIN[40:].encode()), id="gzip in two members"),
    ],
)
def test_the_same_log_in_other_clothes_gives_the_same_records(read: Read, other: bytes) -> None:
    expected = read(PLAIN)
    assert [r.case_id for r in expected] == ["é1", "é1"]
    records = read(other)
    assert [(r.case_id, r.ordinal, r.attributes, r.flags) for r in records] == [
        (r.case_id, r.ordinal, r.attributes, r.flags) for r in expected
    ]
    assert isinstance(records[1], EventRecord)
    assert records[1].activity == "a & b"


def test_a_name_that_ends_in_gz_does_not_make_a_gzip(tmp_path: Path) -> None:
    (tmp_path / "log.xes.gz").write_text(log_of(named("c")))
    assert shape(list(read_xes(tmp_path / "log.xes.gz"))) == [("c", 0, ())]


@pytest.mark.parametrize(
    ("text", "utc", "flag"),
    [
        ("2011-10-11T13:42:22.688+02:00", "2011-10-11T11:42:22.688", None),
        ("2011-10-11T13:42:22Z", "2011-10-11T13:42:22", None),
        ("2011-10-11T13:42:22.1-11:30", "2011-10-12T01:12:22.1", None),
        ("2011-10-11T13:42:22.123456789Z", "2011-10-11T13:42:22.123456", None),
        ("2011-10-11T13:42:22+0200", "2011-10-11T11:42:22", None),
        ("2011-10-11T13:42Z", "2011-10-11T13:42:00", None),
        ("2011-10-10T22:00:00.000Z", "2011-10-10T22:00:00", None),
        ("2011-10-11T24:00:00+02:00", "2011-10-11T22:00:00", None),
        ("2011-10-11 13:42:22", "2011-10-11T13:42:22", "no-offset"),
        ("2011-10-11T13:42:22.688", "2011-10-11T13:42:22.688", "no-offset"),
        ("2011-10-11T24:00:00", "2011-10-12T00:00:00", "no-offset"),
        (" 2011-10-11 ", "2011-10-11T00:00:00", "date-only"),
        ("2011-10-11+08:00", "2011-10-10T16:00:00", "date-only"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999", None),
    ],
)
def test_a_time_means_one_moment(text: str, utc: str, flag: str | None) -> None:
    instant = read_instant(text)
    assert instant is not None
    assert datetime(1970, 1, 1) + timedelta(microseconds=instant.us) == datetime.fromisoformat(utc)  # noqa: DTZ001
    assert instant.flag == flag
    assert instant.latest_us - instant.us == (DAY_US - 1 if flag == "date-only" else 0)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2011-13-01T00:00:00Z",
        "2011-W41-2T10:00:00Z",
        "2011-02-30",
        "20111011",
        "11.10.2011",
        "2011-10-11T25:00Z",
        "2011-10-11T24:00:01Z",
        "2011-10-11T13:42:22+99:00",
        "٢٠١١-١٠-١١",
    ],
)
def test_a_text_that_is_no_time_is_none(text: str) -> None:
    assert read_instant(text) is None


@given(
    moment=st.datetimes(min_value=datetime(1000, 1, 2), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
    digits=st.integers(0, 9),
    nanoseconds=st.integers(0, 999_999_999),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_a_time_is_exact_to_the_microsecond(moment: datetime, digits: int, nanoseconds: int, offset: int) -> None:
    fraction = f"{nanoseconds:09d}"[:digits]
    sign, minutes = ("-" if offset < 0 else "+"), abs(offset)
    text = moment.strftime("%Y-%m-%dT%H:%M:%S").zfill(19) + (f".{fraction}" if fraction else "")
    instant = read_instant(f"{text}{sign}{minutes // 60:02d}:{minutes % 60:02d}")
    local = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=offset)))
    whole = (local - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert instant is not None
    assert instant.us == whole * 1_000_000 + int(fraction.ljust(9, "0")[:6])


NOON = "2024-03-04T12:00:00+08:00"
NOON_US = 1_709_524_800_000_000


class TestStrangeThingsAreKeptAndFlagged:
    @pytest.mark.parametrize(
        ("trace", "flags"),
        [
            pytest.param(start(NOON) + event_of("2024-03-04T11:59:59.999999+08:00"), ["before-case-start"], id="early"),
            pytest.param(start(NOON) + event_of(NOON), [], id="at its start"),
            pytest.param(start(NOON) + event_of("2024-03-04T04:00:00Z"), [], id="at its start, in another zone"),
            pytest.param(start(NOON) + event_of("2024-03-04"), ["date-only"], id="the day it began"),
            pytest.param(start(NOON) + event_of("2024-03-03"), ["date-only", "before-case-start"], id="the day before"),
            pytest.param(start("soon") + event_of("2024-03-03"), ["date-only"], id="no start to hold it against"),
            pytest.param(event_of(NOON) + start("2024-03-05"), ["before-case-start"], id="start told afterwards"),
            pytest.param(event_of("2024-03-04T13:00:00"), ["no-offset"], id="no zone"),
            pytest.param(event_of("2999-01-01T00:00:00Z"), ["future"], id="not yet"),
            pytest.param(event_of(None), ["no-timestamp"], id="no time"),
            pytest.param(event_of("sometime"), ["bad-timestamp"], id="no time that can be read"),
            pytest.param(event_of(name=None), ["no-activity"], id="no activity"),
            pytest.param(event_of(name=""), ["no-activity"], id="empty activity"),
            pytest.param("<event/>", ["no-timestamp", "no-activity"], id="nothing at all"),
            pytest.param(event_of(more=named("b")), ["duplicate-key"], id="a key twice"),
            pytest.param(event_of(more="by hand"), ["odd-xml"], id="text"),
            pytest.param(event_of(more='<int key="n" value="1" unit="m"/>'), ["odd-xml"], id="XML attribute"),
            pytest.param(event_of().replace("<event", '<event id="7"'), ["odd-xml"], id="XML attribute of its own"),
            pytest.param(event_of(more='<float key="n" value="1.5"/>'), [], id="nothing strange"),
        ],
    )
    def test_on_an_event(self, read: Read, trace: str, flags: list[str]) -> None:
        summary, records = read.both(log_of(named("c") + trace), now_us=NOON_US + 30 * DAY_US)
        assert records[1].flags == tuple(flags)
        strange = [flag for flag in flags if flag != "date-only"]
        case_flags = list(records[0].flags)
        assert summary.flags == {flag: 1 for flag in flags + case_flags}
        assert summary.flagged == bool(strange) + bool(case_flags)

    @pytest.mark.parametrize(
        ("trace", "flags"),
        [
            pytest.param(
                start(NOON) + start("2024-03-04T11:59:59+08:00", key="enddate"), ["end-before-start"], id="end"
            ),
            pytest.param(start("2024-03-04", key="enddate") + start(NOON), [], id="ends the day it begins"),
            pytest.param(
                start("2024-03-03", key="enddate") + start(NOON), ["end-before-start"], id="ends the day before"
            ),
            pytest.param(start("sometime"), ["bad-timestamp"], id="no start that can be read"),
            pytest.param(start("", key="enddate"), [], id="an empty end is no end"),
            pytest.param(start("2999-01-01T00:00:00Z"), ["future"], id="not yet"),
            pytest.param(start(NOON) * 2, ["duplicate-key"], id="a key twice"),
            pytest.param("by hand", ["odd-xml"], id="text"),
            pytest.param(event_of() + "by hand", ["odd-xml"], id="text behind its events"),
        ],
    )
    def test_on_a_case(self, read: Read, trace: str, flags: list[str]) -> None:
        summary, records = read.both(log_of(named("c") + trace), now_us=NOON_US + 30 * DAY_US)
        assert records[0].flags == tuple(flags)
        assert summary.flags == dict.fromkeys(flags, 1)

    def test_an_event_earlier_than_the_one_before_it(self, read: Read) -> None:
        times = ["2024-03-04T12:00:00Z", "2024-03-04T11:00:00Z", "2024-03-04T11:30:00Z", "2024-03-04", "2024-03-03"]
        records = read(log_of(named("c") + "".join(map(event_of, times))))
        flags = [record.flags for record in records[1:]]
        assert flags == [(), ("out-of-order",), (), ("date-only",), ("date-only", "out-of-order")]
        # The file's order stays; nothing is sorted.
        assert [r.at for r in records if isinstance(r, EventRecord)] == times

    def test_without_a_time_of_reading_nothing_is_called_future(self, read: Read) -> None:
        assert read(log_of(named("c") + event_of("2999-01-01T00:00:00Z")))[1].flags == ()

    def test_start_and_end_may_have_other_names(self, read: Read) -> None:
        trace = start(NOON, key="von") + start("2024-03-01", key="bis") + event_of("2024-03-02")
        case, event = read(log_of(named("c") + trace), start_attr="von", end_attr="bis")
        assert (case.flags, event.flags) == (("end-before-start",), ("date-only", "before-case-start"))


class TestIdentity:
    def test_traces_of_one_name_are_one_case_and_go_on_counting(self, read: Read) -> None:
        log = log_of(named("c") + event_of() * 2, named("d") + event_of(), named("c") + event_of())
        summary, records = read.both(log)
        assert shape(records) == [
            ("c", 0, ()),
            ("c", 1, ()),
            ("c", 2, ()),
            ("d", 0, ()),
            ("d", 1, ()),
            ("c", 3, ("case-split",)),
            ("c", 4, ()),
        ]
        assert (summary.cases, summary.traces, summary.events) == (2, 3, 4)

    def test_a_trace_without_a_name_is_called_by_its_place(self, read: Read) -> None:
        log = log_of(named("c"), event_of(), named("") + event_of())
        assert [(r.case_id, r.flags) for r in read(log)] == [
            ("c", ()),
            ("#2", ("no-case-id",)),
            ("#2", ()),
            ("#3", ("no-case-id",)),
            ("#3", ()),
        ]

    def test_long_names_are_told_apart_by_their_last_letter(self, read: Read) -> None:
        log = log_of(*(named("c" * 100 + end) + event_of(name="a" * 100 + end) for end in "xyx"))
        summary, records = read.both(log)
        assert (summary.cases, summary.activities) == (2, 2)
        assert [r.ordinal for r in records] == [0, 1, 0, 1, 2, 3]

    def test_an_empty_trace_is_a_case_without_events(self, read: Read) -> None:
        summary, records = read.both(log_of(named("c"), named("d")))
        assert shape(records) == [("c", 0, ()), ("d", 0, ())]
        assert (summary.cases, summary.events, summary.first, summary.last_us) == (2, 0, None, None)

    def test_a_log_without_traces_is_read(self, read: Read) -> None:
        summary, records = read.both("<log/>")
        assert (records, summary.cases) == ([], 0)

    @pytest.mark.parametrize("events", [3, 9000], ids=["few", "more than are held in memory"])
    def test_attributes_behind_the_events_are_told_before_them(self, read: Read, events: int) -> None:
        log = log_of(
            event_of("2024-03-04T00:00:00Z") * events
            + event_of("2024-03-09T00:00:00Z")
            + start("2024-03-05T00:00:00Z")
            + named("late"),
            named("next") + event_of(),
        )
        summary, records = read.both(log)
        assert shape(records) == [
            ("late", 0, ()),
            *(("late", n, ("before-case-start",)) for n in range(1, events + 1)),
            ("late", events + 1, ()),
            ("next", 0, ()),
            ("next", 1, ()),
        ]
        assert summary.flags == {"before-case-start": events}
        assert summary.flagged == events

    def test_long_traces_do_not_run_into_one_another(self, read: Read) -> None:
        sizes = {"long": 40_000, "shorter": 15_000, "short": 1}
        traces = (named(name) + event_of(name=name) * size for name, size in sizes.items())
        events = [record for record in read(log_of(*traces)) if isinstance(record, EventRecord)]
        assert [(r.case_id, r.activity) for r in events] == [(n, n) for n, size in sizes.items() for _ in range(size)]

    def test_reading_again_gives_the_same(self, known_log: Any) -> None:
        assert list(read_xes(known_log.path)) == list(read_xes(known_log.path))

    def test_a_record_names_its_line(self, read: Read) -> None:
        log = "<log>\n<trace>\n" + named("c") + "\n\n<event>\n</event>\n</trace></log>"
        assert [record.line for record in read(log)] == [2, 5]


class TestAttributes:
    def test_every_type_and_depth_keeps_its_text(self, read: Read) -> None:
        more = (
            '<float key="fee" value="1.10"/><int key="n" value="007"/><boolean key="ok" value="TRUE"/>'
            '<id key="uuid" value="a-b"/><duration key="took" value="P1D"/>'
            '<list key="l"><values><string key="x" value="1"/><string key="x" value="2"/></values></list>'
            '<container key="k"><date key="d" value="2024"/></container>'
            '<string key="note" value="&lt;&#10;&quot;"><int key="page" value="3"/></string><string value="v"/>'
        )
        (_, event) = read(log_of(named("c") + event_of(more=more)))
        assert event.attributes == (
            Attribute("fee", "float", "1.10"),
            Attribute("n", "int", "007"),
            Attribute("ok", "boolean", "TRUE"),
            Attribute("uuid", "id", "a-b"),
            Attribute("took", "duration", "P1D"),
            Attribute(
                "l",
                "list",
                None,
                (Attribute("", "values", None, (Attribute("x", "string", "1"), Attribute("x", "string", "2"))),),
            ),
            Attribute("k", "container", None, (Attribute("d", "date", "2024"),)),
            Attribute("note", "string", '<\n"', (Attribute("page", "int", "3"),)),
            Attribute("", "string", "v"),
        )
        assert event.flags == ()

    def test_missing_fields_are_none_and_not_strange(self, read: Read) -> None:
        (_, event) = read(log_of(named("c") + event_of()))
        assert isinstance(event, EventRecord)
        assert (event.resource, event.lifecycle, event.attributes, event.flags) == (None, None, (), ())

    def test_a_lifecycle_is_kept_as_written(self, read: Read) -> None:
        more = '<string key="lifecycle:transition" value="COMPLETE"/>'
        (_, event) = read(log_of(named("c") + event_of(more=more)))
        assert isinstance(event, EventRecord)
        assert event.lifecycle == "COMPLETE"

    @pytest.mark.parametrize(
        "attribute",
        [
            Attribute("org:resource", "int", "7"),
            Attribute("org:resource", "string", "7", (Attribute("since", "date", "2024"),)),
        ],
        ids=["other type", "with children"],
    )
    def test_a_field_that_is_not_plain_is_also_kept_as_it_stands(self, read: Read, attribute: Attribute) -> None:
        children = "".join(f'<{c.type} key="{c.name}" value="{c.value}"/>' for c in attribute.children)
        more = f'<{attribute.type} key="org:resource" value="7">{children}</{attribute.type}>'
        (_, event) = read(log_of(named("c") + event_of(more=more)))
        assert isinstance(event, EventRecord)
        assert event.resource == "7"
        assert event.attributes == (attribute,)

    def test_of_a_key_given_twice_the_last_counts_and_both_are_kept(self, read: Read) -> None:
        (_, event) = read(log_of(named("c") + event_of(at=None, more=named("b"))))
        assert isinstance(event, EventRecord)
        assert event.activity == "b"
        assert [attribute.value for attribute in event.attributes] == ["a", "b"]


def test_the_header_is_kept_for_an_equal_export(read: Read) -> None:
    summary, _ = read.both(
        '<log xes.version="1.0"><extension name="Time" prefix="time" uri="u"/>'
        '<global scope="event"><string key="a" value="b"/></global><classifier name="A" keys="x y"/>'
        '<float key="f" value="1.50"><int key="g" value="2"/></float><trace/></log>'
    )
    assert summary.header == {
        "log": {"xes.version": "1.0"},
        "extensions": [{"name": "Time", "prefix": "time", "uri": "u"}],
        "globals": [{"scope": "event", "attributes": [["string", "a", "b"]]}],
        "classifiers": [{"name": "A", "keys": "x y"}],
        "attributes": [["float", "f", "1.50", ["int", "g", "2"]]],
    }


def test_progress_goes_up_to_the_whole_file(known_log: Any, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    spool_xes(known_log.path, tmp_path / "spool", progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (known_log.path.stat().st_size,) * 2


class TestTheSpool:
    def test_is_its_owners_alone(self, read: Read) -> None:
        read(PLAIN)
        assert stat.S_IMODE((read.folder / "spool").stat().st_mode) == 0o600

    def test_of_another_import_is_not_touched(self, read: Read) -> None:
        (read.folder / "log.xes").write_text(PLAIN)
        (read.folder / "spool").write_text("mine")
        with pytest.raises(Unavailable, match="there already"):
            spool_xes(read.folder / "log.xes", read.folder / "spool")
        assert (read.folder / "spool").read_text() == "mine"

    def test_cut_short_anywhere_is_an_error_and_no_shorter_log(self, read: Read) -> None:
        read(log_of(named("c") + event_of() * 2))
        whole = (read.folder / "spool").read_bytes()
        for size in range(len(whole)):
            (read.folder / "spool").write_bytes(whole[:size])
            with pytest.raises(Unavailable, match="cut short"):
                list(read_spool(read.folder / "spool"))

    def test_with_a_line_lost_is_an_error_too(self, read: Read) -> None:
        read(log_of(named("c") + event_of() * 2))
        lines = (read.folder / "spool").read_bytes().splitlines(keepends=True)
        (read.folder / "spool").write_bytes(b"".join(lines[:1] + lines[2:]))
        with pytest.raises(Unavailable, match="cut short"):
            list(read_spool(read.folder / "spool"))


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    event = event_of(more='<string key="text" value="' + "x" * 1000 + '"/>').encode()
    peaks = []
    for events in (2_000, 12_000):
        path = tmp_path / f"{events}.xes"
        path.write_bytes(b"<log><trace>" + event * events + b"</trace></log>")
        tracemalloc.start()
        for _ in read_xes(path):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 500_000
