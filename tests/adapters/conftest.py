"""A real ledger with a published item, and records of systems brought in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ledger.door.desk import Desk
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.adapters.reading import json_records
from ledger.exchange.adapters.taking import Taken, take_file
from ledger.keys import SigningKey
from ledger.registry import changes, keys, people
from ledger.statement import Statement, open_statement
from ledger.store.deadletters import DeadLetters

ITEM: dict[str, Any] = {
    "name": "排污许可",
    "unit": "env",
    "centre": "administrative",
    "handling": "promise",
    "clocks": {"statutory": {"limit": 20}, "promise": {"limit": 7}, "gap_notice": {"limit": 5}},
}


@dataclass
class Brought:
    """A ledger, and what was brought into it."""

    hall: Hall
    folder: Path
    keepers: list[Desk] = field(default_factory=list)

    def file(self, records: Sequence[Any], name: str = "records.json") -> Path:
        path = self.folder / name
        text = (
            json.dumps(records, ensure_ascii=False) if name.endswith(".json") else "\n".join(map(json.dumps, records))
        )
        path.write_text(text, "utf-8")
        return path

    def take(self, kind: str, source: str, *records: Any) -> Taken:
        return take_file(self.hall, Path("r.json"), json_records(self.file(records)), kind=kind, source=source)

    def acts(self, stream: str) -> list[Statement]:
        return [open_statement(entry) for _, _, entry in self.hall.reader.stream(stream)]

    @property
    def letters(self) -> DeadLetters:
        return DeadLetters(self.hall.database, self.hall.vault)

    def publish(self, code: str) -> None:
        content = {**ITEM, "valid_from": "2012-06-01"}
        self.agree("item.published.v1", f"item/{code}", **content)

    def agree(self, change: str, stream: str, **content: Any) -> None:
        """A change of the catalogue by the two persons who keep it."""
        if not self.keepers:
            self.keepers = [self._keeper("staff/cat-a"), self._keeper("staff/cat-b")]
        proposed = changes.propose(self.keepers[0], stream, change, content)
        changes.confirm(self.keepers[1], proposed.id)

    def _keeper(self, actor: str) -> Desk:
        first, second = (
            Desk(door=self.hall.door, actor=name, key=key, role="key_officer") for name, key in self.hall.officers()
        )
        named = people.appoint(first, actor, person=actor, name="某", roles=["catalogue_admin"])
        changes.confirm(second, named.id)
        key = SigningKey.generate()
        added = keys.add(first, actor, key.public, keys.prove_possession(self.hall.origin, actor, key))
        changes.confirm(second, added.id)
        return Desk(door=self.hall.door, actor=actor, key=key, role="catalogue_admin")


@pytest.fixture(scope="package")
def brought(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Brought]:
    data = tmp_path_factory.mktemp("adapters") / "data"
    create_ledger(data)
    with open_ledger(data) as hall, hall.sequencing():
        found = Brought(hall, tmp_path_factory.mktemp("files"))
        found.publish("permit")
        yield found


@pytest.fixture(scope="session")
def case() -> Callable[..., list[dict[str, Any]]]:
    """The records of one promise case, from application to closing."""

    def made(ref: str, *, item: str = "permit") -> list[dict[str, Any]]:
        steps: list[tuple[str, dict[str, Any]]] = [
            ("applied", {"item": item, "channel": "window", "applicant": "李四", "by": "0042"}),
            ("accepted", {"by": "0042", "from_unit": "env", "from_window": "w1"}),
            ("step_started", {"step": "review", "by": "0077"}),
            ("step_finished", {"step": "review", "by": "0077"}),
            ("decided", {"outcome": "granted", "by": "0091"}),
            ("delivered", {"how": "post"}),
            ("closed", {}),
        ]
        return [
            {"id": f"{ref}-{number}", "ref": ref, "act": act, "at": f"2024-03-{4 + number:02}T09:30:00+08:00", **more}
            for number, (act, more) in enumerate(steps)
        ]

    return made
