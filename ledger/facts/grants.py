"""Who may see footage, for what, until when; who looked at which seconds of it; and what of it may leave.

    grant/ID       clip_requested ─▶ requested ── clip_granted ─▶ granted ── grant_withdrawn ─▶ withdrawn
                                       └── clip_refused ─▶ refused
                   granted: clip_viewed · clip_downloaded · clip_shared · clip_verified · link_issued, again and again
    redaction/ID   clip_redacted ─▶ redacted ── redaction_confirmed ─▶ confirmed;  redaction_rejected ─▶ rejected

One grant is one clip, one viewer, one purpose. Its rights: ``view``; ``download``, which is also to hand it on; and
``unblurred``, which is the clip as it was cut or, where tracks are named, a redaction that leaves those faces clear.

Promise: as for ``stages``, and in a log whose acts pass ``check``

- whoever grants neither asked, nor is the viewer, nor is complained of; more is not granted than was asked for;
- nobody uses a grant but its viewer, after its expiry, outside of its span or beyond its rights; the server's own
  statements (``system_clock``) say whom it served;
- the complained-of are granted no clip as it was cut;
- what leaves (downloaded, shared) names the redaction that it is, and each redaction was confirmed by another person
  than made it, who states how many uncovered spans they have looked at: all of them.

For whoever looks for misuse (A15), each use says in clear whose it is (``viewer``, ``viewer_role``), what for
(``purpose``, ``complaint``), of what (``rendition``, ``sha256``, ``redaction``), which seconds (``since``, ``until``)
and by which ``link``.

What one stream cannot see of another (that a redaction named was confirmed, that those complained of are all of the
complaint's) is copied into the statement, checked by ``ledger.cases.grants`` before, and for detectors to compare.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ledger.errors import NotAllowed, Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, check_names, check_second_person, course
from ledger.facts.types import verb_of
from ledger.statement import instant_us

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

REQUESTED: Final = "footage.clip_requested.v1"
GRANTED: Final = "footage.clip_granted.v1"
VIEWED: Final = "footage.clip_viewed.v1"
DOWNLOADED: Final = "footage.clip_downloaded.v1"
SHARED: Final = "footage.clip_shared.v1"
REDACTED: Final = "footage.clip_redacted.v1"
CONFIRMED: Final = "footage.redaction_confirmed.v1"
RIGHTS: Final = frozenset({"view", "download", "unblurred"})
RENDITIONS: Final = frozenset({"clip", "redacted"})
MAX_GRANT_DAYS: Final = 30
WATCHING_US: Final = 1_800_000_000
"""Pieces of a film that are shown within this time of each other are one watching of it."""
_DAY_US: Final = 86_400_000_000


def grant_stream(grant: str) -> str:
    """Where all that happens under one grant stands."""
    return f"grant/{grant}"


def redaction_stream(redaction: str) -> str:
    """Where one redaction stands."""
    return f"redaction/{redaction}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant(Matter):
    """The state of a grant. ``opener`` asked; ``rights`` and span are those asked for until it is granted."""

    clip: str = ""  # the statement that extracted it, hex
    camera: str = ""
    viewer: str = ""  # actor
    role: str = ""  # of who asked
    purpose: str = ""
    basis: str = ""
    complaint: str | None = None
    rights: frozenset[str] = frozenset()
    tracks: frozenset[str] = frozenset()
    since_us: int = 0
    until_us: int = 0
    expires_us: int = 0
    granter: str | None = None  # actor

    def check_use(
        self, use: str, *, viewer: str, at_us: int, rendition: str, span: tuple[int, int] | None = None
    ) -> None:
        """Refuse what this grant does not allow; ``use``: view, download or share, which is as to download."""
        check_code(rendition, RENDITIONS, "rendition")
        if self.stage != "granted":
            raise NotAllowed(f"the clip is not granted: {self.stage}", code="grant", mend="mingjian grant request")
        if viewer != self.viewer:
            raise NotAllowed(f"it is granted to {self.viewer}, not {viewer}", code="grant-viewer", mend="ask for it")
        if at_us >= self.expires_us:
            raise NotAllowed("the grant has expired", code="grant-expired", mend="ask again, with the purpose")
        needed = "view" if use == "view" else "download"
        if needed not in self.rights:
            raise NotAllowed(f"the grant does not give the right to {needed}", code="grant-right", mend="ask for it")
        if rendition == "clip" and use != "view":
            raise NotAllowed("what leaves is redacted first", code="unredacted", mend="mingjian-camera redact")
        if rendition == "clip" and ("unblurred" not in self.rights or self.tracks):
            raise NotAllowed(
                "the grant is for a redacted clip", code="unredacted", mend="mingjian-camera redact FILE --grant GRANT"
            )
        if span is not None and not self.since_us <= span[0] < span[1] <= self.until_us:
            raise NotAllowed("the grant does not cover that span", code="grant-span", mend="stay within it")


@dataclass(frozen=True, slots=True, kw_only=True)
class Redaction(Matter):
    """The state of a redaction. ``redacted``: its statement's id, hex; ``uncovered``: spans to be looked at."""

    redacted: str = ""
    clip: str = ""
    sha256: str = ""
    grant: str | None = None
    clear: frozenset[str] = frozenset()
    uncovered: int = 0


