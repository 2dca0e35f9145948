"""One figure, as commands and the interface ask for it: in one snapshot, as of a position, with its age."""

from __future__ import annotations

from typing import Any

from api.questions import asked_position, snapshot
from ledger.door.hall import Hall
from ledger.facts.figures.answers import (
    Period,
    ask,
    is_public,
    last_quarter,
    listed_figures,
    public_position_us,
    public_quarter,
)
from ledger.facts.figures.scorecard import Formula
from ledger.statement import instant_text, instant_us
from projections.facts import FactSource


def figure(
    hall: Hall,
    name: str,
    *,
    by: str | None = None,
    since: str | None = None,
    until: str | None = None,
    as_of: str | None = None,
    public: bool = False,
    formula: Formula | None = None,
) -> dict[str, Any]:
    """The figure as JSON (see ``ledger.facts.figures.answers``), its ``as_of`` with the age that it has now.

    A public one without a period is of the last quarter that is over.
    """
    period = Period.parse(since, until)
    public = is_public(name, public=public)
    if public:
        if period == Period():
            newest_us = hall.reader.head().recorded_us
            period = last_quarter(newest_us or 0)
        as_of = instant_text(public_position_us(period.until_us, as_of=as_of))
    asked = asked_position(hall, as_of)
    with snapshot(hall) as (connection, standing):
        if public:
            newest = standing["recorded"]
            period = public_quarter(period, now_us=0 if newest is None else instant_us(newest))
        position, told = asked.within(standing)
        recorded_us = None if told["recorded"] is None else instant_us(told["recorded"])
        source = FactSource(connection, position, told["position"], recorded_us)
        answer = ask(source, name, by=by, period=period, public=public, formula=formula)
    return answer | {"as_of": told}


def listed() -> dict[str, Any]:
    """Every figure by name, with its words in both languages."""
    found = listed_figures()
    return {"n": len(found), "metrics": found}
