"""Proofs over HTTP: an entry's place, two sizes joined, one stream whole; and the tiles of case heads."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import JSONResponse, Response

from api.access import Access
from api.log_proofs import MEDIA_TYPES, Form, complete_stream, join_sizes, prove_entry
from api.problems import RESPONSES
from api.routes.params import MAX_LENGTH, PATTERN
from ledger.door.hall import Hall
from ledger.door.heads import kept_tile, stated_heads
from ledger.errors import NotFound
from ledger.tree.tiles import MAX_SIZE

_FORMS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {media: {} for media in dict.fromkeys(MEDIA_TYPES.values())}}
}
Index = Annotated[int, Path(ge=0, le=MAX_SIZE)]
Size = Annotated[int, Query(ge=1, le=MAX_SIZE)]


def routes(hall: Hall, access: Access) -> APIRouter:
    """Under ``/api/log`` and ``/log/heads``."""
    router = APIRouter(tags=["proofs"], responses=RESPONSES)

    @router.get(
        "/api/log/proof/{index}", dependencies=[Depends(access.reader)], response_class=Response, responses=_FORMS
    )
    def place(index: Index, form: Form = "json") -> Response:
        """The place of one entry. `tlog`: a C2SP tlog-proof; `cose`: a COSE Receipt; `json`: the tlog-proof as JSON.

        Made on the checkpoint that meets the log's witness policy if it covers the entry, else on the newest:
        the header `Mingjian-Witnessed` says which.
        """
        proof = prove_entry(hall, index, form)
        witnessed = "yes" if proof.head.witnessed else "no"
        return Response(proof.content, media_type=MEDIA_TYPES[form], headers={"Mingjian-Witnessed": witnessed})

    @router.get("/api/log/consistency")
    def consistency(old: Size, new: Size) -> JSONResponse:
        """That the log at size `new` begins with the log at size `old`, under a signed head."""
        return JSONResponse(join_sizes(hall, old, new)[0].as_json())

    @router.get("/api/log/completeness", dependencies=[Depends(access.reader)])
    def completeness(
        stream: Annotated[str, Query(pattern=PATTERN, max_length=MAX_LENGTH)],
        at: Annotated[int | None, Query(ge=1, le=MAX_SIZE, description="A size at which heads were stated")] = None,
    ) -> JSONResponse:
        """That a stream has exactly so many statements, or none, as of the case heads stated last."""
        return JSONResponse(complete_stream(hall, stream, at=at)[0].as_json())

    @router.get("/api/log/heads")
    def heads() -> dict[str, Any]:
        """The case heads stated last: size, number of streams, root, and the entry that states them."""
        stated = stated_heads(hall)
        if stated is None:
            raise NotFound("no case heads were stated yet", code="no-heads", mend="mingjian case completeness ID")
        return stated.heads.as_data() | {"entry": stated.index, "id": stated.id.hex()}

    @router.get(
        "/log/heads/{size}/tile/{level}/{number}",
        dependencies=[Depends(access.auditor)],
        response_class=Response,
        responses={200: {"content": {"application/octet-stream": {}}}},
    )
    def tile(
        size: Annotated[int, Path(ge=1, le=MAX_SIZE)],
        level: Annotated[int, Path(ge=0, le=7)],
        number: Annotated[int, Path(ge=0, le=MAX_SIZE // 256)],
    ) -> Response:
        """Up to 256 rows (level 0) or hashes of the case heads stated at `size`; `number` counts tiles from 0.

        Rows name no stream, but the names of streams can be guessed: they go to auditors.
        """
        return Response(
            kept_tile(hall, size, level, number),
            media_type="application/octet-stream",
            headers={"Cache-Control": "private, max-age=31536000, immutable"},
        )

    return router
