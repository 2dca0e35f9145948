"""Erasing, keeping and showing as the commands do it, and what anybody can check of what they write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from api.bundle_commands import export_bundle_file
from api.cli import app as whole
from api.erasure_commands import erasure_app
from ledger.verify import cli

app = typer.Typer()
app.add_typer(erasure_app)
app.command("bundle")(export_bundle_file)


def run(*words: str | Path, expect: int = 0, program: typer.Typer = app) -> dict[str, Any]:
    done = CliRunner().invoke(program, [*map(str, words), "--json"])
    assert done.exit_code == expect, done.output
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def a_case(data: Path, number: int) -> str:
    found: str = run("case", "list", "--source", "permits", "--data", data, program=whole)["cases"][number]["id"]
    return found


def test_a_case_is_kept_then_erased_and_its_bundle_says_so(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = a_case(data, 0)
    hold = run("hold", "place", case, "--ground", "complaint", "--data", data)
    assert run("hold", "list", case, "--data", data)["holds"] == [{"id": hold["id"], "ground": "complaint"}]
    refused = run("erase", case, "--ground", "pipl-47", "--data", data, expect=1)
    assert refused["error"]["code"] == "hold"
    assert "complaint" in refused["error"]["message"]
    run("hold", "release", case, "--ground", "closed", "--data", data)
    done = run("erase", case, "--ground", "pipl-47", "--data", data)
    assert done["destroyed"] == done["digests"] > 0
    assert run("erase", done["subject"], "--ground", "pipl-47", "--data", data, expect=1)["error"]["code"] == (
        "nothing-kept"
    )
    shown = run("case", "show", done["subject"], "--data", data, program=whole)
    assert {index for event in shown["events"] for index in event["erased_by"]} == set(done["erased_by"])
    bundle = tmp_path / "case.mjb"
    run("bundle", bundle, "--case", done["subject"], "--data", data)
    policy = str(data / "published" / "policy")
    assert cli.main(["bundle", str(bundle), "--policy", policy, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["erased_by"] == done["erased_by"]
    assert told["complete_as_of"]


def test_two_persons_at_two_times(data: Path) -> None:
    case = a_case(data, 1)
    proposed = run("erase", case, "--ground", "pipl-47", "--as", "staff/privacy", "--data", data)
    [proposal] = proposed["proposed"]
    alone = run("erase", case, "--confirm", proposal, "--as", "staff/privacy", "--data", data, expect=1)
    assert alone["error"]["code"] == "two-persons"
    assert run("erase", case, "--confirm", proposal, "--as", "officer/2", "--data", data)["destroyed"] > 0


def test_chosen_values_are_shown_and_check_against_the_log(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case, out = a_case(data, 2), tmp_path / "shown.json"
    words = ("disclose", "--case", case, "--fields", "rest", "--to", "auditor/1", "--ground", "audit", "--out", out)
    done = run(*words, "--data", data)
    policy = str(data / "published" / "policy")
    assert cli.main(["proof", str(out), "--policy", policy, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["values"]) == done["values"]
    assert case in [one["value"].get("case") for one in told["values"]]
    assert run(*words, "--data", data, expect=1)["error"]["code"] == "file-exists"
    body = json.loads(out.read_text("utf-8"))
    for change in ("granted", "shown"):
        cut = body | {change: body[change][:-1]}
        out.write_text(json.dumps(cut), "utf-8")
        code = cli.main(["proof", str(out), "--policy", policy, "--json"])
        assert code == (1 if change == "granted" else 0)  # what is not shown stays closed
        capsys.readouterr()
