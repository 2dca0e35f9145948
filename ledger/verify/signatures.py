"""Many signatures on all cores, the first bad one by its index.

Which key an entry must be signed by is decided in order, by one process; whether it is signed by it is decided here,
in any order. Little is started for little: a short log is checked in the process that asks.

Entries of a folder are not handed over: the other process reads the bundles again, and checks a signature only where
the entry has the leaf hash that stands in the tree. A folder that changes meanwhile is ``Unavailable``, not a verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from ledger.errors import Malformed, Unavailable
from ledger.statement import check_statement_signature
from ledger.tree.merkle import leaf_hash
from ledger.tree.tiles import TILE_WIDTH, Bundle, decode_bundle
from ledger.verify.files import BadLogError, read
from ledger.verify.pool import Pool, available_cores, result_of

CHUNK: Final = 512
_BUNDLES: Final = 4  # read again as one task
_Result = tuple[int, int | None]


class _Piece(NamedTuple):
    """What to check in some bundles: ``wanted`` are index, leaf hash and number of the key."""

    folder: str
    bundles: list[Bundle]
    wanted: list[tuple[int, bytes, int]]
    keys: list[bytes]


class SignatureChecker:
    """Give it entries with their keys in order, then ask ``finish`` for the first bad one."""

    def __init__(self, *, workers: int | None = None, folder: Path | None = None) -> None:
        """``folder``: of the exported log whose entries they are, if ``end_bundle`` will be told where they stand."""
        self.good = 0
        self.first_bad: int | None = None
        self._pool = Pool(available_cores() if workers is None else workers)
        self._started = False
        self._folder = folder
        self._chunk: list[tuple[int, bytes, bytes]] = []
        self._bundles: list[tuple[Bundle, Sequence[bytes]]] = []
        self._running: set[Future[_Result]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, trace)

    def add(self, index: int, entry: bytes, public_key: bytes) -> None:
        """Check the entry at ``index``, now or later."""
        self._chunk.append((index, entry, public_key))
        if self._folder is None and len(self._chunk) == CHUNK:
            self._send()

    def end_bundle(self, bundle: Bundle, hashes: Sequence[bytes]) -> None:
        """Entries up to the end of this one were added, if they are to be: what of it is to be checked can be read."""
        self._bundles.append((bundle, hashes))
        if len(self._bundles) == _BUNDLES:
            self._send()

    def finish(self) -> int | None:
        """Wait for all; the lowest index whose signature does not hold, or None."""
        if self._chunk:
            self._send(last=True)
        self._collect(keep=0)
        return self.first_bad

    def _send(self, *, last: bool = False) -> None:
        chunk, self._chunk = self._chunk, []
        bundles, self._bundles = self._bundles, []
        if self._pool.workers < 2 or (last and not self._started):
            self._take(_check_chunk(chunk))
            return
        self._started = True
        if self._folder is None or not bundles:
            self._running.add(self._pool.submit(_check_chunk, chunk))
        elif chunk:
            # The last of the bundle before was added when its successor had not voided it.
            first = bundles[0][0].index * TILE_WIDTH
            self._take(_check_chunk([one for one in chunk if one[0] < first]))
            self._running.add(self._pool.submit(_check_piece, _piece(self._folder, bundles, chunk, first)))
        self._collect(keep=self._pool.room)

    def _collect(self, *, keep: int) -> None:
        while len(self._running) > keep:
            done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(result_of(future))

    def _take(self, result: _Result) -> None:
        good, bad = result
        self.good += good
        if bad is not None:
            self.first_bad = bad if self.first_bad is None else min(self.first_bad, bad)


def _piece(
    folder: Path, bundles: list[tuple[Bundle, Sequence[bytes]]], chunk: list[tuple[int, bytes, bytes]], first: int
) -> _Piece:
    hashes = [hash_ for _, part in bundles for hash_ in part]
    keys: dict[bytes, int] = {}
    wanted = [
        (index, hashes[index - first], keys.setdefault(public, len(keys)))
        for index, _, public in chunk
        if index >= first
    ]
    return _Piece(str(folder), [bundle for bundle, _ in bundles], wanted, list(keys))


def _check_chunk(chunk: list[tuple[int, bytes, bytes]]) -> _Result:
    """How many hold, and the index of the first that does not."""
    bad = [index for index, entry, public_key in chunk if not check_statement_signature(entry, public_key)]
    return len(chunk) - len(bad), bad[0] if bad else None


def _check_piece(piece: _Piece) -> _Result:
    """The same of entries that are read here."""
    folder = Path(piece.folder)
    try:
        entries = [entry for part in piece.bundles for entry in decode_bundle(read(folder, part.path), part.width)]
    except (BadLogError, Malformed) as error:
        raise _moving(folder) from error
    first = piece.bundles[0].index * TILE_WIDTH
    chunk = [(index, entries[index - first], piece.keys[key]) for index, _, key in piece.wanted]
    if any(leaf_hash(one[1]) != wanted[1] for one, wanted in zip(chunk, piece.wanted, strict=True)):
        raise _moving(folder)
    return _check_chunk(chunk)


def _moving(folder: Path) -> Unavailable:
    return Unavailable(f"the folder {folder} changes while it is read", code="moving", mend="stop what writes to it")
