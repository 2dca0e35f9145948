"""What was recorded of a camera in a span of time: segments, their groups, and the gaps between."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from camera_ingest.folders import Recorder
from camera_ingest.journal import read_lines
from ledger.statement import instant_text, instant_us
from ledger.verify.clip import Line

_DAY_US: Final = 86_400_000_000
_SECOND_US: Final = 1_000_000
_START: Final = re.compile(rb'"start":"([^"]{19})')
_END: Final = re.compile(rb'"end":"([^"]{19})')
JOIN_US: Final = 500_000
"""Segments of one run that follow each other lie this near together, by two estimates of one instant."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A sealed segment, as its line says."""

    line: Line
    start_us: int
    end_us: int

    @property
    def says(self) -> dict[str, Any]:
        """The line's members."""
        return self.line.says

    def group_us(self, number: int) -> int:
        """When group ``number`` (from 1) begins; the end of the segment for the one behind the last."""
        if number > self.says["groups"]:
            return self.end_us
        return self.start_us + int(self.says["times"][number - 1]) * 1_000_000 // int(self.says["scale"])

    def groups_in(self, since_us: int, until_us: int) -> list[int]:
        """The groups that have any of the span."""
        numbers = range(1, self.says["groups"] + 1)
        return [k for k in numbers if self.group_us(k) < until_us and since_us < self.group_us(k + 1)]


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without footage, and why, where the recorder said so."""

    since_us: int
    until_us: int
    cause: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """What there is of a span."""

    segments: tuple[Segment, ...]
    gaps: tuple[Gap, ...]


def _day(us: int) -> str:
    return datetime.fromtimestamp(us / 1_000_000, UTC).date().isoformat()


def lines_of(recorder: Recorder, camera: str, since_us: int, until_us: int) -> Iterator[Line]:
    """The lines about a camera that may speak of the span."""
    # A line is written after what it tells, and a gap's end long after its beginning: a day on either side.
    until = until_us + timedelta(days=1) // timedelta(microseconds=1)
    wanted = speaks_of(camera, since_us, until_us)
    yield from read_lines(recorder, first_day=_day(since_us - _DAY_US), last_day=_day(until), wanted=wanted)


def speaks_of(camera: str, since_us: int, until_us: int) -> Callable[[bytes], bool]:
    """Whether a journal's bytes are a line about the camera, and if of a segment, of one in the span, or near it."""
    of_camera = b'"camera":"%s"' % camera.encode("ascii")
    # Texts of instants sort like instants as far as their seconds.
    first, last = (instant_text(max(us, 0))[:19].encode() for us in (since_us - _SECOND_US, until_us + _SECOND_US))

    def wanted(raw: bytes) -> bool:
        if of_camera not in raw:
            return False
        if b'"kind":"segment"' not in raw:
            return True
        start, end = _START.search(raw), _END.search(raw)
        return start is None or end is None or (start[1] <= last and end[1] >= first)

    return wanted


def span_of(recorder: Recorder, camera: str, since_us: int, until_us: int) -> Span:
    """The segments of a camera that have any of the span, and the gaps in it."""
    segments, causes = [], []
    for line in lines_of(recorder, camera, since_us, until_us):
        says = line.says
        if says["kind"] == "segment":
            start, end = instant_us(says["start"]), instant_us(says["end"])
            if start < until_us and since_us < end:
                segments.append(Segment(line, start, end))
        elif says["kind"] in ("gap_detected", "recording_stopped"):
            causes.append((instant_us(says["at"]), says.get("cause", "stopped")))
    segments.sort(key=lambda one: one.start_us)
    return Span(tuple(segments), tuple(_gaps(segments, causes, since_us, until_us)))


def _gaps(
    segments: Sequence[Segment], causes: Sequence[tuple[int, str]], since_us: int, until_us: int
) -> Iterator[Gap]:
    if not segments:
        yield Gap(since_us, until_us, _cause(causes, since_us, until_us))
        return
    if segments[0].start_us > since_us:
        yield Gap(since_us, segments[0].start_us, _cause(causes, since_us, segments[0].start_us))
    for one, other in pairwise(segments):
        follows = one.says["run"] == other.says["run"] and other.says["seq"] == one.says["seq"] + 1
        if not follows or other.start_us - one.end_us > JOIN_US:
            yield Gap(one.end_us, max(other.start_us, one.end_us), _cause(causes, one.end_us, other.start_us))
    if segments[-1].end_us < until_us:
        yield Gap(segments[-1].end_us, until_us, _cause(causes, segments[-1].end_us, until_us))


def _cause(causes: Sequence[tuple[int, str]], since_us: int, until_us: int) -> str | None:
    """What was said last when the gap began; its beginning is an estimate of the end before it."""
    before = [cause for at, cause in causes if at <= since_us + JOIN_US][-1:]
    within = [cause for at, cause in causes if at <= until_us][:1]
    return next(iter(before or within), None)
