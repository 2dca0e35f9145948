"""Who may send records over HTTP: a source with its kind and its key, and the check of each signed message.

    DATA/keys/hooks/SOURCE.json     {"source", "kind", "alg": "hmac-sha256" | "ed25519", "key": hex}, readable by its
                                    owner alone; of Ed25519 the public key

A message is signed as RFC 9421 has it (HTTP Message Signatures), over at least ``@method``, ``@path`` and
``content-digest`` (RFC 9530), with ``created``, ``keyid`` = the source and a ``nonce`` of its own:

    POST /api/hooks/oa
    Content-Digest: sha-256=:…:
    Signature-Input: mingjian=("@method" "@path" "content-digest");created=…;keyid="oa";nonce="…";alg="hmac-sha256"
    Signature: mingjian=:…:

Promise: what passes was signed with the source's key within ``WINDOW_S`` and was not seen here before; the refusal says
no more to a stranger than that it does not hold. Nonces are kept on disk as digests, as long as their signatures could
hold (``DATA/hook-nonces.sqlite``): a message sent again is refused by every process, and after a start anew.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageVerifier,
    HTTPSignatureKeyResolver,
    algorithms,
)

from ledger.errors import Conflict, Malformed, NotAllowed
from ledger.exchange.adapters.contracts import contract
from ledger.exchange.importer import check_source
from ledger.files import replace_file

WINDOW_S: Final = 300
MAX_RECORDS: Final = 1000
MAX_CALLS: Final = 60
_MINUTE_S: Final = 60.0
_MAX_NONCE: Final = 200
_COVERED: Final = ("@method", "@path", "content-digest")
_ALGORITHMS: Final = {"hmac-sha256": algorithms.HMAC_SHA256, "ed25519": algorithms.ED25519}
_SECRET_BYTES: Final = 32
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS nonces (digest BLOB PRIMARY KEY, until REAL NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS nonces_until ON nonces (until);
"""


@dataclass(frozen=True, slots=True)
class Hook:
    """A source that may send: ``key`` is the shared secret, or the public key."""

    source: str
    kind: str
    alg: str
    key: bytes


class _Verifier(HTTPMessageVerifier):
    max_clock_skew = timedelta(seconds=60)


class _Keys(HTTPSignatureKeyResolver):
    """The key of the one source that the path names."""

    def __init__(self, hook: Hook) -> None:
        self._hook = hook

    def resolve_public_key(self, key_id: str) -> Any:
        if key_id != self._hook.source:
            raise NotAllowed("another source's key", code="hook")
        if self._hook.alg == "ed25519":
            return Ed25519PublicKey.from_public_bytes(self._hook.key)
        return self._hook.key

    def resolve_private_key(self, key_id: str) -> Any:
        raise NotAllowed("nothing is signed here", code="hook")


@dataclass(frozen=True, slots=True)
class _Message:
    method: str
    url: str
    headers: Mapping[str, str]


def hook_path(source: str) -> str:
    """Where a source sends."""
    return f"/api/hooks/{source}"


def make_hook(data: Path, source: str, kind: str, *, public_key: bytes | None = None) -> Hook:
    """Let a source send; a shared secret is made unless it brings a public key. Conflict when it may already."""
    check_source(source)
    if kind != "ocds":
        contract(kind)
    path = _path(data, source)
    if path.exists():
        raise Conflict(f"{source} has a hook already", code="hook-exists", mend=f"remove {path} to give it another key")
    if public_key is None:
        hook = Hook(source, kind, "hmac-sha256", secrets.token_bytes(_SECRET_BYTES))
    else:
        hook = Hook(source, kind, "ed25519", public_key)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    told = {"source": source, "kind": kind, "alg": hook.alg, "key": hook.key.hex()}
    replace_file(path, orjson.dumps(told), durable=True, private=True)
    return hook


def read_hook(data: Path, source: str) -> Hook | None:
    """The hook of a source, None when it has none."""
    try:
        check_source(source)
        told = orjson.loads(_path(data, source).read_bytes())
    except (Malformed, FileNotFoundError):
        return None
    return Hook(told["source"], told["kind"], told["alg"], bytes.fromhex(told["key"]))


def list_hooks(data: Path) -> list[Hook]:
    """The hooks of all sources, by name."""
    paths = sorted((data / "keys" / "hooks").glob("*.json"))
    return [hook for path in paths if (hook := read_hook(data, path.stem)) is not None]


def _path(data: Path, source: str) -> Path:
    return data / "keys" / "hooks" / f"{source}.json"


@dataclass(slots=True)
class Gate:
    """The check of messages: nonces that any process saw, and calls by the minute of this one."""

    data: Path
    _calls: dict[str, list[float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self, source: str, *, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Hook:
        """The source's hook, if the message is from it and new; NotAllowed otherwise."""
        hook = read_hook(self.data, source)
        if hook is None:
            raise _refused()
        message = _Message(method, f"https://mingjian.invalid{path}", headers)
        verifier = _Verifier(signature_algorithm=_ALGORITHMS[hook.alg], key_resolver=_Keys(hook))
        try:
            [found] = verifier.verify(
                message, max_age=timedelta(seconds=WINDOW_S), require_components=_COVERED, body=body
            )
        except (HTTPMessageSignaturesException, NotAllowed, ValueError) as error:
            raise _refused() from error
        nonce = found.nonce
        if not isinstance(nonce, str) or not 0 < len(nonce) <= _MAX_NONCE:
            raise _refused()
        self._remember(source, nonce)
        return hook

    def _remember(self, source: str, nonce: str) -> None:
        path, now = self.data / "hook-nonces.sqlite", time.time()
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        digest = hashlib.sha256(f"{source}\0{nonce}".encode()).digest()
        with closing(sqlite3.connect(path, timeout=10)) as database, database:
            database.executescript(_SCHEMA)
            database.execute("DELETE FROM nonces WHERE until < ?", (now,))
            # A signature made a minute ahead of us holds so much longer.
            row = (digest, now + WINDOW_S + 2 * _MINUTE_S)
            if database.execute("INSERT OR IGNORE INTO nonces VALUES (?, ?)", row).rowcount != 1:
                raise NotAllowed(
                    "this message came before", code="hook-replayed", mend="sign each message with a nonce of its own"
                )

    def wait_s(self, source: str) -> float:
        """How long the source has to wait before its next call, 0 when it need not; the call is counted."""
        now = time.monotonic()
        with self._lock:
            calls = [at for at in self._calls.get(source, ()) if at > now - _MINUTE_S]
            if len(calls) >= MAX_CALLS:
                self._calls[source] = calls
                return calls[0] + _MINUTE_S - now
            self._calls[source] = [*calls, now]
        return 0.0


def _refused() -> NotAllowed:
    return NotAllowed(
        "the message is not signed by a source that may send here",
        code="hook-signature",
        mend="sign @method, @path and content-digest (RFC 9421) with created, keyid = the source, and a new nonce",
    )
