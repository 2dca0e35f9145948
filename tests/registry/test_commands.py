"""``mingjian keys`` and ``mingjian registry``: one line of JSON each, beside an open ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from api.registry_commands import keys_app, registry_app

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(office: Any) -> Run:
    app = typer.Typer()
    app.add_typer(keys_app, name="keys")
    app.add_typer(registry_app, name="registry")

    def run(*words: str, code: int = 0) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*words, "--json", "--data", str(office.hall.data)])
        assert done.exit_code == code, done.output
        (line,) = done.stdout.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    return run


def test_story_a_person_is_appointed_gets_a_key_and_uses_it(run: Run, tmp_path: Path) -> None:
    person = {"person": "042", "name": "王", "roles": ["catalogue_admin"]}
    proposed = run("registry", "propose", "staff.appointed.v1", "staff/wang", json.dumps(person), "--as", "officer/1")
    assert proposed["id"] in {each["id"] for each in run("registry", "waiting")["proposals"]}
    refused = run("registry", "confirm", proposed["id"], "--as", "officer/1", code=1)
    assert refused["error"]["code"] == "two-persons"
    confirmed = run("registry", "confirm", proposed["id"], "--as", "officer/2")
    assert (confirmed["stream"], confirmed["seq"]) == ("staff/wang", 2)

    first, second = tmp_path / "1.pem", tmp_path / "2.pem"
    added = run("keys", "add", "staff/wang", "--key", str(first), "--next", str(second), "--as", "officer/1")
    assert first.stat().st_mode & 0o777 == 0o600
    position = run("registry", "confirm", added["id"], "--as", "officer/2")["index"]
    rotate = ("keys", "rotate", "--as", "staff/wang", "--signer", str(first), "--role", "catalogue_admin")
    rotated = run(*rotate, "--new", str(second))

    valid = {each["kid"]: each for each in run("keys", "list")["keys"]}
    assert added["kid"] not in valid
    assert (valid[rotated["kid"]]["actor"], valid[rotated["kid"]]["custody"]) == ("staff/wang", "actor")
    then = {each["kid"] for each in run("keys", "list", "--as-of", str(position + 1))["keys"]}
    assert added["kid"] in then
    assert rotated["kid"] not in then

    revoked = run("keys", "revoke", rotated["kid"], "--reason", "lost", "--suspect-from", "3", "--as", "officer/1")
    run("registry", "confirm", revoked["id"], "--as", "officer/2")
    assert rotated["kid"] not in {each["kid"] for each in run("keys", "list")["keys"]}


def test_the_first_keys_are_listed_as_of_the_opening(run: Run) -> None:
    found = run("keys", "list", "--as-of", "2")
    assert [each["actor"] for each in found["keys"]] == ["officer/1", "officer/2", "system/clock"]


def test_a_registry_is_listed_as_of_a_position(run: Run, office: Any, tmp_path: Path) -> None:
    signers = []
    for number in (1, 2):
        path = tmp_path / f"{number}.pem"
        path.write_bytes(office.keys[f"staff/cat-{number}"].to_pem())
        signers.append(("--as", f"staff/cat-{number}", "--signer", str(path)))
    content = tmp_path / "unit.json"
    content.write_text(json.dumps({"name": "农业局", "tier": "district"}))
    proposed = run("registry", "propose", "unit.registered.v1", "unit/farm", f"@{content}", *signers[0])
    index = run("registry", "confirm", proposed["id"], *signers[1])["index"]
    listed = {each["stream"]: each for each in run("registry", "list", "unit")["entries"]}
    assert (listed["unit/farm"]["data"]["name"], listed["unit/farm"]["leaf_index"]) == ("农业局", index)
    before = run("registry", "list", "unit", "--as-of", str(index))["entries"]
    assert "unit/farm" not in {each["stream"] for each in before}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("registry", "list", "weather"), "registry"),
        (("registry", "propose", "unit.registered.v1", "unit/x", "{", "--as", "officer/1"), "content"),
        (("registry", "propose", "unit.registered.v1", "unit/x", "[]", "--as", "officer/1"), "content"),
        (("registry", "confirm", "00" * 32, "--as", "officer/1"), "proposal"),
        (("registry", "confirm", "00" * 32, "--as", "officer/1", "--signer", "/no/such.pem"), "key-file"),
        (("keys", "revoke", "00" * 32, "--reason", "lost", "--as", "officer/1"), "key-unknown"),
    ],
)
def test_what_cannot_be_done_is_said_in_json(run: Run, words: tuple[str, ...], code: str) -> None:
    assert run(*words, code=1)["error"]["code"] == code
