"""COSE Receipts (RFC 9942, structure 1: RFC9162_SHA256): a place in the tree, or two heads joined, in one file.

Promise: a receipt that checks was signed by the log's receipt key, over the root that its proof leads to. Inclusion
and consistency differ in the proof only. The payload is detached, so that nobody can verify the signature without
computing the root.

    D2                                 tag 18, COSE_Sign1 (RFC 9052)
      84                               array(4)
        58 nn  protected header        A4 01 27                alg: −8, EdDSA
                                          04 58 20 …           kid: RFC 9679 thumbprint of the receipt key
                                          0F A3 01 iss         CWT claims: the log's origin
                                                02 sub         the statement's stream; of two heads, the origin
                                                3A 00010000 n  −65537 (private use): the tree's size
                                          19 018B 01           vds: RFC9162_SHA256
        A1 19 018C A1                  unprotected header, vdp: one proof
           20 81 bstr(83 size index 8n hashes)      −1, inclusion: path from the leaf's sibling up
           21 81 bstr(83 old size 8n hashes)        −2, consistency
        F6                             no payload: it is the root
        58 40  signature               over ["Signature1", protected, h'', root]

The size stands in the signed part too, since RFC 9942 leaves it in the open one: the same path can lead from leaf 5
to the root of 7 leaves and to the same root taken for that of 8. Other readers pass the private claim over.

A tree of one leaf has no receipt: the format has no empty path.

A *transparent statement* is the entry with receipts in its unprotected header, ``A1 19 018A 8n bstr…``; with that
header put back to ``A0`` it is the leaf again, byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.errors import Malformed, Refused
from ledger.keys import SIGNATURE_BYTES, SigningKey, Thumbprint, check_public_key, check_signature, thumbprint
from ledger.statement import MAX_ENTRY_BYTES, cbor
from ledger.tree.merkle import MAX_PATH, check_consistency, inclusion_root, leaf_hash
from ledger.tree.tiles import HASH_BYTES, check_size

MAX_RECEIPT_BYTES = 4_096
MAX_RECEIPTS = 16
MAX_TRANSPARENT_BYTES = MAX_ENTRY_BYTES + MAX_RECEIPTS * (MAX_RECEIPT_BYTES + 3) + 8

_ALG_KID = bytes.fromhex("a4 01 27 04 58 20")
_CLAIMS = bytes.fromhex("0f a3 01")
_SIZE_CLAIM = bytes.fromhex("3a 00 01 00 00")
_VDS = bytes.fromhex("19 01 8b 01")
_VDP = bytes.fromhex("a1 19 01 8c a1")
_RECEIPTS = bytes.fromhex("a1 19 01 8a")
_INCLUSION, _CONSISTENCY = 0x20, 0x21
_SIGNATURE1 = b"\x84" + cbor.text("Signature1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """A receipt well formed and not yet checked. ``position`` is a leaf's index, or the size of the older tree."""

    kid: bytes
    origin: str
    subject: str
    is_inclusion: bool
    position: int
    size: int
    path: tuple[bytes, ...]
    signature: bytes

    def __post_init__(self) -> None:
        """Refuse what no receipt can say."""
        check_size(self.size)
        if not (0 if self.is_inclusion else 1) <= self.position < self.size:
            raise Malformed("A receipt's leaf, or older tree, lies inside its tree.")
        if not 1 <= len(self.path) <= MAX_PATH or any(len(h) != HASH_BYTES for h in self.path):
            raise Malformed(f"A receipt's path is 1 to {MAX_PATH} hashes of {HASH_BYTES} bytes.")
        if len(self.kid) != HASH_BYTES or len(self.signature) != SIGNATURE_BYTES:
            raise Malformed("A receipt's kid has 32 bytes and its signature 64.")
        if len(self.origin.encode()) + len(self.subject.encode()) > 1_600:
            raise Malformed("A receipt's origin and subject have at most 1,600 bytes together.")

    @property
    def protected(self) -> bytes:
        """The signed header."""
        claims = cbor.text(self.origin) + b"\x02" + cbor.text(self.subject) + _SIZE_CLAIM + cbor.head(0, self.size)
        return _ALG_KID + self.kid + _CLAIMS + claims + _VDS

    def to_sign(self, root: bytes) -> bytes:
        """The bytes that the signature covers."""
        return _SIGNATURE1 + cbor.byte_string(self.protected) + b"\x40" + cbor.byte_string(root)

    def to_bytes(self) -> bytes:
        """The file."""
        kind, sizes = _CONSISTENCY, (self.position, self.size)
        if self.is_inclusion:
            kind, sizes = _INCLUSION, (self.size, self.position)
        path = cbor.head(4, len(self.path)) + b"".join(map(cbor.byte_string, self.path))
        proof = b"\x83" + cbor.head(0, sizes[0]) + cbor.head(0, sizes[1]) + path
        open_part = _VDP + bytes([kind]) + b"\x81" + cbor.byte_string(proof)
        return b"\xd2\x84" + cbor.byte_string(self.protected) + open_part + b"\xf6" + cbor.byte_string(self.signature)

    @classmethod
    def parse(cls, data: bytes) -> Receipt:
        """Read :meth:`to_bytes`, and no other spelling of it."""
        if len(data) > MAX_RECEIPT_BYTES:
            raise Malformed(f"A receipt has at most {MAX_RECEIPT_BYTES} bytes; this one has {len(data)}.")
        outer = cbor.Reader(data)
        outer.expect(b"\xd2\x84", "COSE_Sign1 tag")
        inner = cbor.Reader(outer.string(2))
        outer.expect(_VDP, "header of proofs")
        kind = outer.head(1)
        outer.expect(b"\x81", "number of proofs")
        proof = cbor.Reader(outer.string(2))
        outer.expect(b"\xf6", "detached payload")
        signature = outer.string(2)

        inner.expect(_ALG_KID, "protected header")
        kid = inner.take_at(inner.at, HASH_BYTES)
        inner.at += HASH_BYTES
        inner.expect(_CLAIMS, "claims")
        origin = inner.text()
        inner.expect(b"\x02", "claims")
        subject = inner.text()
        inner.expect(_SIZE_CLAIM, "claims")
        signed_size = inner.head(0)
        inner.expect(_VDS, "protected header")

        proof.expect(b"\x83", "proof")
        first, second, count = proof.head(0), proof.head(0), proof.head(4)
        if count > MAX_PATH:
            raise Malformed(f"A receipt's path is 1 to {MAX_PATH} hashes of {HASH_BYTES} bytes.")
        path = tuple(proof.string(2) for _ in range(count))
        if any(reader.at != len(reader.raw) for reader in (outer, inner, proof)):
            raise Malformed("bytes after the end of the receipt or of a part of it", code="trailing")
        if kind > 1:
            raise Malformed("A receipt proves inclusion (−1) or consistency (−2).")
        size, position = (first, second) if kind == 0 else (second, first)
        if size != signed_size:
            raise Malformed(f"The receipt's proof is of size {size}, its signed part says {signed_size}.")
        return cls(
            kid=kid,
            origin=origin,
            subject=subject,
            is_inclusion=kind == 0,
            position=position,
            size=size,
            path=path,
            signature=signature,
        )


