"""``mingjian anomalies``: reasons to open a file, ranked. Never a verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import orjson
import typer

from api.options import DEFAULT_DATA, Data, Json, Source, derived
from api.output import answer, speaking

anomalies_app = typer.Typer(no_args_is_help=True, help="What is odd, ranked, with reason and evidence.")


@anomalies_app.callback()
def anomalies() -> None:
    """What is odd, ranked, with reason and evidence."""


@anomalies_app.command("list")
def anomalies_list(
    source: Source,
    order: Annotated[
        Path | None, typer.Option(help="Steps in their order, or lines 'a -> b', in the place of mined rules.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many rows.")] = 1000,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Cases worth a look, the oddest first. Example: mingjian anomalies list --source permits --limit 30"""
    from api.questions import case_ids, snapshot
    from ledger.facts.anomalies import read_order
    from oversight.flagged import flagged

    with speaking(as_json=json):
        rules = None if order is None else read_order(order.read_bytes())
        with derived(data) as (hall, _), snapshot(hall) as (connection, as_of):
            rows = flagged(
                connection, source, case_ids=lambda streams: case_ids(hall, streams), order=rules, limit=limit
            )
        if json:
            sys.stdout.write(orjson.dumps(rows).decode() + "\n")
            return
        answer(
            {"n": len(rows), "anomalies": rows, "as_of": as_of},
            as_json=False,
            columns={"anomalies": "case kind score base_rate zh en"},
        )
