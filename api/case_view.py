"""One case as its page shows it: the history as of one of its moments, and the strip on which the moments lie.

The moments of an imported case are the claimed times of its events, and its slider runs on claimed time; those of a
live case are the places of its statements, and its slider runs on recorded time.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import Any, Final

from api.pages import local_moment
from api.questions import CaseRecord, position_of, tell_case
from ledger.door.hall import Hall
from ledger.exchange.xes import Flag, read_instant
from ledger.statement import instant_text
from projections import imported

WIDTH: Final = 1000  # of the strip, in its own units
_UNTIMED: Final = {Flag.NO_TIMESTAMP, Flag.BAD_TIMESTAMP}


def case_view(hall: Hall, case: CaseRecord, *, as_of: str | None, at: str | None, step: int | None) -> dict[str, Any]:
    """What the page needs. ``step`` (from 1) names a moment by its number, as the slider does without a script."""
    is_imported = case.stream.startswith("imported/")
    moments = _claimed(case) if is_imported else [one.index + 1 for one in case.statements]
    if step is not None and moments:
        chosen: int | None = moments[min(step, len(moments)) - 1]
    elif is_imported:
        chosen = local_moment(at) if at else None
    else:
        chosen = position_of(hall, as_of) if as_of else None
    place = len(moments) if chosen is None else bisect_right(moments, chosen)
    if is_imported:
        told = tell_case(hall, case, until_us=chosen)
        times = moments
        shown_us = chosen if chosen is not None else (moments[-1] if moments else None)
    else:
        told = tell_case(hall, case, position=chosen)
        times = [one.recorded_us for one in case.statements]
        shown_us = times[place - 1] if place else None
    dates = _dates(case) if is_imported else {}
    ticks, marks, now = _strip(times, dates, shown_us)
    return {
        "case": told,
        "as_of": told["as_of"],
        "imported": is_imported,
        "source": case.stream.split("/")[1] if is_imported else None,
        "place": place,
        "total": len(moments),
        "statements": len(case.statements),
        "shown_us": shown_us,
        "moment": _address(moments, place, chosen, is_imported),
        "before": _address(moments, place - 1, None, is_imported) if place > 1 else None,
        "after": _address(moments, place + 1, None, is_imported) if place < len(moments) else None,
        "ticks": ticks,
        "marks": marks,
        "now": now,
        "gaps": _gaps(told["events"]) if is_imported else {},
    }


def _claimed(case: CaseRecord) -> list[int]:
    """The distinct claimed times of the events whose times could be read."""
    found = {
        one.act.at_us
        for one in case.statements
        if one.act is not None
        and one.act.type == "imported.event.v1"
        and not _UNTIMED.intersection(one.act.data.get("flags", ()))
    }
    return sorted(found)


def _address(moments: list[int], place: int, chosen: int | None, is_imported: bool) -> dict[str, Any]:
    """The part of the address that says a moment; nothing for the last one."""
    if not moments or (chosen is None and place >= len(moments)):
        return {}
    at = chosen if chosen is not None else moments[max(place, 1) - 1]
    return {"at": instant_text(at)} if is_imported else {"as_of": at}


def _dates(case: CaseRecord) -> dict[str, int]:
    """Start, deadline and end as the source names them."""
    wanted = {imported.START: "start", imported.DEADLINE: "deadline", imported.END: "end"}
    found: dict[str, int] = {}
    for one in case.statements:
        if one.act is None or one.act.type != "imported.case.v1":
            continue
        for name, kind, text, *_ in one.act.data.get("attributes", ()):
            instant = read_instant(text) if kind == "date" and name in wanted else None
            if instant is not None:
                found[wanted[name]] = instant.us
    return found


def _strip(
    times: list[int], dates: dict[str, int], shown_us: int | None
) -> tuple[list[float], list[dict[str, Any]], float | None]:
    """Where ticks, dates and the present moment lie on the strip."""
    every = [*times, *dates.values()]
    if not every:
        return [], [], None
    first, last = min(every), max(every)
    length = max(last - first, 1)

    def x(us: int) -> float:
        return round(WIDTH * min(max(us - first, 0), length) / length, 1)

    marks = [{"x": x(us), "name": name, "us": us} for name, us in sorted(dates.items(), key=lambda pair: pair[1])]
    return [x(us) for us in times], marks, None if shown_us is None else x(shown_us)


def _gaps(events: list[dict[str, Any]]) -> dict[int, int]:
    """How long nothing happened before an event, where that was over a day: entry → days."""
    timed = [one for one in events if one.get("type") == "imported.event.v1"]
    found = {}
    for before, after in pairwise(timed):
        seconds = (_seconds(after["at"]) or 0) - (_seconds(before["at"]) or 0)
        if seconds >= 86_400:
            found[after["index"]] = seconds // 86_400
    return found


def _seconds(text: str) -> int | None:
    found = read_instant(text)
    return None if found is None else found.us // 1_000_000
