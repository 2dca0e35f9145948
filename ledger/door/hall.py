"""A ledger as a whole: opened for the first time, and opened again.

``create_ledger`` makes the keys and writes entries 0 and 1, or ``prepare_opening`` and ``finish_opening`` do with two
officers in between, whose keys never come here; ``open_ledger`` finds everything in its data folder and
hands out door, reader, sequencer and publisher. The database is ``MINGJIAN_DATABASE_URL`` or the folder's own.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

from ledger.disclosure import pseudonym
from ledger.door.door import Door, Outcome, Wish
from ledger.door.keyring import Keyring
from ledger.errors import Conflict, Evidence, NotFound, Refused
from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.registry import Registry, possession_message
from ledger.files import write_file
from ledger.keys import SigningKey
from ledger.signer.opening import Officer, confirmation, open_pair, opening, unsigned
from ledger.statement import instant_text, open_statement, sign_statement
from ledger.store.cosigner import Cosigner, Heard, ask_at_start, keep_evidence, read_heard, with_remembered
from ledger.store.database import Database
from ledger.store.embedded import embedded_server
from ledger.store.erasures import apply_erasures
from ledger.store.genesis import has_ledger, write_genesis
from ledger.store.published import MAJORITY, POLICY, Publisher, log_policy
from ledger.store.reading import Head, LogReader
from ledger.store.sequencer import CARRY_S, Batch, Sequencer, now_us
from ledger.store.simulated import SimulatedSequencer
from ledger.store.sweep import Findings, Sweep, sweeping
from ledger.store.vault import Vault
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tree.merkle import Frontier
from ledger.tree.note import VerifierKey, split_note
from ledger.tree.policy import Policy, Witness
from ledger.tree.promise import sign_promise

PROMISE_S: Final = 60
GENESIS_SIZE: Final = 2
DEFAULT_NAME: Final = "mingjian.local/hall"
START_TIMEOUT_S: Final = 2.0
WITNESSED_S: Final = 10.0
"""How long an answer waits for the witnesses of what was stated just now."""
CLOSED: Final = "closed"

log = structlog.get_logger("hall")


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
    policy_epoch: int = -1
    """The epoch of the registry from which the policy was made last."""

    def sequencer(self, *, clock: Callable[[], int] = now_us, carry_s: float = CARRY_S) -> Sequencer:
        """A sequencer that publishes what it commits; it leads when nobody else does."""
        return Sequencer(
            self.database,
            clock_key=self.keyring.own("clock"),
            door_secret=self.keyring.secret("door"),
            origin=self.origin,
            clock=clock,
            published=self._publish,
            cosigned=self.publisher.served,
            carry_s=carry_s,
        )

    def simulated_sequencer(self) -> SimulatedSequencer:
        """A sequencer for a history that is played: its batches say so."""
        return SimulatedSequencer(
            self.database,
            clock_key=self.keyring.own("clock"),
            door_secret=self.keyring.secret("door"),
            origin=self.origin,
            published=self._publish,
        )

    def _publish(self, batch: Batch) -> None:
        self.policy()  # a witness counts from the batch that brings it
        self.publisher.publish(Head(batch.size, batch.root, batch.recorded_us))

    def policy(self) -> Policy:
        """The log's own policy as the registry of witnesses stands now; what is published is measured by it."""
        epoch, registry = self.door.registry()
        if epoch != self.policy_epoch:
            self.publisher.policy = own_policy(self.origin, self.publisher.alone, registry)
            self.policy_epoch = epoch
        return self.publisher.policy

    def check_start(self) -> None:
        """Refuse (Evidence) to write where the folder, or any witness that answers, knows more or another history."""
        self.publisher.check_start()
        policy = with_remembered(self.policy(), self.publisher.root / POLICY)
        if not policy.witnesses:
            return
        note = self.publisher.sign(self.reader.head())
        for evidence in ask_at_start(note, policy, self.reader, timeout_s=START_TIMEOUT_S):
            self.witness_evidence(evidence)
            raise evidence

    def witness_evidence(self, evidence: Evidence) -> None:
        """Keep what a witness shows against this log: both notes below DATA/evidence, and on the pages."""
        place = keep_evidence(evidence, self.data / "evidence")
        log.critical("a witness contradicts this log: nothing is placed any more", kept=str(place), code=evidence.code)
        self.findings.add(evidence, lasting=True)

    def heard(self) -> dict[str, Heard]:
        """What came of asking each witness last, by vkey."""
        return read_heard(self.data / "witnesses.json")

    @contextmanager
    def _cosigning(self, *, wrong: threading.Event) -> Iterator[None]:
        """While this lasts, the witnesses are asked; ``wrong`` is set when one of them contradicts this log."""

        def found(evidence: Evidence) -> None:
            wrong.set()
            self.witness_evidence(evidence)

        cosigner = Cosigner(
            self.publisher, self.reader, policy=self.policy, memory=self.data / "witnesses.json", found=found
        )
        with _running("cosigner", cosigner.run):
            yield

    @contextmanager
    def sequencing(self, *, heartbeat_s: float | None = None, carry_s: float = CARRY_S) -> Iterator[None]:
        """While this lasts, statements are placed and the witnesses asked: here, unless another process does.

        Evidence that ends it stands in ``findings``.
        """
        check_not_closed(self.data)
        self.check_start()
        sequencer = self.sequencer(carry_s=carry_s)
        # What a former leader committed but did not publish is published now, by the ordinary path.
        self.publisher.publish(self.reader.head())

        def run(stop: threading.Event) -> None:
            try:
                sequencer.run(stop, heartbeat_s=heartbeat_s)
            except Evidence as error:
                self.findings.add(error, lasting=True)

        with _running("sequencer", run) as stop, self._cosigning(wrong=stop):
            yield

    def sweep(self) -> Sweep:
        """A sweep of table, tree, tiles and published files that goes on where the last one in this folder stopped."""
        return Sweep(
            self.database,
            self.publisher,
            secret=self.keyring.secret("door"),
            memory=self.data / "sweep.json",
            vault=self.vault,
        )

    @contextmanager
    def sweeping(self, *, pause_s: float = 3.0, rest_s: float = 3600.0) -> Iterator[None]:
        """While this lasts, a thread sweeps at low duty; what it finds stands in ``findings``."""
        sweep = self.sweep()
        with _running("sweep", lambda stop: sweeping(sweep, self.findings, stop, pause_s=pause_s, rest_s=rest_s)):
            yield

    def apply_erasures(self) -> int:
        """Destroy what the published log says is erased and the vault was not told yet; how many values went."""
        return apply_erasures(self.database, self.reader, self.vault, self.publisher.checkpoint())

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

    def wait_witnessed(self, size: int, *, timeout_s: float = WITNESSED_S) -> SignedCheckpoint | None:
        """The head that meets the log's own policy, once it covers ``size`` entries; None when none does in time."""
        until = time.monotonic() + timeout_s
        while (served := self.publisher.served()) is None or served.checkpoint.size < size:
            if time.monotonic() > until:
                return None
            time.sleep(0.05)
        return served

    def promise(self, outcome: Outcome) -> str:
        """A signed promise that the statement will stand in the tree by a time: evidence, should it not."""
        by_us = now_us() + PROMISE_S * 1_000_000
        return sign_promise(self.origin, outcome.id, by_us, self.keyring.own("receipt")).decode()

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
        return self.machine_key(f"source/{source}")

    def machine_key(self, actor: str) -> SigningKey:
        """The key of an adapter by its whole name, kept here and registered by both officers when it is new."""
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
def _running(name: str, run: Callable[[threading.Event], None]) -> Iterator[threading.Event]:
    """While this lasts, ``run`` does in a thread of its own; it is to end when the event is set."""
    stop = threading.Event()
    thread = threading.Thread(target=run, args=(stop,), name=name, daemon=True)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(timeout=30)


