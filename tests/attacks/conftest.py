"""One lived-in ledger, and a copy of it for each attack: database, keys, guard and published files.

``owner`` is the database's owner with the triggers switched off: what the attacks of the operator are played with.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
import pytest

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.errors import Evidence
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.registry import changes, keys, people
from ledger.store.database import Connection
from ledger.store.embedded import embedded_server
from projections.runner import Projector

numbers = count()

ITEM = {
    "name": "permit",
    "unit": "env",
    "centre": "c1",
    "handling": "promise",
    "clocks": {"statutory": {"limit": 20, "unit": "working-day", "start": "accepted"}},
}


def desk(hall: Hall, actor: str, role: str, window: str | None = None) -> Desk:
    """Where ``actor`` works, with the key kept here."""
    return Desk(door=hall.door, actor=actor, key=hall.keyring.make_actor(actor), role=role, window=window)


def agree(proposal: Outcome, second: Desk) -> Outcome:
    """The second person of a two-person change."""
    return changes.confirm(second, proposal.id)


def hire(hall: Hall, actor: str, role: str, windows: tuple[str, ...] = ()) -> None:
    """A person with a role and a key kept here, by both officers."""
    first, second = (desk(hall, officer, "key_officer") for officer in hall.registry.officers)
    agree(people.appoint(first, actor, person=actor, roles=[role], windows=windows), second)
    key = hall.keyring.make_actor(actor)
    proof = keys.prove_possession(hall.origin, actor, key)
    agree(keys.add(first, actor, key.public, proof, custody="server"), second)


def live_acts(hall: Hall) -> Outcome:
    """Two approvals and a ticket, at a window."""
    hire(hall, "staff/cat-a", "catalogue_admin")
    hire(hall, "staff/cat-b", "catalogue_admin")
    hire(hall, "staff/chen", "window_clerk", windows=("w1",))
    first, second = (desk(hall, f"staff/cat-{one}", "catalogue_admin") for one in "ab")
    version = agree(changes.propose(first, "item/permit", "item.published.v1", ITEM), second)
    clerk = desk(hall, "staff/chen", "window_clerk", "w1")
    for case in ("approval/a-1", "approval/a-2"):
        applied = {"item": "permit", "item_version": version.id.hex(), "channel": "window", "applicant": "张三"}
        clerk.say(case, "approval.applied.v1", applied)
        clerk.say(case, "approval.accepted.v1", {})
    clerk.say("ticket/t-1", "ticket.taken.v1", {"number": "A1", "queue": "q"})
    return clerk.say("ticket/t-1", "ticket.called.v1", {"window": "w1"})


@pytest.fixture(scope="session")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A ledger of some hundred statements in a data folder, closed, and the URL of its server."""
    data = tmp_path_factory.mktemp("lived-in") / "data"
    log = data.parent / "log.xes.gz"
    generate_xes(log, cases=90, seed=6)
    with embedded_server(data) as url:
        create_ledger(data)
        with open_ledger(data) as hall:
            with hall.sequencing():
                import_xes(hall, log, source="permits")
                hall.wait_placed([live_acts(hall)], timeout_s=20)
            assert hall.reader.head().size > 512
            Projector(hall.database).catch_up()
        yield data, url


@contextmanager
def copied(lived_in: tuple[Path, str], folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Hall]:
    """A copy of the ledger, open; its database is a file copy, so transaction ids go on as after a restart."""
    data, url = lived_in
    name = f"copy_{next(numbers)}"
    with psycopg.connect(url, dbname="postgres", autocommit=True) as server:
        server.execute(f"CREATE DATABASE {name} TEMPLATE mingjian STRATEGY file_copy".encode())
    shutil.copytree(data, folder, ignore=shutil.ignore_patterns("postgres"))
    patch.setenv("MINGJIAN_DATABASE_URL", url.replace("/mingjian?", f"/{name}?"))
    with open_ledger(folder) as hall:
        yield hall


@pytest.fixture
def hall(lived_in: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hall]:
    with copied(lived_in, tmp_path / "data", monkeypatch) as opened:
        yield opened


@pytest.fixture
def owner(hall: Hall) -> Iterator[Connection]:
    """The owner of the database, whom no trigger stops."""
    with hall.database.connect("owner") as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection


@pytest.fixture
def swept(hall: Hall) -> Callable[[], list[Evidence]]:
    """What a whole sweep finds."""
    return lambda: list(hall.sweep().whole())
