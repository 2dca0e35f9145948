"""``mingjian metrics`` and ``mingjian cards``: figures, each with what it stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.options import DEFAULT_DATA, Data, Json, Source, derived
from api.output import answer, speaking
from ledger.errors import Malformed, Refused

metrics_app = typer.Typer(no_args_is_help=True, help="Figures, each with what it stands on.")
cards_app = typer.Typer(no_args_is_help=True, help="Prompts and cards.")


@metrics_app.command("throughput")
def metrics_throughput(source: Source, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Durations, variants, hand-overs. Example: mingjian metrics throughput --source permits"""
    from api.questions import stand
    from projections import imported

    with speaking(as_json=json), derived(data) as (hall, connection):
        answer(imported.throughput(connection, source).as_json() | {"as_of": stand(hall)}, as_json=json)


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
        answer(found.as_json() | {"as_of": stand(hall)}, as_json=json)


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
        answer(imported.as_of(connection, source, moment.us).as_json() | {"as_of": stand(hall)}, as_json=json)


@cards_app.command("backtest")
def cards_backtest(
    source: Source,
    yellow: Annotated[str, typer.Option(help="Share of the limit at which a yellow card is raised.")] = "0.9",
    red: Annotated[str, typer.Option(help="Share of the limit past which a red card is raised.")] = "1.0",
    calendar_time: Annotated[bool, typer.Option("--calendar-time", help="Reckon in plain elapsed time.")] = False,
    rules: Annotated[Path | None, typer.Option(help="A rule file instead of the two shares.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Which cards a rule would have raised. Example: mingjian cards backtest --source permits --calendar-time"""
    from api.questions import stand
    from ledger.facts.metrics import read_card_rules, threshold_rules
    from projections import imported

    with speaking(as_json=json), derived(data) as (hall, connection):
        if rules is None and not calendar_time:
            raise Refused(
                "a source's own dates say nothing about its working days",
                code="calendar-time",
                mend="--calendar-time reckons in plain elapsed time; a rule file (--rules) may say otherwise",
            )
        pack = threshold_rules(yellow=yellow, red=red) if rules is None else read_card_rules(rules.read_bytes())
        found = imported.backtest(connection, source, pack)
        answer(found.as_json() | {"calendar_time": calendar_time, "as_of": stand(hall)}, as_json=json)
