"""Records over HTTP from systems brought in: signed messages, each record answered for itself.

The signature is the only way in: neither token nor session counts here. What a record may say is its kind's contract
(``docs/spec/adapters.md``); a record that cannot be taken is kept among the dead letters, and the answer says why.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from api.problems import RESPONSES
from api.reasons import reason
from ledger.door.hall import Hall
from ledger.errors import Malformed
from ledger.exchange.adapters.hooks import MAX_RECORDS, Gate, hook_path
from ledger.exchange.adapters.reading import Raw, body_records
from ledger.exchange.adapters.taking import OfContract, Stating, Taking
from ledger.exchange.ocds_in import KIND, OfReleases, opened_releases
from ledger.store.sequencer import now_us


async def _whole(request: Request) -> bytes:
    return await request.body()


Body = Annotated[bytes, Depends(_whole)]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,99}$", description="The source's name")]
_BODY = {
    "requestBody": {
        "required": True,
        "description": "Records as the kind's contract has them: an array, one object, or JSON Lines",
        "content": {"application/json": {"schema": {}}},
    }
}


class Told(BaseModel):
    """What one record came to."""

    place: int = Field(description="Which record of the message, from 1")
    id: str | None = Field(description="The source's own name of it, where it could be read")
    result: Literal["accepted", "known", "dead-lettered"]
    code: str | None = None
    message: str | None = None
    mend: str | None = None
    zh: str | None = None
    en: str | None = None


class Answer(BaseModel):
    """What became of a message: ``known`` were taken before, ``dead`` are kept with their reasons."""

    source: str
    kind: str
    records: int
    accepted: int
    known: int
    dead: int
    by_reason: dict[str, int]
    results: list[Told]


def routes(hall: Hall) -> APIRouter:
    """``POST /api/hooks/{source}``."""
    router = APIRouter(tags=["hooks"], responses=RESPONSES)
    gate = Gate(hall.data)

    @router.post(
        "/api/hooks/{source}",
        response_model=Answer,
        openapi_extra=_BODY,
        responses={429: {"description": "Too many calls", "content": RESPONSES[403]["content"]}},
    )
    def receive(source: Name, request: Request, body: Body) -> JSONResponse:
        """Take the records of a signed message (RFC 9421), each once."""
        hook = gate.check(
            source, method=request.method, path=hook_path(source), headers=dict(request.headers), body=body
        )
        if wait_s := gate.wait_s(source):
            raise HTTPException(429, "too many calls", headers={"Retry-After": str(math.ceil(wait_s))})
        secret = hall.keyring.secret("names")
        stating: Stating
        if hook.kind == KIND:
            stating = OfReleases(secret, source, now_us=now_us())
        else:
            stating = OfContract(secret, hook.kind, source, now_us=now_us())
        records = _records(body, is_ocds=hook.kind == KIND)
        taken = Taking(hall, stating, hook.kind, each=True).take(records)
        results = [one | _words(one.get("code")) for one in taken.results]
        return JSONResponse({"source": source, "kind": hook.kind, **taken.as_json(), "results": results})

    return router


def _records(body: bytes, *, is_ocds: bool) -> list[Raw]:
    records = body_records(body, names=() if is_ocds else ("records",))
    if is_ocds:
        records = list(opened_releases(records))
    if len(records) > MAX_RECORDS:
        raise Malformed(
            f"a message has at most {MAX_RECORDS} records, this one {len(records)}",
            code="hook-size",
            mend="send them in several messages",
        )
    return records


def _words(code: Any) -> dict[str, str]:
    if not isinstance(code, str):
        return {}
    words = reason(code)
    return {"zh": words["zh"], "en": words["en"]}
