"""The board: what a supervisor must see at once, and may judge. It shows itself again when the log has grown.

Every figure on it is a link to the list behind it. The page asks for its changed part with the position that it
shows; while the projections stand there, the answer is 304 and costs one row.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from api.access import Access
from api.complaint_view import CAUSES
from api.live_views import has_thumbnail
from api.pages import HEADERS, Pages, language_of, page_url
from api.questions import snapshot
from api.routes.params import MAX_LENGTH, Text
from ledger.cases.patrol import role_for
from ledger.door.hall import Hall
from ledger.errors import Conflict, NotAllowed
from ledger.facts.patrol import VIEWED
from ledger.statement import instant_us
from ledger.store.database import Connection
from oversight.flagged import judge, supervisor
from projections import anomalies, cameras, cards, cases, clocks, registries, tickets

SOON: Final = timedelta(days=1)
SHOWN: Final = 12
PLACED_S: Final = 5.0
MAX_REASON: Final = 2000


def routes(hall: Hall, access: Access, pages: Pages) -> APIRouter:
    """Under ``/board``."""
    router = APIRouter(default_response_class=HTMLResponse, include_in_schema=False)

    @router.get("/board", dependencies=[Depends(access.reader)])
    def board(request: Request, unit: Text = None, part: Text = None) -> Response:
        """Clocks, cards, queues and what is odd, as the projections stand."""
        with snapshot(hall) as (connection, as_of):
            looked = anomalies.stored(connection, limit=0)["position"]
            tag = f'"{as_of["position"]}-{looked}"'
            if part == "board" and request.headers.get("if-none-match") == tag:
                return Response(status_code=304, headers=HEADERS | {"ETag": tag})
            shown = _board(connection, as_of, unit or None)
        template = "_board.html" if part == "board" else "board.html"
        actor = access.actor(request)
        _show_thumbnails(hall, actor, shown["cameras"]["worst"])
        answer = pages.page(request, template, as_of=as_of, unit=unit or "", actor=actor, tag=tag, **shown)
        answer.headers["ETag"] = tag
        return answer

    @router.post("/board/judge", dependencies=[Depends(access.reader)])
    def judged(
        request: Request,
        place: Annotated[int, Form(ge=1, le=1_000_000)],
        triage: Annotated[str, Form(max_length=MAX_LENGTH)],
        verdict: Annotated[str, Form(max_length=MAX_LENGTH)],
        reason: Annotated[str, Form(max_length=MAX_REASON)],
    ) -> Response:
        """Confirm or dismiss the anomaly that stood at ``place``, as the supervisor whose session this is."""
        actor = access.actor(request)
        if actor is None:
            raise NotAllowed(
                "this session only reads", code="session-reads", mend="mingjian link --actor ACTOR makes one that acts"
            )
        with snapshot(hall) as (connection, _):
            found = anomalies.stored(connection, limit=1, offset=place - 1)["anomalies"]
        # The list may have been made anew since the page was sent: judged is what was seen, or nothing.
        if not found or found[0]["triage"] != triage:
            raise Conflict("the list was made anew", code="board-moved", mend="look at the board again")
        row = found[0]
        done = judge(supervisor(hall, actor), verdict, row["kind"], row["case"], row["evidence"], reason)
        hall.wait_placed([done], timeout_s=PLACED_S)
        return RedirectResponse(page_url("/board", {"after": done.id.hex()}, language_of(request)), status_code=303)

    return router


def _board(connection: Connection, as_of: dict[str, Any], unit: str | None) -> dict[str, Any]:
    # Due or not is asked at the log's own time: what was recorded after it cannot have stopped a clock yet.
    now_us = 0 if as_of["recorded"] is None else instant_us(as_of["recorded"])
    stages = cases.by_stage(connection, unit=unit)
    standing = cards.card_list(connection, unit=unit, stage="raised", limit=SHOWN)
    return {
        "stages": stages,
        "open": sum(stages.values()),
        "clocks": clocks.by_clock(
            connection, now_us=now_us, soon_us=now_us + SOON // timedelta(microseconds=1), unit=unit
        ),
        "colours": cards.by_colour(connection, stage="raised", unit=unit),
        "cards": standing["cards"],
        "queues": tickets.by_queue(connection),
        "cameras": camera_board(connection),
        "gap_causes": CAUSES,
        "odd": anomalies.stored(connection, limit=SHOWN, open_only=True),
        "now_us": now_us,
    }


def camera_board(connection: Connection, *, position: int | None = None) -> dict[str, Any]:
    """The cameras as of ``position`` (None: now): how many record, are held or tampered with; the worst first."""
    known = cameras.states(connection, position=position)
    nothing = {"state": "never", "cause": None, "since_us": None, "tampered": None, "holds": 0, "is_full": False}
    found = []
    for entry in registries.entries(connection, "camera", position=position):
        id_, said = entry["stream"].partition("/")[2], entry["data"]
        one = known.get(id_, nothing)
        lost, never = one["state"] in ("gap", "stopped"), one["state"] == "never"
        bad = one["tampered"] is not None or lost or one["is_full"]
        rank = "bad" if bad else "held" if one["holds"] else "never" if never else "good"
        windows = [window.removeprefix("window/") for window in said["windows"]]
        about = {"camera": id_, "name": said["name"], "place": said["place"], "windows": windows}
        found.append(about | {"rank": rank, "lost": lost} | one)
    found.sort(
        key=lambda one: (
            one["tampered"] is None,
            not one["lost"],
            not one["is_full"],
            one["state"] == "never",
            -one["holds"],
            one["camera"],
        )
    )
    return {
        "n": len(found),
        "recording": sum(one["state"] == "recording" for one in found),
        "lost": sum(one["lost"] for one in found),
        "never": sum(one["state"] == "never" for one in found),
        "tampered": sum(one["tampered"] is not None for one in found),
        "held": sum(one["holds"] > 0 for one in found),
        "full": sum(one["is_full"] for one in found),
        "worst": found[:SHOWN],
    }


def _show_thumbnails(hall: Hall, actor: str | None, shown: list[dict[str, Any]]) -> None:
    """Which of them have a picture that ``actor`` may see."""
    _, registry = hall.door.registry()
    may = actor is not None and role_for(registry, actor, VIEWED) is not None
    for one in shown:
        one["thumbnail"] = may and has_thumbnail(hall, registry, one["camera"])
