"""Records of a live system through the door, each once; what cannot be taken goes to the dead letters.

Promise: every record is either stated, there already word for word, or kept whole with the reason; the same file again
adds nothing; whoever dies in between goes on by taking the same file again. Records are taken in their order, in one
transaction for many, and one that is refused stops none of the others. A record whose id is known but which reads
otherwise now is refused (``record-changed``): what is recorded stays.

What is wrong with the adapter itself (no right, a revoked key, a closed log) is no record's fault: it ends the import.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final, Protocol

from ledger.disclosure import pseudonym
from ledger.door.door import Outcome, Wish
from ledger.door.hall import Hall
from ledger.errors import Conflict, MingjianError, NotAllowed, Refused
from ledger.exchange.adapters import contracts
from ledger.exchange.adapters.reading import Raw, parse
from ledger.exchange.importer import check_source
from ledger.facts.registry import Registry
from ledger.facts.types import TYPES
from ledger.keys import SigningKey
from ledger.statement import Statement, open_statement
from ledger.store.deadletters import DeadLetter, DeadLetters, Undelivered
from ledger.store.recorder import request_key
from ledger.store.sequencer import now_us

CHUNK: Final = 500
# Refusals that say nothing of the record.
_ADAPTERS_OWN: Final = frozenset(
    {"key-unknown", "key-actor", "key-revoked", "right", "role", "no-appointment", "log-closed", "own-source"}
)

Progress = Callable[[str, int, int], None]


class Stating(Protocol):
    """Makes wishes of one source's records: of a contract's records one each, of an OCDS release several."""

    source: str
    asks: bool
    """Whether what a record says depends on what was stated before: then they are taken one at a time."""

    @property
    def actor(self) -> str:
        """Under whose name it is stated."""

    def request(self, record: Any) -> str | None:
        """What tells this record from all others of its source, if it can be read that far."""

    def wishes(self, record: Any, registry: Registry, known: Callable[[str], Statement | None]) -> list[Wish]:
        """The wishes of a record. ``known``: the statement of a request, where there is one."""


class OfContract(contracts.Stating):
    """A contract's records, one wish each."""

    asks = False

    def wishes(self, record: Any, registry: Registry, known: Callable[[str], Statement | None]) -> list[Wish]:
        """The one wish."""
        request = self.request(record)
        former = None if request is None else known(request)
        return [self.state(record, registry, former=None if former is None else former.data)]


@dataclass(slots=True)
class Taken:
    """What became of some records: counts, the last statement, and by place what each came to."""

    records: int = 0
    accepted: int = 0
    known: int = 0
    dead: Counter[str] = field(default_factory=Counter)
    last: Outcome | None = None
    results: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """``{"records", "accepted", "known", "dead", "by_reason"}``: of dead letters how many, and how many by code."""
        return {
            "records": self.records,
            "accepted": self.accepted,
            "known": self.known,
            "dead": self.dead.total(),
            "by_reason": dict(sorted(self.dead.items())),
        }


@dataclass(frozen=True, slots=True)
class _Ready:
    """A record with the wishes it makes; ``fresh``: those not stated yet."""

    raw: Raw
    record: Any
    fresh: list[Wish]


