"""``mingjian erase``, ``hold`` and ``disclose``: sealed values destroyed, kept, shown; each by a statement in the log.

Without ``--as`` whoever's key is kept here acts; a demo's two key officers appoint a privacy officer when there is
none. With ``--as A`` alone an erasure is only proposed; another confirms it with ``--confirm ID --as B``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from api.options import DEFAULT_DATA, Data, Json, derived
from api.output import answer, speaking
from ledger.errors import Malformed, NotFound

if TYPE_CHECKING:
    from ledger.door.hall import Hall

erasure_app = typer.Typer()
hold_app = typer.Typer(no_args_is_help=True, help="Holds: while one stands, nothing of its subject is erased.")
erasure_app.add_typer(hold_app, name="hold")

Subject = Annotated[str, typer.Argument(help="A case's id, a stream's name, or a person's name.")]
As = Annotated[str | None, typer.Option("--as", help="The privacy officer who states this.")]
_PLACED_S = 30.0


@erasure_app.command()
def erase(
    subject: Subject,
    ground: Annotated[str | None, typer.Option(help="The legal ground, a code.")] = None,
    by: As = None,
    second: Annotated[str | None, typer.Option(help="The second person, who confirms.")] = None,
    confirm: Annotated[str | None, typer.Option(help="Confirm this proposal (its id) instead.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Destroy what is sealed of a subject, by two persons. Example: mingjian erase case-10011 --ground pipl-47"""
    from ledger.registry import erasure

    with speaking(as_json=json), derived(data) as (hall, _), hall.sequencing():
        meant = subject_meant(hall, subject)
        if confirm is not None:
            if by is None:
                raise Malformed("a confirmation is somebody's", code="usage", mend="--as ACTOR")
            desk = erasure.desk_of(hall, by, "key_officer")
            made = [erasure.confirm(desk, meant, confirm)]
        else:
            if ground is None:
                raise Malformed("an erasure has a legal ground", code="usage", mend="--ground CODE")
            if by is not None and second is None:
                proposed = erasure.propose(erasure.desk_of(hall, by), hall, meant, ground=ground)
                hall.wait_placed(proposed, timeout_s=_PLACED_S)
                answer({"subject": meant, "proposed": [one.id.hex() for one in proposed]}, as_json=json)
                return
            one, other = erasure.officers(hall, by, second)
            proposed = erasure.propose(one, hall, meant, ground=ground)
            made = [erasure.confirm(other, meant, proposal.id.hex()) for proposal in proposed]
        done = erasure.carry_out(hall, made)
        answer(
            {
                "subject": done.subject,
                "erased_by": done.statements,
                "digests": done.digests,
                "destroyed": done.destroyed,
                "disclosed_to": _disclosed(hall, meant),
            },
            as_json=json,
        )


def subject_meant(hall: Hall, text: str) -> str:
    """The subject that a person names: a stream, a case by its source's id, or somebody by name or pseudonym."""
    from api.questions import find_stream
    from ledger.registry.erasure import person_subject

    try:
        return find_stream(hall, text)
    except NotFound as error:
        found = person_subject(hall, text)
        if found is None:
            raise NotFound(
                f"nothing is kept of {text}: it is no case, no stream and no person with a name here",
                code="no-subject",
                mend="mingjian case list --source S shows cases",
            ) from error
        return found


def _disclosed(hall: Hall, subject: str) -> list[str]:
    """Who was given values of the subject before: copies that we cannot destroy."""
    from ledger.facts.erasure import disclosure_stream
    from ledger.statement import open_statement

    rows = hall.reader.stream(disclosure_stream(subject))
    return sorted({str(open_statement(entry).data["to"]) for _, _, entry in rows})


@hold_app.command("place")
def hold_place(
    subject: Subject,
    ground: Annotated[str, typer.Option(help="Why: complaint, retention, court …")],
    by: As = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Let nothing of a subject be erased. Example: mingjian hold place case-10011 --ground complaint"""
    from ledger.registry import erasure

    with speaking(as_json=json), derived(data) as (hall, _), hall.sequencing():
        meant = subject_meant(hall, subject)
        desk = erasure.desk_of(hall, by, "investigator") if by else erasure.officers(hall)[0]
        outcome = erasure.place_hold(desk, meant, ground=ground)
        answer(_stated(hall, outcome) | {"subject": meant, "ground": ground}, as_json=json)


@hold_app.command("release")
def hold_release(
    subject: Subject,
    ground: Annotated[str, typer.Option(help="Why it may end: closed, expired …")],
    hold: Annotated[str | None, typer.Option(help="The hold's id; the only one unless given.")] = None,
    by: As = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """End a hold. Example: mingjian hold release case-10011 --ground closed"""
    from ledger.registry import erasure

    with speaking(as_json=json), derived(data) as (hall, _), hall.sequencing():
        meant = subject_meant(hall, subject)
        desk = erasure.desk_of(hall, by, "investigator") if by else erasure.officers(hall)[0]
        standing = [id_.hex() for id_ in erasure.standing(desk, meant).holds]
        if hold is None and len(standing) != 1:
            raise NotFound(f"{len(standing)} holds stand on {meant}", code="hold-unknown", mend="--hold ID")
        outcome = erasure.release_hold(desk, hold or standing[0], subject=meant, ground=ground)
        answer(_stated(hall, outcome) | {"subject": meant, "ground": ground}, as_json=json)


@hold_app.command("list")
def hold_list(subject: Subject, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """The holds that stand on a subject. Example: mingjian hold list case-10011"""
    from api.questions import stand
    from ledger.door.stated import Stream
    from ledger.facts.erasure import Subject as State
    from ledger.facts.erasure import erasure_stream

    with speaking(as_json=json), derived(data) as (hall, _):
        # Before the holds are read: what is stated from then on may be among them, and nothing earlier is missing.
        as_of = stand(hall)
        meant = subject_meant(hall, subject)
        _, registry = hall.door.registry()
        stream = hall.door.stream(registry, erasure_stream(meant))
        state = stream.state if isinstance(stream, Stream) and stream.state is not None else State()
        holds = [{"id": id_.hex(), "ground": ground} for id_, ground in state.holds.items()]
        answer({"subject": meant, "n": len(holds), "holds": holds, "as_of": as_of}, as_json=json)


@erasure_app.command()
def disclose(
    case: Annotated[str, typer.Option("--case", help="The case's id, or a stream's name.")],
    fields: Annotated[str, typer.Option(help="The sealed values by name, with commas: applicant,contact")],
    to: Annotated[str, typer.Option(help="To whom, a code.")],
    ground: Annotated[str, typer.Option(help="For what purpose, a code.")],
    out: Annotated[Path, typer.Option(help="The new file.")],
    by: As = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Open chosen values to somebody, on record. mingjian-verify proof FILE --policy FILE checks what is written.

    Example: mingjian disclose --case a-1 --fields applicant --to auditor/1 --ground audit --out shown.json
    """
    from api.questions import find_stream
    from ledger.registry.disclosed import disclose_values

    with speaking(as_json=json), derived(data) as (hall, _), hall.sequencing():
        stream = find_stream(hall, case)
        told = disclose_values(hall, stream, split(fields), to=to, purpose=ground, path=out, by=by)
        answer(told | {"file": str(out)}, as_json=json)


def split(fields: str) -> list[str]:
    """The names between commas."""
    return [name for name in (part.strip() for part in fields.split(",")) if name]


def _stated(hall: Hall, outcome: Any) -> dict[str, Any]:
    index = hall.wait_placed([outcome], timeout_s=_PLACED_S).get(outcome.id)
    return {"id": outcome.id.hex(), "index": index}
