"""One complaint as its page shows it: the disputed case beside the clip, in step, and what became of it.

Everything shown is checked when it is read: the complaint's and the case's statements against leaf, checkpoint and
signer (``read_case``); what projections say of holds and clips against the statements that they were made of.

Two times meet here. Events stand at the moment at which one looks for them on footage (``ledger.facts.disputed``);
footage runs by the recorder's clock. What the camera burns into its pictures is its own clock, and stands as an offset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from api.questions import CaseRecord, packs_at, position_of, read_case, snapshot, tell_case
from api.reads import note_complaint
from api.translations import N_
from ledger.cases.grants import Opened, opened
from ledger.door.hall import Hall
from ledger.errors import Evidence, NotAllowed
from ledger.facts.card_rules import terms_of
from ledger.facts.case_clocks import day_at
from ledger.facts.complaint import FOLD, Complaint
from ledger.facts.complaint_steps import Step, eleven_steps
from ledger.facts.disputed import GRACE_US, MARGIN_US, named_span
from ledger.facts.types import verb_of
from ledger.statement import Statement, instant_us, open_statement
from projections import complaints, footage

WIDTH: Final = 1000
MAX_STREAMS: Final = 8
NO_FOOTAGE: Final = {
    "no_window": N_("what is disputed names no window: no camera can have seen it"),
    "no_camera": N_("no camera covered that window then"),
    "rate_subject": N_("there are many complaints about this ticket or case already: a person decides"),
    "rate_channel": N_("very many complaints came through this channel today: a person decides"),
    "held_space": N_("held footage is past its share of the recorder's disk: a person decides"),
    "deferred": N_("a person decides whether it is held"),
    "not_recorded": N_("nothing was recorded then"),
    "no-footage": N_("nothing was recorded then"),
    "segment-missing": N_("the recording is gone"),
    "segment-changed": N_("the recording is not what was sealed"),
    "expired": N_("the recording had gone by its term"),
}
STAGES: Final = {
    "received": N_("received"),
    "registered": N_("registered"),
    "accepted": N_("accepted"),
    "investigated": N_("being investigated"),
    "replied": N_("heard"),
    "found": N_("findings made"),
    "decided": N_("decided"),
    "told": N_("told"),
    "called_back": N_("called back"),
    "refused": N_("refused"),
    "forwarded": N_("forwarded"),
    "review_asked": N_("review asked for"),
    "reviewed": N_("reviewed"),
    "closed": N_("closed"),
}
GRANTS: Final = {
    "requested": N_("asked for"),
    "granted": N_("may be seen"),
    "refused": N_("refused to see"),
    "withdrawn": N_("grant withdrawn"),
}
STEPS: Final = (
    N_("Complaint received"),
    N_("Footage held at once"),
    N_("Clip sealed by the custodian, or the reason why not"),
    N_("Accepted, refused or forwarded"),
    N_("Viewed, by grant of a second person"),
    N_("Disputed case replayed"),
    N_("Reply of those complained of"),
    N_("Finding for each allegation"),
    N_("Decided, told in writing"),
    N_("Hold released by two persons"),
    N_("Shown to the citizen: who looked"),
)
STATES: Final = {
    "done": N_("done"),
    "done_late": N_("done late"),
    "open": N_("open"),
    "overdue": N_("overdue"),
    "not_yet": N_("not yet"),
    "not_needed": N_("not needed"),
}
OUTCOMES: Final = {
    "upheld": N_("upheld"),
    "partly": N_("partly upheld"),
    "not_upheld": N_("not upheld"),
    "cannot_tell": N_("cannot be told"),
}
KINDS: Final = {
    "clip": N_("as it was cut: every picture as it was sealed"),
    "remuxed": N_("packed anew for the player; the pictures are as they were sealed"),
    "transcoded": N_("encoded anew for the player: for looking only, the clip is what is proved"),
    "exact_cut": N_("encoded anew, cut to the instant: for looking only, the clip is what is proved"),
    "redacted": N_("redacted: for looking only, the clip is what is proved"),
}
CAUSES: Final = {
    "stall": N_("no picture came"),
    "disconnect": N_("the camera was gone"),
    "unreachable": N_("the camera could not be reached"),
    "recorder_crash": N_("the recorder broke off"),
    "disk_full": N_("the disk was full"),
    "pts_jump": N_("the camera's time stamps jumped"),
    "stopped": N_("recording was stopped"),
}
HOLD_STATES: Final = {
    "released": N_("released by two persons"),
    "lapsed": N_("lapsed"),
    "placed": N_("placed by a person"),
    "waits": N_("waits for a person"),
    "provisional": N_("provisional"),
    "stands": N_("stands"),
}


@dataclass(frozen=True, slots=True)
class Playing:
    """What the reader may see of a clip, or why not."""

    seen: Opened | None
    redaction: str | None
    why: NotAllowed | None


def complaint_view(hall: Hall, name: str, *, actor: str | None, clip: str | None, event: int | None) -> dict[str, Any]:
    """What the page needs. ``actor``: who looks, and is on record; None: a reader, who sees stage and clocks alone."""
    stream = f"complaint/{name}"
    case = read_case(hall, stream, position=position_of(hall, None))
    told = tell_case(hall, case)
    acts = [(one.act, one.recorded_us) for one in case.statements if one.act is not None and not one.voided]
    if case.first_wrong() is not None or not acts:
        if actor is not None:
            note_complaint(hall, actor, [stream])
        return _wrong(case, told, actor)
    state = _folded(acts, case)
    if actor is None:
        return _public(hall, case, told, state, acts, name)
    _check_reader(case, state, actor)
    received = acts[0][0]
    disputed, missing = _disputed(hall, case, received)
    subjects = list(dict.fromkeys(one["stream"] for one in disputed))[:MAX_STREAMS]
    note_complaint(hall, actor, [stream, *subjects])
    cases = [read_case(hall, subject, position=case.position) for subject in subjects]
    wrong = next((one.first_wrong() for one in cases if one.first_wrong() is not None), None)
    events = _events(hall, cases, {one["id"] for one in disputed})
    sealed = [act.data["clip"] for act, _ in acts if verb_of(act.type) == "clip_sealed"]
    with snapshot(hall) as (connection, as_of):
        holds = complaints.holds_of(connection, [stream])
        files = footage.files_of(connection, sealed)
        grants = footage.grants_of(connection, sealed)
        redactions = footage.redactions_of(connection, sealed)
        shown = _chosen(files, clip)
        span = _span(disputed, holds, shown, received)
        camera = shown["camera"] if shown else next((one["camera"] for one in holds), None)
        gaps = [] if camera is None or span is None else footage.gaps_of(connection, camera, *span)
    try:
        _check_rows(hall, case, holds, files)
    except Evidence as error:
        wrong = wrong or error
    playing = _playing(hall, actor, shown, grants, redactions)
    return {
        "wrong": wrong,
        "name": name,
        "case": told,
        "as_of": as_of,
        "statements": len(case.statements),
        "state": state,
        "received": received,
        "received_us": acts[0][1],
        "disputed": disputed,
        "missing_events": missing,
        "subjects": subjects,
        "events": events,
        "chosen_event": event,
        "holds": [hold | {"state": _hold_state(hold)} for hold in holds],
        "latency_us": _latency(acts),
        "clips": [one for one in files if one["kind"] == "clip"],
        "derived": [one for one in files if one["kind"] != "clip"],
        "grants": grants,
        "redactions": redactions,
        "shown": shown,
        "playing": playing,
        "film": _film(playing),
        "no_footage": _no_footage(acts, holds, sealed),
        "bar": None if span is None else _bar(span, events, gaps, shown, holds),
        "gaps": gaps,
        "found": [
            {"data": act.data, "at_us": recorded} for act, recorded in acts if verb_of(act.type) == "finding_made"
        ],
        "steps": _steps(hall, case, told, state, acts, grants),
        "actor": actor,
        "reasons": NO_FOOTAGE,
        "stages": STAGES,
        "grant_states": GRANTS,
        "step_names": STEPS,
        "step_states": STATES,
        "outcomes": OUTCOMES,
        "kinds": KINDS,
        "causes": CAUSES,
        "hold_states": HOLD_STATES,
    }


def _public(
    hall: Hall,
    case: CaseRecord,
    told: Mapping[str, Any],
    state: Complaint,
    acts: Sequence[tuple[Statement, int]],
    name: str,
) -> dict[str, Any]:
    """What everybody may know who was let in without a name: how far it has come, by when, and how much of each."""
    sealed = [act.data["clip"] for act, _ in acts if verb_of(act.type) == "clip_sealed"]
    with snapshot(hall) as (connection, as_of):
        grants = footage.grants_of(connection, sealed)
    return {
        "wrong": None,
        "name": name,
        "case": {"checked_against": told["checked_against"]},
        "as_of": as_of,
        "statements": len(case.statements),
        "actor": None,
        "stage": state.stage,
        "received_us": acts[0][1],
        "latency_us": _latency(acts),
        "counts": {
            "allegations": len(state.allegations),
            "holds": len(state.holds),
            "clips": len(sealed),
            "views": sum(grant["views"] for grant in grants),
            "findings": len(state.findings),
        },
        "steps": _steps(hall, case, told, state, acts, grants),
        "stages": STAGES,
        "step_names": STEPS,
        "step_states": STATES,
    }


def _steps(
    hall: Hall,
    case: CaseRecord,
    told: Mapping[str, Any],
    state: Complaint,
    acts: Sequence[tuple[Statement, int]],
    grants: Sequence[Mapping[str, Any]],
) -> list[Step]:
    # Late or not is asked at the log's own time: what was recorded after it cannot have stopped a clock yet.
    now_us = instant_us(told["as_of"]["recorded"])
    return eleven_steps(
        acts,
        state,
        views=sum(grant["views"] for grant in grants),
        watched_us=max((grant["viewed_us"] for grant in grants if grant["viewed_us"]), default=None),
        calendar=case.registry.calendar().as_known(day_at(now_us)),
        terms=terms_of(packs_at(hall, case.statements[0].index)),
        now_us=now_us,
    )


def _check_reader(case: CaseRecord, state: Complaint, actor: str) -> None:
    """A complaint's file is never for the complained-of; for whom else it is, the door says."""
    person = case.registry.person_of(actor)
    if person in {case.registry.person_of(one) for one in state.complained_of}:
        raise NotAllowed("it is a complaint against you", code="complained-of", mend="your part comes by your own page")


