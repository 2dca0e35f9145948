"""Every statement in its place: what the door and the sequencer promised, derived again from the bytes alone.

The rules, in the order in which a statement meets them:

- Entries 0 and 1 open the ledger: the origin ends in entry 0's id, its officers sign, its log key signs the head. What
  it names as its predecessor's last head is one, signed by that log where the policy has its key.
- From entry 2 on there are batches without gaps. ``log.batch.v1`` of the system clock opens each, says how many
  entries follow, has seen exactly the tree before it, and never goes back in time: its time is their recorded time.
- ``seq`` and ``prev`` continue the stream. No actor makes a request twice.
- Batch times lie inside what witnesses and time authorities signed, where there is any; see ``times``.
- ``seen`` is a tree that a batch ended with, not later than the one the statement's own batch found.
- The key is registered for the actor and not revoked here; its signature holds; type, rights and state allow the act.
- What fails the last rule is followed at once by ``log.voided.v1`` with the reason that we derive too, and then
  counts in its stream but has no effect. Without one, or with one for no reason, the log is not what it must be.
- What is no statement, or not one of this log, has no excuse. Case heads that are not those of the tree, and tokens
  over a head that never was, are such a thing too: the clock that signed them knew better.

Memory grows little: requests, streams and batches of long ago are kept on disk (``requests``, ``remembered``).
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from ledger.errors import Malformed, MingjianError, Refused
from ledger.facts.attested import HEADS_TYPE
from ledger.facts.duties import Duty, Followed
from ledger.facts.registry import CLOCK_ACTOR, LOG_STREAM, Registry
from ledger.facts.shown import SHOWN, row_bytes
from ledger.facts.streams import FOLDS, check_act
from ledger.facts.times import TIME_TYPE, open_token_act
from ledger.facts.types import TYPES
from ledger.statement import Statement, StatementId, check_statement_signature, instant_text, open_statement
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.tree.merkle import EMPTY_ROOT
from ledger.tree.note import Verified, split_note
from ledger.tree.policy import Policy
from ledger.tree.stated import HeadsFollowed
from ledger.verify.files import CHECKPOINT, BadLogError
from ledger.verify.remembered import Ended, Ends, File, Stream, Streams
from ledger.verify.requests import Requests
from ledger.verify.signatures import SignatureChecker
from ledger.verify.times import Brackets, Interval, cosigned_us

BATCH: Final = "log.batch.v1"
VOIDED: Final = "log.voided.v1"
_T = TypeVar("_T")
SKEW_US: Final = 300_000_000
"""How far a time may stand outside what brackets it before it is refused (a batch's) or flagged (a claimed one)."""
OUTSIDE_LISTED: Final = 20
OVERDUE_GRACE_US: Final = 900_000_000
"""How long after its instant the system clock may state what was due then."""
MAX_UNKNOWN: Final = 100
_NOT_KEPT: Final = frozenset({"_policy", "_root", "_checker", "_follow"})
Follow = Callable[[int, Statement, int, Registry], None]
"""Told of every valid statement but the first two: its index, its recorded time, the registry right before it."""


@dataclass(slots=True)  # made for every entry: frozen would cost as much as the rest of it
class _Judged:
    """A statement in its place, judged but for its signature; the next entry may void it."""

    index: int
    act: Statement
    public: bytes | None
    key_error: Refused | None
    act_error: Refused | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """A claimed time outside its bracket (given without the skew), all in Unix microseconds."""

    index: int
    at_us: int
    after_us: int
    before_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSummary:
    """What outside time says of the log. ``bounded_…``: entries whose batch has such a bound."""

    cosigned: int
    """Cosigned heads that count: carried in batches, and the one that is checked."""
    tokens: int
    bounded_below: int
    bounded_above: int
    bounded: int
    """Entries with both bounds."""
    widest_us: int | None
    """The widest bracket of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Predecessor:
    """The closed log that entry 0 says this one goes on from: its last head.

    ``signed``: by that log's key, as the auditor's policy has it; False where the policy has none.
    """

    origin: str
    size: int
    root: bytes
    signed: bool


class Replay:
    """Give it every entry in order, and ``check_end`` where a checkpoint lies: ``BadLogError`` for a broken rule."""

    def __init__(
        self,
        *,
        origin: str,
        log_key: bytes,
        policy: Policy,
        root: Callable[[], bytes],
        checker: SignatureChecker | None = None,
        follow: Follow | None = None,
    ) -> None:
        """``origin``, ``log_key`` and ``policy`` are the auditor's own; ``root`` gives the root of all entries so far.

        Without a ``checker`` only those signatures are checked on which others hang: of entries 0 and 1 and of
        what was voided.
        """
        self.voided = 0
        self.simulated = 0  # batches that say so
        self.outside = 0  # claimed times outside what brackets them
        self.outside_first: list[Outside] = []
        self.checked = 0  # signatures that hold, beside the checker's
        self.tokens = 0
        self.unknown: dict[str, int] = {}  # signature lines on carried heads that nothing pins: how often
        self._origin = origin
        self._log_key = log_key
        self._policy = policy
        self._root = root
        self._checker = checker
        self._follow = follow
        self._registry: Registry | None = None
        self._streams = Streams()
        self._requests = Requests()
        self._signed: dict[bytes, array[int]] = {}
        self._ends = Ends()
        self._judged: _Judged | None = None
        self._first = 0  # index of the open batch's own statement
        self._remaining = 0  # entries that the open batch still has to have
        self._recorded_us = 0
        self._brackets = Brackets()
        self.predecessor: Predecessor | None = None
        self._cosigned = 0  # heads that batches carried and that count
        self._head_cosigned = False
        self._heads = HeadsFollowed(File())
        self._duties = Followed()
        # Of every batch that does not say it is simulated: where it begins and ends, and its time. All rise.
        self._batches = array("Q")
        self._batch_ends = array("Q")
        self._batch_us = array("q")

    @property
    def suspect(self) -> int:
        """Statements in the suspect ranges of revoked keys, as the log stands after the last entry taken."""
        count = 0
        for kid, record in {} if self._registry is None else self._registry.keys.items():
            if record.suspect is not None:
                first, last = record.suspect
                signed = self._signed.get(kid, array("Q"))
                count += (len(signed) if last < 0 else bisect_right(signed, last)) - bisect_left(signed, first)
        return count

    def take(self, index: int, entry: bytes) -> StatementId:
        """The entry at ``index``, each only once, from 0; its id, which is its leaf hash."""
        try:
            act = open_statement(entry)
        except Malformed as error:
            self._settle()  # what is wrong before comes first
            raise BadLogError(index, "malformed", error.message) from error
        if act.type != VOIDED or act.stream != LOG_STREAM:
            self._settle()
        if index == 0:
            self._open(act)
        elif index == 1:
            self._confirm(act)
        else:
            self._take(index, act)
        return act.id

    def freeze(self) -> dict[str, Any]:
        """What it remembers, for ``thaw``; to be written down before the next entry is taken."""
        return {name: value for name, value in vars(self).items() if name not in _NOT_KEPT}

    def thaw(self, kept: Mapping[str, Any]) -> bool:
        """Go on where another of the same origin, key and policy was; False where that one was of another kind."""
        if kept.keys() != vars(self).keys() - _NOT_KEPT:
            return False
        vars(self).update(kept)
        return True

    def check_end(self) -> None:
        """Refuse unless a checkpoint may lie here: where a batch ends, and after the two entries that open a log."""
        self.check_requests()
        self._settle()
        if self._ends.get(2) is None:
            raise BadLogError(CHECKPOINT, "batch-end", "a log has at least its two opening entries")
        if self._remaining:
            raise BadLogError(CHECKPOINT, "batch-end", f"{self._remaining} entries of the last batch are not in it")

    def check_requests(self) -> None:
        """Refuse if a request was made twice so far apart that it could not be seen at once."""
        late = self._requests.late()
        if late is not None:
            raise BadLogError(late, "request")

    def take_cosigned(self, signed: SignedCheckpoint) -> None:
        """The cosignatures on the head that is checked bound the last batches, which nothing in the log can."""
        self._head_cosigned = self._take_cosigned(None, signed)

    def take_seen(self, size: int, cosignatures: Sequence[Verified]) -> None:
        """The same of an earlier head that others hold: its lines, gathered, bound every batch below ``size``."""
        moment = cosigned_us(cosignatures, self._policy)
        if moment is not None:
            self._take_moment(None, size, *moment)

    def overdue(self) -> list[Duty]:
        """What the system clock should have stated by the newest batch and did not, in the order of the instants."""
        return self._duties.overdue(self._recorded_us, grace_us=OVERDUE_GRACE_US)

    def shown(self) -> Iterator[bytes]:
        """What lists and queues must show (``ledger.facts.shown``), of every entry before the one taken last.

        Of that one too, once ``check_end`` was asked.
        """
        for name, shown in self._streams.shown():
            yield row_bytes(shown.row(name))

    def interval(self, index: int, *, seen_size: int) -> Interval:
        """When the entry at ``index``, whose signer had seen ``seen_size``, must have been signed and placed."""
        return self._brackets.interval(index, seen_size=seen_size)

    def times(self) -> TimeSummary:
        """What outside time says of the entries taken so far."""
        below = above = both = 0
        widest: int | None = None
        for first, end in zip(self._batches, self._batch_ends, strict=True):
            found = self._brackets.interval(first, seen_size=first + 1)
            below += (end - first) * (found.after_us is not None)
            above += (end - first) * (found.before_us is not None)
            if found.after_us is not None and found.before_us is not None:
                both += end - first
                widest = max(widest or 0, found.before_us - found.after_us)
        return TimeSummary(
            cosigned=self._cosigned + self._head_cosigned,
            tokens=self.tokens,
            bounded_below=below,
            bounded_above=above,
            bounded=both,
            widest_us=widest,
        )

    # ------------------------------------------------------------------------------------------ entries 0 and 1

    def _open(self, act: Statement) -> None:
        registry = self._genesis(0, lambda: Registry.opened(act))
        if registry.origin != self._origin:
            raise BadLogError(0, "origin", f"{registry.origin}, the checkpoint is of {self._origin}")
        if registry.genesis["log_key"] != self._log_key.hex():
            raise BadLogError(0, "log-key", f"{registry.genesis['log_key']}, the policy has {self._log_key.hex()}")
        self._registry = registry
        self._take_genesis(0, act, registry)
        if (note := registry.genesis.get("successor_of")) is not None:
            self.predecessor = self._genesis(0, lambda: self._open_predecessor(note), code="successor")

    def _confirm(self, act: Statement) -> None:
        registry = self._registry
        assert registry is not None
        self._genesis(1, lambda: registry.confirm_opening(act))
        self._take_genesis(1, act, registry)
        self._ends.add(2, Ended(b"", 0))  # its root is known when entry 2 comes

    def _genesis(self, index: int, read: Callable[[], _T], *, code: str = "genesis") -> _T:
        """What ``read`` makes of entry 0 or 1; whatever it refuses, no batch can excuse."""
        try:
            return read()
        except Refused as error:
            raise BadLogError(index, code, error.message) from error

    def _open_predecessor(self, text: str) -> Predecessor:
        """The head that entry 0 names: well formed, and signed where the policy has that log's key."""
        note = text.encode(errors="surrogatepass")
        head = Checkpoint.parse(split_note(note).text)
        if head.origin == self._origin:
            raise Malformed("a log is not its own successor")
        # A log of that name in the policy has its say: a line of another key, or none, is not its signature.
        known = any(log.key.name == head.origin for log in self._policy.logs)
        if known:
            open_checkpoint(note, self._policy, need_quorum=False)
        return Predecessor(origin=head.origin, size=head.size, root=head.root, signed=known)

    def _take_genesis(self, index: int, act: Statement, registry: Registry) -> None:
        public = self._genesis(index, lambda: registry.key_of(act).public)
        # Two signatures cost nothing, and all the others hang on them: they are never left out.
        self._check_now(index, act, public)
        if (act.seen_size, act.seen_root) != (0, EMPTY_ROOT):
            raise BadLogError(index, "seen", "before the first batch there was nothing to be seen")
        self._chain(index, act)

    # ----------------------------------------------------------------------------------------------- all others

    def _take(self, index: int, act: Statement) -> None:
        """Told in order; the judgement's outcome waits for the next entry, which may void it."""
        # 1. Its place among the batches.
        own = act.stream == LOG_STREAM
        if (act.type == BATCH and own) != (self._remaining == 0):
            if self._remaining:
                raise BadLogError(index, "batch", f"a batch is opened, {self._remaining} entries before the last ends")
            raise BadLogError(index, "batch", "it stands in no batch")
        if self._remaining == 0:
            self._ends.add(index, Ended(self._root(), self._recorded_us))
            self._first = index
        else:
            self._remaining -= 1
        # 2. Its place in its stream, and among its actor's requests.
        self._chain(index, act)
        # 3. What its signer had seen.
        self._check_seen(index, act, exactly=own)
        # 4. Key, type, rights and state.
        judged = self._judge(index, act)
        if not own:
            self._judged = judged
            return
        # 5. The log's own statements are never void.
        if act.actor != CLOCK_ACTOR or act.type not in (BATCH, VOIDED):
            raise BadLogError(index, "batch", f"{act.type} by {act.actor} in the log's own stream")
        if act.type == BATCH:
            self._judged = judged
            self._settle()
            self._open_batch(index, act)
        else:
            self._void(index, act)
            self._judged = judged
            self._settle()

    def _check_now(self, index: int, act: Statement, public: bytes) -> None:
        if not check_statement_signature(act.entry, public):
            raise BadLogError(index, "signature")
        self.checked += 1
        self._note_signed(index, act)

    def _note_signed(self, index: int, act: Statement) -> None:
        signed = self._signed.get(act.kid)
        if signed is None:
            signed = self._signed[act.kid] = array("Q")
        signed.append(index)

    def _chain(self, index: int, act: Statement) -> None:
        stream = self._streams.get(act.stream)
        last, head = (0, None) if stream is None else (stream.seq, stream.head)
        if act.seq != last + 1 or act.prev != head:
            what = f"seq {act.seq} after {last}" if act.seq != last + 1 else "prev is not the statement before"
            raise BadLogError(index, "chain", f"{act.stream}: {what}")
        if stream is None:
            self._streams.put(act.stream, Stream(act.seq, act.id))
        else:
            stream.seq, stream.head = act.seq, act.id
        self._heads.moved(act.stream, act.seq, act.id)
        request = hashlib.sha256(f"{act.actor}\0{act.request}".encode()).digest()[:16]
        if not self._requests.add(request):
            raise BadLogError(index, "request", f"{act.request} of {act.actor}")

    def _stream_of(self, act: Statement) -> Stream:
        found = self._streams.get(act.stream)
        assert found is not None
        return found

    def _check_seen(self, index: int, act: Statement, *, exactly: bool) -> None:
        size = act.seen_size
        if exactly and size != self._first:
            raise BadLogError(index, "seen", f"size {size}, where the batch found {self._first}")
        ended = self._ends.get(size)
        if ended is None:
            raise BadLogError(index, "seen", f"no batch ended at size {size}")
        if ended.root != act.seen_root:
            raise BadLogError(index, "seen", f"another root at size {size}")

    def _judge(self, index: int, act: Statement) -> _Judged:
        registry = self._registry
        assert registry is not None
        public, key_error, act_error = None, None, None
        try:
            public = registry.key_of(act).public
        except Refused as error:
            key_error = error
        try:
            check_act(registry, act, self._stream_of(act).state)
        except Malformed as error:
            raise BadLogError(index, "malformed", f"{error.code}: {error.message}") from error
        except Refused as error:
            act_error = error
        return _Judged(index, act, public, key_error, act_error)

    def _open_batch(self, index: int, act: Statement) -> None:
        if act.at_us < self._recorded_us:
            raise BadLogError(index, "batch-time", f"{act.at} is before the batch before")
        self._remaining = act.data["size"]
        self._recorded_us = act.at_us
        carried = act.data.get("checkpoint")
        if carried is not None:
            self._cosigned += self._take_cosigned(index, self._open_carried(index, carried))
        if act.data.get("simulated", False):
            self.simulated += 1
            return
        after_us = self._brackets.after_us(index + 1)
        if after_us is not None and act.at_us < after_us - SKEW_US:
            raise BadLogError(
                index, "bracket", f"{act.at}, but what it follows is of {instant_text(after_us)} or later"
            )
        self._batches.append(index)
        self._batch_ends.append(index + 1 + self._remaining)
        self._batch_us.append(act.at_us)

    def _open_carried(self, index: int, note: str) -> SignedCheckpoint:
        """The head that a batch carries: signed by this log, one that it had, and no known witness's line is bad."""
        try:
            signed = open_checkpoint(note.encode(errors="surrogatepass"), self._policy, need_quorum=False)
        except MingjianError as error:
            raise BadLogError(index, "carried", error.message) from error
        head = signed.checkpoint
        ended = self._ends.get(head.size)
        if (head.origin, signed.log.key.public_key) != (self._origin, self._log_key):
            raise BadLogError(index, "carried", f"it is one of {head.origin}")
        if ended is None or ended.root != head.root:
            raise BadLogError(index, "carried", f"size {head.size}")
        for line in signed.unknown:
            name = f"{line.name}+{line.key_id.hex()}"
            # Whoever writes the log chooses the names: a few are enough to be named.
            if name in self.unknown or len(self.unknown) < MAX_UNKNOWN:
                self.unknown[name] = self.unknown.get(name, 0) + 1
        return signed

    # ------------------------------------------------------------------------------------------- outside time

    def _take_cosigned(self, index: int | None, signed: SignedCheckpoint) -> bool:
        """The moment that a quorum of witnesses gives a head; a head without one says nothing of time."""
        moment = cosigned_us(signed.cosignatures, self._policy)
        if moment is not None:
            self._take_moment(index, signed.checkpoint.size, *moment)
        return moment is not None

    def _take_token(self, index: int, act: Statement) -> None:
        assert self._registry is not None
        size, root = act.data["size"], act.data["root"]
        ended = self._ends.get(size)
        if ended is None or ended.root.hex() != root:
            raise BadLogError(index, "time-token", f"no batch ended at size {size} with that root")
        moment = open_token_act(act, self._registry)
        self.tokens += 1
        self._take_moment(index, size, moment.earliest_us, moment.latest_us)

    def _take_moment(self, index: int | None, size: int, earliest_us: int, latest_us: int) -> None:
        self._brackets.add(index=index, size=size, earliest_us=earliest_us, latest_us=latest_us)
        # Batch times rise: the batches below `size` that are too late, if any, are the last of them.
        number = bisect_right(self._batch_us, latest_us + SKEW_US)
        if number < bisect_left(self._batches, size):
            first, at = self._batches[number], instant_text(self._batch_us[number])
            raise BadLogError(first, "bracket", f"{at}, but it was there by {instant_text(latest_us)}")

    # ------------------------------------------------------------------------------------------- valid or void

    def _reason(self, judged: _Judged) -> str | None:
        """Why the statement is not valid, in the order in which the sequencer asks; None when it is."""
        if judged.key_error is not None:
            return judged.key_error.code
        assert judged.public is not None
        if not check_statement_signature(judged.act.entry, judged.public):
            return "signature"
        self.checked += 1
        return None if judged.act_error is None else judged.act_error.code

    def _void(self, index: int, act: Statement) -> None:
        judged = self._judged
        if judged is None or act.data["statement"] != judged.act.id.hex():
            self._settle()
            raise BadLogError(index, "void", "it does not name the statement right before it")
        if judged.act.type == HEADS_TYPE and self._is_of_first_clock(judged.act):
            # A completeness document stands on these heads wherever they are shown, and knows of no void.
            self._check_heads(judged)
        reason = self._reason(judged)
        if reason != act.data["reason"]:
            found = "the statement before it is valid" if reason is None else f"the reason is {reason}"
            raise BadLogError(index, "void", f"{found}, not {act.data['reason']}")
        self.voided += 1

    def _is_of_first_clock(self, act: Statement) -> bool:
        """Whether the clock key that entry 0 names signed it: the one that a completeness document is checked with."""
        assert self._registry is not None
        return check_statement_signature(act.entry, bytes.fromhex(self._registry.genesis["clock_key"]))

    def _check_heads(self, judged: _Judged) -> None:
        try:
            self._heads.check(judged.act.data)
        except Refused as error:
            raise BadLogError(judged.index, "heads", error.message) from error

    def _settle(self) -> None:
        """The statement before was not voided: it must be valid, and takes effect."""
        judged, self._judged = self._judged, None
        if judged is None:
            return
        act, registry = judged.act, self._registry
        assert registry is not None
        if judged.key_error is not None or judged.act_error is not None:
            reason = self._reason(judged)
            if reason == "signature":
                raise BadLogError(judged.index, "signature")
            error = judged.key_error or judged.act_error
            assert error is not None
            raise BadLogError(judged.index, "invalid", f"{error.code}: {error.message}")
        assert judged.public is not None
        if self._checker is not None:
            self._checker.add(judged.index, act.entry, judged.public)
        self._note_signed(judged.index, act)
        declared = TYPES[act.type]
        kind = declared.stream_kind
        if kind != "imported" and act.stream != LOG_STREAM:
            self._flag_outside(judged.index, act)
        if act.type == HEADS_TYPE:
            self._check_heads(judged)
        elif act.type == TIME_TYPE:
            self._take_token(judged.index, act)
        if self._follow is not None:
            self._follow(judged.index, act, self._recorded_us, registry)
        if declared.governs:
            registry.apply(act, judged.index)
            self._duties.take(act, self._recorded_us, None)
        elif (fold := FOLDS.get(kind)) is not None:
            stream = self._stream_of(act)
            stream.state = fold.apply(stream.state, act, self._recorded_us, registry)
            self._duties.take(act, self._recorded_us, stream.state)
            if (show := SHOWN.get(kind)) is not None:
                if stream.shown is None:
                    stream.shown = show(act, judged.index, self._recorded_us, stream.state)
                stream.shown.take(act, judged.index, self._recorded_us, stream.state)

    def _flag_outside(self, index: int, act: Statement) -> None:
        seen = self._ends.get(act.seen_size)
        assert seen is not None
        after_us = max(seen.recorded_us, self._brackets.after_us(act.seen_size) or 0)
        if not after_us - SKEW_US <= act.at_us <= self._recorded_us + SKEW_US:
            self.outside += 1
            if len(self.outside_first) < OUTSIDE_LISTED:
                found = Outside(index=index, at_us=act.at_us, after_us=after_us, before_us=self._recorded_us)
                self.outside_first.append(found)
