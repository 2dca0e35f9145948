"""The door over HTTP, for keys kept elsewhere: prepare a draft, sign it, commit the signed bytes, fetch the receipt.

The bytes committed are the authority: who signed them is checked under the log's own registries, so committing needs
no token. A draft is only a proposal; the signer's side checks it before it signs.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

from fastapi import APIRouter, BackgroundTasks, Depends, Path, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from api.access import Access
from api.log_questions import inclusion_proof, key_statements, placed_entry
from api.problems import RESPONSES
from api.reads import note
from api.routes.params import PATTERN
from api.tokens import RECORDER
from ledger.cases.cameras import cameras_that_saw, read_event
from ledger.cases.recorders import held_last, known_of
from ledger.door.door import Wish
from ledger.door.erasures import apply_when_placed
from ledger.door.hall import PROMISE_S, Hall
from ledger.errors import NotAllowed, NotFound, Refused
from ledger.facts.erasure import MADE as ERASED
from ledger.keys import SIGNATURE_BYTES, check_public_key, thumbprint
from ledger.statement import StatementId, join_signature, open_statement
from ledger.store.reading import Placed
from ledger.tree.proof import SUFFIX
from ledger.tree.tiles import MAX_SIZE
from projections.runner import read_position

WAIT_S: Final = 2.0
MAX_BETWEEN: Final = 100
_ID: Final = r"^[0-9a-f]{64}$"

Hex32 = Annotated[str, Field(pattern=_ID)]
Word = Annotated[str, Field(pattern=PATTERN, min_length=1, max_length=300)]
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="The name behind recorder/")]
StatementHex = Annotated[str, Path(pattern=_ID, description="The statement's id: its leaf hash, hex")]


class Asked(BaseModel):
    """What somebody wants stated, in clear: the door seals what the type says is sealed."""

    model_config = ConfigDict(extra="forbid")

    public_key: Hex32 = Field(description="The actor's Ed25519 key, raw, hex")
    actor: Word
    role: Word
    stream: Word
    type: Word
    at: Word = Field(description="The claimed time, RFC 3339")
    request: Word = Field(description="The same request is one statement for ever")
    values: dict[str, Any] = Field(default={}, description="The type's fields")
    unit: Word | None = None
    window: Word | None = None
    causes: list[Hex32] = Field(default=[], max_length=64)
    subject: Word | None = Field(default=None, description="Whose key seals the values; the stream without it")
    digests: list[Word] | None = Field(default=None, description="Disclosures made before, for a confirmation")
    seen_size: int | None = Field(
        default=None, ge=0, le=MAX_SIZE, description="Size of the checkpoint that the signer has verified"
    )
    after_seq: int | None = Field(
        default=None, ge=0, le=MAX_SIZE, description="Show the stream's statements from behind this one"
    )


class Drafted(BaseModel):
    """A draft to check and sign; all members are hex."""

    kid: str
    protected: str
    payload: str
    to_be_signed: str
    entry_head: str = Field(description="The entry is these bytes and then the 64 of the signature")
    disclosures: list[str] = Field(description="Behind the digests in `_sd`: texts in the form of RFC 9901, not hex")
    between: list[str] = Field(description="The entries after `after_seq` and before this draft, in order")


class Signed(BaseModel):
    """A statement signed elsewhere."""

    entry: str = Field(pattern=r"^([0-9a-f]{2})+$", max_length=2 * 65_535, description="The whole entry, hex")
    disclosures: list[str] = Field(
        default=[],
        max_length=1000,
        description="Sealed values that no draft brought here: texts in the form of RFC 9901",
    )


class Kept(BaseModel):
    """What a recorder keeps of a camera: for how long, and the spans that are held (RFC 3339)."""

    retention_days: int
    holds: list[dict[str, str | None]] = Field(description="Each has `since`, `until` and, when it lapses, `expires`")
    is_full: bool = Field(description="It was said that held footage is past its share of the recorder's disk")


class Recorded(BaseModel):
    """What the ledger has of a recorder."""

    upto: int = Field(description="The last line of its journal that is sealed")
    keys: list[str] = Field(description="The entries that gave it keys, hex")
    cameras: dict[str, Kept]


class Filmed(BaseModel):
    """A disputed event."""

    entry: str = Field(description="Its statement, hex")
    recorded_us: int
    cameras: dict[str, str] = Field(description="Those bound to its window then, each with its recorder")


class Taken(BaseModel):
    """What became of a committed statement. ``index`` is null while it is being placed."""

    id: str
    stream: str
    seq: int
    repeated: bool = Field(description="The same request was made before: this is its first result")
    index: int | None
    projected: bool = Field(description="Whether the answers of this server know it already")
    promise: str = Field(description="A signed note: the statement will stand in the tree by that time")


def routes(hall: Hall, access: Access) -> APIRouter:
    """Under ``/api/drafts`` and ``/api/statements``."""
    router = APIRouter(tags=["door"], responses=RESPONSES)

    def read(request: Request, statement: str) -> Placed:
        found = placed_entry(hall, bytes.fromhex(statement))
        note(hall, access.actor(request), open_statement(found.entry).stream)
        return found

    @router.post("/api/drafts")
    def prepare(asked: Asked, speaker: str | None = Depends(access.drafter)) -> Drafted:
        """Prepare a statement for a signer elsewhere. Nothing is reserved: sign and commit it, or forget it."""
        if speaker not in (None, asked.actor):
            what = f"this token is for what {speaker} states itself"
            raise NotAllowed(what, code="token", mend="mingjian token operator")
        public = bytes.fromhex(asked.public_key)
        check_public_key(public)
        wish = Wish(
            actor=asked.actor,
            role=asked.role,
            stream=asked.stream,
            type=asked.type,
            at=asked.at,
            request=asked.request,
            values=asked.values,
            unit=asked.unit,
            window=asked.window,
            causes=tuple(StatementId(bytes.fromhex(cause)) for cause in asked.causes),
            subject=asked.subject,
            digests=None if asked.digests is None else tuple(asked.digests),
        )
        draft = hall.door.prepare(wish, public, seen=asked.seen_size)
        head = join_signature(draft.protected, draft.payload, b"")
        return Drafted(
            kid=thumbprint(public).hex(),
            protected=draft.protected.hex(),
            payload=draft.payload.hex(),
            to_be_signed=draft.to_be_signed.hex(),
            entry_head=head.hex(),
            disclosures=list(draft.disclosures),
            between=[] if asked.after_seq is None else _between(hall, head, asked.after_seq),
        )

    @router.get("/api/recorders/{name}", dependencies=[Depends(access.recorder)])
    def recorder(name: Name) -> Recorded:
        """What the ledger has of a recorder: how far its journal is sealed, its key, its cameras with their holds."""
        found = known_of(hall, f"{RECORDER}{name}")
        return Recorded.model_validate(found.as_json())

    @router.get("/api/recorders/{name}/held", dependencies=[Depends(access.recorder)])
    def held(name: Name) -> dict[str, str | None]:
        """Of each of its cameras the hold that was placed last, if nothing was stated since: to be asked often."""
        return held_last(hall, f"{RECORDER}{name}")

    @router.get("/api/footage/events/{event}", dependencies=[Depends(access.operator)])
    def filmed(event: Annotated[str, Path(pattern=PATTERN)]) -> Filmed:
        """A disputed event, by its id or its place in the log, and which cameras were bound to its window then."""
        found = read_event(hall, event)
        if found.act.kind == "complaint":
            raise NotAllowed("a complaint is for its readers", code="complaint", mend="name the event that it disputes")
        return Filmed(entry=found.act.entry.hex(), recorded_us=found.recorded_us, cameras=cameras_that_saw(hall, found))

    @router.get(
        "/api/log/opening",
        dependencies=[Depends(access.drafter)],
        response_class=Response,
        responses={200: {"content": {"application/cose": {}}}},
    )
    def opening() -> Response:
        """Entry 0, which the log's origin pins: a signer reads the receipt key there, that signs promises."""
        [placed] = hall.reader.entries(0, 1)
        return Response(placed.entry, media_type="application/cose")

    @router.post("/api/statements", status_code=201)
    def commit(signed: Signed, later: BackgroundTasks) -> Taken:
        """Take in a statement signed elsewhere; answers with the promise, and the place once it is there.

        What an erasure names is destroyed as soon as it stands in the published tree.
        """
        until = time.monotonic() + WAIT_S
        entry = bytes.fromhex(signed.entry)
        outcome = hall.door.commit(entry, signed.disclosures)
        index = hall.wait_placed([outcome], timeout_s=WAIT_S).get(outcome.id)
        if open_statement(entry).type == ERASED and not apply_when_placed(hall, outcome, timeout_s=0):
            later.add_task(apply_when_placed, hall, outcome, timeout_s=PROMISE_S)
        return Taken(
            id=outcome.id.hex(),
            stream=outcome.stream,
            seq=outcome.seq,
            repeated=outcome.repeated,
            index=index,
            projected=index is not None and _wait_projected(hall, index, until),
            promise=hall.promise(outcome),
        )

    @router.get("/api/statements/{statement}", responses={202: {"description": "Taken in, being placed"}})
    def receipt(statement: StatementHex) -> JSONResponse:
        """The place of a statement and its proof: index, signed checkpoint, inclusion path."""
        found = inclusion_proof(hall, bytes.fromhex(statement))
        if found is None:
            return JSONResponse({"id": statement, "placed": False}, status_code=202, headers={"Retry-After": "1"})
        checkpoint, proof = found
        return JSONResponse(
            {
                "id": statement,
                "placed": True,
                "index": proof.index,
                "size": checkpoint.size,
                "root": checkpoint.root.hex(),
                "checkpoint": proof.checkpoint.decode(),
                "inclusion": [hash_.hex() for hash_ in proof.path],
            }
        )

    @router.get(
        "/api/statements/{statement}/entry",
        dependencies=[Depends(access.reader)],
        response_class=Response,
        responses={200: {"content": {"application/cose": {}}}},
    )
    def entry(request: Request, statement: StatementHex) -> Response:
        """The statement as it was signed, checked against its leaf and the tree: for a browser that checks, too."""
        return Response(read(request, statement).entry, media_type="application/cose")

    @router.get("/api/statements/{statement}/keys", dependencies=[Depends(access.reader)])
    def keys(request: Request, statement: StatementHex) -> dict[str, list[str]]:
        """The statements that gave the signer's key, entry 0 first: with their entries and proofs it is proved, too."""
        return {"keys": key_statements(hall, read(request, statement))}

    @router.get(
        "/api/statements/{statement}/proof",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}}},
    )
    def proof_file(statement: StatementHex) -> Response:
        """The same as a C2SP tlog-proof file, for tools not written here."""
        found = inclusion_proof(hall, bytes.fromhex(statement))
        if found is None:
            raise NotFound("the statement is being placed", code="being-placed", mend="ask again in a second")
        name = f'attachment; filename="{statement}{SUFFIX}"'
        return Response(
            found[1].to_bytes(), media_type="text/plain; charset=utf-8", headers={"Content-Disposition": name}
        )

    return router


def _between(hall: Hall, head: bytes, after_seq: int) -> list[str]:
    """What came into the draft's stream behind ``after_seq`` and before the draft, for the person who sees it again."""
    draft = open_statement(head + bytes(SIGNATURE_BYTES))
    if draft.seq - 1 - after_seq > MAX_BETWEEN:
        raise Refused("too much has come in between", code="between", mend="look at the case, and begin anew")
    return [entry.hex() for _, _, entry in hall.reader.stream(draft.stream)[after_seq : draft.seq - 1]]


def _wait_projected(hall: Hall, index: int, until: float) -> bool:
    """Whether the projections hold entry ``index``, at the latest ``until`` (monotonic)."""
    while True:
        with hall.database.use("reader") as connection:
            if read_position(connection).position > index:
                return True
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
