"""``mingjian patrol``: a moment at a window marked (巡查), its footage held, and a complaint without a citizen.

The live page does the same with a key: ``/live/CAMERA``.
"""

from __future__ import annotations

from typing import Annotated, Final

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking
from ledger.errors import NotFound

patrol_app = typer.Typer(no_args_is_help=True, help="Moments at a window, marked by an officer.")
_PLACED_S: Final = 10.0
As = Annotated[str, typer.Option("--as", help="The officer: an actor whose key is kept here.")]


@patrol_app.callback()
def patrol() -> None:
    """Moments at a window, marked by an officer."""


@patrol_app.command("mark")
def patrol_mark(
    window: Annotated[str, typer.Argument(help="The window's id.")],
    by: As,
    words: Annotated[str | None, typer.Option(help="What was seen; sealed.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Mark this moment and hold it on each camera of the window. Example: mingjian patrol mark w1 --as staff/su"""
    from ledger.cases.patrol import mark, watcher
    from ledger.door.hall import open_ledger
    from ledger.facts.patrol import MARKED

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        made = mark(watcher(hall, by, to=MARKED), window, words=words)
        placed = hall.wait_placed([made.outcome], timeout_s=_PLACED_S)
        said = {"mark": made.mark, "statement": made.outcome.id.hex(), "index": placed.get(made.outcome.id)}
        answer(said | {"holds": [{"camera": one, "hold": id_} for one, id_ in made.holds.items()]}, as_json=json)


@patrol_app.command("complain")
def patrol_complain(
    name: Annotated[str, typer.Argument(metavar="MARK", help="The mark's name.")],
    by: As,
    words: Annotated[str, typer.Option(help="What is complained of; sealed.")],
    allegation: Annotated[list[str] | None, typer.Option(help="A code; other unless given.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Open a complaint about a mark. Example: mingjian patrol complain MARK --words "nobody there" --as staff/su"""
    from ledger.cases.complaint import stream_of
    from ledger.cases.patrol import complain, watcher
    from ledger.door.hall import open_ledger
    from ledger.facts.patrol import COMPLAINED, patrol_stream
    from ledger.statement import open_statement

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        stream = hall.reader.stream(patrol_stream(name))
        if not stream:
            raise NotFound(
                f"there is no mark {name:.64}", code="no-mark", mend="mingjian patrol mark WINDOW --as ACTOR"
            )
        marked = open_statement(stream[0][2]).id
        desk = watcher(hall, by, to=COMPLAINED)
        about, outcomes = complain(desk, name, marked, allegation or ["other"], words=words)
        placed = hall.wait_placed(outcomes, timeout_s=_PLACED_S)
        received = outcomes[0].id
        said = {"complaint": stream_of(about), "statement": received.hex(), "index": placed.get(received)}
        answer(said | {"page": f"/complaints/{about}"}, as_json=json)
