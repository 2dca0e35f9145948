"""The ledger as a SCITT transparency service: an outside system registers with its own key and takes a receipt away."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import cbor2
import httpx
import pytest

from api.tokens import Tokens
from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.door.heads import state_heads
from ledger.facts.registry import possession_message
from ledger.keys import public_pem, thumbprint
from ledger.registry import changes, people
from ledger.statement import open_statement, statement_id
from ledger.tree.completeness import Completeness
from ledger.tree.consistency import Consistency
from ledger.tree.heads import ROW_BYTES, check_rows
from ledger.tree.merkle import leaf_hash, root_of
from ledger.tree.proof import Proof
from ledger.tree.receipt import check_receipt

Judge = Callable[[Sequence[dict[str, Any]]], list[bool]]
COSE = {"Content-Type": "application/cose"}
PROBLEM = "application/concise-problem-details+cbor"
# COSE_Sign1 of somebody else's profile: ES256, a payload of two bytes.
FOREIGN = cbor2.dumps(cbor2.CBORTag(18, [cbor2.dumps({1: -7}), {}, b"{}", bytes(64)]))


@pytest.fixture(scope="module")
def token(many: Hall) -> Callable[[str], dict[str, str]]:
    tokens = {scope: Tokens(many.data).make(scope) for scope in ("auditor", "operator", "reader")}
    return lambda scope: {"Authorization": f"Bearer {tokens[scope]}"}


def receipt_key(client: httpx.Client) -> bytes:
    [key] = cbor2.loads(client.get("/.well-known/scitt-keys").content)
    assert (key[1], key[3], key[-1]) == (1, -8, 6)
    assert key[2] == thumbprint(key[-2])
    return bytes(key[-2])


def test_a_statement_signed_elsewhere_is_registered_and_its_receipt_verifies(
    many: Hall, client: httpx.Client, source: Any, by_scitt_cose: Judge
) -> None:
    entry = source("outside").sign("c-1")
    answer = client.post("/entries", content=entry, headers=COSE)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/cose")
    assert answer.headers["location"] == f"/entries/{statement_id(entry).hex()}"
    key = receipt_key(client)
    proven = check_receipt(answer.content, entry, subject="imported/outside/c-1", origin=many.origin, public_key=key)
    assert many.reader.entries(proven.position, proven.position + 1)[0].entry == entry
    again = client.get(answer.headers["location"])
    assert (again.status_code, again.headers["content-type"]) == (200, "application/cose")
    case = {"kind": "receipt", "entry": entry, "pem": public_pem(key)}
    assert by_scitt_cose([case | {"data": answer.content}, case | {"data": again.content}]) == [True, True]


def test_the_same_statement_twice_is_one_entry(many: Hall, client: httpx.Client, source: Any) -> None:
    entry = source("twice").sign("c-1")
    first, second = (client.post("/entries", content=entry, headers=COSE) for _ in range(2))
    assert first.headers["location"] == second.headers["location"]
    assert (first.status_code, second.status_code) == (201, 201)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (lambda entry: entry[:-1] + bytes([entry[-1] ^ 1]), 400),
        (lambda entry: entry + b"\0", 400),
        (lambda entry: entry[:100], 400),
        (lambda entry: b"", 400),
        (lambda entry: FOREIGN, 400),
        (lambda entry: b"{}", 400),
    ],
)
def test_what_is_not_such_a_statement_is_refused_in_concise_words(
    many: Hall, client: httpx.Client, source: Any, change: Callable[[bytes], bytes], status: int
) -> None:
    size = many.reader.head().size
    entry = source(f"bad{size}").sign("c-1")
    answer = client.post("/entries", content=change(entry), headers=COSE)
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM)
    problem = cbor2.loads(answer.content)
    assert isinstance(problem[-1], str)
    assert many.reader.stream(open_statement(entry).stream) == []


def test_a_statement_without_the_right_is_refused(client: httpx.Client, source: Any) -> None:
    mine = source("mine")
    answer = client.post("/entries", content=mine.sign("c-1", stream="imported/other/c-1"), headers=COSE)
    assert (answer.status_code, cbor2.loads(answer.content)["mingjian-code"]) == (400, "own-source")


def test_no_receipt_is_given_for_what_is_not_registered(client: httpx.Client) -> None:
    for entry in ("00" * 32, "zz"):
        answer = client.get(f"/entries/{entry}")
        assert answer.headers["content-type"] == PROBLEM
        assert answer.status_code == (404 if entry == "00" * 32 else 400)


def test_the_receipt_key_is_found_by_its_kid(client: httpx.Client) -> None:
    key = receipt_key(client)
    kid = base64.urlsafe_b64encode(thumbprint(key)).rstrip(b"=").decode()
    assert cbor2.loads(client.get(f"/.well-known/scitt-keys/{kid}").content)[-2] == key
    assert client.get("/.well-known/scitt-keys/other").status_code == 404


@pytest.fixture(scope="module")
def registrar(many: Hall) -> str:
    actor = "staff/registrar"
    (one, one_key), (two, two_key) = many.officers()
    first = Desk(door=many.door, actor=one, key=one_key, role="key_officer")
    second = Desk(door=many.door, actor=two, key=two_key, role="key_officer")
    changes.confirm(second, people.appoint(first, actor, person=actor, roles=["registrar"]).id)
    key = many.keyring.make_actor(actor)
    proof = key.sign(possession_message(many.origin, actor, key.public)).hex()
    content = {"actor": actor, "key": key.public.hex(), "custody": "server", "proof": proof}
    many.wait_placed([many.change(f"key/{actor}", "key.added.v1", content)])
    return actor


def test_a_foreign_statement_is_attached_by_its_digest(
    many: Hall, client: httpx.Client, registrar: str, token: Callable[[str], dict[str, str]]
) -> None:
    digest = hashlib.sha256(FOREIGN).hexdigest()
    asked = {"registrar": registrar, "about": "approval/2024-1", "media_type": "application/spdx+cose"}
    answers = [
        client.post("/entries", params=asked, content=FOREIGN, headers=COSE | token("operator")) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    [(_, id_, entry)] = many.reader.stream(f"attestation/{digest}")
    assert answers[0].headers["location"] == answers[1].headers["location"] == f"/entries/{id_.hex()}"
    data = {"digest": digest, "about": "approval/2024-1", "media_type": "application/spdx+cose"}
    assert open_statement(entry).data == data
    check_receipt(
        answers[0].content, entry, subject=f"attestation/{digest}", origin=many.origin,
        public_key=receipt_key(client),
    )  # fmt: skip


def test_nobody_attaches_without_an_operators_token_or_a_registrars_right(
    client: httpx.Client, registrar: str, token: Callable[[str], dict[str, str]]
) -> None:
    for headers in ({}, token("reader")):
        answer = client.post("/entries", params={"registrar": registrar}, content=b"x", headers=COSE | headers)
        assert (answer.status_code, cbor2.loads(answer.content)["mingjian-code"]) == (400, "token")
    answer = client.post("/entries", params={"registrar": "officer/1"}, content=b"x", headers=COSE | token("operator"))
    assert (answer.status_code, cbor2.loads(answer.content)["mingjian-code"]) == (400, "role")


# ------------------------------------------------------------------------------------------------ proofs for the web


def test_the_web_has_every_proof_in_its_form(
    many: Hall, client: httpx.Client, token: Callable[[str], dict[str, str]]
) -> None:
    reader, policy = token("reader"), many.publisher.policy
    [placed] = many.reader.entries(9, 10)
    found = client.get("/api/log/proof/9", headers=reader)
    Proof.from_json(found.json()).check(placed.id, policy)
    assert found.headers["mingjian-witnessed"] == "no"
    Proof.parse(client.get("/api/log/proof/9?form=tlog", headers=reader).content).check(placed.id, policy)
    receipt = client.get("/api/log/proof/9?form=cose", headers=reader).content
    act = open_statement(placed.entry)
    check_receipt(receipt, placed.entry, subject=act.stream, origin=many.origin, public_key=receipt_key(client))
    Consistency.from_json(client.get("/api/log/consistency?old=5&new=9").json()).check(policy)
    assert client.get("/api/log/proof/9").status_code == 403
    assert client.get("/api/log/proof/99999999", headers=reader).status_code == 404
    assert client.get("/api/log/consistency?old=9&new=5").status_code == 422


def test_a_streams_completeness_and_the_rows_under_it_are_served(
    many: Hall, client: httpx.Client, token: Callable[[str], dict[str, str]]
) -> None:
    stated = state_heads(many)
    told = client.get("/api/log/completeness", params={"stream": "ledger"}, headers=token("reader")).json()
    assert Completeness.from_json(told).check(many.publisher.policy).statements == 2
    assert client.get("/api/log/heads").json()["root"] == stated.heads.root.hex()
    rows, number = b"", 0
    tiles = f"/log/heads/{stated.heads.size}/tile"
    while (answer := client.get(f"{tiles}/0/{number}", headers=token("auditor"))).is_success:
        rows, number = rows + answer.content, number + 1
    check_rows(rows)
    leaves = [leaf_hash(rows[at : at + ROW_BYTES]) for at in range(0, len(rows), ROW_BYTES)]
    assert (len(leaves), root_of(leaves)) == (stated.heads.count, stated.heads.root)
    above = client.get(f"/log/heads/{stated.heads.size}/tile/1/0", headers=token("auditor")).content
    assert above[:32] == root_of(leaves[:256])
    assert client.get(f"/log/heads/{stated.heads.size}/tile/0/0", headers=token("reader")).status_code == 403
