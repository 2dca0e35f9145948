"""``mingjian anomalies``: reasons to open a file, ranked, and what supervisors made of them. Never a verdict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import orjson
import typer

from api.options import DEFAULT_DATA, Data, Json, derived
from api.output import answer, speaking

if TYPE_CHECKING:
    from ledger.door.hall import Hall
    from ledger.facts.anomalies import Order

anomalies_app = typer.Typer(no_args_is_help=True, help="What is odd, ranked, with reason and evidence.")

Of = Annotated[str | None, typer.Option("--source", help="An imported source; without it, the live cases.")]
Case = Annotated[str, typer.Argument(help="The case as the list names it.")]
Kind = Annotated[str, typer.Argument(help="A1 to A20.")]
Reason = Annotated[str, typer.Option("--reason", help="What was found; sealed in the log.")]
By = Annotated[str | None, typer.Option("--as", help="The supervisor; unless given, whose key is kept here.")]
Signer = Annotated[Path | None, typer.Option("--signer", help="The supervisor's key file, where it is not kept here.")]
OrderFile = Annotated[
    Path | None, typer.Option("--order", help="Steps in their order, or lines 'a -> b', in the place of mined rules.")
]
_PLACED_S: Final = 10.0


@anomalies_app.callback()
def anomalies() -> None:
    """What is odd, ranked, with reason and evidence."""


@anomalies_app.command("list")
def anomalies_list(
    source: Of = None,
    order: OrderFile = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="At most so many rows.")] = 1000,
    as_of: Annotated[str | None, typer.Option("--as-of", help="As of a position or a recorded time.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Cases worth a look, the oddest first. Example: mingjian anomalies list --source permits --limit 30"""
    from api.questions import asked_position, snapshot
    from ledger.errors import Malformed
    from oversight.flagged import flagged_live

    with speaking(as_json=json):
        rules = _order(order)
        with derived(data) as (hall, _):
            if source is not None:
                if as_of is not None:
                    raise Malformed("an imported source is history", code="usage", mend="leave --as-of out")
                rows, standing = _of_source(hall, source, rules, limit)
            else:
                asked = asked_position(hall, as_of)
                with snapshot(hall) as (connection, standing):
                    position, standing = asked.within(standing)
                    rows = flagged_live(connection, position=position, order=rules, limit=limit)
        if json:
            sys.stdout.write(orjson.dumps(rows).decode() + "\n")
            return
        shown = [{"triage": "", **row} for row in rows]
        answer(
            {"n": len(rows), "anomalies": shown, "as_of": standing},
            as_json=False,
            columns={"anomalies": "case kind score base_rate triage zh en"},
        )


@anomalies_app.command("confirm")
def anomalies_confirm(
    case: Case,
    kind: Kind,
    reason: Reason,
    source: Of = None,
    order: OrderFile = None,
    by: By = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """State that there was a reason. Example: mingjian anomalies confirm approval/a-1 A2 --reason "no ground" """
    _judge("confirmed", case, kind, reason, source, order, by, signer, data, as_json=json)


@anomalies_app.command("dismiss")
def anomalies_dismiss(
    case: Case,
    kind: Kind,
    reason: Reason,
    source: Of = None,
    order: OrderFile = None,
    by: By = None,
    signer: Signer = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """State that there was none. Example: mingjian anomalies dismiss approval/a-1 A3 --reason "a public holiday" """
    _judge("dismissed", case, kind, reason, source, order, by, signer, data, as_json=json)


@anomalies_app.command("precision")
def anomalies_precision(
    as_of: Annotated[str | None, typer.Option("--as-of", help="As of a position or a recorded time.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Of what was looked at, the share confirmed, by kind. Example: mingjian anomalies precision"""
    from api.questions import asked_position, snapshot
    from oversight.flagged import precision

    with speaking(as_json=json), derived(data) as (hall, _):
        asked = asked_position(hall, as_of)
        with snapshot(hall) as (connection, standing):
            position, standing = asked.within(standing)
            kinds = precision(connection, position=position)
        answer({"n": sum(kind["n"] for kind in kinds), "kinds": kinds, "as_of": standing}, as_json=json)


@anomalies_app.command("refresh")
def anomalies_refresh(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Look at the live cases and keep the rows for the pages. Example: mingjian anomalies refresh"""
    from oversight.flagged import refresh

    with speaking(as_json=json), derived(data) as (hall, _):
        answer(refresh(hall), as_json=json)


def _order(path: Path | None) -> Order | None:
    from ledger.facts.anomalies import read_order

    return None if path is None else read_order(path.read_bytes())


def _of_source(
    hall: Hall, source: str, order: Order | None, limit: int | None
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    from api.questions import case_ids, snapshot
    from oversight.flagged import flagged

    with snapshot(hall) as (connection, standing):
        rows = flagged(connection, source, case_ids=lambda of: case_ids(hall, of), order=order, limit=limit)
    return rows, standing


def _judge(
    verdict: str,
    case: str,
    kind: str,
    reason: str,
    source: str | None,
    order: Path | None,
    by: str | None,
    signer: Path | None,
    data: Path,
    *,
    as_json: bool,
) -> None:
    from api.questions import case_stream, snapshot
    from api.registry_commands import read_key
    from oversight.flagged import flagged_live, judge, row_of, supervisor

    with speaking(as_json=as_json):
        rules = _order(order)
        with derived(data) as (hall, _), hall.sequencing():
            if source is not None:
                row = row_of(_of_source(hall, source, rules, None)[0], case, kind)
                stream = case_stream(hall, source, row["case"])
                stream = stream if hall.reader.stream(stream) else row["case"]  # whose id was erased
            else:
                with snapshot(hall) as (connection, _):
                    row = row_of(flagged_live(connection, order=rules), case, kind)
                stream = row["case"]
            desk = supervisor(hall, by, key=None if signer is None else read_key(signer))
            done = judge(desk, verdict, kind, stream, row["evidence"], reason)
            index = hall.wait_placed([done], timeout_s=_PLACED_S).get(done.id)
            said = {"case": row["case"], "kind": kind, "verdict": verdict, "evidence": row["evidence"]}
            answer(said | {"id": done.id.hex(), "stream": done.stream, "index": index}, as_json=as_json)
