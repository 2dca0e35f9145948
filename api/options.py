"""What the commands share: options, and an open ledger whose projections have caught up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from ledger.door.hall import Hall
    from ledger.store.database import Connection

Data = Annotated[Path, typer.Option("--data", envvar="MINGJIAN_DATA", help="The ledger's folder.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON on standard output.")]
Source = Annotated[str, typer.Option("--source", help="The source's name.")]
DEFAULT_DATA: Final = Path("data")


@contextmanager
def derived(data: Path) -> Iterator[tuple[Hall, Connection]]:
    """An open ledger whose projections have caught up with the head, and a connection to read them."""
    from ledger.door.hall import open_ledger
    from projections.runner import Projector

    with open_ledger(data) as hall:
        Projector(hall.database).catch_up()
        with hall.database.use("reader") as connection:
            yield hall, connection
