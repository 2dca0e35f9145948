"""Clips to those who were granted them: a page with the film, the film in pieces, the redaction to take away.

Whoever comes by a signed link is its viewer, in the one browser that opened it first; else the session's actor is. Each
answer asks the grant again: what has expired or was withdrawn since ends at the next piece.

A link is opened by a button, not by its address: what looks at the links in a letter before its reader does opens none,
and the cookie that the browser then gets comes along from no other site. Film and file, which are stated when they are
sent, go to our own pages and to whoever asks for them themselves.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path as File
from typing import Annotated, Final

from fastapi import APIRouter, Form, Path, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from api.access import Access, check_own
from api.clip_films import film_for
from api.clip_links import ClipLinks
from api.pages import Pages, content_policy, language_of, page_url
from ledger.cases.grants import Opened, opened, read_grant, state_download, state_view
from ledger.cases.kept_footage import kept
from ledger.door.hall import Hall
from ledger.errors import NotAllowed
from ledger.store.sequencer import now_us

_HOUR_US: Final = 3_600_000_000
_RANGE: Final = re.compile(r"bytes=([0-9]{0,15})-([0-9]{0,15})", re.ASCII)
Grant = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Redaction = Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Link = Annotated[str, Query(max_length=1000)]


def routes(hall: Hall, access: Access, pages: Pages) -> APIRouter:
    """Under ``/clips/``."""
    router = APIRouter(prefix="/clips", default_response_class=HTMLResponse, include_in_schema=False)
    links = ClipLinks(hall)

    def cookie(grant: str) -> str:
        return f"{access.cookie}_{hashlib.sha256(grant.encode()).hexdigest()[:8]}"

    def come(request: Request, grant: str, redaction: str | None, *, use: str = "view") -> tuple[Opened, str | None]:
        """What whoever asks may have now, and by which link."""
        held = request.cookies.get(cookie(grant))
        link = None if held is None else links.held(held)
        if link is not None and link.grant == grant:
            redaction = link.redaction
            return opened(hall, grant, viewer=link.viewer, use=use, redaction=redaction), link.id
        actor = access.actor(request)
        if actor is None:
            raise NotAllowed(
                "a clip is shown to whom it was granted: by a link to it, or in a session of theirs",
                code="clip-viewer",
                mend="mingjian grant link GRANT, or mingjian link --actor ACTOR",
            )
        return opened(hall, grant, viewer=actor, use=use, redaction=redaction), None

    @router.get("/open")
    def show_link(request: Request, link: Link = "") -> Response:
        """What the link would open; nothing is opened by looking."""
        links.check(link)
        return pages.render(request, "clip_open.html", link=link, simulated=False, findings=())

    @router.post("/open")
    def open_link(request: Request, link: Annotated[str, Form(max_length=1000)] = "") -> Response:
        """Open a link: this browser keeps it."""
        known, secret = links.open(link)
        name = cookie(known.grant)
        opened(hall, known.grant, viewer=known.viewer, redaction=known.redaction)
        answer = RedirectResponse(page_url(f"/clips/{known.grant}", {}, language_of(request)), status_code=303)
        age = max(1, (known.expires_us - now_us()) // 1_000_000)
        secure = request.url.scheme == "https"
        path = f"/clips/{known.grant}"
        answer.set_cookie(name, secret, max_age=age, path=path, httponly=True, samesite="strict", secure=secure)
        answer.headers["Cache-Control"] = "no-store"
        return answer

    @router.get("/{grant}")
    def page(request: Request, grant: Grant, redaction: Redaction = None) -> Response:
        """The film, and what may be done with it."""
        seen, link = come(request, grant, redaction)
        state = read_grant(hall, grant)
        query = {"redaction": None if link else redaction}
        answer = pages.page(
            request,
            "clip.html",
            seen=seen,
            camera=state.camera,
            purpose=state.purpose,
            film=page_url(f"/clips/{grant}/film", query, "zh"),
            download=page_url(f"/clips/{grant}/download", query, "zh"),
        )
        answer.headers["Content-Security-Policy"] = content_policy("'self'")
        return answer

    @router.get("/{grant}/film")
    def film(request: Request, grant: Grant, redaction: Redaction = None) -> Response:
        """A piece of the film, with the seconds stated that it shows."""
        check_own(request)
        seen, link = come(request, grant, redaction)
        found = film_for(hall, seen, link=link)
        asked = request.headers.get("range")
        if asked is None:
            for cell in found.cells:
                _state(hall, seen, link, cell.from_us, cell.to_us)
            headers = {"Content-Length": str(found.size), "Accept-Ranges": "bytes"}
            return StreamingResponse(_pieces(found.path), media_type="video/mp4", headers=headers)
        span = _range(asked, found.size)
        if span is None:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{found.size}"})
        start, end = span
        cell, end = found.piece_at(start, end)
        _state(hall, seen, link, cell.from_us, cell.to_us)
        with found.path.open("rb") as file:
            file.seek(start)
            body = file.read(end - start)
        headers = {"Content-Range": f"bytes {start}-{end - 1}/{found.size}", "Accept-Ranges": "bytes"}
        return Response(body, status_code=206, media_type="video/mp4", headers=headers)

    @router.get("/{grant}/download")
    def download(request: Request, grant: Grant, redaction: Redaction = None) -> Response:
        """The confirmed redaction, byte for byte as it was stated."""
        check_own(request)
        seen, link = come(request, grant, redaction, use="download")
        path = kept(hall.data, seen.sha256)
        state_download(hall, seen, link=link, request=_once("download", seen, link, 0))
        headers = {
            "Content-Length": str(path.stat().st_size),
            "Content-Disposition": f'attachment; filename="{seen.sha256[:16]}.mp4"',
        }
        return StreamingResponse(_pieces(path), media_type="video/mp4", headers=headers)

    return router


def _state(hall: Hall, seen: Opened, link: str | None, from_us: int, to_us: int) -> None:
    since = seen.since_us + from_us
    until = min(seen.until_us, seen.since_us + to_us)
    state_view(hall, seen, since, until, link=link, request=_once("view", seen, link, from_us))


def _once(what: str, seen: Opened, link: str | None, from_us: int) -> str:
    """The request under which it is stated once an hour, however often a player asks for the same seconds."""
    told = "\0".join([what, seen.grant, seen.viewer, seen.sha256, link or "", str(from_us), str(now_us() // _HOUR_US)])
    return f"{what}-{hashlib.sha256(told.encode()).hexdigest()[:40]}"


def _range(asked: str, size: int) -> tuple[int, int] | None:
    """The first range of bytes that was asked for, as start and end; None where there is none (416)."""
    found = _RANGE.match(asked)
    first, last = (found[1], found[2]) if found else ("", "")
    if first:
        start, end = int(first), min(size, int(last) + 1 if last else size)
    else:
        start, end = (max(0, size - int(last)), size) if last else (size, size)
    return (start, end) if start < end else None


def _pieces(path: File) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(1 << 18):
            yield data
