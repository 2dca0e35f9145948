"""``mingjian grant``: footage asked for, granted by a second person, linked to, shared; and who looked at it.

Whoever is named with ``--as`` has their key kept here; whoever keeps their own signs with ``mingjian-sign``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking
from ledger.errors import Malformed

if TYPE_CHECKING:
    from ledger.door.door import Outcome
    from ledger.door.hall import Hall

grant_app = typer.Typer(no_args_is_help=True, help="Who may see footage, and who looked.")

_VIEWERS: Final = (
    "investigator",
    "supervisor",
    "window_clerk",
    "reviewer",
    "approver",
    "unit_head",
    "grid_worker",
)
_HOUR_US: Final = 3_600_000_000
_PLACED_S: Final = 10.0
Name = Annotated[str, typer.Argument(metavar="GRANT", help="The grant's name.")]
As = Annotated[str, typer.Option("--as", help="Who does it (an actor).")]


@grant_app.command("request")
def request(
    clip: Annotated[str, typer.Argument(help="The statement that extracted the clip, hex.")],
    by: As,
    purpose: Annotated[str, typer.Option(help="What for, a code.")],
    basis: Annotated[str, typer.Option(help="The legal basis, a code.")],
    right: Annotated[
        list[str] | None,
        typer.Option(help="view, download, unblurred. [view; of who investigates, for themselves: unblurred too]"),
    ] = None,
    track: Annotated[list[str] | None, typer.Option(help="With unblurred: a face to be left clear.")] = None,
    viewer: Annotated[str | None, typer.Option(help="Who shall see it; who asks unless given.")] = None,
    complaint: Annotated[str | None, typer.Option(help="The complaint that it is for.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Of the clip, from this instant.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="Of the clip, to this instant.")] = None,
    words: Annotated[str | None, typer.Option(help="Why, in words; sealed.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Ask to see a clip. Example: mingjian grant request CLIP --purpose verify --basis rule-12 --as staff/cha"""
    from ledger.cases.grants import desk_of, request_clip
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        desk = desk_of(hall, by, _VIEWERS)
        is_own = desk.role == "investigator" and viewer in (None, by)
        name, outcome = request_clip(
            hall,
            desk,
            clip,
            purpose=purpose,
            basis=basis,
            rights=right or (["view", "unblurred"] if is_own else ["view"]),
            tracks=track or (),
            viewer=viewer,
            complaint=complaint,
            since=since,
            until=until,
            words=words,
        )
        answer(_stated(hall, name, outcome), as_json=json)


