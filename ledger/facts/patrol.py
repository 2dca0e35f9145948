"""Windows watched live, and what an officer marks while watching.

    live/ID     live_viewed ─▶ watching ── live_ended ─▶ over          one viewing of one camera, by one actor
    patrol/ID   marked ─▶ marked ── complained ─▶ complained           a moment at a window that somebody disputes

Promise: as for ``stages``, and in a log whose acts pass ``check``

- whoever watches says so first, with the purpose, of a camera that is registered and, where a window is named, bound
  to it; who states the end is the server, or the viewer; what was watched ends after it begins;
- a mark is of an open window; who may watch may mark. It names the window, so whoever goes from a disputed event to
  its footage (``ledger.facts.disputed``) goes from a mark as from a ticket.

A viewing without an end was cut off with the server that served it; it lasted ``MAX_VIEW_US`` at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ledger.errors import NotAllowed, Refused
from ledger.facts.codes import check_code
from ledger.facts.disputed import covers
from ledger.facts.stages import Matter, StageFold, course
from ledger.facts.types import verb_of
from ledger.statement import instant_us

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

VIEWED: Final = "footage.live_viewed.v1"
ENDED: Final = "footage.live_ended.v1"
MARKED: Final = "patrol.marked.v1"
COMPLAINED: Final = "patrol.complained.v1"
PURPOSES: Final = frozenset({"supervision", "patrol", "complaint", "incident", "technical"})
MAX_VIEW_US: Final = 1_800_000_000
"""After half an hour whoever watches says again what for."""


def live_stream(view: str) -> str:
    """Where one viewing stands."""
    return f"live/{view}"


def patrol_stream(mark: str) -> str:
    """Where one mark stands."""
    return f"patrol/{mark}"


# S13: the complaint centre watches; a supervisor sees what investigators see.
_WATCHERS: Final = "investigator,complaint_head,supervisor"
LIVE_COURSE: Final = course(
    "footage",
    f"""
    -         live_viewed  watching  {_WATCHERS}
    watching  live_ended   over      system_clock,{_WATCHERS}
    """,
)
COURSE: Final = course(
    "patrol",
    f"""
    -       marked      marked      {_WATCHERS}
    marked  complained  complained  investigator,supervisor
    """,
)
RULES: Final[list[dict[str, Any]]] = [
    *LIVE_COURSE.rules(),
    # A mark holds footage by the officer's own word; investigators may hold by a rule of their own.
    *({"role": role, "types": ["footage.hold_placed.v1"]} for role in ("complaint_head", "supervisor")),
]


def _check_live(state: Matter | None, act: Statement, registry: Registry) -> None:
    data = act.data
    if state is None:
        check_code(data["purpose"], PURPOSES, "purpose")
        camera = registry.entries.get(f"camera/{data['camera']}")
        if camera is None or camera.closed:
            raise Refused(f"there is no camera {data['camera']}", code="no-camera", mend="mingjian-camera add")
        if "window" in data and not covers(camera.data, data["window"]):
            raise Refused(
                f"{data['camera']} does not cover {data['window']}", code="camera-window", mend="leave the window out"
            )
        return
    if act.role != "system_clock" and act.actor != state.opener:
        raise NotAllowed("another is watching there", code="live-viewer", mend="end your own")
    if ("since" in data) != ("until" in data) or ("since" in data and not _is_span(data)):
        raise Refused("what was watched ends after it begins", code="span", mend="give both, or neither")


def _is_span(data: Any) -> bool:
    since, until = instant_us(data["since"]), instant_us(data["until"])
    # Footage runs by the recorder's clock: a little more than the term may have been seen.
    return since < until <= since + 2 * MAX_VIEW_US


def _check_patrol(state: Matter | None, act: Statement, registry: Registry) -> None:
    if verb_of(act.type) != "marked":
        return
    window = f"window/{act.data['window'].removeprefix('window/')}"
    entry = registry.entries.get(window)
    if entry is None or entry.closed:
        raise Refused(f"there is no open window {window:.80}", code="no-window", mend="name one of the registry")


LIVE: Final = StageFold(LIVE_COURSE, Matter, check=_check_live)
FOLD: Final = StageFold(COURSE, Matter, check=_check_patrol)
