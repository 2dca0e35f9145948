"""A journal is found its way in: by number over days, by camera and span, and never without its signatures."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from camera_ingest.folders import Recorder
from camera_ingest.journal import Journal, lines_after, read_lines
from camera_ingest.spans import span_of
from ledger.errors import Evidence
from ledger.keys import SigningKey
from ledger.statement import instant_text

_DAY_US = 86_400_000_000
START = 1_790_000_000_000_000 // _DAY_US * _DAY_US
SEGMENT_US = 1_800_000_000


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    """Three days of two cameras, a segment each half an hour, and a gap in the second day."""
    found = Recorder("recorder/1", tmp_path_factory.mktemp("journal"), SigningKey.generate())
    clock = [START]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("camera_ingest.journal.now_us", lambda: clock[0])
        journal = Journal(found)
        for number in range(3 * 48):
            at = START + number * SEGMENT_US
            clock[0] = at + SEGMENT_US + 1000
            for camera in ("a", "ab"):
                if camera == "a" and number == 70:
                    journal.append("gap_detected", camera=camera, at=instant_text(at), cause="stall", run="r")
                    continue
                times = {"start": instant_text(at), "end": instant_text(at + SEGMENT_US)}
                journal.append("segment", camera=camera, run="r", seq=number + 1, groups=1, times=[0], scale=1, **times)
        journal.close()
    return found


@pytest.mark.parametrize("number", [0, 1, 95, 96, 97, 191, 192, 250, 287, 288, 300])
def test_the_lines_behind_any_number_are_found(recorder: Recorder, number: int) -> None:
    every = list(read_lines(recorder))
    assert len(list((recorder.folder / "journal").iterdir())) >= 3
    assert [line.number for line in lines_after(recorder, number)] == [
        line.number for line in every if line.number > number
    ]
    upto = number + 40
    assert [line.number for line in lines_after(recorder, number, upto=upto)] == [
        line.number for line in every if number < line.number <= upto
    ]


@pytest.mark.parametrize(("first", "last"), [(0, 3), (45, 52), (69, 72), (142, 144)])
def test_a_span_is_what_all_lines_say_of_it(recorder: Recorder, first: int, last: int) -> None:
    since, until = START + first * SEGMENT_US + 1, START + last * SEGMENT_US - 1
    for camera in ("a", "ab"):
        span = span_of(recorder, camera, since, until)
        wanted = [n + 1 for n in range(first, last) if (camera, n) != ("a", 70)]
        assert [one.says["seq"] for one in span.segments] == wanted
        assert {one.says["camera"] for one in span.segments} == {camera}
        broken = any(b - a > 1 for a, b in pairwise(wanted))
        assert [gap.cause for gap in span.gaps] == (["stall"] if broken else [])


def test_a_line_of_the_span_that_was_changed_is_evidence(recorder: Recorder) -> None:
    path = sorted((recorder.folder / "journal").iterdir())[1]
    raw = path.read_bytes()
    changed = raw.replace(b'"seq":60,', b'"seq":61,', 1)
    assert changed != raw
    Path(path).write_bytes(changed)
    try:
        at = START + 59 * SEGMENT_US
        with pytest.raises(Evidence):
            span_of(recorder, "a", at, at + SEGMENT_US)
        span_of(recorder, "a", START, START + SEGMENT_US)  # what it says of other times is not touched
    finally:
        path.write_bytes(raw)
