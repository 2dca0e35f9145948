"""Notices: other systems are told of statements as they are placed, such as a card raised.

    DATA/notices.sqlite    who is told of what, with each one's secret, place in the log and what waits; its owner's

    POST URL
    Idempotency-Key: 6e34…                     the statement's id: the same one may come again, and is the same
    Content-Digest: sha-256=:…:
    Signature-Input: mingjian=("@method" "@path" "content-digest" "idempotency-key");created=…;keyid="NAME";…
    {"id", "index", "type", "stream", "at", "recorded", "actor", "role", "unit", "window", "data"}

Promise: every statement of the types asked for that is placed after a hook was added is told to it at least once, or
stands among the dead with the reason; whoever asks may have those told again. What is sealed in a statement is not
told. Signed as RFC 9421 has it, with the secret that was shown once. What fails is tried again, ever more seldom:
notices may overtake each other, ``index`` gives their order. An answer of 2xx is a receipt; a redirect is not followed.

If this process dies between a delivery and its note of it, the notice is sent again. Cursor and queue move together.
"""

from __future__ import annotations

import http.client
import os
import secrets
import sqlite3
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

import orjson
from http_message_signatures import HTTPMessageSigner, HTTPSignatureKeyResolver, algorithms

from ledger.door.hall import Hall
from ledger.errors import Conflict, Malformed, NotFound, Refused
from ledger.facts.types import TYPES
from ledger.statement import Statement, instant_text, open_statement
from ledger.store.sequencer import now_us

