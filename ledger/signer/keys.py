"""Key files: PKCS #8 in PEM, in the clear or under a passphrase, written once and readable by their owner only.

Under a passphrase: PBES2 (RFC 8018) with scrypt (RFC 7914 §7; N 2^14, r 8, p 5) and AES-256-CBC, so that ``openssl
pkey`` reads it too. The library writes PBKDF2 with 2,048 rounds only, which a stolen laptop's finder would get through.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import padding, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ledger.errors import Conflict, Malformed, NotFound, Unavailable
from ledger.keys import SigningKey

MAX_KEY_FILE_BYTES: Final = 16_384
_N: Final = 1 << 14
_R: Final = 8
_P: Final = 5
_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC: Final = bytes.fromhex("060960864801650304012a")
_ENCRYPTED: Final = b"ENCRYPTED PRIVATE KEY"


def make_key(path: Path, passphrase: str | None = None) -> SigningKey:
    """A new key in a new file (0600); Conflict when something is there already: no key is ever overwritten."""
    key = SigningKey.generate()
    content = key.to_pem() if passphrase is None else _encrypt(key, passphrase)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Conflict(f"{path} exists already", code="key-file", mend="choose another name") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be made: {error.strerror}", code="key-file") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return key


def read_key(path: Path, ask: Callable[[], str]) -> SigningKey:
    """The key in a file; ``ask`` gives the passphrase where one is needed."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_KEY_FILE_BYTES)
    except FileNotFoundError:
        raise NotFound(f"there is no key file {path}", code="key-file", mend="mingjian-sign key --out FILE") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}", code="key-file") from error
    if _ENCRYPTED not in content:
        return SigningKey.from_pem(content)
    try:
        private = serialization.load_pem_private_key(content, ask().encode())
    except (ValueError, TypeError) as error:
        raise Malformed(
            f"{path} does not open: another passphrase, or not a key", code="key-passphrase", mend="try again"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise Malformed("the file holds another kind of key, not Ed25519", code="key-pem")
    return SigningKey.from_seed(private.private_bytes_raw())


def _encrypt(key: SigningKey, passphrase: str) -> bytes:
    salt, vector = os.urandom(16), os.urandom(16)
    secret = hashlib.scrypt(passphrase.encode(), salt=salt, n=_N, r=_R, p=_P, maxmem=1 << 26, dklen=32)
    plain = key.private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(vector)).encryptor()
    sealed = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    derivation = _sequence(
        _SCRYPT, _sequence(_item(4, salt), _integer(_N), _integer(_R), _integer(_P), _integer(len(secret)))
    )
    scheme = _sequence(_PBES2, _sequence(derivation, _sequence(_AES_256_CBC, _item(4, vector))))
    text = b64encode(_sequence(scheme, _item(4, sealed))).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    label = _ENCRYPTED.decode()
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


def _item(tag: int, content: bytes) -> bytes:
    """One DER item; ours are all shorter than 256 bytes."""
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    return bytes([tag]) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _item(0x30, b"".join(parts))


def _integer(value: int) -> bytes:
    return _item(2, value.to_bytes(value.bit_length() // 8 + 1))
