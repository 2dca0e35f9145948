"""A door for a history that is played: each act is checked and signed as at the other door, and appended in bulk.

Promise: rights, state, sealing and signature are those of ``Door``, statement by statement, in the order in which the
acts are made; only the append waits for ``flush``, which writes all that was said since and has it placed at the
moments that ``now`` had then (within ``TICK_US`` of each other they share a batch). Nothing is acknowledged to
anybody before that: an act's outcome is worth what a play's memory is worth. The player is the ledger's only writer.

Bounded memory: a stream's state is kept from its first act until ``leave``, the registries throughout.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ledger.disclosure import Disclosure, pseudonym
from ledger.door.door import Door, Outcome, Wish, _draft, _has_state, _Sealed, _seals
from ledger.door.stated import Stream
from ledger.errors import Unavailable
from ledger.facts.registry import Registry
from ledger.facts.streams import FOLDS
from ledger.facts.types import type_named
from ledger.keys import SigningKey
from ledger.statement import Statement, open_statement, sign_statement
from ledger.store.recorder import SignedEvent, append_played, content_digest, request_key
from ledger.store.sequencer import Batch

if TYPE_CHECKING:
    from ledger.door.hall import Hall

TICK_US: Final = 15_000_000
"""Far under the usual grace: what was said within it counts as said when it was."""
FLUSH_AT: Final = 12_000
"""Statements kept at most: under the sequencer's cut."""


class PlayedDoor(Door):
    """The door of one ledger while its history is played. One thread."""

    def __init__(self, hall: Hall, *, now: Callable[[], int], secret: bytes) -> None:
        """``now``: the play's clock (µs); from ``secret`` come the keys under which values are kept."""
        super().__init__(
            hall.database,
            vault=hall.vault,
            door_secret=hall.keyring.secret("door"),
            names_secret=hall.keyring.secret("names"),
        )
        self._now, self._secret = now, secret
        self._door_secret = hall.keyring.secret("door")
        self._epoch_now, self._all = super().registry()
        self._sequencer = hall.simulated_sequencer()
        if not self._sequencer.lead():
            raise Unavailable("another process places statements here", code="leader", mend="end it first")
        head = hall.reader.head()
        self._seen = (head.size, head.root)
        self._streams: dict[str, Stream] = {}
        self._subject_keys: dict[str, bytes] = {}
        self._people: dict[str, str] = {}
        self._values: list[tuple[str, Disclosure]] = []
        self._new_names: dict[str, str] = {}
        self._runs: list[tuple[int, bool, list[SignedEvent]]] = []
        self._moments: list[tuple[int, int]] = []
        self._began = 0
        self.waiting = 0
        self.heard: Callable[[Statement], None] = lambda _: None
        """Told of each act, once it stands."""

    def close(self) -> None:
        """Give the lead back."""
        self._sequencer.resign()

    # ------------------------------------------------------------------------------------------ as the other

    def registry(self, *, fresh: bool = True) -> tuple[int, Registry]:
        """The registries after the last act."""
        return self._epoch_now, self._all

    def stream(self, registry: Registry, name: str) -> Stream | None:
        """The stream after the last act; None when it is new, or was left."""
        return self._streams.get(name)

    def submit(self, wish: Wish, key: SigningKey) -> Outcome:
        """State one wish."""
        parts = self._sealed(wish)
        stream = self._streams.get(wish.stream)
        draft = _draft(self._all, wish, parts, stream, seen=self._seen, kid=key.thumbprint)
        entry = sign_statement(draft, key)
        act = open_statement(entry)
        self._take(act)
        self._queue(act, governs=type_named(wish.type).governs)
        self._values += parts.disclosures
        self._new_names.update(parts.names)
        self.heard(act)
        return Outcome(act.id, act.stream, act.seq, repeated=False)

    def submit_all(self, wishes: Sequence[Wish], key: SigningKey) -> list[Outcome]:
        """State all of ``wishes``."""
        return [self.submit(wish, key) for wish in wishes]

    def pseudonym_of(self, person: str) -> str:
        """The pseudonym of a person."""
        found = self._named(person)
        self._new_names[found] = person
        return found

    # -------------------------------------------------------------------------------------------- the play's own

    def state(self, name: str) -> Any:
        """What a stream's statements add up to; None when it is new, or was left."""
        found = self._streams.get(name)
        return None if found is None else found.state

    def leave(self, name: str) -> None:
        """Forget the state of a stream to which nothing will be added."""
        self._streams.pop(name, None)

    def flush(self) -> Batch | None:
        """Append and place all that was said since the last flush."""
        if not self._runs:
            return None
        # Values first, as at the other door.
        keys = self._vault.subject_keys(list(self._subject_keys), make=self._subject_key)
        self._vault.add(self._values, keys=keys)
        names = self._new_names
        new = {f"person/{found}": found for found in names.keys() - self._vault.named(list(names))}
        if new:
            subjects = self._vault.subject_keys(list(new), make=self._subject_key)
            self._vault.add(names=[(subject, found, names[found]) for subject, found in new.items()], keys=subjects)
        with self._database.use("writer") as connection:
            append_played(connection, self._runs, secret=self._door_secret)
        batch = self._sequencer.place(self._moments)
        self._seen = (batch.size, batch.root)
        self._subject_keys, self._people, self._new_names = {}, {}, {}
        self._values, self._runs, self._moments = [], [], []
        self.waiting = 0
        return batch

    # ---------------------------------------------------------------------------------------------- the parts

    def _take(self, act: Statement) -> None:
        known = self._streams.get(act.stream)
        state = None if known is None else known.state
        if type_named(act.type).governs:
            self._all.apply(act, None)
        elif _has_state(act.stream):
            state = FOLDS[act.kind].apply(state, act, None, self._all)
        self._streams[act.stream] = Stream(act.stream, act.seq, act.id, state)

    def _queue(self, act: Statement, *, governs: bool) -> None:
        event = SignedEvent(
            originator_id=act.stream,
            originator_version=act.seq,
            topic=act.type,
            state=act.entry,
            id=act.id,
            prev=act.prev,
            request=request_key(act.actor, act.request),
            content=content_digest(act),
        )
        if self._runs and self._runs[-1][1] == governs:
            self._runs[-1][2].append(event)
        else:
            self._runs.append((self._epoch_now, governs, [event]))
        self._epoch_now += governs
        now = self._now()
        count, us = self._moments[-1] if self._moments else (0, now)
        if self._moments and now - self._began <= TICK_US:
            self._moments[-1] = (count + 1, max(us, now))
        else:
            self._began = now
            self._moments.append((1, now))
        self.waiting += 1

    def _sealed(self, wish: Wish) -> _Sealed:
        if _seals(wish):
            subject = wish.subject or wish.stream
            if subject not in self._subject_keys:
                self._subject_keys[subject] = self._subject_key(subject)
        return self._seal(wish, self._subject_keys, self._people)

    def _subject_key(self, subject: str) -> bytes:
        return hmac.digest(self._secret, f"subject\0{subject}".encode(), "sha256")

    def _named(self, person: str) -> str:
        return pseudonym(self._names, "person", person)


__all__ = ["FLUSH_AT", "TICK_US", "PlayedDoor"]
