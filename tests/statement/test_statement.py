"""Statements: one byte string for one meaning, and no other byte string for it."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from dataclasses import fields, replace
from hashlib import sha256
from typing import Any

import cbor2
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.errors import Malformed
from ledger.keys import SigningKey
from ledger.statement import (
    MAX_ENTRY_BYTES,
    Draft,
    canonical_json,
    check_statement_signature,
    draft_bytes,
    join_signature,
    open_statement,
    preview_statement,
    sign_statement,
    statement_id,
)

Parts = Callable[[bytes], tuple[bytes, bytes]]
Make = Callable[[bytes, bytes], bytes]


def same(statement: Draft, draft: Draft) -> bool:
    return all(getattr(statement, f.name) == getattr(draft, f.name) for f in fields(Draft))


def test_what_was_signed_is_what_is_opened(draft: Draft, entry: bytes, key: SigningKey) -> None:
    statement = open_statement(entry)
    assert same(statement, draft)
    assert statement.id == statement_id(entry) == sha256(b"\0" + entry).digest()
    assert statement.kid == key.thumbprint
    assert check_statement_signature(entry, key.public)
    assert not check_statement_signature(entry, SigningKey.from_seed(b"\x08" * 32).public)
    assert sign_statement(draft, key) == entry


def test_signing_elsewhere_makes_the_same_bytes(draft: Draft, entry: bytes, key: SigningKey) -> None:
    protected, payload, to_sign = draft_bytes(draft, key.thumbprint)
    assert join_signature(protected, payload, key.sign(to_sign)) == entry


def test_the_structure_is_that_of_rfc_9052(draft: Draft, entry: bytes, key: SigningKey) -> None:
    # Read by cbor2 and verified by hand: tag 18, [protected, {}, payload, signature], Sig_structure of §4.4.
    message = cbor2.loads(entry)
    protected, unprotected, payload, signature = message.value
    assert (message.tag, dict(unprotected)) == (18, {})
    assert cbor2.loads(protected) == {
        1: -8,
        3: "application/mingjian-statement+json",
        4: key.thumbprint,
        15: {1: draft.actor, 2: draft.stream, 3: draft.audience, 6: 1_709_515_800},
        16: "application/mingjian-statement+cose",
    }
    signed = cbor2.dumps(["Signature1", protected, b"", payload])
    Ed25519PublicKey.from_public_bytes(key.public).verify(signature, signed)
    # Deterministic (RFC 8949 §4.2.1): the other encoder's canonical form is these bytes.
    assert cbor2.dumps(cbor2.loads(protected), canonical=True) == protected
    assert cbor2.dumps(message, canonical=True) == entry


codes = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:@/-]{0,20}\Z")
hashes = st.binary(min_size=32, max_size=32)
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(blacklist_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(max_codepoint=127)), inner, max_size=4)
    ),
    max_leaves=8,
)
drafts = st.builds(
    Draft,
    actor=codes,
    stream=st.sampled_from(["log", "approval/2024-0001", "unit/a/b/c", "ticket/A1:b@c.d_e-f"]),
    type=st.sampled_from(["approval.accepted.v1", "log.batch.v9999", "a_1.b_2.c.v20"]),
    seq=st.just(1),
    prev=st.none(),
    seen_size=st.integers(0, 2**53 - 1),
    seen_root=hashes,
    at=st.sampled_from(
        ["2024-03-04T09:30:00+08:00", "1969-12-31T23:59:59.5Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"]
    ),
    role=codes,
    request=st.from_regex(r"\A[\x21-\x7e]{1,128}\Z"),
    data=st.dictionaries(st.text(st.characters(max_codepoint=127)), plain, max_size=4),
    unit=st.none() | codes,
    window=st.none() | codes,
    causes=st.lists(hashes, max_size=3).map(tuple),
    sd=st.lists(st.from_regex(r"\A[A-Za-z0-9_-]{43}\Z"), unique=True, max_size=3).map(lambda d: tuple(sorted(d))),
    audience=st.none() | st.text(st.characters(blacklist_categories=["Cs"]), max_size=300),
)


@given(drafts, st.integers(2, 2**53 - 1), st.none() | hashes)
def test_every_draft_reads_back(draft: Draft, seq: int, prev: Any) -> None:
    key = SigningKey.from_seed(bytes(32))
    if prev is not None:
        draft = replace(draft, seq=seq, prev=prev)
    entry = sign_statement(draft, key)
    assert same(open_statement(entry), draft)
    assert check_statement_signature(entry, key.public)
    assert cbor2.dumps(cbor2.loads(entry), canonical=True) == entry


def refused_or_unsigned(changed: bytes, key: SigningKey) -> None:
    """Opening says Malformed, in words, or the signature does not hold: nothing else may happen."""
    refused = None
    try:
        open_statement(changed)
    except Malformed as error:
        refused = error
    if refused is None:
        assert not check_statement_signature(changed, key.public)
    else:
        assert refused.message
        assert refused.code != "malformed", "a stable code of its own"


def test_no_bit_of_an_entry_can_be_flipped(entry: bytes, key: SigningKey) -> None:
    for at in range(len(entry)):
        for bit in range(8):
            refused_or_unsigned(entry[:at] + bytes([entry[at] ^ 1 << bit]) + entry[at + 1 :], key)


def test_no_part_of_an_entry_can_be_cut_off_or_added(entry: bytes, key: SigningKey) -> None:
    for n in range(len(entry)):
        with pytest.raises(Malformed):
            open_statement(entry[:n])
    for more in (b"\0", b"\xf6", entry, b"\0" * 100_000):
        with pytest.raises(Malformed):
            open_statement(entry + more)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=400)
@given(st.data())
def test_no_mutation_of_an_entry_passes(entry: bytes, key: SigningKey, data: st.DataObject) -> None:
    changed = entry
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(changed)))
        to = data.draw(st.integers(at, min(len(changed), at + 40)))
        match data.draw(st.sampled_from(["put", "cut", "twice", "move"])):
            case "put":
                changed = changed[:at] + data.draw(st.binary(max_size=12)) + changed[to:]
            case "cut":
                changed = changed[:at] + changed[to:]
            case "twice":
                changed = changed[:to] + changed[at:to] + changed[to:]
            case _:
                changed = changed[:at] + changed[to:] + changed[at:to]
    if changed != entry:
        refused_or_unsigned(changed, key)


@given(st.binary(max_size=400))
def test_any_bytes_are_malformed(raw: bytes) -> None:
    for data in (raw, b"\xd2\x84" + raw):
        with pytest.raises(Malformed):
            open_statement(data)


def test_a_header_that_says_the_same_in_other_bytes_is_refused(
    entry: bytes, parts_of: Parts, signed_parts: Make
) -> None:
    protected, payload = parts_of(entry)
    assert signed_parts(protected, payload) == entry
    header = cbor2.loads(protected)
    claims = protected[protected.index(b"\x0f\xa4") + 1 : protected.rindex(b"\x10")]
    others = {
        "keys in another order": cbor2.dumps(dict(reversed(header.items()))),
        "a longer map head": b"\xb8\x05" + protected[1:],
        "an indefinite map": b"\xbf" + protected[1:] + b"\xff",
        "a longer integer": protected.replace(b"\xa5\x01\x27", b"\xa5\x01\x38\x07"),
        "a longer key": protected.replace(b"\xa5\x01\x27", b"\xa5\x18\x01\x27"),
        "a key twice": b"\xa6\x01\x27" + protected[1:],
        "a claim twice": protected.replace(claims, b"\xa5" + claims[1:] + b"\x06\x00"),
        "a text in pieces": protected.replace(b"\x01\x6dclerk:zhang-3", b"\x01\x7f\x6dclerk:zhang-3\xff"),
        "a longer text head": protected.replace(b"\x6dclerk:", b"\x78\x0dclerk:"),
        "iat as a float": protected.replace(bytes.fromhex("061a65e5"), bytes.fromhex("06fb65e5")),
        "trailing bytes": protected + b"\xf6",
        "nothing": b"",
        "an empty map": b"\xa0",
        "nested 10,000 deep": b"\x81" * 10_000,
        "a tag on it": b"\xc1" + protected,
    }
    for what, other in others.items():
        assert other != protected, what
        with pytest.raises(Malformed):
            open_statement(signed_parts(other, payload))


def test_what_the_profile_fixes_is_fixed(draft: Draft, entry: bytes, parts_of: Parts, signed_parts: Make) -> None:
    protected, payload = parts_of(entry)
    header = cbor2.loads(protected)
    claims = dict(header[15])
    wrong: dict[str, dict[Any, Any]] = {
        "alg −19": header | {1: -19},
        "alg ES256": header | {1: -7},
        "alg as a text": header | {1: "EdDSA"},
        "no alg": {k: v for k, v in header.items() if k != 1},
        "another content type": header | {3: "application/json"},
        "a short kid": header | {4: b"x" * 31},
        "a long kid": header | {4: b"x" * 33},
        "another typ": header | {16: "application/cose"},
        "a critical header": header | {2: [1]},
        "a header more": header | {99: 1},
        "no claims": {k: v for k, v in header.items() if k != 15},
        "a claim more": header | {15: claims | {7: b"x"}},
        "no actor": header | {15: {k: v for k, v in claims.items() if k != 1}},
        "an actor with a space": header | {15: claims | {1: "a b"}},
        "an empty actor": header | {15: claims | {1: ""}},
        "an actor that is no text": header | {15: claims | {1: b"x"}},
        "a stream in capitals": header | {15: claims | {2: "Approval/1"}},
        "a stream that climbs": header | {15: claims | {2: "approval/../x"}},
        "iat one second early": header | {15: claims | {6: claims[6] - 1}},
        "iat as a float": header | {15: claims | {6: float(claims[6])}},
        "iat beyond 64 bits": header | {15: claims | {6: 2**64}},
    }
    for what, other in wrong.items():
        with pytest.raises(Malformed):
            pytest.fail(f"{what}: {open_statement(signed_parts(cbor2.dumps(other, canonical=True), payload))}")


def test_an_envelope_of_another_shape_is_refused(entry: bytes) -> None:
    message = cbor2.loads(entry)
    protected, _, payload, signature = message.value

    def envelope(*parts: Any, tag: int = 18) -> bytes:
        return cbor2.dumps(cbor2.CBORTag(tag, list(parts)))

    wrong = {
        "no tag": cbor2.dumps(list(message.value)),
        "the tag of COSE_Sign": envelope(protected, {}, payload, signature, tag=98),
        "the tag twice": b"\xd2" + entry,
        "the tag in two bytes": b"\xd8\x12" + entry[1:],
        "three parts": envelope(protected, {}, payload),
        "five parts": envelope(protected, {}, payload, signature, b""),
        "an unprotected header": envelope(protected, {4: b"kid"}, payload, signature),
        "receipts in the unprotected header": envelope(protected, {394: [b"x"]}, payload, signature),
        "a detached payload": envelope(protected, {}, None, signature),
        "a payload as text": envelope(protected, {}, payload.decode(), signature),
        "a short signature": envelope(protected, {}, payload, signature[:63]),
        "a long signature": envelope(protected, {}, payload, signature + b"\0"),
        "an indefinite array": b"\xd2\x9f" + entry[2:] + b"\xff",
        "too long": envelope(protected, {}, b" " * MAX_ENTRY_BYTES, signature),
    }
    for what, data in wrong.items():
        with pytest.raises(Malformed):
            pytest.fail(f"{what}: {open_statement(data)}")


def test_lying_lengths_take_no_memory(entry: bytes) -> None:
    lies = [b"\x9b", b"\xbb", b"\x5b", b"\x7b", b"\x5a", b"\x9a", b"\x5f", b"\x9f", b"\xbf"]
    tracemalloc.start()
    try:
        for lie in lies:
            for length in (b"\xff" * 8, b"\x7f" + b"\xff" * 7, b"\0\0\0\x10" * 2):
                for at in (2, 3, 4, 5):
                    with pytest.raises(Malformed):
                        open_statement(entry[:at] + lie + length + entry[at:])
        with pytest.raises(Malformed):
            open_statement(b"\xd2\x84" + b"\x81" * 60_000)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


BAD_PAYLOADS: dict[str, dict[str, Any]] = {
    "no type": {"type": None},
    "a type without a version": {"type": "approval.accepted"},
    "version 0": {"type": "approval.accepted.v0"},
    "a Python path": {"type": "ledger.Approval.v1"},
    "a type in capitals": {"type": "Approval.accepted.v1"},
    "seq 0": {"seq": 0, "prev": None},
    "seq true": {"seq": True, "prev": None},
    "seq as text": {"seq": "2"},
    "seq 2 without prev": {"prev": None},
    "seq 1 with prev": {"seq": 1},
    "a short prev": {"prev": "11"},
    "prev in capitals": {"prev": "AB" * 32},
    "prev null": {"prev": ...},
    "seen without a root": {"seen": {"size": 1}},
    "seen with more": {"seen": {"size": 1, "root": "22" * 32, "more": 1}},
    "seen of a negative size": {"seen": {"size": -1, "root": "22" * 32}},
    "seen as a list": {"seen": [1, "22" * 32]},
    "at without an offset": {"at": "2024-03-04T09:30:00"},
    "at as a number": {"at": 1_709_515_800},
    "at at another second": {"at": "2024-03-04T09:30:01+08:00"},
    "at off the calendar": {"at": "2024-02-30T00:00:00Z"},
    "a role with a space": {"role": "a b"},
    "a role of 129": {"role": "a" * 129},
    "a request of nothing": {"request": ""},
    "a request of 129": {"request": "r" * 129},
    "a request with a newline": {"request": "r\n"},
    "a request in Chinese": {"request": "受"},
    "data as a list": {"data": []},
    "unit null": {"unit": ...},
    "unit as a number": {"unit": 7},
    "window with a newline": {"window": "w\n"},
    "causes of none": {"causes": []},
    "65 causes": {"causes": ["33" * 32] * 65},
    "causes as a text": {"causes": "33" * 32},
    "a cause that is short": {"causes": ["33"]},
    "a cause that is a list": {"causes": [["33" * 32]]},
    "_sd of none": {"_sd": []},
    "_sd out of order": {"_sd": ["B" * 43, "A" * 43]},
    "_sd twice the same": {"_sd": ["A" * 43, "A" * 43]},
    "_sd of another length": {"_sd": ["A" * 42]},
    "_sd of no texts": {"_sd": [1]},
    "_sd as an object": {"_sd": {"A" * 43: 1}},
    "a member more": {"extra": 1},
    "no data": {"data": None},
    "no request": {"request": None},
}


@pytest.mark.parametrize("change", BAD_PAYLOADS.values(), ids=BAD_PAYLOADS.keys())
def test_a_payload_that_breaks_a_rule_is_refused(
    change: dict[str, Any], entry: bytes, parts_of: Parts, signed_parts: Make
) -> None:
    # None takes the member away, an ellipsis stands for JSON's null.
    protected, payload = parts_of(entry)
    body = orjson.loads(payload) | change
    body = {k: None if v is ... else v for k, v in body.items() if v is not None}
    with pytest.raises(Malformed) as refused:
        open_statement(signed_parts(protected, canonical_json(body)))
    assert refused.value.message


def test_a_payload_that_is_no_canonical_object_is_refused(entry: bytes, parts_of: Parts, signed_parts: Make) -> None:
    protected, payload = parts_of(entry)
    body = orjson.loads(payload)
    shuffled = list(body.items())
    random.Random(1).shuffle(shuffled)
    for other in (
        b"",
        b"[]",
        b"null",
        b'"x"',
        orjson.dumps(dict(shuffled)),
        orjson.dumps(body, option=orjson.OPT_INDENT_2),
        payload.replace(b'"seq":2', b'"seq":2,"seq":2'),
        payload.replace(b'"n":1', b'"n":1.0'),
        payload.replace("受理".encode(), b"\\u53d7\\u7406"),
        payload.replace(b"[[]]", b"[" * 30 + b"]" * 30),
        payload.replace(b"[[]]", b"[" * 20_000 + b"]" * 20_000),
        cbor2.dumps(body),
    ):
        assert other != payload
        with pytest.raises(Malformed):
            open_statement(signed_parts(protected, other))


def test_an_entry_too_large_for_a_tile_is_not_made(draft: Draft, key: SigningKey) -> None:
    largest = replace(draft, data={"x": "x" * 59_000})
    assert len(sign_statement(largest, key)) <= MAX_ENTRY_BYTES
    with pytest.raises(Malformed) as refused:
        sign_statement(replace(draft, data={"x": "x" * 65_000}), key)
    assert "blob" in refused.value.mend


def test_a_preview_shows_what_would_be_signed(draft: Draft, entry: bytes, key: SigningKey) -> None:
    preview, statement = preview_statement(draft, key.thumbprint), open_statement(entry)
    assert same(preview, draft)
    assert (preview.kid, preview.at_us, preview.kind) == (statement.kid, statement.at_us, "approval")
    assert (preview.entry, preview.id) == (b"", bytes(32))


def test_entry_0_alone_may_lack_an_audience(draft: Draft, key: SigningKey) -> None:
    # The form allows it for any; which entry it is, the registry checks.
    assert open_statement(sign_statement(replace(draft, audience=None), key)).audience is None
