"""Work in many processes, its results in order. Nothing is started for one worker.

What waits is bounded: a task is taken only when there is room. A process that dies is ``Unavailable``, not a verdict.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, TypeVar

from ledger.errors import Unavailable

if TYPE_CHECKING:
    from concurrent.futures import Future, ProcessPoolExecutor

_AHEAD: Final = 4  # tasks per process that wait at most: this bounds the memory
_T = TypeVar("_T")
_R = TypeVar("_R")


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool:
    """Processes, started when first needed and ended with the ``with`` block."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._executor is not None:
            self._executor.shutdown(wait=True, cancel_futures=True)

    @property
    def room(self) -> int:
        """How many tasks may wait."""
        return _AHEAD * self.workers

    def submit(self, work: Callable[[_T], _R], task: _T) -> Future[_R]:
        """Start one task; its result is for ``result_of``."""
        # Loading these takes as long as hashing fifty thousand entries: not before they are needed.
        import multiprocessing
        import signal
        import threading
        from concurrent.futures import ProcessPoolExecutor
        from concurrent.futures.process import BrokenProcessPool

        if self._executor is None:
            # Forking is quick, but only a process with a single thread may.
            method = "fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn"
            self._executor = ProcessPoolExecutor(
                self.workers,
                mp_context=multiprocessing.get_context(method),
                # Ctrl-C ends the process that asked; it then ends its own.
                initializer=signal.signal,
                initargs=(signal.SIGINT, signal.SIG_IGN),
            )
        try:
            return self._executor.submit(work, task)
        except BrokenProcessPool as error:
            raise _broken() from error

    def map(self, work: Callable[[_T], _R], tasks: Iterable[_T]) -> Iterator[_R]:
        """``work`` of each task, in order."""
        if self.workers < 2:
            yield from map(work, tasks)
            return
        running: deque[Future[_R]] = deque()
        for task in tasks:
            running.append(self.submit(work, task))
            if len(running) > self.room:
                yield result_of(running.popleft())
        while running:
            yield result_of(running.popleft())


def result_of(future: Future[_R]) -> _R:
    """What came of a task."""
    from concurrent.futures.process import BrokenProcessPool

    try:
        return future.result()
    except BrokenProcessPool as error:
        raise _broken() from error


def _broken() -> Unavailable:
    return Unavailable(
        "a process that checks for us was ended", code="worker", mend="give the machine more memory, or --jobs 1"
    )
