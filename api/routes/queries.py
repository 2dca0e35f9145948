"""Cases, queues, figures and registries, each answer with its n, the position it is as of, recorded time and age.

``as_of`` is a position or a recorded time; ``event_time`` and ``at`` are claimed time, which is the only one that
means anything for imported history. They are never mixed up.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from api.access import Access
from api.problems import RESPONSES
from api.questions import (
    asked_position,
    case_history,
    case_ids,
    claimed_us,
    due_before,
    find_stream,
    snapshot,
)
from api.reads import note
from api.routes.params import (
    MAX_LENGTH,
    PATTERN,
    AsOf,
    Attribute,
    ClaimedTime,
    Limit,
    MaybeClaimedTime,
    Offset,
    Source,
    Text,
)
from ledger.door.hall import Hall
from ledger.facts.approval import Stage
from ledger.facts.metrics import read_card_rules, threshold_rules
from projections import cases, clocks, imported, registries, tickets

Name = Annotated[str, Path(pattern=PATTERN, min_length=1, max_length=MAX_LENGTH)]
Before = Annotated[str | None, Query(max_length=40, description="A recorded time, or `now`: the log's own last")]
Kind = Literal["calendar", "item", "key", "ledger", "policy", "roster", "staff", "unit", "window"]


class Rules(BaseModel):
    """Two shares of the time allowed, or a rule pack as a rule file holds it."""

    model_config = ConfigDict(extra="forbid")

    yellow: str = Field(default="0.9", max_length=40, description="Share at which a yellow card is raised")
    red: str = Field(default="1.0", max_length=40, description="Share past which a red card is raised")
    pack: dict[str, Any] | None = Field(default=None, description="A rule file's content, instead of the two shares")


def routes(hall: Hall, access: Access) -> APIRouter:
    """Under ``/api/``: sources, cases, queues, clocks, tickets and registries."""
    router = APIRouter(prefix="/api", dependencies=[Depends(access.reader)], responses=RESPONSES)

    # ------------------------------------------------------------------------------------------ imported sources

    @router.get("/sources", tags=["sources"])
    def sources() -> dict[str, Any]:
        """The sources that were imported, each with its imports; an unfinished one has no ``finished_index``."""
        with snapshot(hall) as (connection, as_of):
            found = [
                {"source": name, "imports": imported.imports(connection, name)} for name in imported.sources(connection)
            ]
        return {"n": len(found), "sources": found, "as_of": as_of}

    @router.get("/sources/{source}", tags=["sources"])
    def totals(source: Source) -> dict[str, Any]:
        """How much a source holds, and from when to when."""
        with snapshot(hall) as (connection, as_of):
            found = imported.totals(connection, source)
        return {"n": found["cases"], **found, "as_of": as_of}

    @router.get("/sources/{source}/imports", tags=["sources"])
    def imports(source: Source) -> dict[str, Any]:
        """The files of a source, in the order in which they came."""
        with snapshot(hall) as (connection, as_of):
            found = imported.imports(connection, source)
        return {"n": len(found), "imports": found, "as_of": as_of}

    @router.get("/sources/{source}/throughput", tags=["figures"])
    def throughput(source: Source, top: Annotated[int, Query(ge=0, le=100)] = 5) -> dict[str, Any]:
        """Durations, variants, hand-overs."""
        with snapshot(hall) as (connection, as_of):
            found = imported.throughput(connection, source, top=top)
        return {"n": found.n, **found.as_json(), "as_of": as_of}

    @router.get("/sources/{source}/deadlines", tags=["figures"])
    def deadlines(
        source: Source,
        start_attr: Attribute = imported.START,
        deadline_attr: Attribute = imported.DEADLINE,
        end_attr: Attribute = imported.END,
        at: MaybeClaimedTime = None,
    ) -> dict[str, Any]:
        """Closed in time, late, open; with ``at`` as of that claimed time."""
        at_us = None if at is None else claimed_us(at)
        with snapshot(hall) as (connection, as_of):
            found = imported.deadlines(connection, source, start_attr, deadline_attr, end_attr, at_us=at_us)
        return {"n": found.n, **found.as_json(), "as_of": as_of}

    @router.get("/sources/{source}/as-of", tags=["figures"])
    def as_of_time(source: Source, event_time: ClaimedTime) -> dict[str, Any]:
        """What had begun and ended by a claimed time."""
        at_us = claimed_us(event_time)
        with snapshot(hall) as (connection, as_of):
            found = imported.as_of(connection, source, at_us)
        return {"n": found.n, **found.as_json(), "as_of": as_of}

    @router.post("/sources/{source}/backtest", tags=["figures"])
    def backtest(source: Source, rules: Rules) -> dict[str, Any]:
        """Which cards a rule would have raised, in plain elapsed time. Nothing is changed by asking."""
        if rules.pack is None:
            pack = threshold_rules(yellow=rules.yellow, red=rules.red)
        else:
            pack = read_card_rules(json.dumps(rules.pack).encode())  # orjson would not write numbers of any size
        with snapshot(hall) as (connection, as_of):
            found = imported.backtest(connection, source, pack)
        return {"n": found.n, **found.as_json(), "as_of": as_of}

    # --------------------------------------------------------------------------------------------------- cases

    @router.get("/cases", tags=["cases"])
    def case_list(
        source: Annotated[str, Query(pattern=PATTERN, max_length=MAX_LENGTH)],
        state: Literal["open", "closed"] | None = None,
        late: bool | None = None,
        flagged: bool | None = None,
        activity: Text = None,
        at: MaybeClaimedTime = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """The cases of a source that match, a page of them; ``n`` counts all. With ``at``, as of that claimed time."""
        at_us = None if at is None else claimed_us(at)
        with snapshot(hall) as (connection, as_of):
            found = imported.case_list(
                connection,
                source,
                state=state,
                late=late,
                flagged=flagged,
                activity=activity,
                at_us=at_us,
                limit=limit,
                offset=offset,
            )
        ids = case_ids(hall, [case["stream"] for case in found["cases"]])
        listed = [{"id": ids.get(case["stream"])} | case for case in found["cases"]]
        return {"n": found["n"], "cases": listed, "as_of": as_of}

    @router.get("/cases/{case:path}", tags=["cases"])
    def case_show(
        request: Request, case: Name, as_of: AsOf = None, event_time: MaybeClaimedTime = None
    ) -> dict[str, Any]:
        """One case's history, each statement checked against the tree and its signer's key. By stream or source id."""
        stream = find_stream(hall, case)
        note(hall, access.actor(request), stream)
        return case_history(hall, stream, as_of=as_of, event_time=event_time)

    # -------------------------------------------------------------------------------------------- live queues

    @router.get("/queues", tags=["queues"])
    def queue(
        unit: Text = None,
        window: Text = None,
        item: Text = None,
        stage: Annotated[list[Stage], Query()] = [],  # noqa: B006 - FastAPI copies it
        suspended: bool | None = None,
        as_of: AsOf = None,
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """The live cases open as of a position or recorded time, oldest first; ``n`` counts all that match."""
        asked = asked_position(hall, as_of)
        with snapshot(hall) as (connection, standing):
            position, told = asked.within(standing)
            found = cases.queue(
                connection,
                position=position,
                unit=unit,
                window=window,
                item=item,
                stages=[str(one) for one in stage],
                suspended=suspended,
                limit=limit,
                offset=offset,
            )
        return {**found, "as_of": told}

    @router.get("/clocks", tags=["queues"])
    def due(
        clock: Text = None, before: Before = None, as_of: AsOf = None, limit: Limit = 50, offset: Offset = 0
    ) -> dict[str, Any]:
        """The running clocks of live cases, the earliest due first; with ``before`` those due before then."""
        asked = asked_position(hall, as_of)
        with snapshot(hall) as (connection, standing):
            position, told = asked.within(standing)
            before_us = due_before(before, told)
            found = clocks.due_list(
                connection, position=position, clock=clock, before_us=before_us, limit=limit, offset=offset
            )
        return {**found, "as_of": told}

    @router.get("/tickets", tags=["queues"])
    def waiting(queue: Text = None, window: Text = None, as_of: AsOf = None) -> dict[str, Any]:
        """The tickets waiting or being served, in the order in which they were taken."""
        asked = asked_position(hall, as_of)
        with snapshot(hall) as (connection, standing):
            position, told = asked.within(standing)
            found = tickets.waiting(connection, position=position, queue=queue, window=window)
        return {"n": len(found), "tickets": found, "as_of": told}

    # ---------------------------------------------------------------------------------------------- registries

    @router.get("/registries/{kind}", tags=["registries"])
    def registry(kind: Kind, closed: bool = False, as_of: AsOf = None) -> dict[str, Any]:
        """What held in a registry as of a position or recorded time."""
        asked = asked_position(hall, as_of)
        with snapshot(hall) as (connection, standing):
            position, told = asked.within(standing)
            found = registries.entries(connection, kind, position=position, closed=closed)
        return {"n": len(found), "entries": found, "as_of": told}

    @router.get("/registries/{kind}/{thing:path}", tags=["registries"])
    def versions(kind: Kind, thing: Name, as_of: AsOf = None) -> dict[str, Any]:
        """Every statement about one thing of a registry, proposals included, in order."""
        asked = asked_position(hall, as_of)
        with snapshot(hall) as (connection, standing):
            position, told = asked.within(standing)
            found = registries.versions(connection, f"{kind}/{thing}", position=position)
        return {"n": len(found), "versions": found, "as_of": told}

    return router
