"""``mingjian demo tamper``: one event of a demo is changed as the owner of the database would change it.

Promise: exactly one row of ``ledger.statements`` is other than before, a decision that now says another outcome under
the old signature; the answer names it and the commands that find it. A ledger that is no demo is not touched.

The server itself serves no changed bytes: it names them and stops. So that an outsider's tool can be seen at work too,
the same change is made in a copy of the log, as an owner would who hands out files by hand.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from api.demo.seed import RECIPE
from ledger.door.hall import Hall
from ledger.errors import NotFound, Refused
from ledger.exchange.export_log import export_log
from ledger.keys import SIGNATURE_BYTES
from ledger.statement import Statement, draft_bytes, join_signature, open_statement
from ledger.store.tampering import replace_entry
from ledger.tree.tiles import TILE_WIDTH, bundles_for, decode_bundle, encode_bundle
from projections.runner import Projector

COPY: Final = "demo/copy"
_DECIDED: Final = "approval.decided.v1"
_STEP: Final = 2_000


def check_demo(data: Path) -> None:
    """Refuse a folder that no play filled."""
    if not (data / RECIPE).exists():
        raise Refused(
            f"{data} holds no played history, and nothing else is tampered with",
            code="no-demo",
            mend="play one: mingjian demo seed --scale 0.02 --data DIR",
        )


def tamper(hall: Hall) -> dict[str, Any]:
    """Change the outcome of one old decision; what was changed, and what shows it."""
    copy = hall.data / COPY
    if not copy.exists():
        export_log(hall, copy)
    # What screens show was derived before: they go on showing it, and what lies under it is other.
    Projector(hall.database).catch_up()
    index, act = _victim(hall)
    was = act.data["outcome"]
    becomes = "denied" if was == "granted" else "granted"
    forged = replace(act, data=act.data | {"outcome": becomes})
    protected, payload, _ = draft_bytes(forged, act.kid)
    entry = join_signature(protected, payload, act.entry[-SIGNATURE_BYTES:])
    _replace_in_copy(copy, index, entry)
    replace_entry(hall.database, index, entry)
    case = act.stream.partition("/")[2]
    return {
        "case": act.stream,
        "index": index,
        "statement": act.id.hex(),
        "table": "ledger.statements",
        "changed": {"field": "outcome", "from": was, "to": becomes},
        "shown_by": [
            f"mingjian case show {case} --data {hall.data}",
            f"mingjian sweep --data {hall.data}",
            f"mingjian export log DIR --data {hall.data}",
            f"mingjian-verify log {copy} --policy {copy}/policy",
        ],
        "copy": str(copy),
    }


def _replace_in_copy(copy: Path, index: int, entry: bytes) -> None:
    size = int((copy / "checkpoint").read_bytes().split(b"\n")[1])
    bundle = next(one for one in bundles_for(size) if one.index == index // TILE_WIDTH)
    entries = decode_bundle((copy / bundle.path).read_bytes(), bundle.width)
    entries[index % TILE_WIDTH] = entry
    (copy / bundle.path).write_bytes(encode_bundle(entries))


def _victim(hall: Hall) -> tuple[int, Statement]:
    """A decision in the middle of the log that nobody has changed yet."""
    size = hall.reader.head().size
    for low in range(size // 2, size, _STEP):
        for placed in hall.reader.entries(low, min(size, low + _STEP)):
            act = open_statement(placed.entry)
            if act.type == _DECIDED and hall.reader.placed([act.id]) == {act.id: placed.index}:
                return placed.index, act
    raise NotFound("there is no decision to change", code="no-decision", mend="play a longer history")
