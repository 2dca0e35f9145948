"""Personal values: shown to the log only as salted digests, opened one by one to whom they concern.

The form is that of RFC 9901 (SD-JWT): a *disclosure* is

    base64url( ["<salt>", "<name>", <value>] )        salt: 128 random-looking bits or more

and its *digest*, the only thing a statement carries (in ``_sd``), is base64url(SHA-256(ASCII(disclosure))).
Without the salt a value cannot be guessed from its digest; destroying the disclosure (and the key that
its salt comes from) erases the value while every signature and proof stays good.

Salts are derived, not drawn: HMAC-SHA-256(subject key, request | name), cut to 16 bytes. So the same request
made twice gives the same digest, and "was this repeated unchanged?" needs no stored plain value. The
subject key is random and dies with the subject.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final

import orjson

from ledger.errors import Malformed

SALT_BYTES: Final = 16
SUBJECT_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Disclosure:
    """One opened value: the exact text that was hashed, and what it says."""

    text: str
    digest: str
    name: str
    value: Any


def b64url(raw: bytes) -> str:
    """Base64url without padding, as RFC 9901 writes it."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def b64url_bytes(text: str) -> bytes:
    """The bytes of canonical unpadded base64url (Malformed otherwise)."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise Malformed("not base64url without padding", code="base64url") from error
    if b64url(raw) != text:
        raise Malformed("not canonical base64url", code="base64url")
    return raw


def digest_of(text: str) -> str:
    """The digest that a statement's ``_sd`` carries for a disclosure text."""
    return b64url(hashlib.sha256(text.encode("ascii")).digest())


def derive_salt(subject_key: bytes, request: str, name: str) -> bytes:
    """The 16-byte salt of one value of one request; needs the subject's key to be known."""
    return hmac.digest(subject_key, f"salt\0{request}\0{name}".encode(), "sha256")[:SALT_BYTES]


def seal_value(salt: bytes, name: str, value: Any) -> Disclosure:
    """Make the disclosure of ``value`` (any JSON value) under ``name``."""
    text = b64url(orjson.dumps([b64url(salt), name, value], option=orjson.OPT_SORT_KEYS))
    return Disclosure(text=text, digest=digest_of(text), name=name, value=value)


def open_disclosure(text: str) -> Disclosure:
    """Parse a disclosure text strictly. Its digest says which statement it belongs to."""
    try:
        parts = orjson.loads(b64url_bytes(text))
    except orjson.JSONDecodeError as error:
        raise Malformed("the disclosure does not hold JSON", code="disclosure") from error
    if not (isinstance(parts, list) and len(parts) == 3 and all(isinstance(p, str) for p in parts[:2])):
        raise Malformed("a disclosure is [salt, name, value]", code="disclosure")
    if len(b64url_bytes(parts[0])) < SALT_BYTES:
        raise Malformed("the disclosure's salt is under 128 bits", code="disclosure-salt")
    return Disclosure(text=text, digest=digest_of(text), name=parts[1], value=parts[2])


def pseudonym(secret: bytes, kind: str, value: str) -> str:
    """A stable name for ``value`` that only the holder of ``secret`` can compute: 16 bytes as hex."""
    return hmac.digest(secret, f"{kind}\0{value}".encode(), "sha256")[:16].hex()
