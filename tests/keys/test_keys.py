"""Ed25519 keys and signatures, at the edges where libraries disagree.

The edge cases are those of "Taming the many EdDSAs" and of C2SP's CCTV, made anew here with a few lines of curve
arithmetic. Two libraries are asked beside the code, so that each case is seen to be one: somebody takes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import cbor2
import nacl.bindings
import nacl.exceptions
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.keys import SigningKey, check_public_key, check_signature, public_from_pem, public_pem, thumbprint

# ------------------------------------------------------------------------ the curve, for making the cases

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]
IDENTITY: Point = (0, 1)


def add(a: Point, b: Point) -> Point:
    x1, y1, x2, y2 = *a, *b
    k = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def times(n: int, a: Point) -> Point:
    result = IDENTITY
    for bit in bin(n)[2:]:
        result = add(result, result)
        if bit == "1":
            result = add(result, a)
    return result


def on_curve(y: int) -> Point | None:
    """The point of even x with this y."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square:
        return None
    return (P - x if x & 1 else x), y


def encode(a: Point) -> bytes:
    return (a[1] | (a[0] & 1) << 255).to_bytes(32, "little")


def decode(raw: bytes) -> Point:
    y = int.from_bytes(raw, "little")
    point = on_curve(y & (1 << 255) - 1)
    assert point is not None
    return (P - point[0], point[1]) if y >> 255 else point


def torsion() -> list[Point]:
    """The eight points of small order: L times any point that lies outside the prime-order group."""
    for y in range(2, 50):
        point = on_curve(y)
        generator = times(L, point) if point else IDENTITY
        if times(4, generator) != IDENTITY:
            return [times(n, generator) for n in range(8)]
    raise AssertionError("no generator of the torsion group")


TORSION = torsion()
B = on_curve(4 * pow(5, -1, P) % P)
assert B is not None
assert times(L, B) == IDENTITY

SECRET, NONCE = 123456789 << 200, 987654321 << 190
A = times(SECRET % L, B)


def challenge(r: bytes, a: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + a + message).digest(), "little") % L


