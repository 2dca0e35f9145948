"""Cosignatures for the log's heads: every witness of the log's policy is asked, and what it gives goes into the files.

Promise: publishing never waits for a witness, and no witness for another. All are asked for the newest signed head, and
never for two heads at once; when a newer one is there, older ones are no longer asked for. One that does not answer is
asked again after 1, 2, 4 … 60 s. As soon as the log's own policy is met, the head is the served one. Whoever dies
whenever, the next one goes on from the files: a cosignature that a file does not hold is asked for again.

What contradicts the tree of this database is evidence: it is handed to ``found`` and nothing more is asked.
"""

from __future__ import annotations

import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import orjson
import psycopg
import structlog

from ledger.errors import Evidence, MingjianError
from ledger.files import write_file
from ledger.store.published import Publisher
from ledger.store.reading import LogReader
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tree.merkle import read_frontier
from ledger.tree.note import VerifierKey, split_note
from ledger.tree.policy import Policy, Witness
from ledger.witness.ask import TIMEOUT_S, Collected, Collector, Outcome, Standing

GRACE_S: Final = 0.5
"""How long the others are waited for once the policy is met."""
LATE_S: Final = 1800.0
"""A cosigned checkpoint older than this is an alarm: three heartbeats."""
_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 60.0

log = structlog.get_logger("witnesses")


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of asking one witness last. ``size``: cosigned last, as far as known; times µs since 1970 UTC."""

    standing: str
    why: str
    size: int | None
    asked_us: int
    cosigned_us: int | None


def read_heard(path: Path) -> dict[str, Heard]:
    """What was heard of each witness, by vkey; nothing where nothing was kept."""
    try:
        return {vkey: Heard(**row) for vkey, row in orjson.loads(path.read_bytes()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def cosigned_s(signed: SignedCheckpoint, policy: Policy) -> int | None:
    """When ``policy`` was met by the cosignatures on this checkpoint (Unix s); None where no witness is asked for."""
    met: set[VerifierKey] = set()
    if policy.is_met_by(met):
        return None
    for line in sorted(signed.cosignatures, key=lambda line: line.time_s or 0):
        met.add(line.key)
        if policy.is_met_by(met):
            return line.time_s
    return None


def contradicts(evidence: Evidence, reader: LogReader) -> bool:
    """Whether what a witness shows is not in this tree: of another process's newer head it has signed no other."""
    theirs = Checkpoint.parse(split_note(evidence.details["theirs"].encode()).text)
    if theirs.size > reader.head().size:
        return True
    return theirs.size > 0 and read_frontier(theirs.size, reader.read_tile).root() != theirs.root


def keep_evidence(evidence: Evidence, folder: Path) -> Path:
    """Write both notes of a contradiction below ``folder``; the same two only once."""
    ours, theirs = evidence.details["ours"].encode(), evidence.details["theirs"].encode()
    place = folder / f"{evidence.code}-{sha256(ours + theirs).hexdigest()[:16]}"
    write_file(place / "ours", ours, durable=True)
    write_file(place / "theirs", theirs, durable=True)
    write_file(place / "error.json", orjson.dumps(evidence.as_json(), option=orjson.OPT_INDENT_2), durable=True)
    return place


