"""What every command owes whoever calls it: each act has one, and each may be sent again."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from ledger.facts.courses import FOLDS

# Not a counter's: cards and anomalies are the system clock's and the supervisors'; a patrol looks at cameras first.
OURS = [kind for kind in FOLDS if kind not in ("card", "anomaly", "patrol")]
# Stated by the system clock, and by a command that looks into another stream first: each has tests of its own.
ELSEWHERE = {"complaint": {"evidence_missing"}, "enterprise_help": {"applied_for"}}


class Recording:
    """A desk that keeps what would be stated."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str, dict[str, Any]]] = []
        self.door = self

    def say(self, stream: str, type_name: str, values: dict[str, Any], **more: Any) -> None:
        self.said.append((stream, type_name, {**values, **more}))

    def registry(self) -> tuple[int, None]:
        return 0, None

    def stream(self, registry: Any, name: str) -> Any:
        return type("Found", (), {"head": bytes(32)})


def commands(kind: str) -> dict[str, Callable[..., Any]]:
    module = importlib.import_module(f"ledger.cases.{kind}")
    found = inspect.getmembers(module, inspect.isfunction)
    own = {name: each for name, each in found if each.__module__ == module.__name__}
    asked = {name: inspect.signature(each).parameters for name, each in own.items()}
    return {name: each for name, each in own.items() if "desk" in asked[name] and "hall" not in asked[name]}


def plain(parameter: inspect.Parameter) -> Any:
    """A value of the parameter's kind."""
    said = str(parameter.annotation)
    values: dict[str, Any] = {
        "Iterable[StatementId]": [bytes(32)],
        "Iterable": ["a"],
        "Mapping": {},
        "StatementId": bytes(32),
        "date": date(2024, 3, 4),
        "int": 3,
        "bool": True,
    }
    return next((value for start, value in values.items() if said.startswith(start)), "a")


@pytest.mark.parametrize("kind", OURS)
def test_every_act_has_its_command_and_each_passes_its_request_on(kind: str) -> None:
    spoken = set()
    for name, command in commands(kind).items():
        parameters = inspect.signature(command).parameters
        assert parameters["request"].kind is inspect.Parameter.KEYWORD_ONLY, name
        needed = {n: plain(p) for n, p in parameters.items() if p.default is inspect.Parameter.empty and n != "desk"}
        desk = Recording()
        command(desk, **needed, request="r-1")
        ((stream, type_name, values),) = desk.said
        assert stream.startswith(f"{kind}/"), name
        assert values["request"] == "r-1", name
        spoken.add(type_name.split(".")[1])
    assert spoken | ELSEWHERE.get(kind, set()) == set(FOLDS[kind].course.moves)
