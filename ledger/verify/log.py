"""A whole exported log, checked as one story; what came of it is a ``Verdict``.

Promise: ``verify_log`` answers "good" only if, under the auditor's policy, the folder holds exactly the files of the
signed tree, every hash in it follows from the entries, and every entry obeys the rules of ``replay``. Otherwise it
says what is wrong first. A folder or disk that cannot be read is neither: that is ``Unavailable``.

Each entry is read once; what is held is one bundle, one tile per level, and what ``replay`` remembers. A rule that
is broken does not end the reading: only the whole tree shows whether that entry is what was signed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ledger.errors import Malformed, Refused, Unavailable
from ledger.tree.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tree.merkle import leaf_hash
from ledger.tree.policy import Policy
from ledger.tree.tiles import TILE_WIDTH, Bundle, bundles_for, decode_bundle
from ledger.verify.files import CHECKPOINT, POLICY, BadLogError, Fault, check_listing, read
from ledger.verify.hashes import hashes_agree
from ledger.verify.pool import available_cores

if TYPE_CHECKING:
    from ledger.facts.duties import Duty
    from ledger.verify.replay import Follow, Outside, Predecessor, Replay, TimeSummary
    from ledger.verify.signatures import SignatureChecker
    from ledger.verify.state import State
    from ledger.verify.tree import Tree

KEEP_EVERY_S = 600.0
Progress = Callable[[int, int], None]
"""Told ``(entries done, entries in all)`` after each bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an audit found. The counts are of what it reached: without a fault, of everything."""

    faults: tuple[Fault, ...]
    """What is wrong first in the tree and first among the statements; the one to begin with stands first."""
    signed: SignedCheckpoint | None = None
    entries: int = 0
    since: int = 0
    """So many of them were verified before, and not read again."""
    signatures: int = 0
    voided: int = 0
    suspect: int = 0
    """Valid statements in suspect ranges of keys that were revoked later."""
    outside: int = 0
    """Statements whose claimed time lies outside what brackets it; imported ones are not asked."""
    simulated: int = 0
    """Batches that say that their history is made up."""
    outside_first: tuple[Outside, ...] = ()
    """The first of ``outside``, at most 20."""
    overdue: int = 0
    """What the system clock should have stated by the newest batch and did not; see ``ledger.facts.duties``."""
    overdue_first: tuple[Duty, ...] = ()
    """The first of ``overdue``, at most 20."""
    predecessor: Predecessor | None = None
    """The last head of the closed log that this one goes on from, if it says so."""
    times: TimeSummary | None = None
    unknown_carried: Mapping[str, int] = field(default_factory=dict)
    """Signature lines on heads that batches carry, of keys that nothing pins, and how often."""

    @property
    def ok(self) -> bool:
        """Whether the log is what its signatures say."""
        return not self.faults


def verify_log(
    folder: Path,
    policy: Policy,
    *,
    signatures: bool = True,
    hashes_only: bool = False,
    workers: int | None = None,
    state: Path | None = None,
    progress: Progress = lambda _done, _size: None,
    follow: Follow | None = None,
) -> Verdict:
    """Check the exported log in ``folder`` under ``policy``; ``workers``: processes, as many as cores when None.

    Without ``signatures`` all else is checked, and those few signatures on which others hang. With ``hashes_only``
    files, tree and signed root are, and no statement is opened.

    ``state``: a file that remembers. What it says was verified is not read again; the signed head must be joined to it.
    ``follow``: told of every statement as it is found valid, for what it says to be counted; only a verdict without a
    fault makes that true. Not with a ``state``, which leaves out what was read before.
    """
    if not folder.is_dir():
        raise Unavailable(f"there is no folder {folder}", code="no-folder", mend="name the folder of an exported log")
    signed = None
    try:
        # 1. The signed head: everything else is measured by it.
        signed = _open_checkpoint(folder, policy)
        # 2. The files: those that a log of that size has, and no others.
        _check_policy_file(folder, signed)
        check_listing(folder, signed.checkpoint.size)
        if hashes_only:
            return _hash_through(folder, signed, available_cores() if workers is None else workers, progress)
        # 3. The entries, each into the tree and into its place. What knows statements takes a while to load.
        from ledger.verify.signatures import SignatureChecker

        with SignatureChecker(workers=workers) as checker:
            memory = _Memory(state, policy, signed, signatures=signatures)
            return _read_through(folder, signed, policy, checker, memory, progress=progress, follow=follow)
    except BadLogError as bad:
        return Verdict(faults=(bad.fault,), signed=signed)


def _hash_through(folder: Path, signed: SignedCheckpoint, workers: int, progress: Progress) -> Verdict:
    head = signed.checkpoint
    if hashes_agree(folder, head.size, head.root, workers=workers, progress=progress):
        return Verdict(faults=(), signed=signed, entries=head.size)
    # Something was changed: the careful way finds out what.
    from ledger.verify.tree import Tree

    tree = Tree(folder, head.size)
    for bundle in bundles_for(head.size):
        hashes = [leaf_hash(entry) for entry in _read_bundle(folder, bundle)]
        for hash_ in hashes:
            tree.append(hash_)
        tree.end_bundle(hashes)
    changed, _ = tree.verdict(head.root)
    if changed is None:
        raise Unavailable(f"the folder {folder} changes while it is read", code="moving", mend="stop what writes to it")
    return Verdict(faults=(changed,), signed=signed, entries=tree.size)


def _read_through(
    folder: Path,
    signed: SignedCheckpoint,
    policy: Policy,
    checker: SignatureChecker,
    memory: _Memory,
    *,
    progress: Progress,
    follow: Follow | None,
) -> Verdict:
    from ledger.verify.replay import OUTSIDE_LISTED, Replay
    from ledger.verify.tree import Tree

    head = signed.checkpoint
    known = memory.known
    replay = Replay(
        origin=head.origin,
        log_key=signed.log.key.public_key,
        policy=policy,
        root=lambda: tree.root(),
        checker=checker if memory.signatures else None,
        follow=follow,
    )
    since = 0
    if known is not None and not replay.thaw(known.replay):
        known = None
    tree = Tree(folder, head.size, whole=None if known is None else known.whole)
    if known is not None:
        checker.good += known.signatures or 0
        since = known.size
    broken: Fault | None = None
    for bundle in bundles_for(head.size, since=tree.size):
        hashes = []
        for index, entry in enumerate(_read_bundle(folder, bundle), start=bundle.index * TILE_WIDTH):
            if index == since and known is not None and tree.root() != known.root:
                broken = _not_joined(since)
            hash_: bytes | None = None
            if broken is None and index >= since:
                try:
                    hash_ = replay.take(index, entry)
                except BadLogError as bad:
                    broken = bad.fault
            if hash_ is None:
                hash_ = leaf_hash(entry)
            hashes.append(hash_)
            tree.append(hash_)
        tree.end_bundle(hashes)
        progress(tree.size, head.size)
        if broken is None:
            memory.keep_on_the_way(tree, replay, checker)
    if broken is None and known is not None and tree.size == since and tree.root() != known.root:
        broken = _not_joined(since)
    try:
        if broken is None:
            replay.check_end()
            replay.take_cosigned(signed)
        else:
            replay.check_requests()
    except BadLogError as bad:
        # A request made twice is the first thing asked of an entry after its place: it comes before what else it broke.
        late = bad.fault
        if broken is None or (isinstance(late.where, int) and _is_later(broken, late.where - 1)):
            broken = late

    # Signatures are checked beside the reading, so a bad one may lie before the rule that was found broken.
    bad_signature = checker.finish()
    if bad_signature is not None and _is_later(broken, bad_signature):
        broken = Fault(where=bad_signature, code="signature")
    changed, certain = tree.verdict(head.root)
    if broken is None and changed is None:
        memory.keep(tree, replay, checker, note=signed.note)
    overdue = replay.overdue() if broken is None else []
    # Where the tree itself tells what was changed, broken rules are only what follows from it.
    found = (changed, broken) if certain else (broken, changed)
    return Verdict(
        faults=tuple(fault for fault in found if fault is not None),
        signed=signed,
        entries=tree.size,
        since=since,
        signatures=replay.checked + checker.good,
        voided=replay.voided,
        suspect=replay.suspect,
        outside=replay.outside,
        simulated=replay.simulated,
        outside_first=tuple(replay.outside_first),
        overdue=len(overdue),
        overdue_first=tuple(overdue[:OUTSIDE_LISTED]),
        predecessor=replay.predecessor,
        times=replay.times(),
        unknown_carried=dict(replay.unknown),
    )


class _Memory:
    """What was verified before, and what is kept for the next time; without a file, nothing."""

    def __init__(self, path: Path | None, policy: Policy, signed: SignedCheckpoint, *, signatures: bool) -> None:
        self.signatures = signatures
        self.known: State | None = None
        self._path = path
        self._policy = policy
        self._kept_s = time.monotonic()
        if path is None:
            return
        from ledger.verify.state import load_state

        known = load_state(path, policy, signatures=signatures)
        if known is not None and known.size > signed.checkpoint.size:
            if known.note is not None:
                raise BadLogError(CHECKPOINT, "went-back", f"size {known.size} was signed and verified before")
            known = None
        self.known = known

    def keep_on_the_way(self, tree: Tree, replay: Replay, checker: SignatureChecker) -> None:
        """Now and then, so that an audit of days that is broken off goes on from there."""
        if (
            self._path is None
            or time.monotonic() - self._kept_s < KEEP_EVERY_S
            or checker.finish() is not None
            or tree.size % TILE_WIDTH
        ):
            return
        self.keep(tree, replay, checker, note=None)
        self._kept_s = time.monotonic()

    def keep(self, tree: Tree, replay: Replay, checker: SignatureChecker, *, note: bytes | None) -> None:
        if self._path is None:
            return
        from ledger.verify.state import State, save_state

        state = State(
            size=tree.size,
            root=tree.root(),
            whole=tree.whole,
            note=note,
            signatures=checker.good if self.signatures else None,
            replay=replay.freeze(),
        )
        save_state(self._path, state, self._policy)


def _not_joined(size: int) -> Fault:
    return Fault(where=CHECKPOINT, code="not-joined", detail=f"the {size} entries verified before are not its first")


def _is_later(fault: Fault | None, index: int) -> bool:
    return fault is None or not isinstance(fault.where, int) or fault.where > index


def _open_checkpoint(folder: Path, policy: Policy) -> SignedCheckpoint:
    try:
        return open_checkpoint(read(folder, CHECKPOINT), policy)
    except Malformed as error:
        raise BadLogError(CHECKPOINT, "checkpoint", error.message) from error
    except Refused as error:
        raise BadLogError(CHECKPOINT, error.code, error.message) from error


def _check_policy_file(folder: Path, signed: SignedCheckpoint) -> None:
    """The log's own policy file decides nothing here, but must not say something else than the auditor's."""
    try:
        raw = read(folder, POLICY)
    except BadLogError as bad:
        if bad.fault.code == "file-missing":
            return
        raise
    try:
        logs = Policy.parse(raw).logs
    except Malformed as error:
        raise BadLogError(POLICY, "policy", error.message) from error
    if signed.log.key not in [log.key for log in logs]:
        raise BadLogError(POLICY, "policy", "it does not name the key that signed the checkpoint")


def _read_bundle(folder: Path, bundle: Bundle) -> list[bytes]:
    try:
        return decode_bundle(read(folder, bundle.path), bundle.width)
    except Malformed as error:
        raise BadLogError(bundle.path, "bundle", error.message) from error
