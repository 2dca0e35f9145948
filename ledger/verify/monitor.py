"""A log followed over HTTP: everything that it says is hashed and judged again, and held against what others hold.

Promise: one ``look`` says "nothing wrong" only if the log's newest settled head continues the last one kept here, every
entry is under it and obeys every rule of ``replay``, the newest head of all continues both, and no witness, copy or
promise given contradicts them. What contradicts is written down as evidence before anything else is done. What was
kept is never given up for something that does not continue it.

    STATE/log/…          a copy that can serve (``copy``)
    STATE/state.json     the newest head of all that was ever shown, and how far signatures were checked
    STATE/evidence/…     one file for each finding (``evidence``)

Rules are judged again from the first entry when the monitor starts, from its own copy; after that only new entries are
read. Signatures are checked once: how far, the state file says.
"""

from __future__ import annotations

import time
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from ledger.errors import Malformed, MingjianError, NotAllowed, NotFound, Refused, Unavailable
from ledger.facts.duties import Duty
from ledger.facts.registry import Registry
from ledger.facts.shown import LAST_INDEX, digest_of
from ledger.statement import instant_text, open_statement
from ledger.tree.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tree.merkle import Frontier, leaf_hash, prove_inclusion
from ledger.tree.note import Verified, VerifierKey
from ledger.tree.policy import NO_QUORUM, Policy
from ledger.tree.promise import Promise, open_promise
from ledger.tree.tiles import bundles_for, decode_tile, tile_width
from ledger.verify.copy import Copy, attested_at, open_copy, own_fault
from ledger.verify.evidence import (
    MAX_LEAVES,
    Claim,
    ContradictionError,
    Finding,
    broken_promise,
    check_joined,
    read_claim,
    rollback,
    rule,
    shown_otherwise,
)
from ledger.verify.fetch import LogClient, read_tile_of
from ledger.verify.files import BadLogError, Fault
from ledger.verify.replay import BATCH, Replay
from ledger.verify.signatures import SignatureChecker

MAX_AGE_S: Final = 900
_PATIENCE: Final = 4  # times that we ask whether the log has caught up with what a witness or copy holds
_SKEW_S: Final = 300
_SEEN: Final = 1000  # heads whose lines are gathered
_NOT_THIS_LOG: Final = frozenset({"note-unverified", "note-bad-signature", "checkpoint-not-of-log"})

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that asks for a person and contradicts nothing. ``code`` is a key of the spec's table."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Other:
    """What a witness or a copy holds."""

    url: str
    size: int | None  # None: it holds nothing, or nothing that the policy accepts
    state: str


@dataclass(frozen=True, slots=True)
class Promised:
    """How a promise stands."""

    name: str
    state: str  # kept, broken, open, unknown
    detail: str = ""


