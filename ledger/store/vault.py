"""The vault: clear values of sealed fields, and names behind pseudonyms, outside the database and its backups.

    DATA/vault.sqlite   subjects     (number, subject, key)               a random key per subject
                        disclosures  (digest, subject's number, sealed)   AES-256-GCM under the subject's key
                        names        (pseudonym, subject's number, sealed)   likewise
                        erased       (upto)                     leaves before it whose erasures were applied here

Promise: what ``add`` returned from is on disk; a value opens only while its subject's key is there; ``forget`` destroys
key, values and names of a subject and overwrites their pages. The statement that says so is the caller's matter.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.disclosure import SUBJECT_KEY_BYTES, Disclosure, b64url, b64url_bytes, open_disclosure
from ledger.errors import Evidence, Unavailable

_NONCE_BYTES: Final = 12
# Digests come in no order. So they stand in a narrow index, and the wide rows behind each other as they come: keyed by
# their digest, each of a chunk's values would dirty a page of its own.
_SCHEMA: Final = """
CREATE TABLE subjects (number INTEGER PRIMARY KEY, subject TEXT NOT NULL UNIQUE, key BLOB NOT NULL);
CREATE TABLE disclosures (digest BLOB NOT NULL UNIQUE, subject INTEGER NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX disclosures_by_subject ON disclosures (subject);
CREATE TABLE names (pseudonym TEXT NOT NULL UNIQUE, subject INTEGER NOT NULL, sealed BLOB NOT NULL);
CREATE INDEX names_by_subject ON names (subject);
PRAGMA user_version = 2;
"""
# A vault of the first layout, in which subjects had no numbers, is rewritten when it is opened.
_RENUMBER: Final = """
DROP INDEX disclosures_by_subject; DROP INDEX names_by_subject;
ALTER TABLE subjects RENAME TO old_subjects;
ALTER TABLE disclosures RENAME TO old_disclosures;
ALTER TABLE names RENAME TO old_names;
"""
_REFILL: Final = """
INSERT INTO subjects (subject, key) SELECT subject, key FROM old_subjects;
INSERT INTO disclosures SELECT digest, number, sealed FROM old_disclosures JOIN subjects USING (subject);
INSERT INTO names SELECT pseudonym, number, sealed FROM old_names JOIN subjects USING (subject);
DROP TABLE old_subjects; DROP TABLE old_disclosures; DROP TABLE old_names;
"""
_ERASED: Final = "CREATE TABLE IF NOT EXISTS erased (one INTEGER PRIMARY KEY CHECK (one = 1), upto INTEGER NOT NULL)"
_CHUNK: Final = 500


class Vault:
    """One vault file; threads share it under a lock, processes through SQLite's own."""

    def __init__(self, path: Path) -> None:
        """Open or make the file, readable by its owner alone."""
        self._lock = threading.RLock()
        try:
            if not path.exists():
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            self._db = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.execute("PRAGMA cache_size = -32000")
            self._db.execute("PRAGMA wal_autocheckpoint = 8000")
            self._lay_out()
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"the vault {path} cannot be opened: {error}", code="vault") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _lay_out(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                old = self._db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'subjects'").fetchone()
                for statement in (_RENUMBER + _SCHEMA + _REFILL if old else _SCHEMA).split(";"):
                    self._db.execute(statement)  # not executescript, which would commit first
            self._db.execute(_ERASED)
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                yield self._db
                self._db.execute("COMMIT")
            except sqlite3.Error as error:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise Unavailable(f"the vault cannot be written: {error}", code="vault") from error
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def subject_keys(
        self, subjects: Sequence[str], *, make: Callable[[str], bytes] = lambda _: os.urandom(SUBJECT_KEY_BYTES)
    ) -> dict[str, bytes]:
        """The keys of ``subjects``, made where they are missing (by ``make``, where a play must come out the same)."""
        keys = self._known_keys(subjects)
        missing = [subject for subject in dict.fromkeys(subjects) if subject not in keys]
        if missing:
            with self._transaction() as db:
                db.executemany(
                    "INSERT OR IGNORE INTO subjects (subject, key) VALUES (?, ?)",
                    [(subject, make(subject)) for subject in missing],
                )
            keys |= self._known_keys(missing)
        return keys

    def _known_keys(self, subjects: Sequence[str]) -> dict[str, bytes]:
        return dict(
            self._rows("SELECT subject, key FROM subjects WHERE subject IN ({})", list(dict.fromkeys(subjects)))
        )

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        try:
            with self._lock:
                for start in range(0, len(values), _CHUNK):
                    chunk = values[start : start + _CHUNK]
                    rows += self._db.execute(query.format(",".join("?" * len(chunk))), chunk).fetchall()
        except sqlite3.Error as error:
            raise Unavailable(f"the vault cannot be read: {error}", code="vault") from error
        return rows

    def add(
        self,
        disclosures: Iterable[tuple[str, Disclosure]] = (),
        names: Iterable[tuple[str, str, str]] = (),
        *,
        keys: dict[str, bytes],
    ) -> None:
        """Keep ``(subject, disclosure)`` and ``(subject, pseudonym, clear name)``; repeats change nothing.

        ``keys``: of :meth:`subject_keys`. Unavailable when a subject was forgotten since.
        """
        ciphers = {subject: AESGCM(key) for subject, key in keys.items()}
        values = [
            (b64url_bytes(disclosure.digest), subject, _seal(ciphers[subject], disclosure.text))
            for subject, disclosure in disclosures
        ]
        named = [(pseudonym, subject, _seal(ciphers[subject], name)) for subject, pseudonym, name in names]
        if not values and not named:
            return
        subjects = list(dict.fromkeys(subject for _, subject, _ in (*values, *named)))
        with self._transaction() as db:
            numbers = self._numbers(subjects, keys)
            db.executemany(
                "INSERT OR IGNORE INTO disclosures VALUES (?, ?, ?)",
                [(digest, numbers[subject], sealed) for digest, subject, sealed in values],
            )
            db.executemany(
                "INSERT OR IGNORE INTO names VALUES (?, ?, ?)",
                [(pseudonym, numbers[subject], sealed) for pseudonym, subject, sealed in named],
            )

    def _numbers(self, subjects: Sequence[str], keys: Mapping[str, bytes]) -> dict[str, int]:
        rows = self._rows("SELECT subject, number, key FROM subjects WHERE subject IN ({})", subjects)
        numbers = {subject: number for subject, number, key in rows if key == keys[subject]}
        if len(numbers) < len(subjects):
            raise Unavailable(
                "a subject was forgotten while a value of it was to be kept", code="vault-forgotten", mend="try again"
            )
        return numbers

    def open(self, digests: Sequence[str]) -> dict[str, Disclosure]:
        """The disclosures of those digests that are still here, by digest."""
        found: dict[str, Disclosure] = {}
        raw = {b64url_bytes(digest): digest for digest in digests}
        query = (
            "SELECT d.digest, d.sealed, s.key FROM disclosures d JOIN subjects s ON s.number = d.subject"
            " WHERE d.digest IN ({})"
        )
        for digest_bytes, sealed, key in self._rows(query, list(raw)):
            digest = raw[digest_bytes]
            disclosure = open_disclosure(_open(key, sealed, digest))
            if disclosure.digest != digest:
                raise Evidence(
                    "a value in the vault is not the one that was sealed", code="vault-changed", digest=digest
                )
            found[digest] = disclosure
        return found

    def names(self, pseudonyms: Sequence[str]) -> dict[str, str]:
        """The clear names behind those pseudonyms that are still here."""
        query = (
            "SELECT n.pseudonym, n.sealed, s.key FROM names n JOIN subjects s ON s.number = n.subject"
            " WHERE n.pseudonym IN ({})"
        )
        found: dict[str, str] = {}
        for pseudonym, sealed, key in self._rows(query, list(dict.fromkeys(pseudonyms))):
            found[pseudonym] = _open(key, sealed, pseudonym)
        return found

    def named(self, pseudonyms: Sequence[str]) -> set[str]:
        """Those of ``pseudonyms`` whose names are still here."""
        rows = self._rows("SELECT pseudonym FROM names WHERE pseudonym IN ({})", list(dict.fromkeys(pseudonyms)))
        return {pseudonym for (pseudonym,) in rows}

    def held(self, digests: Sequence[str]) -> set[str]:
        """Those of ``digests`` whose values are still here; none is opened."""
        raw = {b64url_bytes(digest): digest for digest in digests}
        return {raw[found] for (found,) in self._rows("SELECT digest FROM disclosures WHERE digest IN ({})", list(raw))}

    def digests_of(self, subject: str) -> list[str]:
        """The digests of all values kept for a subject, also of those that no statement came to state."""
        query = (
            "SELECT d.digest FROM disclosures d JOIN subjects s ON s.number = d.subject WHERE s.subject IN ({})"
            " ORDER BY d.digest"
        )
        return [b64url(found) for (found,) in self._rows(query, [subject])]

    def erased_upto(self) -> int:
        """The size of the log whose erasures were applied to this file: an older copy of it says so itself."""
        rows = self._rows("SELECT upto FROM erased WHERE one IN ({})", [1])
        return int(rows[0][0]) if rows else 0

    def erase(self, erasures: Iterable[tuple[str, Sequence[str]]], *, upto: int) -> int:
        """Destroy those values of each subject, and of ``person/…`` the name; returns how many went.

        Salts come from the subject's key, so that goes too: what else the subject has is sealed anew under another.
        All of it happens, or nothing; ``upto`` is what :meth:`erased_upto` says from then on.
        """
        gone = 0
        with self._transaction() as db:
            for subject, digests in erasures:
                numbers = {
                    number for (number,) in db.execute("SELECT number FROM subjects WHERE subject = ?", (subject,))
                }
                before = gone
                for digest in map(b64url_bytes, digests):
                    numbers |= {n for (n,) in db.execute("SELECT subject FROM disclosures WHERE digest = ?", (digest,))}
                    gone += db.execute("DELETE FROM disclosures WHERE digest = ?", (digest,)).rowcount
                if subject.startswith("person/"):
                    name = (subject.removeprefix("person/"),)
                    numbers |= {n for (n,) in db.execute("SELECT subject FROM names WHERE pseudonym = ?", name)}
                    gone += db.execute("DELETE FROM names WHERE pseudonym = ?", name).rowcount
                for number in numbers:
                    self._renew(db, number, changed=gone > before)
            db.execute("INSERT OR REPLACE INTO erased VALUES (1, ?)", (upto,))
        self._cut_back()
        return gone

    def _renew(self, db: sqlite3.Connection, number: int, *, changed: bool) -> None:
        """Another key for a subject that still has something; none for one that has nothing."""
        rest = [
            (table, rowid, sealed, key)
            for table in ("disclosures", "names")
            for rowid, sealed, key in db.execute(
                f"SELECT t.rowid, t.sealed, s.key FROM {table} t JOIN subjects s ON s.number = t.subject"
                " WHERE s.number = ?",
                (number,),
            )
        ]
        if not rest:
            db.execute("DELETE FROM subjects WHERE number = ?", (number,))
        elif changed:
            key = os.urandom(SUBJECT_KEY_BYTES)
            cipher = AESGCM(key)
            for table, rowid, sealed, former in rest:
                again = _seal(cipher, _open(former, sealed, f"{table} {rowid}"))
                db.execute(f"UPDATE {table} SET sealed = ? WHERE rowid = ?", (again, rowid))
            db.execute("UPDATE subjects SET key = ? WHERE number = ?", (key, number))

    def forget(self, subject: str) -> int:
        """Destroy everything of ``subject``; returns how many values and names went."""
        with self._transaction() as db:
            found = db.execute("SELECT number FROM subjects WHERE subject = ?", (subject,)).fetchone()
            gone = 0
            if found is not None:
                gone += db.execute("DELETE FROM disclosures WHERE subject = ?", found).rowcount
                gone += db.execute("DELETE FROM names WHERE subject = ?", found).rowcount
                db.execute("DELETE FROM subjects WHERE number = ?", found)
        self._cut_back()
        return gone

    def _cut_back(self) -> None:
        """Leave nothing of what was deleted in the write-ahead file either."""
        with self._lock:
            (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise Unavailable(
                "the values are gone, but a reader keeps the file with their remains open",
                code="vault-busy",
                mend="forget once more when it is over",
            )


def _seal(cipher: AESGCM, text: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, text.encode(), None)


def _open(key: bytes, sealed: bytes, what: str) -> str:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
    except InvalidTag:
        raise Evidence("a value in the vault was changed", code="vault-changed", digest=what) from None
