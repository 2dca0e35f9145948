"""Errors as problem details (RFC 9457), with the stable code of ``ledger.errors``; and as FastAPI documents them."""

from __future__ import annotations

from typing import Any, Final

from fastapi.responses import JSONResponse

from ledger.errors import Conflict, Evidence, Malformed, MingjianError, NotAllowed, NotFound, Refused, Unavailable

MEDIA_TYPE: Final = "application/problem+json"
_STATUS: Final[tuple[tuple[type[MingjianError], int], ...]] = (
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (Malformed, 422),
    (Refused, 400),
    (Unavailable, 503),
    (Evidence, 500),
)
_SCHEMA: Final = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string", "description": "urn:mingjian:error: and the code"},
        "title": {"type": "string", "description": "What could not be done, and why"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "Stable, for machines"},
        "detail": {"type": "string", "description": "How to mend it"},
    },
}
_TITLES: Final[dict[int | str, str]] = {
    "default": "Refused, with the reason",
    403: "Not allowed: a token of another scope is needed",
    404: "Not there",
    422: "Not well formed",
    503: "Try again",
}
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"description": title, "content": {MEDIA_TYPE: {"schema": _SCHEMA}}} for status, title in _TITLES.items()
}


def status_of(error: MingjianError) -> int:
    """The HTTP status of an error's family."""
    return next(code for kind, code in _STATUS if isinstance(error, kind))


def problem(error: MingjianError, *, status: int | None = None) -> JSONResponse:
    """An error of the three families as problem details."""
    status = status or status_of(error)
    body: dict[str, Any] = {
        "type": f"urn:mingjian:error:{error.code}",
        "title": error.message,
        "status": status,
        "code": error.code,
    }
    if error.mend:
        body["detail"] = error.mend
    body |= {name: value for name, value in error.details.items() if name not in body}
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE)
