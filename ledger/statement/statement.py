"""The bytes of a statement, made and opened. The format is drawn at the top of the package."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NewType

from ledger.errors import Malformed
from ledger.keys import SIGNATURE_BYTES, SigningKey, check_signature
from ledger.statement import cbor
from ledger.statement.canonical import canonical_json, parse_canonical_json, parse_canonical_object
from ledger.statement.instants import instant_us

StatementId = NewType("StatementId", bytes)

MAX_ENTRY_BYTES: Final = 65_535
MAX_PAYLOAD_BYTES: Final = 60_000
CONTENT_TYPE: Final = "application/mingjian-statement+json"
TYP: Final = "application/mingjian-statement+cose"

_NAME: Final = r"[a-z][a-z0-9_]*"
_TYPE: Final = re.compile(rf"{_NAME}(?:\.{_NAME})+\.v[1-9][0-9]{{0,3}}", re.ASCII)
_STREAM: Final = re.compile(rf"{_NAME}(?:/[A-Za-z0-9][A-Za-z0-9._:@-]{{0,127}}){{0,4}}", re.ASCII)
_REQUEST: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}", re.ASCII)
_DIGEST: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_MAX_CAUSES: Final = 64
_REQUIRED: Final = frozenset({"type", "seq", "seen", "at", "role", "request", "data"})
_KNOWN: Final = _REQUIRED | {"prev", "unit", "window", "causes", "_sd"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a signer is asked to sign, in clear. ``stream`` and ``actor`` become ``sub`` and ``iss``."""

    actor: str
    stream: str
    type: str
    seq: int
    prev: StatementId | None
    seen_size: int
    seen_root: bytes
    at: str
    role: str
    request: str
    data: dict[str, Any]
    unit: str | None = None
    window: str | None = None
    causes: tuple[StatementId, ...] = ()
    sd: tuple[str, ...] = ()
    audience: str | None

    @property
    def kind(self) -> str:
        """The kind of stream: ``approval`` of ``approval/2024-0001``."""
        return self.stream.partition("/")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement(Draft):
    """A statement whose bytes were opened and found whole. The signature is not checked by existing."""

    entry: bytes = field(repr=False)
    id: StatementId
    kid: bytes
    at_us: int


def statement_id(entry: bytes) -> StatementId:
    """The RFC 6962 leaf hash, SHA-256(00 | entry): the statement's name everywhere."""
    return StatementId(hashlib.sha256(b"\x00" + entry).digest())


_ALG_AND_TYPE: Final = b"\x01\x27\x03" + cbor.text(CONTENT_TYPE) + b"\x04\x58\x20"
_HEADER_TO_KID: Final = b"\xa5" + _ALG_AND_TYPE
_AT_KID: Final = len(_HEADER_TO_KID)
_AT_ACTOR: Final = _AT_KID + 35  # behind the claims' head and the label of the actor
_CLAIMS_OF_3: Final = b"\x0f\xa3\x01"
_CLAIMS_OF_4: Final = b"\x0f\xa4\x01"
_TYP_TAIL: Final = b"\x10" + cbor.text(TYP)
_SIGNATURE1: Final = b"\x84" + cbor.text("Signature1")


def _protected(kid: bytes, actor: str, stream: str, audience: str | None, iat: int) -> bytes:
    claims = b"\x01" + cbor.text(actor) + b"\x02" + cbor.text(stream)
    claims = b"\xa4" + claims + b"\x03" + cbor.text(audience) if audience is not None else b"\xa3" + claims
    return _HEADER_TO_KID + kid + b"\x0f" + claims + b"\x06" + cbor.integer(iat) + _TYP_TAIL


# ------------------------------------------------------------------------------------------- sign and open


def _payload(draft: Draft) -> bytes:
    payload: dict[str, Any] = {
        "type": draft.type,
        "seq": draft.seq,
        "seen": {"size": draft.seen_size, "root": draft.seen_root.hex()},
        "at": draft.at,
        "role": draft.role,
        "request": draft.request,
        "data": draft.data,
    }
    if draft.prev is not None:
        payload["prev"] = draft.prev.hex()
    if draft.unit is not None:
        payload["unit"] = draft.unit
    if draft.window is not None:
        payload["window"] = draft.window
    if draft.causes:
        payload["causes"] = [cause.hex() for cause in draft.causes]
    if draft.sd:
        payload["_sd"] = list(draft.sd)
    return canonical_json(payload)


