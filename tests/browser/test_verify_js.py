"""``verify.js``, written from the specification alone, and the Python verifier agree on every good and bad case."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from nacl.bindings import crypto_core_ed25519_add, crypto_scalarmult_ed25519_base_noclamp
from playwright.sync_api import Browser, Page, Route

from ledger.errors import Refused
from ledger.keys import SigningKey, check_public_key, thumbprint
from ledger.statement import (
    Draft,
    check_statement_signature,
    draft_bytes,
    join_signature,
    open_statement,
    sign_statement,
    statement_id,
)
from ledger.statement.cbor import byte_string
from ledger.tree.checkpoint import Checkpoint, sign_checkpoint
from ledger.tree.merkle import EMPTY_ROOT, leaf_hash, prove_inclusion, root_of
from ledger.tree.note import Algorithm, Signer, VerifierKey, split_note
from ledger.tree.policy import Log, Policy, Witness
from ledger.tree.proof import Proof

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "api" / "static" / "verify.js"
SPEC = ROOT / "docs" / "spec" / "formats.md"
HARNESS = """<!doctype html><title>verify</title><script type="module">
import { verify, NotProved } from "/verify.js";
const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
window.judge = async (cases) => {
  const verdicts = [];
  for (const one of cases) {
    const asked = { ...one, entry: unhex(one.entry) };
    if (one.key !== undefined) asked.key = unhex(one.key);
    if (one.keys !== undefined) asked.keys = one.keys.map(({ entry, proof }) => ({ entry: unhex(entry), proof }));
    try {
      const found = await verify(asked);
      verdicts.push({ ok: true, id: found.statement.id, index: found.index, cosignedBy: found.cosignedBy });
    } catch (error) {
      verdicts.push({ ok: false, code: error instanceof NotProved ? error.code : `BUG ${error.stack}` });
    }
  }
  return verdicts;
};
</script>"""

ACTOR, LOG, WITNESS, STRANGER = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 4, 9))
Tile = Any


def opening(**more: Any) -> Draft:
    return Draft(
        **(
            {
                "actor": "officer/1",
                "stream": "ledger",
                "type": "ledger.opened.v1",
                "seq": 1,
                "prev": None,
                "seen_size": 0,
                "seen_root": EMPTY_ROOT,
                "at": "2024-03-04T09:30:00+08:00",
                "role": "key_officer",
                "request": "opened",
                "data": {
                    "officers": {
                        "first": {"actor": "officer/1", "key": ACTOR.public.hex()},
                        "second": {"actor": "officer/2", "key": WITNESS.public.hex()},
                    },
                    "clock_key": LOG.public.hex(),
                },
                "audience": None,
            }
            | more
        )
    )


ENTRY_0 = sign_statement(opening(), ACTOR)
ORIGIN = f"hall.example/log/{statement_id(ENTRY_0)[:16].hex()}"
VKEY = str(VerifierKey(ORIGIN, LOG.public))
WITNESS_VKEY = str(VerifierKey("witness.example/w1", WITNESS.public, Algorithm.COSIGNATURE_V1))


def draft(**more: Any) -> Draft:
    fields: dict[str, Any] = {
        "actor": "officer/1",
        "stream": "example/a",
        "type": "example.opened.v1",
        "seq": 2,
        "prev": statement_id(b"x"),
        "seen_size": 3,
        "seen_root": EMPTY_ROOT,
        "at": "2024-03-04T09:31:00.5+08:00",
        "role": "officer",
        "request": "r-3",
        "unit": "unit-1",
        "window": "w-7",
        "causes": (statement_id(b"y"),),
        "data": {"item": '受理 \U0001f600 é\u2028\x7f\\"\n\t\u001f', "n": [1, -2, {"deep": [None, True, 2**53 - 1]}]},
        "sd": ("sQOpV0P17E9GwO30E2tZLno5OOA15yJzlhUHo6fwwgk",),
        "audience": ORIGIN,
    }
    return opening(**(fields | more))


@dataclass(frozen=True)
class Case:
    """What a verifier is given."""

    name: str
    entry: bytes
    proof: str | dict[str, Any]
    vkey: str = VKEY
    key: bytes = ACTOR.public
    witnesses: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "entry": self.entry.hex(),
            "proof": self.proof,
            "vkey": self.vkey,
            "key": self.key.hex(),
            "witnesses": list(self.witnesses),
        }

    def by_python(self) -> bool:
        """The verdict of the Python verifier's own parts."""
        try:
            policy = Policy(
                (Log(VerifierKey.parse(self.vkey)),),
                tuple(Witness(f"w{n}", VerifierKey.parse(each)) for n, each in enumerate(self.witnesses)),
            )
            text = self.proof
            proof = Proof.parse(text.encode(errors="surrogatepass")) if isinstance(text, str) else Proof.from_json(text)
            signed = proof.check(leaf_hash(self.entry), policy)
            act = open_statement(self.entry)
            check_public_key(self.key)
        except Refused:
            return False
        meant = act.audience == signed.checkpoint.origin or (act.audience is None and proof.index == 0)
        return meant and thumbprint(self.key) == act.kid and check_statement_signature(self.entry, self.key)


