"""Erasures at the door: carried out as soon as they are published, and found again for whoever misses a value."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import Evidence, Refused, Unavailable
from ledger.statement import Statement
from ledger.store import erasures


def apply_when_placed(hall: Hall, outcome: Outcome, *, timeout_s: float) -> bool:
    """Carry out a committed erasure once it is placed and published; False when it was not in that time.

    What stands in the way is a finding of the hall, not the committer's fault: the next start tries again.
    """
    index = hall.wait_placed([outcome], timeout_s=timeout_s).get(outcome.id)
    checkpoint = hall.publisher.checkpoint()
    if index is None or checkpoint is None or index >= checkpoint.size:
        return False
    try:
        hall.apply_erasures()
    except Unavailable:
        return False
    except (Refused, Evidence) as error:
        hall.findings.add(error, lasting=True)
    return True


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