@dataclass(frozen=True, slots=True)
class Proven:
    """What a receipt proved: this root at this size, and in it the leaf's index or the older tree's size."""

    position: int
    size: int
    root: bytes


def sign_receipt(
    entry: bytes, *, subject: str, index: int, size: int, path: Sequence[bytes], origin: str, key: SigningKey
) -> bytes:
    """The receipt of inclusion for ``entry``, whose stream is ``subject``.

    The root signed is the one that ``path`` leads to. Whoever calls has compared it with the committed head.
    """
    return _signed(
        inclusion_root(leaf_hash(entry), index, size, path),
        key,
        _unsigned(key, origin, subject, is_inclusion=True, position=index, size=size, path=path),
    )


def check_receipt(data: bytes, entry: bytes, *, subject: str, origin: str, public_key: bytes) -> Proven:
    """Refuse unless the receipt key signed a root that holds ``entry``, of stream ``subject``, in ``origin``."""
    receipt = _opened(data, subject=subject, origin=origin, public_key=public_key, is_inclusion=True)
    root = inclusion_root(leaf_hash(entry), receipt.position, receipt.size, receipt.path)
    return _checked(receipt, root, public_key)


def sign_consistency_receipt(
    old_size: int,
    old_root: bytes,
    size: int,
    root: bytes,
    path: Sequence[bytes],
    *,
    origin: str,
    key: SigningKey,
) -> bytes:
    """The receipt that the tree of ``size`` begins with the tree of ``old_size``; the path is checked first."""
    check_consistency(old_size, old_root, size, root, path)
    return _signed(
        root, key, _unsigned(key, origin, origin, is_inclusion=False, position=old_size, size=size, path=path)
    )


