"""The log for everyone: health, figures for monitoring, the signed checkpoint, hash tiles; entries for auditors."""

from __future__ import annotations

import math
import tempfile
from collections import Counter as Tally
from collections.abc import Iterator
from typing import Any, Final

import orjson
from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from api.access import Access
from api.log_questions import age_s, backlog, cosigned_age_s, is_late, log_state, newest
from api.problems import RESPONSES
from api.questions import snapshot
from ledger.door.hall import Hall
from ledger.errors import NotFound, Unavailable
from ledger.statement import instant_us
from ledger.store.cosigner import LATE_S
from ledger.store.deadletters import DeadLetters
from ledger.store.published import CHECKPOINT, LATEST, read_published
from ledger.store.reading import check_bytes
from ledger.tree.tiles import Bundle, encode_bundle, parse_path
from projections import cards, cases, clocks, tickets
from projections.shown import ShownDigests, read_shown

_BYTES: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/octet-stream": {}}}}


class Figures:
    """What ``/metrics`` tells of one ledger."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._registry = CollectorRegistry()
        self._size = self._gauge("log_size", "Entries in the tree")
        self._age = self._gauge("checkpoint_age_seconds", "Age of the newest batch under the published checkpoint")
        self._behind = self._gauge("checkpoint_lag_entries", "Entries in the tree and under no published checkpoint")
        self._cosigned = self._gauge("cosigned_age_seconds", "Age of the last cosigned checkpoint; NaN: none asked for")
        self._late = self._gauge("cosigned_late", f"1 when the last cosigned checkpoint is older than {LATE_S:.0f} s")
        self._unplaced = self._gauge("unplaced_statements", "Statements taken in and not in the tree yet")
        self._lag = self._gauge("projection_lag_entries", "Entries in the tree and not in the projections yet")
        self._unworthy = self._gauge("sequencer_refused_statements", "Rows that the sequencer would not place")
        self._evidence = self._gauge("evidence_findings", "Things found that are not what was signed")
        self.refused = Counter(
            "mingjian_refused", "Requests refused, by the error's code", ["code"], registry=self._registry
        )

        self._open = self._gauge("open_cases", "Live cases that are not closed, by stage", "stage")
        self._cards = self._gauge("cards_raised", "Cards that were raised and not answered yet, by colour", "colour")
        self._queues = self._gauge("tickets_open", "Tickets that wait or are being served, by queue", "queue")
        self._clocks = self._gauge("clocks_overdue", "Running clocks past their due instant, by clock", "clock")
        self._letters = self._gauge("dead_letters", "Records of other systems that wait to be taken, by reason", "code")

    def _gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"mingjian_{name}", meaning, labels, registry=self._registry)

    def read(self) -> bytes:
        """The figures as they are now, as text."""
        head, waits = self._hall.reader.head(), backlog(self._hall)
        covered = newest(self._hall).checkpoint.size
        cosigned = cosigned_age_s(self._hall)
        self._size.set(head.size)
        self._age.set(age_s(self._hall.reader.recorded_us([covered - 1])[covered - 1]))
        self._behind.set(max(0, head.size - covered))
        self._cosigned.set(math.nan if cosigned is None else cosigned)
        self._late.set(is_late(cosigned))
        self._unplaced.set(waits.unplaced)
        self._lag.set(waits.unprojected)
        self._unworthy.set(waits.refused)
        self._evidence.set(len(self._hall.findings.all()))
        self._read_hall()
        return generate_latest(self._registry)

    def _read_hall(self) -> None:
        """What stands in the projections now; nothing of it is kept between two questions."""
        stages: dict[str, int] = {}
        colours: dict[str, int] = {}
        overdue: dict[str, int] = {}
        queues: Tally[str] = Tally()
        try:
            with snapshot(self._hall) as (connection, as_of):
                now_us = 0 if as_of["recorded"] is None else instant_us(as_of["recorded"])
                stages = cases.by_stage(connection)
                colours = cards.by_colour(connection, stage="raised")
                for line in tickets.by_queue(connection):
                    queues[line["queue"]] += line["n"]
                for line in clocks.by_clock(connection, now_us=now_us, soon_us=now_us):
                    overdue[line["clock"]] = line["overdue"]
        except Unavailable:
            pass  # the tables are being made: the lag says so
        letters = DeadLetters(self._hall.database, self._hall.vault).counts().get("waiting", {})
        for gauge, found in (
            (self._letters, letters),
            (self._open, stages),
            (self._cards, colours),
            (self._queues, queues),
            (self._clocks, overdue),
        ):
            gauge.clear()
            for name, number in found.items():
                gauge.labels(name).set(number)


def routes(hall: Hall, access: Access, figures: Figures) -> APIRouter:
    """Under ``/healthz``, ``/metrics``, ``/log/…`` and ``/api/log``."""
    router = APIRouter(tags=["log"], responses=RESPONSES)
    digests = ShownDigests(hall.database)

    @router.get("/healthz")
    def healthz() -> dict[str, Any]:
        """Whether the database answers, how old the newest batch is, and how much was found that is not as signed."""
        head, findings = hall.reader.head(), hall.findings.all()
        return {"ok": not findings, "size": head.size, "age_s": age_s(head.recorded_us), "evidence": len(findings)}

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(figures.read(), media_type=CONTENT_TYPE_LATEST)

    def note(name: str) -> Response:
        path = read_published(hall.publisher.root, name)
        return Response(
            path.read_bytes(), media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"}
        )

    @router.get("/log/checkpoint", response_class=PlainTextResponse)
    def checkpoint() -> Response:
        """The newest head that met the log's own witness policy; the newest signed one where that asks for none."""
        return note(CHECKPOINT)

    @router.get("/log/checkpoint/latest", response_class=PlainTextResponse)
    def latest() -> Response:
        """The newest signed head, with the cosignatures that it has so far."""
        return note(LATEST)

    @router.get(
        "/log/tile/entries/{name:path}",
        dependencies=[Depends(access.auditor)],
        response_class=Response,
        responses=_BYTES,
    )
    def entries(name: str) -> Response:
        """A bundle of entries, each checked against its leaf while it is read."""
        found = parse_path(f"tile/entries/{name}")
        assert isinstance(found, Bundle)
        placed = hall.reader.entries(found.index * 256, found.index * 256 + found.width)
        if len(placed) != found.width:
            raise NotFound("the log has no such entries yet", code="no-file")
        for one in placed:
            check_bytes(one)
        return Response(
            encode_bundle([one.entry for one in placed]),
            media_type="application/octet-stream",
            headers={"Cache-Control": "private, max-age=31536000, immutable"},
        )

    @router.get("/log/projections", dependencies=[Depends(access.auditor)])
    def projections() -> dict[str, Any]:
        """The digest of what lists and queues show, and as of which position: a monitor recomputes it."""
        return digests.newest().as_json()

    @router.get(
        "/log/projections/rows",
        dependencies=[Depends(access.auditor)],
        response_class=StreamingResponse,
        responses={200: {"content": {"application/x-ndjson": {}}}},
    )
    def rows() -> StreamingResponse:
        """The rows under such a digest: position and root, then one row a line."""
        return StreamingResponse(_lines(hall), media_type="application/x-ndjson")

    @router.get("/log/tile/{name:path}", response_class=FileResponse, responses=_BYTES)
    def tile(name: str) -> Response:
        """A hash tile: static, immutable, for everyone."""
        path = read_published(hall.data / "published", f"tile/{name}")
        return FileResponse(
            path,
            media_type="application/octet-stream",
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    @router.get("/api/log", dependencies=[Depends(access.reader)])
    def state() -> dict[str, Any]:
        """Size, root, the signed checkpoint, ages, the last batches, what waits, keys and their custody."""
        return log_state(hall)

    return router


def _lines(hall: Hall) -> Iterator[bytes]:
    with tempfile.TemporaryFile() as file:
        # Written down first: whoever reads slowly must not hold the snapshot, and with it a rebuild.
        with read_shown(hall.database) as (position, root, rows):
            file.write(orjson.dumps({"position": position, "root": root.hex()}) + b"\n")
            file.writelines(row + b"\n" for row in rows)
        file.seek(0)
        while piece := file.read(1 << 16):
            yield piece
