"""The commands of proofs, end to end: what one writes, ``mingjian-verify proof`` accepts, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ledger.door.hall import Hall
from ledger.keys import public_pem
from ledger.verify.cli import main

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/spec/commands.schema.json").read_text("utf-8"))
Command = Callable[..., tuple[int, Any]]


@pytest.fixture
def run(many: Hall, command: Command) -> Command:
    def on_data(name: str, *words: Any) -> tuple[int, Any]:
        code, told = command(*words, "--data", many.data)
        schema = name if code == 0 else "error"
        Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{schema}"}).validate(told)
        return code, told

    return on_data


@pytest.fixture
def verify(many: Hall, command: Command, tmp_path: Path) -> Command:
    (tmp_path / "policy").write_bytes(many.publisher.policy.to_bytes())

    def on_policy(file: Path, *words: Any) -> tuple[int, Any]:
        code, told = command("proof", file, "--policy", tmp_path / "policy", *words, program="mingjian-verify")
        schema = "verify-proof" if code < 2 else "error"
        Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{schema}"}).validate(told)
        return code, told

    return on_policy


@pytest.mark.parametrize("form", ["tlog", "cose", "json"])
def test_a_proof_that_one_command_writes_the_other_accepts(
    run: Command, verify: Command, tmp_path: Path, form: str
) -> None:
    entry, proof = tmp_path / "entry", tmp_path / "proof"
    assert run("log-keys", "log", "keys", "--out", tmp_path)[0] == 0
    code, told = run("log-entry", "log", "entry", 700, "--out", entry)
    assert (code, told["bytes"]) == (0, entry.stat().st_size)
    code, told = run("log-proof", "log", "proof", 700, "--format", form, "--out", proof)
    assert (code, told["index"], told["witnessed"]) == (0, 700, False)
    key = ("--receipt-key", tmp_path / "receipt.pem") if form == "cose" else ()
    code, found = verify(proof, "--entry", entry, *key)
    assert (code, found["ok"], found["form"], found["index"], found["root"]) == (0, True, form, 700, told["root"])
    raw = entry.read_bytes()
    entry.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
    code, found = verify(proof, "--entry", entry, *key)
    assert (code, found["ok"]) == (1, False)


def test_the_checkpoint_and_two_sizes(run: Command, verify: Command, tmp_path: Path) -> None:
    code, served = run("log-checkpoint", "log", "checkpoint")
    assert (code, served["note"].split("\n")[0]) == (0, served["origin"])
    code, latest = run("log-checkpoint", "log", "checkpoint", "--latest")
    assert (code, latest["size"] >= served["size"]) == (0, True)
    code, told = run("log-consistency", "log", "consistency", 511, 513)
    (tmp_path / "joined").write_text(json.dumps(told))
    code, found = verify(tmp_path / "joined")
    assert (code, found["form"], found["old_size"], found["new_size"]) == (0, "consistency", 511, 513)
    (tmp_path / "joined").write_text(json.dumps(told | {"old": told["new"]}))
    assert verify(tmp_path / "joined")[0] == 1


def test_a_case_is_whole_by_its_own_id_and_one_that_is_not_there_is_absent(
    run: Command, verify: Command, tmp_path: Path
) -> None:
    _, listed = run("case-list", "case", "list", "--source", "s", "--limit", 1)
    case = listed["cases"][0]
    code, told = run("case-completeness", "case", "completeness", case["id"])
    assert (code, told["stream"]) == (0, case["stream"])
    assert told["statements"] == case["events"] + 1, "the case itself is a statement too"
    (tmp_path / "whole").write_text(json.dumps(told))
    code, found = verify(tmp_path / "whole")
    assert (code, found["statements"], found["last"], found["heads_size"]) == (
        0,
        told["statements"],
        told["last"],
        told["size"],
    )
    code, again = run("case-completeness", "case", "completeness", case["id"], "--at", told["size"])
    assert (code, again["heads"]) == (0, told["heads"])
    code, none = run("case-completeness", "case", "completeness", "approval/nobody")
    (tmp_path / "none").write_text(json.dumps(none))
    assert verify(tmp_path / "none")[1]["statements"] == 0
    (tmp_path / "none").write_text(json.dumps(none | {"statements": 1}))
    assert verify(tmp_path / "none")[0] == 1


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        ("log entry 99999999 --out X", 1, "no-entry"),
        ("log proof 99999999 --out X", 1, "no-entry"),
        ("log proof 3 --format pdf --out X", 1, "form"),
        ("log proof 3", 2, "usage"),
        ("log proof -- -1 --out X", 2, "usage"),
        ("log consistency 5 3", 1, "sizes"),
        ("log consistency 5 99999999", 1, "no-entry"),
        ("case completeness nobody --at 3", 1, "no-heads"),
    ],
)
def test_an_error_is_told_in_one_line(run: Command, tmp_path: Path, words: str, code: int, kind: str) -> None:
    asked = [str(tmp_path / "x") if word == "X" else word for word in words.split()]
    found, told = run("error", *asked)
    assert (found, told["error"]["code"]) == (code, kind)
    assert not (tmp_path / "x").exists()


def test_what_is_missing_to_check_is_wrong_usage_and_no_verdict(run: Command, verify: Command, tmp_path: Path) -> None:
    for form in ("tlog", "cose", "json"):
        run("log-proof", "log", "proof", 5, "--format", form, "--out", tmp_path / form)
        assert verify(tmp_path / form)[0] == 2
    assert verify(tmp_path / "nothing")[0] == 3


BAD_FILES = (
    b"", b"{}", b"[]", b"null", b"\xd2", b"\xd2\x84", b"{" * 5000, b"c2sp.org/tlog-proof@v1", b"\xff" * 100,
    b'{"format": "mingjian-completeness@v1"}', b'{"format": "mingjian-consistency@v1"}', b'{"format": [1]}',
)  # fmt: skip


def test_no_file_ends_in_a_traceback(many: Hall, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"file": b"", "entry": many.reader.entries(5, 6)[0].entry, "policy": many.publisher.policy.to_bytes()}
    given["key"] = public_pem(many.keyring.own("receipt").public)
    for name, content in given.items():
        (tmp_path / name).write_bytes(content)
    words = [
        f"--{name}={tmp_path / file}"
        for name, file in (("entry", "entry"), ("policy", "policy"), ("receipt-key", "key"))
    ]
    for content in BAD_FILES:
        (tmp_path / "file").write_bytes(content)
        assert main(["proof", str(tmp_path / "file"), *words, "--json"]) == 1
        assert json.loads(capsys.readouterr().out)["ok"] is False
