"""C2SP signed-note: a text and the lines of those who signed it; with tlog-cosignature's Ed25519 line.

    <text, one or more lines>
                                                          an empty line
    — <key name> base64(4 bytes key id || signature)      one line per signature, at most 100

    key id = SHA-256(key name || 0x0A || algorithm || public key)[:4]
    vkey   = <key name>+<key id, 8 lower-case hex digits>+base64(algorithm || public key)

    0x01  Ed25519 over the text
    0x04  Ed25519 over "cosignature/v1\\ntime <t>\\n" || text; the line holds uint64 t || signature, t in Unix s

A line whose name and id are not among the given keys is kept as unknown and says nothing. A line whose name
and id are known must verify, each one, or the whole note is refused; at least one known line must be there.
Base64 has one spelling, as the specification asks; Go's reader tolerates stray bits in the last digit. Keys and
signatures at the edges of Ed25519, on which libraries disagree, are refused (``ledger.keys``).
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256

from ledger.errors import Malformed, Refused
from ledger.keys import SIGNATURE_BYTES, SigningKey, check_public_key, check_signature

MAX_NOTE_BYTES = 1_000_000
"""Room for 100 post-quantum lines and more text than any checkpoint; Go's tree reader has the same bound."""
MAX_SIGNATURES = 100
MAX_TIME = 2**63 - 1

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_VKEY = re.compile(r"([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)")
_LINE_START = "— "


class Algorithm(IntEnum):
    """Signature types of signed-note that are read here."""

    ED25519 = 0x01
    COSIGNATURE_V1 = 0x04


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A name, an algorithm and a public key: what a vkey says."""

    name: str
    public_key: bytes
    algorithm: Algorithm = Algorithm.ED25519

    def __post_init__(self) -> None:
        """Refuse what no vkey can say."""
        check_key_name(self.name)
        # A key of small order would let anybody sign: everybody's signature holds under it.
        check_public_key(self.public_key)

    @property
    def key_id(self) -> bytes:
        """Four bytes that tell keys of one name apart; short, so never a proof of anything."""
        return sha256(self.name.encode() + b"\n" + self._encoded).digest()[:4]

    def __str__(self) -> str:
        """The vkey."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(self._encoded)}"

    @property
    def _encoded(self) -> bytes:
        return bytes([self.algorithm]) + self.public_key

    @classmethod
    def parse(cls, vkey: str) -> VerifierKey:
        """Read a vkey."""
        found = _VKEY.fullmatch(vkey) if len(vkey) <= 4096 else None
        if found is None:
            raise Malformed(f"{vkey[:80]!r} is not a verifier key.", mend="Write <name>+<key id>+<base64>.")
        name, key_id, encoded = found[1], found[2], decode_base64(found[3])
        if encoded[:1] not in (b"\x01", b"\x04"):
            raise Malformed(
                f"The verifier key of {name!r} has the signature type 0x{encoded[:1].hex()}.",
                code="unknown-algorithm",
                mend="Types 0x01 (Ed25519) and 0x04 (Ed25519 cosignature) are read here.",
            )
        key = cls(name, encoded[1:], Algorithm(encoded[0]))
        if key.key_id.hex() != key_id:
            raise Malformed(f"The key id in the verifier key of {name!r} does not belong to it.")
        return key


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line as it stands, believed or not. ``signature`` is what follows the key id."""

    name: str
    key_id: bytes
    signature: bytes

    def __str__(self) -> str:
        """The line, without its newline."""
        return f"{_LINE_START}{self.name} {encode_base64(self.key_id + self.signature)}"


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature line that holds: whose it is and, for a cosignature, the Unix time in seconds it states."""

    key: VerifierKey
    line: SignatureLine
    time_s: int | None


@dataclass(frozen=True, slots=True)
class SplitNote:
    """A note taken apart; nothing in it is verified."""

    text: str
    lines: tuple[SignatureLine, ...]

    def to_bytes(self) -> bytes:
        """The note."""
        return "\n".join([self.text, *map(str, self.lines), ""]).encode()


