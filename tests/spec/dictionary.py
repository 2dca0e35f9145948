"""The data dictionary: every type of statement, its fields and who may append it, as ``docs/spec/statements.md``.

    python -m tests.spec.dictionary      writes the page anew

It is made from the declarations that the ledger itself checks by, so it cannot say anything else.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

from ledger.facts.first_policy import FIRST_POLICY
from ledger.facts.policy import Rule, parse_policy
from ledger.facts.types import TYPES, Field, StatementType

PAGE = Path(__file__).parents[2] / "docs/spec/statements.md"
# Said by the program before there is a policy, and read by every verifier: see facts/registry.py.
_OPENING = {"ledger.opened.v1": "the first officer, entry 0", "ledger.confirmed.v1": "the second officer, entry 1"}

_HEAD = """\
# Statements: the data dictionary

Every type that a ledger of this version takes in. Made from `ledger/facts/types.py` and
`ledger/facts/first_policy.py` by `python -m tests.spec.dictionary`; a test compares them. How a statement is encoded
and signed stands in [formats.md](formats.md), what each word means in [glossary.md](glossary.md).

**A field** is `name: kind`, with `?` where it may be missing. Nothing marked stands in clear in the entry; **P** is a
pseudonym (32 hex digits, the hall alone can resolve it); **S** is sealed: only its salted digest stands in `_sd`, its
value in the vault.

| kind | what |
|---|---|
| `code` | ASCII name of 1 to 128: letters, digits, `. _ : @ / -` |
| `text` | any text |
| `int`, `count`, `fen` | whole number; from 0; money in fen, from 0 |
| `bool` | true or false |
| `date`, `instant` | `YYYY-MM-DD`; RFC 3339 with its offset |
| `id`, `hex` | 64 hex digits, a statement's id or a SHA-256; hex of any even length |
| `codes`, `ids`, `digests` | lists: of codes; of ids, none twice; of digests of sealed values, sorted, none twice |
| `values` | list of [name, type, text as the source spells it] or with nested ones as a fourth member |
| `object` | JSON whose inside is checked by the fold that reads it |

**Who** is the role, with the conditions of the rule that allows it, under the policy a new ledger begins with; two
persons can change it (`policy.changed.v1`). Nobody else may append the type. What each condition means stands at the
head of `ledger/facts/policy.py`; beside them the state of the stream must allow the act.

A type marked **⚖** changes who may do what, and enters alone.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    for kind, types in groupby(sorted(TYPES.values(), key=_place), key=lambda one: one.stream_kind):
        rows = [f"| `{one.name}`{' ⚖' if one.governs else ''} | {_fields(one)} | {_who(one.name)} |" for one in types]
        parts.append("\n".join([f"## {kind}\n", "| type | fields | who |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def _place(one: StatementType) -> tuple[int, int]:
    """Streams in the order in which they are first declared, their types likewise."""
    kinds = list(dict.fromkeys(each.stream_kind for each in TYPES.values()))
    return kinds.index(one.stream_kind), list(TYPES).index(one.name)


def _fields(one: StatementType) -> str:
    return " · ".join(_field(name, field) for name, field in one.fields.items()) or "–"


def _field(name: str, field: Field) -> str:
    mark = {"public": "", "pseudonym": " **P**", "sealed": " **S**"}[field.privacy]
    return f"`{name}: {field.kind}{'' if field.required else '?'}`{mark}"


def _who(name: str) -> str:
    policy = parse_policy(FIRST_POLICY)
    rules = [rule for role in policy.rules for rule in policy.rules_for(role, name)]
    return _OPENING.get(name) or " · ".join(dict.fromkeys(_rule(rule) for rule in rules)) or "nobody any more"


def _rule(rule: Rule) -> str:
    return f"`{rule.role}`" + (f" ({', '.join(rule.when)})" if rule.when else "")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