@dataclass(slots=True)
class Look:
    """What one look found."""

    url: str
    settled: SignedCheckpoint | None = None
    latest: SignedCheckpoint | None = None
    entries: int = 0
    signatures: int = 0
    voided: int = 0
    suspect: int = 0
    outside: int = 0
    simulated: int = 0
    batch_age_s: float | None = None
    cosigned_age_s: float | None = None
    witnesses: list[Other] = field(default_factory=list)
    mirrors: list[Other] = field(default_factory=list)
    promises: list[Promised] = field(default_factory=list)
    shown: int | None = None
    """The position as of which what its pages show was recomputed, if it was."""
    alarms: list[Alarm] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    reached: bool = False
    """Whether the log answered."""
    rejected: bool = False
    """Whether it showed a head that is not signed as the policy has it: no evidence against anybody, and no log."""

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts; alarms may stand."""
        return not (self.findings or self.rejected)


class Follower:
    """The entries of a copy, judged once each and in order."""

    def __init__(self, checker: SignatureChecker | None) -> None:
        self._checker = checker
        self._frontier = Frontier()
        self._pending: list[bytes] = []
        self._replay: Replay | None = None
        self.batches = array("Q")  # indexes of log.batch.v1 …
        self.times = array("q")  # … and their times, in order
        self.fault: Fault | None = None
        self._seen: dict[int, dict[VerifierKey, Verified]] = {}  # by size: lines that others hold
        self.wanted: set[int] = set()  # positions at which what is shown is to be recomputed …
        self.shown: dict[int, Claim] = {}  # … and what came of it

    @property
    def size(self) -> int:
        """Entries taken."""
        return self._frontier.size + len(self._pending)

    def take(self, copy: Copy) -> None:
        """All that the copy has and we have not; the first broken rule stands in ``fault`` for good."""
        assert copy.held is not None
        head = copy.held.checkpoint
        if self._replay is None:
            key = copy.held.log.key.public_key
            self._replay = Replay(
                origin=head.origin, log_key=key, policy=copy.policy, root=self._root, checker=self._checker
            )
        for index, entry in copy.entries(self.size):
            if self.fault is None:
                try:
                    self._replay.take(index, entry)
                except BadLogError as bad:
                    self.fault = bad.fault
            # All before this entry count now; whether this one is void, the next one says.
            if index in self.wanted:
                self._recompute(index)
            self._pending.append(leaf_hash(entry))
            # Only a batch has this text in it, or somebody who wants to be looked at more closely.
            if BATCH.encode() in entry:
                self._note_batch(index, entry)
        if self._root() != head.root:
            raise own_fault(copy.folder, "entries do not lead to its checkpoint")
        if self.fault is None:
            try:
                self._replay.check_end()
                self._replay.take_cosigned(copy.held)
            except BadLogError as bad:
                self.fault = bad.fault
        if self.size in self.wanted:
            self._recompute(self.size)
        if self._checker is not None:
            first = self._checker.finish()
            if first is not None and (self.fault is None or not _is_before(self.fault, first)):
                self.fault = Fault(where=first, code="signature")

    def see(self, signed: SignedCheckpoint) -> None:
        """The cosignatures on a head of this very tree, whoever holds it: together they say when it was there."""
        size = signed.checkpoint.size
        if size > self.size or not signed.cosignatures or self._replay is None or self.fault is not None:
            return
        lines = self._seen.setdefault(size, {})
        for line in signed.cosignatures:
            known = lines.setdefault(line.key, line)
            if (line.time_s or 0) < (known.time_s or 0):
                lines[line.key] = line  # the earliest of a witness's own words bounds
        while len(self._seen) > _SEEN:
            del self._seen[min(self._seen)]
        try:
            self._replay.take_seen(size, list(lines.values()))
        except BadLogError as bad:
            self.fault = bad.fault

    def counts(self) -> Mapping[str, int]:
        """What an audit counts."""
        replay = self._replay
        if replay is None:
            return {}
        names = ("voided", "suspect", "outside", "simulated")
        good = 0 if self._checker is None else self._checker.good
        return {"signatures": replay.checked + good} | {name: getattr(replay, name) for name in names}

    def overdue(self) -> list[Duty]:
        """What the system clock should have stated by the newest batch."""
        return [] if self._replay is None else self._replay.overdue()

    def rows(self) -> Iterator[bytes]:
        """What pages must show, of all that was taken."""
        return iter(()) if self._replay is None else self._replay.shown()

    def _recompute(self, position: int) -> None:
        self.wanted.discard(position)
        if self.fault is None and self._replay is not None:
            self.shown[position] = Claim(position, self._root(), *digest_of(self._replay.shown()))

    def _root(self) -> bytes:
        pending, self._pending = self._pending, []
        self._frontier.extend(pending)
        return self._frontier.root()

    def _note_batch(self, index: int, entry: bytes) -> None:
        try:
            act = open_statement(entry)
        except Refused:
            return
        if act.type == BATCH:
            self.batches.append(index)
            self.times.append(act.at_us)


def _is_before(fault: Fault, index: int) -> bool:
    return isinstance(fault.where, int) and fault.where <= index


class _Since(SignatureChecker):
    """Leaves out the entries whose signatures were checked when this monitor ran before."""

    def __init__(self, since: int, *, workers: int | None = None) -> None:
        super().__init__(workers=workers)
        self._since = since

    def add(self, index: int, entry: bytes, public_key: bytes) -> None:
        if index >= self._since:
            super().add(index, entry, public_key)


class Monitor:
    """One log, followed. Open it with ``open_monitor``; every ``look`` is whole in itself."""

    def __init__(
        self,
        state: Path,
        copy: Copy,
        log: LogClient,
        *,
        checker: SignatureChecker,
        memory: Mapping[str, Any],
        witnesses: Sequence[LogClient] = (),
        mirrors: Sequence[LogClient] = (),
        promises: Mapping[str, bytes] | None = None,
        max_age_s: float = MAX_AGE_S,
        max_cosigned_age_s: float = MAX_AGE_S,
        clock: Clock = time.time,
    ) -> None:
        self._state = state
        self._copy = copy
        self._log = log
        self._witnesses = witnesses
        self._mirrors = mirrors
        self._promises = promises or {}
        self._max_age_s = max_age_s
        self._max_cosigned_age_s = max_cosigned_age_s
        self._clock = clock
        self._follower = Follower(checker)
        self._claim: tuple[float, bytes, Claim] | None = None  # what pages are said to show, not compared yet
        self._claimed = bool(memory.get("shown"))
        self._kept: SignedCheckpoint | None = None  # the newest head of all that was ever shown
        if memory.get("latest"):
            self._kept = open_checkpoint(memory["latest"].encode(), copy.policy, need_quorum=False)

    def look(self) -> Look:
        """Fetch, judge, compare. What is wrong stands in the answer, and as files below STATE/evidence."""
        look = Look(url=self._log.url)
        self._step(look, self._follow)
        if self._copy.held is not None:
            look.settled = self._copy.held
            if look.reached and look.ok:
                self._step(look, self._ask_shown)
            self._step(look, self._judge)
            self._step(look, self._compare_shown)
            if look.reached and look.ok:
                self._step(look, self._compare_latest)
            for client in self._witnesses:
                self._step(look, partial(self._compare_witness, client))
            for client in self._mirrors:
                self._step(look, partial(self._compare_mirror, client))
            self._step(look, self._check_promises)
            self._measure(look)
        return look

    def save(self, look: Look) -> list[Path]:
        """Write the findings down and remember what was seen; the evidence files."""
        noticed_us = int(self._clock() * 1_000_000)
        paths = [finding.save(self._state / "evidence", noticed_us) for finding in look.findings]
        if look.latest is not None and look.ok:
            self._kept = look.latest
        held = self._copy.held
        if held is not None and self._follower.fault is None:
            memory = {
                "latest": None if self._kept is None else self._kept.note.decode(),
                "shown": self._claimed,
                "signatures": {"size": held.checkpoint.size, "root": held.checkpoint.root.hex()},
            }
            self._copy.put(self._state / "state.json", orjson.dumps(memory, option=orjson.OPT_INDENT_2) + b"\n")
        return paths

    # ------------------------------------------------------------------------------------------------ the log

    def _step(self, look: Look, step: Callable[[Look], None]) -> None:
        """One part of a look: what is wrong with it does not keep the others from being done."""
        try:
            step(look)
        except ContradictionError as error:
            look.findings.append(error.finding)
        except Unavailable as error:
            look.alarms.append(Alarm("unreachable", error.message))
        except Refused as error:
            look.alarms.append(Alarm(error.code, error.message))

    def _follow(self, look: Look) -> None:
        try:
            self._copy.sync(self._log)
        except ContradictionError:
            look.reached = True  # it answered
            raise
        except Refused as error:
            look.reached = not isinstance(error, NotFound | NotAllowed)
            look.rejected = isinstance(error, Malformed) or error.code in _NOT_THIS_LOG
            raise
        look.reached = True

    def _judge(self, look: Look) -> None:
        held = self._copy.held
        assert held is not None
        self._follower.take(self._copy)
        look.entries = self._follower.size
        for name, value in self._follower.counts().items():
            setattr(look, name, value)
        self._check_fault()
        self._warn_overdue(look)

    def _check_fault(self) -> None:
        held, fault = self._copy.held, self._follower.fault
        if fault is None:
            return
        assert held is not None
        head = held.checkpoint
        # A rule that is broken by what is not there shows in the last entry that is.
        index = fault.where if isinstance(fault.where, int) else head.size - 1
        path = prove_inclusion(index, head.size, self._copy.read_tile)
        entry = self._copy.entry(index)
        sources = (self._log.url, str(self._copy.folder))
        raise ContradictionError(rule(held, index, entry, path, code=fault.code, detail=fault.detail, sources=sources))

    def _warn_overdue(self, look: Look) -> None:
        """The ledger's clock states too little: whoever stopped it would keep cards from being raised."""
        found = self._follower.overdue()
        if found:
            first = found[0]
            what = f"{len(found)} should have been stated and were not, the first: {first.type}"
            about = first.values.get("case", first.stream)
            look.alarms.append(Alarm("overdue", f"{what} of {about} by {instant_text(first.due_us)}"))

    # ---------------------------------------------------------------------------------------- what pages show

    def _ask_shown(self, look: Look) -> None:
        """Have it said what the pages show; it is compared as soon as the settled head covers that position."""
        if self._claim is not None and self._clock() - self._claim[0] > self._max_age_s:
            position, self._claim = self._claim[2].position, None
            look.alarms.append(Alarm("shown-unchecked", f"no settled head has come to cover {position} entries"))
        if self._claim is not None:
            return
        for attempt in range(_PATIENCE):
            if attempt:
                self._log.pause(attempt)
            try:
                served = self._log.shown()
            except NotFound:
                # Copies and plain files show no pages; a ledger that stops to say what it shows is another matter.
                if self._claimed:
                    look.alarms.append(Alarm("shown-gone", f"{self._log.url} says no more what its pages show"))
                return
            claim = read_claim(served)
            self._claimed = True
            if claim.position >= self._follower.size:
                self._claim = (self._clock(), served, claim)
                self._follower.wanted.add(claim.position)
                return
        what = f"its pages show {claim.position} entries, {self._follower.size} were judged"
        look.alarms.append(Alarm("shown-behind", what))

    def _compare_shown(self, look: Look) -> None:
        held = self._copy.held
        if self._claim is None or held is None or (given := self._follower.shown.get(self._claim[2].position)) is None:
            return
        _, served, claim = self._claim
        self._claim = None
        self._follower.shown.clear()
        look.shown = claim.position
        if claim == given:
            return
        finding = shown_otherwise(
            held,
            served,
            position=claim.position,
            root=given.root,
            rows=given.rows,
            digest=given.digest,
            found=self._find_row() if claim.root == given.root else "it is of another tree",
            sources=(self._log.url, str(self._copy.folder)),
        )
        raise ContradictionError(finding)

    def _find_row(self) -> str:
        """The first row that differs, in words; empty when it cannot be told (it may be right again by now)."""
        try:
            served = self._log.shown_rows()
            return first_difference(served, self._follower.rows(), self._follower.size)
        except MingjianError:
            return ""

    def _compare_latest(self, look: Look) -> None:
        """The newest head of all continues the settled one and the newest that was shown before."""
        held, kept = self._copy.held, self._kept
        assert held is not None
        shown = self._latest(at_least=max(held.checkpoint.size, 0 if kept is None else kept.checkpoint.size))
        look.latest = shown
        for old in (held, kept):
            if old is None:
                continue
            if old.checkpoint.size <= shown.checkpoint.size:
                self._check_joined(old, shown, self._log)
                continue
            if shown.checkpoint.size <= held.checkpoint.size:
                self._copy.check_smaller(shown, sources=(self._log.url,))  # a fork says more than a step back
            raise ContradictionError(rollback(old, shown, sources=(self._log.url,)))

    def _latest(self, *, at_least: int) -> SignedCheckpoint:
        """The newest head of all; asked for again as long as it is smaller than ``at_least``."""
        for attempt in range(_PATIENCE):
            if attempt:
                self._log.pause(attempt)
            shown = open_checkpoint(self._log.latest(), self._copy.policy, need_quorum=False)
            if shown.checkpoint.size >= at_least:
                break
        return shown

    def _check_joined(self, old: SignedCheckpoint, new: SignedCheckpoint, source: LogClient, *more: LogClient) -> None:
        """``old`` against ``new``, which is not smaller and whose tiles ``source`` serves."""
        sources = (source.url, *(one.url for one in more))
        size = new.checkpoint.size
        read = read_tile_of(source.tile, lambda level, index: tile_width(level, index, size))
        check_joined(old, new, read, sources=sources)

    # ---------------------------------------------------------------------------------------------- the others

    def _compare_witness(self, client: LogClient, look: Look) -> None:
        held = self._copy.held
        assert held is not None
        try:
            note = client.witnessed(held.checkpoint.origin)
        except NotFound:
            look.witnesses.append(Other(client.url, None, "empty"))
            look.alarms.append(Alarm("witness-empty", f"{client.url} holds no head of this log"))
            return
        self._compare(look, look.witnesses, client, note, has_tiles=False)

    def _compare_mirror(self, client: LogClient, look: Look) -> None:
        self._compare(look, look.mirrors, client, client.checkpoint(), has_tiles=True)

    def _compare(self, look: Look, told: list[Other], client: LogClient, note: bytes, *, has_tiles: bool) -> None:
        held = self._copy.held
        assert held is not None
        try:
            other = open_checkpoint(note, self._copy.policy, need_quorum=False)
        except Refused as error:
            told.append(Other(client.url, None, "refused"))
            raise Refused(f"{client.url}: {error.message}", code=f"other-{error.code}") from error
        size = other.checkpoint.size
        try:
            if size <= held.checkpoint.size:
                self._copy.check_smaller(other, sources=(client.url, self._log.url))
            else:
                self._compare_larger(look, client, other, has_tiles=has_tiles)
        except ContradictionError as error:
            told.append(Other(client.url, size, error.finding.kind))
            raise
        told.append(Other(client.url, size, "agrees"))
        if self._follower.fault is None:
            self._follower.see(other)
            self._check_fault()

    def _compare_larger(self, look: Look, client: LogClient, other: SignedCheckpoint, *, has_tiles: bool) -> None:
        """It holds more than our copy: the log's newest head must continue it, or be as large in a moment."""
        held = self._copy.held
        assert held is not None
        if has_tiles:
            # Which tree it is, its own tiles say; should they not, that is the copy's fault and not the log's.
            try:
                self._check_joined(held, other, client, self._log)
            except ContradictionError as error:
                if error.finding.kind == "fork":
                    raise
                raise Refused(f"{client.url}: {error.finding.says}", code="mirror-broken") from error
        if not look.reached:
            return
        newest = self._latest(at_least=other.checkpoint.size)
        if newest.checkpoint.size < other.checkpoint.size:
            raise ContradictionError(rollback(other, newest, sources=(client.url, self._log.url)))
        self._check_joined(other, newest, self._log, client)

    # ------------------------------------------------------------------------------------- promises and ages

    def _check_promises(self, look: Look) -> None:
        if not self._promises:
            return
        held = self._copy.held
        assert held is not None
        opening = self._copy.entry(0)
        opened = Registry.opened(open_statement(opening))
        receipt_key = bytes.fromhex(opened.genesis["receipt_key"])
        good: dict[str, tuple[bytes, Promise]] = {}
        for name, data in self._promises.items():
            try:
                good[name] = data, open_promise(data, origin=opened.origin, receipt_key=receipt_key)
            except Refused as error:
                look.promises.append(Promised(name, "unknown", error.message))
                look.alarms.append(Alarm("promise", f"{name}: {error.message}"))
        places = find_leaves(self._copy, {promise.statement for _, promise in good.values()})
        for name, (data, promise) in good.items():
            state, at = judge_promise(promise, places, self._follower.batches, self._follower.times)
            detail = f"{promise.statement.hex()} by {promise.by}"
            look.promises.append(Promised(name, state, detail))
            if state != "broken":
                continue
            index = self._follower.batches[at]
            head = held.checkpoint
            says = f"the log promised statement {promise.statement.hex()} a place by {promise.by} and did not keep it"
            look.findings.append(
                broken_promise(
                    data,
                    held,
                    opening=opening,
                    batch=(index, self._copy.entry(index)),
                    leaves=list(_leaves(self._copy)) if head.size <= MAX_LEAVES else (),
                    says=says,
                    sources=(self._log.url, name),
                )
            )

    def _measure(self, look: Look) -> None:
        now, held = self._clock(), self._copy.held
        assert held is not None
        times = self._follower.times
        if times:
            look.batch_age_s = now - times[-1] / 1e6
            if look.batch_age_s > self._max_age_s:
                at = instant_text(times[-1])
                look.alarms.append(Alarm("old", f"the newest batch is of {at}, {look.batch_age_s:.0f} s ago"))
            elif look.batch_age_s < -_SKEW_S:
                look.alarms.append(Alarm("future", f"the newest batch is of {instant_text(times[-1])}, still to come"))
        if not self._copy.policy.witnesses:
            return
        cosigned = attested_at(held, self._copy.policy)
        if cosigned is not None:
            look.cosigned_age_s = now - cosigned
        if cosigned is None or now - cosigned > self._max_cosigned_age_s:
            what = "none" if cosigned is None else f"{now - cosigned:.0f} s ago"
            asked = "" if self._copy.policy.quorum != NO_QUORUM else " (the policy asks for no witness)"
            look.alarms.append(Alarm("cosigned-old", f"the newest cosignatures on the settled head: {what}{asked}"))


