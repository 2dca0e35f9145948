"""Personal values: hidden behind salted digests, opened one by one, gone with their key."""

from __future__ import annotations

import base64
import hashlib
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.disclosure import (
    SALT_BYTES,
    b64url,
    b64url_bytes,
    derive_salt,
    digest_of,
    open_disclosure,
    pseudonym,
    seal_value,
)
from ledger.errors import Malformed

KEY = b"\1" * 32
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(blacklist_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=6,
)
names = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)


def sealed(name: str, value: Any, *, key: bytes = KEY, request: str = "r1") -> Any:
    return seal_value(derive_salt(key, request, name), name, value)


def encoded(parts: Any) -> str:
    return b64url(json.dumps(parts).encode())


def test_the_example_of_rfc_9901_has_its_digest() -> None:
    # §4.2.1 and §4.2.3: the disclosure of a family name, and what its hash is.
    text = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0"
    assert json.loads(b64url_bytes(text)) == ["_26bc4LT-ac6q2KI6cBW5es", "family_name", "Möbius"]
    assert digest_of(text) == "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"


def test_the_digest_is_of_the_text_as_it_stands() -> None:
    # §4.2.1: other spellings of the same array are other disclosures, all of them allowed; none is re-encoded.
    salt = b64url(bytes(16))
    spellings = [json.dumps([salt, "n", "ö"]), json.dumps([salt, "n", "ö"], ensure_ascii=False, indent=1)]
    opened = [open_disclosure(b64url(spelling.encode())) for spelling in spellings]
    assert opened[0].value == opened[1].value == "ö"
    assert opened[0].digest != opened[1].digest
    for one in opened:
        assert one.digest == b64url(hashlib.sha256(one.text.encode()).digest())


@given(names, values)
def test_what_was_sealed_is_what_is_opened(name: str, value: Any) -> None:
    disclosure = sealed(name, value)
    assert open_disclosure(disclosure.text) == disclosure
    assert disclosure.digest == digest_of(disclosure.text)
    assert len(disclosure.digest) == 43
    salt, *rest = json.loads(b64url_bytes(disclosure.text))
    assert rest == [name, value]
    assert len(b64url_bytes(salt)) == SALT_BYTES == 16


def test_a_salt_under_128_bits_is_refused() -> None:
    for n in range(16):
        with pytest.raises(Malformed) as refused:
            open_disclosure(encoded([b64url(bytes(n)), "n", 1]))
        assert refused.value.code == "disclosure-salt"
    for n in (16, 17, 32):
        assert open_disclosure(encoded([b64url(bytes(n)), "n", 1])).value == 1


def test_a_value_cannot_be_guessed_without_the_key_that_its_salt_comes_from() -> None:
    # Ten thousand guesses of a four-digit number: every one of them is tried and none fits but with the key.
    target = sealed("door", 4321)
    for wrong in (b"\2" * 32, bytes(32)):
        guesses = {sealed("door", guess, key=wrong).digest for guess in range(10_000)}
        assert target.digest not in guesses
    assert target.digest in {sealed("door", guess).digest for guess in range(4_000, 5_000)}


def test_equal_values_do_not_show_as_equal() -> None:
    digests = {
        sealed(name, "same", key=key, request=request).digest
        for name in ("a", "b")
        for key in (KEY, b"\2" * 32)
        for request in ("r1", "r2")
    }
    assert len(digests) == 8


def test_the_same_request_made_twice_has_the_same_digest() -> None:
    # So a repeat is recognised without a stored plain value, and a changed value is seen.
    assert sealed("a", [1, "x"]).digest == sealed("a", [1, "x"]).digest
    assert sealed("a", [1, "x"]).digest != sealed("a", [1, "y"]).digest
    assert sealed("a", {"x": 1, "y": 2}).digest == sealed("a", {"y": 2, "x": 1}).digest


@given(st.tuples(names, names), st.tuples(names, names))
def test_no_two_requests_and_names_share_a_salt(one: tuple[str, str], other: tuple[str, str]) -> None:
    # A request has no NUL (the statement's form refuses it): that is what keeps the two apart.
    if "\0" not in one[0] + other[0] and one != other:
        assert derive_salt(KEY, *one) != derive_salt(KEY, *other)


def test_erasing_the_key_leaves_the_digest_and_nothing_to_open_it() -> None:
    # What stays after erasure is the digest in the signed statement. With the key gone, even someone who knows
    # name, request and value cannot show that they belong together; with another key the value is another one.
    digest = sealed("name", "张三").digest
    assert sealed("name", "张三", key=b"\3" * 32).digest != digest
    assert seal_value(bytes(16), "name", "张三").digest != digest
    # And a forged opening does not fit either.
    forged = open_disclosure(encoded([b64url(b"\7" * 16), "name", "张三"]))
    assert forged.digest != digest


@given(st.text(max_size=60) | st.binary(max_size=60).map(b64url))
def test_any_text_is_a_disclosure_or_malformed(text: str) -> None:
    with suppress(Malformed):
        disclosure = open_disclosure(text)
        assert disclosure.digest == digest_of(text)


SALT = b64url(bytes(16))
HOSTILE = {
    "nothing": "",
    "padding": base64.urlsafe_b64encode(b'["AAAAAAAAAAAAAAAAAAAAAA","n",12]').decode() + "=",
    "the other alphabet": "++//",
    "stray bits": "QR",
    "a newline": encoded([SALT, "n", 1]) + "\n",
    "a letter of another script": "Ａ" * 40,
    "not JSON": b64url(b"hello"),
    "not UTF-8": b64url(b'["\xff","n",1]'),
    "an object": encoded({}),
    "two parts": encoded([SALT, 1]),
    "four parts": encoded([SALT, "n", 1, 2]),
    "a salt that is no text": encoded([1, "n", 1]),
    "a name that is no text": encoded([SALT, 1, 1]),
    "a salt with padding": encoded([SALT + "==", "n", 1]),
    "a salt in another script": encoded(["Ａ" * 22, "n", 1]),
    "nested 50,000 deep": b64url(b'["' + SALT.encode() + b'","n",' + b"[" * 50_000),
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_disclosure_is_malformed(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        open_disclosure(text)
    assert refused.value.message


@given(st.binary(max_size=64))
def test_base64url_has_one_spelling(raw: bytes) -> None:
    text = b64url(raw)
    assert b64url_bytes(text) == raw
    for other in (text + "=", text + " ", "\n" + text):
        with pytest.raises(Malformed):
            b64url_bytes(other)


def test_a_pseudonym_is_stable_and_only_for_the_holder_of_the_secret() -> None:
    assert pseudonym(KEY, "citizen", "张三") == pseudonym(KEY, "citizen", "张三")
    others = {
        pseudonym(KEY, "clerk", "张三"),
        pseudonym(b"\2" * 32, "citizen", "张三"),
        pseudonym(KEY, "citizen", "李四"),
    }
    assert pseudonym(KEY, "citizen", "张三") not in others
    assert len(bytes.fromhex(pseudonym(KEY, "citizen", "张三"))) == 16
