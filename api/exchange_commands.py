"""``mingjian import`` and ``mingjian export``: logs in, the log and its cases out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api.options import DEFAULT_DATA, Data, Json, Source, derived
from api.output import answer, speaking

import_app = typer.Typer(no_args_is_help=True, help="Bring real logs in.")
export_app = typer.Typer(no_args_is_help=True, help="Write the log out.")

_PLACED_S = 60.0


@import_app.command("xes")
def import_xes_files(
    files: Annotated[list[Path], typer.Argument(help="XES files, also .gz.")],
    source: Annotated[str, typer.Option(help="The source's name: letters, digits, - _ . @")],
    data: Data = DEFAULT_DATA,
    clear: Annotated[list[str] | None, typer.Option(help="An attribute that may stand in clear.")] = None,
    json: Json = False,
) -> None:
    """Import event logs; every event is signed and placed. Example: mingjian import xes log.xes.gz --source permits"""
    from ledger.door.hall import open_ledger
    from ledger.errors import Unavailable
    from ledger.exchange.importer import import_xes
    from projections import imported
    from projections.runner import Projector

    with speaking(as_json=json), open_ledger(data) as hall:
        with hall.sequencing(), _shown_progress() as progress:
            done = import_xes(hall, *files, source=source, clear=clear or (), progress=progress)
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
        answer(totals | size | {"added": done.added, "files": len(done.files)}, as_json=json)


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


@export_app.command("log")
def export_log_files(folder: Path, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Write checkpoint, tiles and policy. Example: mingjian export log ./audit"""
    from ledger.door.hall import open_ledger
    from ledger.exchange.export_log import export_log

    with speaking(as_json=json), open_ledger(data) as hall:
        answer(export_log(hall, folder), as_json=json)


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
