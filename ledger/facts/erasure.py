"""What happens to the sealed values of one subject: kept by holds, erased by two persons, shown by grant.

    erasure/SUBJECT      hold.placed ─▶ hold.released      while one stands, nothing is erased
                         erasure.proposed ─▶ erasure.made  by two persons, of the same digests on the same ground
    disclosure/STREAM    disclosure.granted                to whom which values of the stream were opened, and what for

SUBJECT is the stream whose values they are, or ``person/PSEUDONYM`` for a name. Holds and erasures of a subject stand
in one stream, so that which came first is decided by ``seq`` and by nothing else.

Promise: in a log whose acts pass ``check``, no ``erasure.made.v1`` stands behind a hold that was not released, and each
has a proposal of another person. The values themselves are elsewhere (``ledger.store.vault``); here stand digests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ledger.errors import Refused
from ledger.facts.registry import Proposal, Registry
from ledger.statement import Statement, StatementId

ERASURE_KIND: Final = "erasure"
DISCLOSURE_KIND: Final = "disclosure"
MADE: Final = "erasure.made.v1"
PROPOSED: Final = "erasure.proposed.v1"
GRANTED: Final = "disclosure.granted.v1"
PERSON: Final = "person/"
MAX_DIGESTS: Final = 1_000
"""In one statement: 46 bytes each, in a payload of 60,000."""


def erasure_stream(subject: str) -> str:
    """Where the holds and erasures of a subject stand."""
    return f"{ERASURE_KIND}/{subject}"


def disclosure_stream(stream: str) -> str:
    """Where it stands to whom values of ``stream`` were opened."""
    return f"{DISCLOSURE_KIND}/{stream}"


def subject_of(stream: str) -> str:
    """The subject, or stream, that an erasure's or a disclosure's stream speaks of."""
    return stream.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Subject:
    """What stands of a subject: its holds by their statements' ids, with their grounds, and what is proposed."""

    holds: Mapping[StatementId, str] = field(default_factory=dict)
    proposals: Mapping[StatementId, Proposal] = field(default_factory=dict)


class _Erasures:
    def check(self, state: Subject | None, act: Statement, registry: Registry) -> None:
        """Refuse an erasure under a hold, and the release of a hold that does not stand."""
        state = state or Subject()
        _check_named(act)
        if act.type in (PROPOSED, MADE):
            if state.holds:
                grounds = ", ".join(sorted(set(state.holds.values())))
                raise Refused(
                    f"nothing of {subject_of(act.stream)} is erased while a hold stands: {grounds}",
                    code="hold",
                    mend="have the hold released first, when its ground is over: mingjian hold release",
                    holds=[id_.hex() for id_ in state.holds],
                )
            _check_count(act, least=0 if subject_of(act.stream).startswith(PERSON) else 1)
        elif act.type == "hold.released.v1" and StatementId(bytes.fromhex(act.data["hold"])) not in state.holds:
            raise Refused("there is no such hold to release", code="hold-unknown")

    def apply(self, state: Subject | None, act: Statement, recorded_us: int | None, registry: Registry) -> Subject:
        """The subject after ``act``."""
        state = state or Subject()
        match act.type:
            case "hold.placed.v1":
                return replace(state, holds={**state.holds, act.id: act.data["ground"]})
            case "hold.released.v1":
                released = bytes.fromhex(act.data["hold"])
                return replace(state, holds={id_: what for id_, what in state.holds.items() if id_ != released})
            case "erasure.proposed.v1":
                proposal = registry.proposal(act, MADE, act.data)
                return replace(state, proposals={**state.proposals, act.id: proposal})
            case _:
                made = bytes.fromhex(act.data["proposal"])
                return replace(state, proposals={id_: one for id_, one in state.proposals.items() if id_ != made})


class _Disclosures:
    def check(self, state: None, act: Statement, registry: Registry) -> None:
        """Refuse a grant of nothing."""
        _check_named(act)
        _check_count(act, least=1)

    def apply(self, state: None, act: Statement, recorded_us: int | None, registry: Registry) -> None:
        """Nothing is kept."""


def _check_named(act: Statement) -> None:
    if not subject_of(act.stream):
        raise Refused("the stream names no subject", code="no-subject", mend=f"{act.kind}/STREAM")


def _check_count(act: Statement, *, least: int) -> None:
    if not least <= len(act.data["digests"]) <= MAX_DIGESTS:
        raise Refused(f"a statement names {least} to {MAX_DIGESTS} digests", code="digests", mend="make several")


ERASURES: Final[Any] = _Erasures()
DISCLOSURES: Final[Any] = _Disclosures()
