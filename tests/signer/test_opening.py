"""A ledger is opened by two officers whose keys the machine never sees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from ledger.door.hall import open_ledger
from ledger.errors import Malformed
from ledger.exchange.export_log import export_log
from ledger.keys import SigningKey
from ledger.signer.cli import main as sign
from ledger.signer.keys import read_key
from ledger.signer.opening import open_pair
from ledger.statement import open_statement
from ledger.verify.cli import main as verify

Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def mingjian(tmp_path: Path) -> Run:
    """Run ``mingjian`` on the folder of a machine."""

    def run(*words: object, code: int = 0) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(app, [*map(str, words), "--data", str(tmp_path / "data"), "--json"])
        assert done.exit_code == code, done.output
        return done.exit_code, json.loads(done.stdout)

    return run


@pytest.fixture
def signs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """``mingjian-sign`` on an officer's own machine."""

    def run(*words: object, code: int = 0) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        assert sign([*map(str, words), "--json", "--lang", "en"]) == code
        told = capsys.readouterr()
        return code, json.loads(told.out) | {"shown": told.err}

    return run


@pytest.fixture
def drafted(tmp_path: Path, mingjian: Run, signs: Run) -> Path:
    """A draft for officers lin and wu."""
    for name in ("lin", "wu"):
        signs("key", "--out", tmp_path / f"{name}.pem", "--public", tmp_path / f"{name}.pub")
    officers = [f"--officer=officer/{name}={tmp_path / name}.pub" for name in ("lin", "wu")]
    _, told = mingjian("init", "--name", "hall.example/log", *officers, "--draft", tmp_path / "draft")
    assert told["to_sign"] == ["officer/lin", "officer/wu"]
    return tmp_path / "draft"


def test_two_officers_open_a_ledger_and_the_machine_never_sees_their_keys(
    drafted: Path, tmp_path: Path, mingjian: Run, signs: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    lin, wu = (read_key(tmp_path / f"{name}.pem", str) for name in ("lin", "wu"))
    _, first = signs("opening", drafted, "--key", tmp_path / "lin.pem", "--out", tmp_path / "entry0", "--yes")
    for shown in ("hall.example/log", lin.thumbprint.hex(), wu.thumbprint.hex(), "the one that this program ships"):
        assert shown in first["shown"]
    _, second = signs(
        "opening", tmp_path / "entry0", "--key", tmp_path / "wu.pem", "--out", tmp_path / "entry1", "--yes"
    )
    assert (first["index"], second["index"]) == (0, 1)
    assert first["id"] in second["shown"]
    _, told = mingjian("init", "--opening", tmp_path / "entry0", "--confirmation", tmp_path / "entry1")
    assert told["origin"] == first["origin"] == second["origin"]
    with open_ledger(tmp_path / "data") as hall:
        assert [one.entry for one in hall.reader.entries(0, 2)] == [
            (tmp_path / name).read_bytes() for name in ("entry0", "entry1")
        ]
        custody = {key.actor: key.custody for key in hall.registry.keys.values()}
        assert custody == {"officer/lin": "actor", "officer/wu": "actor", "system/clock": "server"}
        export_log(hall, tmp_path / "export")
        (tmp_path / "policy").write_bytes(hall.policy().to_bytes())
    capsys.readouterr()
    assert verify(["log", str(tmp_path / "export"), "--policy", str(tmp_path / "policy"), "--json"]) == 0
    everything = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    for key in (lin, wu):
        assert key.private.private_bytes_raw() not in everything
        assert key.to_pem() not in everything
    _, again = mingjian("init", "--opening", tmp_path / "entry0", "--confirmation", tmp_path / "entry1", code=1)
    assert again["error"]["code"] == "ledger-exists"


def test_each_officer_signs_what_is_theirs_and_nothing_else(drafted: Path, tmp_path: Path, signs: Run) -> None:
    _, told = signs("opening", drafted, "--key", tmp_path / "wu.pem", "--out", tmp_path / "no", "--yes", code=1)
    assert told["error"]["code"] == "officer-key"
    signs("opening", drafted, "--key", tmp_path / "lin.pem", "--out", tmp_path / "entry0", "--yes")
    signs("key", "--out", tmp_path / "eve.pem")
    for name in ("lin", "eve"):
        words = ("opening", tmp_path / "entry0", "--key", tmp_path / f"{name}.pem", "--out", tmp_path / "no", "--yes")
        assert signs(*words, code=1)[1]["error"]["code"] == "officer-key"
    bad = bytearray((tmp_path / "entry0").read_bytes())
    bad[-1] ^= 1
    (tmp_path / "bad").write_bytes(bad)
    _, told = signs(
        "opening", tmp_path / "bad", "--key", tmp_path / "wu.pem", "--out", tmp_path / "no", "--yes", code=1
    )
    assert told["error"]["code"] == "genesis"
    assert not (tmp_path / "no").exists()


def test_what_was_not_signed_by_both_opens_nothing(drafted: Path, tmp_path: Path, mingjian: Run, signs: Run) -> None:
    signs("opening", drafted, "--key", tmp_path / "lin.pem", "--out", tmp_path / "entry0", "--yes")
    signs("opening", tmp_path / "entry0", "--key", tmp_path / "wu.pem", "--out", tmp_path / "entry1", "--yes")
    entry0, entry1 = ((tmp_path / name).read_bytes() for name in ("entry0", "entry1"))
    open_pair(entry0, entry1)
    for one, two in ((drafted.read_bytes(), entry1), (entry0, entry1[:-1] + bytes([entry1[-1] ^ 1])), (entry1, entry0)):
        with pytest.raises(Malformed):
            open_pair(one, two)
    # The machine's own keys are in entry 0: another machine's folder cannot be opened with it.
    (tmp_path / "data" / "keys" / "log.pem").write_bytes(SigningKey.generate().to_pem())
    _, told = mingjian("init", "--opening", tmp_path / "entry0", "--confirmation", tmp_path / "entry1", code=1)
    assert told["error"]["code"] == "opening-keys"
    assert open_statement(entry0).id.hex()
    assert not (tmp_path / "data" / "published" / "checkpoint").exists()


def test_one_officer_is_not_two_and_half_an_answer_is_none(drafted: Path, tmp_path: Path, mingjian: Run) -> None:
    for words in (
        ("--draft", tmp_path / "d"),
        (f"--officer=officer/lin={tmp_path / 'lin.pub'}", "--draft", tmp_path / "d"),
        ("--opening", drafted),
    ):
        assert mingjian("init", *words, code=1)[1]["error"]["code"] == "usage"
    twice = [f"--officer=officer/{name}={tmp_path / 'lin.pub'}" for name in ("lin", "wu")]
    assert mingjian("init", *twice, "--draft", tmp_path / "d", code=1)[1]["error"]["code"] == "genesis"
