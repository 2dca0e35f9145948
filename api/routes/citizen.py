"""The citizen's page: by the code on the slip, one's own matter in plain words, and who looked at it.

No session is needed: the code, which has 80 random bits, is what lets in. It is sent in the body of a form, so that it
stands in no address, no history and no server's log. What is shown was checked against the signed tree like every page.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, Response

from api.pages import Pages
from api.questions import CaseRecord, position_of, read_case, snapshot, tell_case
from ledger.cases.tracking import tracking_digest
from ledger.door.hall import Hall
from ledger.errors import NotFound
from projections import tracked

_CODE: Final = 40
# The clock that says to a citizen by when an answer is due: the promise, or the law's where there is none.
_DUE: Final = ("promise", "joint", "statutory", "gap_notice")


def routes(hall: Hall, pages: Pages) -> APIRouter:
    """Under ``/my``."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)

    @router.get("/my")
    def asked(request: Request) -> Response:
        """Where the code is typed."""
        return pages.page(request, "my.html", matters=[], missing=False)

    @router.post("/my")
    def shown(request: Request, code: Annotated[str, Form(max_length=_CODE)] = "") -> Response:
        """The matters that the code belongs to."""
        with snapshot(hall) as (connection, _):
            streams = tracked.streams_of(connection, tracking_digest(code))
            reads = {stream: tracked.reads_of(connection, stream) for stream in streams}
        matters = [_matter(hall, stream, reads[stream]) for stream in streams]
        found = all(one["wrong"] is None for one in matters)
        status = 404 if not matters else 200 if found else 500
        return pages.page(request, "my.html", status=status, matters=matters, missing=not matters)

    return router


def _matter(hall: Hall, stream: str, reads: list[dict[str, Any]]) -> dict[str, Any]:
    try:
        case = read_case(hall, stream, position=position_of(hall, None))
    except NotFound:  # it is being placed
        return {"stream": stream, "told": None, "item": None, "due": None, "reads": reads, "wrong": None}
    told = tell_case(hall, case)
    running = {one["clock"]: one for one in told["clocks"] if one["stopped"] is None}
    due = next((running[name] for name in _DUE if name in running), None)
    return {
        "stream": stream,
        "told": told,
        "item": _item(case),
        "due": due,
        "reads": reads,
        "wrong": case.first_wrong(),
    }


def _item(case: CaseRecord) -> str | None:
    """What was applied for, as the catalogue names it."""
    first = case.statements[0].act
    if first is None or not case.stream.startswith("approval/"):
        return None
    version = case.registry.item(first.data["item"])
    return str(first.data["item"] if version is None else version.get("name", first.data["item"]))