def reader(hashes: list[bytes]) -> Any:
    """Tiles of a small tree: one of leaves is all there is."""
    return lambda level, index, width: b"".join(hashes[:width])


def placed(entry: bytes, *, index: int = 5, size: int = 11, cosigned: bool = False) -> Proof:
    """A true proof of whatever bytes stand at ``index`` of a tree with entry 0 at its beginning."""
    entries = [ENTRY_0, *(f"filler {n}".encode() for n in range(1, size))]
    entries[index] = entry
    hashes = [leaf_hash(each) for each in entries]
    note = sign_checkpoint(Checkpoint(ORIGIN, size, root_of(hashes)), Signer(ORIGIN, LOG))
    if cosigned:
        note = cosign(note)
    return Proof(index, tuple(prove_inclusion(index, size, reader(hashes))), note)


def cosign(note: bytes) -> bytes:
    signer = Signer("witness.example/w1", WITNESS, Algorithm.COSIGNATURE_V1)
    line = signer.sign(split_note(note).text, time_s=1_709_600_000)
    return note + f"{line}\n".encode()


def case(name: str, entry: bytes, *, cosigned: bool = False, index: int = 5, **more: Any) -> Case:
    return Case(name, entry, placed(entry, cosigned=cosigned, index=index).to_bytes().decode(), **more)


def wrapped(payload: bytes | None = None, protected: bytes | None = None, key: SigningKey = ACTOR) -> bytes:
    """An entry of any payload and protected header, its signature good."""
    good_protected, good_payload, _ = draft_bytes(draft(), key.thumbprint)
    protected, payload = protected or good_protected, payload if payload is not None else good_payload
    signed = b"\x84\x6aSignature1" + byte_string(protected) + b"\x40" + byte_string(payload)
    return join_signature(protected, payload, key.sign(signed))


# ── The cases ──────────────────────────────────────────────────────────────────────────────────────────────


def good_cases() -> Iterator[Case]:
    entry = sign_statement(draft(), ACTOR)
    for size in (1, 2, 3, 7, 8, 11):
        for index in range(1, size):
            yield Case(f"{index} of {size}", entry, placed(entry, index=index, size=size).to_bytes().decode())
    yield case("entry 0", ENTRY_0, index=0)
    yield Case("as JSON", entry, placed(entry).as_json())
    yield Case("with extra", entry, replace(placed(entry), extra=b"x").to_bytes().decode())
    yield case("cosigned", entry, cosigned=True, witnesses=(WITNESS_VKEY,))
    yield case("cosigned, nobody asks", entry, cosigned=True)
    for name, changes in (
        ("first of its stream", {"seq": 1, "prev": None}),
        ("before 1970", {"at": "1969-12-31T23:59:59.25Z"}),
        ("year 1", {"at": "0001-01-01T00:00:00Z"}),
        ("year 9999", {"at": "9999-12-31T23:59:59.999999999Z"}),
        ("leap day", {"at": "2024-02-29T00:00:00-23:59"}),
        ("nothing optional", {"unit": None, "window": None, "causes": (), "sd": ()}),
        ("five parts", {"stream": "a/1/2/3/4"}),
        ("64 causes", {"causes": (statement_id(b""),) * 64}),
        ("proto", {"data": {"__proto__": {"a": 1}, "constructor": 1, "10": 1, "9": 2}}),
        ("15 deep", {"data": nested(13)}),
    ):
        yield case(name, sign_statement(draft(**changes), ACTOR))


def nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


