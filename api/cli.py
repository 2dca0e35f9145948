"""``mingjian``: the command line. Each command opens the ledger in its data folder, does one thing and leaves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from api.bundle_commands import export_bundle_file
from api.case_commands import case_app
from api.clock_commands import clock_app
from api.erasure_commands import erasure_app
from api.exchange_commands import export_app, import_app
from api.figure_commands import cards_app, metrics_app
from api.log_commands import log_app
from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, complain, log_to_stderr, speaking
from api.oversight_commands import anomalies_app
from api.registry_commands import keys_app, registry_app
from api.time_commands import time_app
from api.upkeep_commands import upkeep_app
from ledger.errors import Malformed, NotFound

app = typer.Typer(no_args_is_help=True, add_completion=False, help="明鉴 Mingjian: the audit and oversight ledger.")
app.add_typer(clock_app, name="clock")
app.add_typer(import_app, name="import")
app.add_typer(export_app, name="export")
app.add_typer(metrics_app, name="metrics")
app.add_typer(cards_app, name="cards")
app.add_typer(anomalies_app, name="anomalies")
app.add_typer(case_app, name="case")
log_app.add_typer(time_app, name="time-token")
app.add_typer(log_app, name="log")
app.add_typer(keys_app, name="keys")
app.add_typer(registry_app, name="registry")
app.add_typer(erasure_app)
app.add_typer(upkeep_app)
export_app.command("bundle")(export_bundle_file)


@app.command()
def init(
    data: Data = DEFAULT_DATA,
    name: Annotated[str, typer.Option(help="The log's name, like example.org/hall.")] = "mingjian.local/hall",
    successor_of: Annotated[
        Path | None,
        typer.Option("--successor-of", help="The last checkpoint of the closed log it goes on from."),
    ] = None,
    json: Json = False,
) -> None:
    """Open a new ledger: keys, entries 0 and 1, the first checkpoint. Example: mingjian init --data ./data"""
    from ledger.door.hall import create_ledger

    with speaking(as_json=json):
        before = None if successor_of is None else successor_of.read_bytes()
        origin = create_ledger(data, name=name, successor_of=before)
        answer({"origin": origin, "data": str(data)}, as_json=json)


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    port: Annotated[int, typer.Option(envvar="PORT", help="Port on 127.0.0.1.")] = 8080,
    demo: Annotated[bool, typer.Option("--demo", help="Open a ledger and import a log when it is new.")] = False,
    demo_log: Annotated[Path | None, typer.Option(envvar="DEMO_LOG", help="The log of the demo.")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="The rule file by which cards are raised; none are without it (demo: samples).")
    ] = None,
) -> None:
    """Serve the ledger until Ctrl-C. Example: mingjian up --demo"""
    from api.serve import up as serve

    with speaking(as_json=False):
        serve(data, port=port, demo=demo, demo_log=demo_log, rules=rules)


@app.command()
def token(
    scope: Annotated[str, typer.Argument(help="auditor, operator or reader")],
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Make an API token, shown once. Example: mingjian token auditor"""
    from api.tokens import Tokens

    with speaking(as_json=json):
        answer({"scope": scope, "token": Tokens(data).make(scope)}, as_json=json)


@app.command()
def link(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Make a link into the pages of a running server: one browser, once, within ten minutes. Example: mingjian link"""
    from api.sessions import Sessions

    with speaking(as_json=json):
        if not (data / "keys").is_dir():
            raise NotFound(f"there is no ledger in {data}", code="no-ledger", mend=f"mingjian init --data {data}")
        answer({"link": Sessions(data).link()}, as_json=json)


# Typer carries its own copy of click and does not name its errors: this is the class of all wrong usage.
_WrongUsage: Final[type[Any]] = typer.BadParameter.__bases__[0]


def main() -> None:
    """The console script."""
    log_to_stderr()
    try:
        sys.exit(app(standalone_mode=False))
    except _WrongUsage as error:
        # Wrong usage is told in JSON too: whoever asked for one line of JSON gets one line of JSON.
        if "--json" in sys.argv:
            complain(Malformed(error.format_message(), code="usage"), as_json=True)
        error.show()
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        print("stopped; what was acknowledged stays, run it again to go on", file=sys.stderr)
        sys.exit(130)
