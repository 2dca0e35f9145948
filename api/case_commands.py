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
        answer({"n": found["n"], "cases": cases, "as_of": stand(hall)}, as_json=json)


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
        answer(case_history(hall, find_stream(hall, case_id), as_of=as_of, event_time=event_time), as_json=json)
