"""The ledger as a SCITT transparency service: SCRAPI (draft-ietf-scitt-scrapi) over the same door, tree and keys.

``POST /entries`` registers a statement of our profile, signed by whoever states it: the bytes are the authority, so no
token is asked for. The receipt comes back at once (201), or the place to ask for it (202). What is of other profiles is
refused with the reason, unless a registrar whose key is kept here attaches it: then its SHA-256 is what is registered,
in an ``attestation.made.v1`` of the registrar, and the receipt is that statement's.

Errors here are concise problem details (RFC 9290), as that draft asks. Registration is as the draft has it since
revision 11: 202 and 204 while a statement is being placed, where revisions up to 10 redirect.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

import cbor2
from fastapi import APIRouter, Body, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi.routing import APIRoute

from api.access import Access, Bearer
from api.log_proofs import prove_entry
from api.log_questions import inclusion_proof
from api.routes.params import MAX_LENGTH, PATTERN
from ledger.door.door import Outcome, Wish
from ledger.door.hall import Hall
from ledger.errors import Conflict, Evidence, Malformed, MingjianError, NotFound, Refused, Unavailable
from ledger.facts.attested import ATTESTATION_TYPE, attestation_stream
from ledger.keys import thumbprint
from ledger.statement import instant_text, open_statement
from ledger.store.sequencer import now_us

COSE: Final = "application/cose"
PROBLEM: Final = "application/concise-problem-details+cbor"
MAX_ATTACHED_BYTES: Final = 1 << 20
WAIT_S: Final = 2.0
_STATUS: Final[tuple[tuple[type[MingjianError], int], ...]] = (
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 400),
    (Unavailable, 503),
    (Evidence, 500),
)
_PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"description": "Refused, with the reason: concise problem details (RFC 9290)", "content": {PROBLEM: {}}}
}
_CBOR: Final[dict[int | str, dict[str, Any]]] = {200: {"content": {"application/cbor": {}}}}
_RECEIPT: Final[dict[str, Any]] = {"description": "The COSE Receipt (RFC 9942)", "content": {COSE: {}}}
_PLACING: Final[dict[str, Any]] = {"description": "Registered, and being placed: ask again"}


class _Concise(APIRoute):
    """A route whose errors are concise problem details: title -1, detail -2, and our stable code as a text key."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler with our errors answered."""
        handler = super().get_route_handler()

        async def answering(request: Request) -> Response:
            try:
                return await handler(request)
            except MingjianError as error:
                return _problem(error)
            except RequestValidationError:
                return _problem(Malformed("the request is not well formed", code="malformed"))

        return answering


