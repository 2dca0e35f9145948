"""Before any attack: a ledger that nobody touched is found whole by every check. An alarm that always rings is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from api.doctor import examine
from ledger.door.hall import Hall
from ledger.errors import Evidence
from projections.check import check_projections
from projections.checked import check_stream
from projections.runner import Projector


def test_the_sweep_finds_nothing(hall: Hall, swept: Callable[[], list[Evidence]]) -> None:
    assert swept() == []


def test_the_doctor_finds_nothing(hall: Hall) -> None:
    report = examine(hall.data)
    assert report.findings == []
    assert report.parts["ledger"]["size"] == report.parts["ledger"]["published"] == hall.reader.head().size


def test_the_projections_are_what_the_log_says(hall: Hall) -> None:
    assert check_projections(hall.database) == (hall.reader.head().size, [])


@pytest.mark.parametrize("batch", [1, 2, 3, 97])
def test_what_is_derived_does_not_show_how_the_log_was_cut_into_chunks(hall: Hall, batch: int) -> None:
    projector = Projector(hall.database)
    digest = projector.digest()
    assert projector.rebuild(batch=batch).digest == digest


def test_every_stream_shown_is_what_its_statements_say(hall: Hall) -> None:
    checkpoint = hall.publisher.checkpoint()
    assert checkpoint is not None
    with hall.database.use("reader") as connection:
        rows = connection.execute("SELECT DISTINCT stream FROM ledger.statements ORDER BY 1").fetchall()
    kinds = set()
    for (stream,) in rows:
        if check_stream(hall.database, checkpoint, stream) is not None:
            kinds.add(stream.partition("/")[0])
    assert kinds == {"imported", "approval", "ticket"}
