"""A real ledger that the tests grow entry by entry, one with many streams, and judges not written here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.facts.registry import possession_message
from ledger.keys import SigningKey
from ledger.statement import Draft, instant_text, open_statement, sign_statement
from ledger.store.sequencer import now_us
from tests import running
from tests.interop import conftest as judges
from tests.running import serving

BIN = Path(sys.executable).parent

# Judges not written here, in the environments of the interoperability tests.
scitt_cose, by_scitt_cose, by_go = judges.scitt_cose, judges.by_scitt_cose, judges.by_go


@pytest.fixture(scope="module")
def client(many: Hall) -> Iterator[httpx.Client]:
    """Asks the real server over ``many``."""
    with serving(many) as base, httpx.Client(base_url=base, timeout=20) as found:
        yield found


@dataclass
class Source:
    """An outside system with a key of its own, that the ledger never sees."""

    hall: Hall
    name: str
    key: SigningKey
    count: int = 0

    def sign(self, case: str, **changes: Any) -> bytes:
        """The first statement of a case, ready to be registered."""
        self.count += 1
        head = self.hall.reader.head()
        values: dict[str, Any] = {
            "actor": f"source/{self.name}",
            "stream": f"imported/{self.name}/{case}",
            "type": "imported.case.v1",
            "seq": 1,
            "prev": None,
            "seen_size": head.size,
            "seen_root": head.root,
            "at": instant_text(now_us()),
            "role": "source_adapter",
            "request": f"outside-{self.count}",
            "data": {"case_no": self.count},
            "audience": self.hall.origin,
        }
        return sign_statement(Draft(**(values | changes)), self.key)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """A ledger of two entries. Who wants more of them takes the steps."""
    data = tmp_path_factory.mktemp("small") / "data"
    create_ledger(data)
    with open_ledger(data) as hall:
        yield hall


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """A ledger of some 600 streams: two full tiles of rows and a part of one. It places what is stated."""
    folder = tmp_path_factory.mktemp("many")
    data = folder / "data"
    create_ledger(data)
    with open_ledger(data) as hall, hall.sequencing():
        generate_xes(folder / "log.xes", cases=600, seed=3)
        done = import_xes(hall, folder / "log.xes", source="s")
        assert done.last is not None
        assert hall.wait_placed([done.last], timeout_s=30)
        yield hall


@pytest.fixture
def source(many: Hall) -> Callable[[str], Source]:
    """Registers the key of an outside source by two persons."""

    def register(name: str) -> Source:
        key, actor = SigningKey.generate(), f"source/{name}"
        proof = key.sign(possession_message(many.origin, actor, key.public)).hex()
        content = {"actor": actor, "key": key.public.hex(), "custody": "actor", "proof": proof}
        assert many.wait_placed([many.change(f"key/{actor}", "key.added.v1", content)])
        return Source(many, name, key)

    return register


Rows = dict[str, tuple[int, bytes]]


@pytest.fixture(scope="session")
def heads_at() -> Callable[[Hall, int], Rows]:
    """Every stream's last seq and id among the first ``size`` entries, read plainly from the entries."""

    def read(hall: Hall, size: int) -> Rows:
        found: Rows = {}
        for placed in hall.reader.entries(0, size):
            act = open_statement(placed.entry)
            found[act.stream] = (act.seq, act.id)
        return found

    return read


@pytest.fixture(scope="session")
def command() -> Callable[..., tuple[int, Any]]:
    """Runs a command with --json: its exit code and its one line."""
    return running.command