class Cosigner:
    """Asks the witnesses of one log. Not thread-safe: one thread calls ``step`` or ``run``."""

    def __init__(
        self,
        publisher: Publisher,
        reader: LogReader,
        *,
        policy: Callable[[], Policy],
        memory: Path,
        found: Callable[[Evidence], None],
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """``policy``: the log's own as it is now. ``memory``: the file that keeps what was heard of each witness."""
        self._publisher = publisher
        self._reader = reader
        self._policy = policy
        self._memory = memory
        self._found = found
        self._timeout_s = timeout_s
        self._collectors: dict[Witness, Collector] = {}
        self._answers: queue.Queue[tuple[Witness, Collected | Exception]] = queue.Queue()
        self._asking: set[Witness] = set()
        self._pauses: dict[Witness, tuple[float, float]] = {}  # until when, and how long the pause was
        self._heard = read_heard(memory)

    def run(self, stop: threading.Event, *, poll_s: float = 0.1, policy_s: float = 1.0) -> None:
        """Ask until ``stop``; of several processes on one folder, one asks at a time."""
        while not stop.is_set():
            with _alone(self._memory) as is_ours:
                while is_ours and not stop.is_set():
                    try:
                        self._publisher.policy = self._policy()
                        until = time.monotonic() + policy_s
                        while time.monotonic() < until and not stop.is_set():
                            if not self.step():
                                stop.wait(poll_s if self._publisher.policy.witnesses else policy_s)
                    except Evidence:
                        return
                    except (MingjianError, psycopg.Error, OSError) as error:
                        log.warning("the witnesses cannot be asked; trying again", error=str(error).strip())
                        stop.wait(1.0)
            stop.wait(0.5)

    def step(self) -> bool:
        """One round for the newest head; False when nobody was there to be asked."""
        self._drain()
        policy = self._publisher.policy
        newest = self._publisher.latest()
        if newest is None:
            return False
        have = {cosignature.key for cosignature in newest.cosignatures}
        if policy.is_met_by(have) and self._is_behind(newest):
            self._publisher.take(newest.note)  # the policy has become weaker
        now = time.monotonic()
        due = [
            witness
            for witness in policy.witnesses
            if witness.key not in have and witness not in self._asking and self._pauses.get(witness, (0, 0))[0] <= now
        ]
        for witness in due:
            self._ask(witness, policy, newest.note)
        asked, is_met, until = set(due), False, now + 3 * self._timeout_s + 2
        while asked & self._asking and (left := until - time.monotonic()) > 0:
            try:
                witness, answer = self._answers.get(timeout=left)
            except queue.Empty:
                break
            if self._settle(witness, answer) and not is_met:
                is_met, until = True, min(until, time.monotonic() + GRACE_S)
        return bool(due)

    def _is_behind(self, newest: SignedCheckpoint) -> bool:
        served = self._publisher.served()
        return served is None or served.checkpoint.size < newest.checkpoint.size

    def _drain(self) -> None:
        while not self._answers.empty():
            self._settle(*self._answers.get())

    def _ask(self, witness: Witness, policy: Policy, note: bytes) -> None:
        collector = self._collectors.get(witness)
        if collector is None:
            alone = Policy(policy.logs, (witness,))
            collector = self._collectors[witness] = Collector(alone, timeout_s=self._timeout_s)

        def ask() -> None:
            try:
                answer: Collected | Exception = collector.collect(note, self._reader.consistency)
            except (MingjianError, psycopg.Error) as error:
                answer = error
            self._answers.put((witness, answer))

        self._asking.add(witness)
        threading.Thread(target=ask, name=f"ask {witness.name}", daemon=True).start()

    def _settle(self, witness: Witness, answer: Collected | Exception) -> bool:
        """Take an answer in; whether the log's policy is met now."""
        self._asking.discard(witness)
        if isinstance(answer, Exception):
            outcome = Outcome(witness.name, Standing.UNREACHABLE, str(answer).strip())
        else:
            (outcome,) = answer.outcomes
        is_met = False
        if isinstance(answer, Collected) and outcome.standing is Standing.OK:
            self._pauses.pop(witness, None)
            is_met = self._publisher.take(answer.note)
        else:
            pause = min(_LONGEST_PAUSE_S, 2 * self._pauses.get(witness, (0, _FIRST_PAUSE_S / 2))[1])
            self._pauses[witness] = (time.monotonic() + pause, pause)
            if outcome.evidence is not None and contradicts(outcome.evidence, self._reader):
                self._keep(witness, outcome)
                self._found(outcome.evidence)
                raise outcome.evidence
        self._keep(witness, outcome)
        return is_met

    def _keep(self, witness: Witness, outcome: Outcome) -> None:
        now = time.time_ns() // 1000
        known = self._heard.get(str(witness.key))
        if known is None or known.standing != outcome.standing:
            log.info("heard of a witness", witness=witness.name, standing=str(outcome.standing), why=outcome.why)
        if outcome.standing is Standing.OK:
            cosigned_us: int | None = now
        else:
            cosigned_us = None if known is None else known.cosigned_us
        size = outcome.size if outcome.size is not None or known is None else known.size
        self._heard[str(witness.key)] = Heard(str(outcome.standing), outcome.why, size, now, cosigned_us)
        write_file(self._memory, orjson.dumps({vkey: asdict(heard) for vkey, heard in self._heard.items()}))


def ask_at_start(note: bytes, policy: Policy, reader: LogReader, *, timeout_s: float) -> list[Evidence]:
    """What reachable witnesses hold against the log-signed ``note`` that is really not in this tree."""
    compared = Collector(policy, timeout_s=timeout_s).compare(note, reader.consistency)
    return [evidence for evidence in compared.evidence if contradicts(evidence, reader)]


def with_remembered(policy: Policy, file: Path) -> Policy:
    """``policy``, and the witnesses of the published policy ``file``: a database that went back has forgotten them."""
    try:
        published = Policy.parse(file.read_bytes())
    except (OSError, MingjianError):
        return policy
    known = {witness.key.public_key for witness in policy.witnesses}
    more = [witness for witness in published.witnesses if witness.key.public_key not in known]
    every = (*policy.witnesses, *more)
    renamed = tuple(Witness(f"{number}:{one.key.name}", one.key, one.url) for number, one in enumerate(every, start=1))
    return Policy(policy.logs, renamed)


@contextmanager
def _alone(memory: Path) -> Iterator[bool]:
    descriptor = os.open(memory.with_name(f".{memory.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)
