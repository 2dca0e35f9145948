"""The commands of a mediation (调解).

    file ─▶ consent · decline ─▶ name_mediators ─▶ hold_session … ─▶ agree · fail
      ─▶ confirm ─▶ perform · breach ─▶ close
    withdraw before an agreement; repeat_petition whenever it comes up again

What may follow what is decided by ``ledger.facts.mediation``.
``dispute`` is its own name, the stream ``mediation/DISPUTE``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(dispute: str) -> str:
    """The stream of a dispute."""
    return f"mediation/{dispute}"


def file(
    desk: Desk,
    dispute: str,
    kind: str,
    *,
    parties: Mapping[str, Any],
    matter: str,
    studio: str | None = None,
    channel: str = "centre",
    systems: Iterable[str] = (),
    request: str | None = None,
) -> Outcome:
    """Take a dispute: governance, petition, labour, consumer, medical or traffic. ``studio``: whose."""
    return act(
        desk,
        stream_of(dispute),
        "filed",
        request,
        dispute=kind,
        parties=dict(parties),
        matter=matter,
        studio=studio,
        channel=channel,
        systems=list(systems),
    )


def consent(desk: Desk, dispute: str, *, request: str | None = None) -> Outcome:
    """State that the parties agreed to mediate."""
    return act(desk, stream_of(dispute), "parties_agreed", request)


def decline(desk: Desk, dispute: str, *, reasons: str | None = None, request: str | None = None) -> Outcome:
    """State that they did not."""
    return act(desk, stream_of(dispute), "parties_declined", request, reasons=reasons)


def name_mediators(desk: Desk, dispute: str, mediators: Mapping[str, str], *, request: str | None = None) -> Outcome:
    """Name who mediates: actor → people, administrative or judicial; two kinds at least."""
    return act(desk, stream_of(dispute), "mediators_named", request, mediators=dict(mediators))


def hold_session(
    desk: Desk, dispute: str, *, minutes: str | None = None, words: str | None = None, request: str | None = None
) -> Outcome:
    """State a session."""
    return act(desk, stream_of(dispute), "session_held", request, minutes=minutes, words=words)


def agree(desk: Desk, dispute: str, terms: str, *, document: str | None = None, request: str | None = None) -> Outcome:
    """State what was agreed."""
    return act(desk, stream_of(dispute), "agreed", request, terms=terms, document=document)


def fail(desk: Desk, dispute: str, *, reasons: str | None = None, request: str | None = None) -> Outcome:
    """State that no agreement was found."""
    return act(desk, stream_of(dispute), "failed", request, reasons=reasons)


def withdraw(desk: Desk, dispute: str, *, reasons: str | None = None, request: str | None = None) -> Outcome:
    """End it at a party's wish."""
    return act(desk, stream_of(dispute), "withdrawn", request, reasons=reasons)


def confirm(desk: Desk, dispute: str, by: str, *, document: str | None = None, request: str | None = None) -> Outcome:
    """State that the agreement was confirmed, and by what: court, notary …"""
    return act(desk, stream_of(dispute), "confirmed", request, by=by, document=document)


def perform(desk: Desk, dispute: str, *, words: str | None = None, request: str | None = None) -> Outcome:
    """State that what was agreed was done."""
    return act(desk, stream_of(dispute), "performed", request, words=words)


def breach(desk: Desk, dispute: str, *, words: str | None = None, request: str | None = None) -> Outcome:
    """State that it was not."""
    return act(desk, stream_of(dispute), "breached", request, words=words)


def repeat_petition(desk: Desk, dispute: str, channel: str, *, request: str | None = None) -> Outcome:
    """State that it was brought up again."""
    return act(desk, stream_of(dispute), "petition_repeated", request, channel=channel)


def close(desk: Desk, dispute: str, *, request: str | None = None) -> Outcome:
    """Close the mediation."""
    return act(desk, stream_of(dispute), "closed", request)
