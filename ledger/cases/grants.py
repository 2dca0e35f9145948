"""The commands of grants and redactions, and what they look up in other streams first.

    request_clip ─▶ grant_clip · refuse_clip;  view · download · share · verified · link, under it;  withdraw
    state_redaction ─▶ confirm_redaction · reject_redaction

What may follow what, and who may do it, is decided by ``ledger.facts.grants``. Here is looked up what one stream cannot
see of another: that the clip exists and has that span, who is complained of, that a redaction was confirmed and is the
one that the grant is for. ``opened`` is what every way to footage calls before a byte is served.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import NotAllowed, NotFound, Refused, Unavailable
from ledger.facts.complaint import Complaint
from ledger.facts.grants import (
    CONFIRMED,
    DOWNLOADED,
    GRANTED,
    REDACTED,
    REQUESTED,
    SHARED,
    VIEWED,
    Grant,
    Redaction,
    grant_stream,
    redaction_stream,
)
from ledger.facts.registry import CLOCK_ACTOR
from ledger.statement import Statement, instant_text, instant_us, open_statement
from ledger.store.sequencer import now_us

EXTRACTED = "footage.clip_extracted.v1"


@dataclass(frozen=True, slots=True)
class Opened:
    """What a viewer may have now: the file by its SHA-256, and the span of it that they may see."""

    grant: str
    viewer: str
    viewer_role: str
    purpose: str
    complaint: str | None
    rendition: str  # clip, or redacted
    sha256: str
    camera: str
    redaction: str | None  # the statement that confirmed it, hex
    clip_since_us: int
    since_us: int
    until_us: int
    expires_us: int
    can_download: bool


def system_desk(hall: Hall) -> Desk:
    """The desk of the server itself, for what it states of whom it served."""
    return Desk(door=hall.door, actor=CLOCK_ACTOR, key=hall.keyring.own("clock"), role="system_clock")


def desk_of(hall: Hall, actor: str, roles: Iterable[str]) -> Desk:
    """The desk of somebody whose key is kept here, in the first of ``roles`` that they hold."""
    _, registry = hall.door.registry()
    held = registry.appointment_of(actor)
    role = next((role for role in roles if role in held.roles), None)
    if role is None:
        raise NotAllowed(f"{actor} holds none of: {', '.join(roles)}", code="role", mend="name another with --as")
    window = next(iter(sorted(held.windows)), None) if role == "window_clerk" else None
    return Desk(door=hall.door, actor=actor, key=hall.keyring.actor(actor), role=role, unit=held.unit, window=window)


def statement_of(hall: Hall, id_: str, type_name: str) -> Statement:
    """The valid statement of that id and type, once it is in the tree (NotFound)."""
    raw = bytes.fromhex(id_) if len(id_) == 64 and set(id_) <= set("0123456789abcdef") else b""
    index = hall.reader.placed([raw]).get(raw)
    act = None if index is None else open_statement(hall.reader.entries(index, index + 1)[0].entry)
    if act is None or act.type != type_name or hall.reader.voided([raw]):
        raise NotFound(f"there is no {type_name} {id_:.64}", code="no-statement", mend="copy its id whole")
    return act


def read_grant(hall: Hall, grant: str) -> Grant:
    """A grant as it stands (NotFound)."""
    _, registry = hall.door.registry()
    found = hall.door.stream(registry, grant_stream(grant))
    if found is None or not isinstance(found.state, Grant):
        raise NotFound(f"there is no grant {grant:.64}", code="no-grant", mend="mingjian grant request")
    return found.state


def read_redaction(hall: Hall, redaction: str) -> Redaction:
    """A redaction as it stands (NotFound)."""
    _, registry = hall.door.registry()
    found = hall.door.stream(registry, redaction_stream(redaction))
    if found is None or not isinstance(found.state, Redaction):
        raise NotFound(f"there is no redaction {redaction:.64}", code="no-redaction", mend="mingjian-camera redact")
    return found.state


# ------------------------------------------------------------------------------------------------------------ granting


def request_clip(
    hall: Hall,
    desk: Desk,
    clip: str,
    *,
    purpose: str,
    basis: str,
    rights: Iterable[str] = ("view",),
    tracks: Iterable[str] = (),
    viewer: str | None = None,
    complaint: str | None = None,
    since: str | None = None,
    until: str | None = None,
    words: str | None = None,
    grant: str | None = None,
    request: str | None = None,
) -> tuple[str, Outcome]:
    """Ask that ``viewer`` (the asker unless given) may see a clip, all of it or a span; the grant's name."""
    act = statement_of(hall, clip, EXTRACTED)
    since, until = since or act.data["since"], until or act.data["until"]
    if not instant_us(act.data["since"]) <= instant_us(since) < instant_us(until) <= instant_us(act.data["until"]):
        raise Refused(
            f"the clip covers {act.data['since']} to {act.data['until']}", code="span", mend="ask for a span within it"
        )
    complaint = None if complaint is None else complaint.removeprefix("complaint/")
    if complaint is not None and _complaint(desk, complaint) is None:
        raise NotFound(f"there is no complaint {complaint:.64}", code="no-complaint", mend="leave it out, or name one")
    name = grant or secrets.token_hex(8)
    values = {
        "clip": clip,
        "camera": act.stream.partition("/")[2],
        "viewer": viewer or desk.actor,
        "purpose": purpose,
        "basis": basis,
        "rights": sorted(set(rights)),
        "tracks": sorted(set(tracks)) or None,
        "complaint": complaint,
        "since": since,
        "until": until,
        "words": words,
    }
    return name, desk.say(grant_stream(name), REQUESTED, values, **_again(request))


