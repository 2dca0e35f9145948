"""Key files are made once, readable by their owner, opened by other tools, and told of without their secret."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.errors import Conflict, Malformed
from ledger.facts.registry import possession_message
from ledger.keys import SigningKey, check_signature, public_pem
from ledger.signer.cli import main
from ledger.signer.keys import make_key, read_key
from ledger.tree.note import VerifierKey
from ledger.tree.policy import Log, Policy

ORIGIN = "hall.example/log/" + "0f" * 16


def never() -> str:
    raise AssertionError("nobody is asked for a passphrase")


@pytest.mark.parametrize("passphrase", [None, "korrekt 马 battery"])
def test_a_key_comes_back_as_it_was_made(tmp_path: Path, passphrase: str | None) -> None:
    path = tmp_path / "k.pem"
    key = make_key(path, passphrase)
    assert path.stat().st_mode & 0o777 == 0o600
    found = read_key(path, never if passphrase is None else lambda: passphrase)
    assert found.public == key.public


def test_another_passphrase_does_not_open_it(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    make_key(path, "right")
    for wrong in ("", "wrong", "right "):
        with pytest.raises(Malformed) as refused:
            read_key(path, lambda wrong=wrong: wrong)
        assert refused.value.code == "key-passphrase"


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    key = make_key(path)
    with pytest.raises(Conflict):
        make_key(path)
    assert read_key(path, never).public == key.public


def test_openssl_opens_it_and_sees_scrypt(tmp_path: Path) -> None:
    """The form is a standard one: whoever loses this program does not lose the key."""
    path = tmp_path / "k.pem"
    key = make_key(path, "secret")
    opened = subprocess.run(
        ["openssl", "pkey", "-in", path, "-passin", "pass:secret", "-pubout"], capture_output=True, check=True
    )
    assert opened.stdout == public_pem(key.public)
    told = subprocess.run(["openssl", "asn1parse", "-in", path], capture_output=True, text=True, check=True).stdout
    assert "PBES2" in told
    assert ":scrypt" in told


def test_the_key_command_makes_it_proves_possession_and_shows_no_secret(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy"
    policy.write_bytes(Policy((Log(VerifierKey(ORIGIN, SigningKey.from_seed(b"\2" * 32).public)),)).to_bytes())
    words = ["key", "--out", str(tmp_path / "k.pem"), "--policy", str(policy), "--actor", "staff/lin", "--json"]
    assert main(words) == 0
    first = capsys.readouterr().out
    told: dict[str, Any] = json.loads(first)
    public = bytes.fromhex(told["public_key"])
    assert told["content"]["custody"] == "actor"
    assert check_signature(public, possession_message(ORIGIN, "staff/lin", public), bytes.fromhex(told["proof"]))
    assert not check_signature(public, possession_message(ORIGIN, "staff/li", public), bytes.fromhex(told["proof"]))
    seed = read_key(tmp_path / "k.pem", never).private.private_bytes_raw()
    assert seed.hex() not in first
    assert main(words) == 0
    assert capsys.readouterr().out == first


@pytest.mark.parametrize("name", ["hall.example/log", "hall.example/log/..", "hall.example/log/" + "0F" * 16])
def test_a_policy_whose_origin_pins_no_entry_0_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    policy = tmp_path / "policy"
    policy.write_bytes(Policy((Log(VerifierKey(name, SigningKey.from_seed(b"\2" * 32).public)),)).to_bytes())
    words = ["key", "--out", str(tmp_path / "k.pem"), "--policy", str(policy), "--actor", "staff/lin", "--json"]
    assert main(words) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "policy"


def test_the_program_runs_on_the_base_install(tmp_path: Path) -> None:
    """A person's machine has no database and no web server; nothing of them is loaded."""
    code = (
        "import sys, ledger.signer.cli;"
        "bad = {'fastapi', 'psycopg', 'eventsourcing', 'pydantic', 'typer', 'sqlite3', 'structlog'} & set(sys.modules);"
        "sys.exit(', '.join(bad) or 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
