"""Chosen sealed values of a case, opened to somebody and on record, as a document that checks against the log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from ledger.disclosure import Disclosure
from ledger.door.hall import Hall
from ledger.errors import Refused, Unavailable
from ledger.files import write_file
from ledger.registry import erasure
from ledger.statement import Statement, open_statement
from ledger.tree.disclosed import Disclosures, Shown
from ledger.tree.policy import NO_QUORUM
from ledger.tree.proof import Proof

_PLACED_S: Final = 30.0

Opened = list[tuple[Statement, list[Disclosure]]]


def grant_values(
    hall: Hall, stream: str, fields: Sequence[str], *, to: str, purpose: str, by: str | None = None
) -> tuple[Opened, list[int]]:
    """The values of those names, once it stands in the published log that they are opened to ``to`` for ``purpose``.

    The places of the statements that say so come with them. Somebody must be placing statements.
    """
    desk = erasure.desk_of(hall, by) if by is not None else erasure.officers(hall)[0]
    shown = erasure.chosen(hall, stream, fields)
    digests = {one.digest for _, opened in shown for one in opened}
    outcomes = erasure.grant(desk, stream, digests, to=to, purpose=purpose)
    placed = hall.wait_placed(outcomes, timeout_s=_PLACED_S)
    checkpoint = hall.publisher.checkpoint()
    if len(placed) < len(outcomes) or checkpoint is None or max(placed.values()) >= checkpoint.size:
        raise Unavailable("the grant is not placed in the tree yet", code="not-placed", mend="try again in a moment")
    return shown, sorted(placed.values())


def disclose_values(
    hall: Hall, stream: str, fields: Sequence[str], *, to: str, purpose: str, path: Path, by: str | None = None
) -> dict[str, Any]:
    """Grant, then write the document to the new file ``path``."""
    if path.exists():
        raise Refused(f"{path} is there already", code="file-exists", mend="name a new file")
    shown, granted = grant_values(hall, stream, fields, to=to, purpose=purpose, by=by)
    # The grant was stated a moment ago: its witnesses are waited for, so that whoever asks for them is content.
    signed, policy = hall.wait_witnessed(max(granted) + 1), hall.publisher.policy
    if signed is None:
        signed, policy = hall.publisher.latest(), hall.publisher.alone
    assert signed is not None, "what is granted is published"
    note, checkpoint = signed.note, signed.checkpoint

    def placed(index: int) -> Proof:
        return Proof(index, tuple(hall.reader.inclusion(index, checkpoint.size)), note)

    places = hall.reader.placed([act.id for act, _ in shown])
    document = Disclosures(
        tuple(Shown(one.entry, placed(one.index)) for one in hall.reader.verified(granted, checkpoint)),
        tuple(
            Shown(act.entry, placed(places[act.id]), tuple(sorted(one.text for one in opened))) for act, opened in shown
        ),
    )
    values, _ = document.check(policy)
    write_file(path, orjson.dumps(document.as_json()), durable=True)
    path.chmod(0o600)
    return {
        "stream": stream,
        "to": to,
        "granted": granted,
        "witnessed": policy.quorum != NO_QUORUM,
        "values": len(values),
        "fields": sorted({one.disclosure.name for one in values}),
        "closed": sum(len(open_statement(entry).sd) for _, _, entry in hall.reader.stream(stream)) - len(values),
    }
