"""A real log, cosigned by real witnesses, before a client that nobody here wrote: Go's libraries, over HTTP."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.exchange.generate import generate_xes
from ledger.exchange.importer import import_xes
from ledger.keys import SigningKey
from ledger.tree.note import Algorithm, Signer
from ledger.tree.policy import Policy, Witness
from tests.running import serving
from tests.witnesses.conftest import Running, placed


@dataclass
class Served:
    """The log at ``url``, under the application that ``mingjian up`` serves."""

    hall: Hall
    url: str

    def case(self, index: int, **change: Any) -> dict[str, Any]:
        """What Go is asked about an entry."""
        [placed] = self.hall.reader.entries(index, index + 1)
        vkey = str(self.hall.publisher.alone.logs[0].key)
        policy = self.hall.policy().to_bytes()
        asked = {"kind": "served", "data": f"{self.url}/log".encode(), "index": index, "entry": placed.entry}
        return asked | {"vkey": vkey, "policy": policy} | change


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    create_ledger(folder / "data")
    generate_xes(folder / "log.xes", cases=40, seed=3)
    witnesses = [Running(folder / f"w{number}").start() for number in (1, 2)]
    try:
        with open_ledger(folder / "data") as hall, hall.sequencing(carry_s=0.2), serving(hall) as url:
            for one in witnesses:
                one.trust(hall)
                added = {"vkey": one.vkey, "url": one.url, "name": one.name}
                placed(hall, hall.change(f"witness/{one.name}", "witness.added.v1", added))
            done = import_xes(hall, folder / "log.xes", source="permits")
            index = hall.wait_placed([done.last], timeout_s=20)[done.last.id]
            assert hall.wait_witnessed(index + 1) is not None
            yield Served(hall, url)
    finally:
        for one in witnesses:
            one.end(signal.SIGKILL)


def test_go_fetches_the_cosigned_checkpoint_and_proves_entries_from_our_tiles(served: Served, by_go: Any) -> None:
    size = served.hall.publisher.served().checkpoint.size
    assert size > 257  # a full tile, a partial one, and one above them
    indexes = [0, 1, 2, 255, 256, size - 1]
    assert by_go([served.case(index) for index in indexes]) == [True] * len(indexes)


def test_go_refuses_another_entry_place_key_or_a_quorum_that_is_not_met(served: Served, by_go: Any) -> None:
    good, other = served.case(5), served.case(6)
    stranger = Signer("w9.example", SigningKey.generate(), Algorithm.COSIGNATURE_V1)
    other_log = Signer(served.hall.origin, SigningKey.generate())
    unmet = Policy(served.hall.policy().logs, (Witness("w9", stranger.key),), (), "w9")
    wrong = [
        good | {"entry": other["entry"]},
        good | {"index": 6},
        good | {"vkey": str(other_log.key)},
        good | {"entry": good["entry"][:-1] + bytes([good["entry"][-1] ^ 1])},
        good | {"policy": unmet.to_bytes()},
    ]
    assert by_go([good, *wrong]) == [True] + [False] * len(wrong)
