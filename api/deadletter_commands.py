"""``mingjian deadletter``: what systems brought in sent and could not be taken, seen and tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking
from api.reasons import letter_shown

if TYPE_CHECKING:
    from ledger.exchange.adapters.taking import Stating
    from ledger.store.deadletters import DeadLetters, State

deadletter_app = typer.Typer(no_args_is_help=True, help="Records of other systems that could not be taken.")
_PLACED_S = 60.0
_PAGE = 1000

OneSource = Annotated[str | None, typer.Option("--source", help="Of this source only.")]


@deadletter_app.command("list")
def list_letters(
    source: OneSource = None,
    every: Annotated[bool, typer.Option("--all", help="Also those that were taken since or dismissed.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Behind this id.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 100,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """What waits, each with its place and its reason. Example: mingjian deadletter list --source approvals

    What a record says is not shown here: mingjian deadletter show ID.
    """
    from ledger.door.hall import open_ledger

    state: State | None = None if every else "waiting"
    with speaking(as_json=json), open_ledger(data) as hall:
        place = _place(hall)
        letters = [letter_shown(one) for one in place.list(source=source, state=state, after=after, limit=limit)]
        counted = place.counts(source)
        result = {
            "n": len(letters),
            "waiting": sum(counted.get("waiting", {}).values()),
            "by_reason": counted.get("waiting", {}),
            "letters": letters,
        }
        answer(result, as_json=json, columns={"letters": "id source kind place line code zh tries"})


@deadletter_app.command("show")
def show_letter(
    number: Annotated[int, typer.Argument(metavar="ID")], data: Data = DEFAULT_DATA, json: Json = False
) -> None:
    """One record whole, with the exact reason. Whoever owns the data folder may. Example: mingjian deadletter show 7"""
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall:
        place = _place(hall)
        letter = place.named(number)
        raw, why = place.open(letter)
        told = {"message": why.get("message", ""), "mend": why.get("mend", "")}
        record = {"record": raw.decode(errors="backslashreplace")}
        answer(letter_shown(letter) | told | record, as_json=json)


@deadletter_app.command("retry")
def retry_letters(
    numbers: Annotated[list[int] | None, typer.Argument(metavar="ID")] = None,
    every: Annotated[bool, typer.Option("--all", help="All that wait.")] = False,
    source: OneSource = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Try records again, in the order in which they came. Example: mingjian deadletter retry --all --source oa"""
    from ledger.door.hall import open_ledger
    from ledger.exchange.adapters.taking import retry

    if bool(numbers) == (every or source is not None):
        raise typer.BadParameter("name letters by their ids, or --all, or a --source")
    with speaking(as_json=json), open_ledger(data) as hall:
        place = _place(hall)
        letters = [place.named(number) for number in numbers or ()] or list(_all(place, source))
        with hall.sequencing():
            done = retry(hall, [one for one in letters if one.state == "waiting"], _stating(hall))
            placed = done.last is None or bool(hall.wait_placed([done.last], timeout_s=_PLACED_S))
        counted = place.counts(source)
        left = sum(counted.get("waiting", {}).values())
        answer(done.as_json() | {"waiting": left, "placed": placed}, as_json=json)


@deadletter_app.command("dismiss")
def dismiss_letters(
    numbers: Annotated[list[int], typer.Argument(metavar="ID")],
    forget: Annotated[bool, typer.Option("--forget", help="Destroy what they say, for good.")] = False,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Stop trying these; they are kept, unless --forget. Example: mingjian deadletter dismiss 7"""
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall:
        answer({"dismissed": _place(hall).dismiss(numbers, forget=forget)}, as_json=json)


def _place(hall: Any) -> DeadLetters:
    from ledger.store.deadletters import DeadLetters

    return DeadLetters(hall.database, hall.vault)


def _all(place: DeadLetters, source: str | None) -> Any:
    after = 0
    while letters := place.list(source=source, after=after, limit=_PAGE):
        yield from letters
        after = letters[-1].number


def _stating(hall: Any) -> Any:
    from ledger.exchange.adapters.taking import OfContract
    from ledger.exchange.ocds_in import KIND, OfReleases
    from ledger.store.sequencer import now_us

    secret = hall.keyring.secret("names")

    def make(kind: str, source: str) -> Stating:
        if kind == KIND:
            return OfReleases(secret, source, now_us=now_us())
        return OfContract(secret, kind, source, now_us=now_us())

    return make
