"""What a camera's registration must say before it is believed.

Promise: no camera is bound to a nursing room, none forgets earlier than the least retention, and no recorder is given
more streams than one process carries well.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ledger.errors import Refused

MIN_RETENTION_DAYS: Final = 30
"""Of footage of a counter; complaints come in until then (sample pack)."""
MAX_STREAMS: Final = 8
"""Of one recorder process: more threads in one interpreter cost more than a second process."""
# Where nobody is filmed, whatever a registration says beside it.
CLOSED_PLACES: Final = frozenset({"nursing_room", "toilet", "changing_room"})


_MASK: Final = re.compile(r"([0-9]{1,5})/([0-9]{1,5})/([1-9][0-9]{0,4})/([1-9][0-9]{0,4})", re.ASCII)


def mask_of(code: str) -> tuple[int, int, int, int]:
    """A mask's corner and size in pixels; Refused what is none."""
    found = _MASK.fullmatch(code)
    if found is None:
        raise Refused(f"{code:.40} is no mask", code="mask", mend="x/y/w/h in pixels from the upper left corner")
    return int(found[1]), int(found[2]), int(found[3]), int(found[4])


def masks_digest(codes: Sequence[str]) -> str:
    """What names a set of masks in the name of a file; the order in which they stand is nothing."""
    return hashlib.sha256("\n".join(sorted(codes)).encode()).hexdigest()[:16]


def check_camera(stream: str, data: Mapping[str, Any], others: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    """Refuse a registration that must not be; ``others``: the cameras registered now, by stream."""
    if "/" in stream.partition("/")[2]:
        raise Refused("a camera's id has no slash in it", code="camera-id", mend="camera/ID")
    if data["place"] in CLOSED_PLACES:
        raise Refused(f"no camera is bound to a {data['place']}", code="camera-place", mend="move the camera")
    if data["retention_days"] < MIN_RETENTION_DAYS:
        raise Refused(
            f"footage is kept for at least {MIN_RETENTION_DAYS} days, not {data['retention_days']}",
            code="retention",
            mend="give a longer retention",
            least=MIN_RETENTION_DAYS,
        )
    for mask in data.get("masks", ()):
        mask_of(mask)
    recorder = data["recorder"]
    if not recorder.startswith("recorder/") or recorder.count("/") != 1 or recorder == "recorder/":
        raise Refused(f"{recorder} is no recorder", code="recorder", mend="recorder/NAME")
    bound = [other for other, said in others if said["recorder"] == recorder and other != stream]
    if len(bound) >= MAX_STREAMS:
        raise Refused(
            f"{recorder} has {MAX_STREAMS} cameras already", code="recorder-full", mend="bind it to another recorder"
        )
