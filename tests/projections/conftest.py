"""A ledger with an imported log, whose projections have caught up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from projections.runner import Projector


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.xes.gz"
    generate_xes(path, cases=80, seed=11)
    return path


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory, log: Path) -> Iterator[Hall]:
    data = tmp_path_factory.mktemp("hall") / "data"
    create_ledger(data)
    with open_ledger(data) as opened:
        with opened.sequencing():
            done = import_xes(opened, log, source="permits")
            assert done.last is not None
            opened.wait_placed([done.last], timeout_s=30)
        Projector(opened.database).catch_up()
        yield opened


@pytest.fixture
def projector(hall: Hall) -> Projector:
    return Projector(hall.database)
