"""What the commands of all streams that go by a table share: one act, stated, and what it may have to look up.

Promise: a command refuses only where it cannot find what it has to fill in; what may follow what, and who may do it,
is decided by ``ledger.facts`` alone. A command given ``request`` may be sent again: the same request is the same
statement.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.errors import NotFound
from ledger.statement import StatementId


def act(
    desk: Desk,
    stream: str,
    verb: str,
    request: str | None,
    *,
    causes: Iterable[StatementId] = (),
    **values: Any,
) -> Outcome:
    """State ``verb`` in ``stream``; None among ``values`` is left out, and so is an empty list."""
    given = {name: value for name, value in values.items() if value != []}
    more: dict[str, Any] = {} if request is None else {"request": request}
    return desk.say(stream, f"{stream.partition('/')[0]}.{verb}.v1", given, causes=tuple(causes), **more)


def head_of(desk: Desk, stream: str) -> StatementId:
    """The id of the last statement of a stream, for one elsewhere that rests on it."""
    _, registry = desk.door.registry()
    found = desk.door.stream(registry, stream)
    if found is None:
        raise NotFound(f"there is nothing in {stream}", code="no-stream", mend="name a stream that was begun")
    return found.head


def hexes(ids: Iterable[StatementId]) -> list[str]:
    """Statement ids as they stand in data."""
    return [id_.hex() for id_ in ids]