def _wrong(case: CaseRecord, told: Mapping[str, Any], actor: str | None) -> dict[str, Any]:
    """Of a complaint that is not what was signed: what is wrong, and for those with a name what there is."""
    known = told if actor is not None else {"id": told["id"], "events": []}
    return {
        "wrong": case.first_wrong(),
        "case": known,
        "as_of": told["as_of"],
        "statements": len(case.statements),
        "actor": actor,
    }


def _folded(acts: Sequence[tuple[Statement, int]], case: CaseRecord) -> Complaint:
    state: Complaint | None = None
    for act, recorded_us in acts:
        state = FOLD.apply(state, act, recorded_us, case.registry)
    assert state is not None
    return state


def _disputed(hall: Hall, case: CaseRecord, received: Statement) -> tuple[list[dict[str, Any]], list[str]]:
    """The disputed statements, checked, and the ids of those that the log does not hold."""
    ids = [bytes.fromhex(one) for one in received.data.get("events", ())]
    placed = {id_: index for id_, index in hall.reader.placed(ids).items() if index < case.checkpoint.size}
    found = []
    for one in hall.reader.verified(sorted(placed.values()), case.checkpoint):
        act = open_statement(one.entry)
        found.append({"id": act.id.hex(), "index": one.index, "stream": act.stream, "act": act})
    return found, [id_.hex() for id_ in ids if id_ not in placed]


