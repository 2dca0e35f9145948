"""Erasures carried out: what two persons stated in the log is destroyed in the vault, now or after a restore.

Promise: when ``apply_erasures`` returns, no value that a placed and published erasure names is in the vault, whichever
copy of it lies there. The vault itself remembers how far the log's erasures were applied to it, so an older copy knows
that it is older, and a process that was ended between the statement and the destruction goes on with the next start.
Each statement is checked against the signed tree first: a row that somebody wrote destroys nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from ledger.errors import Evidence, Refused, Unavailable
from ledger.facts.registry import LOG_STREAM
from ledger.statement import Statement, open_statement
from ledger.store import erasures
from ledger.store.erasures import Erasure

if TYPE_CHECKING:
    from ledger.door.door import Outcome
    from ledger.door.hall import Hall
    from ledger.tree.checkpoint import Checkpoint


def apply_erasures(hall: Hall) -> int:
    """Destroy what the log says is erased and this vault was not told yet; how many values went."""
    checkpoint = hall.publisher.checkpoint()
    if checkpoint is None:
        return 0
    with hall.database.use("reader") as connection:
        found = erasures.read_erasures(connection, since=hall.vault.erased_upto())
    found = [one for one in found if one.index < checkpoint.size and _holds(hall, one, checkpoint)]
    if not found:
        return 0
    return hall.vault.erase(((one.subject, one.digests) for one in found), upto=found[-1].index + 1)


def apply_when_placed(hall: Hall, outcome: Outcome, *, timeout_s: float) -> bool:
    """Carry out a committed erasure once it is placed and published; False when it was not in that time.

    What stands in the way is a finding of the hall, not the committer's fault: the next start tries again.
    """
    index = hall.wait_placed([outcome], timeout_s=timeout_s).get(outcome.id)
    checkpoint = hall.publisher.checkpoint()
    if index is None or checkpoint is None or index >= checkpoint.size:
        return False
    try:
        apply_erasures(hall)
    except Unavailable:
        return False
    except (Refused, Evidence) as error:
        hall.findings.add(error, lasting=True)
    return True


def _holds(hall: Hall, one: Erasure, checkpoint: Checkpoint) -> bool:
    """Whether the statement stands in the signed tree and is not voided by the one behind it (Evidence otherwise)."""
    indexes = [index for index in (one.index, one.index + 1) if index < checkpoint.size]
    placed, *after = hall.reader.verified(indexes, checkpoint)
    act = open_statement(placed.entry)
    behind = [open_statement(other.entry) for other in after]
    return act.id == one.act.id and not any(
        other.stream == LOG_STREAM and other.data.get("statement") == act.id.hex() for other in behind
    )


def erased_by(hall: Hall, acts: Sequence[Statement]) -> dict[str, int]:
    """Of the sealed values of ``acts``, those erased: digest → leaf index of the statement that did it."""
    digests = [digest for act in acts for digest in act.sd]
    gone = set(digests) - hall.vault.held(digests)
    return _by(hall, gone, {act.stream for act in acts})


def erased_people(hall: Hall, pseudonyms: Collection[str]) -> dict[str, int]:
    """Of ``pseudonyms``, those whose names were erased, with the leaf index of the statement."""
    with hall.database.use("reader") as connection:
        found = erasures.read_erasures(connection, subjects=[f"person/{one}" for one in pseudonyms])
    return {one.subject.removeprefix("person/"): one.index for one in found}


def _by(hall: Hall, digests: Collection[str], subjects: Collection[str]) -> dict[str, int]:
    if not digests:
        return {}
    with hall.database.use("reader") as connection:
        return erasures.erased_by(connection, digests, subjects=subjects)
