"""Rights, state, sealing, signature, append: how an act becomes a statement.

``submit`` takes wishes of actors whose keys are kept here and retries by itself when somebody else was faster.
``prepare`` and ``commit`` are for keys kept elsewhere: the draft holds no lock, the signer's side signs what it has
checked, and what comes back is checked as if nothing had been prepared. All end in one append.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from eventsourcing.application import AggregateNotFoundError, Repository
from eventsourcing.persistence import EventStore, StoredEvent

from ledger.disclosure import Disclosure, derive_salt, pseudonym, seal_value
from ledger.door.stated import Stated, StatementMapper, Stream, fold_stream
from ledger.errors import Conflict, Malformed, NotAllowed, Refused, Unavailable
from ledger.facts.registry import Registry
from ledger.facts.streams import FOLDS, check_act
from ledger.facts.types import type_named
from ledger.keys import SigningKey, thumbprint
from ledger.statement import (
    Draft,
    Statement,
    StatementId,
    check_statement_signature,
    draft_bytes,
    open_statement,
    preview_statement,
)
from ledger.store.database import Database
from ledger.store.reading import LogReader
from ledger.store.recorder import (
    RequestTakenError,
    SeqTakenError,
    SignedEvent,
    StaleEpochError,
    StatementRecorder,
    content_digest,
    content_of,
    request_key,
)
from ledger.store.sequencer import read_registry
from ledger.store.vault import Vault

_TRIES: Final = 20
# Kinds whose fold keeps no state: their streams are never loaded to append to them.
STATELESS: Final = frozenset({"imported"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants stated, in clear: the door seals what the type says is sealed."""

    actor: str
    role: str
    stream: str
    type: str
    at: str
    request: str
    values: Mapping[str, Any] = field(default_factory=dict)
    unit: str | None = None
    window: str | None = None
    causes: tuple[StatementId, ...] = ()
    subject: str | None = None  # whose key seals the values; the stream when None
    # Disclosures made before: a confirmation repeats its proposal's, and its pseudonyms as they stand there.
    digests: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One wish's result: the statement's id and place in its stream; ``repeated`` when it was there already."""

    id: StatementId
    stream: str
    seq: int
    repeated: bool


@dataclass(frozen=True, slots=True)
class _Sealed:
    data: dict[str, Any]
    digests: tuple[str, ...]
    disclosures: list[tuple[str, Disclosure]]
    names: list[tuple[str, str, str]]


class Door:
    """The door of one ledger; threads may share it."""

    def __init__(self, database: Database, *, vault: Vault, door_secret: bytes, names_secret: bytes) -> None:
        self._database = database
        self._vault = vault
        self._names = names_secret
        self._reader = LogReader(database)
        self._recorder = StatementRecorder(database, secret=door_secret)
        self._mapper = StatementMapper()
        self._repository = Repository[str](EventStore(self._mapper, self._recorder))
        self._lock = threading.RLock()
        self._registry: Registry | None = None
        self._epoch = -1

    # ------------------------------------------------------------------------------------------- registries

    def registry(self, *, fresh: bool = True) -> tuple[int, Registry]:
        """The registries as they stand now (unsealed statements included) and their epoch."""
        with self._lock:
            if self._registry is not None and not fresh:
                return self._epoch, self._registry
        with self._lock, self._database.use("writer") as connection:
            row = connection.execute("SELECT max(epoch) FROM ledger.governing").fetchone()
            assert row is not None
            if self._registry is None or row[0] != self._epoch:
                self._registry, self._epoch = read_registry(connection, row[0]), row[0]
            return self._epoch, self._registry

    # --------------------------------------------------------------------------------------- keys kept here

    def submit(self, wish: Wish, key: SigningKey) -> Outcome:
        """State one wish; Conflict when its request was made before with other content."""
        return self.submit_all([wish], key)[0]

    def submit_all(self, wishes: Sequence[Wish], key: SigningKey) -> list[Outcome]:
        """State all of ``wishes`` in one transaction, or nothing. Repeats are answered with their first result."""
        fresh = False
        for _ in range(_TRIES):
            try:
                return self._submit(wishes, key, fresh=fresh)
            except (SeqTakenError, RequestTakenError):
                continue  # somebody was faster: look again
            except StaleEpochError:
                fresh = True
            except Refused:
                if fresh:
                    raise
                fresh = True  # the registries in memory may be behind: an item just published, a key just added
        raise Unavailable("others keep writing to the same stream", code="contention", mend="try again")

    def conflicts(self, wishes: Sequence[Wish]) -> list[tuple[Wish, str, int]]:
        """Those of ``wishes`` whose request was made before with other content, with where it stands."""
        keys = self._vault.subject_keys(list(dict.fromkeys(wish.subject or wish.stream for wish in wishes)))
        sealed = [self._seal(wish, keys) for wish in wishes]
        found = self._requests([request_key(wish.actor, wish.request) for wish in wishes])
        clashes = []
        for wish, parts in zip(wishes, sealed, strict=True):
            row = found.get(request_key(wish.actor, wish.request))
            if row is not None and row[0] != content_of(wish.type, wish.stream, parts.data, parts.digests):
                clashes.append((wish, row[1], row[2]))
        return clashes

    def _submit(self, wishes: Sequence[Wish], key: SigningKey, *, fresh: bool) -> list[Outcome]:
        epoch, registry = self.registry(fresh=fresh or self._registry is None)
        subjects = list(dict.fromkeys(wish.subject or wish.stream for wish in wishes))
        keys = self._vault.subject_keys(subjects) if any(_seals(wish) for wish in wishes) else {}
        sealed = [self._seal(wish, keys) for wish in wishes]
        head, known, streams = self._look(registry, wishes, sealed)
        events: list[StoredEvent] = []
        outcomes: list[Outcome] = []
        governs = False
        for number, (wish, parts) in enumerate(zip(wishes, sealed, strict=True)):
            if number in known:
                outcomes.append(known[number])
                continue
            stream = streams.get(wish.stream)
            draft = Draft(
                actor=wish.actor,
                stream=wish.stream,
                type=wish.type,
                seq=1 if stream is None else stream.version + 1,
                prev=None if stream is None else stream.head,
                seen_size=head.size,
                seen_root=head.root,
                at=wish.at,
                role=wish.role,
                request=wish.request,
                data=parts.data,
                unit=wish.unit,
                window=wish.window,
                causes=wish.causes,
                sd=parts.digests,
                audience=registry.origin,
            )
            preview = preview_statement(draft, key.thumbprint)
            registry.key_of(preview)
            check_act(registry, preview, None if stream is None else stream.state)
            governs = governs or type_named(wish.type).governs
            signed = self._mapper.to_stored_event(Stated(draft, key))
            assert isinstance(signed, SignedEvent)
            events.append(signed)
            outcomes.append(Outcome(StatementId(signed.id), wish.stream, draft.seq, repeated=False))
            streams[wish.stream] = self._next(registry, stream, signed)
        assert not governs or len(events) == 1, "what governs enters alone"
        if events:
            # Values first: a value without its statement harms nobody, a statement without its value would.
            self._vault.add(
                [pair for parts in sealed for pair in parts.disclosures],
                [name for parts in sealed for name in parts.names],
                keys=keys,
            )
            self._recorder.insert_events(events, epoch=epoch, governs=governs)
        return outcomes

    def _next(self, registry: Registry, stream: Stream | None, signed: SignedEvent) -> Stream | None:
        name = str(signed.originator_id)
        if name.partition("/")[0] not in FOLDS or name.partition("/")[0] in STATELESS:
            return Stream(name, signed.originator_version, StatementId(signed.id), None)
        return fold_stream(registry, stream, [Stated(open_statement(signed.state))])

    # --------------------------------------------------------------------------------------- keys kept elsewhere

    def prepare(self, wish: Wish, public_key: bytes) -> tuple[bytes, bytes, bytes]:
        """``(protected, payload, to_be_signed)`` for a signer elsewhere; sealed values are kept at once.

        Nothing is reserved: the draft may be signed and committed, or forgotten.
        """
        _, registry = self.registry()
        keys = self._vault.subject_keys([wish.subject or wish.stream]) if _seals(wish) else {}
        parts = self._seal(wish, keys)
        stream = self.stream(registry, wish.stream)
        head = self._reader.head()
        draft = Draft(
            actor=wish.actor,
            stream=wish.stream,
            type=wish.type,
            seq=1 if stream is None else stream.version + 1,
            prev=None if stream is None else stream.head,
            seen_size=head.size,
            seen_root=head.root,
            at=wish.at,
            role=wish.role,
            request=wish.request,
            data=parts.data,
            unit=wish.unit,
            window=wish.window,
            causes=wish.causes,
            sd=parts.digests,
            audience=registry.origin,
        )
        preview = preview_statement(draft, thumbprint(public_key))
        registry.key_of(preview)
        check_act(registry, preview, None if stream is None else stream.state)
        self._vault.add(parts.disclosures, parts.names, keys=keys)
        return draft_bytes(draft, thumbprint(public_key))

    def commit(self, entry: bytes) -> Outcome:
        """Take in a statement signed elsewhere: its bytes are checked and stored as they came."""
        act = open_statement(entry)
        for _ in range(_TRIES):
            epoch, registry = self.registry()
            record = registry.key_of(act)
            if not check_statement_signature(entry, record.public):
                raise NotAllowed("the signature does not hold", code="signature")
            # Only after the signature: nobody learns of another actor's request.
            known = self._known_request(request_key(act.actor, act.request), content_digest(act))
            if known is not None:
                return known
            stream = self.stream(registry, act.stream)
            if (act.seq, act.prev) != ((1, None) if stream is None else (stream.version + 1, stream.head)):
                raise Conflict(
                    f"{act.stream} has moved on since this was prepared",
                    code="moved",
                    mend="prepare again and look at what is new",
                    seq=0 if stream is None else stream.version,
                )
            self._check_seen(act)
            check_act(registry, act, None if stream is None else stream.state)
            event = self._mapper.to_stored_event(Stated(act))
            try:
                self._recorder.insert_events([event], epoch=epoch, governs=type_named(act.type).governs)
            except (StaleEpochError, SeqTakenError, RequestTakenError):
                continue
            return Outcome(act.id, act.stream, act.seq, repeated=False)
        raise Unavailable("others keep writing to the same stream", code="contention", mend="try again")

    def _check_seen(self, act: Statement) -> None:
        if self._reader.batch_root(act.seen_size) != act.seen_root:
            raise Malformed(
                f"no checkpoint of this log had that root at size {act.seen_size}",
                code="seen",
                mend="fetch the newest checkpoint, verify it, and sign again",
            )

    # --------------------------------------------------------------------------------------------- the parts

    def stream(self, registry: Registry, name: str) -> Stream | None:
        """The aggregate of a stream as it stands, unsealed statements included; None when it is new."""
        try:
            found: Stream = self._repository.get(name, projector_func=partial(fold_stream, registry))
        except AggregateNotFoundError:
            return None
        return found

    def _look(
        self, registry: Registry, wishes: Sequence[Wish], sealed: Sequence[_Sealed]
    ) -> tuple[Head, dict[int, Outcome], dict[str, Stream | None]]:
        """The head, the outcomes of those wishes that were stated before, and the streams of the others."""
        requests = [request_key(wish.actor, wish.request) for wish in wishes]
        lasts: dict[str, Stream] = {}
        if len(wishes) == 1:
            head, found = self._look_once(requests[0], wishes[0].stream, lasts)
        else:
            head, found = self._reader.head(), self._requests(requests)
        known: dict[int, Outcome] = {}
        for number, (wish, parts, request) in enumerate(zip(wishes, sealed, requests, strict=True)):
            if request in found:
                content, stream, seq, id_ = found[request]
                if content != content_of(wish.type, wish.stream, parts.data, parts.digests):
                    raise _reused(wish.request, stream, seq)
                known[number] = Outcome(StatementId(id_), stream, seq, repeated=True)
        names = dict.fromkeys(wish.stream for number, wish in enumerate(wishes) if number not in known)
        streams = {name: self.stream(registry, name) for name in names if _has_state(name)}
        others = [name for name in names if name not in streams]
        if len(wishes) > 1:
            lasts = self._lasts(others)
        return head, known, streams | {name: lasts.get(name) for name in others}

    def _look_once(
        self, request: bytes, stream: str, lasts: dict[str, Stream]
    ) -> tuple[Head, dict[bytes, tuple[bytes, str, int, bytes]]]:
        """All that one wish must know, in one round trip: three would be half of the time that it takes."""
        with self._database.use("writer") as connection:
            row = connection.execute(
                "SELECT h.size, h.root, h.recorded_us, l.seq, l.id, r.content, r.stream, r.seq, s.id FROM ledger.head h"
                " LEFT JOIN ledger.requests r ON r.request = %b"
                " LEFT JOIN ledger.statements s ON (s.stream, s.seq) = (r.stream, r.seq)"
                " LEFT JOIN LATERAL (SELECT seq, id FROM ledger.statements WHERE stream = %s ORDER BY seq DESC LIMIT 1)"
                " AS l ON true",
                (request, stream),
                binary=True,
            ).fetchone()
        assert row is not None, "an open ledger has a head"
        if row[3] is not None:
            lasts[stream] = Stream(stream, row[3], StatementId(row[4]), None)
        return Head(*row[:3]), {} if row[5] is None else {request: row[5:]}

    def _lasts(self, names: Sequence[str]) -> dict[str, Stream]:
        """Where those streams end, of which nothing else matters."""
        with self._database.use("writer") as connection:
            rows = connection.execute(
                "SELECT stream, seq, id FROM unnest(%b::text[]) AS n (name) CROSS JOIN LATERAL ("
                " SELECT stream, seq, id FROM ledger.statements WHERE stream = n.name"
                " ORDER BY seq DESC LIMIT 1) AS last",
                (list(names),),
                binary=True,
            ).fetchall()
        return {name: Stream(name, seq, StatementId(id_), None) for name, seq, id_ in rows}

    def _known_request(self, request: bytes, content: bytes) -> Outcome | None:
        row = self._requests([request]).get(request)
        if row is None:
            return None
        if row[0] != content:
            raise _reused(request.hex(), row[1], row[2])
        return Outcome(StatementId(row[3]), row[1], row[2], repeated=True)

    def pseudonym_of(self, subject: str, person: str) -> str:
        """The pseudonym of a person, for content that a proposal states; the name is kept under ``subject``."""
        found = pseudonym(self._names, "person", person)
        self._vault.add(names=[(subject, found, person)], keys=self._vault.subject_keys([subject]))
        return found

    def _seal(self, wish: Wish, keys: Mapping[str, bytes]) -> _Sealed:
        declared = type_named(wish.type)
        subject = wish.subject or wish.stream
        data: dict[str, Any] = {}
        disclosures: list[tuple[str, Disclosure]] = []
        names: list[tuple[str, str, str]] = []
        for name, value in wish.values.items():
            field_ = declared.fields.get(name)
            privacy = "public" if field_ is None else field_.privacy
            if privacy == "sealed" and wish.digests is None:
                salt = derive_salt(keys[subject], wish.request, name)
                disclosures.append((subject, seal_value(salt, name, value)))
            elif privacy == "pseudonym" and wish.digests is None:
                data[name] = pseudonym(self._names, "person", value)
                names.append((subject, data[name], value))
            elif privacy != "sealed":
                data[name] = value
        digests = wish.digests if wish.digests is not None else tuple(sorted(d.digest for _, d in disclosures))
        return _Sealed(data, digests, disclosures, names)


def _seals(wish: Wish) -> bool:
    fields = type_named(wish.type).fields
    return any(name in fields and fields[name].privacy != "public" for name in wish.values)


def _reused(request: str, stream: str, seq: int) -> Conflict:
    return Conflict(
        f"the request {request:.80} was made before with other content ({stream}, seq {seq})",
        code="request-reused",
        mend="a new act needs a new request id",
        stream=stream,
        seq=seq,
    )