@contextmanager
def _database(data: Path) -> Iterator[Database]:
    with ExitStack() as stack:
        url = os.environ.get("MINGJIAN_DATABASE_URL") or stack.enter_context(embedded_server(data))
        yield stack.enter_context(Database(url))


def own_policy(origin: str, alone: Policy, registry: Registry) -> Policy:
    """The log's own policy: its key, the registered witnesses, and the rule that was set, or a majority of all.

    A rule that does not fit the witnesses (any more) asks for all of them: never for less than was meant.
    """
    named = [
        Witness(name, VerifierKey.parse(entry.data["vkey"]), entry.data["url"]) for name, entry in registry.witnesses()
    ]
    key, rule = alone.logs[0].key.public_key, registry.witness_rule()
    try:
        return log_policy(origin, key, named, rule)
    except Refused as error:
        log.error("the rule for witnesses does not fit the witnesses: all are asked for", error=error.message)
        everyone = " ".join(witness.name for witness in named)
        return log_policy(origin, key, named, f"group {MAJORITY} all {everyone}\nquorum {MAJORITY}\n")


def close_ledger(hall: Hall) -> dict[str, Any]:
    """End the log for good: nothing is placed in it any more. Returns its last signed head."""
    signed = hall.publisher.latest()
    if signed is None:
        raise NotFound("nothing is published yet", code="no-checkpoint")
    head = signed.checkpoint
    last = {"size": head.size, "root": head.root.hex(), "note": signed.note.decode(), "at": instant_text(now_us())}
    write_file(hall.data / CLOSED, orjson.dumps(last), durable=True)
    return last


def check_not_closed(data: Path) -> None:
    """Refuse to write in a closed log."""
    if os.path.exists(f"{data}/{CLOSED}"):  # noqa: PTH110 – asked before each append, and three times as fast
        raise Refused(
            "this log is closed: nothing is stated in it any more",
            code="log-closed",
            mend="open its successor: mingjian init --successor-of CHECKPOINT",
        )


