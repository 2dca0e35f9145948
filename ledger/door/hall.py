"""A ledger as a whole: opened for the first time, and opened again.

``create_ledger`` makes the keys and writes entries 0 and 1; ``open_ledger`` finds everything in its data folder and
hands out door, reader, sequencer and publisher. The database is ``MINGJIAN_DATABASE_URL`` or the folder's own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ledger.disclosure import pseudonym
from ledger.door.door import Door, Outcome, Wish
from ledger.door.keyring import Keyring
from ledger.errors import Conflict, Evidence, NotFound
from ledger.facts.policy import FIRST_POLICY
from ledger.facts.registry import Registry, possession_message
from ledger.keys import SigningKey
from ledger.statement import Draft, instant_text, open_statement, sign_statement
from ledger.store.database import Database
from ledger.store.embedded import embedded_server
from ledger.store.published import Publisher
from ledger.store.reading import Head, LogReader
from ledger.store.recorder import content_digest, request_key, seal_of
from ledger.store.sequencer import Sequencer, make_partition, now_us
from ledger.store.sweep import Findings, Sweep, sweeping
from ledger.store.vault import Vault
from ledger.tree.merkle import EMPTY_ROOT, Frontier
from ledger.tree.note import Signer, sign_note

PROMISE_S: Final = 60
GENESIS_SIZE: Final = 2
DEFAULT_NAME: Final = "mingjian.local/hall"


@dataclass(slots=True)
class Hall:
    """An open ledger."""

    data: Path
    database: Database
    keyring: Keyring
    vault: Vault
    door: Door
    reader: LogReader
    publisher: Publisher
    origin: str
    registry: Registry
    findings: Findings = field(default_factory=Findings)

    def sequencer(self, *, clock: Callable[[], int] = now_us) -> Sequencer:
        """A sequencer that publishes what it commits; it leads when nobody else does."""
        return Sequencer(
            self.database,
            clock_key=self.keyring.own("clock"),
            door_secret=self.keyring.secret("door"),
            origin=self.origin,
            clock=clock,
            published=lambda batch: self.publisher.publish(Head(batch.size, batch.root, batch.recorded_us)),
        )

    @contextmanager
    def sequencing(self, *, heartbeat_s: float | None = None) -> Iterator[None]:
        """While this lasts, statements are placed: by a thread here, unless another process leads.

        Evidence that ends the thread stands in ``findings``.
        """
        self.publisher.check_start()
        stop = threading.Event()
        sequencer = self.sequencer()
        # What a former leader committed but did not publish is published now, by the ordinary path.
        self.publisher.publish(self.reader.head())

        def run() -> None:
            try:
                sequencer.run(stop, heartbeat_s=heartbeat_s)
            except Evidence as error:
                self.findings.add(error, lasting=True)

        thread = threading.Thread(target=run, name="sequencer", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=30)

    def sweep(self) -> Sweep:
        """A sweep of table, tree, tiles and published files that goes on where the last one in this folder stopped."""
        return Sweep(self.database, self.publisher, secret=self.keyring.secret("door"), memory=self.data / "sweep.json")

    @contextmanager
    def sweeping(self, *, pause_s: float = 3.0, rest_s: float = 3600.0) -> Iterator[None]:
        """While this lasts, a thread sweeps at low duty; what it finds stands in ``findings``."""
        stop = threading.Event()
        thread = threading.Thread(
            target=sweeping,
            args=(self.sweep(), self.findings, stop),
            kwargs={"pause_s": pause_s, "rest_s": rest_s},
            name="sweep",
            daemon=True,
        )
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(timeout=30)

    def wait_placed(self, outcomes: Sequence[Outcome], *, timeout_s: float = 2.0) -> dict[bytes, int]:
        """Leaf indexes of ``outcomes`` once all are placed and published, or of those that are at the time-out."""
        ids = [outcome.id for outcome in outcomes]
        until = time.monotonic() + timeout_s
        while True:
            placed = self.reader.placed(ids)
            published = self.publisher.checkpoint()
            size = 0 if published is None else published.size
            if len(placed) == len(set(ids)) and all(index < size for index in placed.values()):
                return placed
            if time.monotonic() > until:
                return placed
            time.sleep(0.01)

    def promise(self, outcome: Outcome) -> str:
        """A signed promise that the statement will stand in the tree by a time: evidence, should it not."""
        by = instant_text(now_us() + PROMISE_S * 1_000_000)
        text = f"mingjian promise v1\n{self.origin}\n{outcome.id.hex()}\n{by}\n"
        return sign_note(text, Signer(self.origin, self.keyring.own("receipt"))).decode()

    def officers(self) -> tuple[tuple[str, SigningKey], tuple[str, SigningKey]]:
        """The two officers whose keys are kept here (NotFound when they are kept elsewhere)."""
        first, second = self.registry.officers
        return (first, self.keyring.actor(first)), (second, self.keyring.actor(second))

    def change(self, stream: str, type_: str, content: dict[str, Any], *, role: str = "key_officer") -> Outcome:
        """A two-person change by the officers whose keys are kept here: one proposes, the other confirms."""
        (first, first_key), (second, second_key) = self.officers()
        at = instant_text(now_us())
        kind = stream.partition("/")[0]
        request = f"{type_}-{stream}-{now_us()}"[:120]
        proposed = self.door.submit(
            Wish(
                actor=first,
                type=f"{kind}.change_proposed.v1",
                request=request,
                values={"change": type_, "content": content},
                role=role,
                stream=stream,
                at=at,
            ),
            first_key,
        )
        return self.door.submit(
            Wish(
                actor=second,
                type=type_,
                request=request,
                values={"proposal": proposed.id.hex(), **content},
                role=role,
                stream=stream,
                at=at,
            ),
            second_key,
        )

    def source_key(self, source: str) -> SigningKey:
        """The key of a source's adapter, kept here and registered by both officers when it is new."""
        actor = f"source/{source}"
        if self.keyring.keeps(actor):
            key = self.keyring.actor(actor)
            _, registry = self.door.registry()
            if key.thumbprint in registry.keys:
                return key
        key = self.keyring.make_actor(actor)
        content = {
            "actor": actor,
            "key": key.public.hex(),
            "custody": "server",
            "proof": key.sign(possession_message(self.origin, actor, key.public)).hex(),
        }
        self.change(f"key/{actor}", "key.added.v1", content)
        return key


