"""A bundle, checked as one story: what a case, a period or a whole log says, without network, database or trust.

Promise: ``verify_bundle`` answers "good" only if, under the auditor's policy, every entry stands in the signed tree at
its place, every statement is signed and allowed by rules that follow from entry 0, its stream has no gap, its batch
gives its time, and every receipt, completeness proof and opened value in the file holds. Else it says what is wrong
first. What it cannot show (that no rule was left out of a part of the log, say) it names as not proved.

The file is read once for its digests and once for its meaning; held are one record, what the registries hold, and some
200 bytes for each entry; of what is told about statements the first ``TOLD``.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ledger.disclosure import open_disclosure
from ledger.errors import Malformed, MingjianError, Refused
from ledger.facts.attested import HEADS_STREAM, HEADS_TYPE
from ledger.facts.erasure import GRANTED, MADE, subject_of
from ledger.facts.registry import CLOCK_ACTOR, LOG_STREAM, Registry
from ledger.facts.streams import FOLDS, check_act
from ledger.facts.times import TIME_TYPE, open_token_act
from ledger.facts.types import TYPES
from ledger.statement import Statement, check_statement_signature, instant_text, instant_us, open_statement
from ledger.tree.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tree.heads import HeadProof, Heads, check_head
from ledger.tree.merkle import EMPTY_ROOT, Frontier, leaf_hash
from ledger.tree.note import MAX_NOTE_BYTES
from ledger.tree.policy import Policy
from ledger.tree.receipt import check_receipt
from ledger.tree.subset import SubsetChecker
from ledger.verify.archive import Archive
from ledger.verify.bundle_format import (
    CHECKPOINT,
    COMPLETENESS,
    DISCLOSURES,
    ENTRIES,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    MEMBERS,
    PARTIAL,
    RECEIPTS,
    TREE,
    Manifest,
    Scope,
    hashes,
    lines,
    records,
    relied_on,
)
from ledger.verify.files import BadLogError, Fault
from ledger.verify.replay import BATCH, SKEW_US, VOIDED, Replay
from ledger.verify.times import Brackets, cosigned_us

TOLD: Final = 2_000
MAX_TOLD_VALUES: Final = 2_000


@dataclass(slots=True)
class _Stream:
    seq: int
    head: bytes
    state: Any = None
    seq_then: int = 0  # the last before the size that case heads are of
    head_then: bytes | None = None


@dataclass(slots=True, kw_only=True)
class BundleVerdict:
    """What a check found. ``statements``: what is told of the first ``TOLD`` in scope, as JSON values."""

    fault: Fault | None = None
    evidence: bytes | None = None
    """The entry that is wrong, where it is one."""
    signed: SignedCheckpoint | None = None
    manifest: Manifest | None = None
    entries: int = 0
    in_scope: int = 0
    signatures: int = 0
    receipts: int = 0
    voided: int = 0
    suspect: int = 0
    outside: int = 0
    simulated: int = 0
    server_keys: int = 0
    """Statements in scope signed with keys that the operator keeps."""
    sealed: int = 0
    """Values in scope that stay closed."""
    erased: dict[str, int] = field(default_factory=dict)
    """Digests that erasures in the bundle name, with the entry that did it."""
    values: list[dict[str, Any]] = field(default_factory=list)
    complete_as_of: int | None = None
    """The size as of which a case has no more statements than these."""
    rules_as_of: int | None = None
    """The size as of which every stream of rules in the bundle is whole."""
    statements: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts."""
        return self.fault is None


def verify_bundle(path: Path, policy: Policy) -> BundleVerdict:
    """Check the bundle in ``path``; Unavailable when it cannot be read at all."""
    verdict = BundleVerdict()
    try:
        with Archive(path, allowed=MEMBERS) as archive:
            _check(archive, policy, verdict)
    except BadLogError as bad:
        verdict.fault = bad.fault
    except Malformed as error:
        verdict.fault = Fault(where="bundle", code="bundle", detail=error.message)
    return verdict


