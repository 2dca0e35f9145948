"""A copy of a log that can serve: the folder of an exported log, brought up to date over HTTP.

Promise: at every moment, also after a kill, ``FOLDER/checkpoint`` is a head that the auditor's policy accepts, every
file of its tree is in the folder, and each was proved against it; the next head is there only once it is proved to
begin with the last. A file that was proved is never replaced by other bytes.

    FOLDER/                 checkpoint, policy, tile/…: plain files for any web server, and for ``mingjian-verify log``
    .FOLDER.work/lock       one process at a time
    .FOLDER.work/next/      what was fetched and does not count yet; its ``checkpoint`` says that all of it was proved

The order of one step, and what is true if the process dies after it:

1. Fetch the new head; prove by hash tiles that its tree begins with ours.        nothing has changed
2. Fetch tiles and entries into ``next``, prove each under the new root.          nothing has changed; none is lost
3. Write ``next/checkpoint``: the point of no return.                             the rest is done at the next start
4. Move the files over, then the head; then drop the narrower partial tiles, whose bytes the wider ones begin with.

Between 3 and the end of 4 (renames only) the folder may hold files of both sizes, which an audit names as too many.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.errors import Conflict, Evidence, Malformed, NotFound, Refused, Unavailable
from ledger.files import replace_file
from ledger.tree.checkpoint import SignedCheckpoint, open_checkpoint
from ledger.tree.merkle import Frontier, leaf_hash, prove_inclusion, read_frontier
from ledger.tree.policy import Policy
from ledger.tree.tiles import (
    HASH_BYTES,
    MAX_LEVEL,
    TILE_WIDTH,
    Bundle,
    Tile,
    bundles_for,
    decode_bundle,
    decode_tile,
    tile_width,
    tiles_for,
)
from ledger.verify.evidence import (
    ContradictionError,
    changed,
    check_joined,
    fork,
    rollback,
    root_at,
    unproven,
    withheld,
)
from ledger.verify.fetch import LogClient, read_tile_of
from ledger.verify.files import CHECKPOINT, POLICY, BadLogError, read

Progress = Callable[[int, int], None]
_BEFORE: Final = "before"
_RACES: Final = 5  # times that a log may go on while we fetch before a missing file counts as withheld


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one ``sync`` did."""

    before: int
    head: SignedCheckpoint
    files: int


