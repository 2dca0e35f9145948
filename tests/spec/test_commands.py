"""Every command's one line of JSON is what the published schema says, errors and wrong usage included."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from api.cli import app

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SCHEMA = json.loads((ROOT / "docs/spec/commands.schema.json").read_text("utf-8"))
SHARED = {"as_of", "error", "finding", "placed"} | {
    "share",
    "exact",
    "period",
    "figure",
    "figure_group",
    "figure_rules",
}
# These want a camera that films: tests/camera, tests/complaints and tests/redaction run them.
FILMED = {"camera-clip", "camera-redact", "demo-dispute", "verify-clip"} | {
    f"grant-{verb}" for verb in ("give", "keep", "link", "refuse", "request", "share", "show", "verify", "withdraw")
}
PARSERS = {
    "camera": "camera_ingest.cli",
    "sign": "ledger.signer.cli",
    "verify": "ledger.verify.cli",
    "witness": "ledger.witness.cli",
}


def says(name: str) -> Draft202012Validator:
    return Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"})


def typer_commands() -> Iterator[str]:
    """``mingjian``'s commands that take --json, as ``log-witness-add``."""

    def walk(command: Any, path: list[str]) -> Iterator[str]:
        if hasattr(command, "commands"):
            for name, inner in command.commands.items():
                yield from walk(inner, [*path, name])
        elif any("--json" in option.opts for option in command.params):
            yield "-".join(path)

    yield from walk(get_command(app), [])


def parser_of(module: str) -> dict[str, argparse.ArgumentParser]:
    """The commands of another program: its parser is caught where it is about to be used."""
    caught: list[argparse.ArgumentParser] = []

    class CaughtError(Exception):
        pass

    def parse(parser: argparse.ArgumentParser, *_: Any, **__: Any) -> None:
        caught.append(parser)
        raise CaughtError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(argparse.ArgumentParser, "parse_args", parse)
        with pytest.raises(CaughtError):
            import_module(module).main([])
    [choices] = [each.choices for each in caught[0]._actions if isinstance(each, argparse._SubParsersAction)]
    return dict(choices)


def argparse_commands(name: str, module: str) -> Iterator[str]:
    """The same of another program, as ``verify-log``."""
    for command, parser in parser_of(module).items():
        if "--json" in parser._option_string_actions:
            yield f"{name}-{command}"


COMMANDS = sorted([*typer_commands(), *(found for each in PARSERS.items() for found in argparse_commands(*each))])


def test_every_program_is_looked_at(programs: dict[str, str]) -> None:
    assert {name.partition("-")[2] for name in programs} == {"", *PARSERS}
    assert len(COMMANDS) > 60


def test_the_schemas_are_schemas_and_of_commands_that_exist() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    for name in SCHEMA["$defs"]:
        Draft202012Validator.check_schema(SCHEMA["$defs"][name])
    assert sorted(SCHEMA["$defs"].keys() - SHARED) == COMMANDS


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in FILMED])
def test_an_answer_is_what_its_schema_says(told: Any, name: str) -> None:
    assert told.answers[name], "the story in conftest.py does not run this command"
    for answer in told.answers[name]:
        says(name).validate(answer)


def test_an_answer_that_lacks_a_member_or_has_one_too_many_is_not(told: Any) -> None:
    for name in ("log-proof", "metrics-throughput", "verify-log"):
        answer = told.answers[name][0]
        assert not says(name).is_valid(answer | {"other": 1})
        assert not says(name).is_valid(dict(list(answer.items())[1:]))


def test_an_error_is_what_its_schema_says(told: Any) -> None:
    assert len(told.answers["error"]) > 5
    for answer in told.answers["error"]:
        says("error").validate(answer)


@pytest.mark.parametrize(("words", "code"), [("digest", 0), ("case show nobody", 1), ("metrics throughput", 2)])
def test_a_process_writes_one_line_and_nothing_else(successor: Path, words: str, code: int) -> None:
    told = [BIN / "mingjian", *words.split(), "--data", successor, "--json"]
    done = subprocess.run(told, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout.count("\n")) == (code, 1), done.stdout + done.stderr
    says("error" if code else words).validate(json.loads(done.stdout))
