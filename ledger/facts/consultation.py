"""A consultation (协商): a topic, its parties, their meetings, what they agreed, and whether it was kept.

Promise: as for ``stages``; nothing is agreed by fewer than two parties, and nothing without a meeting.

    (nothing) ── proposed ──▶ proposed ── scheduled ──▶ scheduled ── held ──▶ held ── agreed ──▶ agreed
                                  │            ▲ ▲                            │ │                   │ followed_up
                                  │            │ └───────── scheduled ────────┘ └─ not_agreed ─▶ not_agreed
                                  └─ dropped   └──────────────────── scheduled ─────────────────────┘
    agreed ── followed_up ──▶ followed_up (again and again) ── closed ──▶ closed
    not_agreed · dropped ── closed ──▶ closed

Parties join (party_joined) until the meeting is held. Briefings and news releases are published at any time before
the closing (released).
A hearing, an expert argument, a meeting and a briefing are forms of one meeting.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

FORMS: Final = frozenset({"meeting", "hearing", "expert_argument", "democratic_consultation", "visit"})
RELEASES: Final = frozenset({"briefing", "news_release"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Consultation(Matter):
    """The state of a consultation. ``meetings``: how many were held."""

    parties: frozenset[str] = frozenset()
    meetings: int = 0
    kept: bool | None = None  # what the last follow-up found


COURSE: Final = course(
    "consultation",
    """
    -                              proposed      proposed     host
    proposed,scheduled             party_joined  =            host
    proposed,held,not_agreed       scheduled     scheduled    host
    scheduled                      held          held         host
    held                           agreed        agreed       host
    held                           not_agreed    not_agreed   host
    agreed,followed_up             followed_up   followed_up  host
    proposed,scheduled             dropped       dropped      host
    followed_up,not_agreed,dropped closed        closed       host
    proposed,scheduled,held,agreed,not_agreed,followed_up released = host
    """,
)


def _check(state: Consultation | None, act: Statement, registry: Registry) -> None:
    verb = verb_of(act.type)
    if verb == "scheduled":
        check_code(act.data["form"], FORMS, "form of meeting")
    elif verb == "released":
        check_code(act.data["form"], RELEASES, "form of release")
    elif state is not None and verb == "party_joined" and act.data["party"] in state.parties:
        raise Refused(f"{act.data['party']} takes part already", code="party-known", mend="name another party")
    elif state is not None and verb == "agreed" and len(state.parties) < 2:
        raise Refused(
            "an agreement has two parties at least",
            code="parties",
            mend="hold another meeting, with the parties that it concerns",
        )


def _take(state: Consultation, act: Statement, registry: Registry) -> Consultation:
    match verb_of(act.type):
        case "party_joined":
            return replace(state, parties=state.parties | {act.data["party"]})
        case "held":
            return replace(state, meetings=state.meetings + 1)
        case "followed_up":
            return replace(state, kept=act.data["kept"])
    return state


FOLD: Final = StageFold(COURSE, Consultation, check=_check, take=_take)