def library_accepts(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def nacl_accepts(public: bytes, message: bytes, signature: bytes) -> bool:
    try:
        nacl.bindings.crypto_sign_open(signature + message, public)
    except nacl.exceptions.BadSignatureError:
        return False
    return True


def cofactored(public: bytes, message: bytes, signature: bytes) -> bool:
    """8·S·B = 8·R + 8·h·A: the loosest reading of RFC 8032."""
    r, s = signature[:32], int.from_bytes(signature[32:], "little")
    right = add(decode(r), times(challenge(r, public, message), decode(public)))
    return times(8 * s, B) == times(8, right)


# ------------------------------------------------------------------------------------------- RFC 8032 §7.1

VECTORS = {
    "TEST 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    "TEST 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    "TEST 3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
}


@pytest.mark.parametrize(("seed", "public", "message", "signature"), VECTORS.values(), ids=VECTORS.keys())
def test_the_vectors_of_rfc_8032_hold(seed: str, public: str, message: str, signature: str) -> None:
    key, raw = SigningKey.from_seed(bytes.fromhex(seed)), bytes.fromhex(signature)
    assert key.public.hex() == public
    assert key.sign(bytes.fromhex(message)) == raw
    check_public_key(key.public)
    assert check_signature(key.public, bytes.fromhex(message), raw)
    for at in range(512):
        changed = bytearray(raw)
        changed[at // 8] ^= 1 << at % 8
        assert not check_signature(key.public, bytes.fromhex(message), bytes(changed))


def test_a_signature_has_64_bytes() -> None:
    key = SigningKey.from_seed(bytes(32))
    good = key.sign(b"m")
    for wrong in (b"", good[:63], good + b"\0", good * 2):
        assert not check_signature(key.public, b"m", wrong)


# ------------------------------------------------------------------------------------------------ the keys


def test_a_key_of_small_order_is_no_key() -> None:
    assert len({encode(point) for point in TORSION}) == 8
    for point in TORSION:
        raw = encode(point)
        # Under it the signature "S = 0, R = identity or its like" holds for many messages: that is the harm.
        forged = [m for m in range(32) if library_accepts(raw, bytes([m]), encode(IDENTITY) + bytes(32))]
        assert forged
        with pytest.raises(Malformed) as refused:
            check_public_key(raw)
        assert refused.value.mend


def test_a_key_with_a_part_of_small_order_is_no_key() -> None:
    check_public_key(encode(A))
    for point in TORSION[1:]:
        mixed = encode(add(A, point))
        # A sane-looking point on which cofactored and cofactorless verifiers part ways.
        r = encode(times(NONCE, B))
        verdicts = set()
        for m in range(16):
            s = (NONCE + challenge(r, mixed, bytes([m])) * SECRET) % L
            signature = r + s.to_bytes(32, "little")
            assert cofactored(mixed, bytes([m]), signature)
            verdicts.add(library_accepts(mixed, bytes([m]), signature))
        assert False in verdicts
        with pytest.raises(Malformed):
            check_public_key(mixed)


def non_canonical() -> Iterator[bytes]:
    """Every encoding of a y of p or more, and the two of x = 0 with the sign bit set."""
    for y in range(P, 1 << 255):
        for sign in (0, 1 << 255):
            yield (y | sign).to_bytes(32, "little")
    for y in (1, P - 1):
        yield (y | 1 << 255).to_bytes(32, "little")


def test_a_key_in_a_second_spelling_is_no_key() -> None:
    for raw in non_canonical():
        with pytest.raises(Malformed):
            check_public_key(raw)


def test_bytes_that_are_no_point_are_no_key() -> None:
    off = [y for y in range(2, 40) if on_curve(y) is None]
    assert len(off) > 10
    for y in off:
        with pytest.raises(Malformed):
            check_public_key(y.to_bytes(32, "little"))
    for wrong in (b"", bytes(31), bytes(33), b"\xff" * 32):
        with pytest.raises(Malformed):
            check_public_key(wrong)


@given(st.binary(min_size=32, max_size=32))
def test_a_key_is_admitted_only_if_it_lies_in_the_prime_order_group(raw: bytes) -> None:
    try:
        check_public_key(raw)
    except Malformed:
        return
    point = decode(raw)
    assert encode(point) == raw
    assert point != IDENTITY
    assert times(L, point) == IDENTITY


# ------------------------------------------------------------------------------------------ the signatures


def test_s_of_l_or_more_is_refused() -> None:
    key = SigningKey.from_seed(b"\1" * 32)
    good = key.sign(b"m")
    s = int.from_bytes(good[32:], "little")
    for n in range(1, 16):
        # The same equation holds for S + nL: a second signature that nobody made.
        malleated = good[:32] + (s + n * L).to_bytes(32, "little")
        assert cofactored(key.public, b"m", malleated)
        assert not check_signature(key.public, b"m", malleated)
    for edge in (L, L + 1, 2**256 - 1):
        assert not check_signature(key.public, b"m", good[:32] + edge.to_bytes(32, "little"))


def test_r_of_small_order_is_refused() -> None:
    public, taken = encode(A), 0
    for point in TORSION:
        r = encode(point)
        for m in range(4):
            s = challenge(r, public, bytes([m])) * SECRET % L
            signature = r + s.to_bytes(32, "little")
            assert cofactored(public, bytes([m]), signature)
            taken += library_accepts(public, bytes([m]), signature)
            assert not check_signature(public, bytes([m]), signature)
    assert taken, "a library takes R = identity, so the rule is ours to keep"


def test_r_in_a_second_spelling_is_refused() -> None:
    public = encode(A)
    for r in non_canonical():
        s = challenge(r, public, b"m") * SECRET % L
        assert not check_signature(public, b"m", r + s.to_bytes(32, "little"))


def test_r_with_a_part_of_small_order_is_refused() -> None:
    public = encode(A)
    for point in TORSION[1:]:
        r = encode(add(times(NONCE, B), point))
        s = (NONCE + challenge(r, public, b"m") * SECRET) % L
        signature = r + s.to_bytes(32, "little")
        assert cofactored(public, b"m", signature)
        assert not check_signature(public, b"m", signature)


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=20), st.integers(0, 511) | st.none())
def test_what_is_accepted_is_accepted_by_every_reading(seed: bytes, message: bytes, flip: int | None) -> None:
    key = SigningKey.from_seed(seed)
    signature = bytearray(key.sign(message))
    if flip is not None:
        signature[flip // 8] ^= 1 << flip % 8
    accepted = check_signature(key.public, message, bytes(signature))
    assert accepted is (flip is None)
    assert accepted is library_accepts(key.public, message, bytes(signature))
    assert accepted is nacl_accepts(key.public, message, bytes(signature))
    if accepted:
        assert cofactored(key.public, message, bytes(signature))


# ---------------------------------------------------------------------------------------- names and files


def test_the_thumbprint_is_that_of_rfc_9679() -> None:
    # The RFC's own example is a P-256 key; its thumbprint shows that canonical CBOR of the required members,
    # hashed, is the recipe. The same recipe over an Ed25519 key is ours.
    example = {
        1: 2,
        -1: 1,
        -2: bytes.fromhex("65eda5a12577c2bae829437fe338701a10aaa375e1bb5b5de108de439c08551d"),
        -3: bytes.fromhex("1e52ed75701163f7f9e40ddf9f341b3dc9ba860af7e0ca7ca7e9eecd0084d19c"),
    }
    of_example = hashlib.sha256(cbor2.dumps(example, canonical=True)).hexdigest()
    assert of_example == "496bd8afadf307e5b08c64b0421bf9dc01528a344a43bda88fadd1669da253ec"
    key = SigningKey.from_seed(bytes.fromhex(VECTORS["TEST 1"][0]))
    ours = cbor2.dumps({1: 1, -1: 6, -2: key.public}, canonical=True)
    assert key.thumbprint == thumbprint(key.public) == hashlib.sha256(ours).digest()


def test_a_key_reads_back_from_pem() -> None:
    key = SigningKey.generate()
    assert SigningKey.from_pem(key.to_pem()).public == key.public
    assert public_from_pem(public_pem(key.public)) == key.public
    assert SigningKey.generate().public != key.public


def test_a_pem_file_of_anything_else_is_refused() -> None:
    key, curve = SigningKey.generate(), ec.generate_private_key(ec.SECP256R1())
    other = curve.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    locked = key.private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    other_public = curve.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    small = b"".join(public_pem(key.public).splitlines(keepends=True))
    for wrong in (b"", b"text", other, locked, public_pem(key.public), key.to_pem()[:-40]):
        with pytest.raises(Malformed):
            SigningKey.from_pem(wrong)
    for wrong in (b"", b"text", other_public, key.to_pem(), small[:-40], public_pem(encode(TORSION[1]))):
        with pytest.raises(Malformed):
            public_from_pem(wrong)


def test_a_key_does_not_show_itself() -> None:
    key = SigningKey.from_seed(b"\5" * 32)
    assert repr(key) == f"SigningKey({key.thumbprint.hex()[:16]}…)"
