"""The dead letters for people and readers: where each stood and why it waits, never what it says.

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
from api.reasons import letter_shown
from api.routes.params import Limit, Text
from ledger.door.hall import Hall
from ledger.store.deadletters import DeadLetters

_PAGE: Final = 100
After = Annotated[int, Query(ge=0, le=2**62, description="Behind this id")]


def routes(hall: Hall, access: Access, pages: Pages) -> APIRouter:
    """``/api/deadletters`` and ``/deadletters``."""
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

    return router
