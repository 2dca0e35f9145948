"""A case's history, replay and proof, a queue, a registry as of then: does it stay as fast when the ledger grows?"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator

from api.questions import case_history
from ledger.door.hall import Hall
from ledger.tree.merkle import check_inclusion
from projections import cases, registries
from tests.bench.live import OPEN
from tests.bench.rounds import alternate, seconds
from tests.bench.stand import Stand
from tests.bench.table import Aim, Row, at_most

_CALLS = 15
_WITHIN_S = 0.05


def rows(stand: Stand) -> Iterator[Row]:
    """Row 10, a line for each question."""
    large, small = stand.history, stand.small_history
    sizes = f"{large.reader.head().size:,} entries, {small.reader.head().size:,} beside"
    with large.database.use("reader") as connection:
        trip_s = statistics.median(seconds(lambda: connection.execute("SELECT 1")) for _ in range(50))
    in_small = _questions(small)
    for name, ask in _questions(large).items():
        found = alternate(
            {"large": lambda ask=ask: _time(ask), "small": lambda name=name: _time(in_small[name])},  # type: ignore[misc]
            rounds=3 * stand.rounds,
        )
        ratio = found["large"] / found["small"]
        yield Row(
            name=f"read-{name.split(',')[0].replace(' ', '-')}",
            what=f"{name} ({sizes})",
            ours=f"{found['large'] * 1000:.1f} ms",
            rival=f"at 1/100 {found['small'] * 1000:.1f} ms",
            ratio=ratio,
            aims=(at_most(ratio, 1.5), Aim(found["large"], "at most", _WITHIN_S, "< 50 ms")),
            limit=f"one round trip: {trip_s * 1000:.2f} ms",
        )


def _time(ask: Callable[[], object]) -> float:
    ask()
    return statistics.median(seconds(ask) for _ in range(_CALLS))


def _questions(hall: Hall) -> dict[str, Callable[[], object]]:
    """Each over the middle of the ledger's approvals: a case that is closed, a moment when others were open."""
    with hall.database.use("reader") as connection:
        row = connection.execute(
            "WITH closed AS (SELECT stream, first_index, last_index FROM projections.approvals WHERE stage = 'closed')"
            " SELECT * FROM closed ORDER BY first_index LIMIT 1 OFFSET (SELECT count(*) / 2 FROM closed)"
        ).fetchone()
    assert row is not None
    stream, first, last = row

    def proof() -> None:
        checkpoint = hall.publisher.checkpoint()
        assert checkpoint is not None
        (one,) = hall.reader.verified([first], checkpoint)
        path = hall.reader.inclusion(first, checkpoint.size)
        check_inclusion(one.id, first, checkpoint.size, path, checkpoint.root)

    def queue(position: int | None) -> None:
        with hall.database.use("reader") as connection:
            found = cases.queue(connection, position=position, unit="env")
        assert found["n"] >= OPEN, found["n"]

    def registry() -> None:
        with hall.database.use("reader") as connection:
            assert registries.entries(connection, "item", position=last)

    return {
        "history, every statement checked": lambda: case_history(hall, stream),
        "replay as of a position": lambda: case_history(hall, stream, as_of=str(last)),
        "proof": proof,
        "queue": lambda: queue(None),
        "queue as of then": lambda: queue(last),
        "registry as of then": registry,
    }