def _check(archive: Archive, policy: Policy, verdict: BundleVerdict) -> None:
    # 1. The members: those that a bundle has, with the bytes that the manifest names.
    manifest = verdict.manifest = _read_manifest(archive)
    # 2. The signed head.
    signed = verdict.signed = _open_head(archive, policy, manifest)
    # 3. The entries, each into the tree and into its place.
    broken: BadLogError | None = None
    excerpt = _Excerpt(policy, signed, manifest.scope, verdict, heads_size=_heads_size(archive))
    tree = SubsetChecker(manifest.size, hashes(archive.reader(TREE)))
    for index, entry in records(archive.reader(ENTRIES)):
        verdict.entries += 1
        try:
            tree.add(index, leaf_hash(entry))
        except Refused as error:
            raise BadLogError(ENTRIES, "root", error.message) from error
        if broken is None:
            try:
                excerpt.take(index, entry)
            except BadLogError as bad:
                broken, verdict.evidence = bad, entry
    # 4. The tree, before any rule: only then are the entries those that were signed.
    try:
        is_signed, why = tree.root() == signed.checkpoint.root, "they make another root"
    except Refused as error:
        is_signed, why = False, error.message
    if not is_signed:
        verdict.evidence = None
        raise BadLogError(ENTRIES, "root", why)
    if broken is not None:
        raise broken
    excerpt.finish()
    # 5. What stands beside the entries.
    _check_receipts(archive, excerpt, verdict)
    _check_completeness(archive, excerpt, manifest.scope, verdict)
    _check_disclosures(archive, excerpt, verdict)
    _check_counts(manifest, excerpt, verdict)


def _read_manifest(archive: Archive) -> Manifest:
    for name in (MANIFEST, CHECKPOINT, ENTRIES, TREE):
        if name not in archive.members:
            raise BadLogError(name, "file-missing")
    try:
        manifest = Manifest.parse(archive.read(MANIFEST, MAX_MANIFEST_BYTES))
        for _ in archive.chunks(MANIFEST):
            pass
    except Malformed as error:
        raise BadLogError(MANIFEST, "manifest", error.message) from error
    if list(manifest.members) and set(manifest.members) != set(archive.members) - {MANIFEST}:
        raise BadLogError(MANIFEST, "manifest", "it names other members than there are")
    for name, (size, sha) in manifest.members.items():
        digest = hashlib.sha256()
        for chunk in archive.chunks(name):
            digest.update(chunk)
        if (archive.members[name].size, digest.hexdigest()) != (size, sha):
            raise BadLogError(name, "member", "it is not the one that the manifest names")
    if not manifest.members:
        raise BadLogError(MANIFEST, "manifest", "it names no members")
    return manifest


def _open_head(archive: Archive, policy: Policy, manifest: Manifest) -> SignedCheckpoint:
    try:
        signed = open_checkpoint(archive.read(CHECKPOINT, MAX_NOTE_BYTES), policy)
    except Malformed as error:
        raise BadLogError(CHECKPOINT, "checkpoint", error.message) from error
    except Refused as error:
        raise BadLogError(CHECKPOINT, error.code, error.message) from error
    head = signed.checkpoint
    if (manifest.origin, manifest.size, manifest.root) != (head.origin, head.size, head.root.hex()):
        raise BadLogError(MANIFEST, "manifest", "it speaks of another head than the signed one")
    return signed


def _heads_size(archive: Archive) -> int:
    """The size that the completeness member speaks of, so that streams are measured there; 0 without one."""
    if COMPLETENESS not in archive.members:
        return 0
    size = next(_lines(archive, COMPLETENESS), {}).get("size")
    return size if type(size) is int and size >= 0 else 0


def _lines(archive: Archive, name: str) -> Iterator[dict[str, Any]]:
    try:
        yield from lines(archive.reader(name))
    except Malformed as error:
        raise BadLogError(name, "member", error.message) from error


