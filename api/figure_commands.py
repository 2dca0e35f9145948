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
        found = imported.throughput(connection, source)
        answer({"n": found.cases} | found.as_json() | {"as_of": stand(hall)}, as_json=json)


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
        n = found.closed + found.open
        answer({"n": n} | found.as_json() | {"as_of": stand(hall)}, as_json=json)


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
        answer({"n": found.started} | found.as_json() | {"as_of": stand(hall)}, as_json=json)


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
        judged = {"n": found.green + found.yellow + found.red}
        answer(judged | found.as_json() | {"calendar_time": calendar_time, "as_of": stand(hall)}, as_json=json)


@cards_app.command("list")
def cards_list(
    case: Annotated[str | None, typer.Option(help="Only of this case (its stream).")] = None,
    unit: Annotated[str | None, typer.Option(help="Only of this unit.")] = None,
    stage: Annotated[str | None, typer.Option(help="raised, answered, appealed, upheld or revoked.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="A position or a recorded time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """The cards raised, the newest first. Example: mingjian cards list --unit env --stage raised"""
    from api.questions import asked_position, stand
    from projections.cards import card_list

    with speaking(as_json=json), derived(data) as (hall, connection):
        position, as_of_then = asked_position(hall, as_of).within(stand(hall))
        found = card_list(connection, position=position, case=case, unit=unit, stage=stage, limit=limit)
        answer(
            found | {"as_of": as_of_then},
            as_json=json,
            columns={"cards": "case rule colour unit clock due fired raised stage proposed"},
        )


@cards_app.command("dry-run")
def cards_dry_run(
    rules: Annotated[Path, typer.Option(help="The rule file to try.")],
    source: Annotated[str | None, typer.Option(help="An imported source, in the place of the live cases.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Cards that would appear and vanish under other rules. Example: mingjian cards dry-run --rules pack.json"""
    from api.questions import case_ids, stand
    from oversight.clock import SystemClock
    from oversight.dry_run import on_live, on_source, read_any

    with speaking(as_json=json):
        content = rules.read_bytes()
        pack = read_any(content)
        with derived(data) as (hall, connection):
            if source is None:
                found = on_live(SystemClock(hall, pack=pack))
            else:
                found = on_source(connection, source, pack)
                ids = case_ids(hall, [card["case"] for card in found["appear"]])
                found["appear"] = [card | {"case": ids.get(card["case"], card["case"])} for card in found["appear"]]
            answer(found | {"as_of": stand(hall)}, as_json=json)
