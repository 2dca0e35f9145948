"""Complaints: their list, and one complaint beside its footage.

The page itself serves no footage: its player asks ``api.routes.footage`` for the film of the reader's own grant.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, Response

from api.access import Access
from api.complaint_view import STAGES, complaint_view
from api.pages import Pages, content_policy, typed_position
from api.questions import asked_position, snapshot
from api.reads import check_complaints
from api.routes.params import Text
from ledger.door.hall import Hall
from ledger.errors import NotFound
from projections import complaints

PAGE: Final = 50
Number = Annotated[int | None, Query(ge=0, le=2**53)]
Page = Annotated[int, Query(ge=1, le=1_000_000)]


def routes(hall: Hall, access: Access, pages: Pages) -> APIRouter:
    """Under ``/complaints``."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
    readers = [Depends(access.reader)]

    @router.get("/complaints", dependencies=readers)
    def complaint_list(request: Request, stage: Text = None, as_of: Text = None, page: Page = 1) -> Response:
        """All complaints, the newest first: to those who may read them, and to sessions without a name."""
        check_complaints(hall, access.actor(request))
        asked = asked_position(hall, typed_position(as_of))
        with snapshot(hall) as (connection, standing):
            position, told = asked.within(standing)
            found = complaints.complaint_list(
                connection, position=position, stage=stage or None, limit=PAGE, offset=(page - 1) * PAGE
            )
        return pages.page(
            request,
            "complaints.html",
            as_of=told,
            asked={"stage": stage, "as_of": as_of},
            stages=STAGES,
            n=found["n"],
            complaints=found["complaints"],
            page=page,
            last_page=max(1, -(-found["n"] // PAGE)),
        )

    @router.get("/complaints/{name}", dependencies=readers)
    def complaint_page(request: Request, name: str, clip: Text = None, event: Number = None) -> Response:
        """One complaint: the disputed case's events beside the clip, holds, grants, findings, the eleven steps.

        A session without a name sees the steps, and how many of the rest there are.
        """
        if "\0" in name:
            raise NotFound("there is no such complaint", code="no-case")
        view = complaint_view(hall, name, actor=access.actor(request), clip=clip, event=event)
        status = 200 if view["wrong"] is None else 500
        template = (
            "complaint.html" if view["wrong"] is not None or view["actor"] is not None else "complaint_public.html"
        )
        answer = pages.page(request, template, status=status, **view)
        answer.headers["Content-Security-Policy"] = content_policy("'self'")
        return answer

    return router