class _Excerpt:
    """The entries of a part of a log, by rising index: every stream in it whole from its first, but for ``PARTIAL``."""

    def __init__(
        self, policy: Policy, signed: SignedCheckpoint, scope: Scope, verdict: BundleVerdict, *, heads_size: int
    ) -> None:
        self.streams: dict[str, _Stream] = {}
        self.actors: set[str] = set()
        self.heads: tuple[int, Heads] | None = None
        self.last_recorded_us = 0
        self._policy = policy
        self._signed = signed
        self._head = signed.checkpoint
        self._scope = scope
        self._verdict = verdict
        self._heads_size = heads_size
        self._registry: Registry | None = None
        self._judged: tuple[int, Statement, str | None, str] | None = None
        self._scoped: dict[int, bytes] = {}  # of a case: its entries, for receipts and disclosures
        self._requests: set[bytes] = set()
        self._granted: set[bytes] = set()
        self._brackets = Brackets()
        self._roots: dict[int, bytes] = {}
        # Of every batch in the bundle: where it begins, where it ends, its time. All rise.
        self._first, self._end, self._times = array("Q"), array("Q"), array("q")
        self._next = scope.first or 0  # the index that a period, or a whole log, must go on with
        self._tree = Frontier() if scope.kind == "all" else None
        self._replay = None
        if self._tree is not None:
            self._replay = Replay(
                origin=self._head.origin,
                log_key=signed.log.key.public_key,
                policy=policy,
                root=self._tree.root,
            )
        found = cosigned_us(signed.cosignatures, policy)
        if found is not None:
            self._brackets.add(size=self._head.size, latest_us=found[1])

    @property
    def registry(self) -> Registry:
        """The rules as they stand after the last entry taken."""
        assert self._registry is not None
        return self._registry

    def take(self, index: int, entry: bytes) -> None:
        """The next entry."""
        if self._replay is not None and self._tree is not None:
            # A whole log obeys every rule that it obeys as a folder.
            if index != self._next:
                raise BadLogError(ENTRIES, "bundle", f"entry {self._next} is missing from a bundle of all")
            self._replay.take(index, entry)
            self._tree.append(leaf_hash(entry))
        elif self._scope.first is not None and index > self._next and self._next < (self._scope.stop or 0):
            raise BadLogError(ENTRIES, "bundle", f"entry {self._next} is missing from the period")
        self._next = max(index + 1, self._scope.first or 0)
        try:
            act = open_statement(entry)
        except Malformed as error:
            raise BadLogError(index, "malformed", error.message) from error
        self.actors.add(act.actor)
        if (act.stream, act.type) != (LOG_STREAM, VOIDED):
            self._settle()
        if index < 2:
            self._open(index, act)
        elif act.stream == LOG_STREAM:
            self._take_own(index, act)
        else:
            self._take(index, act)

    def finish(self) -> None:
        """After the last entry."""
        self._settle()
        if self._registry is None or "ledger" not in self.streams or self.streams["ledger"].seq < 2:
            raise BadLogError(ENTRIES, "genesis", "a bundle has the two entries that open its log")
        if self._replay is not None:
            if self._next != self._head.size:
                raise BadLogError(ENTRIES, "bundle", f"a bundle of all ends with entry {self._head.size - 1}")
            self._replay.check_end()
            self._replay.take_cosigned(self._signed)
        if not self._end or self._end[-1] != self._head.size:
            raise BadLogError(ENTRIES, "batch-end", "the last batch of the signed tree is not in the bundle")
        self.last_recorded_us = self._times[-1]
        if self._scope.kind == "period":
            self._check_period()
        if self._scope.stream is not None and self._scope.stream not in self.streams:
            raise BadLogError(ENTRIES, "bundle", f"there is no statement of {self._scope.stream}")

    # ------------------------------------------------------------------------------------------------ the places

    def _open(self, index: int, act: Statement) -> None:
        try:
            if index == 0:
                registry = self._registry = Registry.opened(act)
                if registry.origin != self._head.origin:
                    raise BadLogError(0, "origin", f"{registry.origin}, the checkpoint is of {self._head.origin}")
                if registry.genesis["log_key"] != self._signed.log.key.public_key.hex():
                    raise BadLogError(0, "log-key")
            elif self._registry is None:
                raise BadLogError(0, "genesis", "entry 0 is missing")
            else:
                self._registry.confirm_opening(act)
            public = self.registry.key_of(act).public
        except Refused as error:
            raise BadLogError(index, "genesis", error.message) from error
        if (act.seen_size, act.seen_root) != (0, EMPTY_ROOT):
            raise BadLogError(index, "seen", "before the first batch there was nothing to be seen")
        self._chain(index, act)
        self._check_signature(index, act, public)
        self._tell(index, act)

    def _take_own(self, index: int, act: Statement) -> None:
        """A batch, or the void of the statement right before it."""
        if self._registry is None:
            raise BadLogError(0, "genesis", "entry 0 is missing")
        if act.actor != CLOCK_ACTOR or act.type not in (BATCH, VOIDED):
            raise BadLogError(index, "batch", f"{act.type} by {act.actor} in the log's own stream")
        self._check_valid(index, act)
        if act.type == VOIDED:
            self._void(index, act)
        else:
            end = index + 1 + act.data["size"]
            if act.seen_size != index or (self._end and index < self._end[-1]) or end > self._head.size:
                raise BadLogError(index, "batch", "it does not open a batch at its place")
            if self._times and act.at_us < self._times[-1]:
                raise BadLogError(index, "batch-time", f"{act.at} is before an earlier batch")
            self._roots[index] = act.seen_root
            self._first.append(index)
            self._end.append(end)
            self._times.append(act.at_us)
            self._verdict.simulated += bool(act.data.get("simulated", False))
            self._take_carried(index, act)
        self._tell(index, act)

    def _take_carried(self, index: int, act: Statement) -> None:
        """A cosigned head bounds what comes after it, where the bundle shows that it is this log's."""
        note = act.data.get("checkpoint")
        if note is None:
            return
        try:
            signed = open_checkpoint(note.encode(errors="surrogatepass"), self._policy, need_quorum=False)
        except MingjianError as error:
            raise BadLogError(index, "carried", error.message) from error
        head = signed.checkpoint
        known = self._roots.get(head.size)
        if known is not None and known != head.root:
            raise BadLogError(index, "carried", f"another root at size {head.size}")
        found = cosigned_us(signed.cosignatures, self._policy)
        if known is not None and found is not None:
            self._brackets.add(size=head.size, latest_us=found[1], index=index, earliest_us=found[0])

    def _take(self, index: int, act: Statement) -> None:
        if self._registry is None:
            raise BadLogError(0, "genesis", "entry 0 is missing")
        self.recorded_us(index)
        self._chain(index, act)
        self._check_seen(index, act)
        state = None if act.stream in PARTIAL else self.streams[act.stream].state
        reason, words = self._reason(index, act, state)
        self._judged = (index, act, reason, words)

    def recorded_us(self, index: int) -> int:
        """The time of the batch that the entry lies in."""
        if index < 2:
            return 0
        at = bisect_right(self._first, index) - 1
        if at < 0 or index >= self._end[at]:
            raise BadLogError(index, "batch", "the statement of its batch is not in the bundle")
        return self._times[at]

    def _chain(self, index: int, act: Statement) -> None:
        request = hashlib.sha256(f"{act.actor}\0{act.request}".encode()).digest()[:16]
        if request in self._requests:
            raise BadLogError(index, "request", f"{act.request} of {act.actor}")
        self._requests.add(request)
        if act.stream in PARTIAL:
            return
        known = self.streams.get(act.stream)
        if (act.seq, act.prev) != ((1, None) if known is None else (known.seq + 1, known.head)):
            last = 0 if known is None else known.seq
            raise BadLogError(index, "chain", f"{act.stream}: seq {act.seq} after {last}")
        stream = known or _Stream(0, b"")
        self.streams[act.stream] = stream
        stream.seq, stream.head = act.seq, act.id
        if index < self._heads_size:
            stream.seq_then, stream.head_then = act.seq, act.id

    def _check_seen(self, index: int, act: Statement) -> None:
        first = self._first[bisect_right(self._first, index) - 1]
        root = self._roots.get(act.seen_size)
        if act.seen_size > first or (root is not None and root != act.seen_root):
            raise BadLogError(index, "seen", f"another tree at size {act.seen_size}")
        if root is None and self._scope.covers(index, act.stream):
            raise BadLogError(index, "seen", f"the batch at {act.seen_size} is not in the bundle")

    # ---------------------------------------------------------------------------------------------- valid or void

    def _reason(self, index: int, act: Statement, state: Any) -> tuple[str | None, str]:
        """Why a statement is not valid here, in the order in which the sequencer asks; None when it is."""
        try:
            public = self.registry.key_of(act).public
        except Refused as error:
            return error.code, error.message
        if not check_statement_signature(act.entry, public):
            return "signature", ""
        self._verdict.signatures += 1
        try:
            check_act(self.registry, act, state)
        except Malformed as error:
            raise BadLogError(index, "malformed", f"{error.code}: {error.message}") from error
        except Refused as error:
            return error.code, error.message
        return None, ""

    def _check_valid(self, index: int, act: Statement) -> None:
        reason, words = self._reason(index, act, None)
        if reason is not None:
            raise BadLogError(index, "signature" if reason == "signature" else "invalid", words)

    def _check_signature(self, index: int, act: Statement, public: bytes) -> None:
        if not check_statement_signature(act.entry, public):
            raise BadLogError(index, "signature")
        self._verdict.signatures += 1

    def _void(self, index: int, act: Statement) -> None:
        judged, self._judged = self._judged, None
        if judged is None or judged[0] != index - 1 or act.data["statement"] != judged[1].id.hex():
            raise BadLogError(index, "void", "it does not name the statement right before it")
        if judged[2] != act.data["reason"]:
            raise BadLogError(index, "void", f"the reason is {judged[2]}, not {act.data['reason']}")
        self._verdict.voided += 1
        self._tell(judged[0], judged[1], voided=True)

    def _settle(self) -> None:
        """The statement before was not voided: it must be valid, and takes effect."""
        judged, self._judged = self._judged, None
        if judged is None:
            return
        index, act, reason, words = judged
        if reason is not None:
            raise BadLogError(index, "signature" if reason == "signature" else "invalid", f"{reason}: {words}")
        if TYPES[act.type].governs:
            self.registry.apply(act, index)
        elif act.stream not in PARTIAL and (fold := FOLDS.get(act.kind)) is not None:
            stream = self.streams[act.stream]
            stream.state = fold.apply(stream.state, act, self.recorded_us(index), self.registry)
        if act.type == HEADS_TYPE and act.stream == HEADS_STREAM:
            self.heads = (index, Heads.from_data(act.data))
        elif act.type == TIME_TYPE:
            stamp = open_token_act(act, self.registry)
            size, root = act.data["size"], bytes.fromhex(act.data["root"])
            if self._roots.get(size, root if size == self._head.size else None) == root:
                self._brackets.add(size=size, latest_us=stamp.latest_us, index=index, earliest_us=stamp.earliest_us)
        elif act.type == MADE:
            self._verdict.erased |= dict.fromkeys(act.data["digests"], index)
        elif act.type == GRANTED:
            self._granted |= {_grant(subject_of(act.stream), digest) for digest in act.data["digests"]}
        self._tell(index, act)

    # ------------------------------------------------------------------------------------------- what is told of it

    def _tell(self, index: int, act: Statement, *, voided: bool = False) -> None:
        if not self._scope.covers(index, act.stream):
            return
        verdict = self._verdict
        key = self.registry.keys.get(act.kid)
        custody = "" if key is None else key.custody
        recorded_us = self.recorded_us(index)
        verdict.in_scope += 1
        verdict.sealed += len(act.sd)
        verdict.server_keys += key is not None and key.kept and act.stream != LOG_STREAM
        if self._scope.kind == "case":
            self._scoped[index] = act.entry
        if recorded_us and act.kind not in ("imported", LOG_STREAM):
            verdict.outside += self._is_outside(act, recorded_us)
        if len(verdict.statements) < TOLD:
            verdict.statements.append(
                {
                    "index": index,
                    "id": act.id.hex(),
                    "stream": act.stream,
                    "seq": act.seq,
                    "type": act.type,
                    "at": act.at,
                    "recorded": None if not recorded_us else instant_text(recorded_us),
                    "actor": act.actor,
                    "role": act.role,
                    "custody": custody,
                    "kid": act.kid.hex(),
                    "sealed": len(act.sd),
                    "voided": voided,
                    "_sd": list(act.sd),
                    "_seen": act.seen_size,
                }
            )

    def _is_outside(self, act: Statement, recorded_us: int) -> bool:
        at = bisect_right(self._first, act.seen_size - 1) - 1
        seen_us = self._times[at] if at >= 0 and self._end[at] == act.seen_size else 0
        return not seen_us - SKEW_US <= act.at_us <= recorded_us + SKEW_US

    def bracket(self, told: dict[str, Any]) -> None:
        """Say of a statement between which moments witnesses and authorities place it."""
        found = self._brackets.interval(told["index"], seen_size=told.pop("_seen"))
        told["not_before"] = None if found.after_us is None else instant_text(found.after_us)
        told["not_after"] = None if found.before_us is None else instant_text(found.before_us)

    def entry_of(self, index: int) -> bytes | None:
        """A statement of the scope that has receipts or sealed values."""
        return self._scoped.get(index)

    def is_granted(self, stream: str, digest: str) -> bool:
        """Whether a grant in the bundle opens that value."""
        return _grant(stream, digest) in self._granted

    def suspects(self) -> Iterator[tuple[bytes, int, int]]:
        """The suspect ranges of revoked keys."""
        for kid, record in self.registry.keys.items():
            if record.suspect is not None:
                yield kid, record.suspect[0], record.suspect[1]

    def _check_period(self) -> None:
        """The entries from ``first`` to ``stop`` are those whose batches have times in the period, and no others."""
        scope = self._scope
        assert scope.first is not None
        assert scope.stop is not None
        try:
            start_us, end_us = instant_us(scope.start or ""), instant_us(scope.end or "")
        except Malformed as error:
            raise BadLogError(MANIFEST, "manifest", error.message) from error
        if self._next < scope.stop:
            raise BadLogError(ENTRIES, "bundle", f"entry {self._next} is missing from the period")
        inside = [at for at, first in enumerate(self._first) if scope.first <= first < scope.stop]
        before = bisect_right(self._first, scope.first - 1) - 1
        after = bisect_right(self._first, scope.stop - 1)
        is_whole = (
            all(start_us <= self._times[at] <= end_us for at in inside)
            # The batch that ends where the period begins, and the one that begins where it ends, are outside it.
            and (scope.first == 2 or (before >= 0 and self._end[before] == scope.first))
            and (scope.first == 2 or self._times[before] < start_us)
            and (scope.stop == self._head.size or (after < len(self._first) and self._first[after] == scope.stop))
            and (scope.stop == self._head.size or self._times[after] > end_us)
        )
        if not is_whole:
            raise BadLogError(MANIFEST, "manifest", "the period is not that of these entries")


