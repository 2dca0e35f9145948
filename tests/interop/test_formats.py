"""The worked example of docs/spec/formats.md is true.

``python tests/interop/test_formats.py`` writes the blocks anew after a format has changed; the words around them are
written by hand. Every block is fenced as ``example <name>``.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from pathlib import Path

from ledger.disclosure import derive_salt, open_disclosure, seal_value
from ledger.keys import SigningKey, public_pem
from ledger.statement import Draft, StatementId, check_statement_signature, draft_bytes, open_statement, sign_statement
from ledger.tree.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from ledger.tree.cosignature import AddCheckpoint, answer_of, cosign_checkpoint, take_cosignatures
from ledger.tree.heads import Heads, HeadTree, Row, check_head, stream_hash
from ledger.tree.merkle import EMPTY_ROOT, leaf_hash, prove_consistency, prove_inclusion, root_of
from ledger.tree.note import Algorithm, Signer
from ledger.tree.policy import Log, Policy, Witness
from ledger.tree.proof import Proof
from ledger.tree.receipt import (
    attach_receipts,
    check_consistency_receipt,
    check_receipt,
    detach_receipts,
    sign_consistency_receipt,
    sign_receipt,
)

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "spec" / "formats.md"
BLOCK = re.compile(r"(?<=^```example )([a-z0-9-]+)\n(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)


def wrapped(raw: bytes) -> str:
    return "\n".join(textwrap.wrap(raw.hex(), 96))


def example() -> dict[str, str]:
    """Every block by name; what can be checked is checked on the way."""
    actor, log_key, receipt_key, witness_key = (SigningKey.from_seed(bytes([n]) * 32) for n in (1, 2, 3, 4))
    subject_key = b"\5" * 32
    name = seal_value(derive_salt(subject_key, "r-3", "name"), "name", "张三")
    assert open_disclosure(name.text) == name

    opened = Draft(
        actor="officer-1",
        stream="example/a",
        type="example.opened.v1",
        seq=1,
        prev=None,
        seen_size=0,
        seen_root=EMPTY_ROOT,
        at="2024-03-04T09:30:00+08:00",
        role="officer",
        request="r-1",
        data={"n": 1},
        audience=None,
    )
    entries = [sign_statement(opened, actor)]
    origin = f"hall.example/log/{leaf_hash(entries[0])[:16].hex()}"
    entries.append(
        sign_statement(replace(opened, stream="example/b", request="r-2", audience=origin, data={"n": 2}), actor)
    )
    third = replace(
        opened,
        seq=2,
        prev=StatementId(leaf_hash(entries[0])),
        seen_size=2,
        seen_root=root_of(map(leaf_hash, entries)),
        at="2024-03-04T09:31:00.5+08:00",
        unit="unit-1",
        window="w-7",
        request="r-3",
        causes=(StatementId(leaf_hash(entries[1])),),
        data={"item": "受理", "n": 3},
        sd=(name.digest,),
        audience=origin,
    )
    protected, payload, to_sign = draft_bytes(third, actor.thumbprint)
    entries.append(sign_statement(third, actor))
    assert open_statement(entries[2]).id == leaf_hash(entries[2])
    assert check_statement_signature(entries[2], actor.public)

    leaves = [leaf_hash(entry) for entry in entries]
    root = root_of(leaves)

    def read_tile(level: int, index: int, width: int) -> bytes:
        assert (level, index) == (0, 0)
        return b"".join(leaves[:width])

    log = Signer(origin, log_key)
    witness = Signer("witness.example/w1", witness_key, Algorithm.COSIGNATURE_V1)
    policy = Policy((Log(log.key),), (Witness("w1", witness.key),), (), "w1")
    signed = sign_checkpoint(Checkpoint(origin, 3, root), log)
    consistency = prove_consistency(2, 3, read_tile)
    request = AddCheckpoint(2, tuple(consistency), signed).to_bytes()
    last = Checkpoint(origin, 2, root_of(leaves[:2]))
    _, line = cosign_checkpoint(request, logs=[log.key], last=last, witness=witness, time_s=1_709_515_900)
    cosigned = take_cosignatures(signed, answer_of([line]), policy)
    open_checkpoint(cosigned, policy)

    path = prove_inclusion(2, 3, read_tile)
    proof = Proof(2, tuple(path), cosigned)
    proof.check(leaves[2], policy)
    receipt = sign_receipt(entries[2], subject=third.stream, index=2, size=3, path=path, origin=origin, key=receipt_key)
    check_receipt(receipt, entries[2], subject=third.stream, origin=origin, public_key=receipt_key.public)
    joined = sign_consistency_receipt(2, last.root, 3, root, consistency, origin=origin, key=receipt_key)
    check_consistency_receipt(joined, 2, last.root, root, origin=origin, public_key=receipt_key.public)
    transparent = attach_receipts(entries[2], [receipt])
    assert detach_receipts(transparent) == (entries[2], [receipt])

    heads_tree = HeadTree()
    heads_tree.update([Row(stream_hash("example/a"), 2, leaves[2]), Row(stream_hash("example/b"), 1, leaves[1])])
    heads = heads_tree.heads(3)
    found = check_head("example/a", heads, heads_tree.prove_head("example/a"))
    assert found is not None
    assert found.seq == 2
    assert check_head("example/z", heads, heads_tree.prove_head("example/z")) is None
    assert Heads.from_data(heads.as_data()) == heads
    rows = heads_tree.rows

    def keys(label: str, key: SigningKey) -> str:
        return f"{label:8} seed       {key.private.private_bytes_raw()[:1].hex()} × 32\n" + "\n".join(
            f"{'':8} {what:10} {value}"
            for what, value in (("public", key.public.hex()), ("thumbprint", key.thumbprint.hex()))
        )

    return {
        "keys": "\n".join(
            keys(*pair)
            for pair in (("actor", actor), ("log", log_key), ("receipt", receipt_key), ("witness", witness_key))
        ),
        "pem": public_pem(receipt_key.public).decode().rstrip("\n"),
        "origin": origin,
        "protected": wrapped(protected),
        "payload": payload.decode(),
        "to-sign": wrapped(to_sign),
        "entry": wrapped(entries[2]),
        "entry-0": wrapped(entries[0]),
        "entry-1": wrapped(entries[1]),
        "leaves": "\n".join(f"leaf {i}  {leaf.hex()}" for i, leaf in enumerate(leaves)),
        "roots": "\n".join(f"size {n}  {root_of(leaves[:n]).hex()}" for n in range(4)),
        "policy": policy.to_bytes().decode().rstrip("\n"),
        "checkpoint": signed.decode().rstrip("\n"),
        "add-checkpoint": request.decode().rstrip("\n"),
        "cosignature": str(line),
        "proof": proof.to_bytes().decode().rstrip("\n"),
        "receipt": wrapped(receipt),
        "consistency-receipt": wrapped(joined),
        "transparent": wrapped(transparent),
        "rows": "\n".join(
            " ".join((rows[at : at + 32].hex(), rows[at + 32 : at + 40].hex(), rows[at + 40 : at + 72].hex()))
            for at in range(0, len(rows), 72)
        ),
        "heads": repr(heads.as_data()).replace("'", '"'),
        "disclosure": f"text    {name.text}\ndigest  {name.digest}",
    }


def test_the_worked_example_of_the_document_is_true() -> None:
    written = dict(BLOCK.findall(DOCUMENT.read_text()))
    expected = example()
    assert written.keys() == expected.keys()
    for name, text in expected.items():
        assert written[name].rstrip("\n") == text, f"the block {name!r} is no longer what the code makes"


if __name__ == "__main__":
    blocks = example()
    DOCUMENT.write_text(BLOCK.sub(lambda found: f"{found[1]}\n{blocks[found[1]]}\n", DOCUMENT.read_text()))
