"""An open ledger whose statements are placed while the tests of a module run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.door.hall import Hall, create_ledger, open_ledger


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    data = tmp_path_factory.mktemp("hall") / "data"
    create_ledger(data)
    with open_ledger(data) as opened, opened.sequencing():
        yield opened
