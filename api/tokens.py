"""Scoped API tokens: shown once, kept as digests in ``DATA/tokens.json``, readable by its owner alone.

A token is ``mj_`` + 43 characters of base64url (256 random bits) and has one scope:

``auditor``   the entries of the log
``operator``  drafts of statements, for keys kept elsewhere
``reader``    case data and figures
``recorder/NAME``  drafts of what that one recorder states, and what the ledger has of it
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import orjson

from ledger.errors import NotFound, Refused
from ledger.files import replace_file

SCOPES: Final = ("auditor", "operator", "reader")
RECORDER: Final = "recorder/"
_NAMED: Final = re.compile(r"recorder/[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


class Tokens:
    """The tokens of one ledger."""

    def __init__(self, data: Path) -> None:
        self._path = data / "tokens.json"

    def _read(self) -> dict[str, str]:
        try:
            found: dict[str, str] = orjson.loads(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def make(self, scope: str) -> str:
        """A new token of ``scope``; it is never shown again."""
        if scope not in SCOPES and not _NAMED.fullmatch(scope):
            raise Refused(
                f"there is no scope {scope:.80}", code="scope", mend=f"one of {', '.join(SCOPES)}, recorder/NAME"
            )
        if not self._path.parent.is_dir():
            data = self._path.parent
            raise NotFound(f"there is no ledger in {data}", code="no-ledger", mend=f"mingjian init --data {data}")
        token = "mj_" + secrets.token_urlsafe(32)
        with self._alone():
            digests = self._read() | {hashlib.sha256(token.encode()).hexdigest(): scope}
            # Private from its first byte: between writing and closing it to others, others would read.
            replace_file(self._path, orjson.dumps(digests), durable=True, private=True)
        return token

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While this lasts no other command makes a token: of two at once, one would be forgotten."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def scope(self, token: str) -> str | None:
        """The scope of a token, or None when it is none of ours."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        for known, scope in self._read().items():
            if hmac.compare_digest(known, digest):
                return scope
        return None
