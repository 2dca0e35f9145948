"""``mingjian rebuild`` and ``mingjian digest``: what is derived, made again and compared."""

from __future__ import annotations

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking

upkeep_app = typer.Typer()


@upkeep_app.command()
def rebuild(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Make every projection anew from the log, beside the old ones, then swap. Example: mingjian rebuild"""
    from ledger.door.hall import open_ledger
    from projections.runner import Projector

    with speaking(as_json=json), open_ledger(data) as hall:
        done = Projector(hall.database).rebuild()
        answer({"events": done.events, "seconds": done.seconds, "digest": done.digest}, as_json=json)


@upkeep_app.command()
def digest(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """The digest of what the projections hold. Example: mingjian digest --json"""
    from ledger.door.hall import open_ledger
    from projections.runner import Projector

    with speaking(as_json=json), open_ledger(data) as hall:
        projector = Projector(hall.database)
        projector.catch_up()
        answer({"digest": projector.digest()}, as_json=json)
