"""The asking side: a log's checkpoint goes to every witness of its policy, and the good lines come back into the note.

Promise: whatever the witnesses answer, the note that comes back is the note that went in, with nothing added but good
lines of the policy's witnesses, of this checkpoint and of now. No witness delays the others, and all of them together
delay the caller by three times ``timeout_s`` and a little. ``prove`` is called by the caller's own thread only.

What becomes of one witness:

    ok           its line is in the note (or, in ``compare``: what it signed last is this very head)
    behind       it knows less, consistently; after ``collect``: others asked it in between, ask again
    ahead        it shows a head that the log's own key signed and that is larger than ours      → Evidence
    forked       it shows a head that the log's own key signed and that is not in our history    → Evidence
    refused      it answered, and not with what we need
    unreachable  no answer in time

``ahead`` is what a log sees that went back "after a restore", or that another process runs ahead of: it stops writing.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import urlsplit

from ledger.errors import Evidence, Malformed, MingjianError, Refused, Unavailable
from ledger.tree.checkpoint import Checkpoint, open_checkpoint
from ledger.tree.cosignature import AddCheckpoint, take_cosignatures
from ledger.tree.merkle import check_consistency
from ledger.tree.note import MAX_NOTE_BYTES, VerifierKey
from ledger.tree.policy import Policy, Witness
from ledger.witness.state import origin_hash

TIMEOUT_S = 5.0
MAX_SKEW_S = 300
"""A line that states a time this far from ours is not taken: the log's own times are bracketed by such lines."""

Prove = Callable[[int, int], Sequence[bytes]]
"""``(old_size, new_size)``, both above 0 and different, to the consistency proof between them."""

_SIZE = re.compile(rb"(0|[1-9][0-9]{0,18})\n")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP."""

    status: int
    content_type: str
    body: bytes


class Standing(StrEnum):
    """What became of one witness; see the module."""

    OK = "ok"
    BEHIND = "behind"
    AHEAD = "ahead"
    FORKED = "forked"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One witness of the policy, by its name there; ``size`` is what it cosigned last, as far as it told."""

    witness: str
    standing: Standing
    why: str = ""
    size: int | None = None
    evidence: Evidence | None = None


