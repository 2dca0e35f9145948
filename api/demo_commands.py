"""``mingjian demo``: a district that never was, to look at and to try attacks on."""

from __future__ import annotations

from typing import Annotated

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking
from ledger.errors import Malformed

demo_app = typer.Typer(no_args_is_help=True, help="A simulated district.")


@demo_app.callback()
def demo() -> None:
    """A simulated district."""


@demo_app.command("seed")
def demo_seed(
    scale: Annotated[float, typer.Option(help="How much happens: 1 is the source's 67,530 cases.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another one is another history.")] = 1,
    end: Annotated[str | None, typer.Option(help="The last day that is played (default: yesterday).")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Play the district's history into a new ledger. Example: mingjian demo seed --scale 0.02 --data demo"""
    from datetime import date

    from api.demo.seed import seed as play
    from api.demo.seed import shown_progress, yesterday

    with speaking(as_json=json):
        try:
            last = yesterday() if end is None else date.fromisoformat(end)
        except ValueError:
            raise Malformed(f"{end!r:.40} is no day", code="end", mend="write it like 2026-10-31") from None
        with shown_progress() as progress:
            done = play(data, scale=scale, seed=seed, end=last, progress=progress)
        answer(done.as_json(), as_json=json)


@demo_app.command("tamper")
def demo_tamper(data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """Change one decision as the database's owner, to see who notices. Example: mingjian demo tamper --data demo"""
    from api.demo.tamper import check_demo, tamper
    from ledger.door.hall import open_ledger

    with speaking(as_json=json):
        check_demo(data)
        with open_ledger(data) as hall:
            answer(tamper(hall), as_json=json)


@demo_app.command("dispute")
def demo_dispute(
    camera: Annotated[str, typer.Option(help="Before which camera.")] = "demo-1",
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Serve a ticket before a demo camera and dispute it: held at once. Example: mingjian demo dispute --data demo"""
    from api.dispute_demo import dispute
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        answer(dispute(hall, camera=camera), as_json=json)
