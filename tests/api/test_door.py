"""The door over HTTP: a draft is prepared, signed elsewhere, committed, and found in the tree with its proof."""

from __future__ import annotations

import json
import secrets
from typing import Any

import pytest

from ledger.keys import SigningKey
from ledger.statement import check_statement_signature, instant_text, open_statement
from ledger.store.sequencer import now_us
from ledger.tree.merkle import check_inclusion
from ledger.tree.note import VerifierKey, open_note
from ledger.tree.proof import Proof


def wish(served: Any, **more: Any) -> dict[str, Any]:
    return {
        "public_key": served.keys["staff/chen"].public.hex(),
        "actor": "staff/chen",
        "role": "window_clerk",
        "stream": f"ticket/{secrets.token_hex(6)}",
        "type": "ticket.taken.v1",
        "at": instant_text(now_us()),
        "request": secrets.token_hex(8),
        "values": {"number": "A001", "queue": "general", "holder": "李四"},
        "unit": "env",
        "window": "w1",
    } | more


def prepared(served: Any, **more: Any) -> dict[str, Any]:
    with served.client("operator") as client:
        answer = client.post("/api/drafts", json=wish(served, **more))
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def signed(draft: dict[str, Any], key: SigningKey) -> str:
    return str(draft["entry_head"]) + key.sign(bytes.fromhex(draft["to_be_signed"])).hex()


def test_a_statement_signed_elsewhere_is_seen_by_its_writer_at_once_and_proved(served: Any) -> None:
    key = served.keys["staff/chen"]
    draft = prepared(served)
    entry = signed(draft, key)
    act = open_statement(bytes.fromhex(entry))
    assert check_statement_signature(act.entry, key.public)
    assert "李四" not in entry and act.data["holder"] != "李四"  # noqa: PT018 - one thought
    with served.client() as client:
        answer = client.post("/api/statements", json={"entry": entry})
        assert answer.status_code == 201
        taken = answer.json()
        assert (taken["id"], taken["projected"]) == (act.id.hex(), True)
        with served.client("reader") as reader:
            waiting = reader.get("/api/tickets").json()
        assert act.stream in [one["stream"] for one in waiting["tickets"]]
        assert waiting["as_of"]["position"] > taken["index"]

        receipt = client.get(f"/api/statements/{taken['id']}").json()
        root, path = bytes.fromhex(receipt["root"]), [bytes.fromhex(one) for one in receipt["inclusion"]]
        check_inclusion(act.id, receipt["index"], receipt["size"], path, root)
        proof = Proof.parse(client.get(f"/api/statements/{taken['id']}/proof").content)
        assert proof.check(act.id, served.hall.publisher.policy).checkpoint.size == receipt["size"]


def test_the_promise_is_signed_by_the_receipt_key(served: Any) -> None:
    entry = signed(prepared(served), served.keys["staff/chen"])
    with served.client() as client:
        taken = client.post("/api/statements", json={"entry": entry}).json()
    hall = served.hall
    note = open_note(taken["promise"].encode(), [VerifierKey(hall.origin, hall.keyring.own("receipt").public)])
    assert taken["id"] in note.text


def test_the_same_bytes_twice_are_one_statement(served: Any) -> None:
    entry = signed(prepared(served), served.keys["staff/chen"])
    with served.client() as client:
        first = client.post("/api/statements", json={"entry": entry}).json()
        again = client.post("/api/statements", json={"entry": entry}).json()
    assert (again["id"], again["repeated"]) == (first["id"], True)


def test_what_is_signed_by_another_key_is_refused_and_changes_nothing(served: Any) -> None:
    draft = prepared(served)
    stranger = SigningKey.generate()
    with served.client() as client:
        answer = client.post("/api/statements", json={"entry": signed(draft, stranger)})
    assert (answer.status_code, answer.json()["code"]) == (403, "signature")
    act = open_statement(bytes.fromhex(signed(draft, stranger)))
    assert served.hall.reader.stream(act.stream) == []


def test_a_draft_that_was_overtaken_is_told_what_is_new(served: Any) -> None:
    stream = "ticket/overtaken"
    early, late = (prepared(served, stream=stream) for _ in range(2))
    key = served.keys["staff/chen"]
    with served.client() as client:
        assert client.post("/api/statements", json={"entry": signed(early, key)}).status_code == 201
        answer = client.post("/api/statements", json={"entry": signed(late, key)})
    assert (answer.status_code, answer.json()["code"]) == (409, "moved")


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"role": "approver"}, 403, "role"),
        ({"window": "w9"}, 403, "own-window"),
        ({"type": "ticket.taken.v9"}, 422, "unknown-type"),
        ({"public_key": SigningKey.generate().public.hex()}, 403, "key-unknown"),
        ({"public_key": "11" * 32}, 422, "key-point"),
        ({"values": {"number": "A001"}}, 422, "missing-field"),
        ({"at": "yesterday"}, 422, "instant"),
        ({"values": {"number": "\ud800", "queue": "q"}}, 422, None),
        ({"stream": "ticket/\u0000"}, 422, None),
    ],
)
def test_a_wish_that_the_door_would_refuse_is_refused_before_anybody_signs(
    served: Any, change: dict[str, Any], status: int, code: str | None
) -> None:
    with served.client("operator") as client:
        answer = client.post(
            "/api/drafts", content=json.dumps(wish(served, **change)), headers={"Content-Type": "application/json"}
        )
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == status, answer.text
    assert code is None or answer.json()["code"] == code


def test_an_id_that_nobody_stated_is_not_found(served: Any) -> None:
    with served.client() as client:
        answer = client.get(f"/api/statements/{'ab' * 32}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-statement")


def test_a_body_too_long_is_refused_even_when_its_length_is_not_told(served: Any) -> None:
    def much() -> Any:
        for _ in range(40):
            yield b"a" * 65_536

    with served.client() as client:
        told = client.post("/api/statements", content=b"a" * (2 << 20), headers={"Content-Type": "application/json"})
        untold = client.post("/api/statements", content=much(), headers={"Content-Type": "application/json"})
    assert told.status_code in (400, 413)
    assert untold.status_code in (400, 413)
