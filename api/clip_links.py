"""Signed links to one clip for one viewer, until a time; the first browser that opens one keeps it.

    LINK = base64url(JSON) "." base64url(HMAC-SHA-256)        JSON: {"g", "v", "r", "e", "n"}

``g`` grant · ``v`` viewer · ``r`` redaction or null · ``e`` expiry (µs) · ``n`` a random part. A link is checked
without looking anything up; that it was opened, and by which browser, stands in ``DATA/clip-links.sqlite``, as digests.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final

import orjson

from ledger.door.hall import Hall
from ledger.errors import NotAllowed
from ledger.store.sequencer import now_us

_LABEL: Final = b"mingjian clip link v1"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS opened (
    link    BLOB PRIMARY KEY,     -- SHA-256 of its random part
    browser BLOB NOT NULL UNIQUE, -- SHA-256 of the browser's cookie
    body    BLOB NOT NULL,
    until   INTEGER NOT NULL      -- µs since 1970
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Link:
    """What a link lets its viewer see; ``id``: as it stands in the log."""

    grant: str
    viewer: str
    redaction: str | None
    expires_us: int
    id: str


class ClipLinks:
    """The links of one ledger; threads and processes may share it."""

    def __init__(self, hall: Hall) -> None:
        self._key = hmac.digest(hall.keyring.secret("door"), _LABEL, "sha256")
        self._path = hall.data / "clip-links.sqlite"
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(self._path, timeout=10)) as db:
            db.executescript(_SCHEMA)

    def make(self, grant: str, viewer: str, redaction: str | None, expires_us: int) -> tuple[str, Link]:
        """A new link, and what it says."""
        body = {"g": grant, "v": viewer, "r": redaction, "e": expires_us, "n": secrets.token_hex(16)}
        raw = orjson.dumps(body)
        return f"{_b64(raw)}.{_b64(self._sign(raw))}", _link(raw)

    def check(self, text: str) -> Link:
        """What a link says that could be opened; nothing is. NotAllowed when it is none of ours, or has expired."""
        return self._read(text)[0]

    def open(self, text: str) -> tuple[Link, str]:
        """Open a link in a new browser: what it says, and the browser's cookie. NotAllowed when that cannot be."""
        link, raw = self._read(text)
        cookie = secrets.token_urlsafe(32)
        with self._database() as db:
            row = (bytes.fromhex(link.id), _digest(cookie), raw, link.expires_us)
            if db.execute("INSERT OR IGNORE INTO opened VALUES (?, ?, ?, ?)", row).rowcount != 1:
                raise NotAllowed(
                    "the link was opened in another browser: it is for one viewer",
                    code="clip-link",
                    mend="ask for another: mingjian grant link",
                )
        return link, cookie

    def held(self, cookie: str) -> Link | None:
        """The link that a browser opened, while it lasts."""
        with self._database() as db:
            row = db.execute("SELECT body FROM opened WHERE browser = ?", (_digest(cookie),)).fetchone()
        return None if row is None else _link(row[0])

    def _read(self, text: str) -> tuple[Link, bytes]:
        try:
            body, _, signature = text.partition(".")
            raw, signed = (base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in (body, signature))
        except ValueError:
            raw, signed = b"", b""
        if not hmac.compare_digest(self._sign(raw), signed):
            raise NotAllowed("this is no link of ours, or was changed", code="clip-link", mend="copy it whole")
        link = _link(raw)
        if link.expires_us <= now_us():
            raise NotAllowed("the link has expired", code="clip-link", mend="ask for another: mingjian grant link")
        return link, raw

    def _sign(self, raw: bytes) -> bytes:
        return hmac.digest(self._key, raw, "sha256")

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A transaction in which what has run out is gone."""
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            db.execute("DELETE FROM opened WHERE until <= ?", (now_us(),))
            yield db
            db.execute("COMMIT")


def _link(raw: bytes) -> Link:
    body = orjson.loads(raw)
    return Link(body["g"], body["v"], body["r"], body["e"], hashlib.sha256(body["n"].encode()).hexdigest())


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
