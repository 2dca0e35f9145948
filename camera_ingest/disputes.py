"""From a disputed event to its clips: the event, its window, the cameras bound to it then, the seconds around it.

The span is by the recorder's clock, which is what was sealed. What a camera burns into its pictures is its own clock,
and stands beside each clip as an offset.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from camera_ingest.clips import Cut
from camera_ingest.folders import Camera, read_cameras
from ledger.cases import complaint
from ledger.cases.cameras import Event
from ledger.cases.kept_footage import keep
from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.errors import Malformed, NotFound, Refused
from ledger.facts.disputed import moments_of
from ledger.statement import instant_text
from ledger.store.sequencer import now_us

_MARGIN: Final = re.compile(r"([0-9]{1,5})(ms|s|m|h)?", re.ASCII)
_UNITS_US: Final = {"ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, None: 1_000_000}
MAX_MARGIN_US: Final = 1_800_000_000


@dataclass(frozen=True, slots=True)
class Missed:
    """A camera of which nothing could be cut, and why."""

    camera: str
    since_us: int
    until_us: int
    why: Refused

    def as_json(self) -> dict[str, Any]:
        """What a command says of it."""
        return {"camera": self.camera, "code": self.why.code, "message": self.why.message}


def read_margin(text: str) -> int:
    """A margin as one writes it: 10m, 30s, 1h; µs."""
    found = _MARGIN.fullmatch(text.strip())
    if found is None or int(found[1]) * _UNITS_US[found[2]] > MAX_MARGIN_US:
        raise Malformed(f"{text!r:.40} is no margin", code="margin", mend="write 30s or 10m; half an hour at most")
    return int(found[1]) * _UNITS_US[found[2]]


def cameras_of_event(data: Path, event: Event, saw: Mapping[str, str]) -> list[Camera]:
    """This machine's cameras among those that ``saw`` the event (NotFound where there are none)."""
    mine = read_cameras(data)
    if found := [mine[id_] for id_ in sorted(saw) if id_ in mine]:
        return found
    others = [f"{id_} ({recorder})" for id_, recorder in sorted(saw.items())]
    raise NotFound(
        f"no camera of this machine covered {event.window} then",
        code="no-camera",
        mend=f"cut it where it is recorded, by clip --event … --ledger URL there: {', '.join(others)}"
        if others
        else f"mingjian-camera add ID --url URL --window {event.window} binds one for the time to come",
        cameras=sorted(saw),
    )


def spans_of_event(event: Event, margin_us: int) -> list[tuple[int, int]]:
    """The spans around the event, up to now; two where it was claimed at another time than it was recorded."""
    now = now_us()
    spans = [(at - margin_us, min(at + margin_us, now)) for at in moments_of(event.act, event.recorded_us)]
    return [(since, until) for since, until in spans if since < until]


def clip_event(
    cut: Callable[[Camera, int, int, Path], Cut], event: Event, cameras: Sequence[Camera], margin_us: int, out: Path
) -> tuple[list[tuple[str, Cut]], list[Missed]]:
    """Have ``cut`` cut the event on each camera: the first clip to ``out``, others beside it with their camera's name.

    What one camera cannot give is said, and hinders no other; the first refusal where none gives anything.
    """
    cuts: list[tuple[str, Cut]] = []
    missed: list[Missed] = []
    for camera in cameras:
        for since_us, until_us in spans_of_event(event, margin_us):
            number = sum(name == camera.id for name, _ in cuts)
            path = out if not cuts else _beside(out, camera.id, number)
            try:
                cuts.append((camera.id, cut(camera, since_us, until_us, path)))
            except Refused as error:
                missed.append(Missed(camera.id, since_us, until_us, error))
    if not cuts:
        if missed:
            raise missed[0].why
        raise NotFound("the event lies in the future", code="no-footage", mend="wait for it")
    return cuts, missed


def _beside(out: Path, camera: str, number: int) -> Path:
    return out.with_name(f"{out.stem}.{camera}{f'-{number + 1}' if number else ''}{out.suffix}")


def seal_for(
    hall: Hall, desk: Desk, named: str, cuts: Sequence[tuple[str, Cut]], missed: Sequence[Missed]
) -> dict[str, Any]:
    """Name clips in a complaint, and keep them for those who are granted to see them; say which are not to be had."""
    name = named.removeprefix("complaint/")
    for _, cut in cuts:
        keep(hall.data, cut.clip)
        complaint.seal_clip(desk, name, cut.outcome.id, request=f"clip-{cut.outcome.id.hex()[:40]}")
    for one in missed:
        complaint.miss_clip(
            desk, name, one.camera, one.why.code, since=instant_text(one.since_us), until=instant_text(one.until_us)
        )
    return {"stream": complaint.stream_of(name), "clips": len(cuts), "missing": len(missed)}