@contextmanager
def _database(data: Path) -> Iterator[Database]:
    with ExitStack() as stack:
        url = os.environ.get("MINGJIAN_DATABASE_URL") or stack.enter_context(embedded_server(data))
        yield stack.enter_context(Database(url))


def create_ledger(data: Path, *, name: str = DEFAULT_NAME, clock: Callable[[], int] = now_us) -> str:
    """Open a new ledger in ``data``; returns its origin. Conflict when there is one already."""
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    keyring = Keyring(data)
    with _database(data) as database:
        database.migrate()
        with database.connect("owner") as connection:
            if connection.execute("SELECT 1 FROM ledger.head").fetchone() is not None:
                raise Conflict(
                    "this database holds a ledger already",
                    code="ledger-exists",
                    mend="use it, or choose another folder",
                )
        _check_not_emptied(data)
        keyring.make()
        first, second = keyring.make_actor("officer/1"), keyring.make_actor("officer/2")
        secret = keyring.secret("names")
        at = instant_text(clock())
        opening = Draft(
            actor="officer/1",
            stream="ledger",
            type="ledger.opened.v1",
            seq=1,
            prev=None,
            seen_size=0,
            seen_root=EMPTY_ROOT,
            at=at,
            role="key_officer",
            request="ledger-opened",
            data={
                "name": name,
                "officers": {
                    "first": _officer("officer/1", first, secret),
                    "second": _officer("officer/2", second, secret),
                },
                "clock_key": keyring.own("clock").public.hex(),
                "receipt_key": keyring.own("receipt").public.hex(),
                "log_key": keyring.own("log").public.hex(),
                "time_authorities": {},
                "policy": FIRST_POLICY,
            },
            audience=None,
        )
        entry0 = open_statement(sign_statement(opening, first))
        registry = Registry.opened(entry0)
        confirmation = Draft(
            actor="officer/2",
            stream="ledger",
            type="ledger.confirmed.v1",
            seq=2,
            prev=entry0.id,
            seen_size=0,
            seen_root=EMPTY_ROOT,
            at=at,
            role="key_officer",
            request="ledger-confirmed",
            data={"opened": entry0.id.hex()},
            audience=registry.origin,
        )
        entry1 = open_statement(sign_statement(confirmation, second))
        registry.confirm_opening(entry1)
        frontier = Frontier()
        frontier.extend([entry0.id, entry1.id])
        reader = LogReader(database)
        publisher = Publisher(data, origin=registry.origin, log_key=keyring.own("log"), reader=reader)
        # Remembered before it is: dying in between leaves a folder in which this may be done again; dying after it
        # leaves a ledger, which publishes at its next start. The other way round it could never prove its start.
        publisher.remember(Head(frontier.size, frontier.root(), clock()))
        _write_genesis(database, [entry0, entry1], frontier, keyring.secret("door"), clock())
        publisher.publish(reader.head())
    return registry.origin


