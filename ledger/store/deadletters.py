"""The dead-letter place: records of systems brought in that could not be taken, kept whole until they are.

Promise: what ``keep`` returned from is on disk, once however often the same record comes; what it says lies in the
vault alone, under a key of its own (``deadletter/…``), and goes with :meth:`Vault.forget`. The table says only who
sent it, where it stood, why and how often it was tried. Nothing derived ever reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from ledger.disclosure import Disclosure, derive_salt, seal_value
from ledger.errors import NotFound, Unavailable
from ledger.store.database import Database
from ledger.store.vault import Vault

State = Literal["waiting", "settled", "dismissed"]
_COLUMNS: Final = (
    "number, source, kind, letter, request, file, place, line, code, record, reason, state, first_us, last_us, tries"
)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One letter, without what its record says. Times in µs since 1970; ``record`` and ``reason`` are digests."""

    number: int
    source: str
    kind: str
    letter: bytes
    request: bytes | None
    file: str | None
    place: int
    line: int | None
    code: str
    record: str
    reason: str
    state: State
    first_us: int
    last_us: int
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undelivered:
    """A record that could not be taken: ``raw`` is the record whole, ``reason`` why (code, message, mend …)."""

    source: str
    kind: str
    raw: bytes
    request: bytes | None
    file: str | None
    place: int
    line: int | None
    reason: Mapping[str, Any]

    @property
    def letter(self) -> bytes:
        """What makes it the same letter when it comes again."""
        return hashlib.sha256(f"{self.source}\0{self.kind}\0".encode() + self.raw).digest()