_STAFF: Final = "window_clerk+own_window,reviewer+own_unit,approver+own_unit,unit_head+own_unit,grid_worker"
_VIEWERS: Final = f"investigator,supervisor,{_STAFF}"
_SECOND: Final = "video_custodian,complaint_head,investigator"
GRANT_COURSE: Final = course(
    "footage",
    f"""
    -          clip_requested   requested  {_VIEWERS}
    requested  clip_granted     granted    complaint_head
    requested  clip_refused     refused    complaint_head
    granted    grant_withdrawn  withdrawn  complaint_head
    granted    link_issued      =          video_custodian,complaint_head,{_VIEWERS}
    granted    clip_viewed      =          system_clock,{_VIEWERS}
    granted    clip_downloaded  =          system_clock,{_VIEWERS}
    granted    clip_shared      =          video_custodian,{_VIEWERS}
    granted    clip_verified    =          {_VIEWERS}
    """,
)
REDACTION_COURSE: Final = course(
    "footage",
    f"""
    -         clip_redacted        redacted   video_custodian
    redacted  redaction_confirmed  confirmed  {_SECOND}
    redacted  redaction_rejected   rejected   {_SECOND}
    """,
)
RULES: Final[list[dict[str, Any]]] = [*GRANT_COURSE.rules(), *REDACTION_COURSE.rules()]
_USES: Final = {"clip_viewed": "view", "clip_downloaded": "download", "clip_shared": "share"}


def _span(data: Any) -> tuple[int, int]:
    since, until = instant_us(data["since"]), instant_us(data["until"])
    if since >= until:
        raise Refused("a span ends after it begins", code="span", mend="give until after since")
    return since, until


def _check_rights(rights: Collection[str], tracks: Collection[str]) -> None:
    check_names(rights, "rights")
    for right in rights:
        check_code(right, RIGHTS, "right")
    if tracks and "unblurred" not in rights:
        raise Refused("tracks are left clear by the right unblurred", code="right", mend="give it, or name no track")


def _check_grant(state: Grant | None, act: Statement, registry: Registry) -> None:
    data, verb = act.data, verb_of(act.type)
    if state is None:
        _span(data)
        _check_rights(data["rights"], data.get("tracks", ()))
    elif verb == "clip_granted":
        _check_granting(state, act, registry)
    elif verb in _USES:
        # The server says whom it served, a custodian for whom they hand over; everybody else speaks for themselves.
        viewer = data["viewer"] if act.role in ("system_clock", "video_custodian") else act.actor
        if viewer != data["viewer"]:
            raise NotAllowed("a viewer speaks for themselves", code="grant-viewer", mend="name yourself")
        if (data["viewer_role"], data["purpose"], data.get("complaint")) != (
            state.role,
            state.purpose,
            state.complaint,
        ):
            raise Refused("it was asked for another purpose", code="grant-purpose", mend="state it as it was asked")
        span = _span(data) if verb == "clip_viewed" else None
        rendition = data.get("rendition", "redacted")
        state.check_use(_USES[verb], viewer=viewer, at_us=act.at_us, rendition=rendition, span=span)
        if (rendition == "redacted") != ("redaction" in data):
            raise Refused("a redacted clip is named by its redaction", code="redaction", mend="name what was confirmed")
    elif verb == "link_issued":
        state.check_use(
            "view", viewer=state.viewer, at_us=act.at_us, rendition="clip" if _as_cut(state) else "redacted"
        )
        if not act.at_us < instant_us(data["expires"]) <= state.expires_us:
            raise Refused("a link ends with its grant", code="grant-expired", mend="give an earlier expiry")


