"""A district played at the smallest scale at which every kind of irregularity can show, for all of these tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from api.demo.seed import LEAST, Seeded, seed
from ledger.door.hall import Hall, open_ledger
from ledger.statement import Statement, open_statement
from projections.runner import Projector

SCALE = 0.008
END = date(2025, 6, 30)


@dataclass(frozen=True)
class Played:
    """A play that is over: its ledger, open, and what was answered."""

    hall: Hall
    data: Path
    answer: Seeded

    def acts(self) -> Iterator[Statement]:
        """Every statement in the order of the log."""
        size = self.hall.reader.head().size
        for low in range(0, size, 5000):
            for placed in self.hall.reader.entries(low, min(size, low + 5000)):
                yield open_statement(placed.entry)

    def key(self) -> list[dict[str, Any]]:
        """The answer key."""
        return [json.loads(line) for line in self.answer.answers.read_text("utf-8").splitlines()]


@pytest.fixture(scope="package")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    data = tmp_path_factory.mktemp("district") / "data"
    answer = seed(data, scale=SCALE, seed=7, end=END)
    with open_ledger(data) as hall:
        Projector(hall.database).catch_up()
        yield Played(hall, data, answer)


@dataclass(frozen=True)
class Small:
    """A play that may be gone on with and tampered with. ``latest``: its last head, as it was signed."""

    data: Path
    latest: bytes


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    data = tmp_path_factory.mktemp("small") / "data"
    seed(data, scale=LEAST, seed=3, end=END)
    return Small(data, (data / "published" / "latest").read_bytes())
