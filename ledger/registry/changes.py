"""A change by two persons: the proposal, its confirmation, and what waits for one.

Promise: what is confirmed is what was proposed, to the byte: the content is taken from the proposal as it stands in
the log, sealed values by their digests, people by their pseudonyms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.errors import NotFound
from ledger.facts.registry import Proposal, Registry
from ledger.statement import StatementId


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal that nobody has confirmed yet."""

    id: StatementId
    proposal: Proposal


def propose(
    desk: Desk,
    stream: str,
    change: str,
    content: Mapping[str, Any],
    *,
    sealed: Mapping[str, Any] | None = None,
    request: str | None = None,
) -> Outcome:
    """Propose ``change`` (a type's name) of ``stream``; None in ``content`` is left out. Nothing is changed yet.

    ``sealed``: values that stand in the statement as digests only.
    """
    kind = change.partition(".")[0]
    stated = {name: value for name, value in content.items() if value is not None}
    values = {"change": change, "content": stated, **(sealed or {})}
    more = {} if request is None else {"request": request}
    return desk.say(stream, f"{kind}.change_proposed.v1", values, **more)


def confirm(desk: Desk, proposal_id: StatementId | str, *, request: str | None = None) -> Outcome:
    """Confirm a proposal, as a second person: from this statement on it holds."""
    named = proposal_id if isinstance(proposal_id, str) else proposal_id.hex()
    _, registry = desk.door.registry()
    found = next((each.proposal for each in waiting(registry) if each.id.hex() == named), None)
    if found is None:
        raise NotFound(
            f"no proposal {named:.64} waits for confirmation",
            code="proposal",
            mend="mingjian registry waiting shows those that do",
        )
    more = {} if request is None else {"request": request}
    return desk.say(found.stream, found.change, {**found.content, "proposal": named}, digests=found.sd, **more)


def waiting(registry: Registry) -> list[Waiting]:
    """The open proposals in the order in which they came, those whose term is over included."""
    return [Waiting(id_, proposal) for id_, proposal in registry.proposals.items()]


def is_open(registry: Registry, stream: str) -> bool:
    """Whether the thing of a stream is registered and not closed."""
    entry = registry.entries.get(stream)
    return entry is not None and not entry.closed
