"""Scoped API tokens: shown once, kept as digests in ``DATA/tokens.json``, readable by its owner alone.

A token is ``mj_`` + 43 characters of base64url (256 random bits) and has one scope:

``auditor``   the entries of the log
``operator``  drafts of statements, for keys kept elsewhere
``recorder``  drafts of a recorder's own statements, and what the ledger has of it
``reader``    case data and figures
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Final

import orjson

from ledger.errors import Refused
from ledger.files import write_file

SCOPES: Final = ("auditor", "operator", "reader", "recorder")


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
        if scope not in SCOPES:
            raise Refused(f"there is no scope {scope}", code="scope", mend=f"one of {', '.join(SCOPES)}")
        token = "mj_" + secrets.token_urlsafe(32)
        digests = self._read()
        digests[hashlib.sha256(token.encode()).hexdigest()] = scope
        write_file(self._path, orjson.dumps(digests), durable=True)
        self._path.chmod(0o600)
        return token

    def scope(self, token: str) -> str | None:
        """The scope of a token, or None when it is none of ours."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        for known, scope in self._read().items():
            if hmac.compare_digest(known, digest):
                return scope
        return None
