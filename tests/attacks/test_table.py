"""Every attack that must be caught is played, and ``docs/spec/attacks.md`` says by whom it is caught, and how.

``ROWS`` is the list. A test names its row with ``pytest.mark.attack(ROW, (who, how), …)``; its docstring is the story.
After a change: ``python tests/attacks/test_table.py`` writes the page anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGE = ROOT / "docs/spec/attacks.md"

ROWS: dict[str, tuple[str, str]] = {
    "row-changed": ("operator", "change an event row or a projection row, tiles untouched"),
    "old-leaf": ("operator", "rewrite an old leaf"),
    "whole-log": ("operator", "rewrite the whole log"),
    "dropped": ("operator", "drop an acknowledged statement"),
    "cut-case": ("operator", "cut the tail of a case, delete a case"),
    "time": ("operator", "back-date, delay, re-order"),
    "two-histories": ("operator", "show two histories"),
    "restore": ("operator", 'go back "after a restore"'),
    "genesis": ("operator", "invent officers or a false policy at genesis"),
    "forged-act": ("operator", "forge a clerk's act; add its own key"),
    "clip": ("operator", "swap, shorten, re-time or re-order a clip"),
    "erasure": ("operator", "hide behind erasure"),
    "unwitnessed": ("operator", "stop asking witnesses"),
    "clerk": ("clerk", "deny an act; use a colleague's key; back-date past a card"),
    "outsider": ("outsider", "replay a signed statement; malformed entry; split the verifiers"),
    "guess": ("outsider", "guess a personal value from its digest"),
    "liars": ("witness, time authority", "lie"),
    # Faults of known products.
    "inside": ("known fault", "an auditor that runs inside the operator's database"),
    "anchors": ("known fault", "a verifier that takes its trust anchors from the server that it checks"),
    "no-rehash": ("known fault", "an auditor that does not hash the entries again"),
    "hybrid": ("known fault", "proofs of a chain of trees that join what does not belong together"),
    "rebuilt": ("known fault", "a hash chain that can be rebuilt whole"),
}

# Also played by tests of the part itself.
ELSEWHERE: dict[str, dict[str, str]] = {
    "whole-log": {"tests/signer/test_lies.py": "a signer with a memory"},
    "cut-case": {"tests/bundle/test_bundle.py": "bundles", "tests/proofs/test_completeness.py": "case heads"},
    "time": {"tests/verify/test_times.py": "brackets"},
    "two-histories": {"tests/monitor/test_monitor.py": "monitor", "tests/witness/test_protocol.py": "witness"},
    "restore": {"tests/witnesses/test_restore.py": "witness processes, and the way out"},
    "genesis": {"tests/verify/test_replay.py": "each rule", "tests/signer/test_lies.py": "a signer"},
    "clip": {"tests/camera/test_recording.py": "`mingjian-verify clip`"},
    "erasure": {"tests/erasure/test_erasure.py": "holds, restores, sweeps"},
    "unwitnessed": {"tests/monitor/test_monitor.py": "monitor", "tests/witnesses/test_collecting.py": "the page"},
    "outsider": {"tests/statement/test_statement.py": "decoding", "tests/keys/test_keys.py": "keys and signatures"},
    "guess": {"tests/disclosure/test_disclosure.py": "salts"},
    "liars": {"tests/verify/test_times.py": "brackets", "tests/verify/test_time_tokens.py": "authorities"},
}

LIMITS = """\
Not caught, and told to users:

- an act that was never submitted leaves only footage, tickets and the citizen as witnesses;
- whoever holds the keys of two officers can register keys: keep them with the officers, never on the machine;
- a log written anew before anybody outside had a checkpoint, or under a policy that asks for no witness, is in order;
- the order of acts of different cases within one batch is the operator's;
- the operator serves the page that signs: `mingjian-sign`, installed from elsewhere, does not come from it.
"""


@dataclass
class Played:
    """A test of a row; ``open``: why it is not caught yet."""

    file: str
    name: str
    story: str
    caught: list[tuple[str, str]]
    open: str | None = None


@dataclass
class Found:
    """What the tests of this folder say."""

    rows: dict[str, list[Played]] = field(default_factory=dict)
    modules: dict[str, list[tuple[str, int, list[tuple[str, str]]]]] = field(default_factory=dict)
    untold: list[str] = field(default_factory=list)


def _marks(nodes: Iterable[ast.AST], name: str) -> list[ast.Call]:
    return [node for node in nodes if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pytest.mark.{name}"]


def _read(call: ast.Call) -> tuple[str, list[tuple[str, str]]]:
    row, *caught = (ast.literal_eval(one) for one in call.args)
    return row, caught


def read_tests() -> Found:
    """Every test in this folder, by row, as written."""
    found = Found()
    for path in sorted(HERE.glob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        tests = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_")]
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
                for call in _marks([node.value], "attack"):
                    row, caught = _read(call)
                    found.modules.setdefault(row, []).append((path.name, len(tests), caught))
        for test in tests:
            marks = _marks(test.decorator_list, "attack")
            story = " ".join((ast.get_docstring(test) or "").split())
            reasons = [
                ast.literal_eval(word.value)
                for call in _marks([n for one in test.decorator_list for n in ast.walk(one)], "xfail")
                for word in call.keywords
                if word.arg == "reason"
            ]
            if marks and not story:
                found.untold.append(f"{path.name}::{test.name}")
            for call in marks:
                row, caught = _read(call)
                played = Played(path.name, test.name, story, caught, reasons[0] if reasons else None)
                found.rows.setdefault(row, []).append(played)
    return found


def page() -> str:
    """The page, made from the list and the tests."""
    found = read_tests()
    lines = [
        "# Attacks, and who catches them",
        "",
        "For whoever asks what all this is good for. Each attack is played by a test with the full rights of the",
        "database's owner, on a real ledger: rows rewritten with triggers off, statements and heads signed anew with",
        "every key that lies on the machine, and where a story says so, with the keys of people too. Paths are below",
        "`tests/attacks/`. This page is written by `python tests/attacks/test_table.py`, and a test compares the two.",
        "",
    ]
    for row, (by, attack) in ROWS.items():
        lines += [f"## {by}: {attack}", ""]
        played, modules = found.rows.get(row, []), found.modules.get(row, [])
        if played or modules:
            lines += ["| attack | test | caught by | with |", "|---|---|---|---|"]
        for name, count, caught in modules:
            who, how = "<br>".join(one for one, _ in caught), "<br>".join(one for _, one in caught)
            lines.append(f"| each test is one | `{name}` ({count}) | {who} | {how} |")
        for one in played:
            who = "<br>".join(name for name, _ in one.caught)
            how = "<br>".join(name for _, name in one.caught)
            if one.open is not None:
                how = f"{how}<br>**not in every form yet**: {one.open}"
            lines.append(f"| {one.story} | `{one.file}` `{one.name}` | {who} | {how} |")
        if row in ELSEWHERE:
            also = ", ".join(f"`{path}` ({what})" for path, what in ELSEWHERE[row].items())
            lines += ["", f"Also: {also}."] if played or modules else [f"Played where it belongs: {also}."]
        lines.append("")
    return "\n".join([*lines, "## Limits", "", LIMITS.rstrip(), ""])


def test_every_attack_is_played() -> None:
    found = read_tests()
    assert found.rows.keys() | found.modules.keys() <= ROWS.keys()
    assert [row for row in ROWS if not (found.rows.get(row) or found.modules.get(row) or ELSEWHERE.get(row))] == []
    # One is played beside the footage that it needs; no other is left to others alone.
    assert [row for row in ROWS if row not in found.rows.keys() | found.modules.keys()] == ["clip"]


def test_every_attack_tells_its_story_and_who_catches_it() -> None:
    found = read_tests()
    assert found.untold == []
    for played in found.rows.values():
        for one in played:
            assert one.caught, one.name
            assert one.story.endswith("."), one.name
            assert "|" not in one.story, one.name


def test_what_is_played_elsewhere_is_there() -> None:
    missing = [path for also in ELSEWHERE.values() for path in also if not (ROOT / path).is_file()]
    assert missing == []


def test_the_page_says_what_the_tests_do() -> None:
    assert PAGE.read_text("utf-8") == page(), "write it anew: python tests/attacks/test_table.py"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
