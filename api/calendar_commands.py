"""``mingjian calendar``: the working days of a ledger, published and revised by two persons.

Promise: from the confirmation on its clocks follow; each case of which a due date was moved or settled says so by a
statement of its own (``approval.clocks_recomputed.v1``), and a view as of then still shows what was known then.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from api.options import DEFAULT_DATA, Data, Json, derived
from api.output import answer, speaking
from api.registry_commands import As, AsOf, Signer, at_desk, done, json_content, registry_confirm
from ledger.errors import Malformed
from ledger.facts.calendar import YearSchedule, china_mainland, revised
from ledger.facts.clocks import local_day
from ledger.facts.types import check_value

calendar_app = typer.Typer(help="Working days: schedules published and revised by two persons.", no_args_is_help=True)


@calendar_app.command("revise")
def calendar_revise(
    by: As,
    file: Annotated[
        Path | None, typer.Argument(help="A year's schedule as JSON, new or in the old one's place.")
    ] = None,
    off: Annotated[
        list[str] | None, typer.Option(metavar="DAY", help="A day that becomes a day off. Repeatable.")
    ] = None,
    work: Annotated[
        list[str] | None, typer.Option(metavar="DAY", help="A day that becomes worked. Repeatable.")
    ] = None,
    source: Annotated[str, typer.Option(help="The notice that says so: title, number, date.")] = "",
    known_from: Annotated[
        str | None, typer.Option(metavar="DAY", help="The day of the notice; today unless given.")
    ] = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Propose a year's working days. Example: mingjian calendar revise --off 2020-01-31 --source … --as staff/lin

    With a file the whole year is given; with --off and --work the newest schedule of that year is changed.
    """
    from ledger.registry import catalogue

    with speaking(as_json=json), at_desk(data, by, signer, "catalogue_admin") as (hall, desk):
        known = None if known_from is None else _day(known_from)
        if (file is None) == (not off and not work):
            raise Malformed("a revision is a file, or days", code="usage", mend="give FILE, or --off and --work")
        if file is not None:
            schedule = YearSchedule.from_json(json_content(f"@{file}"))
        else:
            change = {
                "off": [_day(text) for text in off or ()],
                "work": [_day(text) for text in work or ()],
            }
            today = local_day(datetime.now(UTC))
            schedule = revised(hall.door.registry()[1].calendar(), **change, source=source, known_from=known or today)
        answer(done(hall, catalogue.schedule(desk, schedule), **_shown(schedule)), as_json=json)


@calendar_app.command("confirm")
def calendar_confirm(
    proposal: Annotated[str, typer.Argument(help="The proposal's id, hex.")],
    by: As,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Confirm a schedule that another proposed: clocks follow. Example: mingjian calendar confirm ID --as staff/wu"""
    registry_confirm(proposal, by, role="catalogue_admin", signer=signer, data=data, json=json)


@calendar_app.command("list")
def calendar_list(as_of: AsOf = None, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """The schedules known, and the clocks that wait for one. Example: mingjian calendar list --as-of 1000"""
    from api.questions import asked_position, stand
    from projections import clocks, registries

    with speaking(as_json=json), derived(data) as (hall, connection):
        _, as_of_then = asked_position(hall, as_of).within(stand(hall))
        rows = [
            {**_shown(schedule), "index": None, "recorded_us": None, "statement": None}
            for schedule in china_mainland().schedules
        ]
        for row in registries.published(connection, "calendar", position=as_of_then["position"]):
            more = {name: row[name] for name in ("recorded_us", "statement")}
            rows.append({**_shown(YearSchedule.from_json(row["data"])), "index": row["leaf_index"], **more})
        last = max(row["year"] for row in rows)
        found = {"n": len(rows), "schedules": rows, "known_to": f"{last}-12-31"}
        waiting = clocks.unknown(connection)
        answer(found | {"waiting": waiting, "warning": waiting_for(waiting, last), "as_of": as_of_then}, as_json=json)


def _shown(schedule: YearSchedule) -> dict[str, Any]:
    told = schedule.as_json()
    return {name: told[name] for name in ("year", "known_from", "source", "days_off", "working_weekends")}


def waiting_for(waiting: Mapping[str, Any], last: int) -> str | None:
    """What the administrator must do about clocks that are due beyond the calendar; None where there are none."""
    if not waiting["runs"]:
        return None
    return (
        f"{waiting['runs']} clocks of {waiting['cases']} cases are due beyond {last}, on days that are not yet known:"
        f" publish the schedule of {last + 1} as soon as it is out (mingjian calendar revise FILE)"
    )


def _day(text: str) -> date:
    if not check_value("date", text):
        raise Malformed(f"{text!r} is not a day", code="usage", mend="write it as 2020-01-31")
    return date.fromisoformat(text)
