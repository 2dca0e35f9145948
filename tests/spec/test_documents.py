"""What the documents say exists: commands with their options, files they point to, pages made from the code."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from api.cli import app
from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.types import TYPES, check_data, type_named
from tests.spec.dictionary import PAGE, page
from tests.spec.test_commands import PARSERS, parser_of

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), *(ROOT / name for name in ("README.md", "CHANGELOG.md"))]
_PROGRAM = r"mingjian(?:-(?:camera|sign|verify|witness))?(?! journal v1)"
# What stands for a word of the reader's, and what joins commands.
_ENDS = {"|", "&&", "||", ";", "→", "·", "—", "…", "\\"}


def commands(text: str) -> list[str]:
    """The commands in fenced blocks, one line each, and those between backticks that name a command and an option."""
    found = []
    for block in re.findall(r"^```[^\n]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            told = re.sub(r"\s(#|  ).*", "", line.strip().removeprefix("$ ").removeprefix("ExecStart=/usr/local/bin/"))
            if re.match(rf"{_PROGRAM} \w", told):
                found.append(told)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return found + [told for told in re.findall(r"`([^`\n]+)`", prose) if re.match(rf"{_PROGRAM} [a-z]", told)]


ALL = [(path.relative_to(ROOT).as_posix(), told) for path in PAGES for told in commands(path.read_text("utf-8"))]


@cache
def whole() -> Any:
    """``mingjian`` with all its commands; made once, since it takes a quarter of a second."""
    return get_command(app)


@cache
def parsers(program: str) -> dict[str, Any]:
    """The commands of another program."""
    return dict(parser_of(PARSERS[program]))


def options_of(words: list[str]) -> set[str]:
    """The options of the command that the words name; an assertion when there is no such command."""
    program, *rest = words
    if program == "mingjian":
        found: Any = whole()
        while hasattr(found, "commands") and rest and not rest[0].startswith("-"):
            name = rest.pop(0)
            if not name.isascii() or name.isupper():
                break
            assert name in found.commands, f"there is no command {name}: {' '.join(words)}"
            found = found.commands[name]
        return {option for each in found.params for option in (*each.opts, *each.secondary_opts)}
    choices = parsers(program.removeprefix("mingjian-"))
    assert rest[0] in choices, f"there is no command {rest[0]}: {' '.join(words)}"
    return set(choices[rest[0]]._option_string_actions)


def test_documents_show_commands() -> None:
    assert len(ALL) > 80


@pytest.mark.parametrize(("path", "told"), ALL, ids=[f"{path}:{told[:60]}" for path, told in ALL])
def test_a_command_that_is_shown_exists(path: str, told: str) -> None:
    first, *others = told.replace("\\|", "|").split("|")
    if others and re.fullmatch(r"[\w-]+", others[0].split()[0] if others[0].split() else ""):
        # `mingjian metrics throughput|deadlines`: each of them.
        *lead, name = first.split()
        for one in (name, *(other.split()[0] for other in others if other.strip())):
            if re.fullmatch(r"[a-z][a-z-]*", one):
                options_of([*lead, one])
        return
    lexer = shlex.shlex(told.replace("[", " ").replace("]", " ").replace("(", " ").replace(")", " "), posix=True)
    lexer.whitespace_split = True
    words = list(lexer)
    cut = next((at for at, word in enumerate(words) if word in _ENDS), len(words))
    known = options_of(words[:cut])
    for word in words[:cut]:
        if re.match(r"--?[a-z]", word):
            assert word.split("=")[0].rstrip("…") in known | {"--help", "--json"}, f"{path}: {told}: {word}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_what_a_document_points_to_is_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_data_dictionary_is_what_the_code_declares() -> None:
    assert PAGE.read_text("utf-8") == page(), "python -m tests.spec.dictionary writes it anew"


def test_every_table_named_in_the_design_exists() -> None:
    text = (ROOT / "docs/design/overview.md").read_text("utf-8")
    named = set(re.findall(r"`projections\.(\w+)`", text))
    made = {
        name
        for module in (ROOT / "projections").glob("*.py")
        for name in re.findall(r"CREATE TABLE (\w+)", module.read_text("utf-8"))
    }
    assert named == made


def test_the_glossary_has_every_kind_of_stream_and_every_role() -> None:
    text = (ROOT / "docs/spec/glossary.md").read_text("utf-8")
    words = {kind.stream_kind for kind in TYPES.values()} | {rule["role"] for rule in FIRST_POLICY["rules"]}
    assert not {word for word in words if f"| `{word}` |" not in text}


def test_the_modules_named_in_the_design_exist() -> None:
    text = (ROOT / "docs/design/overview.md").read_text("utf-8")
    for name in re.findall(r"`((?:ledger|api|projections|oversight|camera_ingest)(?:/\w+)*\.py)`", text):
        assert (ROOT / name).exists(), name


GUIDE = sorted((ROOT / "docs/guide").glob("*.md"))
EXAMPLES = [
    (path.name, name, body)
    for path in GUIDE
    for name, body in re.findall(r"```json ([a-z_]+\.[a-z_]+\.v\d+)\n(.*?)```", path.read_text("utf-8"), re.DOTALL)
]


@pytest.mark.parametrize(("page_", "name", "body"), EXAMPLES, ids=[f"{page_}:{name}" for page_, name, _ in EXAMPLES])
def test_an_example_of_a_statement_is_taken_in_as_it_stands(page_: str, name: str, body: str) -> None:
    declared, data = type_named(name), json.loads(body)
    sealed = [field for field in declared.sealed if data.pop(field, None) is not None]
    stated = data | {"proposal": "00" * 32} if "proposal" in declared.fields else data
    if "person" in stated:
        stated["person"] = "00" * 16
    check_data(declared, stated, len(sealed))


def every_command() -> list[str]:
    """Each command of each program, as it is typed."""

    def walk(command: Any, path: list[str]) -> list[str]:
        if not hasattr(command, "commands"):
            return [" ".join(path)]
        return [one for name, inner in command.commands.items() for one in walk(inner, [*path, name])]

    others = [f"mingjian-{program} {name}" for program in PARSERS for name in parsers(program)]
    return walk(whole(), ["mingjian"]) + others


def test_every_command_is_named_in_a_guide() -> None:
    text = "\n".join(path.read_text("utf-8") for path in GUIDE)
    # `mingjian keys add`, `rotate`: the second stands for the whole; so does each name of `confirm|dismiss`.
    text += "\n" + "\n".join(
        f"{lead} {name}"
        for lead, names in re.findall(r"((?:mingjian[\w-]*)(?: [a-z-]+)*?) ([a-z-]+(?:\|[a-z-]+)+)", text)
        for name in names.split("|")
    )
    text += "\n" + "\n".join(
        f"{lead} {name}"
        for lead, rest in re.findall(r"`(mingjian[\w-]*(?: [a-z-]+)*?) [a-z-]+`((?:, `[a-z-]+`)+)", text)
        for name in re.findall(r"`([a-z-]+)`", rest)
    )
    assert [one for one in every_command() if not re.search(rf"{re.escape(one)}(?![\w-])", text)] == []


def test_the_map_of_the_source_has_every_row_and_what_it_names_is_there() -> None:
    text = (ROOT / "docs/guide/source.md").read_text("utf-8")
    rows = [line.split(" | ") for line in text.splitlines() if re.match(r"\| S\d+ \|", line)]
    assert [row[0] for row in rows] == [f"| S{number}" for number in range(1, 39)]
    kinds = {kind.stream_kind for kind in TYPES.values()} | {name.split(".")[0] for name in TYPES}
    for row in rows:
        statements, tests = row[3], row[4]
        for kind in re.findall(r"`(\w+)\.\*`", statements):
            assert kind in kinds, kind
        for name in re.findall(r"`(\w+\.\w+\.v\d+)`", statements):
            assert name in TYPES, name
        files = [ROOT / "tests" / name for name in re.findall(r"`(\w+/test_\w+\.py)`", tests)]
        assert files, row[0]
        sources = "\n".join(path.read_text("utf-8") for path in files)
        for name in re.findall(r"`(test_\w+)`", tests):
            assert f"def {name}(" in sources, name


def test_the_threads_of_the_server_are_those_of_the_design() -> None:
    text = (ROOT / "docs/design/overview.md").read_text("utf-8")
    told = set(re.findall(r"^\| thread `(\w+)`", text, re.MULTILINE)) - {"sequencer", "sweep"}
    made = re.search(r"\ndef _kept_up\(.*?\n\n\n", (ROOT / "api/serve.py").read_text("utf-8"), re.DOTALL)
    assert made is not None
    names = re.findall(r'^ {8}"(\w+)": \(', made[0], re.MULTILINE) + re.findall(r'name="(\w+)"', made[0])
    assert told == set(names)
