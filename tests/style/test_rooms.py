"""Each room keeps its own tables, and each module says what it promises."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ledger", "projections", "oversight", "api", "camera_ingest")
# Whose tables are whose: the schema, and the one folder in which SQL may name it.
HOMES = {"ledger": "ledger/store", "projections": "projections"}
# Modules still to be moved: each query into the room whose table it reads, as a function of its name.
ABROAD_YET: set[str] = set()
_NAMED = r"(?:FROM|JOIN|INTO|UPDATE|ONLY|TABLE|COPY|TRUNCATE|LOCK|ON|USING|,)\s+\"?{}\"?\s*\.\s*\"?[a-z_{{]"


@cache
def modules() -> list[Path]:
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    assert len(found) > 100, "the packages are not where this test looks for them"
    return found


def sql_in(source: str, schema: str) -> list[str]:
    """The strings of a module, docstrings left out, that name a table of ``schema`` where SQL names one."""
    if not re.search(rf"{schema}\W", source):
        return []
    named = re.compile(_NAMED.format(schema), re.IGNORECASE)
    return [text for text in _strings(ast.parse(source)) if named.search(text)]


def abroad(schema: str, home: str) -> dict[str, list[str]]:
    """What each module outside ``home`` says of the tables of ``schema``; those that say nothing are left out."""
    found = {path: sql_in(path.read_text("utf-8"), schema) for path in modules() if ROOT / home not in path.parents}
    return {str(path.relative_to(ROOT)): texts for path, texts in found.items() if texts}


def _strings(tree: ast.AST) -> Iterator[str]:
    said = {id(node.body[0].value) for node in ast.walk(tree) if _begins_with_text(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in said:
            yield node.value if isinstance(node.value, str) else node.value.decode("latin-1")


def _begins_with_text(node: ast.AST) -> bool:
    body = getattr(node, "body", None)
    return isinstance(body, list) and bool(body) and isinstance(body[0], ast.Expr)


@pytest.mark.parametrize(("schema", "home"), HOMES.items())
def test_no_table_is_read_or_written_outside_the_room_that_keeps_it(schema: str, home: str) -> None:
    assert {name: texts for name, texts in abroad(schema, home).items() if name not in ABROAD_YET} == {}


def test_no_module_is_exempted_that_does_not_need_it() -> None:
    needing = {name for schema, home in HOMES.items() for name in abroad(schema, home)}
    assert sorted(ABROAD_YET - needing) == []


@pytest.mark.parametrize(("schema", "home"), HOMES.items())
def test_the_rule_sees_what_it_forbids(schema: str, home: str) -> None:
    at_home = [path for path in modules() if ROOT / home in path.parents]
    assert any(sql_in(path.read_text("utf-8"), schema) for path in at_home)
    for query in (
        "SELECT 1 FROM SCHEMA.head",
        "insert into SCHEMA.leaves VALUES (%s)",
        "SELECT 1 FROM x, SCHEMA.head",
        'UPDATE "SCHEMA"."head" SET size = 0',
    ):
        text = query.replace("SCHEMA", schema)
        assert sql_in(f"execute({text!r})", schema), text
        assert sql_in(f"execute({text.encode()!r})", schema), text
        assert sql_in(f"execute(f{text + ' {more}'!r})", schema), text
        assert sql_in(f"execute({text[:8]!r}\n    {text[8:]!r})", schema), f"{text} on two lines"
    assert not sql_in(f"'''Says that nothing is taken from {schema}.head.'''\nimport {schema}.store\n", schema)


def test_each_module_says_what_it_promises() -> None:
    found = {str(path.relative_to(ROOT)): ast.get_docstring(ast.parse(path.read_text("utf-8"))) for path in modules()}
    silent = [name for name, said in found.items() if said is None or len(said.split()) < 5]
    assert silent == []