def create_ledger(
    data: Path, *, name: str = DEFAULT_NAME, clock: Callable[[], int] = now_us, successor_of: bytes | None = None
) -> str:
    """Open a new ledger in ``data``, officers' keys and all; returns its origin. Conflict when there is one already.

    For demos and tests: whoever has this machine has both officers' keys. ``prepare_opening`` is the other way.
    ``successor_of``: the signed checkpoint of a closed log; entry 0 names it.
    """
    with _unopened(data) as (database, keyring):
        keys = [keyring.make_actor(actor) for actor in ("officer/1", "officer/2")]
        first, second = (("officer/1", keys[0].public, "server"), ("officer/2", keys[1].public, "server"))
        draft, at = _opening(keyring, name, first, second, successor_of), instant_text(clock())
        entry0 = sign_statement(opening(*draft, at=at), keys[0])
        entry1 = sign_statement(confirmation(open_statement(entry0), at=at), keys[1])
        return _open(database, data, keyring, entry0, entry1, clock)


def prepare_opening(
    data: Path,
    first: tuple[str, bytes],
    second: tuple[str, bytes],
    *,
    name: str = DEFAULT_NAME,
    clock: Callable[[], int] = now_us,
    successor_of: bytes | None = None,
) -> bytes:
    """The log's own keys, and entry 0 for the first officer to sign; nothing is opened yet.

    ``first`` and ``second``: actor and raw public key of two officers, whose private keys never come here.
    """
    with _unopened(data) as (_, keyring):
        content, one, two = _opening(keyring, name, (*first, "actor"), (*second, "actor"), successor_of)
        draft = unsigned(opening(content, one, two, at=instant_text(clock())), one.public)
        Registry.opened(open_statement(draft))  # what is wrong with it is said before anybody signs
        return draft


def finish_opening(data: Path, entry0: bytes, entry1: bytes, *, clock: Callable[[], int] = now_us) -> str:
    """Open the ledger that ``prepare_opening`` prepared in ``data`` with what both officers signed; its origin."""
    with _unopened(data) as (database, keyring):
        return _open(database, data, keyring, entry0, entry1, clock)


@contextmanager
def _unopened(data: Path) -> Iterator[tuple[Database, Keyring]]:
    """A database without a ledger, and the log's own keys, made where they are missing."""
    data.mkdir(parents=True, exist_ok=True)
    data.chmod(0o700)
    with _database(data) as database:
        database.migrate()
        if has_ledger(database):
            raise Conflict(
                "this database holds a ledger already", code="ledger-exists", mend="use it, or choose another folder"
            )
        _check_not_emptied(data)
        keyring = Keyring(data)
        keyring.make()
        yield database, keyring


def _opening(
    keyring: Keyring,
    name: str,
    first: tuple[str, bytes, str],
    second: tuple[str, bytes, str],
    successor_of: bytes | None,
) -> tuple[dict[str, Any], Officer, Officer]:
    """What ``opening`` asks for; an officer comes as actor, public key and custody."""
    if successor_of is not None:
        Checkpoint.parse(split_note(successor_of).text)
    secret = keyring.secret("names")
    content = {
        "name": name,
        "clock_key": keyring.own("clock").public.hex(),
        "receipt_key": keyring.own("receipt").public.hex(),
        "log_key": keyring.own("log").public.hex(),
        "time_authorities": {},
        "policy": FIRST_POLICY,
        **({} if successor_of is None else {"successor_of": successor_of.decode()}),
    }
    one, two = (
        Officer(actor, pseudonym(secret, "person", actor), public, custody)
        for actor, public, custody in (first, second)
    )
    return content, one, two


def _open(
    database: Database, data: Path, keyring: Keyring, entry0: bytes, entry1: bytes, clock: Callable[[], int]
) -> str:
    registry, entries = open_pair(entry0, entry1)
    for purpose in ("clock", "receipt", "log"):
        if registry.genesis[f"{purpose}_key"] != keyring.own(purpose).public.hex():
            raise Refused(
                f"entry 0 names another {purpose} key than the one in {keyring.folder}",
                code="opening-keys",
                mend="have the draft signed that was prepared for this folder: mingjian init --officer …",
            )
    frontier = Frontier()
    frontier.extend([act.id for act in entries])
    reader = LogReader(database)
    publisher = Publisher(data, origin=registry.origin, log_key=keyring.own("log"), reader=reader)
    # Remembered before it is: dying in between leaves a folder in which this may be done again; dying after it
    # leaves a ledger, which publishes at its next start. The other way round it could never prove its start.
    publisher.remember(Head(frontier.size, frontier.root(), clock()))
    write_genesis(database, entries, frontier, keyring.secret("door"), clock())
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
                check_open=partial(check_not_closed, data),
            )
            reader = LogReader(database)
            try:
                reader.head()
            except NotFound:
                _check_not_emptied(data)
                raise
            _, registry = door.registry()
            hall = Hall(
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
            try:
                # This vault may be a copy from before an erasure: nothing is served from it until that is made good.
                hall.apply_erasures()
            except (Refused, Evidence) as error:
                hall.findings.add(error, lasting=True)
            hall.policy()
            yield hall
        finally:
            vault.close()
