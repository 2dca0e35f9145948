"""Keys: made, named by thumbprint, and checked so strictly that no two libraries can disagree.

Promise: a signature this module accepts is accepted by every Ed25519 implementation, and a key it
admits has one encoding and lies in the prime-order group. Libraries differ only on the edges (non-canonical
encodings, small-order points, S ≥ L; see "It's 255:19AM. Do you know what your validation criteria are?"),
so the edges are refused before the library is asked.

A key is named by its RFC 9679 thumbprint: SHA-256 over the deterministic COSE_Key

    A3            map(3)
       01 01      kty: OKP
       20 06      crv: Ed25519
       21 58 20 … x: the 32 bytes of the public key

Where private keys lie is the caller's matter; here they are only made and used.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NewType

from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign, crypto_sign_open
from nacl.exceptions import BadSignatureError

from ledger.errors import Malformed

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Who only verifies does not load the other library: that takes longer than hashing fifty thousand entries.

Thumbprint = NewType("Thumbprint", bytes)

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_FIELD_PRIME: Final = 2**255 - 19
_GROUP_ORDER: Final = (2**252 + 27742317777372353535851937790883648493).to_bytes(32, "big")
_COSE_KEY_PREFIX: Final = bytes.fromhex("a301012006215820")

# The y coordinates of the eight points of small order; a signature whose R is one of them says nothing.
_SMALL_ORDER_Y: Final = frozenset(
    {
        0,
        1,
        _FIELD_PRIME - 1,
        2707385501144840649318225287225658788936804267575313519463743609750303021,
        (1 << 255) - 19 - 2707385501144840649318225287225658788936804267575313519463743609750303021,
        55188659117513257062467267217118295137698188065244968500265048394206261417927,
        _FIELD_PRIME - 55188659117513257062467267217118295137698188065244968500265048394206261417927,
    }
)
# No canonical point, or one of small order; the top bit is the sign of x, and either may stand there.
_REFUSED_R: Final = frozenset(
    (y | sign << 255).to_bytes(32, "little")
    for y in _SMALL_ORDER_Y | set(range(_FIELD_PRIME, 1 << 255))
    for sign in (0, 1)
)


def thumbprint(public_key: bytes) -> Thumbprint:
    """The 32-byte RFC 9679 name of a raw Ed25519 public key."""
    return Thumbprint(hashlib.sha256(_COSE_KEY_PREFIX + public_key).digest())


@lru_cache(maxsize=4096)  # a log has few keys; what is refused is not kept
def check_public_key(public_key: bytes) -> None:
    """Refuse (Malformed) a key that is not one canonical point of the prime-order group."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise Malformed(f"a public key has {PUBLIC_KEY_BYTES} bytes, this one has {len(public_key)}", code="key-length")
    y = int.from_bytes(public_key, "little") & ((1 << 255) - 1)
    if y >= _FIELD_PRIME or not crypto_core_ed25519_is_valid_point(public_key):
        raise Malformed(
            "the public key is not a canonical point of the prime-order group",
            code="key-point",
            mend="make the key with an ordinary Ed25519 tool and register it again",
        )


def check_signature(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` (R | S, 64 bytes) over ``message`` is good under every reading of RFC 8032."""
    # S read backwards compares as the number that it is.
    if len(signature) != SIGNATURE_BYTES or signature[:31:-1] >= _GROUP_ORDER or signature[:32] in _REFUSED_R:
        return False
    try:
        crypto_sign_open(signature + message, public_key)
    except BadSignatureError:
        return False
    return True


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key in memory. Its ``repr`` shows the thumbprint only."""

    private: Ed25519PrivateKey
    public: bytes
    thumbprint: Thumbprint
    _pair: bytes  # seed and public key, as the library that signs wants them

    def __repr__(self) -> str:
        return f"SigningKey({self.thumbprint.hex()[:16]}…)"

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the operating system's randomness."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return cls.from_seed(Ed25519PrivateKey.generate().private_bytes_raw())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed (RFC 8032 §5.1.5)."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw()
        return cls(private, public, thumbprint(public), seed + public)

    @classmethod
    def from_pem(cls, pem: bytes) -> SigningKey:
        """The key of an unencrypted PKCS #8 PEM file."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        try:
            private = serialization.load_pem_private_key(pem, password=None)
        except (ValueError, TypeError) as error:
            raise Malformed(f"not a private key in PEM form: {error}", code="key-pem") from error
        if not isinstance(private, Ed25519PrivateKey):
            raise Malformed("the PEM file holds another kind of key, not Ed25519", code="key-pem")
        return cls.from_seed(private.private_bytes_raw())

    def to_pem(self) -> bytes:
        """PKCS #8 PEM, unencrypted: whoever writes it guards the file."""
        from cryptography.hazmat.primitives import serialization

        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature R | S over ``message``."""
        return crypto_sign(message, self._pair)[:SIGNATURE_BYTES]


def public_pem(public_key: bytes) -> bytes:
    """A raw public key as SubjectPublicKeyInfo PEM, for tools not written here."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(public_key).public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def public_from_pem(pem: bytes) -> bytes:
    """The raw, checked public key of a SubjectPublicKeyInfo PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        loaded = serialization.load_pem_public_key(pem)
    except (ValueError, TypeError) as error:
        raise Malformed(f"not a public key in PEM form: {error}", code="key-pem") from error
    if not isinstance(loaded, Ed25519PublicKey):
        raise Malformed("the PEM file holds another kind of key, not Ed25519", code="key-pem")
    raw = loaded.public_bytes_raw()
    check_public_key(raw)
    return raw