class DeadLetters:
    """The dead letters of one ledger."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def keep(self, letters: Sequence[Undelivered], *, now_us: int) -> None:
        """Keep these; of one that is here already the reason, the time and the tries change."""
        if not letters:
            return
        keys = self._vault.subject_keys([_subject(one.letter) for one in letters])
        sealed = [_sealed(one, keys[_subject(one.letter)]) for one in letters]
        # Values first, as at the door: a row without its record would be a loss.
        self._vault.add(
            [(_subject(one.letter), each) for one, pair in zip(letters, sealed, strict=True) for each in pair],
            keys=keys,
        )
        rows = [
            (
                one.source,
                one.kind,
                one.letter,
                one.request,
                one.file,
                one.place,
                one.line,
                str(one.reason["code"]),
                record.digest,
                reason.digest,
                now_us,
                now_us,
            )
            for one, (record, reason) in zip(letters, sealed, strict=True)
        ]
        with self._database.use("writer") as connection, connection.transaction(), connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO ledger.dead_letters AS d (source, kind, letter, request, file, place, line, code,"
                " record, reason, state, first_us, last_us, tries)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'waiting', %s, %s, 1)"
                " ON CONFLICT (letter) DO UPDATE SET code = excluded.code, reason = excluded.reason,"
                " record = excluded.record, tries = d.tries + 1, last_us = greatest(d.last_us, excluded.last_us),"
                " state = CASE d.state WHEN 'dismissed' THEN 'dismissed' ELSE 'waiting' END",
                rows,
            )

    def waiting(self, source: str | None = None) -> bool:
        """Whether any letter waits, of ``source`` if given."""
        with self._database.use("reader") as connection:
            row = connection.execute(
                "SELECT EXISTS (SELECT FROM ledger.dead_letters"
                " WHERE state = 'waiting' AND (%(source)s::text IS NULL OR source = %(source)s))",
                {"source": source},
            ).fetchone()
        assert row is not None
        return bool(row[0])

    def list(
        self, *, source: str | None = None, state: State | None = "waiting", after: int = 0, limit: int = 100
    ) -> list[DeadLetter]:
        """Letters behind number ``after``, in the order in which they came."""
        with self._database.use("reader") as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM ledger.dead_letters WHERE number > %(after)s"
                " AND (%(source)s::text IS NULL OR source = %(source)s)"
                " AND (%(state)s::text IS NULL OR state = %(state)s) ORDER BY number LIMIT %(limit)s".encode(),
                {"source": source, "state": state, "after": after, "limit": limit},
            ).fetchall()
        return [DeadLetter(*row) for row in rows]

    def named(self, number: int) -> DeadLetter:
        """The letter of that number (NotFound when there is none)."""
        found = self.list(state=None, after=number - 1, limit=1)
        if not found or found[0].number != number:
            raise NotFound(f"there is no dead letter {number}", code="no-letter", mend="mingjian deadletter list")
        return found[0]

    def counts(self, source: str | None = None) -> dict[str, dict[str, int]]:
        """How many letters there are by state, and by reason."""
        counted: dict[str, dict[str, int]] = {}
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT state, code, count(*) FROM ledger.dead_letters"
                " WHERE %(source)s::text IS NULL OR source = %(source)s GROUP BY state, code ORDER BY state, code",
                {"source": source},
            ).fetchall()
        for state, code, count in rows:
            counted.setdefault(state, {})[code] = count
        return counted

    def by_source(self) -> dict[tuple[str, str], dict[str, dict[str, int]]]:
        """How many letters there are of each source and kind, by state and by reason."""
        counted: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
        with self._database.use("reader") as connection:
            rows = connection.execute(
                "SELECT source, kind, state, code, count(*) FROM ledger.dead_letters"
                " GROUP BY source, kind, state, code ORDER BY source, kind, state, code"
            ).fetchall()
        for source, kind, state, code, count in rows:
            counted.setdefault((source, kind), {}).setdefault(state, {})[code] = count
        return counted

    def open(self, letter: DeadLetter) -> tuple[bytes, dict[str, Any]]:
        """The record whole, and the reason in words; NotFound when they were forgotten."""
        found = self._vault.open([letter.record, letter.reason])
        if letter.record not in found:
            raise NotFound(
                f"what dead letter {letter.number} said is gone",
                code="letter-gone",
                mend="have its source send it again",
            )
        reason = found[letter.reason].value if letter.reason in found else {"code": letter.code}
        return _bytes(found[letter.record].value), dict(reason)

    def settle(self, *, letters: Sequence[bytes] = (), requests: Sequence[bytes] = ()) -> int:
        """These were taken after all, or a later record of the same id was; what they said is forgotten."""
        with self._database.use("writer") as connection:
            rows = connection.execute(
                "UPDATE ledger.dead_letters SET state = 'settled' WHERE state = 'waiting'"
                " AND (letter = ANY(%s) OR request = ANY(%s)) RETURNING letter",
                (list(letters), list(requests)),
            ).fetchall()
        self._forget([bytes(letter) for (letter,) in rows])
        return len(rows)

    def dismiss(self, numbers: Sequence[int], *, forget: bool = False) -> int:
        """Nobody is to try these again; they are kept, or (``forget``) what they say is destroyed. How many are new."""
        letters = [self.named(number) for number in numbers]
        with self._database.use("writer") as connection:
            cursor = connection.execute(
                "UPDATE ledger.dead_letters SET state = 'dismissed' WHERE state = 'waiting' AND number = ANY(%s)",
                (list(numbers),),
            )
        if forget:
            self._forget([letter.letter for letter in letters])
        return cursor.rowcount

    def _forget(self, letters: Sequence[bytes]) -> None:
        subjects = list(map(_subject, letters))
        if not subjects:
            return
        try:
            gone = [(subject, self._vault.digests_of(subject)) for subject in subjects]
            self._vault.erase(gone, upto=self._vault.erased_upto())
        except Unavailable as error:
            if error.code != "vault-busy":  # the values are gone, a reader holds the file open
                raise


def _sealed(one: Undelivered, key: bytes) -> tuple[Disclosure, Disclosure]:
    """The record and the reason as they lie in the vault."""
    record = seal_value(derive_salt(key, "deadletter", "record"), "record", _text(one.raw))
    return record, seal_value(derive_salt(key, "deadletter", "reason"), "reason", dict(one.reason))


def _subject(letter: bytes) -> str:
    return f"deadletter/{letter.hex()}"


def _text(raw: bytes) -> dict[str, str]:
    try:
        return {"text": raw.decode()}
    except UnicodeDecodeError:
        return {"hex": raw.hex()}


def _bytes(value: Mapping[str, str]) -> bytes:
    return value["text"].encode() if "text" in value else bytes.fromhex(value["hex"])