def flipped_cases() -> Iterator[Case]:
    """A bit of every byte of every part."""
    entry = sign_statement(draft(), ACTOR)
    proof = placed(entry, cosigned=True)
    text = proof.to_bytes()
    for at in range(len(entry)):
        changed = entry[:at] + bytes([entry[at] ^ (1 << at % 8)]) + entry[at + 1 :]
        yield Case(f"entry byte {at}", changed, text.decode())
        if at % 7 == 0:
            # Placed and signed by the log as it is now: what is left is form and the signer's signature.
            yield case(f"entry byte {at}, placed", changed)
    for at in range(len(text)):
        changed = text[:at] + bytes([text[at] ^ (1 << at % 7)]) + text[at + 1 :]
        yield Case(f"proof byte {at}", entry, changed.decode(errors="surrogateescape"), witnesses=(WITNESS_VKEY,))
    for at in range(len(VKEY)):
        changed_key = VKEY[:at] + chr(ord(VKEY[at]) ^ (1 << at % 6)) + VKEY[at + 1 :]
        yield Case(f"vkey character {at}", entry, text.decode(), vkey=changed_key)
    for at in range(32):
        key = bytearray(ACTOR.public)
        key[at] ^= 1 << at % 8
        yield Case(f"key byte {at}", entry, text.decode(), key=bytes(key))


