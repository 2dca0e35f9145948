"""What leaves the database: hash tiles, the signed checkpoint, and the small file that remembers the head.

    DATA/published/checkpoint       the newest head that meets the log's own witness policy (C2SP tlog-checkpoint)
    DATA/published/latest           the newest signed head, with the cosignatures that it has so far
    DATA/published/tile/…           hash tiles, immutable once full (C2SP tlog-tiles)
    DATA/published/policy           the log's key, witnesses and quorum as a C2SP tlog-policy: not an authority
    DATA/head                       the newest signed head again, flushed to disk: the start-up guard

Where no witness is asked for, the first two are the same. Everything here can be made again from the committed head
and the witnesses. The order within one publication is fixed: tiles first, then the guard, then the head, so that nobody
is ever shown a head whose tiles are missing. One process publishes at a time, under a lock, and never an older head
than the one that is there: neither of the two goes back.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.errors import Evidence, Malformed, NotFound, Refused
from ledger.files import write_file
from ledger.keys import SigningKey
from ledger.store.reading import Head, LogReader
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint, sign_checkpoint
from ledger.tree.merkle import read_frontier
from ledger.tree.note import Signer, VerifierKey, add_lines, split_note
from ledger.tree.policy import NO_QUORUM, Group, Log, Policy, Witness
from ledger.tree.tiles import TILE_WIDTH, Tile, parse_path, tiles_for

CHECKPOINT: Final = "checkpoint"
LATEST: Final = "latest"
POLICY: Final = "policy"
MAJORITY: Final = "majority"


def log_policy(origin: str, log_key: bytes, witnesses: Sequence[Witness] = (), rule: str = "") -> Policy:
    """The policy that pins this log: under its key, and under ``rule``, or a majority of ``witnesses`` without one.

    ``rule``: the group and quorum lines of a tlog-policy; Malformed unless they fit the witnesses.
    """
    log = Log(key=VerifierKey(origin, log_key))
    if not witnesses:
        return Policy(logs=(log,))
    if not rule:
        names = tuple(witness.name for witness in witnesses)
        return Policy((log,), tuple(witnesses), (Group(MAJORITY, len(names) // 2 + 1, names),), MAJORITY)
    known = Policy((log,), tuple(witnesses))
    lines = known.to_bytes().removesuffix(f"quorum {NO_QUORUM}\n".encode())
    policy = Policy.parse(lines + rule.encode(errors="surrogateescape"))
    if (policy.logs, policy.witnesses) != (known.logs, known.witnesses):
        raise Malformed("A rule for witnesses has group and quorum lines only.", mend="Add witnesses one by one.")
    return policy


class Publisher:
    """Signs heads with the log's key and writes the files. One per sequencer.

    ``policy`` is what the served checkpoint must meet; whoever knows the registry of witnesses keeps it as it is now.
    """

    def __init__(self, data: Path, *, origin: str, log_key: SigningKey, reader: LogReader) -> None:
        self.root = data / "published"
        self.guard = data / "head"
        self._signer = Signer(origin, log_key)
        self._origin = origin
        self._reader = reader
        self.alone = log_policy(origin, log_key.public)
        """Asks for the log's own signature and for no witness."""
        self.policy = self.alone
        self._opened: tuple[object, SignedCheckpoint | None] = (None, None)

    def publish(self, head: Head) -> None:
        """Write what ``head`` adds to what is published; nothing when a newer head is there already."""
        with self._locked():
            known = self.checkpoint()
            if known is not None and known.size > head.size:
                return
            write_tiles(self.root, head.size, 0 if known is None else known.size, self._reader.read_tile)
            note = self.remember(head)
            policy, latest = self.root / POLICY, self.root / LATEST
            if not policy.exists() or policy.read_bytes() != self.policy.to_bytes():
                write_file(policy, self.policy.to_bytes())
            is_same = known is not None and known.size == head.size and latest.exists()
            if is_same:
                note = latest.read_bytes()  # with the cosignatures that came meanwhile
            if self.policy.quorum == NO_QUORUM:
                write_file(self.root / CHECKPOINT, note)
            # Last, so that whoever sees it finds everything else.
            if not is_same:
                write_file(latest, note)

    def take(self, note: bytes) -> bool:
        """Take in the cosignatures on ``note``, of this log; whether its head is now the served one, or was."""
        with self._locked():
            head = open_checkpoint(note, self.policy, need_quorum=False)
            for path in (self.root / LATEST, self.root / CHECKPOINT):
                known = split_note(path.read_bytes()) if path.exists() else None
                if known is not None and known.text == head.checkpoint.text:
                    note = add_lines(known, [cosignature.line for cosignature in head.cosignatures])
                    head = open_checkpoint(note, self.policy, need_quorum=False)
                    write_file(path, note)
            served = read_checkpoint(self.root / CHECKPOINT, self.alone)
            if served is not None and served.size > head.checkpoint.size:
                return False
            is_met = self.policy.is_met_by({cosignature.key for cosignature in head.cosignatures})
            if is_met:
                write_file(self.root / CHECKPOINT, note)
            return is_met

    def sign(self, head: Head) -> bytes:
        """The signed note of ``head``, kept nowhere."""
        return sign_checkpoint(Checkpoint(self._origin, head.size, head.root), self._signer)

    def remember(self, head: Head) -> bytes:
        """Sign ``head`` and write it to the start-up guard alone; returns the signed note."""
        note = self.sign(head)
        write_file(self.guard, note, durable=True)
        return note

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """A leader that was just followed by another may still be writing an older head."""
        descriptor = os.open(self.guard.with_name(".publishing"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def checkpoint(self) -> Checkpoint | None:
        """The newest signed head that is published, opened under the log's key; None before the first."""
        latest = read_checkpoint(self.root / LATEST, self.alone)
        # A folder that an older version wrote has but the one file.
        return read_checkpoint(self.root / CHECKPOINT, self.alone) if latest is None else latest

    def latest(self) -> SignedCheckpoint | None:
        """The newest signed head with the cosignatures that it has so far; None before the first."""
        path = self.root / LATEST
        path = path if path.exists() else self.root / CHECKPOINT
        return open_checkpoint(path.read_bytes(), self.policy, need_quorum=False) if path.exists() else None

    def served(self) -> SignedCheckpoint | None:
        """The newest head that meets the policy of now; None as long as there is none."""
        path = self.root / CHECKPOINT
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        # Asked for with each batch: opened again only when another file or policy is there.
        version = (status.st_ino, status.st_mtime_ns, status.st_size, self.policy)
        known, signed = self._opened
        if version != known:
            try:
                signed = open_checkpoint(path.read_bytes(), self.policy)
            except Refused as error:
                if error.code != "quorum-not-met":
                    raise
                signed = None
            self._opened = (version, signed)
        return signed

    def check_start(self) -> None:
        """Refuse (Evidence) to write on a database that is behind, or beside, the head this folder remembers."""
        remembered = read_checkpoint(self.guard, self.alone)
        head = self._reader.head()
        if remembered is None:
            raise Evidence(
                f"the file {self.guard} is missing, so nobody can say whether this database was rolled back",
                code="guard-missing",
                mend="put there the newest checkpoint that anybody outside holds (an auditor, a backup of the file)",
            )
        if head.size < remembered.size:
            raise Evidence(
                f"the database holds {head.size} entries, but {remembered.size} were signed:"
                " it was rolled back or restored from an older copy",
                code="rolled-back",
                mend="put the missing entries back from published entries or a mirror, or close this log",
                size=head.size,
                signed=remembered.size,
            )
        root = read_frontier(remembered.size, self._reader.read_tile).root()
        if root != remembered.root:
            raise Evidence(
                f"the tree at size {remembered.size} is not the one that was signed",
                code="forked",
                mend="keep both: the signed head and this database are the evidence",
                size=remembered.size,
                signed=remembered.root.hex(),
                found=root.hex(),
            )


def read_checkpoint(path: Path, policy: Policy) -> Checkpoint | None:
    """The checkpoint in a file, its signature checked; None when there is no file."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return None
    return open_checkpoint(raw, policy).checkpoint


def write_tiles(root: Path, size: int, since: int, read_tile: Callable[[int, int, int], bytes]) -> None:
    """Write the hash tiles of ``size`` leaves that ``since`` leaves did not have; drop partial ones now full."""
    for tile in tiles_for(size, since=since):
        raw = read_tile(tile.level, tile.index, tile.width)
        if len(raw) != tile.width * 32:
            raise Evidence(
                f"tile {tile.path} cannot be made: rows of the tree are missing", code="tile-missing", tile=tile.path
            )
        write_file(root / tile.path, raw)
        if tile.width == TILE_WIDTH:
            shutil.rmtree(root / (Tile(tile.level, tile.index).path + ".p"), ignore_errors=True)


def read_published(root: Path, name: str) -> Path:
    """The path of a published file by its canonical name (NotFound otherwise): no other path is ever opened."""
    if name not in (CHECKPOINT, LATEST, POLICY):
        try:
            parse_path(name)
        except Malformed as error:
            raise NotFound(f"no such file: {name}", code="no-file") from error
    path = root / name
    if not path.is_file():
        raise NotFound(f"no such file: {name}", code="no-file")
    return path
