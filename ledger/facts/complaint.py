"""An efficiency complaint (效能投诉): what is disputed, what was found for each allegation, and who decided.

    (nothing) ── received ──▶ received ── registered ──▶ registered ── accepted ──▶ accepted
    received · registered ── refused ──▶ refused;   received · registered ── forwarded ──▶ forwarded
    accepted ── investigated ──▶ investigated (again and again)
             ── replied, by each, or reply_lapsed ──▶ replied ── finding_made, the last ──▶ found
             ── decided ──▶ decided ── told ──▶ told ── called_back ──▶ called_back
    told · called_back · refused · forwarded ── closed ──▶ closed
    refused · told · called_back · closed ── review_asked ──▶ review_asked ── review_decided ──▶ reviewed · accepted
    reviewed ── closed ──▶ closed

At any stage up to the decision, footage is spoken of by the ids of statements elsewhere: ``evidence_held`` (the holds,
also before anybody has looked at the complaint), ``evidence_missing`` and ``clip_missing`` with their reasons,
``clip_sealed``; ``holds_released`` at any later one. Who may see a clip of it, and who looked, stands in the streams of
``ledger.facts.grants``, which name the complaint.

Promise: as for ``stages``, and

- It says what it is about: events by their ids, or a window and a span of time.
- The complaint head who accepts does not investigate, and may have another do it than at first (assigned); who
  investigates does not decide; the complained-of does neither.
- Who is complained of is heard before anything is found; each is heard once, or their time is stated to be over.
- Each allegation has one finding, which cites what it rests on; only ``cannot_tell`` may rest on nothing.
- The term is extended once (extended).
- A review is decided by another than the first decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import NotAllowed, Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, check_names, check_second_person, course
from ledger.facts.types import verb_of
from ledger.statement import instant_us

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

FINDINGS: Final = frozenset({"upheld", "partly", "not_upheld", "cannot_tell"})
DECISIONS: Final = frozenset({"upheld", "partly", "not_upheld"})
REVIEWS: Final = frozenset({"confirmed", "reopened"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint(Matter):
    """The state of a complaint. Actors by their ids, statements by theirs in hex."""

    tracking: str = ""
    allegations: tuple[str, ...] = ()
    complained_of: frozenset[str] = frozenset()
    investigator: str | None = None
    heard: frozenset[str] = frozenset()
    findings: Mapping[str, str] = field(default_factory=dict)  # allegation → outcome
    holds: frozenset[str] = frozenset()
    extensions: int = 0
    outcome: str | None = None


_OPEN: Final = "received,registered,accepted,investigated,replied,found"
_WORK: Final = "accepted,investigated,replied,found"
_AFTER: Final = "decided,told,called_back,refused,forwarded,reviewed,closed"
_STAFF: Final = "window_clerk+own_window,reviewer+own_unit,approver+own_unit,unit_head+own_unit,grid_worker"
COURSE: Final = course(
    "complaint",
    f"""
    -                      received        received      citizen,window_clerk+own_window,supervisor,investigator
    -                      received        received      source_adapter+own_source
    received               registered      registered    investigator,complaint_head
    registered             accepted        accepted      complaint_head
    {_WORK}                assigned        =             complaint_head
    received,registered    refused         refused       complaint_head
    received,registered    forwarded       forwarded     complaint_head
    {_OPEN}                evidence_held   =             video_custodian,investigator,system_clock
    {_OPEN}                evidence_missing  =           video_custodian,system_clock
    {_OPEN}                clip_sealed     =             video_custodian
    {_OPEN}                clip_missing    =             video_custodian
    accepted,investigated  investigated    investigated  investigator
    investigated           replied         investigated|replied  {_STAFF}
    investigated           reply_lapsed    investigated|replied  investigator
    replied                finding_made    replied|found  investigator
    {_WORK}                extended        =             complaint_head
    found                  decided         decided       complaint_head
    decided                told            told          complaint_head,investigator
    told                   called_back     called_back   complaint_head,investigator
    refused,forwarded,told,called_back,reviewed  closed  closed  complaint_head
    refused,told,called_back,closed  review_asked  review_asked  citizen,window_clerk+own_window
    review_asked           review_decided  reviewed|accepted  complaint_head
    {_AFTER}               holds_released  =             video_custodian
    """,
)


def _check_subject(act: Statement) -> None:
    data = act.data
    if "events" in data:
        check_names(data["events"], "disputed events")
    elif not {"window", "since", "until"} <= data.keys():
        raise Refused(
            "the complaint says neither which event it is about nor where and when",
            code="disputed",
            mend="name the events, or a window with since and until",
        )
    if "since" in data and "until" in data and instant_us(data["until"]) <= instant_us(data["since"]):
        raise Refused("a span ends after it begins", code="span", mend="give until after since")
    check_names(data["allegations"], "allegations")


def _persons(actors: frozenset[str], registry: Registry) -> set[str]:
    return {registry.person_of(actor) for actor in actors}


def _check_impartial(state: Complaint, act: Statement, registry: Registry) -> None:
    person = registry.person_of(act.actor)
    if person in _persons(state.complained_of, registry):
        raise NotAllowed("it is a complaint against that person", code="complained-of", mend="have another do it")
    if act.role == "investigator":
        check_second_person(state, act, registry, "accepted")
        if state.investigator != act.actor:
            raise NotAllowed(
                f"{state.investigator} investigates here, not {act.actor}",
                code="investigator",
                mend="have the complaint head assign it",
            )
    elif state.investigator is not None and person == registry.person_of(state.investigator):
        raise NotAllowed(
            "whoever investigates does not decide", code="two-persons", mend="have another complaint head do it"
        )


def _check_investigator(chosen: str, complained_of: frozenset[str], act: Statement, registry: Registry) -> None:
    person = registry.person_of(chosen)
    if "investigator" not in registry.appointment_of(chosen).roles:
        raise Refused(f"{chosen} is no investigator", code="investigator", mend="name somebody who holds the role")
    if person in _persons(complained_of, registry) | {registry.person_of(act.actor)}:
        raise NotAllowed(
            "neither the complained-of nor the complaint head investigates", code="two-persons", mend="name another"
        )


def _check_finding(state: Complaint, act: Statement) -> None:
    allegation, outcome = act.data["allegation"], act.data["outcome"]
    check_code(outcome, FINDINGS, "finding")
    if allegation not in state.allegations or allegation in state.findings:
        waiting = ", ".join(name for name in state.allegations if name not in state.findings)
        raise Refused(
            f"{allegation} is no allegation that waits for a finding", code="allegation", mend=f"waiting: {waiting}"
        )
    if outcome != "cannot_tell" and not act.data.get("events"):
        raise Refused(
            "a finding cites what it rests on", code="citation", mend="give the ids of the events, or find cannot_tell"
        )


def _check(state: Complaint | None, act: Statement, registry: Registry) -> None:
    verb, data = verb_of(act.type), act.data
    if state is None:
        _check_subject(act)
        return
    match verb:
        case "accepted":
            against = frozenset(data["complained_of"])
            check_names(data["complained_of"], "complained-of")
            if registry.person_of(act.actor) in _persons(against, registry):
                raise NotAllowed(
                    "it is a complaint against that person", code="complained-of", mend="have another do it"
                )
            _check_investigator(data["investigator"], against, act, registry)
        case "assigned":
            _check_investigator(data["investigator"], state.complained_of, act, registry)
        case "investigated" | "reply_lapsed" | "decided":
            _check_impartial(state, act, registry)
        case "finding_made":
            _check_impartial(state, act, registry)
            _check_finding(state, act)
        case "replied" if act.actor not in state.complained_of - state.heard:
            raise NotAllowed(
                f"{act.actor} has nothing to reply to here, or has replied",
                code="complained-of",
                mend=f"still to be heard: {', '.join(sorted(state.complained_of - state.heard))}",
            )
        case "extended" if state.extensions:
            raise Refused("the term was extended once already", code="extended-already", mend="decide within it")
        case "holds_released" if not set(data["holds"]) <= state.holds:
            raise Refused("the complaint has no such hold", code="hold-unknown", mend="name holds of this complaint")
        case "review_decided":
            check_code(data["outcome"], REVIEWS, "outcome of a review")
            check_second_person(state, act, registry, "decided" if "decided" in state.hands else "refused")
    if verb == "decided":
        check_code(data["outcome"], DECISIONS, "decision")


def _take(state: Complaint, act: Statement, registry: Registry) -> Complaint:
    data = act.data
    match verb_of(act.type):
        case "received":
            return replace(state, tracking=data["tracking"], allegations=tuple(data["allegations"]))
        case "accepted":
            return replace(state, complained_of=frozenset(data["complained_of"]), investigator=data["investigator"])
        case "assigned":
            return replace(state, investigator=data["investigator"])
        case "evidence_held":
            return replace(state, holds=state.holds | set(data["holds"]))
        case "holds_released":
            return replace(state, holds=state.holds - set(data["holds"]))
        case "replied":
            return _hear(state, frozenset({act.actor}))
        case "reply_lapsed":
            return _hear(state, state.complained_of)
        case "finding_made":
            findings = {**state.findings, data["allegation"]: data["outcome"]}
            return replace(
                state, findings=findings, stage="found" if len(findings) == len(state.allegations) else "replied"
            )
        case "extended":
            return replace(state, extensions=state.extensions + 1)
        case "decided":
            return replace(state, outcome=data["outcome"])
        case "review_decided" if data["outcome"] == "reopened":
            return replace(state, stage="accepted", heard=frozenset(), findings={}, outcome=None)
    return state


def _hear(state: Complaint, who: frozenset[str]) -> Complaint:
    heard = state.heard | who
    return replace(state, heard=heard, stage="replied" if heard >= state.complained_of else "investigated")


FOLD: Final = StageFold(COURSE, Complaint, check=_check, take=_take)
