"""Questions about the log itself: its head, batches and keys, and the place and proof of one statement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

from ledger.door.hall import Hall
from ledger.errors import NotFound, Refused
from ledger.facts.registry import LOG_STREAM
from ledger.keys import thumbprint
from ledger.statement import Statement, instant_text, open_statement
from ledger.store.cosigner import LATE_S, cosigned_s
from ledger.store.reading import Placed
from ledger.store.sequencer import now_us
from ledger.store.standing import count_waiting, is_waiting
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint
from ledger.tree.proof import Proof
from projections.runner import read_position

_GIVING: Final = frozenset({"key.added.v1", "key.rotated.v1"})


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits, in counts. ``unplaced``: acknowledged, not in the tree yet; ``refused``: by the sequencer."""

    unplaced: int
    refused: int
    unprojected: int


def published(hall: Hall) -> SignedCheckpoint:
    """The newest head that meets the log's own policy, with its note (Refused as long as there is none)."""
    signed = hall.publisher.served()
    if signed is None:
        raise Refused(
            "no checkpoint meets the log's policy yet",
            code="quorum-not-met",
            mend="see that its witnesses answer: mingjian log witness list; the newest signed: /log/checkpoint/latest",
        )
    return signed


def newest(hall: Hall) -> SignedCheckpoint:
    """The newest signed head with its note and the cosignatures that it has so far."""
    signed = hall.publisher.latest()
    if signed is None:
        raise NotFound("nothing is published yet", code="no-file", mend="try again in a moment")
    return signed


def cosigned_age_s(hall: Hall) -> float | None:
    """How long ago the log's policy was last met; None where it asks for no witness, ``inf`` when it never was."""
    policy, signed = hall.publisher.policy, hall.publisher.served()
    if policy.is_met_by(()):
        return None
    met_s = None if signed is None else cosigned_s(signed, policy)
    return math.inf if met_s is None else max(0.0, age_s(met_s * 1_000_000))


def witnesses(hall: Hall) -> dict[str, Any]:
    """The log's own policy, how old its last cosigned checkpoint is, and what came of asking each witness."""
    policy, signed, heard = hall.publisher.policy, hall.publisher.served(), hall.heard()
    age = cosigned_age_s(hall)
    rows = []
    for witness in policy.witnesses:
        last = heard.get(str(witness.key))
        rows.append(
            {
                "name": witness.name,
                "vkey": str(witness.key),
                "url": witness.url,
                "standing": "never" if last is None else last.standing,
                "why": "" if last is None else last.why,
                "size": None if last is None else last.size,
                "age_s": None if last is None or last.cosigned_us is None else age_s(last.cosigned_us),
            }
        )
    return {
        "n": len(rows),
        "policy": policy.to_bytes().decode(errors="backslashreplace"),
        "cosigned_size": None if signed is None or not rows else signed.checkpoint.size,
        "cosigned_age_s": None if age is None or math.isinf(age) else age,
        "late": is_late(age),
        "witnesses": rows,
    }


def is_late(age: float | None) -> bool:
    """Whether the last cosigned checkpoint is older than it may be."""
    return age is not None and age > LATE_S


def age_s(recorded_us: int) -> float:
    """How long ago that was."""
    return round((now_us() - recorded_us) / 1e6, 3)


def backlog(hall: Hall) -> Backlog:
    """What waits to be placed and to be projected."""
    with hall.database.use("reader") as connection:
        waits = count_waiting(connection)
        return Backlog(waits.unplaced, waits.refused, waits.size - read_position(connection).position)


def is_simulated(hall: Hall) -> bool:
    """Whether a batch says that this history is made up: the first, for a play opens its log, or the newest.

    What goes on after a play is no play, and rests on one.
    """
    batches = (hall.reader.first_entries([LOG_STREAM]).get(LOG_STREAM), hall.reader.last_entry(LOG_STREAM))
    return any(batch is not None and open_statement(batch).data.get("simulated") is True for batch in batches)


