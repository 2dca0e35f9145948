"""The pages: cases, one case's history, queues, the log's state, the API's description; and the way in and out."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Access
from api.case_view import case_view
from api.log_questions import log_state
from api.pages import Pages, language_of, local_moment, page_url, typed_position
from api.questions import (
    asked_position,
    case_ids,
    due_before,
    find_stream,
    position_of,
    read_case,
    snapshot,
    stand,
)
from api.reads import COMPLAINT, note
from api.routes.params import MAX_LENGTH, Text
from ledger.door.hall import Hall
from ledger.errors import NotAllowed, NotFound
from ledger.facts.approval import Stage
from ledger.store.database import Connection
from projections import cases, clocks, imported, tickets, tracked

PAGE: Final = 50
Number = Annotated[int, Query(ge=1, le=10_000_000)]


def routes(hall: Hall, access: Access, pages: Pages) -> APIRouter:
    """Under ``/``, ``/cases/…``, ``/queues``, ``/log``, ``/docs``, ``/enter`` and ``/leave``."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)
    readers = [Depends(access.reader)]
    # The names of activities are looked up once for each position of the projections, not for each page.
    known: dict[str, tuple[int, list[str]]] = {}

    # ------------------------------------------------------------------------------------------- in and out

    @router.get("/enter")
    def enter(request: Request, code: Annotated[str, Query(max_length=MAX_LENGTH)] = "") -> Response:
        """Spend a one-time code: the browser gets a session, and the code is gone."""
        session = access.sessions.enter(code)
        if session is None:
            raise NotAllowed("the link was used, or is older than ten minutes", code="link", mend="mingjian link")
        answer = RedirectResponse(page_url("/", {}, language_of(request)), status_code=303)
        access.enter(answer, session, secure=request.url.scheme == "https")
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @router.post("/leave", dependencies=readers)
    def leave(request: Request) -> Response:
        """End the browser's session."""
        access.sessions.leave(request.cookies.get(access.cookie, ""))
        answer = RedirectResponse(page_url("/", {}, language_of(request)), status_code=303)
        answer.delete_cookie(access.cookie)
        return answer

    # ------------------------------------------------------------------------------------------------ cases

    @router.get("/", dependencies=readers)
    def case_list(
        request: Request,
        source: Text = None,
        state: Text = None,
        late: Text = None,
        flagged: Text = None,
        activity: Text = None,
        at: Text = None,
        case: Text = None,
        page: Number = 1,
    ) -> Response:
        """The cases of a source, by what the address asks for."""
        at_us = local_moment(at) if at else None
        asked = {
            "source": source,
            "state": state if state in ("open", "closed") else None,
            "late": late if late in ("yes", "no") else None,
            "flagged": flagged if flagged in ("yes", "no") else None,
            "activity": activity,
            "at": at,
        }
        with snapshot(hall) as (connection, as_of):
            sources = imported.sources(connection)
            if not sources:
                return pages.page(request, "empty.html", as_of=as_of)
            chosen = source or sources[0]
            unfinished = [one for one in imported.imports(connection, chosen) if one["finished_index"] is None]
            if known.get(chosen, (None, []))[0] != as_of["position"]:
                known[chosen] = (as_of["position"], imported.activities(connection, chosen))
            found = imported.case_list(
                connection,
                chosen,
                state=asked["state"],
                late=_yes(asked["late"]),
                flagged=_yes(asked["flagged"]),
                activity=activity or None,
                at_us=at_us,
                limit=PAGE,
                offset=(page - 1) * PAGE,
            )
        if case and case.strip():
            try:
                stream = find_stream(hall, case.strip())
            except NotFound:
                missing = case.strip()
            else:
                return RedirectResponse(page_url(f"/cases/{stream}", {}, language_of(request)), status_code=303)
        else:
            missing = None
        return pages.page(
            request,
            "cases.html",
            as_of=as_of,
            sources=sources,
            source=chosen,
            unfinished=unfinished,
            activities=known[chosen][1],
            asked=asked | {"source": chosen},
            at_us=at_us,
            n=found["n"],
            cases=found["cases"],
            ids=case_ids(hall, [one["stream"] for one in found["cases"]]),
            missing=missing,
            page=page,
            last_page=max(1, -(-found["n"] // PAGE)),
            first=(page - 1) * PAGE + 1,
        )

    @router.get("/cases/{stream:path}", dependencies=readers)
    def case_page(
        request: Request,
        stream: str,
        as_of: Text = None,
        at: Text = None,
        step: Annotated[int | None, Query(ge=1, le=10_000_000)] = None,
        part: Text = None,
    ) -> Response:
        """One case's history, as of a moment; imported ones on claimed time, live ones on recorded time."""
        if "\0" in stream:
            raise NotFound("there is no such case", code="no-case")
        stream, actor = find_stream(hall, stream), access.actor(request)
        if stream.startswith(COMPLAINT):
            return RedirectResponse(page_url(f"/complaints/{stream.removeprefix(COMPLAINT)}", {}, language_of(request)))
        note(hall, actor, stream)
        case = read_case(hall, stream, position=position_of(hall, None))
        view = case_view(hall, case, as_of=typed_position(as_of), at=at, step=step)
        template = "_history.html" if part == "history" else "case.html"
        wrong = case.first_wrong()
        with snapshot(hall) as (connection, _):
            reads = tracked.reads_of(connection, case.stream)
        vkey = str(hall.publisher.alone.logs[0].key)
        status = 200 if wrong is None else 500
        return pages.page(request, template, status=status, wrong=wrong, reads=reads, vkey=vkey, **view)

    # ----------------------------------------------------------------------------------------------- queues

    @router.get("/queues", dependencies=readers)
    def queues(
        request: Request,
        unit: Text = None,
        window: Text = None,
        item: Text = None,
        stage: Text = None,
        suspended: Text = None,
        clock: Text = None,
        overdue: Text = None,
        as_of: Text = None,
        at: Text = None,
        page: Number = 1,
    ) -> Response:
        """What is open: live cases and tickets by recorded time, imported cases by claimed time."""
        asked = asked_position(hall, typed_position(as_of))
        at_us = local_moment(at) if at else None
        with snapshot(hall) as (connection, standing):
            position, told = asked.within(standing)
            found = cases.queue(
                connection,
                position=position,
                unit=unit or None,
                window=window or None,
                item=item or None,
                stages=[stage] if stage else (),
                suspended=_yes(suspended),
                limit=PAGE,
                offset=(page - 1) * PAGE,
            )
            waiting = tickets.waiting(connection, position=position, window=window or None)
            running = clocks.due_list(
                connection,
                position=position,
                clock=clock or None,
                before_us=due_before("now" if overdue == "yes" else None, told),
                limit=PAGE,
            )
            of_sources = [_open_of(connection, name, at_us) for name in imported.sources(connection)]
        return pages.page(
            request,
            "queues.html",
            as_of=told,
            running=running,
            asked={
                "unit": unit,
                "window": window,
                "item": item,
                "stage": stage,
                "suspended": suspended,
                "clock": clock,
                "overdue": overdue,
                "as_of": as_of,
                "at": at,
            },
            stages=[str(one) for one in Stage if one is not Stage.CLOSED],
            n=found["n"],
            cases=found["cases"],
            tickets=waiting,
            sources=of_sources,
            at_us=at_us,
            page=page,
            last_page=max(1, -(-found["n"] // PAGE)),
        )

    # -------------------------------------------------------------------------------------------- log, docs

    @router.get("/log", dependencies=readers)
    def log_page(request: Request) -> Response:
        """The log's state: what an auditor looks at first."""
        with snapshot(hall) as (connection, _):
            imports = [
                {"source": name, **one}
                for name in imported.sources(connection)
                for one in imported.imports(connection, name)
            ]
        return pages.page(request, "log.html", as_of=stand(hall), log=log_state(hall), imports=imports)

    @router.get("/docs")
    def docs(request: Request) -> Response:
        """The API's description, from the same OpenAPI document that machines read."""
        document = request.app.openapi()
        tagged: dict[str, list[dict[str, Any]]] = {}
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                tag = (operation.get("tags") or ["other"])[0]
                tagged.setdefault(tag, []).append({"path": path, "method": method.upper(), **operation})
        return pages.render(request, "docs.html", tagged=tagged, document=document, simulated=False, findings=())

    return router


def _yes(value: str | None) -> bool | None:
    return {"yes": True, "no": False}.get(value or "")


def _open_of(connection: Connection, source: str, at_us: int | None) -> dict[str, Any]:
    """How many of a source's cases are open; and late, where there is a moment to measure by."""
    count = partial(imported.case_list, connection, source, limit=0, at_us=at_us, state="open")
    return {"source": source, "open": count()["n"], "late": None if at_us is None else count(late=True)["n"]}
