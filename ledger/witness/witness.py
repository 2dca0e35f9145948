"""The witness itself: one request in, one line out, and nothing forgotten in between.

Promise: of the lines ever returned for one log, each covers a head that extends the one before, and their times do
not go back. One lock for each log spans reading the last head, judging, signing and saving. If we die

    before the save     nothing was signed that anybody has seen
    after it            the line was lost on the way; the log asks again and is told the size it must prove from
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ledger.errors import Refused, Unavailable
from ledger.tree.cosignature import AddCheckpoint, answer_of, cosign_checkpoint, origin_asked
from ledger.tree.note import SplitNote, add_lines, open_note
from ledger.witness.state import Cosigned, State

MAX_CLOCK_BACK_S = 60
"""A clock that is set back a little states the last time once more; one set back further must be seen to first."""

_DISPUTED = ("witness-root", "witness-consistency")
_log = logging.getLogger(__name__)


class Witness:
    """Cosigns for the logs that its state trusts. Any number of threads may ask at once."""

    def __init__(self, state: State, *, clock: Callable[[], float] = time.time) -> None:
        """``clock`` gives Unix seconds."""
        self._state = state
        self._clock = clock
        self._locks: dict[str, threading.Lock] = {}
        self._making = threading.Lock()

    def add_checkpoint(self, body: bytes) -> bytes:
        """The answer to ``add-checkpoint``; the refusals are those of ``ledger.tree.cosignature``."""
        origin = origin_asked(body)
        logs = self._state.trusted().get(origin, ())
        if not logs:
            # Refused without a lock: strangers' origins must not grow the table of locks.
            cosign_checkpoint(body, logs=(), last=None, witness=self._state.signer, time_s=0)
        with self._lock_of(origin):
            last = self._state.head(origin)
            now = int(self._clock())
            time_s = now if last is None else max(now, last.time_s)
            try:
                head, line = cosign_checkpoint(
                    body,
                    logs=logs,
                    last=None if last is None else last.checkpoint,
                    witness=self._state.signer,
                    time_s=time_s,
                )
            except Refused as error:
                if error.code in _DISPUTED:
                    _log.error("%r does not continue what it signed before: %s", origin, error.message)
                    self._state.keep_disputed(origin, body)
                raise
            if time_s - now > MAX_CLOCK_BACK_S:
                raise Unavailable(
                    f"This witness's clock is {time_s - now} s behind what it stated last.",
                    code="witness-clock",
                    mend="Its operator sets the clock right; nothing was signed.",
                )
            # Unknown lines stay behind: nobody but the log and this witness writes into our files.
            opened = open_note(AddCheckpoint.parse(body).checkpoint, logs)
            lines = {verified.key: verified.line for verified in opened.verified}
            note = add_lines(SplitNote(opened.text, tuple(lines.values())), [line])
            self._state.save(Cosigned(head, time_s, note))
            _log.info("cosigned %r at size %d", origin, head.size)
        return answer_of([line])

    def newest(self, origin_hash: str) -> bytes | None:
        """The newest cosigned checkpoint of the log with this origin hash: its note with the log's lines and ours."""
        head = self._state.head_by_hash(origin_hash)
        return None if head is None else head.note

    def _lock_of(self, origin: str) -> threading.Lock:
        with self._making:
            return self._locks.setdefault(origin, threading.Lock())
