"""How ``eventsourcing`` sees the ledger: events decoded from signed bytes, aggregates folded from them.

``Stated`` is the domain event: one statement of one stream. The mapper signs drafts on their way out and opens signed
bytes on their way in, never the other way round; the aggregate is an immutable fold of ``ledger.facts``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from eventsourcing.persistence import JSONTranscoder, Mapper, StoredEvent

from ledger.facts.registry import Registry
from ledger.facts.streams import FOLDS
from ledger.keys import SigningKey
from ledger.statement import Draft, Statement, StatementId, open_statement, sign_statement, statement_id
from ledger.store.recorder import VOIDED, SignedEvent, content_digest
from ledger.store.recorder import request_key as request_key


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement as a domain event. A draft carries the key that will sign it; a ``Statement`` is signed already."""

    act: Draft
    key: SigningKey | None = None
    voided: bool = False

    @property
    def originator_id(self) -> str:
        """The stream."""
        return self.act.stream

    @property
    def originator_version(self) -> int:
        """The seq in the stream."""
        return self.act.seq


@dataclass(frozen=True, slots=True)
class Stream:
    """The aggregate: a stream's last seq, its last id and the state its statements add up to."""

    id: str
    version: int
    head: StatementId
    state: Any


class StatementMapper(Mapper[str]):
    """Signs on the way out, opens on the way in."""

    def __init__(self) -> None:
        super().__init__(JSONTranscoder())  # required by the base class; nothing here is transcoded

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """The signed bytes of a ``Stated``, with what uniqueness needs beside them."""
        act: Draft = domain_event.act
        if isinstance(act, Statement):
            entry = act.entry
        else:
            assert domain_event.key is not None
            entry = sign_statement(act, domain_event.key)
        return SignedEvent(
            originator_id=act.stream,
            originator_version=act.seq,
            topic=act.type,
            state=entry,
            id=statement_id(entry),
            prev=act.prev,
            request=request_key(act.actor, act.request),
            content=content_digest(act),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The ``Stated`` in signed bytes."""
        return Stated(act=open_statement(stored_event.state), voided=stored_event.topic == VOIDED)


def fold_stream(registry: Registry, stream: Stream | None, events: Iterable[Stated]) -> Stream | None:
    """The aggregate after ``events``: voided ones keep their place in the chain and change nothing else."""
    for event in events:
        act = event.act
        assert isinstance(act, Statement)
        state = None if stream is None else stream.state
        fold = FOLDS.get(act.kind)
        if fold is not None and not event.voided:
            state = fold.apply(state, act, None, registry)
        stream = Stream(id=act.stream, version=act.seq, head=act.id, state=state)
    return stream
