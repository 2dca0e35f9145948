"""``mingjian log``: checkpoint, entries, keys and proofs, as files that tools not written here can check."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking
from api.witness_commands import log_close, log_repair, witness_app
from ledger.errors import Malformed

log_app = typer.Typer(no_args_is_help=True, help="The log itself: checkpoint, entries, keys, proofs.")
log_app.add_typer(witness_app, name="witness")
log_app.command("repair")(log_repair)
log_app.command("close")(log_close)

Index = Annotated[int, typer.Argument(min=0, help="The entry's index, from 0.")]
Out = Annotated[Path, typer.Option("--out", help="The file to write.")]


@log_app.command("checkpoint")
def log_checkpoint(
    latest: Annotated[bool, typer.Option("--latest", help="The newest signed, cosigned or not.")] = False,
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """The signed head: the newest that meets the log's witness policy. Example: mingjian log checkpoint"""
    from api.log_proofs import head_for, newest_head
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall:
        head = newest_head(hall) if latest else head_for(hall)
        note = {"origin": hall.origin} | head.as_json() | {"note": head.signed.note.decode()}
        answer(note, as_json=json)


@log_app.command("entry")
def log_entry(index: Index, out: Out, data: Data = DEFAULT_DATA, json: Json = False) -> None:
    """One entry, byte for byte, checked against the tree. Example: mingjian log entry 4 --out 4.cose"""
    from api.log_proofs import entry_of, head_for
    from ledger.door.hall import open_ledger
    from ledger.files import write_file

    with speaking(as_json=json), open_ledger(data) as hall:
        act = entry_of(hall, index, head_for(hall, index + 1))
        write_file(out, act.entry)
        told = {"index": index, "id": act.id.hex(), "stream": act.stream, "seq": act.seq, "type": act.type}
        answer(told | {"bytes": len(act.entry), "file": str(out)}, as_json=json)


@log_app.command("keys")
def log_keys(
    out: Annotated[Path, typer.Option("--out", help="The folder to write log.pem and receipt.pem to.")],
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """The log's public keys as PEM, to be handed over by another way. Example: mingjian log keys --out keys"""
    from ledger.door.hall import open_ledger
    from ledger.files import write_file
    from ledger.keys import public_pem, thumbprint
    from ledger.tree.note import VerifierKey

    with speaking(as_json=json), open_ledger(data) as hall:
        keys: list[dict[str, Any]] = []
        for purpose in ("log", "receipt"):
            public = hall.keyring.own(purpose).public
            file = out / f"{purpose}.pem"
            write_file(file, public_pem(public))
            keys.append({"purpose": purpose, "kid": thumbprint(public).hex(), "file": str(file)})
        vkey = str(VerifierKey(hall.origin, hall.keyring.own("log").public))
        answer({"origin": hall.origin, "vkey": vkey, "keys": keys}, as_json=json)


@log_app.command("proof")
def log_proof(
    index: Index,
    out: Out,
    form: Annotated[str, typer.Option("--format", help="tlog, cose or json.")] = "tlog",
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """The proof of an entry's place, as a file. Example: mingjian log proof 4 --format cose --out 4.receipt

    tlog: a C2SP tlog-proof. cose: a COSE Receipt (RFC 9942). json: the tlog-proof as JSON.
    Of what was stated just now it waits for the witnesses; "witnessed" says whether they have signed its checkpoint.
    """
    from api.log_proofs import prove_entry
    from ledger.door.hall import WITNESSED_S, open_ledger
    from ledger.files import write_file
    from ledger.tree.policy import NO_QUORUM

    with speaking(as_json=json), open_ledger(data) as hall:
        if form not in ("tlog", "cose", "json"):
            raise Malformed(f"there is no form {form}", code="form", mend="tlog, cose or json")
        proof = prove_entry(hall, index, form, wait_s=WITNESSED_S)  # type: ignore[arg-type]  # narrowed above
        write_file(out, proof.content)
        told = {"index": index, "id": proof.act.id.hex(), "format": form, "file": str(out)}
        answer(told | proof.head.as_json(), as_json=json)
        if not proof.head.witnessed and hall.publisher.policy.quorum != NO_QUORUM:
            print("not witnessed yet: the log alone has signed this checkpoint; ask again later", file=sys.stderr)


@log_app.command("consistency")
def log_consistency(
    old: Annotated[int, typer.Argument(min=1, help="A size of the log.")],
    new: Annotated[int, typer.Argument(min=1, help="A later size, or the same.")],
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """That the log at NEW begins with the log at OLD, under a signed head. Example: mingjian log consistency 40 90

    With --json the answer is itself the document that mingjian-verify proof checks.
    """
    from api.log_proofs import join_sizes
    from ledger.door.hall import open_ledger

    with speaking(as_json=json), open_ledger(data) as hall:
        document, head = join_sizes(hall, old, new)
        answer(document.as_json() if json else _joined(document.as_json(), head.as_json()), as_json=json)


def _joined(document: dict[str, Any], head: dict[str, Any]) -> dict[str, Any]:
    return {"old": document["old"], "new": document["new"], "path": document["path"], "on": head}
