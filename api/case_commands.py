"""``mingjian case``: cases and their histories, each statement checked against the tree when it is read."""

from __future__ import annotations

from typing import Annotated

import typer

from api.options import DEFAULT_DATA, Data, Json, Source, derived
from api.output import answer, speaking

case_app = typer.Typer(no_args_is_help=True, help="Cases and their histories.")


@case_app.command("list")
def case_list(
    source: Source,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """The cases of a source. Example: mingjian case list --source permits --limit 20"""
    from api.questions import case_ids, stand
    from projections import imported

    with speaking(as_json=json), derived(data) as (hall, connection):
        found = imported.case_list(connection, source, limit=limit)
        ids = case_ids(hall, [case["stream"] for case in found["cases"]])
        cases = [{"id": ids.get(case["stream"])} | case for case in found["cases"]]
        answer(
            {"n": found["n"], "cases": cases, "as_of": stand(hall)},
            as_json=json,
            columns={"cases": "id first last events flagged closed late"},
        )


@case_app.command("show")
def case_show(
    case_id: Annotated[str, typer.Argument(help="The source's own id.")],
    as_of: Annotated[str | None, typer.Option("--as-of", help="A position or a recorded time.")] = None,
    event_time: Annotated[str | None, typer.Option("--event-time", help="A claimed time.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """One case's history, each statement checked against the tree. Example: mingjian case show case-10011"""
    from api.questions import case_history, find_stream

    with speaking(as_json=json), derived(data) as (hall, _):
        found = case_history(hall, find_stream(hall, case_id), as_of=as_of, event_time=event_time)
        answer(found, as_json=json, columns={"events": "index seq type at recorded actor custody"})


@case_app.command("queue")
def case_queue(
    unit: Annotated[str | None, typer.Option(help="In the queue of this unit.")] = None,
    window: Annotated[str | None, typer.Option(help="At this window.")] = None,
    item: Annotated[str | None, typer.Option(help="Of this item.")] = None,
    stage: Annotated[list[str] | None, typer.Option(help="In one of these stages.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="A position or a recorded time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """The live cases that are open. Example: mingjian case queue --unit planning --stage applied"""
    from api.questions import asked_position, stand
    from projections import cases

    with speaking(as_json=json), derived(data) as (hall, connection):
        position, as_of_then = asked_position(hall, as_of).within(stand(hall))
        found = cases.queue(
            connection, position=position, unit=unit, window=window, item=item, stages=stage or (), limit=limit
        )
        answer(
            found | {"as_of": as_of_then},
            as_json=json,
            columns={"cases": "stage suspended item window received | stream"},
        )


@case_app.command("due")
def case_due(
    clock: Annotated[str | None, typer.Option(help="Only this clock: statutory, promise, step …")] = None,
    before: Annotated[str | None, typer.Option(help="Due before this time; 'now' gives what is late.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="A position or a recorded time.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 50,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Running clocks of live cases, the earliest due first. Example: mingjian case due --before now"""
    from api.questions import asked_position, due_before, stand
    from projections import clocks

    with speaking(as_json=json), derived(data) as (hall, connection):
        position, as_of_then = asked_position(hall, as_of).within(stand(hall))
        before_us = due_before(before, as_of_then)
        found = clocks.due_list(connection, position=position, before_us=before_us, clock=clock, limit=limit)
        answer(
            found | {"as_of": as_of_then},
            as_json=json,
            columns={"runs": "due clock branch step number paused | stream"},
        )


@case_app.command("completeness")
def case_completeness(
    case_id: Annotated[str, typer.Argument(help="The source's own id, a live case's, or a stream's name.")],
    at: Annotated[int | None, typer.Option("--at", min=1, help="A size at which case heads were stated.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """How many statements a case has, exactly, or that there is none. Example: mingjian case completeness case-10011

    Case heads are stated now unless the last are as new as the log. With --json the answer is itself the document that
    mingjian-verify proof checks.
    """
    from api.log_proofs import complete_stream
    from api.questions import stream_meant

    with speaking(as_json=json), derived(data) as (hall, _), hall.sequencing():
        document, head = complete_stream(hall, stream_meant(hall, case_id), at=at, fresh=True)
        told = document.as_json()
        if not json:
            told = {name: told[name] for name in ("stream", "size", "statements", "last")} | {"on": head.as_json()}
        answer(told, as_json=json)
