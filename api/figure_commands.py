"""``mingjian metrics``: figures, each with what it stands on."""

from __future__ import annotations

from typing import Annotated

import typer

from api.options import DEFAULT_DATA, Data, Json, Source, derived
from api.output import answer, speaking
from ledger.errors import Malformed

metrics_app = typer.Typer(no_args_is_help=True, help="Figures, each with what it stands on.")


@metrics_app.command("throughput")
def metrics_throughput(source: Source, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Durations, variants, hand-overs. Example: mingjian metrics throughput --source permits"""
    from api.questions import stand
    from projections import imported

    with speaking(as_json=json), derived(data) as (hall, connection):
        found = imported.throughput(connection, source)
        answer({"n": found.n} | found.as_json() | {"as_of": stand(hall)}, as_json=json)


@metrics_app.command("deadlines")
def metrics_deadlines(
    source: Source,
    start_attr: str = "startdate",
    deadline_attr: str = "deadline",
    end_attr: str = "enddate",
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Closed in time, late, open. Example: mingjian metrics deadlines --source permits"""
    from api.questions import stand
    from projections import imported

    with speaking(as_json=json), derived(data) as (hall, connection):
        found = imported.deadlines(connection, source, start_attr, deadline_attr, end_attr)
        answer({"n": found.n} | found.as_json() | {"as_of": stand(hall)}, as_json=json)


@metrics_app.command("as-of")
def metrics_as_of(
    source: Source,
    event_time: Annotated[str, typer.Option("--event-time", help="A claimed time, RFC 3339.")],
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """What had begun and ended by a claimed time. Example: … as-of --source permits --event-time 2011-06-01T00:00Z"""
    from api.questions import stand
    from ledger.exchange.xes import read_instant
    from projections import imported

    with speaking(as_json=json), derived(data) as (hall, connection):
        moment = read_instant(event_time)
        if moment is None:
            raise Malformed(f"{event_time!r} is no time", code="instant", mend="write it like 2011-06-01T00:00:00Z")
        found = imported.as_of(connection, source, moment.us)
        answer({"n": found.n} | found.as_json() | {"as_of": stand(hall)}, as_json=json)