@dataclass(frozen=True, slots=True)
class Note:
    """A text that at least one known key has signed."""

    text: str
    verified: tuple[Verified, ...]
    unknown: tuple[SignatureLine, ...]


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key under a name."""

    name: str
    private_key: SigningKey
    algorithm: Algorithm = Algorithm.ED25519

    @property
    def key(self) -> VerifierKey:
        """What others need in order to verify."""
        return VerifierKey(self.name, self.private_key.public, self.algorithm)

    def sign(self, text: str, *, time_s: int | None = None) -> SignatureLine:
        """The line for ``text``. A cosignature states ``time_s``; a plain signature has no place for it."""
        if (time_s is None) is not (self.algorithm is Algorithm.ED25519):
            raise Malformed("A cosignature states a time, and only a cosignature does.")
        if time_s is None:
            signature = self.private_key.sign(text.encode())
        else:
            _check_time(time_s)
            signature = time_s.to_bytes(8) + self.private_key.sign(_cosigned(text, time_s))
        return SignatureLine(self.name, self.key.key_id, signature)


def split_note(data: bytes) -> SplitNote:
    """Take a note apart, strictly, without believing any of it."""
    if len(data) > MAX_NOTE_BYTES:
        raise Malformed(f"A note has at most {MAX_NOTE_BYTES} bytes; this one has {len(data)}.")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise Malformed("A note is UTF-8; these bytes are not.") from None
    if _CONTROL.search(whole):
        raise Malformed("A note has no control characters but the newline.")
    head, gap, tail = whole.rpartition("\n\n")
    if not gap or not tail.endswith("\n"):
        raise Malformed("A note is text, an empty line and signature lines, each ending in a newline.")
    lines = tail[:-1].split("\n", MAX_SIGNATURES)
    if len(lines) > MAX_SIGNATURES:
        raise Malformed(f"A note has at most {MAX_SIGNATURES} signature lines.")
    return SplitNote(head + "\n", tuple(_parse_line(line) for line in lines))


def open_note(data: bytes, keys: Iterable[VerifierKey]) -> Note:
    """The text, if at least one of ``keys`` signed it and no line of theirs is bad."""
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        if known.setdefault((key.name, key.key_id), key) != key:
            raise Malformed(f"Two keys are called {key.name}+{key.key_id.hex()}.", code="ambiguous-key")
    split = split_note(data)
    verified, unknown = [], []
    for line in split.lines:
        signer = known.get((line.name, line.key_id))
        if signer is None:
            unknown.append(line)
        else:
            verified.append(Verified(signer, line, verify_line(line, split.text, signer)))
    if not verified:
        raise Refused(
            "No known key has signed this note.",
            code="note-unverified",
            mend="Compare the key names and ids with those you were given for this log.",
            signed_by=[f"{line.name}+{line.key_id.hex()}" for line in unknown],
        )
    return Note(split.text, tuple(verified), tuple(unknown))


def verify_line(line: SignatureLine, text: str, key: VerifierKey) -> int | None:
    """Refuse the line unless ``key`` made it over ``text``; return the time a cosignature states."""
    time_s, signature, message = None, line.signature, text.encode()
    if key.algorithm is Algorithm.COSIGNATURE_V1:
        time_s, signature = int.from_bytes(signature[:8]), signature[8:]
        message = _cosigned(text, time_s)
    holds = (
        (line.name, line.key_id) == (key.name, key.key_id)
        and len(line.signature) == SIGNATURE_BYTES + (0 if time_s is None else 8)
        and (time_s is None or time_s <= MAX_TIME)
        and check_signature(key.public_key, message, signature)
    )
    if not holds:
        raise Refused(
            f"The signature of {key.name} on this note does not hold.",
            code="note-bad-signature",
            mend="The text or the line was changed after signing. Fetch the note again and keep this one.",
            key=str(key),
        )
    return time_s


def sign_note(text: str, *signers: Signer) -> bytes:
    """A note of ``text`` signed by each, in order."""
    return add_lines(SplitNote(text, ()), [signer.sign(text) for signer in signers])


def add_lines(note: SplitNote, lines: Iterable[SignatureLine]) -> bytes:
    """The note with these lines after its own; a new line replaces the old ones of the same key."""
    added = list(lines)
    ids = {(line.name, line.key_id) for line in added}
    kept = [line for line in note.lines if (line.name, line.key_id) not in ids]
    grown = SplitNote(note.text, (*kept, *added))
    data = grown.to_bytes()
    if split_note(data) != grown:
        raise Malformed("A note's text ends in a newline.")
    return data


def check_key_name(name: str) -> None:
    """Refuse names that a signature line cannot hold."""
    if not name or len(name) > 1024 or "+" in name or any(c.isspace() or c < " " for c in name):
        raise Malformed(
            f"{name[:80]!r} cannot name a key.",
            mend="Use a URL without its scheme: no spaces, no plus signs, not empty.",
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise Malformed("A key name is UTF-8.") from None


def encode_base64(data: bytes) -> str:
    """Standard base64 with padding (RFC 4648 §4)."""
    return b64encode(data).decode("ascii")


def decode_base64(text: str) -> bytes:
    """Read :func:`encode_base64`; refuse every other spelling of the same bytes."""
    try:
        data = b64decode(text, validate=True)
    except ValueError:
        data = b""
    if encode_base64(data) != text:
        raise Malformed(f"{text[:80]!r} is not base64 in its one canonical spelling.")
    return data


def _parse_line(line: str) -> SignatureLine:
    name, space, encoded = line.removeprefix(_LINE_START).partition(" ")
    if not line.startswith(_LINE_START) or not space:
        raise Malformed("A signature line is an em dash, a space, a key name, a space and base64.")
    check_key_name(name)
    data = decode_base64(encoded)
    if len(data) < 5:
        raise Malformed("A signature line holds a key id of four bytes and a signature.")
    return SignatureLine(name, data[:4], data[4:])


def _cosigned(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def _check_time(time_s: int) -> None:
    if not 0 <= time_s <= MAX_TIME:
        raise Malformed("A cosignature's time is Unix seconds, 0 to 2**63 - 1.")
