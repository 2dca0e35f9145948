"""``mingjian import`` and ``mingjian export``: logs in, the log and its cases out."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.beside import placing
from api.options import DEFAULT_DATA, Data, Json, Source, derived
from api.output import answer, speaking

if TYPE_CHECKING:
    from ledger.door.hall import Hall
    from ledger.exchange.adapters.reading import Raw
    from ledger.exchange.adapters.taking import Taken
    from ledger.exchange.importer import Imported

import_app = typer.Typer(
    no_args_is_help=True,
    help="Bring in histories (xes, csv) and records of systems at work (json, ocds, csv --kind; hook: over HTTP).",
)
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
    case: Annotated[str | None, typer.Option(help="The column that names the case.")] = None,
    time: Annotated[str | None, typer.Option(help="The column of the time.")] = None,
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
    kind: Annotated[
        str | None, typer.Option(help="Records of a live system of this kind, by its contract, not a log.")
    ] = None,
    column: Annotated[
        list[str] | None, typer.Option(metavar="NAME=FIELD", help="With --kind: which column is which field.")
    ] = None,
    data: Data = DEFAULT_DATA,
    clear: Annotated[list[str] | None, typer.Option(help="A column that may stand in clear.")] = None,
    json: Json = False,
) -> None:
    """Import tables. Example: mingjian import csv log.csv --source permits --case id --time at --activity step

    One row is one event, or without --activity one case with its start and its end. Columns that no option names are
    kept, sealed unless --clear names them. With --kind a row is one record of a live system:
    mingjian import csv today.csv --source oa --kind approval --column 办件编号=ref
    """
    from ledger.exchange.csv_in import Table, import_csv

    if kind is not None:
        sheet = {"zone": tz, "time_formats": tuple(time_format or ()), "encoding": encoding}
        sheet["delimiter"] = "\t" if delimiter in ("tab", r"\t") else delimiter
        _take_tables(files, kind, source, _columns(column or []), sheet, data, as_json=json)
        return
    if case is None or time is None:
        raise typer.BadParameter("a log needs --case and --time, records of a live system need --kind")
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


@import_app.command("json")
def import_json_files(
    files: Annotated[list[Path], typer.Argument(help="JSON, JSON Lines; also .gz, or a .zip of one file.")],
    source: Annotated[str, typer.Option(help="The source's name: letters, digits, - _ . @")],
    kind: Annotated[str, typer.Option(help="approval, queue, rating, grid, hotline, fire, site, trading or portal.")],
    encoding: Annotated[str | None, typer.Option(help="The encoding, if not UTF-8: gb18030, utf-16.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Take the records of a live system. Example: mingjian import json today.json --kind approval --source oa

    Each record is stated once, by the adapter's own key; what cannot be taken is kept: mingjian deadletter list.
    """
    from ledger.exchange.adapters.reading import json_records
    from ledger.exchange.adapters.taking import take_file

    def take(hall: Hall, path: Path, progress: Callable[[str, int, int], None]) -> Taken:
        return take_file(hall, path, json_records(path, encoding=encoding), kind=kind, source=source, progress=progress)

    _take_in(files, take, {"source": source, "kind": kind}, data, as_json=json)


