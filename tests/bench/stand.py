"""Where the benches run: ledgers in memory and on disk, made when a row needs them and shared by the rows."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Literal

import psycopg

from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.export_log import export_log
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from projections.runner import Projector
from tests.bench.live import fill_approvals
from tests.bench.rounds import say

Place = Literal["memory", "disk"]
MEMORY = Path("/dev/shm")  # noqa: S108 – a benchmark's own folder, made with a random name
SOURCE = "bench"


class Stand:
    """Folders, open ledgers and how hard to try; everything goes when it closes."""

    def __init__(self, *, quick: bool, disk: Path | None) -> None:
        """``disk``: a folder on the disk to measure (default: where temporary files go)."""
        self.quick = quick
        self.rounds = 3 if quick else 5
        if os.environ.pop("MINGJIAN_DATABASE_URL", None):
            say("MINGJIAN_DATABASE_URL is not used here: the benches start servers of their own")
        if run("stat", "-f", "-c", "%T", disk or tempfile.gettempdir()).strip() == "tmpfs":
            raise SystemExit("temporary files lie in memory here: name a folder on a disk with --disk DIR")
        self._stack = ExitStack()
        self._roots: dict[Place, Path] = {}
        for place, parent in (("memory", MEMORY), ("disk", disk)):
            folder = tempfile.TemporaryDirectory(prefix="mingjian-bench.", dir=parent, ignore_cleanup_errors=True)
            self._roots[place] = Path(self._stack.enter_context(folder))  # type: ignore[index]
        self._ledgers: dict[tuple[Place, str], Hall] = {}

    def __enter__(self) -> Stand:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def folder(self, place: Place, name: str) -> Path:
        """A path that is free."""
        return self._roots[place] / name

    def ledger(self, place: Place, name: str = "data") -> Hall:
        """An open ledger; PostgreSQL's data directory lies in that place, fsync is on in both."""
        if (place, name) not in self._ledgers:
            folder = self.folder(place, name)
            create_ledger(folder)
            self._ledgers[place, name] = self._stack.enter_context(open_ledger(folder))
        return self._ledgers[place, name]

    def rival_database(self, hall: Hall) -> str:
        """Another database of the same server, for whoever runs beside us."""
        with hall.database.connect("owner") as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'rival'").fetchone():
                connection.execute("CREATE DATABASE rival")
        return psycopg.conninfo.make_conninfo(hall.database.conninfo, dbname="rival")

    @cached_property
    def xes(self) -> Path:
        """A generated log of 50,000 events and more (a tenth of it when quick)."""
        path = self.folder("disk", "log.xes.gz")
        written = generate_xes(path, cases=800 if self.quick else 8000)
        say(f"  the log: {written.traces:,} cases, {written.events:,} events")
        return path

    @cached_property
    def history(self) -> Hall:
        """A large ledger on disk: the log imported, some thousand approvals beside it, projected."""
        return self._filled("large", self.xes, closed=200 if self.quick else 2000)

    @cached_property
    def small_history(self) -> Hall:
        """The same at about 1/100 of the statements, with as many approvals open."""
        path = self.folder("disk", "small.xes.gz")
        generate_xes(path, cases=8 if self.quick else 80)
        return self._filled("small", path, closed=2 if self.quick else 20)

    @cached_property
    def district(self) -> Hall:
        """A played district: every kind of stream, most of them live, with all that is derived from them."""
        folder = self.folder("disk", "district")
        scale = "0.002" if self.quick else "0.02"
        run(program("mingjian"), "demo", "seed", "--scale", scale, "--data", folder, "--json")
        hall = self._ledgers["disk", "district"] = self._stack.enter_context(open_ledger(folder))
        say(f"  the district: {hall.reader.head().size:,} entries")
        return hall

    @cached_property
    def exported(self) -> Path:
        """The large ledger's log as files."""
        folder = self.folder("memory", "exported")
        export_log(self.history, folder)
        return folder

    def _filled(self, name: str, log: Path, *, closed: int) -> Hall:
        say(f"  filling the {name} ledger …")
        hall = self.ledger("disk", name)
        with hall.sequencing():
            import_xes(hall, log, source=SOURCE)
            last = fill_approvals(hall, closed=closed)
            hall.wait_placed([last], timeout_s=60)
        Projector(hall.database).catch_up()
        say(f"  {hall.reader.head().size:,} entries")
        return hall


def program(name: str) -> str:
    """A console script of the environment we run in."""
    return str(Path(sys.executable).with_name(name))


def run(*command: str | Path) -> str:
    """Run a process to its end; its standard output. Its byte code may be kept, as that of an installed one is."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{command[0]} ended with {done.returncode}: {done.stderr.strip()[-500:]}")
    return done.stdout
