"""Every command's one line of JSON is what the published schema says, errors and wrong usage included."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ledger.exchange.generate import generate_xes

BIN = Path(sys.executable).parent
SCHEMA = json.loads((Path(__file__).parents[2] / "docs/spec/commands.schema.json").read_text("utf-8"))


def says(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"})


def run(*words: str | Path, program: str = "mingjian") -> tuple[int, Any]:
    done = subprocess.run([BIN / program, *words, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.count("\n") == 1, done.stdout + done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("spec")
    code, answer = run("init", "--data", folder / "data")
    assert code == 0
    says("init").validate(answer)
    generate_xes(folder / "log.xes", cases=20, seed=9)
    code, answer = run("import", "xes", folder / "log.xes", "--source", "s", "--data", folder / "data")
    assert code == 0
    says("import-xes").validate(answer)
    return folder / "data"


def test_the_schemas_are_schemas() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for name in SCHEMA["$defs"]:
        Draft202012Validator.check_schema(SCHEMA["$defs"][name])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("metrics-throughput", "metrics throughput --source s"),
        ("metrics-deadlines", "metrics deadlines --source s"),
        ("metrics-as-of", "metrics as-of --source s --event-time 2024-06-01T00:00Z"),
        ("cards-backtest", "cards backtest --source s --yellow 0.9 --red 1.0 --calendar-time"),
        ("case-list", "case list --source s --limit 5"),
        ("case-queue", "case queue"),
        ("case-due", "case due"),
        ("rebuild", "rebuild"),
        ("digest", "digest"),
        ("token", "token auditor"),
    ],
)
def test_an_answer_is_what_its_schema_says(data: Path, name: str, words: str) -> None:
    code, answer = run(*words.split(), "--data", data)
    assert code == 0, answer
    says(name).validate(answer)


def test_a_case_is_what_its_schema_says(data: Path) -> None:
    _, listed = run("case", "list", "--source", "s", "--data", data)
    code, answer = run("case", "show", listed["cases"][0]["id"], "--data", data)
    assert code == 0
    says("case-show").validate(answer)


def test_exports_and_their_check_are_what_their_schemas_say(data: Path, tmp_path: Path) -> None:
    code, answer = run("export", "log", tmp_path / "log", "--data", data)
    assert code == 0
    says("export-log").validate(answer)
    code, answer = run("log", tmp_path / "log", "--policy", tmp_path / "log/policy", program="mingjian-verify")
    assert (code, answer["ok"]) == (0, True), answer
    says("verify-log").validate(answer)
    code, answer = run("export", "xes", tmp_path / "log.xes", "--source", "s", "--data", data)
    assert code == 0
    says("export-xes").validate(answer)


def test_a_clock_is_what_its_schema_says() -> None:
    words = ["clock", "due", "--start", "2024-02-08", "--limit", "5", "--unit", "working-day"]
    for more in ([], ["--pause", "2024-02-09.."]):
        code, answer = run(*words, *more)
        assert code == 0
        says("clock-due").validate(answer)


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        ("metrics throughput --source nobody", 1, "no-source"),
        ("case show nobody", 1, "no-case"),
        ("case show nobody --as-of never", 1, "no-case"),
        ("import xes /nowhere.xes --source s", 1, None),
        ("metrics throughput", 2, "usage"),
        ("metrics throughput --source s --nonsense", 2, "usage"),
        ("cards backtest --source s", 1, "calendar-time"),
    ],
)
def test_an_error_is_one_line_too(data: Path, words: str, code: int, kind: str | None) -> None:
    found, answer = run(*words.split(), "--data", data)
    assert found == code, answer
    says("error").validate(answer)
    assert kind is None or answer["error"]["code"] == kind
