"""The vault: clear values of sealed fields, and names behind pseudonyms, outside the database and its backups.

    DATA/vault.sqlite   subjects     (subject, key)                       a random key per subject
                        disclosures  (digest, subject, sealed)            AES-256-GCM under the subject's key
                        names        (pseudonym, subject, sealed)         likewise

Promise: what ``add`` returned from is on disk; a value opens only while its subject's key is there; ``forget`` destroys
key, values and names of a subject and overwrites their pages. The statement that says so is the caller's matter.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.disclosure import SUBJECT_KEY_BYTES, Disclosure, b64url_bytes, open_disclosure
from ledger.errors import Evidence, Unavailable

_NONCE_BYTES: Final = 12
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS subjects (subject TEXT PRIMARY KEY, key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS disclosures (
    digest BLOB PRIMARY KEY, subject TEXT NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS disclosures_by_subject ON disclosures (subject);
CREATE TABLE IF NOT EXISTS names (
    pseudonym TEXT PRIMARY KEY, subject TEXT NOT NULL, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS names_by_subject ON names (subject);
"""
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
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise Unavailable(f"the vault {path} cannot be opened: {error}", code="vault") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

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

    def subject_keys(self, subjects: Sequence[str]) -> dict[str, bytes]:
        """The keys of ``subjects``, made where they are missing."""
        keys = self._known_keys(subjects)
        missing = [subject for subject in dict.fromkeys(subjects) if subject not in keys]
        if missing:
            with self._transaction() as db:
                db.executemany(
                    "INSERT OR IGNORE INTO subjects VALUES (?, ?)",
                    [(subject, os.urandom(SUBJECT_KEY_BYTES)) for subject in missing],
                )
            keys |= self._known_keys(missing)
        return keys

    def _known_keys(self, subjects: Sequence[str]) -> dict[str, bytes]:
        return dict(
            self._rows("SELECT subject, key FROM subjects WHERE subject IN ({})", list(dict.fromkeys(subjects)))
        )

    def _rows(self, query: str, values: Sequence[object]) -> list[tuple[str, bytes]]:
        rows: list[tuple[str, bytes]] = []
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
        """Keep ``(subject, disclosure)`` and ``(subject, pseudonym, clear name)``; repeats change nothing."""
        sealed = [
            (b64url_bytes(disclosure.digest), subject, _seal(keys[subject], disclosure.text))
            for subject, disclosure in disclosures
        ]
        named = [(pseudonym, subject, _seal(keys[subject], name)) for subject, pseudonym, name in names]
        if not sealed and not named:
            return
        with self._transaction() as db:
            db.executemany("INSERT OR IGNORE INTO disclosures VALUES (?, ?, ?)", sealed)
            db.executemany("INSERT OR IGNORE INTO names VALUES (?, ?, ?)", named)

    def open(self, digests: Sequence[str]) -> dict[str, Disclosure]:
        """The disclosures of those digests that are still here, by digest."""
        found: dict[str, Disclosure] = {}
        raw = {b64url_bytes(digest): digest for digest in digests}
        query = (
            "SELECT d.digest, d.sealed, s.key FROM disclosures d JOIN subjects s USING (subject) WHERE d.digest IN ({})"
        )
        for row in self._rows(query, list(raw)):
            digest_bytes, sealed, key = row  # type: ignore[misc]  # three columns here
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
            "SELECT n.pseudonym, n.sealed, s.key FROM names n JOIN subjects s USING (subject) WHERE n.pseudonym IN ({})"
        )
        found: dict[str, str] = {}
        for row in self._rows(query, list(dict.fromkeys(pseudonyms))):
            pseudonym, sealed, key = row  # type: ignore[misc]  # three columns here
            found[pseudonym] = _open(key, sealed, pseudonym)
        return found

    def forget(self, subject: str) -> int:
        """Destroy everything of ``subject``; returns how many values and names went."""
        with self._transaction() as db:
            gone = db.execute("DELETE FROM disclosures WHERE subject = ?", (subject,)).rowcount
            gone += db.execute("DELETE FROM names WHERE subject = ?", (subject,)).rowcount
            db.execute("DELETE FROM subjects WHERE subject = ?", (subject,))
        with self._lock:
            (busy, *_) = self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise Unavailable(
                "the values are gone, but a reader keeps the file with their remains open",
                code="vault-busy",
                mend="forget once more when it is over",
            )
        return gone


def _seal(key: bytes, text: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, text.encode(), None)


def _open(key: bytes, sealed: bytes, what: str) -> str:
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None).decode()
    except InvalidTag:
        raise Evidence("a value in the vault was changed", code="vault-changed", digest=what) from None
