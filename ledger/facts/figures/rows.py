"""The rows of every kind of stream that adds to a figure, in one table (see ``journal``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ledger.facts.figures import of_cases, of_centres
from ledger.facts.figures.definitions import ACROSS
from ledger.facts.figures.journal import Fact, Journal, Look, Place, Subject
from ledger.facts.types import verb_of
from ledger.facts.upcasts import current
from ledger.statement import Statement

SUBJECTS: Final[Mapping[str, Subject]] = {**of_cases.SUBJECTS, **of_centres.SUBJECTS}
"""By kind of stream."""


def take(journal: Journal | None, act: Statement, recorded_us: int, look: Look) -> Journal:
    """The journal after a valid act of one of ``SUBJECTS``, changed in place."""
    act = current(act)
    journal = Journal(Place()) if journal is None else journal
    SUBJECTS[act.kind].take(journal, verb_of(act.type), act, recorded_us, look)
    if act.seq == 1 and (systems := sorted(set(act.data.get("systems", ())))):
        journal.kept["crossed"] = [recorded_us, systems]
    return journal


def facts(kind: str, journal: Journal) -> Iterator[Fact]:
    """The rows that hold after the acts taken so far."""
    yield from SUBJECTS[kind].facts(journal)
    if "crossed" in journal.kept:
        us, systems = journal.kept["crossed"]
        yield Fact("crossed", us, journal.place, ACROSS.join(systems), int(len(systems) > 1))


def looked_up(act: Statement) -> tuple[str, ...]:
    """The other streams whose place ``take`` may ask for."""
    if act.type == "card.raised.v1":
        return (act.data["case"],)
    return of_cases.visited(act.data["visit"]) if act.type == "rating.given.v1" else ()
