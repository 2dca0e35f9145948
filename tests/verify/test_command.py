"""``mingjian-verify log`` as an auditor runs it, on logs made here and on the export of a real ledger."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.exchange.generate import generate_xes
from ledger.tree.policy import Policy
from ledger.verify.log import verify_log

BIN = Path(sys.executable).parent
RESULT = {"ok", "size", "entries", "signatures", "first_bad", "reason"}


def verify(*words: str | Path, expect: int, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [BIN / "mingjian-verify", *words],
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"} | (env or {}),
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


def verify_json(*words: str | Path, expect: int) -> dict[str, Any]:
    done = verify(*words, "--json", expect=expect)
    assert (done.stdout.count("\n"), done.stderr) == (1, "")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture
def policy(long_book: Any, tmp_path: Path) -> Path:
    """The auditor's own file, kept elsewhere than the log."""
    path = tmp_path / "auditor.policy"
    path.write_bytes(long_book.policy.to_bytes())
    return path


# ---------------------------------------------------------------------------------------------------- one answer


def test_a_good_log(long_log: Path, policy: Path, long_book: Any) -> None:
    result = verify_json("log", long_log, "--policy", policy, expect=0)
    size = long_book.size
    assert {name: result[name] for name in RESULT} == {
        "ok": True,
        "size": size,
        "entries": size,
        "signatures": size,
        "first_bad": None,
        "reason": None,
    }


def test_a_bad_entry_is_a_number_and_a_bad_file_a_name(folder: Path, policy: Path, long_book: Any) -> None:
    raw = (folder / "tile/entries/000").read_bytes()
    (folder / "tile/entries/000").write_bytes(raw.replace(long_book.entries[7][-64:], bytes(64)))
    result = verify_json("log", folder, "--policy", policy, expect=1)
    assert (result["ok"], result["first_bad"], result["code"]) == (False, 7, "entry-hash")
    (folder / "tile/entries/000").write_bytes(raw)
    (folder / "tile/0/000").unlink()
    result = verify_json("log", folder, "--policy", policy, expect=1)
    assert (result["first_bad"], result["reason"]) == ("tile/0/000", "the file is missing")


def test_the_report_speaks_both_languages(folder: Path, policy: Path) -> None:
    (folder / "tile/0/000").unlink()
    words = ("log", folder, "--policy", policy)
    assert "文件 tile/0/000: 文件缺失" in verify(*words, "--lang", "zh", expect=1).stdout
    assert "file tile/0/000: the file is missing" in verify(*words, "--lang", "en", expect=1).stdout
    assert "核验未通过" in verify(*words, expect=1, env={"LC_ALL": "zh_CN.UTF-8"}).stdout
    assert "NOT VERIFIED" in verify(*words, expect=1, env={"LC_ALL": "C", "PYTHONUTF8": "0"}).stdout


def test_a_terminal_that_knows_no_chinese_gets_an_answer_all_the_same(long_log: Path, policy: Path) -> None:
    verify("log", long_log, "--policy", policy, "--lang", "zh", expect=0, env={"PYTHONIOENCODING": "ascii"})


def test_a_policy_out_of_the_folder_itself_is_remarked_on(folder: Path) -> None:
    assert "does not prove whose log" in verify("log", folder, "--policy", folder / "policy", expect=0).stderr


def test_a_file_name_cannot_play_with_the_terminal(folder: Path, policy: Path) -> None:
    (folder / "\x1b[2Jok\nVERIFIED").touch()
    done = verify("log", folder, "--policy", policy, expect=1)
    assert "\x1b" not in done.stdout
    assert "\nVERIFIED" not in done.stdout
    (folder / os.fsdecode(b"\xff\xfe")).mkdir()
    verify_json("log", folder, "--policy", policy, expect=1)


def test_progress_is_drawn_on_a_terminal_only_and_never_on_standard_output(long_log: Path, policy: Path) -> None:
    ours, theirs = pty.openpty()
    command = [BIN / "mingjian-verify", "log", long_log, "--policy", policy, "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=theirs, timeout=60, check=True)
    os.close(theirs)
    assert b"%" in os.read(ours, 4096)
    os.close(ours)
    assert json.loads(done.stdout)["ok"] is True


# ------------------------------------------------------------------------------------------- what is no verdict


def test_a_folder_that_is_not_there_is_unavailable(tmp_path: Path, policy: Path) -> None:
    assert verify_json("log", tmp_path / "no", "--policy", policy, expect=3)["error"]["code"] == "no-folder"


def test_a_policy_that_is_not_there_is_unavailable(long_log: Path, tmp_path: Path) -> None:
    assert verify_json("log", long_log, "--policy", tmp_path / "no", expect=3)["error"]["code"] == "no-policy"


def test_a_policy_that_is_none_is_wrong_usage(long_log: Path) -> None:
    assert "line" in verify_json("log", long_log, "--policy", Path(__file__), expect=2)["error"]["message"].lower()


@pytest.mark.parametrize("words", [[], ["log"], ["log", "x"], ["log", "x", "--policy", "y", "--jobs", "0"], ["dance"]])
def test_wrong_usage(words: list[str]) -> None:
    assert "usage:" in verify(*words, expect=2).stderr


def test_the_auditors_tool_loads_nothing_of_the_server() -> None:
    script = (
        "import sys, importlib, ledger.verify.cli as cli\n"
        "for name in cli._COMMANDS: importlib.import_module(f'ledger.verify.{name}_command')\n"
        "found = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(found & set(sys.argv[1:])))"
    )
    servers = ["psycopg", "sqlite3", "eventsourcing", "fastapi", "pydantic", "typer", "lxml", "cv2", "structlog"]
    done = subprocess.run([sys.executable, "-c", script, *servers], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# ------------------------------------------------------------------------------------------------ a real ledger


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger opened, fed and exported by its own commands; ``log`` is the export, ``policy`` the auditor's copy."""
    base = tmp_path_factory.mktemp("real")
    generate_xes(base / "log.xes.gz", cases=100, seed=1)
    imported = ["import", "xes", base / "log.xes.gz", "--source", "a"]
    for words in (["init"], imported, ["export", "log", base / "log"]):
        command = [BIN / "mingjian", *words, "--data", base / "data"]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    shutil.copy(base / "log/policy", base / "policy")
    return base


def test_the_export_of_a_real_ledger_is_good(export: Path) -> None:
    result = verify_json("log", export / "log", "--policy", export / "policy", expect=0)
    assert result["entries"] == result["signatures"] == result["size"] > 512


def test_the_export_of_a_real_ledger_with_one_byte_changed_is_not(export: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(export / "log", tmp_path / "log"))
    policy = Policy.parse((export / "policy").read_bytes())
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        middle = len(raw) // 2
        path.write_bytes(raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :])
        where = verify_log(folder, policy, workers=1).faults[0].where
        name = str(path.relative_to(folder))
        assert where == name or name.startswith(f"tile/entries/{int(where) // 256:03}")
        path.write_bytes(raw)