def _check_not_emptied(data: Path) -> None:
    """An empty database in a folder that remembers more than an opening is the oldest way to go back."""
    try:
        size = int((data / "head").read_bytes().split(b"\n")[1])
    except (FileNotFoundError, IndexError, ValueError):
        return
    # What was published was committed before; what is only remembered may be an opening that was cut off.
    if size > GENESIS_SIZE or (data / "published" / "checkpoint").exists():
        raise Evidence(
            f"the database is empty, but {data / 'head'} remembers {size} entries",
            code="rolled-back",
            mend="restore the database, or name its own in MINGJIAN_DATABASE_URL; a new ledger needs a new folder",
            size=0,
            signed=size,
        )


def _officer(actor: str, key: SigningKey, secret: bytes) -> dict[str, str]:
    return {
        "actor": actor,
        "person": pseudonym(secret, "person", actor),
        "key": key.public.hex(),
        "custody": "server",
    }


def _write_genesis(database: Database, entries: Sequence[Any], frontier: Frontier, secret: bytes, time_us: int) -> None:
    """Entries 0 and 1, their leaves and the first head, in one transaction; batches begin after them."""
    with database.connect("sequencer") as connection, connection.transaction():
        make_partition(connection, 0)
        for index, act in enumerate(entries):
            seal = seal_of(
                secret, id_=act.id, stream=act.stream, seq=act.seq, prev=act.prev, governs=index == 0, epoch=0
            )
            row = connection.execute(
                "INSERT INTO ledger.statements (id, stream, seq, prev, governs, epoch, seal, entry)"
                " VALUES (%b, %s, %s, %b, %s, 0, %b, %b) RETURNING insertion_id",
                (act.id, act.stream, act.seq, act.prev, index == 0, seal, act.entry),
            ).fetchone()
            assert row is not None
            connection.execute("INSERT INTO ledger.leaves VALUES (%s, %s, %b)", (index, row[0], act.id))
            connection.execute(
                "INSERT INTO ledger.requests VALUES (%b, %b, %s, %s)",
                (request_key(act.actor, act.request), content_digest(act), act.stream, act.seq),
            )
        connection.execute("INSERT INTO ledger.governing VALUES (0, 'ledger', 1)")
        connection.execute("INSERT INTO ledger.batches VALUES (0, 2, %s, %b)", (time_us, frontier.root()))
        connection.execute(
            "INSERT INTO ledger.head (size, root, frontier, recorded_us, batch_seq, epoch, done_xid,"
            " after_id)"
            " VALUES (2, %b, %b, %s, 0, 0, pg_snapshot_xmin(pg_current_snapshot()), 0)",
            (frontier.root(), frontier.to_bytes(), time_us),
        )


@contextmanager
def open_ledger(data: Path) -> Iterator[Hall]:
    """The ledger in ``data`` (NotFound when there is none)."""
    if not (data / "keys").is_dir():
        raise NotFound(f"there is no ledger in {data}", code="no-ledger", mend=f"mingjian init --data {data}")
    keyring = Keyring(data)
    with _database(data) as database:
        database.migrate()
        vault = Vault(data / "vault.sqlite")
        try:
            door = Door(
                database,
                vault=vault,
                door_secret=keyring.secret("door"),
                names_secret=keyring.secret("names"),
            )
            reader = LogReader(database)
            try:
                reader.head()
            except NotFound:
                _check_not_emptied(data)
                raise
            _, registry = door.registry()
            yield Hall(
                data=data,
                database=database,
                keyring=keyring,
                vault=vault,
                door=door,
                reader=reader,
                publisher=Publisher(data, origin=registry.origin, log_key=keyring.own("log"), reader=reader),
                origin=registry.origin,
                registry=registry,
            )
        finally:
            vault.close()
