"""The main job as its user does it: open a ledger, bring a log in, twice; the second time changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.exchange.generate import generate_xes

MINGJIAN = Path(sys.executable).with_name("mingjian")


def run(*words: str | Path, expect: int = 0) -> dict[str, Any]:
    done = subprocess.run([MINGJIAN, *words, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    assert done.stdout.count("\n") == 1, done.stdout
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story") / "data"
    run("init", "--data", folder)
    return folder


def test_a_log_comes_in_once_and_a_repeat_appends_nothing(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.xes.gz"
    generate_xes(log, cases=60, seed=1)
    first = run("import", "xes", log, "--source", "a", "--data", data)
    again = run("import", "xes", log, "--source", "a", "--data", data)
    assert first["cases"] == 60
    assert again["added"] == 0
    assert again["log_size"] == first["log_size"]


def test_a_changed_event_is_refused_and_nothing_is_written(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.xes"
    generate_xes(log, cases=5, seed=2)
    size = run("import", "xes", log, "--source", "b", "--data", data)["log_size"]
    text = log.read_text("utf-8")
    changed = text.replace('<string key="org:resource" value="', '<string key="org:resource" value="X', 1)
    log.write_text(changed, "utf-8")
    refused = run("import", "xes", log, "--source", "b", "--data", data, expect=1)
    assert (refused["error"]["code"], refused["error"]["changed"]) == ("import-changed", 1)
    log.write_text(text, "utf-8")
    assert run("import", "xes", log, "--source", "b", "--data", data)["log_size"] == size


def test_a_broken_file_names_its_line_and_nothing_has_happened(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.xes"
    generate_xes(log, cases=5, seed=3)
    log.write_text(log.read_text("utf-8")[:-200], "utf-8")
    refused = run("import", "xes", log, "--source", "c", "--data", data, expect=1)
    assert "line" in refused["error"]["message"]


def test_a_second_ledger_in_the_same_folder_is_refused(data: Path) -> None:
    assert run("init", "--data", data, expect=1)["error"]["code"] == "ledger-exists"


def test_the_exported_log_holds_only_checkpoint_policy_and_tiles(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    run("export", "log", folder, "--data", data)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint", "policy", "tile"]