def log_state(hall: Hall, *, batches: int = 10) -> dict[str, Any]:
    """Size, root, the signed checkpoint, its age, the last batches, what waits, and how far the projections are."""
    signed, latest = hall.publisher.served() or newest(hall), newest(hall)
    head = hall.reader.head()
    recorded_us = hall.reader.recorded_us([signed.checkpoint.size - 1])[signed.checkpoint.size - 1]
    rows = hall.reader.last_batches(batches)
    with hall.database.use("reader") as connection:
        position = read_position(connection)
    waits = backlog(hall)
    return {
        "n": head.size,
        "origin": hall.origin,
        "size": head.size,
        "root": head.root.hex(),
        "recorded": instant_text(head.recorded_us),
        "age_s": age_s(head.recorded_us),
        "simulated": is_simulated(hall),
        "checkpoint": {
            "size": signed.checkpoint.size,
            "root": signed.checkpoint.root.hex(),
            "age_s": age_s(recorded_us),
            "cosignatures": len(signed.cosignatures),
            "note": signed.note.decode(),
        },
        "latest": {
            "size": latest.checkpoint.size,
            "root": latest.checkpoint.root.hex(),
            "cosignatures": len(latest.cosignatures),
        },
        "witnesses": witnesses(hall),
        "projections": {"position": position.position, "lag": head.size - position.position},
        "unplaced": waits.unplaced,
        "refused": waits.refused,
        "batches": [
            {
                "first": row.first,
                "size": row.size,
                "entries": row.size - row.first,
                "recorded": instant_text(row.recorded_us),
                "root": row.root.hex(),
            }
            for row in rows
        ],
        "keys": keys(hall),
    }


def keys(hall: Hall) -> list[dict[str, Any]]:
    """Every key that may or might have signed, and in whose custody it is."""
    _, registry = hall.door.registry()
    return [
        {
            "actor": key.actor,
            "kid": bytes(kid).hex(),
            "custody": key.custody,
            "added": key.added,
            "revoked": key.is_revoked,
            "suspect": key.suspect,
        }
        for kid, key in registry.keys.items()
    ]


def placed_entry(hall: Hall, statement: bytes) -> Placed:
    """The entry of a statement in the published tree, checked (NotFound where there is none)."""
    index = hall.reader.placed([statement]).get(statement)
    checkpoint = newest(hall).checkpoint
    if index is None or index >= checkpoint.size:
        raise NotFound(f"no statement {statement.hex()} is placed", code="no-statement", mend="ask again in a second")
    [placed] = hall.reader.verified([index], checkpoint)
    return placed


def key_statements(hall: Hall, placed: Placed) -> list[str]:
    """Ids of the statements by which the signer of ``placed`` has its key, back to entry 0, in the log's order."""
    [opening] = hall.reader.entries(0, 1)
    found: dict[int, str] = {}
    act: Statement | None = open_statement(placed.entry)
    while act is not None:
        giving = _giving(hall, act)
        act = None
        if giving is not None and giving[0] not in found:
            found[giving[0]] = giving[1].id.hex()
            act = giving[1]
    # Keys of which no stream speaks are the opening's.
    return [opening.id.hex(), *(found[index] for index in sorted(found))]


def _giving(hall: Hall, act: Statement) -> tuple[int, Statement] | None:
    """The placed statement that registered the key of ``act``, if it is not entry 0."""
    for index, _, entry in hall.reader.stream(f"key/{act.actor}"):
        one = open_statement(entry)
        if index is not None and one.type in _GIVING and thumbprint(bytes.fromhex(one.data["key"])) == act.kid:
            return index, one
    return None


def inclusion_proof(hall: Hall, statement: bytes) -> tuple[Checkpoint, Proof] | None:
    """The proof of a statement; None while it is being placed or published.

    Made on the head that meets the log's policy if that covers it, else on the newest signed one.
    NotFound when the log does not know the statement.
    """
    index = hall.reader.placed([statement]).get(statement)
    signed = newest(hall)
    served = hall.publisher.served()
    if index is not None and served is not None and index < served.checkpoint.size:
        signed = served
    if index is not None and index < signed.checkpoint.size:
        path = hall.reader.inclusion(index, signed.checkpoint.size)
        return signed.checkpoint, Proof(index, tuple(path), signed.note)
    if index is None and not _is_waiting(hall, statement):
        raise NotFound(f"no statement {statement.hex()} was taken in", code="no-statement")
    return None


def _is_waiting(hall: Hall, statement: bytes) -> bool:
    with hall.database.use("reader") as connection:
        if is_waiting(connection, statement):
            return True
    # It may have been placed between the two looks.
    return statement in hall.reader.placed([statement])
