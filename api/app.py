"""The HTTP side: the log for everyone, entries for auditors, acts for those with a key, pages for people.

Errors are problem details (RFC 9457) with the stable code of ``ledger.errors``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from pydantic import BaseModel, Field

from api.tokens import Tokens
from ledger.door.hall import Hall
from ledger.errors import (
    Conflict,
    Evidence,
    Malformed,
    MingjianError,
    NotAllowed,
    NotFound,
    Refused,
    Unavailable,
)
from ledger.store.published import read_published
from ledger.store.reading import check_bytes
from ledger.store.sequencer import now_us
from ledger.tree.tiles import Bundle, encode_bundle, parse_path

MAX_BODY_BYTES: Final = 1 << 20
_STATUS: Final[tuple[tuple[type[MingjianError], int], ...]] = (
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Malformed, 422),
    (Refused, 400),
    (Unavailable, 503),
    (Evidence, 500),
)


def problem(error: MingjianError) -> JSONResponse:
    """An error of the three families as RFC 9457 problem details."""
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    body: dict[str, Any] = {
        "type": f"urn:mingjian:error:{error.code}",
        "title": error.message,
        "status": status,
        "code": error.code,
    }
    if error.mend:
        body["detail"] = error.mend
    body |= {name: value for name, value in error.details.items() if name not in body}
    return JSONResponse(body, status_code=status, media_type="application/problem+json")


class Signed(BaseModel):
    """A statement signed elsewhere: the entry, base16."""

    entry: str = Field(pattern=r"^([0-9a-f]{2})+$", max_length=2 * 65_535)


def create_app(hall: Hall) -> FastAPI:
    """The application over an open ledger."""
    app = FastAPI(title="Mingjian 明鉴", version="0.1.0", docs_url=None, redoc_url=None)
    tokens = Tokens(hall.data)
    figures = CollectorRegistry()
    size = Gauge("mingjian_log_size", "Entries in the tree", registry=figures)
    age = Gauge("mingjian_checkpoint_age_seconds", "Age of the newest batch", registry=figures)

    @app.exception_handler(MingjianError)
    def told(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, MingjianError)
        return problem(error)

    @app.middleware("http")
    async def guarded(request: Request, call_next: Callable[[Request], Any]) -> Response:
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            return problem(Malformed(f"a request has at most {MAX_BODY_BYTES} bytes", code="body-size"))
        response: Response = await call_next(request)
        response.headers.setdefault(
            "Content-Security-Policy",
            "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
            " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        )
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "no-referrer")
        return response

    def must_be_auditor(request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or tokens.scope(token) != "auditor":
            raise NotAllowed(
                "entries are for auditors", code="token", mend="ask the operator for a token of scope auditor"
            )

    @app.get("/healthz")
    def healthz() -> dict[str, Any]:
        """Whether the database answers, and how old the newest batch is."""
        head = hall.reader.head()
        return {"ok": True, "size": head.size, "age_s": (now_us() - head.recorded_us) / 1e6}

    @app.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        head = hall.reader.head()
        size.set(head.size)
        age.set((now_us() - head.recorded_us) / 1e6)
        return Response(generate_latest(figures), media_type=CONTENT_TYPE_LATEST)

    @app.get("/log/checkpoint", response_class=PlainTextResponse)
    @app.get("/log/checkpoint/latest", response_class=PlainTextResponse)
    def checkpoint() -> Response:
        """The newest signed head (no witness is configured: the newest is the one that meets the policy)."""
        path = read_published(hall.data / "published", "checkpoint")
        return Response(
            path.read_bytes(), media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"}
        )

    @app.get("/log/tile/entries/{name:path}")
    def entries(name: str, request: Request) -> Response:
        """A bundle of entries, each checked against its leaf while it is read."""
        must_be_auditor(request)
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

    @app.get("/log/tile/{name:path}", response_class=FileResponse)
    def tile(name: str) -> Response:
        """A hash tile: static, immutable, for everyone."""
        path = read_published(hall.data / "published", f"tile/{name}")
        return FileResponse(
            path,
            media_type="application/octet-stream",
            headers={"Cache-Control": "public, max-age=31536000, immutable"},
        )

    @app.post("/api/statements", status_code=201)
    def commit(signed: Signed) -> dict[str, Any]:
        """Take in a statement signed elsewhere; answers with the promise, and the place once it is there."""
        outcome = hall.door.commit(bytes.fromhex(signed.entry))
        placed = hall.wait_placed([outcome])
        return {
            "id": outcome.id.hex(),
            "stream": outcome.stream,
            "seq": outcome.seq,
            "repeated": outcome.repeated,
            "index": placed.get(outcome.id),
            "promise": hall.promise(outcome),
        }

    return app
