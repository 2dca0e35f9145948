"""Many signatures on all cores, the first bad one by its index.

Which key an entry must be signed by is decided in order, by one process; whether it is signed by it is decided here,
in any order. Little is started for little: a short log is checked in the process that asks.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Final, Self

from ledger.errors import Unavailable
from ledger.statement import check_statement_signature

CHUNK: Final = 512
_AHEAD: Final = 4  # chunks per process that wait at most: this bounds the memory


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class SignatureChecker:
    """Give it entries with their keys in order, then ask ``finish`` for the first bad one."""

    def __init__(self, *, workers: int | None = None) -> None:
        self.good = 0
        self.first_bad: int | None = None
        self._workers = available_cores() if workers is None else workers
        self._chunk: list[tuple[int, bytes, bytes]] = []
        self._pool: ProcessPoolExecutor | None = None
        self._running: set[Future[tuple[int, int | None]]] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

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
        if self._workers < 2 or (last and self._pool is None):
            self._take(_check_chunk(chunk))
            return
        if self._pool is None:
            # Forking is quick, but only a process with a single thread may.
            method = "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"
            self._pool = ProcessPoolExecutor(
                self._workers,
                mp_context=multiprocessing.get_context(method),
                # Ctrl-C ends the process that asked; it then ends its own.
                initializer=signal.signal,
                initargs=(signal.SIGINT, signal.SIG_IGN),
            )
        try:
            self._running.add(self._pool.submit(_check_chunk, chunk))
        except BrokenProcessPool as error:
            raise _broken() from error
        self._collect(keep=_AHEAD * self._workers)

    def _collect(self, *, keep: int) -> None:
        while len(self._running) > keep:
            done, self._running = wait(self._running, return_when=FIRST_COMPLETED)
            for future in done:
                try:
                    self._take(future.result())
                except BrokenProcessPool as error:
                    raise _broken() from error

    def _take(self, result: tuple[int, int | None]) -> None:
        good, bad = result
        self.good += good
        if bad is not None:
            self.first_bad = bad if self.first_bad is None else min(self.first_bad, bad)


def _check_chunk(chunk: list[tuple[int, bytes, bytes]]) -> tuple[int, int | None]:
    """How many hold, and the index of the first that does not."""
    bad = [index for index, entry, public_key in chunk if not check_statement_signature(entry, public_key)]
    return len(chunk) - len(bad), bad[0] if bad else None


def _broken() -> Unavailable:
    return Unavailable(
        "a process that checks signatures was ended", code="worker", mend="give the machine more memory, or --jobs 1"
    )