@dataclass(frozen=True, slots=True)
class Collected:
    """The note with the lines that were given, and one outcome for each witness, in the policy's order."""

    note: bytes
    outcomes: tuple[Outcome, ...]
    quorum_met: bool

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What contradicts our note. Not empty: refuse to write."""
        return tuple(outcome.evidence for outcome in self.outcomes if outcome.evidence is not None)


def ask(url: str, body: bytes, *, timeout_s: float = TIMEOUT_S) -> Answer:
    """``POST <url>/add-checkpoint``; Unavailable unless an answer is here whole within ``timeout_s``."""
    return _exchange("POST", url, "/add-checkpoint", body, timeout_s=timeout_s)


def newest(url: str, origin: str, *, timeout_s: float = TIMEOUT_S) -> bytes | None:
    """``GET <url>/<origin hash>/checkpoint``: the newest that the witness has cosigned, unverified; None: none."""
    answer = _exchange("GET", url, f"/{origin_hash(origin)}/checkpoint", None, timeout_s=timeout_s)
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    if answer.status != HTTPStatus.OK:
        raise Unavailable(f"{url} answers {answer.status}.", code="witness-answer", status=answer.status)
    return answer.body


class Collector:
    """Asks the witnesses of one policy, and remembers from which size each wants its proof. Not for two threads."""

    def __init__(self, policy: Policy, *, timeout_s: float = TIMEOUT_S, clock: Callable[[], float] = time.time) -> None:
        """``timeout_s`` bounds each round: asking, asking again from the size told, looking into contradictions.

        ``clock`` gives Unix seconds.
        """
        self.policy = policy
        self._timeout_s = timeout_s
        self._clock = clock
        self._sizes: dict[VerifierKey, int] = {}

    @property
    def sizes(self) -> Mapping[VerifierKey, int]:
        """What each witness is known to have cosigned last."""
        return dict(self._sizes)

    def collect(self, note: bytes, prove: Prove) -> Collected:
        """Ask all for their line on the log-signed ``note``, those that tell another size a second time."""
        ours = open_checkpoint(note, self.policy, need_quorum=False).checkpoint
        outcomes: dict[str, Outcome] = {}
        doubted: list[Witness] = []
        asked = self.policy.witnesses
        for _round in range(2):
            answers = self._ask_all(asked, ours, note, prove)
            again = []
            for witness in asked:
                answer = answers[witness.name]
                if isinstance(answer, MingjianError):
                    outcomes[witness.name] = _unanswered(witness, answer)
                elif answer.status == HTTPStatus.OK:
                    note, outcomes[witness.name] = self._take(witness, ours, note, answer.body)
                elif (size := _size_told(answer)) is None:
                    said = answer.body[:200].decode(errors="backslashreplace").strip()
                    why = f"it answers {answer.status}: {said}"
                    outcomes[witness.name] = Outcome(witness.name, Standing.REFUSED, why)
                    # An older text of the specification answers 409, without a size, to another root at one size.
                    if answer.status in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT):
                        doubted.append(witness)
                elif size < self._sizes.get(witness.key, 0):
                    # It has lost its memory: its lines would bind it to nothing.
                    why = f"it went back from size {self._sizes[witness.key]} to {size}"
                    outcomes[witness.name] = Outcome(witness.name, Standing.REFUSED, why, size)
                elif size > ours.size:
                    why = f"it says that it cosigned size {size}, and does not show it"
                    outcomes[witness.name] = Outcome(witness.name, Standing.REFUSED, why, size)
                    doubted.append(witness)
                else:
                    self._sizes[witness.key] = size
                    outcomes[witness.name] = Outcome(witness.name, Standing.BEHIND, "it has moved meanwhile", size)
                    again.append(witness)
            asked = tuple(again)
        # Where a witness says that it holds more, or that our proof does not hold, see what it has signed.
        shown = self._shown(doubted, ours.origin)
        for witness in doubted:
            found = self._judge(witness, ours, note, shown[witness.name], prove)
            if found.evidence is not None:
                outcomes[witness.name] = found
        return self._collected(note, outcomes)

    def compare(self, note: bytes, prove: Prove) -> Collected:
        """Ask nobody to sign: does any witness hold more than the log-signed ``note``, or another history?"""
        ours = open_checkpoint(note, self.policy, need_quorum=False).checkpoint
        shown = self._shown(self.policy.witnesses, ours.origin)
        outcomes = {w.name: self._judge(w, ours, note, shown[w.name], prove) for w in self.policy.witnesses}
        return self._collected(note, outcomes)

    def _collected(self, note: bytes, outcomes: Mapping[str, Outcome]) -> Collected:
        signed = {c.key for c in open_checkpoint(note, self.policy, need_quorum=False).cosignatures}
        ordered = tuple(outcomes[witness.name] for witness in self.policy.witnesses)
        return Collected(note, ordered, self.policy.is_met_by(signed))

    def _ask_all(
        self, witnesses: Sequence[Witness], ours: Checkpoint, note: bytes, prove: Prove
    ) -> dict[str, Answer | MingjianError]:
        bodies = {}
        for witness in witnesses:
            # A witness that is known to hold more is asked from our own size, and tells its own again.
            old = min(self._sizes.get(witness.key, 0), ours.size)
            path = prove(old, ours.size) if 0 < old < ours.size else ()
            bodies[witness.name] = AddCheckpoint(old, tuple(path), note).to_bytes()
        return self._of_all(witnesses, lambda w, url: ask(url, bodies[w.name], timeout_s=self._timeout_s))

    def _take(self, witness: Witness, ours: Checkpoint, note: bytes, body: bytes) -> tuple[bytes, Outcome]:
        try:
            # One witness speaks for itself only.
            alone = Policy(self.policy.logs, (witness,))
            taken = take_cosignatures(note, body, alone)
            line = next(c for c in open_checkpoint(taken, alone, need_quorum=False).cosignatures)
            skew_s = (line.time_s or 0) - self._clock()
            if abs(skew_s) > MAX_SKEW_S:
                raise Refused(f"its clock is {skew_s:+.0f} s from ours", code="witness-clock")
        except Refused as error:
            return note, Outcome(witness.name, Standing.REFUSED, error.message)
        self._sizes[witness.key] = ours.size
        return taken, Outcome(witness.name, Standing.OK, size=ours.size)

    def _shown(self, witnesses: Sequence[Witness], origin: str) -> dict[str, bytes | MingjianError | None]:
        return self._of_all(witnesses, lambda _, url: newest(url, origin, timeout_s=self._timeout_s))

    def _judge(
        self, witness: Witness, ours: Checkpoint, note: bytes, shown: bytes | MingjianError | None, prove: Prove
    ) -> Outcome:
        if isinstance(shown, MingjianError):
            return _unanswered(witness, shown)
        if shown is None:
            return Outcome(witness.name, Standing.BEHIND, "it shows no checkpoint of this log", 0)
        try:
            # Both lines are asked for: the log's makes it evidence, the witness's makes it more than a rumour.
            opened = open_checkpoint(shown, Policy(self.policy.logs, (witness,), quorum=witness.name))
            theirs = opened.checkpoint
            if theirs.origin != ours.origin:
                raise Refused("it is of another log")
        except Refused as error:
            why = f"what it shows is not a checkpoint of this log with its line: {error.message}"
            return Outcome(witness.name, Standing.REFUSED, why)
        if theirs.size > ours.size:
            why = f"it holds size {theirs.size}, signed by this log; ours is {ours.size}"
            return self._against(witness, Standing.AHEAD, why, theirs, shown, note)
        joined = theirs.root == ours.root
        if theirs.size < ours.size:
            joined = theirs.size == 0 or _joins(theirs, ours, prove)
        if not joined:
            why = f"the root it holds at size {theirs.size}, signed by this log, is not in our history"
            return self._against(witness, Standing.FORKED, why, theirs, shown, note)
        # What is shown may be older than what was signed, by up to an hour as the specification has it.
        self._sizes[witness.key] = max(theirs.size, self._sizes.get(witness.key, 0))
        standing = Standing.OK if theirs.size == ours.size else Standing.BEHIND
        return Outcome(witness.name, standing, size=theirs.size)

    def _against(
        self, witness: Witness, standing: Standing, why: str, theirs: Checkpoint, shown: bytes, note: bytes
    ) -> Outcome:
        evidence = Evidence(
            f"The witness {witness.name} contradicts this log: {why}.",
            code=f"witness-{standing}",
            mend="Write nothing more. Keep both notes; compare with a mirror or a copy of the entries.",
            witness=witness.name,
            size=theirs.size,
            theirs=shown.decode(),
            ours=note.decode(),
        )
        return Outcome(witness.name, standing, why, theirs.size, evidence)

    def _of_all(self, witnesses: Sequence[Witness], do: Callable[[Witness, str], _T]) -> dict[str, _T | MingjianError]:
        """``do`` for each witness at once, in threads that nobody waits for longer than ``timeout_s`` and a little."""
        results: dict[str, _T | MingjianError] = {}
        late = Unavailable("no answer in time", code="witness-late")

        def one(witness: Witness, url: str) -> None:
            try:
                result: _T | MingjianError = do(witness, url)
            except MingjianError as error:
                result = error
            results.setdefault(witness.name, result)

        threads = []
        for witness in witnesses:
            if witness.url is None:
                results[witness.name] = Unavailable("the policy gives no address for it", code="witness-url")
            else:
                threads.append(threading.Thread(target=one, args=(witness, witness.url), daemon=True))
        for thread in threads:
            thread.start()
        until = time.monotonic() + self._timeout_s + 0.5
        for thread in threads:
            # Looking a name up has no bound of its own.
            thread.join(max(0.0, until - time.monotonic()))
        for witness in witnesses:
            results.setdefault(witness.name, late)
        return results


def _size_told(answer: Answer) -> int | None:
    if answer.status != HTTPStatus.CONFLICT or answer.content_type.partition(";")[0].strip() != "text/x.tlog.size":
        return None
    found = _SIZE.fullmatch(answer.body)
    return None if found is None else int(found[1])


def _unanswered(witness: Witness, error: MingjianError) -> Outcome:
    standing = Standing.REFUSED if isinstance(error, Refused) else Standing.UNREACHABLE
    return Outcome(witness.name, standing, error.message)


def _joins(theirs: Checkpoint, ours: Checkpoint, prove: Prove) -> bool:
    try:
        path = prove(theirs.size, ours.size)
        check_consistency(theirs.size, theirs.root, ours.size, ours.root, path)
    except Refused:
        return False
    return True


def _exchange(method: str, url: str, path: str, body: bytes | None, *, timeout_s: float) -> Answer:
    """One request on a connection of its own; redirections are not followed: a policy names its witnesses itself."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Unavailable(f"{url} is not the address of a witness.", code="witness-url")
    try:
        connection = _connection(parts.scheme, parts.hostname, parts.port, timeout_s)
    except ValueError as error:
        raise Unavailable(f"{url}: {error}", code="witness-url") from error
    late = threading.Event()

    def give_up() -> None:
        late.set()
        with suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    # The socket's own time-out begins again with each byte that drips in.
    timer = threading.Timer(timeout_s, give_up)
    timer.daemon = True
    timer.start()
    try:
        headers = {} if body is None else {"Content-Type": "text/plain; charset=utf-8"}
        connection.request(method, parts.path.rstrip("/") + path, body, {"Connection": "close", **headers})
        with connection.getresponse() as response:
            content = response.read(MAX_NOTE_BYTES + 1)
            answer = Answer(response.status, response.headers.get("Content-Type", ""), content)
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = "no answer in time" if late.is_set() or isinstance(error, TimeoutError) else str(error) or repr(error)
        raise Unavailable(f"{url}: {why}", code="witness-unreachable") from error
    finally:
        timer.cancel()
        connection.close()
    if late.is_set():
        raise Unavailable(f"{url}: no answer in time", code="witness-unreachable")
    if len(content) > MAX_NOTE_BYTES:
        raise Malformed(f"{url} answers with more than {MAX_NOTE_BYTES} bytes.", code="witness-answer")
    return answer


def _connection(scheme: str, host: str, port: int | None, timeout_s: float) -> http.client.HTTPConnection:
    if scheme == "http":
        return http.client.HTTPConnection(host, port, timeout=timeout_s)
    return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=ssl.create_default_context())