@import_app.command("ocds")
def import_ocds_files(
    files: Annotated[list[Path], typer.Argument(help="Releases, packages of releases or records, JSON Lines of them.")],
    source: Annotated[str, typer.Option(help="The source's name: letters, digits, - _ . @")] = "ocds",
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Take open contracting data as trading procedures. Example: mingjian import ocds releases.json --source xm"""
    from ledger.exchange.ocds_in import import_ocds

    def take(hall: Hall, path: Path, progress: Callable[[str, int, int], None]) -> Taken:
        return import_ocds(hall, path, source=source, progress=progress)

    _take_in(files, take, {"source": source, "kind": "ocds"}, data, as_json=json)


@import_app.command("hook")
def import_hook(
    source: Annotated[str, typer.Argument(help="The source's name: letters, digits, - _ . @")],
    kind: Annotated[str, typer.Option(help="As of import json, or ocds.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", help="The source's Ed25519 key (PEM); else a secret is made.")
    ] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Let a live system send over HTTP, signed. Example: mingjian import hook oa --kind approval

    The secret is shown once. The adapter gets its key here, registered by both officers; how messages are signed:
    docs/spec/adapters.md.
    """
    from ledger.door.hall import open_ledger
    from ledger.exchange.adapters.hooks import hook_path, make_hook
    from ledger.keys import public_from_pem

    with speaking(as_json=json), open_ledger(data) as hall:
        public = None if public_key is None else public_from_pem(public_key.read_bytes())
        hook = make_hook(data, source, kind, public_key=public)
        with hall.sequencing():
            hall.machine_key(f"adapter/{'trading' if kind == 'ocds' else kind}/{source}")
        secret = {"secret": hook.key.hex()} if public is None else {}
        answer({"source": source, "kind": kind, "path": hook_path(source), "alg": hook.alg} | secret, as_json=json)


def _take_tables(
    files: list[Path],
    kind: str,
    source: str,
    columns: dict[str, str],
    how: dict[str, Any],
    data: Path,
    *,
    as_json: bool,
) -> None:
    from ledger.exchange.adapters.contracts import contract
    from ledger.exchange.adapters.reading import Sheet, table_records
    from ledger.exchange.adapters.taking import take_file

    def take(hall: Hall, path: Path, progress: Callable[[str, int, int], None]) -> Taken:
        sheet = Sheet(columns=columns, kinds=contract(kind).field_kinds(), **how)
        records: Iterator[Raw] = table_records(path, sheet)
        return take_file(hall, path, records, kind=kind, source=source, progress=progress)

    _take_in(files, take, {"source": source, "kind": kind}, data, as_json=as_json)


def _columns(told: list[str]) -> dict[str, str]:
    """``NAME=FIELD`` → the field of each column."""
    return {name: field for name, _, field in (one.rpartition("=") for one in told)}


def _take_in(
    files: list[Path],
    take: Callable[[Hall, Path, Callable[[str, int, int], None]], Taken],
    named: dict[str, str],
    data: Path,
    *,
    as_json: bool,
) -> None:
    """Take records of a live system, wait for the tree, and answer with what became of them."""
    from ledger.door.hall import open_ledger
    from ledger.errors import Unavailable
    from projections.runner import Projector

    with speaking(as_json=as_json), open_ledger(data) as hall:
        much = sum(file.stat().st_size for file in files if file.is_file()) > _MUCH_BYTES
        with placing(hall, much=much), _shown_progress() as progress:
            done = [take(hall, file, progress) for file in files]
            last = next((one.last for one in reversed(done) if one.last is not None), None)
            if last is not None and not hall.wait_placed([last], timeout_s=_PLACED_S):
                raise Unavailable(
                    "what was taken is kept, but not placed in the tree yet",
                    code="not-placed",
                    mend="mingjian doctor; the next command goes on",
                )
        Projector(hall.database).catch_up()
        answer({**named, "files": len(done), **added_up(done), "log_size": hall.reader.head().size}, as_json=as_json)


def added_up(done: list[Taken]) -> dict[str, Any]:
    """Of several files what became of their records."""
    dead = sum((one.dead for one in done), Counter[str]())
    sums = {name: sum(getattr(one, name) for one in done) for name in ("records", "accepted", "known")}
    return sums | {"dead": dead.total(), "by_reason": dict(sorted(dead.items()))}


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


@export_app.command("ocds")
def export_ocds_file(
    out: Annotated[Path, typer.Option("--out", help="The new file.")],
    source: Annotated[str | None, typer.Option("--source", help="The procedures of this source only.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Write the trading procedures as OCDS 1.1 releases. Example: mingjian export ocds --out releases.json

    Sealed words are not in it: what is published is public. Each statement is checked against the signed tree before.
    """
    from ledger.door.hall import open_ledger
    from ledger.exchange.ocds_out import export_ocds

    with speaking(as_json=json), open_ledger(data) as hall, _shown_progress() as progress:
        answer(export_ocds(hall, out, source=source, progress=progress).as_json(), as_json=json)


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