@contextmanager
def open_monitor(
    url: str,
    policy: Policy,
    state: Path,
    *,
    token: str | None = None,
    witnesses: Sequence[str] = (),
    mirrors: Sequence[str] = (),
    workers: int | None = None,
    **more: Any,
) -> Iterator[Monitor]:
    """The monitor whose memory is in ``state``; one process at a time (Conflict)."""
    clients = [LogClient(url, token=token), *map(LogClient, (*witnesses, *mirrors))]
    try:
        with open_copy(state / "log", policy) as copy:
            memory = _remembered(state / "state.json")
            with _Since(_checked(copy, memory), workers=workers) as checker:
                yield Monitor(
                    state,
                    copy,
                    clients[0],
                    checker=checker,
                    memory=memory,
                    witnesses=clients[1 : 1 + len(witnesses)],
                    mirrors=clients[1 + len(witnesses) :],
                    **more,
                )
    finally:
        for client in clients:
            client.close()


def judge_promise(
    promise: Promise, places: Mapping[bytes, int], batches: Sequence[int], times: Sequence[int]
) -> tuple[str, int]:
    """``kept``, ``broken`` or ``open``, and the number of the first batch of a later time.

    ``places``: the index of each statement that the log has; ``batches`` and ``times``: of its batch statements.
    """
    # Times never go back in a log that obeys the rules, so the first later batch is found by halving.
    late = bisect_right(times, promise.by_us)
    index = places.get(promise.statement)
    if index is not None and (late == len(batches) or index < batches[late]):
        return "kept", late
    return ("open" if late == len(batches) else "broken"), late


