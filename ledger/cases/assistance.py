"""The commands of assistance (求助): need, entitlement, help, and money in whole fen.

    ask ─▶ triage ─▶ assess ─▶ assist · grant ─▶ pay · recover · reverse ─▶ close;   refer and refuse end it without

What may follow what is decided by ``ledger.facts.assistance``.
``matter`` is its own name, the stream ``assistance/MATTER``.
"""

from __future__ import annotations

from collections.abc import Iterable

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.statement import StatementId


def stream_of(matter: str) -> str:
    """The stream of a matter."""
    return f"assistance/{matter}"


def ask(
    desk: Desk,
    matter: str,
    kind: str,
    *,
    person: str,
    need: str,
    contact: str | None = None,
    applicant_band: str | None = None,
    channel: str = "centre",
    systems: Iterable[str] = (),
    request: str | None = None,
) -> Outcome:
    """Take a request. ``kind``: social_relief, taiwan_firm, labour, women, legal_aid, union, school …"""
    return act(
        desk,
        stream_of(matter),
        "requested",
        request,
        kind=kind,
        person=person,
        need=need,
        contact=contact,
        applicant_band=applicant_band,
        channel=channel,
        systems=list(systems),
    )


def triage(desk: Desk, matter: str, urgency: str, *, unit: str | None = None, request: str | None = None) -> Outcome:
    """State how urgent it is, and whose it is."""
    return act(desk, stream_of(matter), "triaged", request, urgency=urgency, unit=unit)


def assess(desk: Desk, matter: str, entitled: bool, *, words: str | None = None, request: str | None = None) -> Outcome:
    """State whether the person is entitled."""
    return act(desk, stream_of(matter), "assessed", request, entitled=entitled, words=words)


def assist(desk: Desk, matter: str, how: str, *, words: str | None = None, request: str | None = None) -> Outcome:
    """State help that is not money."""
    return act(desk, stream_of(matter), "helped", request, how=how, words=words)


def grant(desk: Desk, matter: str, fen: int, fund: str, *, request: str | None = None) -> Outcome:
    """Grant money from a fund; another person than who assessed."""
    return act(desk, stream_of(matter), "granted", request, fen=fen, fund=fund)


def pay(desk: Desk, matter: str, fen: int, grant: StatementId, *, request: str | None = None) -> Outcome:
    """Pay on a grant, which is named by its statement."""
    return act(desk, stream_of(matter), "paid", request, fen=fen, grant=grant.hex())


def recover(desk: Desk, matter: str, fen: int, *, debtor: str | None = None, request: str | None = None) -> Outcome:
    """State money got back for the person from somebody who owed it."""
    return act(desk, stream_of(matter), "recovered", request, fen=fen, debtor=debtor)


def reverse(desk: Desk, matter: str, entry: StatementId, reason: str, *, request: str | None = None) -> Outcome:
    """Take back an amount that was stated wrongly, by the statement that said it."""
    return act(desk, stream_of(matter), "reversed", request, entry=entry.hex(), reason=reason)


def refer(desk: Desk, matter: str, centre: str, *, request: str | None = None) -> Outcome:
    """Send the person to another centre."""
    return act(desk, stream_of(matter), "referred", request, centre=centre)


def refuse(desk: Desk, matter: str, reason: str, *, reasons: str | None = None, request: str | None = None) -> Outcome:
    """Refuse, with the reason."""
    return act(desk, stream_of(matter), "refused", request, reason=reason, reasons=reasons)


def close(desk: Desk, matter: str, *, request: str | None = None) -> Outcome:
    """Close the matter."""
    return act(desk, stream_of(matter), "closed", request)
