"""Assistance (求助): what somebody needs, what they are entitled to, and the money in whole fen.

Promise: as for ``stages``. Two kinds of money, never added together: **granted** by a fund (and of that, paid) and
**recovered** for the person from somebody who owed it. What was stated once is never changed: a wrong amount is
reversed by an act of its own that names it, and stated anew.

    (nothing) ── requested ──▶ requested ── triaged ──▶ triaged ── assessed ──▶ assessed ── granted ──▶ granted
                                   │                       │                       │                      │ paid
                                   │                       ├─ helped ─▶ helped ◀───┤                      ▼
                                   │                       └─ recovered ─▶ recovered ◀── recovered ─── paid
                                   └──── referred (until assessed) ─▶ referred     └─ refused ─▶ refused
    helped · granted · paid · recovered: granted, paid and recovered again in any order
    helped · granted · paid · recovered · referred · refused ── closed ──▶ closed

- Who assessed does not grant.
- What is paid is paid on a grant, and never more than it. A matter is closed when all that was granted is paid or
  reversed.
- ``reversed`` names the statement that said the amount, once, also after the closing; a grant only after its payments.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from ledger.errors import Refused
from ledger.facts.codes import check_code
from ledger.facts.stages import Matter, StageFold, check_amount, check_second_person, course
from ledger.facts.types import verb_of

if TYPE_CHECKING:
    from ledger.facts.registry import Registry
    from ledger.statement import Statement

KINDS: Final = frozenset(
    {
        "social_relief",
        "taiwan_firm",
        "labour",
        "women",
        "legal_aid",
        "union",
        "school",
        "disability",
        "red_cross",
        "volunteers",
    }
)


@dataclass(frozen=True, slots=True)
class Entry:
    """Money that was stated: ``granted``, ``paid`` (on the ``grant``) or ``recovered``."""

    kind: str
    fen: int
    grant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assistance(Matter):
    """The state of one request. ``entries``: what stands, by the statement's id; reversed ones are gone."""

    kind: str = ""
    entitled: bool | None = None
    entries: Mapping[str, Entry] = field(default_factory=dict)

    def _sum(self, kind: str) -> int:
        return sum(entry.fen for entry in self.entries.values() if entry.kind == kind)

    @property
    def granted_fen(self) -> int:
        """What funds granted."""
        return self._sum("granted")

    @property
    def paid_fen(self) -> int:
        """What of that was paid."""
        return self._sum("paid")

    @property
    def recovered_fen(self) -> int:
        """What was got back from those who owed it."""
        return self._sum("recovered")

    def unpaid_fen(self, grant: str) -> int:
        """What of a grant is still to be paid."""
        return self.entries[grant].fen - sum(e.fen for e in self.entries.values() if e.grant == grant)


COURSE: Final = course(
    "assistance",
    """
    -                                       requested  requested  help_officer,window_clerk+own_window
    -                                       requested  requested  grid_worker,citizen
    requested                               triaged    triaged    help_officer
    triaged                                 assessed   assessed   help_officer
    triaged,assessed,helped                 helped     helped     help_officer
    assessed,helped,granted,paid,recovered  granted    granted    help_officer
    granted,paid,recovered                  paid       paid       help_officer
    triaged,assessed,helped,granted,paid,recovered  recovered  recovered  help_officer
    requested,triaged,assessed              referred   referred   help_officer
    assessed                                refused    refused    help_officer
    granted,paid,recovered,closed           reversed   =          help_officer
    helped,granted,paid,recovered,referred,refused  closed  closed  help_officer
    """,
)


def _check(state: Assistance | None, act: Statement, registry: Registry) -> None:
    verb, data = verb_of(act.type), act.data
    if state is None:
        check_code(data["kind"], KINDS, "kind of assistance")
        return
    if "fen" in data:
        check_amount(data["fen"])
    match verb:
        case "granted":
            check_second_person(state, act, registry, "assessed")
            if state.entitled is False:
                raise Refused(
                    "the assessment found no entitlement", code="entitlement", mend="refuse, or refer to another centre"
                )
        case "paid":
            grant = state.entries.get(data["grant"])
            if grant is None or grant.kind != "granted":
                raise Refused("there is no such grant to pay on", code="grant", mend="name the id of a grant")
            if data["fen"] > (rest := state.unpaid_fen(data["grant"])):
                raise Refused(
                    f"{data['fen']} fen is more than is left of the grant",
                    code="over-grant",
                    mend=f"pay at most {rest} fen",
                    rest_fen=rest,
                )
        case "reversed":
            if data["entry"] not in state.entries:
                raise Refused(
                    "there is no such amount to reverse, or it was reversed already",
                    code="entry",
                    mend="name the id of the statement that said the amount",
                )
            if any(entry.grant == data["entry"] for entry in state.entries.values()):
                raise Refused(
                    "payments were made on this grant", code="entry-paid", mend="reverse the payments on it first"
                )
        case "closed":
            if rest := state.granted_fen - state.paid_fen:
                raise Refused(
                    f"{rest} fen of what was granted is not paid",
                    code="unpaid",
                    mend="pay it, or reverse the grant",
                    rest_fen=rest,
                )


def _take(state: Assistance, act: Statement, registry: Registry) -> Assistance:
    verb, data = verb_of(act.type), act.data
    match verb:
        case "requested":
            return replace(state, kind=data["kind"])
        case "triaged":
            return replace(state, unit=data.get("unit"))
        case "assessed":
            return replace(state, entitled=data["entitled"])
        case "granted" | "paid" | "recovered":
            entry = Entry(verb, data["fen"], data.get("grant"))
            return replace(state, entries={**state.entries, act.id.hex(): entry})
        case "reversed":
            return replace(state, entries={id_: e for id_, e in state.entries.items() if id_ != data["entry"]})
    return state


FOLD: Final = StageFold(COURSE, Assistance, check=_check, take=_take)
