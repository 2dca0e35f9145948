"""Rights, state, sealing, signature, append: how an act becomes a statement.

``submit`` takes wishes of actors whose keys are kept here and retries by itself when somebody else was faster.
``prepare`` and ``commit`` are for keys kept elsewhere: the draft holds no lock, the signer's side signs what it has
checked, and what comes back is checked as if nothing had been prepared. All end in one append.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple

from eventsourcing.application import AggregateNotFoundError, Repository
from eventsourcing.persistence import EventStore, StoredEvent

from ledger.disclosure import Disclosure, derive_salt, open_disclosure, pseudonym, seal_value
from ledger.door.stated import Stated, StatementMapper, Stream, fold_stream
from ledger.errors import Conflict, Malformed, NotAllowed, Refused, Unavailable
from ledger.facts.registry import Registry
from ledger.facts.streams import FOLDS, check_act
from ledger.facts.types import type_named
from ledger.keys import SigningKey, Thumbprint, thumbprint
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
from ledger.store.erasures import erased_by
from ledger.store.reading import Head, LogReader
from ledger.store.recorder import (
    End,
    Look,
    Made,
    RequestTakenError,
    SeqTakenError,
    SignedEvent,
    StaleEpochError,
    StatementRecorder,
    content_digest,
    content_of,
    read_epoch,
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
class Prepared:
    """A draft: the two parts that are signed, the bytes to sign, and the disclosures behind its ``_sd``."""

    protected: bytes
    payload: bytes
    to_be_signed: bytes
    disclosures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Sealed:
    data: dict[str, Any]
    digests: tuple[str, ...]
    disclosures: list[tuple[str, Disclosure]]
    names: dict[str, str]  # by pseudonym


class _Looked(NamedTuple):
    """The registries and their epoch, the head, the outcomes by number of what was stated before, other streams."""

    epoch: int
    registry: Registry
    head: Head
    known: dict[int, Outcome]
    streams: dict[str, Stream | None]


class Door:
    """The door of one ledger; threads may share it."""

    def __init__(
        self,
        database: Database,
        *,
        vault: Vault,
        door_secret: bytes,
        names_secret: bytes,
        check_open: Callable[[], None] = lambda: None,
    ) -> None:
        """``check_open`` refuses (raises) where nothing may be stated any more; asked before each append."""
        self._check_open = check_open
        self._database = database
        self._vault = vault
        self._names = names_secret
        self._reader = LogReader(database)
        self._recorder = StatementRecorder(database, secret=door_secret)
        self._mapper = StatementMapper()
        self._repository = Repository[str](EventStore(self._mapper, self._recorder))
        self._lock = threading.RLock()
        self._known: tuple[int, Registry] | None = None

    # ------------------------------------------------------------------------------------------- registries

    def registry(self) -> tuple[int, Registry]:
        """The registries as they stand now (unsealed statements included) and their epoch."""
        with self._lock, self._database.use("writer") as connection:
            epoch = read_epoch(connection)
            if self._known is None or epoch != self._known[0]:
                self._known = epoch, read_registry(connection, epoch)
            return self._known

    def _registry_of(self, epoch: int) -> tuple[int, Registry]:
        """The registries of that epoch, or later ones."""
        known = self._known
        return self.registry() if known is None or known[0] < epoch else known

    # --------------------------------------------------------------------------------------- keys kept here

    def submit(self, wish: Wish, key: SigningKey) -> Outcome:
        """State one wish; Conflict when its request was made before with other content."""
        return self.submit_all([wish], key)[0]

    def submit_all(self, wishes: Sequence[Wish], key: SigningKey) -> list[Outcome]:
        """State all of ``wishes`` in one transaction, or nothing. Repeats are answered with their first result."""
        for _ in range(_TRIES):
            try:
                return self._submit(wishes, key)
            except (SeqTakenError, RequestTakenError, StaleEpochError):
                continue  # somebody was faster: look again
        raise Unavailable("others keep writing to the same stream", code="contention", mend="try again")

    def _submit(self, wishes: Sequence[Wish], key: SigningKey) -> list[Outcome]:
        sealed, keys = self._seal_all(wishes)
        epoch, registry, head, known, streams = self._look(wishes, sealed)
        events: list[StoredEvent] = []
        outcomes: list[Outcome] = []
        governs = False
        for number, (wish, parts) in enumerate(zip(wishes, sealed, strict=True)):
            if number in known:
                outcomes.append(known[number])
                continue
            stream = streams.get(wish.stream)
            draft = _draft(registry, wish, parts, stream, seen=(head.size, head.root), kid=key.thumbprint)
            governs = governs or type_named(wish.type).governs
            signed = self._mapper.to_stored_event(Stated(draft, key))
            assert isinstance(signed, SignedEvent)
            events.append(signed)
            outcomes.append(Outcome(StatementId(signed.id), wish.stream, draft.seq, repeated=False))
            streams[wish.stream] = self._next(registry, stream, signed)
        assert not governs or len(events) == 1, "what governs enters alone"
        if events:
            # Values first: a value without its statement harms nobody, a statement without its value would.
            self._keep(sealed, keys)
            self._check_open()
            self._recorder.insert_events(events, epoch=epoch, governs=governs)
        return outcomes

    def _next(self, registry: Registry, stream: Stream | None, signed: SignedEvent) -> Stream | None:
        name = str(signed.originator_id)
        if not _has_state(name):
            return Stream(name, signed.originator_version, StatementId(signed.id), None)
        return fold_stream(registry, stream, [Stated(open_statement(signed.state))])

    # --------------------------------------------------------------------------------------- keys kept elsewhere

    def prepare(self, wish: Wish, public_key: bytes, *, seen: int | None = None) -> Prepared:
        """A draft for a signer elsewhere; sealed values are kept at once.

        Nothing is reserved: the draft may be signed and committed, or forgotten. ``seen``: the size of the checkpoint
        that the signer has verified; the newest head without it.
        """
        sealed, keys = self._seal_all([wish])
        (parts,) = sealed
        look = self._recorder.look(
            request_key(wish.actor, wish.request), wish.stream, whole=_has_state(wish.stream), size=seen
        )
        _, registry = self._registry_of(look.epoch)
        stream = self._stream_seen(registry, wish.stream, look)
        at = (look.head.size, look.head.root) if seen is None else (seen, _root_seen(look, seen))
        draft = _draft(registry, wish, parts, stream, seen=at, kid=thumbprint(public_key))
        self._keep(sealed, keys)
        disclosures = tuple(disclosure.text for _, disclosure in parts.disclosures)
        return Prepared(*draft_bytes(draft, thumbprint(public_key)), disclosures)

    def commit(self, entry: bytes, disclosures: Sequence[str] = ()) -> Outcome:
        """Take in a statement signed elsewhere: its bytes are checked and stored as they came.

        ``disclosures``: sealed values that no draft brought here, in the form of RFC 9901. A statement whose values
        are neither here nor with it is refused: nobody could tell them from values that were made away with.
        """
        act = open_statement(entry)
        brought = [open_disclosure(text) for text in disclosures]
        request, whole = request_key(act.actor, act.request), _has_state(act.stream)
        for _ in range(_TRIES):
            look = self._recorder.look(request, act.stream, whole=whole, size=act.seen_size)
            epoch, registry = self._registry_of(look.epoch)
            record = registry.key_of(act)
            if not check_statement_signature(entry, record.public):
                raise NotAllowed("the signature does not hold", code="signature")
            # Only after the signature: nobody learns of another actor's request.
            if look.made is not None:
                return _repeated(look.made, act.request, content_digest(act))
            stream = self._stream_seen(registry, act.stream, look)
            if (act.seq, act.prev) != ((1, None) if stream is None else (stream.version + 1, stream.head)):
                raise Conflict(
                    f"{act.stream} has moved on since this was prepared",
                    code="moved",
                    mend="prepare again and look at what is new",
                    seq=0 if stream is None else stream.version,
                )
            if look.root != act.seen_root:
                raise Malformed(
                    f"no checkpoint of this log had that root at size {act.seen_size}",
                    code="seen",
                    mend="fetch the newest checkpoint, verify it, and sign again",
                )
            check_act(registry, act, None if stream is None else stream.state)
            event = self._mapper.to_stored_event(Stated(act))
            self._check_open()
            # Values first, as ever; and only of an act that is allowed.
            self._deposit(act, brought)
            try:
                self._recorder.insert_events([event], epoch=epoch, governs=type_named(act.type).governs)
            except (StaleEpochError, SeqTakenError, RequestTakenError):
                continue
            return Outcome(act.id, act.stream, act.seq, repeated=False)
        raise Unavailable("others keep writing to the same stream", code="contention", mend="try again")

    def _deposit(self, act: Statement, brought: Sequence[Disclosure]) -> None:
        """Keep what was brought, and see that every value of ``act`` is kept here, or was erased by two persons."""
        if strange := {one.digest for one in brought} - set(act.sd):
            raise Malformed(
                f"{len(strange)} of the disclosures are of no value in this statement",
                code="disclosures",
                mend="send those whose digests stand in its _sd",
            )
        if not act.sd:
            return
        if brought:
            self._vault.add([(act.stream, one) for one in brought], keys=self._vault.subject_keys([act.stream]))
        missing = set(act.sd) - self._vault.held(act.sd)
        if missing:
            with self._database.use("reader") as connection:
                missing -= erased_by(connection, missing, subjects=[act.stream]).keys()
        if missing:
            raise Refused(
                f"{len(missing)} of its sealed values were never brought here",
                code="value-missing",
                mend="send their disclosures with the statement, or have it drafted here",
                digests=sorted(missing),
            )

    # --------------------------------------------------------------------------------------------- the parts

    def stream(self, registry: Registry, name: str) -> Stream | None:
        """The aggregate of a stream as it stands, unsealed statements included; None when it is new."""
        try:
            found: Stream = self._repository.get(name, projector_func=partial(fold_stream, registry))
        except AggregateNotFoundError:
            return None
        return found

    def _stream_seen(self, registry: Registry, name: str, look: Look) -> Stream | None:
        """The same from what was looked up; of a kind without state only where it ends."""
        if not _has_state(name):
            return _ended(name, look.end)
        return fold_stream(registry, None, [self._mapper.to_domain_event(one) for one in look.told])

    def _look(self, wishes: Sequence[Wish], sealed: Sequence[_Sealed]) -> _Looked:
        """What ``wishes`` must know, in as few round trips as there can be."""
        requests = [request_key(wish.actor, wish.request) for wish in wishes]
        if len(wishes) == 1:
            name = wishes[0].stream
            look = self._recorder.look(requests[0], name, whole=_has_state(name))
            epoch, registry = self._registry_of(look.epoch)
            if look.made is not None:
                return _Looked(
                    epoch, registry, look.head, _known(wishes, sealed, requests, {requests[0]: look.made}), {}
                )
            return _Looked(epoch, registry, look.head, {}, {name: self._stream_seen(registry, name, look)})
        epoch, registry = self.registry()
        head = self._reader.head()
        known = _known(wishes, sealed, requests, self._recorder.made(requests))
        names = dict.fromkeys(wish.stream for number, wish in enumerate(wishes) if number not in known)
        streams = {name: self.stream(registry, name) for name in names if _has_state(name)}
        others = [name for name in names if name not in streams]
        ends = self._recorder.ends(others)
        return _Looked(epoch, registry, head, known, streams | {name: _ended(name, ends.get(name)) for name in others})

    # ---------------------------------------------------------------------------------- sealed values and names

    def pseudonym_of(self, person: str) -> str:
        """The pseudonym of a person, for content that a proposal states; the name is kept."""
        found = pseudonym(self._names, "person", person)
        self._keep_names({found: person})
        return found

    def _seal_all(self, wishes: Sequence[Wish]) -> tuple[list[_Sealed], dict[str, bytes]]:
        """The parts of ``wishes``, and the keys of the subjects that have values in them."""
        subjects = [wish.subject or wish.stream for wish in wishes if _seals(wish)]
        keys = self._vault.subject_keys(subjects) if subjects else {}
        people: dict[str, str] = {}
        return [self._seal(wish, keys, people) for wish in wishes], keys

    def _seal(self, wish: Wish, keys: Mapping[str, bytes], people: dict[str, str]) -> _Sealed:
        fields = type_named(wish.type).fields
        subject = wish.subject or wish.stream
        data: dict[str, Any] = {}
        disclosures: list[tuple[str, Disclosure]] = []
        names: dict[str, str] = {}
        for name, value in wish.values.items():
            privacy = fields[name].privacy if name in fields else "public"
            if privacy == "sealed" and wish.digests is None:
                salt = derive_salt(keys[subject], wish.request, name)
                disclosures.append((subject, seal_value(salt, name, value)))
            elif privacy == "pseudonym" and wish.digests is None:
                if value not in people:
                    people[value] = pseudonym(self._names, "person", value)
                data[name] = people[value]
                names[people[value]] = value
            elif privacy != "sealed":
                data[name] = value
        digests = wish.digests if wish.digests is not None else tuple(sorted(d.digest for _, d in disclosures))
        return _Sealed(data, digests, disclosures, names)

    def _keep(self, sealed: Sequence[_Sealed], keys: dict[str, bytes]) -> None:
        if values := [pair for parts in sealed for pair in parts.disclosures]:
            self._vault.add(values, keys=keys)
        self._keep_names({found: name for parts in sealed for found, name in parts.names.items()})

    def _keep_names(self, names: Mapping[str, str]) -> None:
        """Each name under a subject of its own: it goes when its person is forgotten, not with a case that said it."""
        if not names:
            return
        new = {f"person/{found}": found for found in names.keys() - self._vault.named(list(names))}
        if new:
            keys = self._vault.subject_keys(list(new))
            self._vault.add(names=[(subject, found, names[found]) for subject, found in new.items()], keys=keys)


def _draft(
    registry: Registry, wish: Wish, parts: _Sealed, stream: Stream | None, *, seen: tuple[int, bytes], kid: Thumbprint
) -> Draft:
    """The draft that states the wish next in its stream, if the key ``kid`` and the rules allow it (Refused if not)."""
    draft = Draft(
        actor=wish.actor,
        stream=wish.stream,
        type=wish.type,
        seq=1 if stream is None else stream.version + 1,
        prev=None if stream is None else stream.head,
        seen_size=seen[0],
        seen_root=seen[1],
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
    preview = preview_statement(draft, kid)
    registry.key_of(preview)
    check_act(registry, preview, None if stream is None else stream.state)
    return draft


def _has_state(stream: str) -> bool:
    kind = stream.partition("/")[0]
    return kind in FOLDS and kind not in STATELESS


def _seals(wish: Wish) -> bool:
    if wish.digests is not None:
        return False
    fields = type_named(wish.type).fields
    return any(name in fields and fields[name].privacy == "sealed" for name in wish.values)


def _ended(name: str, end: End | None) -> Stream | None:
    return None if end is None else Stream(name, end.seq, StatementId(end.id), None)


def _known(
    wishes: Sequence[Wish], sealed: Sequence[_Sealed], requests: Sequence[bytes], found: Mapping[bytes, Made]
) -> dict[int, Outcome]:
    """The outcomes, by number, of those wishes that were stated before."""
    known: dict[int, Outcome] = {}
    for number, (wish, parts, request) in enumerate(zip(wishes, sealed, requests, strict=True)):
        if request in found:
            content = content_of(wish.type, wish.stream, parts.data, parts.digests)
            known[number] = _repeated(found[request], wish.request, content)
    return known


def _repeated(made: Made, request: str, content: bytes) -> Outcome:
    """What came of the request the first time; Conflict where that was another."""
    if made.content != content:
        raise _reused(request, made)
    return Outcome(StatementId(made.id), made.stream, made.seq, repeated=True)


def _root_seen(look: Look, size: int) -> bytes:
    if look.root is None:
        raise Malformed(
            f"no checkpoint of this log has size {size}",
            code="seen",
            mend="fetch the newest checkpoint, verify it, and ask again",
        )
    return look.root


def _reused(request: str, made: Made) -> Conflict:
    return Conflict(
        f"the request {request:.80} was made before with other content ({made.stream}, seq {made.seq})",
        code="request-reused",
        mend="a new act needs a new request id",
        stream=made.stream,
        seq=made.seq,
    )
