"""``mingjian``: the command line. Each command opens the ledger in its data folder, does one thing and leaves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from api.bundle_commands import export_bundle_file
from api.calendar_commands import calendar_app
from api.card_commands import cards_app
from api.case_commands import case_app
from api.clock_commands import clock_app
from api.deadletter_commands import deadletter_app
from api.demo_commands import demo_app
from api.erasure_commands import erasure_app
from api.exchange_commands import export_app, import_app
from api.grant_commands import grant_app
from api.hook_commands import hook_app
from api.log_commands import log_app
from api.metric_commands import metrics_app
from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, complain, log_to_stderr, speaking
from api.oversight_commands import anomalies_app
from api.patrol_commands import patrol_app
from api.registry_commands import keys_app, registry_app
from api.time_commands import time_app
from api.upkeep_commands import upkeep_app
from ledger.errors import Malformed, NotFound
from ledger.files import write_file
from ledger.keys import public_from_pem

app = typer.Typer(no_args_is_help=True, add_completion=False, help="明鉴 Mingjian: the audit and oversight ledger.")
app.add_typer(clock_app, name="clock")
app.add_typer(calendar_app, name="calendar")
app.add_typer(import_app, name="import")
app.add_typer(export_app, name="export")
app.add_typer(metrics_app, name="metrics")
app.add_typer(cards_app, name="cards")
app.add_typer(anomalies_app, name="anomalies")
app.add_typer(case_app, name="case")
app.add_typer(grant_app, name="grant")
app.add_typer(hook_app, name="hook")
app.add_typer(patrol_app, name="patrol")
app.add_typer(demo_app, name="demo")
app.add_typer(deadletter_app, name="deadletter")
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
    officer: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PUBLICKEYFILE", help="An officer whose key lies elsewhere; two of them."),
    ] = None,
    draft: Annotated[Path | None, typer.Option(help="Where entry 0 goes, for the first of them to sign.")] = None,
    opening: Annotated[Path | None, typer.Option(help="Entry 0, signed by the first officer.")] = None,
    confirmation: Annotated[Path | None, typer.Option(help="Entry 1, signed by the second.")] = None,
    json: Json = False,
) -> None:
    """Open a new ledger: keys, entries 0 and 1, the first checkpoint. Example: mingjian init --data ./data

    Officers with keys of their own sign in between (mingjian-sign opening), and those keys never come here:
    mingjian init --officer officer/lin=lin.pub --officer officer/wu=wu.pub --draft opening
    mingjian init --opening entry0 --confirmation entry1
    """
    from ledger.door.hall import create_ledger, finish_opening, prepare_opening

    with speaking(as_json=json):
        before = None if successor_of is None else successor_of.read_bytes()
        if opening is not None or confirmation is not None:
            if opening is None or confirmation is None or officer or draft is not None:
                raise Malformed(
                    "entries 0 and 1 come together, and alone", code="usage", mend="see mingjian init --help"
                )
            origin = finish_opening(data, opening.read_bytes(), confirmation.read_bytes())
        elif officer or draft is not None:
            if len(officer or ()) != 2 or draft is None:
                raise Malformed(
                    "a draft of the opening is for two officers and goes to a file",
                    code="usage",
                    mend="--officer NAME=PUBLICKEYFILE twice, and --draft FILE",
                )
            first, second = map(_officer, officer or ())
            write_file(draft, prepare_opening(data, first, second, name=name, successor_of=before))
            signers = [first[0], second[0]]
            answer({"draft": str(draft), "data": str(data), "to_sign": signers}, as_json=json)
            return
        else:
            origin = create_ledger(data, name=name, successor_of=before)
        answer({"origin": origin, "data": str(data)}, as_json=json)


def _officer(text: str) -> tuple[str, bytes]:
    """Actor and public key of ``NAME=PUBLICKEYFILE``."""
    name, _, path = text.partition("=")
    if not name or not path:
        raise Malformed(f"{text!r} is not NAME=PUBLICKEYFILE", code="usage", mend="as in officer/lin=lin.pub")
    return name, public_from_pem(Path(path).read_bytes())


@app.command()
def up(
    data: Data = DEFAULT_DATA,
    port: Annotated[int, typer.Option(envvar="PORT", help="Port on 127.0.0.1.")] = 8080,
    demo: Annotated[
        bool, typer.Option("--demo", help="Play a district and import a log when the ledger is new.")
    ] = False,
    scale: Annotated[float, typer.Option(envvar="DEMO_SCALE", help="How much happens in the demo's district.")] = 0.02,
    demo_log: Annotated[Path | None, typer.Option(envvar="DEMO_LOG", help="The log of the demo.")] = None,
    rules: Annotated[
        Path | None, typer.Option(help="Of a demo: the rule file that it adopts when it is new, not the sample.")
    ] = None,
) -> None:
    """Serve the ledger until Ctrl-C. Example: mingjian up --demo"""
    from api.serve import up as serve

    with speaking(as_json=False):
        serve(data, port=port, demo=demo, demo_log=demo_log, rules=rules, scale=scale)


@app.command()
def token(
    scope: Annotated[str, typer.Argument(help="auditor, operator, reader or recorder/NAME")],
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Make an API token, shown once. Example: mingjian token auditor"""
    from api.tokens import Tokens

    with speaking(as_json=json):
        answer({"scope": scope, "token": Tokens(data).make(scope)}, as_json=json)


@app.command()
def link(
    actor: Annotated[str | None, typer.Option(help="As whom the browser may act: one whose key is kept here.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Make a link into the pages of a running server: one browser, once, within ten minutes. Example: mingjian link"""
    from api.sessions import Sessions
    from ledger.door.keyring import Keyring

    with speaking(as_json=json):
        if not (data / "keys").is_dir():
            raise NotFound(f"there is no ledger in {data}", code="no-ledger", mend=f"mingjian init --data {data}")
        if actor is not None and not Keyring(data).keeps(actor):
            raise NotFound(
                f"no key of {actor} is kept here",
                code="no-key",
                mend="whoever holds a key of their own signs with mingjian-sign; a link without --actor is for reading",
            )
        answer({"link": Sessions(data).link(actor=actor)}, as_json=json)


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
