"""Placing and folding in a process of its own, beside a command that writes much.

Promise: while ``placing`` lasts, statements are placed in the tree: by a process of its own, which folds them into the
projections too, where that pays and there is a second core; else by a thread here. One interpreter is one core, and
signing needs it whole. The process remembers nothing that anybody needs: it ends when this one does, however that
ends, and should it end before, a thread here stands in.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ledger.door.hall import Hall

_LOOK_S: Final = 0.2
_END_S: Final = 60.0


@contextmanager
def placing(hall: Hall, *, much: bool) -> Iterator[None]:
    """While this lasts, what is appended is placed. ``much``: it is worth the second that a process takes to start."""
    if not much or len(os.sched_getaffinity(0)) < 2:
        with hall.sequencing():
            yield
        return
    hall.check_start()  # here, where its evidence stops the command
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_place_and_fold, args=(theirs, hall.data), name="placing", daemon=True)
    process.start()
    theirs.close()
    over = threading.Event()

    def stand_in() -> None:
        process.join()
        if not over.is_set():
            with hall.sequencing():
                over.wait()

    watch = threading.Thread(target=stand_in, name="stand-in", daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        with suppress(OSError):
            ours.send(None)
        watch.join(timeout=_END_S)
        ours.close()


def _place_and_fold(order: Connection, data: Path) -> None:
    """The process: until an order comes, or nobody is left to give one."""
    from ledger.door.hall import open_ledger
    from projections.runner import Projector

    with open_ledger(data) as hall, hall.sequencing():
        projector = Projector(hall.database)
        while not order.poll(_LOOK_S):
            projector.catch_up()
