"""One-time links into the pages, and the browser sessions that they open.

A code is 256 random bits, works once and for ten minutes; what it opens is a session of twelve hours, kept here and
named by a cookie that no script can read and no other site can send. Codes and sessions are kept as digests in
``DATA/sessions.sqlite`` (readable by its owner alone), so that ``mingjian link`` can make a link for a server that
runs already, and a server that starts again knows its sessions.

What a session may do: read case data, like a token of the scope ``reader``. A link made for an actor whose key the
server keeps lets the session state what that actor may, and nothing more: the door decides.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from ledger.errors import NotFound

CODE_S: Final = 600
SESSION_S: Final = 12 * 3600
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS link_codes (digest BLOB PRIMARY KEY, until REAL NOT NULL, actor TEXT) STRICT;
CREATE TABLE IF NOT EXISTS browsers (digest BLOB PRIMARY KEY, until REAL NOT NULL, actor TEXT) STRICT;
CREATE TABLE IF NOT EXISTS served (one INTEGER PRIMARY KEY CHECK (one = 1), base TEXT NOT NULL) STRICT;
"""


class Sessions:
    """The sessions of one ledger; threads and processes may share them."""

    def __init__(self, data: Path, *, clock: Callable[[], float] = time.time) -> None:
        """``data``: the ledger's folder (NotFound when there is none)."""
        if not data.is_dir():
            raise NotFound(f"there is no ledger in {data}", code="no-ledger", mend=f"mingjian init --data {data}")
        self._path = data / "sessions.sqlite"
        self._clock = clock
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(self._path, timeout=10)) as db:
            db.executescript(_SCHEMA)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """A connection in a transaction of its own; what has run out is gone before anything is asked."""
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            for table in ("link_codes", "browsers"):
                db.execute(f"DELETE FROM {table} WHERE until <= ?", (self._clock(),))  # noqa: S608 - our two names
            yield db
            db.execute("COMMIT")

    def served_at(self, base: str) -> None:
        """Remember where the server answers (``http://127.0.0.1:8080``), for links made by another process."""
        with self._open() as db:
            db.execute("INSERT OR REPLACE INTO served VALUES (1, ?)", (base,))

    def link(self, *, actor: str | None = None) -> str:
        """A link that lets one browser in, once, within ten minutes (NotFound before anything was served).

        ``actor``: as whom the browser may act.
        """
        code, base = secrets.token_urlsafe(32), self.base()
        with self._open() as db:
            db.execute("INSERT INTO link_codes VALUES (?, ?, ?)", (_digest(code), self._clock() + CODE_S, actor))
        return f"{base}/enter?code={code}"

    def base(self) -> str:
        """Where the server answers (NotFound before anything was served)."""
        with self._open() as db:
            row = db.execute("SELECT base FROM served").fetchone()
        if row is None:
            raise NotFound("no server has run on this ledger yet", code="no-server", mend="mingjian up")
        return str(row[0])

    def enter(self, code: str) -> str | None:
        """Spend a code on a new session; None when there is no such code, or no longer."""
        session = secrets.token_urlsafe(32)
        with self._open() as db:
            row = db.execute("DELETE FROM link_codes WHERE digest = ? RETURNING actor", (_digest(code),)).fetchone()
            if row is None:
                return None
            values = (_digest(session), self._clock() + SESSION_S, row[0])
            db.execute("INSERT INTO browsers VALUES (?, ?, ?)", values)
        return session

    def holds(self, session: str) -> bool:
        """Whether that session is open."""
        return self._find(session) is not None

    def actor_of(self, session: str) -> str | None:
        """As whom an open session may act; None when it may only read."""
        found = self._find(session)
        return None if found is None else found[0]

    def _find(self, session: str) -> tuple[str | None] | None:
        with closing(sqlite3.connect(self._path, timeout=10)) as db:
            query = "SELECT actor FROM browsers WHERE digest = ? AND until > ?"
            found: tuple[str | None] | None = db.execute(query, (_digest(session), self._clock())).fetchone()
            return found

    def leave(self, session: str) -> None:
        """End a session."""
        with self._open() as db:
            db.execute("DELETE FROM browsers WHERE digest = ?", (_digest(session),))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
