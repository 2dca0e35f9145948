"""``mingjian rebuild``, ``digest``, ``sweep`` and ``doctor``: what is derived made again, what is stored compared."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking

if TYPE_CHECKING:
    from api.doctor import Report

upkeep_app = typer.Typer()


@upkeep_app.command()
def rebuild(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Make every projection anew from the log, beside the old ones, then swap. Example: mingjian rebuild"""
    from ledger.door.hall import open_ledger
    from projections.runner import Projector

    with speaking(as_json=json), open_ledger(data) as hall:
        done = Projector(hall.database).rebuild()
        answer({"events": done.events, "seconds": done.seconds, "digest": done.digest}, as_json=json)


@upkeep_app.command()
def digest(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """The digest of what the projections hold. Example: mingjian digest --json"""
    from ledger.door.hall import open_ledger
    from projections.runner import Projector

    with speaking(as_json=json), open_ledger(data) as hall:
        projector = Projector(hall.database)
        projector.catch_up()
        answer({"digest": projector.digest()}, as_json=json)


@upkeep_app.command()
def sweep(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Compare table, tree, tiles and published files; exit 1 when something differs. Example: mingjian sweep --json"""
    from api.doctor import sweep as look
    from ledger.door.hall import open_ledger

    with speaking(as_json=json):
        with open_ledger(data) as hall:
            report = look(hall)
        _report(report, as_json=json)


@upkeep_app.command()
def doctor(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Look at server, disk, keys, log and projections; say what mends what is wrong. Example: mingjian doctor"""
    from api.doctor import examine

    with speaking(as_json=json):
        _report(examine(data), as_json=json)


def _report(report: Report, *, as_json: bool) -> None:
    if as_json:
        answer(report.as_json(), as_json=True)
    else:
        answer(report.parts | {"ok": not report.findings}, as_json=False)
        for finding in report.findings:
            print(f"\n{finding['part']}: {finding['message']}\n    mend: {finding.get('mend', '')}")
    if report.findings:
        raise typer.Exit(1)