class Copy:
    """One folder. Open it with ``open_copy``."""

    def __init__(self, folder: Path, policy: Policy) -> None:
        self.folder = folder
        self.policy = policy
        self._next = _work(folder) / "next"
        self._finish()
        self.held = self._read_head()

    # --------------------------------------------------------------------------------------------- what is here

    def read_tile(self, level: int, index: int, width: int) -> bytes:
        """For provers: the first ``width`` hashes of a tile of the tree that is held."""
        assert self.held is not None
        return self._tile_of(self.folder, level, index, self.held.checkpoint.size)[: width * HASH_BYTES]

    def entries(self, since: int) -> Iterator[tuple[int, bytes]]:
        """Every entry from index ``since`` on, with its index."""
        assert self.held is not None
        for bundle in bundles_for(self.held.checkpoint.size, since=since):
            first = bundle.index * TILE_WIDTH
            entries = decode_bundle(self._own(bundle.path), bundle.width)
            skip = max(0, since - first)
            yield from enumerate(entries[skip:], start=first + skip)

    def root(self, size: int) -> bytes:
        """The root of the first ``size`` leaves."""
        return read_frontier(size, self.read_tile).root()

    def entry(self, index: int) -> bytes:
        """One entry."""
        return next(self.entries(index))[1]

    # ------------------------------------------------------------------------------------------------- following

    def sync(self, log: LogClient, *, progress: Progress = lambda _done, _size: None) -> Step:
        """Bring the copy up to the head that ``log`` shows now.

        Raises ``ContradictionError`` with what may be kept as evidence, Refused for a head that the policy does not
        accept, Unavailable when the log cannot be had. Whatever it raises, what was held is held.
        """
        before, attempt = self._since, 0
        while True:
            head = self._shown(log)
            try:
                return Step(before=before, head=head, files=self._take(log, head, progress))
            except ContradictionError as error:
                # A static copy drops narrower tiles when it goes on: then what was missing is so no longer.
                attempt += 1
                if error.finding.kind != "withheld" or attempt == _RACES:
                    raise
                log.pause(attempt)
                if self._shown(log).checkpoint.size == head.checkpoint.size:
                    raise

    def _shown(self, log: LogClient) -> SignedCheckpoint:
        """The head shown now: opened, and not smaller than ours however often we ask."""
        for attempt in range(3):
            if attempt:
                log.pause(attempt + 1)  # a cache may be a moment behind; a log that went back stays so
            shown = open_checkpoint(log.checkpoint(), self.policy)
            if self.held is None or shown.checkpoint.size >= self.held.checkpoint.size:
                return shown
            self.check_smaller(shown, sources=(log.url,))
        assert self.held is not None
        raise ContradictionError(rollback(self.held, shown, sources=(log.url,)))

    def check_smaller(self, other: SignedCheckpoint, *, sources: tuple[str, ...]) -> None:
        """Raise a fork when ``other``, which is not larger than what is held, does not belong to our tree."""
        held = self.held
        assert held is not None
        if other.log.key != held.log.key:
            raise Refused("the policy has several logs, and this head is of another than the copy", code="other-log")
        try:
            check_joined(other, held, self.read_tile, sources=sources)
        except ContradictionError as error:
            if error.finding.kind == "fork":
                raise
            raise own_fault(self.folder, "tiles do not lead to its checkpoint") from error

    def _take(self, log: LogClient, head: SignedCheckpoint, progress: Progress) -> int:
        held = self.held
        if held is not None and held.checkpoint.size == head.checkpoint.size:
            if held.checkpoint.root != head.checkpoint.root:
                raise ContradictionError(fork(held, head, sources=(log.url,)))
            if _attested_at(head, self.policy) > _attested_at(held, self.policy):
                self.put(self.folder / CHECKPOINT, head.note, durable=True)
                self.held = head
            self._keep_policy()
            return 0
        if held is not None:
            if held.log.key != head.log.key:
                raise Refused(
                    "the policy has several logs, and this head is of another than the copy", code="other-log"
                )
            size = head.checkpoint.size
            check_joined(
                held,
                head,
                read_tile_of(log.tile, lambda level, index: tile_width(level, index, size)),
                sources=(log.url,),
            )
        try:
            self._fetch_tiles(log, head)
            self._fetch_entries(log, head, progress)
        except NotFound as error:
            raise ContradictionError(withheld(head, error, sources=(log.url,))) from error
        files = sum(1 for path in (self._next / "tile").rglob("*") if path.is_file())
        self.put(self._next / _BEFORE, str(self._since).encode())
        os.sync()  # of all that was fetched, once: cheaper than file by file
        self.put(self._next / CHECKPOINT, head.note, durable=True)
        self._finish()
        self.held = head
        self._keep_policy()
        return files

    # -------------------------------------------------------------------------------------------------- fetching

    def _fetch_tiles(self, log: LogClient, head: SignedCheckpoint) -> None:
        """All hash tiles that are new, proved to be those of the tree of ``head``."""
        # What an earlier run left may be of a fetch that went wrong: then everything is fetched once more.
        bad = self._try_tiles(log, head, fresh=False)
        if bad is not None:
            bad = self._try_tiles(log, head, fresh=True)
        if bad == "":
            raise ContradictionError(unproven(head, sources=(log.url,)))
        if bad is not None:
            served = (self._next / bad).read_bytes()
            raise ContradictionError(changed(head, bad, served, sources=(log.url,)))

    def _try_tiles(self, log: LogClient, head: SignedCheckpoint, *, fresh: bool) -> str | None:
        """None when all is well; the name of a tile above the first level that is not; else an empty text."""
        size, since = head.checkpoint.size, self._since
        frontier = read_frontier(since, self.read_tile) if since else Frontier()
        above: dict[int, tuple[int, list[bytes]]] = {}
        bad: str | None = None
        for tile in tiles_for(size, since=since):
            hashes = self._tile(log, tile, fresh=fresh)
            begin = max(0, (since >> 8 * tile.level) - tile.index * TILE_WIDTH)
            if begin and b"".join(hashes[:begin]) != self.read_tile(tile.level, tile.index, begin):
                bad = bad or tile.path
            if tile.level:
                continue  # compared while the level below is taken in
            for level, index, hash_ in frontier.extend(hashes[begin:]):
                number = index // TILE_WIDTH
                if above.get(level, (-1,))[0] != number:
                    one = Tile(level, number, tile_width(level, number, size))
                    above[level] = number, self._tile(log, one, fresh=fresh)
                if above[level][1][index % TILE_WIDTH] != hash_:
                    bad = bad or Tile(level, number, tile_width(level, number, size)).path
        return bad if frontier.root() == head.checkpoint.root else ""

    def _fetch_entries(self, log: LogClient, head: SignedCheckpoint, progress: Progress) -> None:
        """All entries that are new, each the one whose hash is under the signed root."""
        size = head.checkpoint.size
        for bundle in bundles_for(size, since=self._since):
            wanted = decode_tile(self._tile_of(self._next, 0, bundle.index, size), tile_width(0, bundle.index, size))
            wrong = self._wrong_entry(log, bundle, wanted, fresh=False)
            if wrong is not None:
                wrong = self._wrong_entry(log, bundle, wanted, fresh=True)
            if wrong is not None:
                served = (self._next / bundle.path).read_bytes()
                entry = None
                if wrong >= 0:
                    index = bundle.index * TILE_WIDTH + wrong
                    entry = index, wanted[wrong], prove_inclusion(index, size, self._read_next(size))
                raise ContradictionError(changed(head, bundle.path, served, entry=entry, sources=(log.url,)))
            progress(min(size, (bundle.index + 1) * TILE_WIDTH), size)

    def _wrong_entry(self, log: LogClient, bundle: Bundle, wanted: list[bytes], *, fresh: bool) -> int | None:
        """Which entry of the bundle is not the signed one: None when all are; -1 when it is no bundle at all."""
        path = self._next / bundle.path
        if fresh or not path.exists():
            try:
                self.put(path, log.bundle(bundle))
            except Malformed:
                self.put(path, b"")
        try:
            entries = decode_bundle(path.read_bytes(), bundle.width)
        except Malformed:
            return -1
        return next((at for at, entry in enumerate(entries) if leaf_hash(entry) != wanted[at]), None)

    def _tile(self, log: LogClient, tile: Tile, *, fresh: bool) -> list[bytes]:
        path = self._next / tile.path
        # A tile of the right length is right or will be found wrong; another was cut off while it was written.
        if fresh or not path.exists() or path.stat().st_size != tile.width * HASH_BYTES:
            try:
                self.put(path, log.tile(tile))
            except Malformed:
                self.put(path, b"\0" * HASH_BYTES * tile.width)
        return decode_tile(path.read_bytes(), tile.width)

    def _read_next(self, size: int) -> Callable[[int, int, int], bytes]:
        def read_tile(level: int, index: int, width: int) -> bytes:
            name = Tile(level, index, tile_width(level, index, size)).path
            folder = self._next if (self._next / name).exists() else self.folder
            return self._tile_of(folder, level, index, size)[: width * HASH_BYTES]

        return read_tile

    @property
    def _since(self) -> int:
        return 0 if self.held is None else self.held.checkpoint.size

    # ----------------------------------------------------------------------------------------------------- files

    def _finish(self) -> None:
        """Complete what was proved and not yet moved; drop what no longer counts."""
        if not self._next.exists():
            return
        if (self._next / CHECKPOINT).exists():
            for path in sorted((self._next / "tile").rglob("*")):
                if path.is_file():
                    self._move(path, self.folder / path.relative_to(self._next))
            os.sync()
            note = (self._next / CHECKPOINT).read_bytes()
            self.put(self.folder / CHECKPOINT, note, durable=True)
            size = open_checkpoint(note, self.policy, need_quorum=False).checkpoint.size
            self._drop_narrower(int((self._next / _BEFORE).read_bytes()), size)
            shutil.rmtree(self._next)

    def _move(self, source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.read_bytes() != source.read_bytes():
            raise own_fault(self.folder, f"{target.name} holds other bytes than were proved")
        source.replace(target)

    def _drop_narrower(self, before: int, size: int) -> None:
        """Partial tiles of the smaller tree: the wider ones begin with their bytes."""
        for part in _partial(before):
            level = part.level if isinstance(part, Tile) else 0
            width, path = tile_width(level, part.index, size), self.folder / part.path
            if part.width == width or not path.exists():
                continue
            wider = Tile(level, part.index, width) if isinstance(part, Tile) else Bundle(part.index, width)
            with (self.folder / wider.path).open("rb") as file:
                old = path.read_bytes()
                if file.read(len(old)) != old:
                    raise own_fault(self.folder, f"{wider.path} does not begin with {part.path}")
            path.unlink()
            with suppress(OSError):
                path.parent.rmdir()  # empty when the tile is full now

    def _read_head(self) -> SignedCheckpoint | None:
        if not self.folder.exists():
            return None
        if not (self.folder / CHECKPOINT).exists():
            if any(self.folder.iterdir()):
                raise Conflict(
                    f"{self.folder} is not empty and holds no log", code="folder-not-empty", mend="name a new folder"
                )
            return None
        held = open_checkpoint(self._own(CHECKPOINT), self.policy)
        self.held = held
        size = held.checkpoint.size
        with _own_files(self.folder):
            found = root_at(size, held.checkpoint, self.read_tile) if size else None
        if size and (found is None or found[0] != held.checkpoint.root):
            raise own_fault(self.folder, "tiles do not lead to its checkpoint")
        return held

    def _keep_policy(self) -> None:
        content = self.policy.to_bytes()
        path = self.folder / POLICY
        if not path.exists() or path.read_bytes() != content:
            self.put(path, content)

    def _tile_of(self, folder: Path, level: int, index: int, size: int) -> bytes:
        name = Tile(level, index, tile_width(level, index, size)).path
        return self._own(name) if folder == self.folder else (folder / name).read_bytes()

    def _own(self, name: str) -> bytes:
        with _own_files(self.folder):
            return read(self.folder, name)

    def put(self, path: Path, content: bytes, *, durable: bool = False) -> None:
        """Whole or not at all; ``durable``: on disk when this returns."""
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content, durable=durable, aside=_work(self.folder) / "writing")