def check_consistency_receipt(
    data: bytes, old_size: int, old_root: bytes, root: bytes, *, origin: str, public_key: bytes
) -> Proven:
    """Refuse unless the receipt key signed ``root``, and its tree begins with the tree of ``old_root``."""
    receipt = _opened(data, subject=origin, origin=origin, public_key=public_key, is_inclusion=False)
    if receipt.position != old_size:
        raise _not_proven(f"it is from size {receipt.position}, not from {old_size}", receipt)
    check_consistency(old_size, old_root, receipt.size, root, receipt.path)
    return _checked(receipt, root, public_key)


def attach_receipts(entry: bytes, receipts: Sequence[bytes]) -> bytes:
    """The transparent statement: the entry with 1 to 16 receipts in its unprotected header."""
    before, after = _around_header(entry, b"\xa0")
    if not 1 <= len(receipts) <= MAX_RECEIPTS or any(len(r) > MAX_RECEIPT_BYTES for r in receipts):
        raise Malformed(f"A transparent statement carries 1 to {MAX_RECEIPTS} receipts.")
    return before + _RECEIPTS + cbor.head(4, len(receipts)) + b"".join(map(cbor.byte_string, receipts)) + after


def detach_receipts(transparent: bytes) -> tuple[bytes, list[bytes]]:
    """The entry, byte for byte as it was before ``attach_receipts``, and its receipts, none of it checked."""
    if len(transparent) > MAX_TRANSPARENT_BYTES:
        raise Malformed(f"A transparent statement has at most {MAX_TRANSPARENT_BYTES} bytes.")
    before, after = _around_header(transparent, _RECEIPTS)
    reader = cbor.Reader(after)
    count = reader.head(4)
    if not 1 <= count <= MAX_RECEIPTS:
        raise Malformed(f"A transparent statement carries 1 to {MAX_RECEIPTS} receipts.")
    receipts = [reader.string(2) for _ in range(count)]
    return before + b"\xa0" + after[reader.at :], receipts


def _around_header(data: bytes, header: bytes) -> tuple[bytes, bytes]:
    reader = cbor.Reader(data)
    reader.expect(b"\xd2\x84", "COSE_Sign1 tag")
    reader.string(2)
    at = reader.at
    reader.expect(header, "unprotected header")
    return data[:at], data[reader.at :]


def _unsigned(
    key: SigningKey, origin: str, subject: str, *, is_inclusion: bool, position: int, size: int, path: Sequence[bytes]
) -> Receipt:
    return Receipt(
        kid=key.thumbprint,
        origin=origin,
        subject=subject,
        is_inclusion=is_inclusion,
        position=position,
        size=size,
        path=tuple(path),
        signature=bytes(SIGNATURE_BYTES),
    )


def _signed(root: bytes, key: SigningKey, receipt: Receipt) -> bytes:
    # The signature is the last thing in the file, and covers nothing of what stands open.
    return receipt.to_bytes()[:-SIGNATURE_BYTES] + key.sign(receipt.to_sign(root))


def _opened(data: bytes, *, subject: str, origin: str, public_key: bytes, is_inclusion: bool) -> Receipt:
    check_public_key(public_key)
    receipt = Receipt.parse(data)
    if receipt.is_inclusion is not is_inclusion:
        raise _not_proven("it proves something of the other kind", receipt)
    if Thumbprint(receipt.kid) != thumbprint(public_key):
        raise _not_proven("another key than the given one is named in it", receipt)
    if (receipt.origin, receipt.subject) != (origin, subject):
        raise _not_proven(f"it speaks of {receipt.subject!r} in {receipt.origin!r}", receipt)
    return receipt


def _checked(receipt: Receipt, root: bytes, public_key: bytes) -> Proven:
    if not check_signature(public_key, receipt.to_sign(root), receipt.signature):
        raise _not_proven("the key has not signed the root that its path leads to", receipt)
    return Proven(receipt.position, receipt.size, root)


def _not_proven(why: str, receipt: Receipt) -> Refused:
    return Refused(
        f"The receipt does not prove this: {why}.",
        code="receipt-not-proven",
        mend="Ask for the receipt again; if it fails again, keep it and the newest checkpoint.",
        size=receipt.size,
        position=receipt.position,
    )
