"""The HTTP side: the log for everyone, entries for auditors, acts for those with a key, pages for people.

``create_app`` puts together what lies in ``api.routes``. Errors are problem details (RFC 9457) with the stable code of
``ledger.errors``; whoever asked for a page gets the same as a page. Nothing is loaded from elsewhere, no script or
style stands inside a page, and the content security policy says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from traceback import format_exception
from typing import Final

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Access, check_origin
from api.pages import Pages, content_policy
from api.problems import problem
from api.routes import (
    board,
    citizen,
    complaints,
    deadletters,
    footage,
    live,
    log,
    metrics,
    pages,
    proofs,
    queries,
    scrapi,
    screen,
    statements,
    webhook,
)
from api.routes.log import Figures
from ledger.door.hall import Hall
from ledger.errors import Malformed, MingjianError, NotAllowed, NotFound, Refused, Unavailable

logger = structlog.get_logger("http")

MAX_BODY_BYTES: Final = 1 << 20
_HEADERS: Final = {
    b"content-security-policy": content_policy().encode(),
    b"x-content-type-options": b"nosniff",
    # With no-referrer at all a browser hides from us, too, which page of ours a form was sent from.
    b"referrer-policy": b"same-origin",
    b"cache-control": b"no-store",
}
_DESCRIPTION: Final = """
Commands and queries of one ledger. Every answer to a query says how many it speaks of (`n`) and as of when (`as_of`:
position, recorded time, age). Times are RFC 3339; `as_of` is a position or recorded time, `event_time` and `at` are
claimed time. Errors are problem details (RFC 9457) with a stable `code`.
"""


class Guard:
    """Limits what a request may send and from where, and sets the headers that every answer carries unless its route
    set its own. ``told``: the answer to an error."""

    def __init__(self, app: ASGIApp, told: Callable[[Request, MingjianError], Response]) -> None:
        self._app, self._told = app, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY_BYTES:
                raise HTTPException(413, f"a request has at most {MAX_BODY_BYTES} bytes")
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                there = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *((name, value) for name, value in _HEADERS.items() if name not in there),
                ]
            await send(message)

        try:
            check_origin(request := Request(scope))
        except NotAllowed as error:
            await self._told(request, error)(scope, receive, guarded)
            return
        await self._app(scope, limited, guarded)


def create_app(hall: Hall) -> FastAPI:
    """The application over an open ledger. The caller keeps the sequencer and a projector running."""
    app = FastAPI(title="Mingjian 明鉴", version="0.1.0", description=_DESCRIPTION, docs_url=None, redoc_url=None)
    access, shown, figures = Access(hall), Pages(hall), Figures(hall)

    def told(request: Request, error: MingjianError, status: int | None = None) -> Response:
        figures.refused.labels(error.code).inc()
        if _wants_page(request):
            return shown.error(request, error, status=status)
        return problem(error, status=status)

    @app.exception_handler(MingjianError)
    def of_ours(request: Request, error: Exception) -> Response:
        assert isinstance(error, MingjianError)
        return told(request, error)

    @app.exception_handler(RequestValidationError)
    def of_form(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        wrong = [{"at": ".".join(map(str, one["loc"])), "what": one["msg"]} for one in error.errors()]
        named = ", ".join(dict.fromkeys(one["at"] for one in wrong))
        return told(request, Malformed(f"the request is not well formed: {named}", wrong=wrong))

    @app.exception_handler(HTTPException)
    def of_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 404:
            return told(request, NotFound(f"there is nothing at {request.url.path}", code="no-page"))
        answer = told(request, Refused(error.detail, code=f"http-{error.status_code}"), error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(psycopg.DataError)
    def of_values(request: Request, _: Exception) -> Response:
        return told(request, Malformed("a value given cannot stand in the database"))

    @app.exception_handler(Exception)
    def of_ours_alone(request: Request, error: Exception) -> Response:
        # Without the values of variables, which may be somebody's: the places are enough to find it.
        logger.error("a request met a bug", path=request.url.path, trace="".join(format_exception(error)))
        return told(request, Unavailable("the server made a mistake of its own", code="bug"), 500)

    app.include_router(log.routes(hall, access, figures))
    app.include_router(statements.routes(hall, access))
    app.include_router(proofs.routes(hall, access))
    app.include_router(scrapi.routes(hall, access))
    app.include_router(queries.routes(hall, access))
    app.include_router(metrics.routes(hall, access))
    app.include_router(pages.routes(hall, access, shown))
    app.include_router(board.routes(hall, access, shown))
    app.include_router(screen.routes(hall, shown))
    app.include_router(complaints.routes(hall, access, shown))
    app.include_router(citizen.routes(hall, shown))
    app.include_router(webhook.routes(hall))
    app.include_router(deadletters.routes(hall, access, shown))
    app.include_router(footage.routes(hall, access, shown))
    app.include_router(live.routes(hall, access, shown))
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
    app.add_middleware(Guard, told=told)
    return app


def _wants_page(request: Request) -> bool:
    path = request.url.path
    for_machines = path.startswith(("/api/", "/log/", "/static/")) or path in ("/healthz", "/metrics", "/openapi.json")
    return not for_machines and "text/html" in request.headers.get("accept", "")
