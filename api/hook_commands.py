"""``mingjian hook``: other systems told of what is placed, such as a card raised."""

from __future__ import annotations

from typing import Annotated

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking

hook_app = typer.Typer(no_args_is_help=True, help="Other systems that are told of what happens here, signed.")
Name = Annotated[str, typer.Argument(metavar="NAME", help="The hook's name.")]


@hook_app.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where it is told: https, or http on this machine.")],
    events: Annotated[list[str], typer.Option(help="What of: card.raised, card.*; may be given again.")],
    name: Annotated[str | None, typer.Option(help="Its name; made up unless given.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Tell another system from now on; the secret that signs is shown once. mingjian up delivers.

    Example: mingjian hook add https://oa.example/cards --events card.raised --name oa
    """
    from ledger.door.hall import open_ledger
    from ledger.exchange.notices import Notices

    with speaking(as_json=json), open_ledger(data) as hall:
        answer(Notices(data=hall.data).add(hall, url, events, name=name), as_json=json)


@hook_app.command("list")
def list_hooks(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Who is told of what, how many notices wait, and which were given up. Example: mingjian hook list"""
    from ledger.door.hall import open_ledger
    from ledger.exchange.notices import Notices

    with speaking(as_json=json), open_ledger(data) as hall:
        notices = Notices(data=hall.data)
        answer({"hooks": notices.shown(), "dead": notices.dead()}, as_json=json)


@hook_app.command("retry")
def retry(name: Name, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Send what was given up again. Example: mingjian hook retry oa"""
    from ledger.door.hall import open_ledger
    from ledger.exchange.notices import Notices

    with speaking(as_json=json), open_ledger(data) as hall:
        answer({"name": name, "again": Notices(data=hall.data).retry(name)}, as_json=json)


@hook_app.command("remove")
def remove(name: Name, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Tell it no more. Example: mingjian hook remove oa"""
    from ledger.door.hall import open_ledger
    from ledger.exchange.notices import Notices

    with speaking(as_json=json), open_ledger(data) as hall:
        Notices(data=hall.data).remove(name)
        answer({"name": name, "removed": True}, as_json=json)
