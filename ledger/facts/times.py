"""Outside time: RFC 3161 tokens over a head of the log, and the authorities whose tokens are accepted.

``log.time_token.v1``, in the one stream ``log/time``, says that an authority has seen the tree of ``size`` entries and
``root``. What its token stamps is the SHA-256 of that head's text, as tlog-checkpoint spells it:

    <origin>\\n<size>\\n<root in base64>\\n

An authority is a name and one certificate (DER), to which the certificates in its tokens must lead: in entry 0 as
``time_authorities: {NAME: {"certificate": HEX}}``, later in stream ``authority/NAME`` by two persons. Dropping one
stops new tokens; what it stamped before stays.

Promise: ``open_token`` answers with the moment only if the token stamps that very message, is signed by a certificate
made for time stamping and for nothing that overrides it, and the certificates hold at the token's own time. It asks
nobody whether they were revoked: whoever learns of that drops the authority. Bytes of any kind are refused in words.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from ledger.errors import Malformed, Refused
from ledger.facts.registry import LOG_STREAM, Registry, read_certificate
from ledger.statement import Statement

TIME_TYPE: Final = "log.time_token.v1"
TIME_STREAM: Final = "log/time"
AUTHORITY_KIND: Final = "authority"
MAX_TOKEN_BYTES: Final = 16_384
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Stamp:
    """When the authority says it was: not before the first, not after the second (Unix microseconds)."""

    earliest_us: int
    latest_us: int


def stamped_text(origin: str, size: int, root: bytes) -> bytes:
    """What a token stamps."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n".encode()


def open_token(token: bytes, message: bytes, certificate: bytes) -> Stamp:
    """The moment at which the authority of ``certificate`` (DER) stamped ``message``; Refused unless it did.

    ``token`` is an RFC 3161 TimeStampToken (DER). Its time is good to the second, or to the accuracy it states.
    """
    if len(token) > MAX_TOKEN_BYTES:
        raise Malformed(f"a time token has at most {MAX_TOKEN_BYTES} bytes", code="time-token")
    # Only logs with tokens need it, and it takes a while to load.
    from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

    try:
        # The library reads responses: a token becomes one again with the status "granted" before it.
        response = decode_timestamp_response(_sequence(b"\x30\x03\x02\x01\x00" + token))
        VerifierBuilder().add_root_certificate(read_certificate(certificate)).build().verify_message(response, message)
        info = response.tst_info
        moment, accuracy = info.gen_time, info.accuracy
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        at_us = (moment - _EPOCH) // _MICROSECOND
        within_us = 0
        if accuracy is not None:
            within_us = accuracy.seconds * _SECOND_US + (accuracy.millis or 0) * 1_000 + (accuracy.micros or 0)
    except (VerificationError, ValueError, TypeError, OverflowError) as error:
        raise Refused(
            f"the time token does not hold: {error}",
            code="time-token",
            mend="ask the authority for a new one, and compare the certificate with the one it publishes",
        ) from error
    return Stamp(at_us - within_us, at_us + max(within_us, _SECOND_US))


def authorities(registry: Registry) -> dict[str, bytes]:
    """The accepted authorities, by name, each with its certificate."""
    prefix = f"{AUTHORITY_KIND}/"
    return {
        stream.removeprefix(prefix): bytes.fromhex(entry.data["certificate"])
        for stream, entry in registry.entries.items()
        if stream.startswith(prefix) and not entry.closed
    }


def token_data(*, size: int, root: bytes, authority: str, token: bytes) -> dict[str, Any]:
    """The ``data`` of a ``log.time_token.v1``."""
    return {"size": size, "root": root.hex(), "authority": authority, "rfc3161": b64encode(token).decode()}


def open_token_act(act: Statement, registry: Registry) -> Stamp:
    """The moment that a ``log.time_token.v1`` proves; Refused unless its token holds under an accepted authority."""
    data = act.data
    accepted = authorities(registry).get(data["authority"])
    if accepted is None:
        raise Refused(
            f"no time authority {data['authority']} is accepted here",
            code="time-authority",
            mend="have two officers accept it first: authority.accepted.v1",
        )
    try:
        token = b64decode(data["rfc3161"], validate=True)
    except ValueError:
        token = b""
    if b64encode(token).decode() != data["rfc3161"]:
        raise Malformed("a time token stands in base64", code="time-token")
    return open_token(token, stamped_text(registry.origin, data["size"], bytes.fromhex(data["root"])), accepted)


class _Log:
    """The kind ``log``: batches and voids stand in ``log``, tokens in ``log/time``. It keeps no state."""

    def check(self, state: Any, act: Statement, registry: Registry) -> None:
        """Refuse what stands in the other's stream, and a token that does not hold."""
        if (act.stream == LOG_STREAM) == (act.type == TIME_TYPE):
            raise Refused(f"{act.type} does not stand in {act.stream}", code="log-stream")
        if act.stream == LOG_STREAM:
            return
        if act.stream != TIME_STREAM:
            raise Refused(f"time tokens stand in {TIME_STREAM}", code="log-stream")
        if not 0 < act.data["size"] <= act.seen_size:
            raise Refused(
                f"a token over size {act.data['size']} by one who has seen {act.seen_size}",
                code="time-size",
                mend="state it again with a newer head seen",
            )
        open_token_act(act, registry)

    def apply(self, state: Any, act: Statement, recorded_us: int | None, registry: Registry) -> None:
        """Nothing is kept."""


LOG: Final = _Log()


def _sequence(content: bytes) -> bytes:
    """The ASN.1 SEQUENCE of ``content`` in DER."""
    size = len(content)
    if size < 0x80:
        return bytes((0x30, size)) + content
    width = (size.bit_length() + 7) // 8
    return bytes((0x30, 0x80 | width)) + size.to_bytes(width) + content
