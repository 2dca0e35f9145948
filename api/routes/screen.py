"""The screen on the hall's wall, in three panes: who is called to which window, who waits how long, who missed a call.

Promise: ticket numbers, queues and windows, and nothing else of anybody; so it is for everyone. It keeps itself up to
date as the board does: the page asks for its changed part with the position that it shows, and 304 costs one row.
``?zone=…`` is the part of the hall whose windows are of that zone. How long a ticket may wait is what the last ones of
its queue did wait today (``ledger.facts.ticket``); it is left out where too few did.
"""

from __future__ import annotations

from math import ceil, floor
from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from api.pages import HEADERS, Pages
from api.questions import snapshot
from api.routes.params import Text
from ledger.door.hall import Hall
from ledger.facts.case_clocks import day_at
from ledger.facts.duties import day_after
from ledger.facts.ticket import expected_wait
from ledger.statement import instant_us
from ledger.store.database import Connection
from projections import registries, tickets

_CALLED: Final = 8
_QUEUES: Final = 12
_MISSED: Final = 12
_DAY_US: Final = 86_400_000_000
_MINUTE_US: Final = 60_000_000


def routes(hall: Hall, pages: Pages) -> APIRouter:
    """``/screen``."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)

    @router.get("/screen")
    def screen(request: Request, zone: Text = None, part: Text = None) -> Response:
        """The wall's screen, of the whole hall or of a zone."""
        with snapshot(hall) as (connection, as_of):
            tag = f'"{as_of["position"]}"'
            if part == "board" and request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers=HEADERS | {"ETag": tag})
            shown = _screen(connection, as_of, zone or None)
        template = "_screen.html" if part == "board" else "screen.html"
        answer = pages.page(request, template, as_of=as_of, zone=zone or "", tag=tag, **shown)
        answer.headers["ETag"] = tag
        return answer

    return router


def _screen(connection: Connection, as_of: dict[str, Any], zone: str | None) -> dict[str, Any]:
    windows = {each["stream"].partition("/")[2]: each["data"] for each in registries.entries(connection, "window")}
    units = {each["stream"].partition("/")[2]: each["data"] for each in registries.entries(connection, "unit")}
    part: tickets.Hall | None = None
    if zone is not None:
        mine = [code for code, window in windows.items() if window.get("zone") == zone]
        # A queue is named for the unit that serves it, for a window, or for the zone itself.
        part = mine, sorted({windows[code]["unit"] for code in mine} | {*mine, zone})
    now_us = 0 if as_of["recorded"] is None else instant_us(as_of["recorded"])
    queues = tickets.waits(connection, since_us=day_after(day_at(now_us)) - _DAY_US, hall=part)
    return {
        "called": tickets.newest(connection, "called", hall=part, limit=_CALLED),
        "missed": tickets.newest(connection, "skipped", hall=part, limit=_MISSED),
        "queues": [
            {"queue": one["queue"], "n": one["n"], "minutes": _minutes(one["waits_us"])} for one in queues[:_QUEUES]
        ],
        "waiting": sum(one["n"] for one in queues),
        "names": {code: thing["name"] for code, thing in (units | windows).items()},
    }


def _minutes(waits_us: list[int]) -> tuple[int, int] | None:
    found = expected_wait(waits_us)
    return None if found is None else (floor(found[0] / _MINUTE_US), max(1, ceil(found[1] / _MINUTE_US)))
