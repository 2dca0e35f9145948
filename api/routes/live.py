"""Cameras watched live, moments marked (巡查), thumbnails: for those who may, each viewing stated with its purpose.

A page fetches the pictures piece by piece, each with the question whether it may go on; the server keeps a few pieces
of a viewing and no more. ``api.live_views`` says when one ends.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from api.access import Access
from api.live_views import LiveViews, is_here, masks_of, thumbnail
from api.pages import HEADERS, Pages, language_of, page_url
from api.routes.params import MAX_LENGTH, Text
from api.translations import N_
from api.words import ALLEGATIONS
from ledger.cases.patrol import complain, mark, role_for, watcher
from ledger.cases.reads import note_read
from ledger.door.hall import Hall
from ledger.errors import Malformed, NotAllowed, NotFound
from ledger.facts.disputed import covers
from ledger.facts.patrol import COMPLAINED, MARKED, VIEWED, patrol_stream
from ledger.statement import instant_text, open_statement
from ledger.store.sequencer import now_us

PLACED_S: Final = 5.0
MAX_WORDS: Final = 2000
# blob: is where a script puts the pictures for the player.
_CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; media-src blob:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PURPOSES: Final = {
    "supervision": N_("watching the windows"),
    "patrol": N_("patrol"),
    "complaint": N_("about a complaint"),
    "incident": N_("something is happening"),
    "technical": N_("whether the camera works"),
}
CAUSES: Final = {
    "gap": N_("No picture comes: the recorder has lost the camera."),
    "silent": N_("No picture has come for some seconds."),
    "stopped": N_("Recording was stopped."),
    "never": N_("Nothing is recorded of this camera."),
    "left": N_("The viewing ended: nothing was asked for."),
    "term": N_("Half an hour is over. Open it again, with the purpose."),
    "right": N_("The right to watch is gone."),
    "masks": N_("What must not be shown of this camera has changed. Open it again."),
    "lost": N_("The server does not answer; trying again."),
    "over": N_("The viewing is over. Open it again, with the purpose."),
}
Camera = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Name = Annotated[str, Path(pattern=r"^[0-9a-f]{16}$")]
_HEX: Final = re.compile(r"[0-9a-f]{16}", re.ASCII)


def routes(hall: Hall, access: Access, pages: Pages) -> APIRouter:
    """Under ``/live``."""
    router = APIRouter(prefix="/live", default_response_class=HTMLResponse, include_in_schema=False)
    readers = [Depends(access.reader)]
    views = LiveViews(hall)
    router.add_event_handler("shutdown", views.end_all)

    def acting(request: Request) -> str:
        actor = access.actor(request)
        if actor is None:
            raise NotAllowed(
                "this session only reads", code="session-reads", mend="mingjian link --actor ACTOR makes one that acts"
            )
        return actor

    def covering(window: str) -> list[str]:
        _, registry = hall.door.registry()
        found = (stream.partition("/")[2] for stream, said in registry.cameras() if covers(said, window))
        return sorted(found, key=lambda camera: (not is_here(hall, camera), camera))

    @router.get("", dependencies=readers)
    def window_page(request: Request, window: Text = None) -> Response:
        """The first camera that covers a window; one that is recorded here where there is one."""
        found = covering(window or "")
        if not found:
            raise NotFound(f"no camera covers {window or 'nothing'}", code="no-camera", mend="name a window's id")
        address = page_url(f"/live/{found[0]}", {"window": window}, language_of(request))
        return RedirectResponse(address, status_code=303)

    @router.get("/{camera}", dependencies=readers)
    def camera_page(request: Request, camera: Camera, view: Text = None, window: Text = None) -> Response:
        """What for, before there is a picture; then the picture."""
        _, registry = hall.door.registry()
        masks = masks_of(registry, camera)
        said = registry.entries[f"camera/{camera}"].data
        actor = access.actor(request)
        going = None
        if view is not None and _HEX.fullmatch(view) and actor is not None:
            try:
                going = views.named(view, actor)
                going = going if going.over is None else None
            except (NotFound, NotAllowed):
                going = None
        windows = [one.removeprefix("window/") for one in said["windows"]]
        answer = pages.page(
            request,
            "live.html",
            camera=camera,
            said=said,
            windows=windows,
            window=window if window in windows else next(iter(windows), None),
            masks=len(masks),
            others=[one for one in dict.fromkeys(one for each in windows for one in covering(each)) if one != camera],
            going=going,
            was_over=view is not None and going is None,
            may_watch=actor is not None and role_for(registry, actor, VIEWED) is not None,
            may_mark=actor is not None and role_for(registry, actor, MARKED) is not None,
            may_complain=actor is not None and role_for(registry, actor, COMPLAINED) is not None,
            is_here=is_here(hall, camera),
            acts=actor is not None,
            purposes=PURPOSES,
            allegations=ALLEGATIONS,
            causes=CAUSES,
        )
        answer.headers["Content-Security-Policy"] = _CSP
        return answer

    @router.post("/{camera}", dependencies=readers)
    def watch(
        request: Request,
        camera: Camera,
        purpose: Annotated[str, Form(max_length=MAX_LENGTH)],
        window: Annotated[str | None, Form(max_length=MAX_LENGTH)] = None,
        complaint: Annotated[str | None, Form(max_length=MAX_LENGTH)] = None,
        words: Annotated[str | None, Form(max_length=MAX_WORDS)] = None,
    ) -> Response:
        """State that somebody watches from now on, and what for; the pictures come after."""
        view = views.open(
            acting(request),
            camera,
            window=window or None,
            purpose=purpose,
            complaint=complaint or None,
            words=words or None,
        )
        query = {"view": view.id, "window": window}
        return RedirectResponse(page_url(f"/live/{camera}", query, language_of(request)), status_code=303)

    @router.get("/views/{view}/next", dependencies=readers)
    def pieces(request: Request, view: Name, after: Annotated[int, Query(ge=0, le=2**53)] = 0) -> Response:
        """The next pieces of the picture, as soon as there are some."""
        last, body = views.take(view, access.actor(request), after)
        headers = HEADERS | {"X-Last": str(last), "X-Now": str(now_us())}
        return Response(body, media_type="application/octet-stream", headers=headers)

    @router.post("/views/{view}/end", dependencies=readers)
    def leave(request: Request, view: Name) -> Response:
        """Whoever watched has left."""
        views.end(views.named(view, access.actor(request)), "left")
        return Response(status_code=204)

    @router.post("/views/{view}/mark", dependencies=readers)
    def mark_moment(request: Request, view: Name) -> Response:
        """Mark this moment: a disputed event, held on every camera of the window."""
        going = views.named(view, access.actor(request))
        if going.window is None:
            raise Malformed(
                f"{going.camera} covers no window", code="no-window", mend="bind it to one: mingjian-camera add"
            )
        made = mark(watcher(hall, going.actor, to=MARKED), going.window, camera=going.camera, view=going.id)
        return JSONResponse({"mark": made.mark, "at": instant_text(now_us()), "held": sorted(made.holds)})

    @router.post("/marks/{name}/complain", dependencies=readers)
    def open_complaint(
        request: Request,
        name: Name,
        allegation: Annotated[str, Form(max_length=MAX_LENGTH)],
        words: Annotated[str, Form(max_length=MAX_WORDS)],
    ) -> Response:
        """Open a complaint about a marked moment; no citizen is needed."""
        actor = acting(request)
        if allegation not in ALLEGATIONS or not words.strip():
            raise Malformed("say what is complained of, and in words", code="allegation", mend="go back and fill it in")
        stream = hall.reader.stream(patrol_stream(name))
        if not stream:
            raise NotFound("there is no such mark", code="no-mark", mend="mark the moment first")
        about, outcomes = complain(
            watcher(hall, actor, to=COMPLAINED), name, open_statement(stream[0][2]).id, [allegation], words=words
        )
        hall.wait_placed(outcomes, timeout_s=PLACED_S)
        return RedirectResponse(page_url(f"/complaints/{about}", {}, language_of(request)), status_code=303)

    @router.get("/thumbnails/{camera}", dependencies=readers)
    def small(request: Request, camera: Camera) -> Response:
        """The last small picture of a camera, for those who may watch; stated as a read, once an hour."""
        _, registry = hall.door.registry()
        desk = watcher(hall, acting(request))
        body = thumbnail(hall, registry, camera)
        note_read(desk, f"camera/{camera}", purpose="thumbnail")
        return Response(body, media_type="image/jpeg", headers=HEADERS)

    return router