def first_difference(served: bytes, given: Iterable[bytes], size: int) -> str:
    """The first row in ``served`` (its position, then the rows) that is not among ``given``, of ``size`` entries.

    Rows that one side may have changed since the other's position are left alone.
    """
    head, *lines = served.splitlines()
    common = min(int(orjson.loads(head)["position"]), size)
    shown, right = (_by_stream(rows, common) for rows in (lines, given))
    for stream in sorted(shown.keys() | right.keys()):
        one, two = shown.get(stream), right.get(stream)
        if one != two and not (one == b"" or two == b""):
            says = "no row" if one is None else one.decode(errors="replace")
            return f"{stream}: shown is {says}, right is {'no row' if two is None else two.decode()}"
    return ""


def _by_stream(rows: Iterable[bytes], common: int) -> dict[str, bytes]:
    """Each stream's rows together; empty where they say that an act came at or behind ``common``."""
    found: dict[str, bytes] = {}
    for line in rows:
        row = orjson.loads(line)
        stream, last = str(row[0]), row[LAST_INDEX.get(str(row[0]).partition("/")[0], 0)]
        found[stream] = b"" if isinstance(last, int) and last >= common else found.get(stream, b"") + line
    return found


def find_leaves(copy: Copy, wanted: set[Any]) -> dict[bytes, int]:
    """Where the statements of these ids stand, of those that do."""
    found: dict[bytes, int] = {}
    if wanted:
        for index, hash_ in enumerate(_leaves(copy)):
            if hash_ in wanted:
                found.setdefault(hash_, index)
    return found


def _leaves(copy: Copy) -> Iterator[bytes]:
    assert copy.held is not None
    for bundle in bundles_for(copy.held.checkpoint.size):
        yield from decode_tile(copy.read_tile(0, bundle.index, bundle.width), bundle.width)


def _remembered(path: Path) -> dict[str, Any]:
    try:
        found = orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, orjson.JSONDecodeError) as error:
        raise Unavailable(
            f"{path} cannot be read", code="state", mend="keep it aside; without it the copy is checked anew"
        ) from error
    return found if isinstance(found, dict) else {}


def _checked(copy: Copy, memory: Mapping[str, Any]) -> int:
    """How many entries of the copy had their signatures checked: 0 unless the memory is of this very tree."""
    match memory.get("signatures"):
        case {"size": int(size), "root": str(root)} if copy.held is not None and size <= copy.held.checkpoint.size:
            return size if copy.root(size).hex() == root else 0
    return 0
