"""The systems brought in, and their dead letters: where each stood and why it waits, never what it says.

What a record says is personal and opened by whoever owns the data folder alone (``mingjian deadletter show``).
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from api.access import Access
from api.output import dated
from api.pages import Pages
from api.problems import RESPONSES
from api.questions import snapshot
from api.reasons import letter_shown, reason
from api.routes.params import Limit, Text
from ledger.door.hall import Hall
from ledger.exchange.adapters.hooks import list_hooks
from ledger.facts.registry import adapter_of
from ledger.store.deadletters import DeadLetters
from projections import sources

_PAGE: Final = 100
After = Annotated[int, Query(ge=0, le=2**62, description="Behind this id")]


def routes(hall: Hall, access: Access, pages: Pages) -> APIRouter:
    """``/api/adapters``, ``/api/deadletters``, ``/adapters`` and ``/deadletters``."""
    router = APIRouter(dependencies=[Depends(access.reader)], responses=RESPONSES)
    place = DeadLetters(hall.database, hall.vault)

    def found(source: str | None, after: int, limit: int) -> dict[str, Any]:
        letters = [letter_shown(one) for one in place.list(source=source, after=after, limit=limit)]
        reasons = place.counts(source).get("waiting", {})
        return {"n": len(letters), "waiting": sum(reasons.values()), "by_reason": reasons, "letters": letters}

    @router.get("/api/deadletters", tags=["hooks"])
    def listed(source: Text = None, after: After = 0, limit: Limit = _PAGE) -> dict[str, Any]:
        """Records of systems brought in that wait to be taken, with their places and reasons."""
        answer: dict[str, Any] = dated(found(source or None, after, limit))
        return answer

    @router.get("/deadletters", include_in_schema=False)
    def page(request: Request, source: Text = None, after: After = 0) -> Response:
        """The same for people."""
        return pages.page(
            request, "deadletters.html", source=source or "", after=after, **found(source or None, after, _PAGE)
        )

    def systems() -> dict[str, Any]:
        with snapshot(hall) as (connection, as_of):
            rows = sources.live_sources(connection)
        letters, hooks = place.by_source(), {(one.source, one.kind): one.alg for one in list_hooks(hall.data)}
        stated = {(one["source"], one["kind"]): one for one in rows}
        _, registry = hall.door.registry()
        keyed: dict[tuple[str, str], bool] = {}
        for key in registry.keys.values():
            if (found := adapter_of(key.actor)) is not None:
                keyed[found[::-1]] = not key.is_revoked or keyed.get(found[::-1], False)
        names = sorted(stated.keys() | letters.keys() | hooks.keys() | keyed.keys())
        shown = [
            {
                "source": source,
                "kind": kind,
                "taken": stated.get(name, {}).get("acts", 0),
                "last_us": stated.get(name, {}).get("last_us"),
                "hook": hooks.get(name),
                "key": {None: "none", True: "active", False: "revoked"}[keyed.get(name)],
                "waiting": sum(letters.get(name, {}).get("waiting", {}).values()),
                "dismissed": sum(letters.get(name, {}).get("dismissed", {}).values()),
                "reasons": [
                    {"code": code, "n": n} | reason(code)
                    for code, n in letters.get(name, {}).get("waiting", {}).items()
                ],
            }
            for name in names
            for source, kind in (name,)
        ]
        return {"n": len(shown), "adapters": shown, "as_of": as_of}

    @router.get("/api/adapters", tags=["hooks"])
    def brought_in() -> dict[str, Any]:
        """The live systems brought in: what each has stated, and when last; which of its records wait, and why."""
        answer: dict[str, Any] = dated(systems())
        return answer

    @router.get("/adapters", include_in_schema=False)
    def systems_page(request: Request) -> Response:
        """The same for people."""
        return pages.page(request, "adapters.html", **systems())

    return router
