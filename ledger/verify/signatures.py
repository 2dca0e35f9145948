"""Many signatures on all cores, the first bad one by its index.

Which key an entry must be signed by is decided in order, by one process; whether it is signed by it is decided here,
in any order. Little is started for little: a short log is checked in the process that asks.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import TracebackType
from typing import Final, Self

from ledger.statement import check_statement_signature
from ledger.verify.pool import Pool, available_cores, result_of

CHUNK: Final = 512


class SignatureChecker:
    """Give it entries with their keys in order, then ask ``finish`` for the first bad one."""

    def __init__(self, *, workers: int | None = None) -> None:
        self.good = 0
        self.first_bad: int | None = None
        self._pool = Pool(available_cores() if workers is None else workers)
        self._started = False
        self._chunk: list[tuple[int, bytes, bytes]] = []
        self._running: set[Future[tuple[int, int | None]]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.__exit__(kind, error, trace)

    def add(self, index: int, entry: bytes, public_key: bytes) -> None:
        """Check the entry at ``index``, now or later."""
        self._chunk.append((index, entry, public_key))
        if len(self._chunk) == CHUNK:
            self._send()

    def finish(self) -> int | None:
        """Wait for all; the lowest index whose signature does not hold, or None."""
        if self._chunk:
            self._send(last=True)
        self._collect(keep=0)
        return self.first_bad

    def _send(self, *, last: bool = False) -> None:
        chunk, self._chunk = self._chunk, []
        if self._pool.workers < 2 or (last and not self._started):
            self._take(_check_chunk(chunk))
            return
        self._started = True
        self._running.add(self._pool.submit(_check_chunk, chunk))
        self._collect(keep=self._pool.room)

    def _collect(self, *, keep: int) -> None:
        while len(self._running) > keep:
            done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(result_of(future))

    def _take(self, result: tuple[int, int | None]) -> None:
        good, bad = result
        self.good += good
        if bad is not None:
            self.first_bad = bad if self.first_bad is None else min(self.first_bad, bad)


def _check_chunk(chunk: list[tuple[int, bytes, bytes]]) -> tuple[int, int | None]:
    """How many hold, and the index of the first that does not."""
    bad = [index for index, entry, public_key in chunk if not check_statement_signature(entry, public_key)]
    return len(chunk) - len(bad), bad[0] if bad else None
