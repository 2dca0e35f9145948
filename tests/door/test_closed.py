"""A closed log takes nothing in any more, neither from keys kept here nor signed elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.door.door import Wish
from ledger.door.hall import close_ledger, create_ledger, open_ledger
from ledger.errors import Refused
from ledger.statement import instant_text
from ledger.store.sequencer import now_us


def test_the_door_of_a_closed_log_takes_nothing_in_and_says_where_to_go(tmp_path: Path) -> None:
    create_ledger(tmp_path / "data")
    with open_ledger(tmp_path / "data") as hall:
        with hall.sequencing():
            key = hall.source_key("s")
        close_ledger(hall)
        size = hall.reader.head().size
        wish = Wish(
            actor="source/s",
            role="source_adapter",
            stream="imported/s/c1",
            type="imported.case.v1",
            at=instant_text(now_us()),
            request="r-1",
            values={"case_no": 1, "rest": {}},
        )
        with pytest.raises(Refused, match="closed") as refused:
            hall.door.submit(wish, key)
        assert "--successor-of" in refused.value.mend
        assert hall.reader.stream("imported/s/c1") == []
        assert hall.reader.head().size == size
        with pytest.raises(Refused, match="closed"), hall.sequencing():
            pass