def draft_bytes(draft: Draft, kid: bytes) -> tuple[bytes, bytes, bytes]:
    """``(protected, payload, to_be_signed)`` of a draft: what a signer elsewhere checks and signs."""
    protected = _protected(kid, draft.actor, draft.stream, draft.audience, instant_us(draft.at) // 1_000_000)
    payload = _payload(draft)
    return protected, payload, _SIGNATURE1 + cbor.byte_string(protected) + b"\x40" + cbor.byte_string(payload)


def join_signature(protected: bytes, payload: bytes, signature: bytes) -> bytes:
    """The entry made of its parts."""
    return b"\xd2\x84" + cbor.byte_string(protected) + b"\xa0" + cbor.byte_string(payload) + b"\x58\x40" + signature


def preview_statement(draft: Draft, kid: bytes) -> Statement:
    """The draft as the statement it would be, before anybody signs: no entry, and the id zero."""
    values = {name: getattr(draft, name) for name in Draft.__dataclass_fields__}
    return Statement(**values, entry=b"", id=StatementId(bytes(32)), kid=kid, at_us=instant_us(draft.at))


def sign_statement(draft: Draft, key: SigningKey) -> bytes:
    """The entry of ``draft`` signed by ``key``; ``open_statement`` of it gives the draft back."""
    protected, payload, to_sign = draft_bytes(draft, key.thumbprint)
    entry = join_signature(protected, payload, key.sign(to_sign))
    if len(payload) > MAX_PAYLOAD_BYTES or len(entry) > MAX_ENTRY_BYTES:
        raise Malformed(
            f"the statement would be {len(entry)} bytes; the limit is {MAX_ENTRY_BYTES}",
            code="entry-size",
            mend="put long content into a blob and state its digest",
        )
    return entry


def _profile(what: str) -> Malformed:
    return Malformed(f"the {what} is not what the profile fixes", code="profile")


def _cut(entry: bytes) -> tuple[int, int, int, int]:
    """Where the protected header begins and ends, and where the payload does. The rest of the form is fixed."""
    # Almost all entries have strings of the same three length classes; any other is read step by step.
    if entry[:3] == b"\xd2\x84\x58" and 52 < len(entry) <= MAX_ENTRY_BYTES and entry[3] > 23:
        end = 4 + entry[3]
        if entry[end : end + 2] == b"\xa0\x59":
            length = int.from_bytes(entry[end + 2 : end + 4])
            stop = end + 4 + length
            if 256 <= length <= MAX_PAYLOAD_BYTES and stop + 66 == len(entry) and entry[stop : stop + 2] == b"\x58\x40":
                return 4, end, end + 4, stop
    if len(entry) > MAX_ENTRY_BYTES:
        raise Malformed(f"an entry has at most {MAX_ENTRY_BYTES} bytes", code="entry-size")
    if entry[:2] != b"\xd2\x84":
        raise _profile("COSE_Sign1 tag")
    begin, end = cbor.string_at(entry, 2, 2)
    if entry[end : end + 1] != b"\xa0":
        raise _profile("empty unprotected header")
    payload_begin, payload_end = cbor.string_at(entry, end + 1, 2)
    if payload_end - payload_begin > MAX_PAYLOAD_BYTES:
        raise Malformed(f"a payload has at most {MAX_PAYLOAD_BYTES} bytes", code="entry-size")
    signature_begin, signature_end = cbor.string_at(entry, payload_end, 2)
    if signature_end - signature_begin != SIGNATURE_BYTES:
        raise Malformed("a signature has 64 bytes", code="signature-length")
    if signature_end != len(entry):
        raise Malformed("bytes after the end of the entry", code="trailing")
    return begin, end, payload_begin, payload_end


def check_statement_signature(entry: bytes, public_key: bytes) -> bool:
    """Whether the entry's signature is good under ``public_key`` (raw, 32 bytes)."""
    _, end, _, payload_end = _cut(entry)
    # Both strings stand in the entry as they stand in what is signed: lengths have one spelling.
    signed = _SIGNATURE1 + entry[2:end] + b"\x40" + entry[end + 1 : payload_end]
    return check_signature(public_key, signed, entry[-SIGNATURE_BYTES:])


def _match(pattern: re.Pattern[str], value: Any, what: str) -> str:
    if not isinstance(value, str) or pattern.fullmatch(value) is None:
        raise Malformed(f"the {what} {value!r:.80} is not well formed", code=f"form-{what}")
    return value


def _hash(value: Any, what: str) -> bytes:
    try:
        raw = bytes.fromhex(value)
    except (TypeError, ValueError):
        raw = b""
    # Written out again because capitals and spaces are read, too.
    if len(raw) != 32 or raw.hex() != value:
        raise Malformed(f"the {what} {value!r:.80} is not well formed", code=f"form-{what}")
    return raw


_same_hash = lru_cache(maxsize=4096)(_hash)


def _hash_few(value: Any, what: str) -> bytes:
    """The same of a hash that many statements name."""
    return _same_hash(value, what) if type(value) is str and len(value) == 64 else _hash(value, what)


# A log has few signers and one audience: the bytes before and behind the stream come again and again. What stands here
# was read in order once, from these very bytes; it is forgotten when it grows.
_HEADS: Final[dict[bytes, tuple[bytes, str, bool]]] = {}
_TAILS: Final[dict[bytes, str | None]] = {}
# Names of members with type, role, unit and window: likewise few, and each often.
_WORDS: Final[dict[tuple[Any, ...], None]] = {}
_MOST_KEPT: Final = 4096
_LONGEST_KEPT: Final = 512


def _open_protected(protected: bytes) -> tuple[bytes, str, str, str | None, int]:
    """Thumbprint, actor, stream, audience and ``iat``."""
    place = _AT_ACTOR + 2 + (protected[_AT_ACTOR] & 31) if len(protected) > _AT_ACTOR else 0
    head = _HEADS.get(protected[:place])
    if head is None:
        head, place = _open_head(protected)
    kid, actor, named = head
    stream, place = cbor.text_at(protected, place)
    _match(_STREAM, stream, "stream")
    begin = len(protected) - len(_TYP_TAIL) - 5
    if protected[begin : begin + 1] == b"\x1a" and protected.endswith(_TYP_TAIL):
        tail = protected[place:begin]
        iat = int.from_bytes(protected[begin + 1 : begin + 5])
        if tail in _TAILS and iat > 0xFFFF and (len(tail) > 1) == named:
            return kid, actor, stream, _TAILS[tail], iat
    behind = place
    audience: str | None = None
    if named:
        if protected[place : place + 1] != b"\x03":
            raise _profile("claims")
        audience, place = cbor.text_at(protected, place + 1)
    if protected[place : place + 1] != b"\x06":
        raise _profile("claims")
    at_iat = place + 1
    iat, place = cbor.integer_at(protected, at_iat)
    if protected[place:] != _TYP_TAIL:
        raise _profile("protected header")
    _keep(_TAILS, protected[behind:at_iat], audience)
    return kid, actor, stream, audience, iat


def _open_head(protected: bytes) -> tuple[tuple[bytes, str, bool], int]:
    """Thumbprint, actor and whether an audience is named; and where the stream begins."""
    if not protected.startswith(_HEADER_TO_KID):
        raise _profile("protected header")
    kid = protected[_AT_KID : _AT_KID + 32]
    claims = protected[_AT_KID + 32 : _AT_ACTOR]
    if claims not in (_CLAIMS_OF_3, _CLAIMS_OF_4):
        raise Malformed("the claims are iss, sub, aud and iat", code="profile")
    actor, place = cbor.text_at(protected, _AT_ACTOR)
    _match(_CODE, actor, "actor")
    if protected[place : place + 1] != b"\x02":
        raise _profile("claims")
    head = kid, actor, claims == _CLAIMS_OF_4
    _keep(_HEADS, protected[: place + 1], head)
    return head, place + 1


def _keep(kept: dict[Any, Any], key: Any, value: Any) -> None:
    if len(kept) >= _MOST_KEPT:
        kept.clear()
    if len(key) <= _LONGEST_KEPT:
        kept[key] = value


def open_statement(entry: bytes) -> Statement:
    """The statement in ``entry``, or Malformed with the reason. The signature is not looked at."""
    begin, end, payload_begin, payload_end = _cut(entry)
    # Read up to its own end and not beyond: no string in it can reach into what follows.
    protected = _open_protected(entry[begin:end])
    raw = entry[payload_begin:payload_end]
    try:
        return _open_payload(entry, protected, raw)
    except Malformed:
        parse_canonical_json(raw)  # what no statement may hold is named as that, wherever it stands
        raise


def _open_payload(entry: bytes, protected: tuple[bytes, str, str, str | None, int], raw: bytes) -> Statement:
    kid, actor, stream, audience, iat = protected
    # Of the members only ``data`` may hold what it likes; the others are held to stricter rules here.
    payload = parse_canonical_object(raw, open_member="data")
    if type(payload) is not dict:
        raise Malformed("the payload is not an object", code="payload")
    _check_words(payload)

    seq = payload["seq"]
    if type(seq) is not int or seq < 1:
        raise _not_formed("seq", seq, 1)
    prev = payload.get("prev")
    if (prev is None) != (seq == 1):
        raise Malformed("prev stands in every statement of a stream but the first", code="prev")
    seen = payload["seen"]
    if type(seen) is not dict or len(seen) != 2 or "size" not in seen or "root" not in seen:
        raise Malformed("seen is a size and a root", code="form-seen")
    seen_size = seen["size"]
    if type(seen_size) is not int or seen_size < 0:
        raise _not_formed("size", seen_size, 0)
    at = payload["at"]
    if type(at) is not str:
        raise Malformed("at is a text", code="instant")
    at_us = instant_us(at)
    if iat != at_us // 1_000_000:
        raise Malformed("the claim iat is not the floor of the claimed time", code="iat")
    data = payload["data"]
    if type(data) is not dict:
        raise Malformed("data is an object", code="form-data")
    causes = payload.get("causes", ())
    if "causes" in payload and not (type(causes) is list and 0 < len(causes) <= _MAX_CAUSES):
        raise Malformed(f"causes are 1 to {_MAX_CAUSES} statement ids", code="form-causes")
    digests = payload.get("_sd", ())
    if "_sd" in payload and not (type(digests) is list and digests):
        raise Malformed("_sd is a list of digests", code="form-sd")
    for digest in digests:
        _match(_DIGEST, digest, "digest")
    if len(digests) > 1 and digests != sorted(set(digests)):
        raise Malformed("_sd is sorted and without repeats", code="form-sd")

    return Statement(
        actor=actor,
        stream=stream,
        type=payload["type"],
        seq=seq,
        prev=None if prev is None else StatementId(_hash(prev, "prev")),
        seen_size=seen_size,
        seen_root=_hash_few(seen["root"], "root"),
        at=at,
        role=payload["role"],
        request=_match(_REQUEST, payload["request"], "request"),
        data=data,
        unit=payload.get("unit"),
        window=payload.get("window"),
        causes=tuple([StatementId(_hash(cause, "cause")) for cause in causes]) if causes else (),
        sd=tuple(digests),
        audience=audience,
        entry=entry,
        id=statement_id(entry),
        kid=kid,
        at_us=at_us,
    )


def _check_words(payload: dict[str, Any]) -> None:
    """Which members there are, and those four of which a log has few values and has each often."""
    get = payload.get
    words = (*payload, get("type"), get("role"), get("unit"), get("window"))
    try:
        if words in _WORDS:
            return
    except TypeError:  # one of them is no text
        pass
    keys = payload.keys()
    if not _REQUIRED <= keys <= _KNOWN:
        odd = sorted((_REQUIRED - keys) | (keys - _KNOWN))
        raise Malformed(f"payload members missing or unknown: {', '.join(odd)}", code="payload")
    _match(_TYPE, payload["type"], "type")
    for name in ("role", "unit", "window"):
        if name in payload:
            _match(_CODE, payload[name], name)
    _keep(_WORDS, words, None)


def _not_formed(what: str, value: Any, least: int) -> Malformed:
    return Malformed(f"the {what} {value!r:.80} is not a count from {least}", code=f"form-{what}")
