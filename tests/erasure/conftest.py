"""A real ledger with imported cases and a live one, of which values are erased, kept and shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.registry import erasure
from ledger.store.embedded import embedded_server


@dataclass
class Office:
    """An open ledger that places what is said, and its two people."""

    hall: Hall
    one: Desk
    other: Desk

    def settle(self, *outcomes: Outcome) -> dict[bytes, int]:
        placed = self.hall.wait_placed(outcomes, timeout_s=20)
        assert len(placed) == len({outcome.id for outcome in outcomes})
        return placed

    def stated(self, subject: str) -> list[Outcome]:
        """An erasure proposed and confirmed, and not carried out."""
        proposed = erasure.propose(self.one, self.hall, subject, ground="pipl-47")
        made = [erasure.confirm(self.other, subject, proposal.id.hex()) for proposal in proposed]
        self.settle(*made)
        return made

    def erased(self, subject: str) -> erasure.Erased:
        return erasure.carry_out(self.hall, self.stated(subject))

    def streams(self) -> list[str]:
        with self.hall.database.use("reader") as connection:
            rows = connection.execute(
                "SELECT DISTINCT stream FROM ledger.statements WHERE stream LIKE 'imported/%' ORDER BY 1"
            ).fetchall()
        return [stream for (stream,) in rows]

    def digests(self, stream: str) -> list[str]:
        return sorted(erasure.digests_of(self.hall, stream))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("erasure")
    generate_xes(folder / "log.xes", cases=12, seed=3)
    with embedded_server(folder / "data"):
        create_ledger(folder / "data")
        with open_ledger(folder / "data") as hall, hall.sequencing():
            done = import_xes(hall, folder / "log.xes", source="permits")
            assert done.last is not None
            hall.wait_placed([done.last], timeout_s=20)
        yield folder / "data"


@pytest.fixture
def office(data: Path) -> Iterator[Office]:
    with open_ledger(data) as hall, hall.sequencing():
        yield Office(hall, *erasure.officers(hall))