def routes(hall: Hall, access: Access) -> APIRouter:
    """``/entries`` and ``/.well-known/scitt-keys``."""
    router = APIRouter(tags=["scitt"], route_class=_Concise, responses=_PROBLEMS)

    @router.post(
        "/entries",
        status_code=201,
        response_class=Response,
        responses={201: _RECEIPT, 202: _PLACING},
        openapi_extra={"requestBody": {"content": {COSE: {"schema": {"type": "string", "format": "binary"}}}}},
    )
    def register(
        body: Annotated[bytes, Body(media_type="application/octet-stream")],
        bearer: Bearer,
        registrar: Annotated[str | None, Query(pattern=PATTERN, max_length=MAX_LENGTH)] = None,
        about: Annotated[str | None, Query(pattern=PATTERN, max_length=MAX_LENGTH)] = None,
        media_type: Annotated[str, Query(pattern=PATTERN, max_length=MAX_LENGTH)] = COSE,
    ) -> Response:
        """Register a signed statement of this ledger's profile; or, for an operator, attach a foreign one by digest.

        `registrar`: the actor that attaches (role registrar or auditor, its key kept here), `about`: a stream or
        statement it is about, `media_type`: what it is.
        """
        if registrar is None:
            outcome = hall.door.commit(_ours(body))
        else:
            access.operator(bearer)
            outcome = _attach(hall, body, registrar, about, media_type)
        index = hall.wait_placed([outcome], timeout_s=WAIT_S).get(outcome.id)
        where = {"Location": f"/entries/{outcome.id.hex()}"}
        if index is None:
            return Response(status_code=202, headers=where | {"Retry-After": "1"})
        return Response(prove_entry(hall, index, "cose").content, 201, where, COSE)

    @router.get("/entries/{entry}", response_class=Response, responses={200: _RECEIPT, 204: _PLACING})
    def receipt(entry: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]) -> Response:
        """The receipt of a registered statement, by its id; a fresh one each time."""
        found = inclusion_proof(hall, bytes.fromhex(entry))
        where = {"Location": f"/entries/{entry}"}
        if found is None:
            return Response(status_code=204, headers=where | {"Retry-After": "1"})
        return Response(prove_entry(hall, found[1].index, "cose").content, 200, where, COSE)

    @router.get("/.well-known/scitt-keys", response_class=Response, responses=_CBOR)
    def keys() -> Response:
        """The keys that sign receipts, as a COSE Key Set."""
        return _cbor([_cose_key(_receipt_key(hall))])

    @router.get("/.well-known/scitt-keys/{kid}", response_class=Response, responses=_CBOR)
    def key(kid: Annotated[str, Path(max_length=100)]) -> Response:
        """One of them, by its kid in base64url without padding."""
        public = _receipt_key(hall)
        if kid != base64.urlsafe_b64encode(thumbprint(public)).rstrip(b"=").decode():
            raise NotFound("No such key", code="no-key", mend="No key could be found for this kid value")
        return _cbor(_cose_key(public))

    return router


def _ours(body: bytes) -> bytes:
    try:
        open_statement(body)
    except Malformed as error:
        raise Malformed(
            f"Rejected: not a statement of this ledger's profile: {error.message}",
            code=error.code,
            mend="sign a statement of the profile, or have a registrar attach the document by its digest",
        ) from error
    return body


def _attach(hall: Hall, body: bytes, registrar: str, about: str | None, media_type: str) -> Outcome:
    """The registrar's word that it holds this document. The same document attached again is the same statement."""
    if not 1 <= len(body) <= MAX_ATTACHED_BYTES:
        raise Malformed(f"a document attached here has 1 to {MAX_ATTACHED_BYTES} bytes", code="size")
    digest = hashlib.sha256(body).hexdigest()
    values = {"digest": digest, "media_type": media_type} | ({} if about is None else {"about": about})
    role = next(
        (role for role in ("registrar", "auditor") if role in hall.door.registry()[1].appointment_of(registrar).roles),
        "registrar",
    )
    wish = Wish(
        actor=registrar,
        role=role,
        stream=attestation_stream(digest),
        type=ATTESTATION_TYPE,
        at=instant_text(now_us()),
        request=f"attest-{digest}",
        values=values,
    )
    return hall.door.submit(wish, hall.keyring.actor(registrar))


def _receipt_key(hall: Hall) -> bytes:
    return bytes.fromhex(hall.door.registry()[1].genesis["receipt_key"])


def _cose_key(public: bytes) -> dict[int, Any]:
    """An OKP key (RFC 9053 §7.2): kty 1, kid, alg −8 EdDSA, crv 6 Ed25519, x."""
    return {1: 1, 2: bytes(thumbprint(public)), 3: -8, -1: 6, -2: public}


def _cbor(value: Any) -> Response:
    return Response(cbor2.dumps(value, canonical=True), media_type="application/cbor")


def _problem(error: MingjianError) -> Response:
    status = next(code for kind, code in _STATUS if isinstance(error, kind))
    body = {-1: error.message, "mingjian-code": error.code} | ({-2: error.mend} if error.mend else {})
    return Response(cbor2.dumps(body), status, media_type=PROBLEM)
