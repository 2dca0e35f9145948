"""``mingjian import`` and ``mingjian export``: logs in, the log and its cases out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api.beside import placing
from api.options import DEFAULT_DATA, Data, Json, Source, derived
from api.output import answer, speaking

if TYPE_CHECKING:
    from ledger.exchange.importer import Imported

import_app = typer.Typer(no_args_is_help=True, help="Bring real logs in.")
export_app = typer.Typer(no_args_is_help=True, help="Write the log out.")

_PLACED_S = 60.0
_MUCH_BYTES = 300_000  # some ten thousand events, compressed


@import_app.command("xes")
def import_xes_files(
    files: Annotated[list[Path], typer.Argument(help="XES files, also .gz.")],
    source: Annotated[str, typer.Option(help="The source's name: letters, digits, - _ . @")],
    data: Data = DEFAULT_DATA,
    clear: Annotated[list[str] | None, typer.Option(help="An attribute that may stand in clear.")] = None,
    json: Json = False,
) -> None:
    """Import event logs; every event is signed and placed. Example: mingjian import xes log.xes.gz --source permits"""
    from ledger.exchange.importer import import_xes

    _bring_in(files, partial(import_xes, source=source, clear=clear or ()), source, data, as_json=json)


@import_app.command("csv")
def import_csv_files(
    files: Annotated[list[Path], typer.Argument(help="Tables whose first row names the columns; also .gz.")],
    source: Annotated[str, typer.Option(help="The source's name: letters, digits, - _ . @")],
    case: Annotated[str, typer.Option(help="The column that names the case.")],
    time: Annotated[str, typer.Option(help="The column of the time.")],
    activity: Annotated[
        str | None, typer.Option(help="The column that says what was done; without it a row is one case.")
    ] = None,
    resource: Annotated[str | None, typer.Option(help="The column of who did it: a pseudonym in the log.")] = None,
    start: Annotated[str | None, typer.Option(help="The column of the case's start (startdate).")] = None,
    deadline: Annotated[str | None, typer.Option(help="The column of the case's deadline.")] = None,
    end: Annotated[str | None, typer.Option(help="The column of the case's end (enddate).")] = None,
    tz: Annotated[str | None, typer.Option(help="The zone of times without one: Asia/Shanghai, +08:00. [UTC]")] = None,
    time_format: Annotated[
        list[str] | None, typer.Option(help='How times are spelt, if not 2024-03-04 09:30: "%d/%m/%Y %H:%M".')
    ] = None,
    delimiter: Annotated[
        str | None, typer.Option(help='What stands between columns: , ; or "tab". [found out]')
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="The encoding, if not UTF-8: gb18030, cp1252.")] = None,
    data: Data = DEFAULT_DATA,
    clear: Annotated[list[str] | None, typer.Option(help="A column that may stand in clear.")] = None,
    json: Json = False,
) -> None:
    """Import tables. Example: mingjian import csv log.csv --source permits --case id --time at --activity step

    One row is one event, or without --activity one case with its start and its end. Columns that no option names are
    kept, sealed unless --clear names them.
    """
    from ledger.exchange.csv_in import Table, import_csv

    table = Table(
        case=case,
        time=time,
        activity=activity,
        resource=resource,
        start=start,
        deadline=deadline,
        end=end,
        zone=tz,
        time_formats=tuple(time_format or ()),
        delimiter="\t" if delimiter in ("tab", r"\t") else delimiter,
        encoding=encoding,
    )
    _bring_in(files, partial(import_csv, table=table, source=source, clear=clear or ()), source, data, as_json=json)


def _bring_in(files: list[Path], work: Callable[..., Imported], source: str, data: Path, *, as_json: bool) -> None:
    """Import, wait for the tree, and answer with the totals of the source."""
    from ledger.door.hall import open_ledger
    from ledger.errors import Unavailable
    from projections import imported
    from projections.runner import Projector

    with speaking(as_json=as_json), open_ledger(data) as hall:
        much = sum(file.stat().st_size for file in files if file.is_file()) > _MUCH_BYTES
        with placing(hall, much=much), _shown_progress() as progress:
            done = work(hall, *files, progress=progress)
            if done.last is not None and not hall.wait_placed([done.last], timeout_s=_PLACED_S):
                raise Unavailable(
                    "what was imported is kept, but not placed in the tree yet",
                    code="not-placed",
                    mend="mingjian doctor; the next command goes on",
                )
        Projector(hall.database).catch_up()
        with hall.database.use("reader") as connection:
            totals = imported.totals(connection, source)
        size = {"log_size": hall.reader.head().size}
        answer(totals | size | {"added": done.added, "files": len(done.files)}, as_json=as_json)


@import_app.command("list")
def import_list(source: Source, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """The files of a source, finished or not. Example: mingjian import list --source permits"""
    from api.questions import stand
    from projections import imported

    with speaking(as_json=json), derived(data) as (hall, connection):
        imported.totals(connection, source)  # says so when there is no such source
        files = [
            file | {"finished": file["finished_index"] is not None} for file in imported.imports(connection, source)
        ]
        answer(
            {"n": len(files), "files": files, "as_of": stand(hall)},
            as_json=json,
            columns={"files": "sha256 cases events added flagged finished"},
        )


@export_app.command("xes")
def export_xes_file(file: Path, source: Source, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Write a source's cases, sealed values included, as XES. Example: mingjian export xes out.xes.gz --source permits

    Each statement is checked against the signed tree before it is written. Whoever owns the data folder may do this.
    """
    from ledger.door.hall import open_ledger
    from ledger.exchange.export_xes import export_xes

    with speaking(as_json=json), open_ledger(data) as hall, _shown_progress() as progress:
        answer(export_xes(hall, file, source=source, progress=progress).as_json(), as_json=json)


@export_app.command("ocel")
def export_ocel_file(file: Path, source: Source, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Write a source's cases as OCEL 2.0 JSON. Example: mingjian export ocel out.json --source permits

    The objects are the cases. Sealed values are in it; each statement is checked against the signed tree before.
    """
    from ledger.door.hall import open_ledger
    from ledger.exchange.ocel_out import export_ocel

    with speaking(as_json=json), open_ledger(data) as hall, _shown_progress() as progress:
        answer(export_ocel(hall, file, source=source, progress=progress).as_json(), as_json=json)


@export_app.command("log")
def export_log_files(
    folder: Path,
    latest: Annotated[bool, typer.Option("--latest", help="Up to the newest signed head, cosigned or not.")] = False,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Write checkpoint, tiles and policy. Example: mingjian export log ./audit"""
    from ledger.door.hall import open_ledger
    from ledger.exchange.export_log import export_log

    with speaking(as_json=json), open_ledger(data) as hall:
        answer(export_log(hall, folder, latest=latest), as_json=json)


@contextmanager
def _shown_progress() -> Iterator[Callable[[str, int, int], None]]:
    """A bar on standard error for a person who watches; nothing where nobody does."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task("")

        def show(step: str, done: int, total: int) -> None:
            bars.update(bar, description=step, completed=done, total=total or None)

        yield show
