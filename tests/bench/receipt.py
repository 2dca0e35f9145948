"""From submit to receipt at 200 statements a second: durable, in the tree, under a signed checkpoint, with its path.

Statements fall due by the clock, whether or not the former ones are through; the time counts from when one was due, so
a queue in front of the door counts too. One process serves, as ``mingjian up`` does; the sequencer is in it.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

from ledger.door.door import Wish
from ledger.door.hall import Hall
from ledger.errors import Unavailable
from ledger.keys import SigningKey
from ledger.statement import instant_text
from ledger.store.sequencer import now_us
from ledger.tree.merkle import check_inclusion
from tests.bench.rounds import say
from tests.bench.stand import Stand
from tests.bench.table import Aim, Row

RATE = 200
_THREADS = 32


def rows(stand: Stand) -> Iterator[Row]:
    """Row 5, on disk."""
    duration_s = 2 if stand.quick else 6
    hall = stand.ledger("disk", "receipt")
    medians, tails, floors = [], [], []
    with hall.sequencing():
        key = hall.source_key("bench")
        for number in range(stand.rounds):
            waits = sorted(_round(hall, key, duration_s))
            medians.append(waits[len(waits) // 2])
            tails.append(waits[int(len(waits) * 0.95)])
            floors.append(_alone(hall, key))
            say(f"  round {number + 1}/{stand.rounds}: median {medians[-1]:.3f} s, p95 {tails[-1]:.3f} s")
    p95 = statistics.median(tails)
    yield Row(
        name="receipt",
        what=f"submit to receipt at {RATE} statements/s, on disk with fsync",
        ours=f"p95 {p95 * 1000:,.0f} ms, median {statistics.median(medians) * 1000:,.0f} ms",
        rival="–",
        ratio=None,
        aims=(Aim(p95, "at most", 1.0, "p95 ≤ 1 s"),),
        limit=f"one statement alone: {statistics.median(floors) * 1000:,.0f} ms (looks every 20 ms, four flushes)",
    )


def _round(hall: Hall, key: SigningKey, duration_s: int) -> list[float]:
    begin = time.monotonic() + 0.1
    with ThreadPoolExecutor(_THREADS) as pool:
        due = [begin + number / RATE for number in range(RATE * duration_s)]
        return list(pool.map(lambda moment: _one(hall, key, moment), due))


def _alone(hall: Hall, key: SigningKey) -> float:
    return statistics.median(_one(hall, key, time.monotonic()) for _ in range(5))


def _one(hall: Hall, key: SigningKey, due: float) -> float:
    time.sleep(max(0.0, due - time.monotonic()))
    name = uuid4().hex
    wish = Wish(
        actor="source/bench",
        role="source_adapter",
        stream=f"imported/bench/{name}",
        type="imported.case.v1",
        at=instant_text(now_us()),
        request=name,
        values={"case_no": 1},
    )
    outcome = hall.door.submit(wish, key)
    placed = hall.wait_placed([outcome], timeout_s=30)
    checkpoint = hall.publisher.checkpoint()
    if outcome.id not in placed or checkpoint is None:
        raise Unavailable("no receipt after 30 s", code="receipt")
    index = placed[outcome.id]
    path = hall.reader.inclusion(index, checkpoint.size)
    check_inclusion(outcome.id, index, checkpoint.size, path, checkpoint.root)
    return time.monotonic() - due
