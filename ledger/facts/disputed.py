"""From what a complaint disputes to the footage that must not go: which window, when, which cameras, how long.

Promise: door, system clock, recorder, page and whoever replays the log come to the same spans and the same dates.

    disputed event ─▶ its window, its moment ─▶ [moment − 10 min, moment + 10 min) on every camera bound to the window
    window + span  ─▶ the same about the middle of the span

What overlaps within one complaint is held once. The numbers are a sample pack's: no rule of the district is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ledger.facts.calendar import WorkingDays
from ledger.facts.case_clocks import day_at, us_of
from ledger.facts.clocks import ClockSpec, due, last_instant_of
from ledger.statement import Statement, instant_us

MARGIN_US: Final = 600_000_000
"""A provisional hold reaches so far before and behind what is disputed."""
GRACE_US: Final = 300_000_000
"""A claimed time so near to the recorded one counts; of one further off both are held."""
CONFIRM_DAYS: Final = 1
"""Working days within which a person confirms the hold of a complaint that names neither ticket nor case."""
LAPSE_DAYS: Final = 10
"""Working days after a refusal, when its provisional holds lapse."""
PER_SUBJECT: Final = 3
"""So many complaints about one ticket or case have holds placed by themselves."""
PER_CHANNEL: Final = 20
"""So many complaints without ticket or case of one channel, within a day."""
DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """What is disputed at one window: ``since_us`` ≤ t < ``until_us``, margin included."""

    window: str
    since_us: int
    until_us: int


def window_of(act: Statement) -> str | None:
    """The window at which an act happened; None where it says none."""
    named = act.window or act.data.get("window")
    return named if isinstance(named, str) else None


def moments_of(act: Statement, recorded_us: int) -> list[int]:
    """When an act happened, for whoever looks for it on footage: as claimed and, where that is far off, as recorded."""
    return [act.at_us] if abs(act.at_us - recorded_us) <= GRACE_US else [act.at_us, recorded_us]


def of_event(act: Statement, recorded_us: int, *, margin_us: int = MARGIN_US) -> list[Moment]:
    """Where and when a disputed act happened; none where it names no window."""
    window = window_of(act)
    if window is None:
        return []
    return [Moment(window, at - margin_us, at + margin_us) for at in moments_of(act, recorded_us)]


def of_span(window: str, since_us: int, until_us: int) -> Moment:
    """What is held of a span that somebody named: no more than of an event in its middle."""
    middle = (since_us + until_us) // 2
    return Moment(window, middle - MARGIN_US, middle + MARGIN_US)


def covers(camera: Mapping[str, Any], window: str) -> bool:
    """Whether a camera's registration binds it to a window; ``w1`` and ``window/w1`` are one."""
    wanted = window.removeprefix("window/")
    return any(named.removeprefix("window/") == wanted for named in camera["windows"])


def spans_on(cameras: Mapping[str, Mapping[str, Any]], moments: Iterable[Moment]) -> dict[str, list[tuple[int, int]]]:
    """The spans to hold of each camera that covers any of ``moments``, in order; what overlaps is one span."""
    found: dict[str, list[tuple[int, int]]] = {}
    for moment in sorted(moments, key=lambda one: one.since_us):
        for camera, said in cameras.items():
            if covers(said, moment.window):
                _join(found.setdefault(camera, []), moment.since_us, moment.until_us)
    return dict(sorted(found.items()))


def _join(spans: list[tuple[int, int]], since_us: int, until_us: int) -> None:
    if spans and since_us <= spans[-1][1]:
        spans[-1] = (spans[-1][0], max(spans[-1][1], until_us))
    else:
        spans.append((since_us, until_us))


def complaint_of(ground: str) -> str | None:
    """The complaint's stream that a ground names; None for another ground."""
    return ground if ground.startswith("complaint/") else None


def working_days_after(us: int, days: int, calendar: WorkingDays) -> int | None:
    """The last instant (µs) of the working day so many after that moment's; None where the calendar ends before it."""
    spec = ClockSpec(days)
    found = due(spec, day_at(us), calendar=calendar, beyond="not-yet-known")
    return None if not found.known else us_of(last_instant_of(found, spec))


def footage_until(spans: Sequence[tuple[int, int]], retention_days: int) -> int:
    """When the first of the footage of those spans goes by its term (µs)."""
    return min(since for since, _ in spans) + retention_days * DAY_US


def named_span(data: Mapping[str, Any]) -> Moment | None:
    """What a complaint that names a window and a span of time wants held; None where it names none."""
    if not {"window", "since", "until"} <= data.keys():
        return None
    return of_span(data["window"], instant_us(data["since"]), instant_us(data["until"]))