def form_cases() -> Iterator[Case]:
    """Signed and placed as they stand, and not in the one form."""
    protected, payload, _ = draft_bytes(draft(), ACTOR.thumbprint)
    good = wrapped()
    values = json.loads(payload)
    payloads = {
        "space": payload.replace(b'":', b'": ', 1),
        "newline": payload + b"\n",
        "order": json.dumps(dict(reversed(values.items())), ensure_ascii=False, separators=(",", ":")).encode(),
        "twice": payload[:-1] + b',"window":"w-7"}',
        "escaped": payload.replace("受".encode(), b"\\u53d7"),
        "upper escape": payload.replace(b"\\u001f", b"\\u001F"),
        "slash": payload.replace(b"w-7", b"w\\/7"),
        "float": payload.replace(b'"n":[1', b'"n":[1.0'),
        "exponent": payload.replace(b'"n":[1', b'"n":[1e2'),
        "minus zero": payload.replace(b'"n":[1', b'"n":[-0'),
        "big": payload.replace(b"9007199254740991", b"9007199254740992"),
        "bigger": payload.replace(b"9007199254740991", b"9007199254740993"),
        "half a character": payload.replace("受".encode(), b"\\ud800"),
        "no utf-8": payload.replace("受".encode(), b"\xff"),
        "surrogate in utf-8": payload.replace("受".encode(), b"\xed\xa0\x80"),
        "bom": b"\xef\xbb\xbf" + payload,
        "array": b"[]",
        "empty": b"",
        "null": b"null",
        "deep arrays": b"[" * 50_000,
        "nan": payload.replace(b'"n":[1', b'"n":[NaN'),
        "key not ascii": payload.replace(b'"item"', '"ité"'.encode()),
    }

    def spelled(**changes: Any) -> bytes:
        found = {**values, **changes}
        kept = {name: value for name, value in found.items() if value is not ...}
        return json.dumps(kept, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()

    members: dict[str, dict[str, Any]] = {
        "unknown member": {"more": 1},
        **{f"without {name}": {name: ...} for name in values},
        **{f"{name} null": {name: None} for name in values},
        "type without version": {"type": "example.opened"},
        "type v0": {"type": "example.opened.v0"},
        "type v10000": {"type": "example.opened.v10000"},
        "type upper": {"type": "Example.opened.v1"},
        "type newline": {"type": "example.opened.v1\n"},
        "seq 0": {"seq": 0},
        "seq true": {"seq": True},
        "seq text": {"seq": "2"},
        "seq 1 with prev": {"seq": 1},
        "prev short": {"prev": "ab"},
        "prev upper": {"prev": "AB" * 32},
        "seen more": {"seen": {"root": "00" * 32, "size": 1, "x": 1}},
        "seen text": {"seen": {"root": "00" * 32, "size": "1"}},
        "seen minus": {"seen": {"root": "00" * 32, "size": -1}},
        "seen list": {"seen": ["00" * 32, 1]},
        "at lower": {"at": "2024-03-04t09:31:00.5+08:00"},
        "at lower z": {"at": "2024-03-04T01:31:00.5z"},
        "at no offset": {"at": "2024-03-04T09:31:00.5"},
        "at leap": {"at": "2024-03-04T09:30:60.5+08:00"},
        "at 24": {"at": "2024-03-03T24:00:00Z"},
        "at 10 digits": {"at": "2024-03-04T09:31:00.0123456789+08:00"},
        "at no day": {"at": "2023-02-29T09:31:00+08:00"},
        "at year 0": {"at": "0000-03-04T09:31:00+08:00"},
        "at before year 1": {"at": "0001-01-01T00:00:00+08:00"},
        "at after year 9999": {"at": "9999-12-31T23:59:59-08:00"},
        "at offset 24": {"at": "2024-03-04T09:31:00.5+24:00"},
        "at offset 60": {"at": "2024-03-04T09:31:00.5+08:60"},
        "at other second": {"at": "2024-03-04T09:31:01.5+08:00"},
        "at comma": {"at": "2024-03-04T09:31:00,5+08:00"},
        "role space": {"role": "a b"},
        "role empty": {"role": ""},
        "role long": {"role": "a" * 129},
        "role not ascii": {"role": "职员"},
        "request space": {"request": "a b"},
        "request long": {"request": "a" * 129},
        "request empty": {"request": ""},
        "causes empty": {"causes": []},
        "causes 65": {"causes": ["00" * 32] * 65},
        "causes object": {"causes": {}},
        "data list": {"data": []},
        "data 16 deep": {"data": nested(14)},
        "data 17 deep": {"data": nested(15)},
        "data 18 deep": {"data": nested(16)},
        "data long": {"data": {"x": "a" * 59_000}},
        "data too long": {"data": {"x": "a" * 60_100}},
        "_sd empty": {"_sd": []},
        "_sd twice": {"_sd": ["s" * 43] * 2},
        "_sd order": {"_sd": ["b" * 43, "a" * 43]},
        "_sd short": {"_sd": ["a" * 42]},
        "_sd padded": {"_sd": ["a" * 43 + "="]},
        "_sd number": {"_sd": [1]},
    }
    payloads |= {name: spelled(**changes) for name, changes in members.items()}
    assert payload not in payloads.values()
    for name, raw in payloads.items():
        yield case(f"payload: {name}", wrapped(raw))

    def changed(old: bytes, new: bytes) -> bytes:
        assert old in protected
        return protected.replace(old, new, 1)

    origin = ORIGIN.encode()
    headers = {
        "other alg": changed(b"\x01\x27", b"\x01\x32"),
        "alg longer": changed(b"\x01\x27\x03", b"\x01\x38\x07\x03"),
        "content type": changed(b"statement+json", b"statement+jsom"),
        "typ": changed(b"statement+cose", b"statement+cosf"),
        "text longer": changed(b"\x78\x23application", b"\x79\x00\x23application"),
        "kid as text": changed(b"\x04\x58\x20", b"\x04\x78\x20"),
        "claims 5": changed(b"\x0f\xa4", b"\x0f\xa5"),
        "claims longer": changed(b"\x0f\xa4", b"\x0f\xb8\x04"),
        "no aud": changed(b"\x0f\xa4", b"\x0f\xa3").replace(b"\x03\x78" + bytes([len(origin)]) + origin, b"", 1),
        "other aud": changed(origin, origin[:-1] + b"x"),
        "iat longer": changed(b"\x06\x1a", b"\x06\x1b\x00\x00\x00\x00"),
        "iat other": changed(b"\x06\x1a\x65", b"\x06\x1a\x64"),
        "iat minus": changed(b"\x06\x1a", b"\x06\x3a"),
        "actor slash": changed(b"\x69officer/1", b"\x69/fficer/1"),
        "actor not utf-8": changed(b"\x69officer/1", b"\x69officer\xff\xfe"),
        "stream upper": changed(b"\x69example/a", b"\x69Example/a"),
        "stream two slashes": changed(b"\x69example/a", b"\x69exampl//a"),
        "stream indefinite": changed(b"\x69example/a", b"\x7fexample/a"),
        "trailing": protected + b"\x00",
        "short": protected[:-1],
        "empty": b"\xa0",
    }
    for name, raw in headers.items():
        yield case(f"header: {name}", wrapped(protected=raw))
    yield case("no aud at index 0", wrapped(protected=headers["no aud"]), index=0)
    signed = good[-64:]
    parts = byte_string(protected), byte_string(payload)
    for name, raw in {
        "no tag": good[1:],
        "other tag": b"\xd3" + good[1:],
        "array of 5": b"\xd2\x85" + good[2:],
        "indefinite array": b"\xd2\x9f" + good[2:] + b"\xff",
        "unprotected not empty": b"\xd2\x84" + parts[0] + b"\xa1\x01\x01" + parts[1] + b"\x58\x40" + signed,
        "payload detached": b"\xd2\x84" + parts[0] + b"\xa0\xf6" + b"\x58\x40" + signed,
        "signature of 63": good[:-66] + b"\x58\x3f" + signed[:-1],
        "signature longer": good[:-66] + b"\x59\x00\x40" + signed,
        "trailing": good + b"\x00",
        "lying length": b"\xd2\x84\x5b\xff\xff\xff\xff\xff\xff\xff\xff" + good[2:],
        "nothing": b"",
        "tag alone": b"\xd2\x84",
        "longer protected length": b"\xd2\x84\x59\x00" + good[3:],
        "as text": b"\xd2\x84\x78" + good[3:],
    }.items():
        yield case(f"entry: {name}", raw)
    yield case("entry: too long", sign_statement(draft(), ACTOR) + b"\x00" * 65_000)


def edge_cases() -> Iterator[Case]:
    """Keys and signatures on which libraries disagree."""
    order = 2**252 + 27742317777372353535851937790883648493
    good = sign_statement(draft(), ACTOR)
    head, r, s = good[:-64], good[-64:-32], int.from_bytes(good[-32:], "little")
    yield case("S + L", head + r + (s + order).to_bytes(32, "little"))
    yield case("R not canonical", head + (2**255 - 19 + 1).to_bytes(32, "little") + good[-32:])
    # Both hold by RFC 8032's equation, and for the browser's library: only the rules of the specification refuse them.
    scalar = int.from_bytes(hashlib.sha512(b"\1" * 32).digest()[:32], "little") & (1 << 254) - 8 | 1 << 254
    yield case("R neutral and S fitting", fitting(ACTOR.public, scalar, b"\x01" + bytes(31), 0))
    nonce = 12345
    r_point = crypto_scalarmult_ed25519_base_noclamp(nonce.to_bytes(32, "little"))
    mixed = crypto_core_ed25519_add(ACTOR.public, small_order_8())
    yield case("a key with a part of order 8", fitting(mixed, scalar, r_point, nonce), key=mixed)
    # The same way with a good key and a good R is a good signature: so the two above fail for what they are.
    assert case("control", fitting(ACTOR.public, scalar, r_point, nonce)).by_python()
    yield case("another's signature", sign_statement(draft(), STRANGER))
    yield case("another's key", good, key=STRANGER.public)
    small = [
        bytes(32),
        b"\x01" + bytes(31),
        b"\xec" + b"\xff" * 30 + b"\x7f",
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
        bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
        bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
        b"\x01" + bytes(30) + b"\x80",
        (2**255 - 19).to_bytes(32, "little"),
        (2**255 - 18).to_bytes(32, "little"),
        b"\xff" * 32,
        b"\x02" + bytes(31),
    ]
    for key in small:
        # Under a key of small order this signature holds for many libraries: R the neutral element, S zero.
        protected, payload, _ = draft_bytes(draft(), thumbprint(key))
        forged = join_signature(protected, payload, b"\x01" + bytes(63))
        yield case(f"small key {key.hex()}", forged, key=key)
        yield case(f"small R {key.hex()}", head + key + good[-32:])
        yield case("small vkey", good, vkey=vkey_of(key))


def small_order_8() -> bytes:
    return bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")


def fitting(public: bytes, scalar: int, r_point: bytes, nonce: int) -> bytes:
    """A statement under ``public``, signed with this R; its hash is 0 modulo 8, so parts of order 8 fall out."""
    order = 2**252 + 27742317777372353535851937790883648493
    for number in range(10_000):
        protected, payload, message = draft_bytes(draft(request=f"try-{number}"), thumbprint(public))
        k = int.from_bytes(hashlib.sha512(r_point + public + message).digest(), "little") % order
        if k % 8 == 0:
            s = (nonce + k * scalar) % order
            return join_signature(protected, payload, r_point + s.to_bytes(32, "little"))
    raise AssertionError("one in eight fits")


def vkey_of(key: bytes) -> str:
    """A vkey of a key that no vkey should have, its id right."""
    made = VerifierKey(ORIGIN, LOG.public)
    object.__setattr__(made, "public_key", key)
    return str(made)


def note_cases() -> Iterator[Case]:
    entry = sign_statement(draft(), ACTOR)
    proof = placed(entry)
    note = proof.checkpoint.decode()
    text, _, line = note.partition("\n\n")
    origin, size, root = text.split("\n")
    size_n, root_n = int(size), proof.check(leaf_hash(entry), Policy((Log(VerifierKey.parse(VKEY)),))).checkpoint.root
    stranger = Signer(ORIGIN, STRANGER)

    def again(text: str, *signers: Signer) -> str:
        return "\n".join([text, *(str(one.sign(text)) for one in signers), ""])

    own = Signer(ORIGIN, LOG)
    other_name = Signer("hall.example/other", LOG)
    notes = {
        "unknown line": note + str(stranger.sign(f"{text}\n")) + "\n",
        "unknown line of another name": note + str(replace_name(stranger, "x.example").sign(f"{text}\n")) + "\n",
        "twice": note + line,
        "stranger alone": again(f"{text}\n", stranger),
        "other name": again(f"{text}\n", other_name),
        "other origin": again(f"hall.example/other\n{size}\n{root}\n", own),
        "extension": again(f"{text}\nmore\n", own),
        "empty extension": again(f"{text}\n\nmore\n", own),
        "leading zero": again(f"{origin}\n0{size}\n{root}\n", own),
        "plus": again(f"{origin}\n+{size}\n{root}\n", own),
        "2^63": again(f"{origin}\n{2**63}\n{root}\n", own),
        "2^63 - 1": again(f"{origin}\n{2**63 - 1}\n{root}\n", own),
        "20 digits": again(f"{origin}\n{10**19}\n{root}\n", own),
        "size 0": again(f"{origin}\n0\n{root}\n", own),
        "smaller": again(f"{origin}\n{size_n - 6}\n{root}\n", own),
        "larger": again(f"{origin}\n{size_n + 1}\n{root}\n", own),
        "root of 31": again(f"{origin}\n{size}\n{root[:40]}\n", own),
        "root not canonical": again(f"{origin}\n{size}\n{root[:-2]}{chr(ord(root[-2]) + 1)}=\n", own),
        "root url": again(f"{origin}\n{size}\n{'-' * 43}=\n", own),
        "two lines": again(f"{origin}\n{size}\n", own),
        "carriage return": note.replace("\n", "\r\n"),
        "control": again(f"{text}\n\x01\n", own),
        "tab": again(f"{text}\na\tb\n", own),
        "no signature": f"{text}\n\n",
        "no newline at the end": note[:-1],
        "hyphen": note.replace("—", "-"),
        "two spaces": note.replace("— ", "—  "),
        "line without base64": note + "— x.example \n",
        "line short": note + "— x.example AAAA\n",
        "line not canonical": note + "— x.example AAAAAAB=\n",
        "name with plus": note + "— x+y AAAAAAA=\n",
        "name with nbsp": note + "— x\u00a0y AAAAAAA=\n",
        "name with nel": note + "— x\u0085y AAAAAAA=\n",
        "name with bom": note + "— x\ufeffy AAAAAAA=\n",
        "name long": note + f"— {'x' * 1025} AAAAAAA=\n",
        "name just so": note + f"— {'𝒳' * 1024} AAAAAAA=\n",
        "100 lines": note + "— x AAAAAAA=\n" * 99,
        "101 lines": note + "— x AAAAAAA=\n" * 100,
        "too long": again(f"{text}\n{'x' * 1_000_000}\n", own),
        "surrogate": note.replace("hall", "\ud800all"),
        "empty": "",
    }
    assert root_n
    for name, changed in notes.items():
        head = proof.to_bytes().decode().partition("\n\n")[0]
        yield Case(f"note: {name}", entry, f"{head}\n\n{changed}")
        yield Case(f"note, JSON: {name}", entry, proof.as_json() | {"checkpoint": changed})
    cosigned = cosign(proof.checkpoint).decode()
    bad = re.sub(r"(— witness\S* \S{20})(.)", lambda m: m[1] + ("A" if m[2] != "A" else "B"), cosigned)
    assert bad != cosigned
    for name, changed, witnesses in (
        ("bad line of a known witness", bad, (WITNESS_VKEY,)),
        ("bad line of nobody's", bad, ()),
        ("a witness's key as the log's", cosigned, (VKEY,)),
    ):
        yield Case(name, entry, proof.as_json() | {"checkpoint": changed}, witnesses=witnesses)
    yield Case("the log's key as a witness's", entry, proof.as_json(), vkey=WITNESS_VKEY)


def replace_name(signer: Signer, name: str) -> Signer:
    return Signer(name, signer.private_key, signer.algorithm)


def proof_cases() -> Iterator[Case]:
    entry = sign_statement(draft(), ACTOR)
    proof = placed(entry)
    text, body = proof.to_bytes().decode(), proof.as_json()
    head, note = text.partition("\n\n")[::2]
    lines = head.split("\n")
    for name, changed in {
        "index + 1": text.replace("index 5", "index 6"),
        "index + 16": text.replace("index 5", "index 21"),
        "index 05": text.replace("index 5", "index 05"),
        "index +5": text.replace("index 5", "index +5"),
        "index -1": text.replace("index 5", "index -1"),
        "index 2^63 - 1": text.replace("index 5", f"index {2**63 - 1}"),
        "no index": text.replace("index 5\n", ""),
        "other format": text.replace("@v1", "@v2"),
        "path shorter": "\n".join(lines[:-1]) + "\n\n" + note,
        "path longer": head + "\n" + lines[-1] + "\n\n" + note,
        "path swapped": "\n".join([*lines[:2], *lines[:1:-1]]) + "\n\n" + note,
        "path of 65": "\n".join([*lines[:2], *lines[2:3] * 65]) + "\n\n" + note,
        "hash of 31": head.replace(lines[2], "A" * 40) + "\n\n" + note,
        "hash not canonical": head.replace(lines[2], lines[2][:-2] + chr(ord(lines[2][-2]) + 1) + "=") + "\n\n" + note,
        "extra empty": text.replace("index", "extra \nindex"),
        "extra not canonical": text.replace("index", "extra eB==\nindex"),
        "extra twice": text.replace("index", "extra eA==\nextra eA==\nindex"),
        "extra after": text.replace("index 5\n", "index 5\nextra eA==\n"),
        "extra too long": text.replace("index", f"extra {'AAAA' * 21_846}\nindex"),
        "carriage return": text.replace("index 5\n", "index 5\r\n"),
        "nothing": "",
        "head alone": head,
    }.items():
        yield Case(f"proof: {name}", entry, changed)
    for name, changes in {
        "index text": {"index": "5"},
        "index true": {"index": True},
        "index -1": {"index": -1},
        "index 6": {"index": 6},
        "more": {"more": 1},
        "extra null": {"extra": None},
        "extra": {"extra": "eA=="},
        "path text": {"path": "x"},
        "path of numbers": {"path": [1]},
        "format": {"format": "x"},
        "checkpoint null": {"checkpoint": None},
    }.items():
        yield Case(f"JSON: {name}", entry, body | changes)
    for missing in body:
        yield Case(f"JSON without {missing}", entry, {name: value for name, value in body.items() if name != missing})
    other = sign_statement(draft(request="other"), ACTOR)
    yield Case("another entry", other, text)
    yield Case("another log's proof", entry, text, vkey=str(VerifierKey("hall.example/other", LOG.public)))


# ── Both verifiers ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def page(chromium: Browser) -> Iterator[Page]:
    """The module on a page of its own; where it comes from only matters to the browser's cryptography."""

    def serve(route: Route) -> None:
        if route.request.url.endswith("/verify.js"):
            route.fulfill(body=SCRIPT.read_text(), content_type="text/javascript")
        else:
            route.fulfill(body=HARNESS, content_type="text/html")

    context = chromium.new_context()
    page = context.new_page()
    page.route("**/*", serve)
    page.goto("http://localhost/")
    page.wait_for_function("window.judge !== undefined", timeout=20_000)
    yield page
    context.close()


def judge(page: Page, cases: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # As ASCII text: the driver would mend half characters on the way.
    found: list[dict[str, Any]] = page.evaluate("(text) => window.judge(JSON.parse(text))", json.dumps(cases))
    return found


@pytest.mark.parametrize(
    ("make", "good"),
    [
        (good_cases, None),
        (flipped_cases, 22),
        (form_cases, 7),
        (edge_cases, 0),
        (note_cases, 15),
        (proof_cases, 1),
    ],
)
def test_both_verifiers_say_the_same(page: Page, make: Any, good: int | None) -> None:
    cases = list(make())
    verdicts = judge(page, [one.as_json() for one in cases])
    bugs = [
        (one.name, said["code"]) for one, said in zip(cases, verdicts, strict=True) if "BUG" in said.get("code", "")
    ]
    assert not bugs
    expected = [one.by_python() for one in cases]
    differ = [
        (one.name, said, ours)
        for one, said, ours in zip(cases, verdicts, expected, strict=True)
        if said["ok"] is not ours
    ]
    assert not differ
    # Were everything refused, or everything accepted, agreeing would say nothing.
    accepted = [one.name for one, holds in zip(cases, expected, strict=True) if holds]
    assert len(accepted) == (len(cases) if good is None else good), accepted


def test_it_proves_the_example_of_the_specification(page: Page) -> None:
    text = SPEC.read_text()

    def block(name: str) -> str:
        found = re.search(rf"^```example {name}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        assert found is not None, name
        return found[1]

    public = re.search(r"actor .*\n +public +([0-9a-f]{64})", block("keys"))
    assert public is not None
    vkey = re.search(r"^log (\S+)$", block("policy"), re.MULTILINE)
    witness = re.search(r"^witness \S+ (\S+)$", block("policy"), re.MULTILINE)
    assert vkey is not None
    assert witness is not None
    (said,) = judge(
        page,
        [
            {
                "entry": block("entry").replace("\n", ""),
                "proof": block("proof"),
                "vkey": vkey[1],
                "witnesses": [witness[1]],
                "key": public[1],
            }
        ],
    )
    assert (said["ok"], said["index"], said["cosignedBy"]) == (True, 2, ["witness.example/w1"])


def test_the_signers_key_may_come_from_the_logs_own_statements(page: Page) -> None:
    """Entry 0, which the origin pins, names the officers; what they stated names the others."""
    clerk, later = SigningKey.from_seed(b"\6" * 32), SigningKey.from_seed(b"\7" * 32)
    added = {"actor": "staff/lin", "key": clerk.public.hex()}
    key_1 = sign_statement(draft(type="key.added.v1", stream="key/staff/lin", data=added), ACTOR)
    turned = draft(actor="staff/lin", type="key.rotated.v1", stream="key/staff/lin", data={"key": later.public.hex()})
    key_2 = sign_statement(turned, clerk)
    act = sign_statement(draft(actor="staff/lin"), later)
    entries = [ENTRY_0, b"filler", key_1, key_2, act]
    hashes = [leaf_hash(each) for each in entries]
    note = sign_checkpoint(Checkpoint(ORIGIN, 5, root_of(hashes)), Signer(ORIGIN, LOG))

    def proved(index: int) -> dict[str, Any]:
        proof = Proof(index, tuple(prove_inclusion(index, 5, reader(hashes))), note)
        return {"entry": entries[index].hex(), "proof": proof.to_bytes().decode()}

    whole = proved(4) | {"vkey": VKEY}
    bundles = {
        "all": [proved(3), proved(0), proved(2)],
        "none": [],
        "without entry 0": [proved(2), proved(3)],
        "without the first": [proved(0), proved(3)],
        "without the second": [proved(0), proved(2)],
    }
    said = dict(zip(bundles, judge(page, [whole | {"keys": keys} for keys in bundles.values()]), strict=True))
    assert {name: one["ok"] for name, one in said.items()} == {name: name == "all" for name in bundles}, said
    # A key statement that the officers did not sign, and one that stands behind the act.
    forged = sign_statement(draft(type="key.added.v1", stream="key/staff/lin", data=added), STRANGER)
    entries[2], hashes[2] = forged, leaf_hash(forged)
    note = sign_checkpoint(Checkpoint(ORIGIN, 5, root_of(hashes)), Signer(ORIGIN, LOG))
    (refused,) = judge(page, [proved(4) | {"vkey": VKEY, "keys": [proved(0), proved(2), proved(3)]}])
    assert (refused["ok"], refused["code"]) == (False, "keys")
