"""The commands of acting for somebody (代办): consent first.

    consent ─▶ assign ─▶ act_for … ─▶ end;   withdraw at any time

What may follow what is decided by ``ledger.facts.proxy``. ``proxy`` is its own name, the stream ``proxy/PROXY``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from ledger.cases.acts import act
from ledger.door.desk import Desk
from ledger.door.door import Outcome


def stream_of(proxy: str) -> str:
    """The stream of a proxy."""
    return f"proxy/{proxy}"


def consent(
    desk: Desk,
    proxy: str,
    person: str,
    *,
    scope: Iterable[str],
    until: date,
    form: str,
    document: str | None = None,
    request: str | None = None,
) -> Outcome:
    """Record whose consent it is, what for, until when and in which form: written, witnessed, recorded, guardian."""
    return act(
        desk,
        stream_of(proxy),
        "consented",
        request,
        person=person,
        scope=list(scope),
        until=until.isoformat(),
        form=form,
        document=document,
    )


def assign(desk: Desk, proxy: str, agent: str, *, request: str | None = None) -> Outcome:
    """Name who acts."""
    return act(desk, stream_of(proxy), "assigned", request, agent=agent)


def act_for(desk: Desk, proxy: str, item: str, case: str, what: str, *, request: str | None = None) -> Outcome:
    """State what was done for the person, in which case (its stream)."""
    return act(desk, stream_of(proxy), "acted", request, item=item, case=case, what=what)


def withdraw(desk: Desk, proxy: str, *, request: str | None = None) -> Outcome:
    """Record that the consent is withdrawn."""
    return act(desk, stream_of(proxy), "withdrawn", request)


def end(desk: Desk, proxy: str, reason: str, *, request: str | None = None) -> Outcome:
    """End it."""
    return act(desk, stream_of(proxy), "ended", request, reason=reason)
