"""Rights as data: a closed, versioned vocabulary of predicates, and rules that stand in the log.

A policy is the JSON object

    {"vocabulary": 1, "term_days": 10, "promise_percent": 35,
     "rules": [{"role": "window_clerk", "types": ["ticket.*"], "when": ["own_window"]}, …]}

A statement is allowed when its actor holds the stated role at that position and some rule for the role names
its type (exactly, or ``prefix.*``) and every predicate of that rule holds. Nothing else allows anything.
``term_days``: within how many days of the proposal (claimed times) the confirmation must come. ``promise_percent``
(optional): how far an item's promise may go, in percent of its statutory limit, unless it has a waiver.

The predicates of vocabulary 1 (parameters are data, meanings never change; a new meaning is a new vocabulary):

``own_window``    the statement names a window that the actor is appointed to
``own_unit``      the statement names the unit that the actor is appointed to
``case_unit``     the unit that the statement names is that of the case's item; of an act inside a branch of a
                  parallel review the case itself asks for the branch's unit
``on_the_spot``   the case is of an item that is handled on the spot
``own_source``    actor ``source/X`` or ``adapter/KIND/X`` appends only to streams of source X: ``…/X/…``
``own_key``       the stream is ``key/`` + the actor
``two_persons``   confirms a proposal made in the same stream, of the same content, by another person who still
                  holds the role it was made in, within the term
``not_acceptor``  whoever accepted a promise case does not decide it
``own_case``      the stream was opened by the actor
``own_camera``    actor ``recorder/X`` appends to its own ``recorder/X/…`` and to the footage of cameras bound to it
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.errors import Malformed

VOCABULARY: Final = 1
PREDICATES: Final = frozenset(
    {
        "own_window",
        "own_unit",
        "case_unit",
        "own_source",
        "own_key",
        "own_case",
        "own_camera",
        "on_the_spot",
        "not_acceptor",
        "two_persons",
    }
)


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: who may append what, under which predicates."""

    role: str
    types: frozenset[str]
    prefixes: tuple[str, ...]
    when: tuple[str, ...]

    def names(self, type_name: str) -> bool:
        """Whether the rule speaks of this type."""
        return type_name in self.types or any(type_name.startswith(prefix) for prefix in self.prefixes)


@dataclass(frozen=True, slots=True)
class Policy:
    """A parsed policy."""

    term_days: int
    rules: Mapping[str, tuple[Rule, ...]]
    promise_percent: int | None = None
    _found: dict[tuple[str, str], tuple[Rule, ...]] = field(default_factory=dict, repr=False, compare=False)

    def rules_for(self, role: str, type_name: str) -> tuple[Rule, ...]:
        """The rules of ``role`` that speak of ``type_name``, which is a declared type."""
        found = self._found.get((role, type_name))
        if found is None:
            found = tuple(rule for rule in self.rules.get(role, ()) if rule.names(type_name))
            if role in self.rules:  # roles and types are few; what a statement claims is not
                self._found[role, type_name] = found
        return found


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise Malformed(f"{what} is not a list of texts", code="policy")
    return tuple(value)


def parse_policy(raw: Any) -> Policy:
    """The policy in ``raw``, or Malformed with the first thing that is wrong."""
    needed = {"vocabulary", "term_days", "rules"}
    if not isinstance(raw, dict) or not needed <= raw.keys() <= needed | {"promise_percent"}:
        raise Malformed("a policy has vocabulary, term_days, rules and perhaps promise_percent", code="policy")
    if type(raw["vocabulary"]) is not int or raw["vocabulary"] != VOCABULARY:  # true == 1
        raise Malformed(
            f"the policy speaks vocabulary {raw['vocabulary']!r}, this program {VOCABULARY}",
            code="policy-vocabulary",
            mend="use a program that knows that vocabulary",
        )
    if type(raw["term_days"]) is not int or raw["term_days"] < 1 or not isinstance(raw["rules"], list):
        raise Malformed("term_days is a whole number from 1, rules a list", code="policy")
    percent = raw.get("promise_percent", 100)
    if type(percent) is not int or not 1 <= percent <= 100:
        raise Malformed("promise_percent is a whole number from 1 to 100", code="policy")
    rules: dict[str, list[Rule]] = {}
    for number, rule in enumerate(raw["rules"], start=1):
        if not isinstance(rule, dict) or not {"role", "types"} <= rule.keys() <= {"role", "types", "when"}:
            raise Malformed(f"rule {number} has role, types and perhaps when", code="policy")
        types = _texts(rule["types"], f"rule {number}: types")
        when = _texts(rule.get("when", []), f"rule {number}: when")
        if unknown := set(when) - PREDICATES:
            raise Malformed(f"rule {number}: unknown predicates {sorted(unknown)}", code="policy-predicate")
        if not isinstance(rule["role"], str):
            raise Malformed(f"rule {number}: the role is a text", code="policy")
        rules.setdefault(rule["role"], []).append(
            Rule(
                role=rule["role"],
                types=frozenset(name for name in types if not name.endswith(".*")),
                prefixes=tuple(name[:-1] for name in types if name.endswith(".*")),
                when=when,
            )
        )
    return Policy(
        term_days=raw["term_days"],
        rules={role: tuple(listed) for role, listed in rules.items()},
        promise_percent=raw.get("promise_percent"),
    )
