"""Real servers: the tests of the store run on each PostgreSQL that is at hand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.store import embedded

_PLACES = [*embedded._system_places(), *embedded._wheel_place()]
SERVERS = {version: place for place in _PLACES if (version := embedded._version(place) or 0) >= embedded.OLDEST}


@pytest.fixture(scope="module", params=sorted(SERVERS), ids=lambda version: f"postgresql-{version}")
def postgres(request: pytest.FixtureRequest) -> Iterator[int]:
    """The major version of the server that is started from here on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(embedded.SETTING, str(SERVERS[request.param]))
        patch.delenv("MINGJIAN_DATABASE_URL", raising=False)
        yield request.param


@pytest.fixture(scope="module")
def shared(postgres: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    """A ledger for the whole module; nobody sequences unless the test does."""
    data = tmp_path_factory.mktemp("hall") / "data"
    create_ledger(data)
    with open_ledger(data) as hall:
        with hall.database.use("reader") as connection:
            assert connection.info.server_version // 10000 == postgres
        yield hall