@grant_app.command("give")
def give(
    grant: Name,
    by: As,
    hours: Annotated[int, typer.Option(min=1, help="It expires after so many hours.")] = 72,
    right: Annotated[list[str] | None, typer.Option(help="Fewer than were asked for.")] = None,
    track: Annotated[list[str] | None, typer.Option(help="Fewer than were asked for.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Grant it, as a second person. Example: mingjian grant give GRANT --hours 24 --as staff/zhang"""
    from ledger.cases.grants import desk_of, grant_clip
    from ledger.door.hall import open_ledger
    from ledger.statement import instant_text
    from ledger.store.sequencer import now_us

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        desk = desk_of(hall, by, ("complaint_head",))
        expires = instant_text(now_us() + hours * _HOUR_US)
        answer(
            _stated(hall, grant, grant_clip(hall, desk, grant, expires=expires, rights=right, tracks=track)),
            as_json=json,
        )


@grant_app.command("refuse")
def refuse(
    grant: Name,
    by: As,
    reason: Annotated[str, typer.Option(help="Why, a code.")],
    words: Annotated[str | None, typer.Option(help="Why, in words; sealed.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Do not grant it. Example: mingjian grant refuse GRANT --reason bystanders --as staff/zhang"""
    from ledger.cases.grants import desk_of, refuse_clip
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        desk = desk_of(hall, by, ("complaint_head",))
        answer(_stated(hall, grant, refuse_clip(desk, grant, reason=reason, reasons=words)), as_json=json)


@grant_app.command("withdraw")
def withdraw(
    grant: Name,
    by: As,
    reason: Annotated[str, typer.Option(help="Why, a code.")],
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """End a grant before its expiry. Example: mingjian grant withdraw GRANT --reason done --as staff/zhang"""
    from ledger.cases.grants import desk_of, withdraw_grant
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        outcome = withdraw_grant(desk_of(hall, by, ("complaint_head",)), grant, reason=reason)
        answer(_stated(hall, grant, outcome), as_json=json)


@grant_app.command("link")
def link(
    grant: Name,
    by: As,
    redaction: Annotated[str | None, typer.Option(help="A confirmed redaction, for a grant of one.")] = None,
    hours: Annotated[int, typer.Option(min=1, help="It ends after so many hours, or with the grant.")] = 24,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Make a link for the viewer: one clip, one browser. Example: mingjian grant link GRANT --as staff/lu"""
    from api.clip_links import ClipLinks
    from api.sessions import Sessions
    from ledger.cases.grants import desk_of, issue_link, opened, read_grant
    from ledger.door.hall import open_ledger
    from ledger.statement import instant_text
    from ledger.store.sequencer import now_us

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        seen = opened(hall, grant, viewer=read_grant(hall, grant).viewer, redaction=redaction)
        expires_us = min(seen.expires_us, now_us() + hours * _HOUR_US)
        text, made = ClipLinks(hall).make(grant, seen.viewer, redaction, expires_us)
        desk = desk_of(hall, by, ("video_custodian", "complaint_head", *_VIEWERS))
        outcome = issue_link(desk, grant, link=made.id, expires_us=expires_us)
        told = _stated(hall, grant, outcome)
        base = Sessions(hall.data).base()
        said = {"link": f"{base}/clips/open?link={text}", "viewer": seen.viewer, "expires": instant_text(expires_us)}
        answer(told | said, as_json=json)


@grant_app.command("share")
def share(
    grant: Name,
    by: As,
    redaction: Annotated[str, typer.Option(help="The confirmed redaction that was handed over.")],
    to: Annotated[str, typer.Option(help="To whom, a code.")],
    how: Annotated[str, typer.Option(help="How, a code: disc, mail …")] = "file",
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """State that it was handed on. Example: mingjian grant share GRANT --redaction R --to court --as staff/cha"""
    from ledger.cases.grants import desk_of, opened, read_grant
    from ledger.cases.grants import share as state_share
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        seen = opened(hall, grant, viewer=read_grant(hall, grant).viewer, use="share", redaction=redaction)
        desk = desk_of(hall, by, ("video_custodian", *_VIEWERS))
        answer(_stated(hall, grant, state_share(desk, seen, receiver=to, how=how)), as_json=json)


@grant_app.command("verify")
def verify(
    grant: Name,
    file: Annotated[Path, typer.Argument(help="What was granted: a clip or a redaction.")],
    by: As,
    manifest: Annotated[Path, typer.Option(help="The manifest that came with it.")],
    policy: Annotated[Path | None, typer.Option(help="Your own policy file; the log's own unless given.")] = None,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Check it as mingjian-verify clip does, and state what came of it; 1 when it does not hold.

    Example: mingjian grant verify GRANT clip.mp4 --manifest clip.mp4.manifest.json --as staff/cha
    """
    from ledger.cases.grants import desk_of, state_verified
    from ledger.cases.kept_footage import digest_of
    from ledger.door.hall import open_ledger
    from ledger.errors import Refused
    from ledger.tree.policy import Policy
    from ledger.verify.clip_command import check_file

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        desk = desk_of(hall, by, _VIEWERS)
        trusted = Policy.parse((policy or hall.publisher.root / "policy").read_bytes())
        digest, why = digest_of(file), None
        try:
            check_file(file, manifest.read_bytes(), trusted)
        except Refused as error:
            why = error.message
        outcome = state_verified(desk, grant, sha256=digest, good=why is None)
        said = {"sha256": digest, "ok": why is None, "reason": why}
        answer(_stated(hall, grant, outcome) | said, as_json=json)
        if why is not None:
            raise typer.Exit(1)


@grant_app.command("keep")
def keep(
    file: Annotated[Path, typer.Argument(help="A clip as mingjian-camera clip made it.")],
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Keep a clip where the server finds it for its viewers. Example: mingjian grant keep clip.mp4"""
    from ledger.cases.kept_footage import keep as keep_file

    with speaking(as_json=json):
        if not (data / "keys").is_dir():
            raise Malformed(f"there is no ledger in {data}", code="no-ledger", mend=f"mingjian init --data {data}")
        answer({"file": str(file), "sha256": keep_file(data, file)}, as_json=json)


@grant_app.command("show")
def show(grant: Name, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """What was granted, and what came of it. Example: mingjian grant show GRANT"""
    from ledger.cases.grants import read_grant
    from ledger.door.hall import open_ledger
    from ledger.facts.grants import grant_stream
    from ledger.facts.types import verb_of
    from ledger.statement import instant_text, open_statement

    with speaking(as_json=json), open_ledger(data) as hall:
        state = read_grant(hall, grant)
        acts = [open_statement(entry) for _, _, entry in hall.reader.stream(grant_stream(grant))]
        wanted = ("viewer", "since", "until", "rendition", "redaction", "receiver", "sha256")
        uses = [
            {"what": verb_of(act.type), "at": act.at, "by": act.actor} | {name: act.data.get(name) for name in wanted}
            for act in acts
        ]
        answer(
            {
                "grant": grant,
                "stage": state.stage,
                "clip": state.clip,
                "camera": state.camera,
                "viewer": state.viewer,
                "asked_by": state.opener,
                "granted_by": state.granter,
                "purpose": state.purpose,
                "basis": state.basis,
                "complaint": state.complaint,
                "rights": sorted(state.rights),
                "tracks": sorted(state.tracks),
                "from": instant_text(state.since_us),
                "to": instant_text(state.until_us),
                "expires": instant_text(state.expires_us) if state.expires_us else None,
                "acts": uses,
            },
            as_json=json,
            columns={"acts": "what at by viewer rendition | since until receiver redaction sha256"},
        )


def _stated(hall: Hall, grant: str, outcome: Outcome) -> dict[str, Any]:
    placed = hall.wait_placed([outcome], timeout_s=_PLACED_S)
    return {"grant": grant, "statement": outcome.id.hex(), "index": placed.get(outcome.id)}