def _grant(stream: str, digest: str) -> bytes:
    return hashlib.sha256(f"{stream}\0{digest}".encode()).digest()[:16]


# --------------------------------------------------------------------------------------- what stands beside the entries


def _check_receipts(archive: Archive, excerpt: _Excerpt, verdict: BundleVerdict) -> None:
    if RECEIPTS not in archive.members:
        return
    assert verdict.signed is not None
    head = verdict.signed.checkpoint
    key = bytes.fromhex(excerpt.registry.genesis["receipt_key"])
    for index, receipt in records(archive.reader(RECEIPTS)):
        entry = excerpt.entry_of(index)
        if not entry:
            raise BadLogError(RECEIPTS, "receipt", f"of entry {index}, which is none of the case")
        try:
            stream = open_statement(entry).stream
            proven = check_receipt(receipt, entry, subject=stream, origin=head.origin, public_key=key)
        except Refused as error:
            raise BadLogError(RECEIPTS, "receipt", f"entry {index}: {error.message}") from error
        if (proven.position, proven.size, proven.root) != (index, head.size, head.root):
            raise BadLogError(RECEIPTS, "receipt", f"entry {index}: it is of another tree")
        verdict.receipts += 1


def _check_completeness(archive: Archive, excerpt: _Excerpt, scope: Scope, verdict: BundleVerdict) -> None:
    if COMPLETENESS not in archive.members:
        return
    found = _lines(archive, COMPLETENESS)
    opening = next(found, {})
    if excerpt.heads is None or opening != {"heads": excerpt.heads[0], "size": excerpt.heads[1].size}:
        raise BadLogError(COMPLETENESS, "completeness", "it speaks of case heads that are not in the bundle")
    heads = excerpt.heads[1]
    covered: set[str] = set()
    for line in found:
        match line:
            case {"stream": str(stream), "row": dict(body)} if len(line) == 2 and stream not in covered:
                covered.add(stream)
            case _:
                raise BadLogError(COMPLETENESS, "member", "a line names a stream, once, and its row")
        try:
            row = check_head(stream, heads, HeadProof.from_json(body))
        except Refused as error:
            raise BadLogError(COMPLETENESS, "completeness", f"{stream}: {error.message}") from error
        known = excerpt.streams.get(stream)
        here = (0, None) if known is None else (known.seq_then, known.head_then)
        stated = (0, None) if row is None else (row.seq, row.head)
        if here != stated:
            raise BadLogError(
                COMPLETENESS,
                "cut-off",
                f"{stream} had {stated[0]} statements at size {heads.size}, the bundle has {here[0]} of them",
            )
    if scope.stream is not None and covered.issuperset(scope.streams):
        verdict.complete_as_of = heads.size
    governing = {name for name in excerpt.streams if name.partition("/")[0] in _GOVERNING}
    if governing | relied_on(excerpt.actors) <= covered:
        verdict.rules_as_of = heads.size
    verdict_streams = len(covered)
    if verdict.manifest is not None and verdict.manifest.counts["streams"] != verdict_streams:
        raise BadLogError(MANIFEST, "manifest", f"it counts other streams than {verdict_streams}")


