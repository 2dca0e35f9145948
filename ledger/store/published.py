"""What leaves the database: hash tiles, the signed checkpoint, and the small file that remembers the head.

    DATA/published/checkpoint       the newest signed head (C2SP tlog-checkpoint)
    DATA/published/tile/…           hash tiles, immutable once full (C2SP tlog-tiles)
    DATA/published/policy           the log's key as a C2SP tlog-policy: a convenience, not an authority
    DATA/head                       the newest signed head again, flushed to disk: the start-up guard

Everything here can be made again from the committed head. The order within one publication is fixed: tiles first,
then the guard, then the checkpoint, so that nobody is ever shown a head whose tiles are missing. One process publishes
at a time, under a lock, and never an older head than the one that is there: a checkpoint does not go back.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ledger.errors import Evidence, Malformed, NotFound
from ledger.keys import SigningKey
from ledger.store.reading import Head, LogReader
from ledger.tree.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.tree.merkle import read_frontier
from ledger.tree.note import Signer, VerifierKey
from ledger.tree.policy import Log, Policy
from ledger.tree.tiles import TILE_WIDTH, Tile, parse_path, tiles_for


def write_file(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Replace ``path`` whole or not at all; ``durable``: it is on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
    if durable:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def log_policy(origin: str, log_key: bytes) -> Policy:
    """The policy that pins this log and asks for no witness."""
    return Policy(logs=(Log(key=VerifierKey(origin, log_key)),))


class Publisher:
    """Signs heads with the log's key and writes the files. One per sequencer."""

    def __init__(self, data: Path, *, origin: str, log_key: SigningKey, reader: LogReader) -> None:
        self.root = data / "published"
        self.guard = data / "head"
        self._signer = Signer(origin, log_key)
        self._origin = origin
        self._reader = reader
        self.policy = log_policy(origin, log_key.public)

    def publish(self, head: Head) -> None:
        """Write what ``head`` adds to what is published; nothing when a newer head is there already."""
        with self._alone():
            known = self.checkpoint()
            if known is not None and known.size > head.size:
                return
            write_tiles(self.root, head.size, 0 if known is None else known.size, self._reader.read_tile)
            note = self.remember(head)
            policy = self.root / "policy"
            if not policy.exists():
                write_file(policy, self.policy.to_bytes())
            write_file(self.root / "checkpoint", note)

    def remember(self, head: Head) -> bytes:
        """Sign ``head`` and write it to the start-up guard alone; returns the signed note."""
        note = sign_checkpoint(Checkpoint(self._origin, head.size, head.root), self._signer)
        write_file(self.guard, note, durable=True)
        return note

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """A leader that was just followed by another may still be writing an older head."""
        descriptor = os.open(self.guard.with_name(".publishing"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def checkpoint(self) -> Checkpoint | None:
        """The published head, opened under the log's key; None before the first."""
        return read_checkpoint(self.root / "checkpoint", self.policy)

    def check_start(self) -> None:
        """Refuse (Evidence) to write on a database that is behind, or beside, the head this folder remembers."""
        remembered = read_checkpoint(self.guard, self.policy)
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
    if name not in ("checkpoint", "policy"):
        try:
            parse_path(name)
        except Malformed as error:
            raise NotFound(f"no such file: {name}", code="no-file") from error
    path = root / name
    if not path.is_file():
        raise NotFound(f"no such file: {name}", code="no-file")
    return path
