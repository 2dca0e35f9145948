"""The log for everyone: health, figures for monitoring, the signed checkpoint, hash tiles; entries for auditors."""

from __future__ import annotations

import math
from typing import Any, Final

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, generate_latest

from api.access import Access
from api.log_questions import age_s, backlog, cosigned_age_s, is_late, log_state, newest
from api.problems import RESPONSES
from ledger.door.hall import Hall
from ledger.errors import NotFound
from ledger.store.cosigner import LATE_S
from ledger.store.published import CHECKPOINT, LATEST, read_published
from ledger.store.reading import check_bytes
from ledger.tree.tiles import Bundle, encode_bundle, parse_path

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

    def _gauge(self, name: str, meaning: str) -> Gauge:
        return Gauge(f"mingjian_{name}", meaning, registry=self._registry)

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
        return generate_latest(self._registry)


def routes(hall: Hall, access: Access, figures: Figures) -> APIRouter:
    """Under ``/healthz``, ``/metrics``, ``/log/…`` and ``/api/log``."""
    router = APIRouter(tags=["log"], responses=RESPONSES)

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