def _events(hall: Hall, cases: Sequence[CaseRecord], disputed: set[str]) -> list[dict[str, Any]]:
    """The events of the disputed cases in the order of the moments at which footage shows them."""
    found: list[dict[str, Any]] = []
    for case in cases:
        for event in tell_case(hall, case)["events"]:
            if "evidence" not in event:
                at, recorded = instant_us(event["at"]), instant_us(event["recorded"])
                late = abs(at - recorded) > GRACE_US
                found.append(
                    event | {"stream": case.stream, "us": at, "late": late, "disputed": event["id"] in disputed}
                )
    return sorted(found, key=lambda one: (one["us"], one["index"]))


def _chosen(files: Sequence[dict[str, Any]], clip: str | None) -> dict[str, Any] | None:
    clips = [one for one in files if one["kind"] == "clip"]
    return next((one for one in clips if one["statement"] == clip), clips[0] if clips else None)


def _span(
    disputed: Sequence[dict[str, Any]],
    holds: Sequence[dict[str, Any]],
    shown: dict[str, Any] | None,
    received: Statement,
) -> tuple[int, int] | None:
    """What the bar shows: the clip, a little wider; without one what is held, or what is disputed."""
    if shown is not None:
        wider = max((shown["to_us"] - shown["from_us"]) // 20, 1_000_000)
        return shown["from_us"] - wider, shown["to_us"] + wider
    spans = [(one["from_us"], one["to_us"]) for one in holds]
    spans += [(one["act"].at_us - MARGIN_US, one["act"].at_us + MARGIN_US) for one in disputed]
    if (named := named_span(received.data)) is not None:
        spans.append((named.since_us, named.until_us))
    return (min(since for since, _ in spans), max(until for _, until in spans)) if spans else None


def _bar(
    span: tuple[int, int],
    events: Sequence[dict[str, Any]],
    gaps: Sequence[dict[str, Any]],
    shown: dict[str, Any] | None,
    holds: Sequence[dict[str, Any]],
) -> dict[str, Any]:
    since, until = span

    def x(us: int) -> float:
        return round(WIDTH * (min(max(us, since), until) - since) / max(until - since, 1), 1)

    def stretch(from_us: int, to_us: int | None) -> dict[str, float]:
        left = x(from_us)
        return {"x": left, "width": max(round(x(until if to_us is None else to_us) - left, 1), 1.0)}

    offset = shown["offset_us"] if shown else None
    return {
        "from_us": since,
        "to_us": until,
        "clip": None if shown is None else stretch(shown["from_us"], shown["to_us"]),
        "holds": [stretch(one["from_us"], one["to_us"]) for one in holds if one["ended"] is None],
        "gaps": [stretch(one["from_us"], one["to_us"]) | one for one in gaps],
        "events": [
            {"x": x(one["us"]), "disputed": one["disputed"], "index": one["index"]}
            for one in events
            if since <= one["us"] <= until
        ],
        # Where the camera's own clock shows what the recorder's clock shows at the first disputed event.
        "offsets": [
            {"x": x(one["us"]), "to": x(one["us"] + offset)}
            for one in events
            if offset is not None and one["disputed"] and since <= one["us"] <= until
        ],
    }


def _hold_state(hold: Mapping[str, Any]) -> str:
    if hold["ended"] is not None:
        return str(hold["ended"])
    return "waits" if hold["waits"] else "provisional" if hold["provisional"] else "stands"


def _latency(acts: Sequence[tuple[Statement, int]]) -> int | None:
    """How long it took from the complaint to its holds, both as recorded."""
    held = next((recorded for act, recorded in acts if verb_of(act.type) == "evidence_held"), None)
    return None if held is None else held - acts[0][1]


def _no_footage(
    acts: Sequence[tuple[Statement, int]], holds: Sequence[dict[str, Any]], sealed: Sequence[str]
) -> list[dict[str, Any]]:
    """Why there is no clip, as far as somebody said so."""
    if sealed:
        return []
    said = [
        {"reason": act.data["reason"], "camera": act.data.get("camera"), "expires": act.data.get("expires")}
        for act, _ in acts
        if verb_of(act.type) in ("evidence_missing", "clip_missing")
    ]
    if not said and not holds:
        return [{"reason": "being_sought", "camera": None, "expires": None}]
    return said or [{"reason": "not_cut", "camera": holds[0]["camera"], "expires": None}]


def _check_rows(hall: Hall, case: CaseRecord, holds: Sequence[dict[str, Any]], files: Sequence[dict[str, Any]]) -> None:
    """Raise Evidence when a row about footage is not what its statement says."""
    said = {one["hold"]: (one["from_us"], one["to_us"], one["camera"], None) for one in holds}
    said |= {one["statement"]: (one["from_us"], one["to_us"], one["camera"], one["sha256"]) for one in files}
    placed = hall.reader.placed([bytes.fromhex(id_) for id_ in said])
    known = [index for index in placed.values() if index < case.checkpoint.size]
    if len(placed) < len(said):
        raise Evidence("a row about footage names a statement that is not in the log", code="projection-changed")
    for one in hall.reader.verified(sorted(known), case.checkpoint):
        act = open_statement(one.entry)
        data = act.data
        says = (instant_us(data["since"]), instant_us(data["until"]), act.stream.partition("/")[2], data.get("sha256"))
        if says != said[act.id.hex()]:
            raise Evidence(
                f"what is shown of entry {one.index} is not what it says",
                code="projection-changed",
                mend="find out who changed it (a copy of the table is the evidence), then: mingjian rebuild",
            )


# -------------------------------------------------------------------------------------------------------- who may see


def _playing(
    hall: Hall,
    actor: str,
    shown: dict[str, Any] | None,
    grants: Sequence[dict[str, Any]],
    redactions: Sequence[dict[str, Any]],
) -> Playing:
    """What ``actor`` may see of the clip shown: as it was cut, else a confirmed redaction; or why nothing."""
    if shown is None:
        return Playing(None, None, None)
    why: NotAllowed | None = None
    mine = [one for one in grants if (one["viewer"], one["clip"]) == (actor, shown["statement"])]
    for grant in mine:
        confirmed = [one["stream"] for one in redactions if one["stage"] == "confirmed"]
        for redaction in (None, *(one.partition("/")[2] for one in confirmed)):
            try:
                name = grant["stream"].partition("/")[2]
                return Playing(opened(hall, name, viewer=actor, redaction=redaction), redaction, None)
            except NotAllowed as error:
                why = error
    return Playing(None, None, why or NotAllowed("it is not granted to you", code="no-grant", mend="ask for it"))


def _film(playing: Playing) -> str | None:
    """Where the film is that was made for this viewer; who serves it states which seconds are seen."""
    if playing.seen is None:
        return None
    query = "" if playing.redaction is None else f"?redaction={playing.redaction}"
    return f"/clips/{playing.seen.grant}/film{query}"