class Taking:
    """Takes the records of one source."""

    def __init__(self, hall: Hall, stating: Stating, kind: str, *, file: str | None = None, each: bool = False) -> None:
        """``kind``: as dead letters name it; ``file``: where the records come from; ``each``: keep all results."""
        check_source(stating.source)
        self._hall, self._stating, self._kind, self._file, self._each = hall, stating, kind, file, each
        self._letters = DeadLetters(hall.database, hall.vault)
        self._secret = hall.keyring.secret("names")
        self._key: SigningKey | None = None
        self._now_us = now_us()
        self._waiting = self._letters.waiting(stating.source)
        self._stated: list[bytes] = []  # requests of which a letter may wait
        self._dead: list[Undelivered] = []
        self._together = CHUNK
        self.taken = Taken()

    def take(self, records: Iterable[Raw], *, progress: Progress = lambda *_: None) -> Taken:
        """Take them all, in their order."""
        rows = iter(records)
        while chunk := list(islice(rows, 1 if self._stating.asks else CHUNK)):
            self._take(chunk)
            progress("appending", self.taken.records, 0)
        return self.taken

    def _take(self, chunk: Sequence[Raw]) -> None:
        _, registry = self._hall.door.registry()
        known: dict[str, Statement | None] = {}
        ask = self._looking(known) if self._stating.asks else lambda _: None
        parsed = [(raw, *self._wishes(raw, registry, ask)) for raw in chunk]
        known |= self._known([wish.request for _, _, found in parsed if isinstance(found, list) for wish in found])
        run: list[_Ready] = []
        pending: set[str] = set()
        for raw, record, found in parsed:
            self.taken.records += 1
            try:
                if isinstance(found, Refused):
                    raise found
                if pending.intersection(wish.request for wish in found):
                    # The same id twice: the second is held against the first.
                    self._submit(run)
                    known |= self._known([wish.request for wish in found])
                    run, pending = [], set()
                ready = _Ready(raw, record, self._fresh(record, found, registry, known))
            except Refused as error:
                # What came before it is said first: it may be why this one is refused.
                self._submit(run)
                run, pending = [], set()
                self._bury(raw, record, error)
                continue
            if ready.fresh:
                run.append(ready)
                pending.update(wish.request for wish in ready.fresh)
            else:
                self._done(ready, [])
        self._submit(run)
        self._letters.keep(self._dead, now_us=self._now_us)
        self._dead = []
        if self._stated:
            self._letters.settle(requests=self._stated)
            self._stated = []

    # ------------------------------------------------------------------------------------------ what is new of it

    def _looking(self, known: dict[str, Statement | None]) -> Callable[[str], Statement | None]:
        def look(request: str) -> Statement | None:
            if request not in known:
                known.update(self._known([request]))
            return known[request]

        return look

    def _wishes(
        self, raw: Raw, registry: Registry, ask: Callable[[str], Statement | None]
    ) -> tuple[Any, list[Wish] | Refused]:
        """What a record says, and the wishes it makes, or why it makes none."""
        record = None
        try:
            if raw.refused is not None:
                raise raw.refused
            record = parse(raw.data)
            return record, self._stating.wishes(record, registry, ask)
        except Refused as error:
            return record, error

    def _known(self, requests: Iterable[str]) -> dict[str, Statement | None]:
        """What was stated under each of these requests before, if anything."""
        found: dict[str, Statement | None] = dict.fromkeys(requests)
        keys = [request_key(self._stating.actor, request) for request in found]
        for act in map(open_statement, self._hall.reader.requested(keys)):
            found[act.request] = act
        return found

    def _fresh(
        self, record: Any, wishes: Sequence[Wish], registry: Registry, known: dict[str, Statement | None]
    ) -> list[Wish]:
        """The wishes that are new; Conflict where one reads otherwise than it is recorded."""
        if not any(known.get(wish.request) for wish in wishes):
            return list(wishes)
        look = self._looking(known)
        fresh = []
        for wish in self._stating.wishes(record, registry, look):
            act = look(wish.request)
            if act is None:
                fresh.append(wish)
            elif differs := self._differs(act, wish):
                raise Conflict(
                    f"this record is recorded otherwise: {', '.join(differs)} ({act.stream}, seq {act.seq})",
                    code="record-changed",
                    mend="what is recorded stays; a correction is a record of its own, under an id of its own",
                    differs=differs,
                    stream=act.stream,
                    seq=act.seq,
                )
        return fresh

    def _differs(self, act: Statement, wish: Wish) -> list[str]:
        """What of ``wish`` is recorded otherwise; values that were erased cannot be compared."""
        differs = [
            name
            for name, said, told in (
                ("act", act.type, wish.type),
                ("ref", act.stream, wish.stream),
                ("at", act.at, wish.at),
                ("from_unit", act.unit, wish.unit),
                ("from_window", act.window, wish.window),
            )
            if said != told
        ]
        if act.type != wish.type:
            return differs
        fields = TYPES[wish.type].fields
        opened = self._hall.vault.open(act.sd)
        sealed = {one.name: one.value for one in opened.values()}
        is_whole = len(opened) == len(act.sd)
        for name in {*act.data, *wish.values, *sealed}:
            told = wish.values.get(name)
            match fields[name].privacy:
                case "sealed":
                    said = sealed.get(name, None if is_whole else told)
                case "pseudonym":
                    said = act.data.get(name)
                    told = None if told is None else pseudonym(self._secret, "person", told)
                case _:
                    said = act.data.get(name)
            if said != told:
                differs.append("by" if name == "hand" else name)
        return sorted(differs)

    # --------------------------------------------------------------------------------------------------- the door

    def _submit(self, run: Sequence[_Ready]) -> None:
        """State the run in one transaction; where that is refused, in smaller ones, down to the record at fault.

        How many go together shrinks with each refusal and grows again: each transaction reads all of its streams.
        """
        begin = 0
        while begin < len(run):
            part = run[begin : begin + self._together]
            try:
                wishes = [wish for ready in part for wish in ready.fresh]
                self.taken.last = self._hall.door.submit_all(wishes, self._adapter_key())[-1]
            except Refused as error:
                if error.code in _ADAPTERS_OWN:
                    raise
                if len(part) > 1:
                    self._together = max(1, len(part) // 8)
                    continue
                self._one_by_one(part[0], error)
            else:
                self._together = min(CHUNK, 2 * self._together)
                for ready in part:
                    self._done(ready, ready.fresh)
            begin += len(part)

    def _one_by_one(self, ready: _Ready, error: Refused) -> None:
        """Of a record that makes several statements, those before the one that is refused."""
        if len(ready.fresh) > 1:
            for wish in ready.fresh:
                try:
                    self.taken.last = self._hall.door.submit(wish, self._adapter_key())
                except Refused as refusal:
                    error = refusal
                    break
            else:
                self._done(ready, ready.fresh)
                return
        self._bury(ready.raw, ready.record, error)

    def _adapter_key(self) -> SigningKey:
        if self._key is None:
            registry = self._hall.door.registry()[1]
            kind = self._stating.actor.split("/")[1]
            if f"{kind}_adapter" not in registry.policy.rules:
                raise NotAllowed(
                    f"the policy of this ledger has no role {kind}_adapter",
                    code="right",
                    mend="have two key officers give it the role: policy.changed.v1",
                )
            self._key = self._hall.machine_key(self._stating.actor)
        return self._key

    # ------------------------------------------------------------------------------------------------ what becomes

    def _done(self, ready: _Ready, stated: Sequence[Wish]) -> None:
        if stated:
            self.taken.accepted += 1
        else:
            self.taken.known += 1
        request = self._stating.request(ready.record)
        if stated and request is not None and self._waiting:
            self._stated.append(bytes.fromhex(request))
        self._note(ready.raw, ready.record, {"result": "accepted" if stated else "known"})

    def _bury(self, raw: Raw, record: Any, error: Refused) -> None:
        request = self._stating.request(record)
        self._waiting = True
        self.taken.dead[error.code] += 1
        self._dead.append(
            Undelivered(
                source=self._stating.source,
                kind=self._kind,
                raw=raw.data,
                request=None if request is None else bytes.fromhex(request),
                file=self._file,
                place=raw.place,
                line=raw.line,
                reason=_told(error),
            )
        )
        self._note(raw, record, {"result": "dead-lettered", **_told(error)})

    def _note(self, raw: Raw, record: Any, result: dict[str, Any]) -> None:
        if self._each:
            id_ = record.get("id") if isinstance(record, dict) else None
            self.taken.results.append({"place": raw.place, "id": id_ if isinstance(id_, str) else None, **result})


def _told(error: MingjianError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message} | ({"mend": error.mend} if error.mend else {})


def take_file(
    hall: Hall,
    path: Path,
    records: Iterator[Raw],
    *,
    kind: str,
    source: str,
    progress: Progress = lambda *_: None,
) -> Taken:
    """Take a file's records of a contract. The caller keeps a sequencer running."""
    check_source(source)
    stating = OfContract(hall.keyring.secret("names"), kind, source, now_us=now_us())
    return Taking(hall, stating, kind, file=path.name).take(records, progress=progress)


def retry(hall: Hall, letters: Sequence[DeadLetter], make: Callable[[str, str], Stating]) -> Taken:
    """Try these again, in the order in which they came; ``make``: the stating of a kind and a source."""
    place, total = DeadLetters(hall.database, hall.vault), Taken()
    in_order = sorted(letters, key=lambda one: one.number)
    for (kind, source), group in groupby(in_order, key=lambda one: (one.kind, one.source)):
        known = list(group)
        raws: list[Raw] = []
        for letter in known:
            try:
                # Its number stands for its place: that is how its result is told from the others.
                raws.append(Raw(letter.number, letter.line, place.open(letter)[0]))
            except Refused as error:
                total.records += 1
                total.dead[error.code] += 1
        taken = Taking(hall, make(kind, source), kind, file=known[0].file, each=True).take(raws)
        good = {one["place"] for one in taken.results if one["result"] != "dead-lettered"}
        place.settle(letters=[letter.letter for letter in known if letter.number in good])
        total.records += taken.records
        total.accepted += taken.accepted
        total.known += taken.known
        total.dead += taken.dead
        total.last = taken.last or total.last
    return total