def _partial(size: int) -> Iterator[Tile | Bundle]:
    """The partial tiles of a tree of ``size`` leaves: the last of each level, unless it is full."""
    for level in range(MAX_LEVEL + 1):
        index, width = divmod(size >> 8 * level, TILE_WIDTH)
        if width:
            yield Tile(level, index, width)
            if level == 0:
                yield Bundle(index, width)


@contextmanager
def open_copy(folder: Path, policy: Policy) -> Iterator[Copy]:
    """The copy in ``folder``, for this process alone; a new one when there is nothing.

    Conflict when another process has it, Evidence when it is not what was proved.
    """
    folder = folder.absolute()
    work = _work(folder)
    try:
        work.mkdir(parents=True, exist_ok=True)
        lock = os.open(work / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise Unavailable(f"{work} cannot be written: {error.strerror}", code="unwritable") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"another process brings {folder} up to date", code="copy-busy", mend="let it end") from None
        try:
            yield Copy(folder, policy)
        except OSError as error:
            raise Unavailable(
                f"{error.filename or folder}: {error.strerror or error}", code="unwritable", mend="look at the disk"
            ) from error
    finally:
        os.close(lock)


def _work(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.work")


def _attested_at(head: SignedCheckpoint, policy: Policy) -> int:
    """See ``attested_at``."""
    return attested_at(head, policy) or 0


def attested_at(head: SignedCheckpoint, policy: Policy) -> int | None:
    """Unix seconds at which the cosignatures on ``head`` last met the policy's quorum; None without witnesses.

    With no quorum asked for: the newest cosignature.
    """
    times = sorted({one.time_s or 0 for one in head.cosignatures}, reverse=True)
    for time_s in times:
        if policy.is_met_by([one.key for one in head.cosignatures if (one.time_s or 0) >= time_s]):
            return time_s
    return None


def own_fault(folder: Path, why: str) -> Evidence:
    """Somebody wrote into the copy."""
    return Evidence(
        f"the copy in {folder} is not what was proved: {why}",
        code="copy-changed",
        mend="find out who wrote into it, keep it, and begin another in a new folder",
    )


@contextmanager
def _own_files(folder: Path) -> Iterator[None]:
    try:
        yield
    except BadLogError as bad:
        raise own_fault(folder, f"{bad.fault.where}: {bad.fault.code}") from bad
    except Malformed as error:
        raise own_fault(folder, error.message) from error
