"""``mingjian export bundle``: a case, a period or the whole log in one file that ``mingjian-verify bundle`` checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.options import DEFAULT_DATA, Data, Json, derived
from api.output import answer, speaking
from ledger.errors import Malformed


def export_bundle_file(
    file: Path,
    case: Annotated[str | None, typer.Option("--case", help="A case's id, or a stream's name.")] = None,
    period: Annotated[str | None, typer.Option(help="A..B: what was recorded between two times.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="The whole log.")] = False,
    disclose: Annotated[str | None, typer.Option(help="Sealed values to open, with commas.")] = None,
    to: Annotated[str | None, typer.Option(help="To whom they are opened, a code.")] = None,
    ground: Annotated[str | None, typer.Option(help="For what purpose, a code.")] = None,
    by: Annotated[str | None, typer.Option("--as", help="The privacy officer who grants that.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Write what proves itself. Example: mingjian export bundle case.mjb --case case-10011

    A case comes with the proof that nothing of it is left out: case heads are stated for it unless they are fresh.
    """
    from api.erasure_commands import split
    from api.log_proofs import witnessed_head
    from api.questions import find_stream
    from ledger.door.heads import state_heads
    from ledger.exchange.bundle import export_bundle
    from ledger.exchange.bundle import period as period_of
    from ledger.registry.disclosed import Opened, grant_values
    from ledger.verify.bundle_format import Scope

    with speaking(as_json=json), derived(data) as (hall, _), hall.sequencing():
        if (case is not None) + (period is not None) + everything != 1:
            raise Malformed("a bundle is of a case, a period, or all", code="usage", mend="--case, --period or --all")
        if disclose is not None and (case is None or to is None or ground is None):
            raise Malformed("values of a case are opened to somebody", code="usage", mend="--case, --to and --ground")
        shown: Opened = []
        needed = None
        if case is not None:
            stream = find_stream(hall, case)
            scope = Scope(kind="case", stream=stream)
            if disclose is not None and to is not None and ground is not None:
                shown, _ = grant_values(hall, stream, split(disclose), to=to, purpose=ground, by=by)
            needed = state_heads(hall).index + 1
        elif period is not None:
            scope = period_of(hall, period)
            needed = scope.stop
        else:
            scope = Scope(kind="all")
        head = witnessed_head(hall, needed)
        done = export_bundle(hall, file, scope, note=head.signed.note, shown=shown)
        answer(done.as_json() | {"file": str(file), "witnessed": head.witnessed}, as_json=json)
