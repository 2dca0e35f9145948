"""Asking a time authority (RFC 3161 over HTTP, §3.4) to stamp a head of the log.

Promise: what ``ask_authority`` returns is a token that holds under one of the accepted certificates, over this very
head and this very question. It states nothing: ``ledger.door.times`` does.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from ledger.errors import Refused, Unavailable
from ledger.facts.times import MAX_TOKEN_BYTES, Stamp, open_token, stamped_text
from ledger.tree.checkpoint import Checkpoint

TIMEOUT_S: Final = 15.0
_QUERY: Final = "application/timestamp-query"
_MAX_ANSWER_BYTES: Final = MAX_TOKEN_BYTES + 4_096


@dataclass(frozen=True, slots=True)
class Token:
    """An authority's token (DER) over a head, and the moment it gives."""

    authority: str
    token: bytes
    stamp: Stamp


def ask_authority(url: str, head: Checkpoint, *, accepted: Mapping[str, bytes], timeout_s: float = TIMEOUT_S) -> Token:
    """The token of the authority at ``url`` over ``head``. ``accepted``: authorities' certificates (DER), by name."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerificationError, decode_timestamp_response

    message = stamped_text(head.origin, head.size, head.root)
    asking = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256)
    request = asking.cert_request(cert_request=True).nonce(nonce=True).build()
    answer = _post(url, request.as_bytes(), timeout_s)
    try:
        response = decode_timestamp_response(answer)
        if response.status != 0:
            raise Refused(
                f"{url} does not grant a token: {', '.join(response.status_string) or response.status}",
                code="time-refused",
            )
        if response.tst_info.nonce != request.nonce:
            raise Refused(f"{url} answers another question", code="time-nonce", mend="ask again")
        token = response.time_stamp_token()
    except (VerificationError, ValueError) as error:
        raise Refused(f"{url} answers with no time stamp: {error}", code="time-answer") from error
    first: Refused | None = None
    for name, certificate in accepted.items():
        try:
            return Token(name, token, open_token(token, message, certificate))
        except Refused as error:
            first = first or error
    raise Refused(
        f"the token of {url} holds under no accepted authority" + (f": {first.message}" if first else ""),
        code="time-authority",
        mend="have two officers accept its certificate first: mingjian log time-token accept NAME --certificate FILE",
    )


def _post(url: str, body: bytes, timeout_s: float) -> bytes:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise Refused(f"{url} is not the address of a time authority", code="time-url", mend="http(s)://HOST[:PORT]/…")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        if parts.scheme == "http":
            connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout_s)
        else:
            context = ssl.create_default_context()
            connection = http.client.HTTPSConnection(parts.hostname, parts.port, timeout=timeout_s, context=context)
        try:
            connection.request("POST", path, body, {"Content-Type": _QUERY, "Connection": "close"})
            with connection.getresponse() as response:
                content = response.read(_MAX_ANSWER_BYTES + 1)
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"{url}: {error}", code="time-unreachable", mend="try again, or ask another one") from error
    if response.status != http.HTTPStatus.OK:
        raise Unavailable(f"{url} answers {response.status}", code="time-unreachable", status=response.status)
    if len(content) > _MAX_ANSWER_BYTES:
        raise Refused(f"{url} answers with more than {_MAX_ANSWER_BYTES} bytes", code="time-answer")
    return content
