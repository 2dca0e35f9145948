"""Canonical JSON: what RFC 8785 says, in our subset, with the rfc8785 package as the judge."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.statement import canonical_json, parse_canonical_json

LIMIT = 2**53 - 1

texts = st.text(st.characters(blacklist_categories=["Cs"]))
keys = st.text(st.characters(max_codepoint=127))
values = st.recursive(
    st.none() | st.booleans() | st.integers(-LIMIT, LIMIT) | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(keys, inner, max_size=5),
    max_leaves=30,
)


def depth(value: Any) -> int:
    if isinstance(value, dict | list):
        return 1 + max(map(depth, value.values() if isinstance(value, dict) else value), default=0)
    return 0


@given(values.filter(lambda value: depth(value) <= 16))
def test_sorted_orjson_is_the_canonical_form(value: Any) -> None:
    raw = canonical_json(value)
    assert raw == rfc8785.dumps(value)
    assert parse_canonical_json(raw) == value


@given(values.filter(lambda value: depth(value) <= 16))
def test_every_other_spelling_of_the_same_value_is_refused(value: Any) -> None:
    raw = canonical_json(value)
    for other in (
        json.dumps(value, sort_keys=True).encode(),
        json.dumps(value, sort_keys=True, separators=(",", ":")).encode(),
        json.dumps(value, ensure_ascii=False, indent=1).encode(errors="replace"),
        raw + b"\n",
        b" " + raw,
        b"\xef\xbb\xbf" + raw,
    ):
        if other != raw:
            with pytest.raises(Malformed):
                parse_canonical_json(other)


@given(st.binary(max_size=200))
def test_any_bytes_are_canonical_or_malformed(raw: bytes) -> None:
    with suppress(Malformed):
        assert rfc8785.dumps(parse_canonical_json(raw)) == raw


HOSTILE = {
    "nothing": b"",
    "a key twice": b'{"a":1,"a":1}',
    "a key twice with two values": b'{"a":1,"a":2}',
    "keys out of order": b'{"b":1,"a":1}',
    "a key that is not ASCII": '{"键":1}'.encode(),
    "an escaped letter": b'"\\u0061"',
    "an escaped slash": b'"\\/"',
    "an upper-case escape": b'"\\u001F"',
    "a long escape for a newline": b'"\\u000a"',
    "half a surrogate pair": b'"\\ud800"',
    "a raw surrogate": b'"\xed\xa0\x80"',
    "a raw control character": b'"\x01"',
    "not UTF-8": b'"\xff"',
    "an over-long UTF-8 slash": b'"\xc0\xaf"',
    "a float": b"1.5",
    "a float that is whole": b"1.0",
    "an exponent": b"1e3",
    "minus zero": b"-0",
    "a leading zero": b"01",
    "a plus": b"+1",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "2**53": b"9007199254740992",
    "−2**53": b"-9007199254740992",
    "beyond 64 bits": b"1" * 30,
    "5,000 digits": b"9" * 5_000,
    "two values": b"1 1",
    "a trailing comma": b"[1,]",
    "a comment": b"1//",
    "nested 17 deep": b"[" * 17 + b"]" * 17,
    "nested 50,000 deep": b"[" * 50_000 + b"]" * 50_000,
    "nested and never closed": b'{"a":' * 50_000,
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_json_is_malformed_with_words_and_small_memory(raw: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Malformed) as refused:
            parse_canonical_json(raw)
        assert refused.value.message
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_16_deep_is_read() -> None:
    raw = b"[" * 16 + b"]" * 16
    assert canonical_json(parse_canonical_json(raw)) == raw


def test_the_edges_of_the_integers_are_read() -> None:
    for edge in (LIMIT, -LIMIT, 0):
        assert parse_canonical_json(canonical_json(edge)) == edge
    for beyond in (LIMIT + 1, -LIMIT - 1, 2**64, 10**400):
        with pytest.raises(Malformed):
            canonical_json(beyond)


@pytest.mark.parametrize("value", [1.0, b"x", {1: 1}, {"é": 1}, {None: 1}, {1}, object(), "\ud800", ["\udfff"]])
def test_values_outside_the_subset_are_not_written(value: Any) -> None:
    with pytest.raises(Malformed):
        canonical_json(value)


def test_a_list_that_holds_itself_is_not_written() -> None:
    knot: list[Any] = []
    knot.append(knot)
    with pytest.raises(Malformed):
        canonical_json(knot)