def grant_clip(
    hall: Hall,
    desk: Desk,
    grant: str,
    *,
    expires: str,
    rights: Iterable[str] | None = None,
    tracks: Iterable[str] | None = None,
    since: str | None = None,
    until: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Grant what was asked for, or less of it, up to an instant."""
    asked = read_grant(hall, grant)
    known = None if asked.complaint is None else _complaint(desk, asked.complaint)
    if known is not None and known.investigator is not None:
        _, registry = hall.door.registry()
        if registry.person_of(desk.actor) == registry.person_of(known.investigator):
            raise NotAllowed(
                "whoever investigates does not grant", code="two-persons", mend="have another complaint head grant it"
            )
    given = sorted(asked.rights if rights is None else set(rights))
    clear = sorted(asked.tracks if tracks is None else set(tracks)) if "unblurred" in given else []
    values = {
        "clip": asked.clip,
        "viewer": asked.viewer,
        "rights": given,
        "tracks": clear or None,
        "since": since or instant_text(asked.since_us),
        "until": until or instant_text(asked.until_us),
        "expires": expires,
        "complained_of": sorted(known.complained_of) if known else [],
    }
    return desk.say(grant_stream(grant), GRANTED, values, **_again(request))


def refuse_clip(desk: Desk, grant: str, *, reason: str, reasons: str | None = None) -> Outcome:
    """Do not grant it."""
    return desk.say(grant_stream(grant), "footage.clip_refused.v1", {"reason": reason, "reasons": reasons})


def withdraw_grant(desk: Desk, grant: str, *, reason: str) -> Outcome:
    """End a grant before its expiry."""
    return desk.say(grant_stream(grant), "footage.grant_withdrawn.v1", {"reason": reason})


def _complaint(desk: Desk, complaint: str) -> Complaint | None:
    state = desk.state(f"complaint/{complaint}")
    return state if isinstance(state, Complaint) else None


def _again(request: str | None) -> dict[str, Any]:
    return {} if request is None else {"request": request}


# -------------------------------------------------------------------------------------------------------------- access


def opened(
    hall: Hall,
    grant: str,
    *,
    viewer: str,
    use: str = "view",
    redaction: str | None = None,
    at_us: int | None = None,
) -> Opened:
    """What ``viewer`` may have under a grant now, or NotAllowed with the reason; nothing is stated yet.

    ``redaction``: the name of one that was confirmed; without it the clip as it was cut.
    ``use``: view, download or share.
    """
    state = read_grant(hall, grant)
    rendition = "clip" if redaction is None else "redacted"
    state.check_use(use, viewer=viewer, at_us=now_us() if at_us is None else at_us, rendition=rendition)
    clip = statement_of(hall, state.clip, EXTRACTED)
    digest, confirmed = str(clip.data["sha256"]), None
    if redaction is not None:
        digest, confirmed = _confirmed(hall, state, grant, redaction)
    return Opened(
        grant=grant,
        viewer=viewer,
        viewer_role=state.role,
        purpose=state.purpose,
        complaint=state.complaint,
        rendition=rendition,
        sha256=digest,
        camera=clip.stream.partition("/")[2],
        redaction=confirmed,
        clip_since_us=instant_us(clip.data["since"]),
        since_us=state.since_us,
        until_us=state.until_us,
        expires_us=state.expires_us,
        can_download="download" in state.rights,
    )


def _confirmed(hall: Hall, state: Grant, grant: str, redaction: str) -> tuple[str, str]:
    made = read_redaction(hall, redaction)
    if made.clip != state.clip:
        raise NotAllowed("that redaction is of another clip", code="redaction", mend="name one of the clip granted")
    if made.clear and made.grant != grant_stream(grant):
        raise NotAllowed("that redaction was made for another grant", code="redaction", mend="have one made for this")
    if made.stage != "confirmed":
        raise NotAllowed(
            "the redaction was not confirmed yet",
            code="unconfirmed",
            mend="a second person looks at it: mingjian-camera redact FILE --confirm",
        )
    for index, id_, entry in hall.reader.stream(redaction_stream(redaction)):
        if index is not None and open_statement(entry).type == CONFIRMED:
            return made.sha256, id_.hex()
    raise Unavailable("the confirmation is being placed", code="not-placed", mend="try again")


def state_view(
    hall: Hall, seen: Opened, since_us: int, until_us: int, *, link: str | None = None, request: str | None = None
) -> Outcome:
    """State that the server shows that span, before it does."""
    values = _served(seen, link) | {
        "rendition": seen.rendition,
        "since": instant_text(since_us),
        "until": instant_text(until_us),
    }
    return system_desk(hall).say(grant_stream(seen.grant), VIEWED, values, **_again(request))


def state_download(hall: Hall, seen: Opened, *, link: str | None = None, request: str | None = None) -> Outcome:
    """State that the server gives the file away, before it does."""
    return system_desk(hall).say(grant_stream(seen.grant), DOWNLOADED, _served(seen, link), **_again(request))


def share(desk: Desk, seen: Opened, *, receiver: str, how: str) -> Outcome:
    """State that the file was handed to somebody; ``seen`` was opened with the use ``share``."""
    return desk.say(grant_stream(seen.grant), SHARED, _served(seen, None) | {"receiver": receiver, "how": how})


def state_verified(desk: Desk, grant: str, *, sha256: str, good: bool) -> Outcome:
    """State what came of checking the file."""
    values = {"sha256": sha256, "outcome": "good" if good else "bad"}
    return desk.say(grant_stream(grant), "footage.clip_verified.v1", values)


def issue_link(desk: Desk, grant: str, *, link: str, expires_us: int) -> Outcome:
    """State that a link was made; ``link``: the digest of its own part."""
    values = {"link": link, "expires": instant_text(expires_us)}
    return desk.say(grant_stream(grant), "footage.link_issued.v1", values)


def _served(seen: Opened, link: str | None) -> dict[str, Any]:
    names = ("viewer", "viewer_role", "purpose", "complaint", "sha256", "redaction")
    return {name: getattr(seen, name) for name in names} | {"link": link}


# ---------------------------------------------------------------------------------------------------------- redactions


def check_clear(hall: Hall, grant: str, clip: str, clear: Iterable[str]) -> Grant:
    """The grant under which a redaction may be made that leaves those tracks clear (NotAllowed)."""
    state = read_grant(hall, grant)
    state.check_use("view", viewer=state.viewer, at_us=now_us(), rendition="redacted")
    if state.clip != clip:
        raise NotAllowed("the grant is for another clip", code="grant", mend="name the grant of this clip")
    allowed = state.tracks if "unblurred" in state.rights else frozenset[str]()
    if missing := set(clear) - allowed:
        raise NotAllowed(
            f"the grant does not let be seen: {', '.join(sorted(missing))}", code="grant-tracks", mend="ask for them"
        )
    return state


def state_redaction(desk: Desk, name: str, values: dict[str, Any]) -> Outcome:
    """State that a clip was redacted; see ``footage.clip_redacted.v1``."""
    return desk.say(redaction_stream(name), REDACTED, values)


def confirm_redaction(hall: Hall, desk: Desk, name: str, *, seen: int) -> Outcome:
    """Confirm, as a second person who looked at all of it, that a redaction may leave."""
    made = read_redaction(hall, name)
    return desk.say(redaction_stream(name), CONFIRMED, {"redacted": made.redacted, "seen": seen})


def reject_redaction(hall: Hall, desk: Desk, name: str, *, reason: str) -> Outcome:
    """Say that it must not leave."""
    made = read_redaction(hall, name)
    return desk.say(
        redaction_stream(name), "footage.redaction_rejected.v1", {"redacted": made.redacted, "reason": reason}
    )
