"""``mingjian import`` and ``mingjian export``: logs in, the log and its cases out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking

import_app = typer.Typer(no_args_is_help=True, help="Bring real logs in.")
export_app = typer.Typer(no_args_is_help=True, help="Write the log out.")


@import_app.command("xes")
def import_xes_files(
    files: Annotated[list[Path], typer.Argument(help="XES files, also .gz.")],
    source: Annotated[str, typer.Option(help="The source's name: letters, digits, - _ .")],
    data: Data = DEFAULT_DATA,
    clear: Annotated[list[str] | None, typer.Option(help="An attribute that may stand in clear.")] = None,
    json: Json = False,
) -> None:
    """Import event logs; every event is signed and placed. Example: mingjian import xes log.xes.gz --source permits"""
    from ledger.door.hall import open_ledger
    from ledger.exchange.importer import import_xes

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        result: dict[str, Any] = {}
        for path in files:
            done = import_xes(hall, path, source=source, clear=clear or ())
            if done.last is not None:
                hall.wait_placed([done.last], timeout_s=60)
            summary = done.summary
            result = {
                "cases": summary.cases,
                "events": summary.events,
                "activities": summary.activities,
                "resources": summary.resources,
                "flagged": summary.flagged,
                "first": summary.first,
                "last": summary.last,
                "added": done.added,
                "log_size": hall.reader.head().size,
            }
        answer(result, as_json=json)


@export_app.command("log")
def export_log_files(folder: Path, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Write checkpoint, tiles and policy. Example: mingjian export log ./audit"""
    from ledger.door.hall import open_ledger
    from ledger.exchange.export_log import export_log

    with speaking(as_json=json), open_ledger(data) as hall:
        answer(export_log(hall, folder), as_json=json)
