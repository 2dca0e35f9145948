"""``mingjian metrics``: every figure of the hall by its name, the list of them, and the scorecard."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from api.figure_commands import metrics_app as metrics_app
from api.options import DEFAULT_DATA, Data, Json, derived
from api.output import answer, speaking
from ledger.facts.figures.definitions import DIMENSIONS, METRICS, Metric

Dimension = StrEnum("Dimension", [(name, name) for name in DIMENSIONS])  # type: ignore[misc] # typer wants an enum
By = Annotated[Dimension | None, typer.Option("--by", help="Also by this dimension.")]
From = Annotated[str | None, typer.Option("--from", help="A day (local) or an instant; without it from the start.")]
To = Annotated[str | None, typer.Option("--to", help="The first day or instant after the period.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="A position or a recorded time.")]
Public = Annotated[
    bool, typer.Option("--public", help="For everybody: one quarter, as of its end, small cells hidden.")
]


@metrics_app.command("list")
def metrics_list(json: Json = False) -> None:
    """Every figure with its words in both languages. Example: mingjian metrics list"""
    from api.metric_questions import listed

    with speaking(as_json=json):
        answer(listed(), as_json=json, columns={"metrics": "name zh en unit version"})


@metrics_app.command("scorecard")
def metrics_scorecard(
    by: By = None,
    since: From = None,
    until: To = None,
    as_of: AsOf = None,
    formula: Annotated[Path | None, typer.Option(help="A formula's file, instead of the sample.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """A score of each unit, every component with its n. Example: mingjian metrics scorecard --by unit"""
    from ledger.facts.figures.scorecard import Formula

    with speaking(as_json=json):
        given = None if formula is None else Formula.read(formula.read_bytes())
        _tell("scorecard", data, as_json=json, by=by, since=since, until=until, as_of=as_of, formula=given)


def _tell(name: str, data: Path, *, as_json: bool, by: str | None, **asked: Any) -> None:
    from api.metric_questions import figure

    with derived(data) as (hall, _):
        answer(figure(hall, name, by=None if by is None else str(by), **asked), as_json=as_json)


def _command(metric: Metric) -> None:
    # One command for each figure: --help names them all, and a name that is none is refused as wrong usage.
    @metrics_app.command(metric.name, help=f"{metric.en}. {metric.zh}. Example: mingjian metrics {metric.name}")
    def ask(
        by: By = None,
        since: From = None,
        until: To = None,
        as_of: AsOf = None,
        public: Public = False,
        data: Data = DEFAULT_DATA,
        json: Json = False,
    ) -> None:
        with speaking(as_json=json):
            _tell(metric.name, data, as_json=json, by=by, since=since, until=until, as_of=as_of, public=public)


for _metric in METRICS.values():
    _command(_metric)
