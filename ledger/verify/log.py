"""A whole exported log, checked as one story; what came of it is a ``Verdict``.

Promise: ``verify_log`` answers "good" only if, under the auditor's policy, the folder holds exactly the files of the
signed tree, every hash in it follows from the entries, and every entry obeys the rules of ``replay``. Otherwise it
says what is wrong first. A folder or disk that cannot be read is neither: that is ``Unavailable``.

Each entry is read once; what is held is one bundle, one tile per level, and what ``replay`` remembers. A rule that
is broken does not end the reading: only the whole tree shows whether that entry is what was signed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ledger.errors import Malformed, Refused, Unavailable
from ledger.tree.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tree.merkle import leaf_hash
from ledger.tree.policy import Policy
from ledger.tree.tiles import TILE_WIDTH, Bundle, bundles_for, decode_bundle
from ledger.verify.files import CHECKPOINT, POLICY, BadLogError, Fault, check_listing, read
from ledger.verify.replay import Replay
from ledger.verify.signatures import SignatureChecker
from ledger.verify.tree import Tree

Progress = Callable[[int, int], None]
"""Told ``(entries done, entries in all)`` after each bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an audit found. The counts are of what it reached: without a fault, of everything."""

    faults: tuple[Fault, ...]
    """What is wrong first in the tree and first among the statements; the one to begin with stands first."""
    signed: SignedCheckpoint | None = None
    entries: int = 0
    signatures: int = 0
    voided: int = 0
    suspect: int = 0
    """Valid statements in suspect ranges of keys that were revoked later."""
    outside: int = 0
    """Statements whose claimed time lies outside what brackets it; imported ones are not asked."""
    simulated: int = 0
    """Batches that say that their history is made up."""

    @property
    def ok(self) -> bool:
        """Whether the log is what its signatures say."""
        return not self.faults


def verify_log(
    folder: Path,
    policy: Policy,
    *,
    signatures: bool = True,
    workers: int | None = None,
    progress: Progress = lambda _done, _size: None,
) -> Verdict:
    """Check the exported log in ``folder`` under ``policy``; ``workers``: processes, as many as cores when None.

    Without ``signatures`` all else is checked, and those few signatures on which others hang.
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
        # 3. The entries, each into the tree and into its place.
        with SignatureChecker(workers=workers) as checker:
            return _read_through(folder, signed, checker, signatures=signatures, progress=progress)
    except BadLogError as bad:
        return Verdict(faults=(bad.fault,), signed=signed)


def _read_through(
    folder: Path, signed: SignedCheckpoint, checker: SignatureChecker, *, signatures: bool, progress: Progress
) -> Verdict:
    head = signed.checkpoint
    tree = Tree(folder, head.size)
    replay = Replay(
        origin=head.origin,
        log_key=signed.log.key.public_key,
        root=tree.root,
        checker=checker if signatures else None,
    )
    broken: Fault | None = None
    for bundle in bundles_for(head.size):
        hashes = []
        for index, entry in enumerate(_read_bundle(folder, bundle), start=bundle.index * TILE_WIDTH):
            if broken is None:
                try:
                    replay.take(index, entry)
                except BadLogError as bad:
                    broken = bad.fault
            hash_ = leaf_hash(entry)
            hashes.append(hash_)
            tree.append(hash_)
        tree.end_bundle(hashes)
        progress(tree.size, head.size)
    if broken is None:
        try:
            replay.check_end()
        except BadLogError as bad:
            broken = bad.fault

    # Signatures are checked beside the reading, so a bad one may lie before the rule that was found broken.
    bad_signature = checker.finish()
    if bad_signature is not None and _is_later(broken, bad_signature):
        broken = Fault(where=bad_signature, code="signature")
    changed, certain = tree.verdict(head.root)
    # Where the tree itself tells what was changed, broken rules are only what follows from it.
    found = (changed, broken) if certain else (broken, changed)
    return Verdict(
        faults=tuple(fault for fault in found if fault is not None),
        signed=signed,
        entries=tree.size,
        signatures=replay.checked + checker.good,
        voided=replay.voided,
        suspect=replay.suspect,
        outside=replay.outside,
        simulated=replay.simulated,
    )


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
