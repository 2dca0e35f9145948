"""``mingjian``: the command line. Each command opens the ledger in its data folder, does one thing and leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.clock_command import clock_app
from api.output import answer, speaking

app = typer.Typer(no_args_is_help=True, add_completion=False, help="明鉴 Mingjian: the audit and oversight ledger.")
import_app = typer.Typer(no_args_is_help=True, help="Bring real logs in.")
export_app = typer.Typer(no_args_is_help=True, help="Write the log out.")
app.add_typer(clock_app, name="clock")
app.add_typer(import_app, name="import")
app.add_typer(export_app, name="export")

Data = Annotated[Path, typer.Option("--data", envvar="MINGJIAN_DATA", help="The ledger's folder.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON on standard output.")]
DEFAULT_DATA = Path("data")


@app.command()
def init(
    data: Data = DEFAULT_DATA,
    name: Annotated[str, typer.Option(help="The log's name, like example.org/hall.")] = "mingjian.local/hall",
    json: Json = False,
) -> None:
    """Open a new ledger: keys, entries 0 and 1, the first checkpoint. Example: mingjian init --data ./data"""
    from ledger.door.hall import create_ledger

    with speaking(as_json=json):
        answer({"origin": create_ledger(data, name=name), "data": str(data)}, as_json=json)


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    port: Annotated[int, typer.Option(envvar="PORT", help="Port on 127.0.0.1.")] = 8080,
    demo: Annotated[bool, typer.Option("--demo", help="Open a ledger and import a log when it is new.")] = False,
    demo_log: Annotated[Path | None, typer.Option(envvar="DEMO_LOG", help="The log of the demo.")] = None,
) -> None:
    """Serve the ledger until Ctrl-C. Example: mingjian up --demo"""
    from api.serve import up as serve

    with speaking(as_json=False):
        serve(data, port=port, demo=demo, demo_log=demo_log)


@app.command()
def token(
    scope: Annotated[str, typer.Argument(help="auditor or operator")], data: Data = DEFAULT_DATA, json: Json = False
) -> None:
    """Make an API token, shown once. Example: mingjian token auditor"""
    from api.tokens import Tokens

    with speaking(as_json=json):
        answer({"scope": scope, "token": Tokens(data).make(scope)}, as_json=json)


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


def main() -> None:
    """The console script."""
    app()