def _as_cut(state: Grant) -> bool:
    return "unblurred" in state.rights and not state.tracks


def _check_granting(state: Grant, act: Statement, registry: Registry) -> None:
    data, person = act.data, registry.person_of(act.actor)
    complained_of = {registry.person_of(one) for one in data["complained_of"]}
    if person in complained_of:
        raise NotAllowed("it is about that person", code="complained-of", mend="have another complaint head grant it")
    check_second_person(state, act, registry, "clip_requested")
    if person == registry.person_of(state.viewer):
        raise NotAllowed("nobody grants to themselves", code="two-persons", mend="have another complaint head grant it")
    if data["clip"] != state.clip or data["viewer"] != state.viewer:
        raise Refused("another clip or viewer was asked for", code="grant-asked", mend="grant what was asked for")
    tracks = frozenset(data.get("tracks", ()))
    _check_rights(data["rights"], tracks)
    since, until = _span(data)
    if not (frozenset(data["rights"]) <= state.rights and state.since_us <= since and until <= state.until_us):
        raise Refused("more is granted than was asked for", code="grant-asked", mend="grant as much, or less")
    if state.tracks and not (tracks <= state.tracks and (tracks or "unblurred" not in data["rights"])):
        raise Refused("other tracks were asked for", code="grant-asked", mend="name some of those asked for")
    if registry.person_of(state.viewer) in complained_of and "unblurred" in data["rights"] and not tracks:
        raise NotAllowed(
            "the complained-of see a redacted clip only", code="complained-of", mend="grant without unblurred"
        )
    if not act.at_us < instant_us(data["expires"]) <= act.at_us + MAX_GRANT_DAYS * _DAY_US:
        raise Refused(
            f"a grant ends within {MAX_GRANT_DAYS} days", code="grant-term", mend="give an expiry to come, but sooner"
        )


def _take_grant(state: Grant, act: Statement, registry: Registry) -> Grant:
    data = act.data
    match verb_of(act.type):
        case "clip_requested":
            return replace(
                state,
                clip=data["clip"],
                camera=data["camera"],
                viewer=data["viewer"],
                role=act.role,
                purpose=data["purpose"],
                basis=data["basis"],
                complaint=data.get("complaint"),
                rights=frozenset(data["rights"]),
                tracks=frozenset(data.get("tracks", ())),
                since_us=instant_us(data["since"]),
                until_us=instant_us(data["until"]),
            )
        case "clip_granted":
            return replace(
                state,
                rights=frozenset(data["rights"]),
                tracks=frozenset(data.get("tracks", ())),
                since_us=instant_us(data["since"]),
                until_us=instant_us(data["until"]),
                expires_us=instant_us(data["expires"]),
                granter=act.actor,
            )
    return state


def _check_redaction(state: Redaction | None, act: Statement, registry: Registry) -> None:
    data = act.data
    if state is None:
        if data.get("clear") and "grant" not in data:
            raise NotAllowed(
                "a face is left clear only by a grant", code="grant", mend="have it granted, with the tracks named"
            )
        return
    check_second_person(state, act, registry, "clip_redacted")
    if data["redacted"] != state.redacted:
        raise Refused("that is another redaction", code="redaction", mend=f"name {state.redacted}")
    if verb_of(act.type) == "redaction_confirmed" and data["seen"] != state.uncovered:
        raise Refused(
            f"{state.uncovered} spans are uncovered, and {data['seen']} were looked at",
            code="uncovered",
            mend="look at each of them: the redaction's manifest lists them; draw a mask where somebody is seen",
            uncovered=state.uncovered,
        )


def _take_redaction(state: Redaction, act: Statement, registry: Registry) -> Redaction:
    if verb_of(act.type) != "clip_redacted":
        return state
    data = act.data
    return replace(
        state,
        redacted=act.id.hex(),
        clip=data["clip"],
        sha256=data["sha256"],
        grant=data.get("grant"),
        clear=frozenset(data.get("clear", ())),
        uncovered=data["uncovered"],
    )


GRANTS: Final = StageFold(GRANT_COURSE, Grant, check=_check_grant, take=_take_grant)
REDACTIONS: Final = StageFold(REDACTION_COURSE, Redaction, check=_check_redaction, take=_take_redaction)