_GOVERNING: Final = frozenset(declared.stream_kind for declared in TYPES.values() if declared.governs)


def _check_disclosures(archive: Archive, excerpt: _Excerpt, verdict: BundleVerdict) -> None:
    shown = 0
    if DISCLOSURES in archive.members:
        seen: set[str] = set()
        for line in _lines(archive, DISCLOSURES):
            match line:
                case {"index": int(index), "disclosure": str(text)} if len(line) == 2:
                    entry = excerpt.entry_of(index)
                case _:
                    raise BadLogError(DISCLOSURES, "member", "a line is an index and a disclosure")
            try:
                value = open_disclosure(text)
            except Malformed as error:
                raise BadLogError(DISCLOSURES, "disclosure", error.message) from error
            if not entry:
                raise BadLogError(DISCLOSURES, "disclosure", f"of entry {index}, which is not in the scope")
            act = open_statement(entry)
            if value.digest not in act.sd or value.digest in seen:
                raise BadLogError(DISCLOSURES, "disclosure", f"entry {index} does not hold it, or it is there twice")
            if not excerpt.is_granted(act.stream, value.digest):
                raise BadLogError(DISCLOSURES, "not-granted", f"{value.name!r:.60} of entry {index}")
            if value.digest in verdict.erased:
                raise BadLogError(
                    DISCLOSURES,
                    "value-erased",
                    f"{value.name!r:.60} of entry {index}, by {verdict.erased[value.digest]}",
                )
            seen.add(value.digest)
            shown += 1
            if len(verdict.values) < MAX_TOLD_VALUES:
                verdict.values.append({"index": index, "name": value.name, "value": value.value})
    verdict.sealed -= shown
    if verdict.manifest is not None and verdict.manifest.counts["disclosures"] != shown:
        raise BadLogError(MANIFEST, "manifest", f"it counts other disclosures than {shown}")


def _check_counts(manifest: Manifest, excerpt: _Excerpt, verdict: BundleVerdict) -> None:
    found = {
        "entries": verdict.entries,
        "statements": verdict.in_scope,
        "receipts": verdict.receipts,
        "erased": len(verdict.erased),
    }
    for name, number in found.items():
        if manifest.counts[name] != number:
            raise BadLogError(MANIFEST, "manifest", f"it counts {manifest.counts[name]} {name}, there are {number}")
    if COMPLETENESS not in manifest.members and manifest.counts["streams"]:
        raise BadLogError(MANIFEST, "manifest", "it counts streams, and proves none whole")
    if manifest.as_of != instant_text(excerpt.last_recorded_us):
        raise BadLogError(MANIFEST, "manifest", "it is not as of the last batch of its tree")
    ranges = list(excerpt.suspects())
    for told in verdict.statements:
        excerpt.bracket(told)
        told["erased_by"] = sorted({verdict.erased[one] for one in told.pop("_sd") if one in verdict.erased})
        kid, index = bytes.fromhex(told.pop("kid")), told["index"]
        told["suspect"] = any(kid == of and low <= index and (high < 0 or index <= high) for of, low, high in ranges)
        verdict.suspect += told["suspect"]