TRIES: Final = 12
"""After so many a notice is dead: some three hours."""
FIRST_S: Final = 5.0
LONGEST_S: Final = 3600.0
_CHUNK: Final = 500
_AT_ONCE: Final = 50
_COVERED: Final = ("@method", "@path", "content-digest", "idempotency-key")
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS hooks (
    name   TEXT PRIMARY KEY,
    url    TEXT NOT NULL,
    events TEXT NOT NULL,         -- with a space between: card.raised, or card.*
    secret BLOB NOT NULL,
    cursor INTEGER NOT NULL       -- the next leaf to look at
) STRICT;
CREATE TABLE IF NOT EXISTS notices (
    hook   TEXT NOT NULL REFERENCES hooks ON DELETE CASCADE,
    leaf   INTEGER NOT NULL,
    tries  INTEGER NOT NULL DEFAULT 0,
    due_us INTEGER NOT NULL DEFAULT 0,
    why    TEXT,                  -- the last try failed
    dead   INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (hook, leaf)
) STRICT;
CREATE INDEX IF NOT EXISTS due ON notices (hook, dead, due_us);
"""


@dataclass(frozen=True, slots=True)
class _Hook:
    name: str
    url: str
    events: tuple[str, ...]
    secret: bytes
    cursor: int

    def wants(self, type_name: str) -> bool:
        return any(_is_of(type_name, event) for event in self.events)


class _Keys(HTTPSignatureKeyResolver):
    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def resolve_private_key(self, key_id: str) -> Any:
        return self._secret

    def resolve_public_key(self, key_id: str) -> Any:
        return self._secret


@dataclass(slots=True)
class _Message:
    method: str
    url: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """The hooks of one ledger; processes may share it, one delivers."""

    data: Path
    tries: int = TRIES
    first_s: float = FIRST_S
    timeout_s: float = 10.0
    _made: list[bool] = field(default_factory=list)

    # ------------------------------------------------------------------------------------------------ who is told

    def add(self, hall: Hall, url: str, events: Sequence[str], *, name: str | None = None) -> dict[str, Any]:
        """Tell ``url`` of what is placed from now on; the answer holds the secret, which is shown no more."""
        _check_url(url)
        for event in events:
            if not any(_is_of(known, event) for known in TYPES):
                raise Malformed(
                    f"no statement is a {event:.80}", code="hook-events", mend="such as card.raised, card.*"
                )
        if not events:
            raise Malformed("a hook is told of something", code="hook-events", mend="--events card.raised")
        secret, name = secrets.token_bytes(32), name or secrets.token_hex(4)
        row = (name, url, " ".join(dict.fromkeys(events)), secret, hall.reader.head().size)
        with self._database() as db:
            if db.execute("INSERT OR IGNORE INTO hooks VALUES (?, ?, ?, ?, ?)", row).rowcount != 1:
                raise Conflict(f"there is a hook {name:.80} already", code="hook-exists", mend="give another --name")
        return {"name": name, "url": url, "events": row[2].split(), "from": row[4], "secret": secret.hex()}

    def remove(self, name: str) -> None:
        """Tell it no more; what waits for it is gone."""
        with self._database() as db:
            if db.execute("DELETE FROM hooks WHERE name = ?", (name,)).rowcount != 1:
                raise _unknown(name)

    def shown(self) -> list[dict[str, Any]]:
        """Each hook, how far it is told, how many wait and how many are dead."""
        with self._database() as db:
            rows = db.execute(
                "SELECT name, url, events, cursor, coalesce(sum(dead = 0), 0), coalesce(sum(dead), 0)"
                " FROM hooks LEFT JOIN notices ON hook = name GROUP BY name ORDER BY name"
            ).fetchall()
        names = ("name", "url", "events", "next", "waiting", "dead")
        return [dict(zip(names, row, strict=True)) | {"events": row[2].split()} for row in rows]

    def dead(self, limit: int = 100) -> list[dict[str, Any]]:
        """What was given up, the oldest first, with the last reason."""
        with self._database() as db:
            rows = db.execute(
                "SELECT hook, leaf, tries, why FROM notices WHERE dead = 1 ORDER BY leaf, hook LIMIT ?", (limit,)
            ).fetchall()
        return [dict(zip(("name", "index", "tries", "why"), row, strict=True)) for row in rows]

    def retry(self, name: str) -> int:
        """Try the dead of a hook again, as if they were new; how many."""
        with self._database() as db:
            if db.execute("SELECT 1 FROM hooks WHERE name = ?", (name,)).fetchone() is None:
                raise _unknown(name)
            return db.execute(
                "UPDATE notices SET dead = 0, tries = 0, due_us = 0 WHERE hook = ? AND dead = 1", (name,)
            ).rowcount

    # ------------------------------------------------------------------------------------------------ telling

    def step(self, hall: Hall, *, stop: threading.Event | None = None) -> int:
        """Take in what was placed, and send what is due; how many were delivered.

        A hook that does not answer is left alone until the next step: it keeps the others waiting once.
        """
        if not (self.data / "notices.sqlite").exists():
            return 0
        self._take_in(hall)
        delivered = 0
        for hook in self._hooks():
            for leaf, tries in self._due(hook):
                if stop is not None and stop.is_set():
                    return delivered
                why = self._deliver(hall, hook, leaf)
                self._note(hook, leaf, tries + 1, why)
                if why is not None:
                    break
                delivered += 1
        return delivered

    def _take_in(self, hall: Hall) -> None:
        size = hall.reader.head().size
        while behind := [hook for hook in self._hooks() if hook.cursor < size]:
            first = min(hook.cursor for hook in behind)
            last = min(size, first + _CHUNK)
            types = {one.index: open_statement(one.entry).type for one in hall.reader.entries(first, last)}
            with self._database() as db:
                for hook in behind:
                    if hook.cursor >= last:
                        continue
                    wanted = [leaf for leaf, type_ in types.items() if leaf >= hook.cursor and hook.wants(type_)]
                    # A hook that was removed meanwhile gets none.
                    moved = db.execute(
                        "UPDATE hooks SET cursor = ? WHERE name = ? AND cursor = ?", (last, hook.name, hook.cursor)
                    ).rowcount
                    if moved:
                        rows = [(hook.name, leaf) for leaf in wanted]
                        db.executemany("INSERT OR IGNORE INTO notices (hook, leaf) VALUES (?, ?)", rows)

    def _deliver(self, hall: Hall, hook: _Hook, leaf: int) -> str | None:
        """Send one; None when it was received (or was voided since), else why not."""
        (one,) = hall.reader.entries(leaf, leaf + 1)
        act = open_statement(one.entry)
        if hall.reader.voided([act.id]):
            return None
        body = orjson.dumps(_told(act, leaf, hall.reader.recorded_us([leaf])[leaf]))
        message = _signed(hook, act, body)
        try:
            status = _post(urlsplit(hook.url), message, self.timeout_s)
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"{type(error).__name__}: {error}"[:200]
        return None if 200 <= status < 300 else f"it answered {status}"

    def _note(self, hook: _Hook, leaf: int, tries: int, why: str | None) -> None:
        with self._database() as db:
            if why is None:
                db.execute("DELETE FROM notices WHERE hook = ? AND leaf = ?", (hook.name, leaf))
                return
            pause_s = min(LONGEST_S, self.first_s * 2 ** (tries - 1))
            row = (tries, now_us() + round(pause_s * 1e6), why, tries >= self.tries, hook.name, leaf)
            db.execute("UPDATE notices SET tries = ?, due_us = ?, why = ?, dead = ? WHERE hook = ? AND leaf = ?", row)

    def _hooks(self) -> list[_Hook]:
        with self._database() as db:
            rows = db.execute("SELECT name, url, events, secret, cursor FROM hooks ORDER BY name").fetchall()
        return [_Hook(name, url, tuple(events.split()), secret, cursor) for name, url, events, secret, cursor in rows]

    def _due(self, hook: _Hook) -> list[tuple[int, int]]:
        with self._database() as db:
            return db.execute(
                "SELECT leaf, tries FROM notices WHERE hook = ? AND dead = 0 AND due_us <= ? ORDER BY leaf LIMIT ?",
                (hook.name, now_us(), _AT_ONCE),
            ).fetchall()

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        path = self.data / "notices.sqlite"
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
            if not self._made:
                db.executescript(_SCHEMA)
                self._made.append(True)
            db.execute("PRAGMA foreign_keys = ON")
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")


def _is_of(type_name: str, event: str) -> bool:
    """Whether ``card.raised.v1`` is a ``card.raised``, or a ``card.*``."""
    bare = type_name.rpartition(".v")[0]
    return bare.partition(".")[0] == event[:-2] if event.endswith(".*") else bare == event


def _told(act: Statement, leaf: int, recorded_us: int) -> dict[str, Any]:
    return {
        "id": act.id.hex(),
        "index": leaf,
        "type": act.type,
        "stream": act.stream,
        "at": act.at,
        "recorded": instant_text(recorded_us),
        "actor": act.actor,
        "role": act.role,
        "unit": act.unit,
        "window": act.window,
        "data": act.data,
    }


def _signed(hook: _Hook, act: Statement, body: bytes) -> _Message:
    headers = {"Content-Type": "application/json", "Idempotency-Key": act.id.hex()}
    message = _Message("POST", hook.url, headers, body)
    signer = HTTPMessageSigner(signature_algorithm=algorithms.HMAC_SHA256, key_resolver=_Keys(hook.secret))
    signer.sign(
        message,
        key_id=hook.name,
        created=datetime.now(UTC),
        nonce=secrets.token_hex(16),
        label="mingjian",
        covered_component_ids=_COVERED,
        body=body,
    )
    return message


def _post(url: SplitResult, message: _Message, timeout_s: float) -> int:
    connection: http.client.HTTPConnection
    if url.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(url.netloc, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(url.netloc, timeout=timeout_s)
    with closing(connection):
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        connection.request("POST", target, body=message.body, headers=message.headers)
        return connection.getresponse().status


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError as error:
        raise Malformed("that is no address", code="hook-url", mend="https://HOST/PATH") from error
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.fragment:
        raise Malformed("a hook is an address of the web", code="hook-url", mend="https://HOST/PATH, with no password")
    if parts.scheme == "http" and not _is_here(host):
        raise Refused("what is told would be open to all on its way", code="hook-url", mend="https://…")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _unknown(name: str) -> NotFound:
    return NotFound(f"there is no hook {name:.80}", code="no-hook", mend="mingjian hook list names them")
