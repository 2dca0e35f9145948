"""``mingjian log time-token``: outside time, from authorities that speak RFC 3161."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.options import DEFAULT_DATA, Data, Json
from api.output import answer, speaking
from ledger.errors import Malformed

time_app = typer.Typer(no_args_is_help=True, help="Outside time: RFC 3161 tokens over the log's head.")


@time_app.command("accept")
def accept(
    name: Annotated[str, typer.Argument(help="What the authority is called in the log.")],
    certificate: Annotated[Path, typer.Option("--certificate", help="Its root certificate, PEM or DER.")],
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Have two officers accept an authority. Example: mingjian log time-token accept dfn --certificate root.pem"""
    from ledger.door.hall import open_ledger
    from ledger.door.times import accept_authority

    with speaking(as_json=json):
        der = _der(certificate)
        with open_ledger(data) as hall, hall.sequencing():
            outcome = accept_authority(hall, name, der)
            placed = hall.wait_placed([outcome], timeout_s=30)
            answer({"authority": name, "id": outcome.id.hex(), "index": placed.get(outcome.id)}, as_json=json)


@time_app.command("ask")
def ask(
    url: Annotated[str, typer.Option("--url", help="The authority's address.")],
    data: Data = DEFAULT_DATA,
    json: Json = False,
) -> None:
    """Have the newest head stamped, and state the token. Example: mingjian log time-token ask --url URL"""
    from ledger.door.hall import open_ledger
    from ledger.door.times import state_time

    with speaking(as_json=json), open_ledger(data) as hall, hall.sequencing():
        stated = state_time(hall, url)
        told = {
            "authority": stated.token.authority,
            "size": stated.head.size,
            "root": stated.head.root.hex(),
            "earliest_us": stated.token.stamp.earliest_us,
            "latest_us": stated.token.stamp.latest_us,
            "index": stated.index,
            "id": stated.outcome.id.hex(),
        }
        answer(told, as_json=json)


def _der(path: Path) -> bytes:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    try:
        raw = path.read_bytes()
        load = x509.load_pem_x509_certificate if raw.startswith(b"-----") else x509.load_der_x509_certificate
        return load(raw).public_bytes(Encoding.DER)
    except (OSError, ValueError) as error:
        raise Malformed(f"{path}: {error}", code="certificate", mend="name a certificate, PEM or DER") from error
