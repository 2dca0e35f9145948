"""Questions about the log itself: its head, batches and keys, and the place and proof of one statement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.door.hall import Hall
from ledger.errors import NotFound
from ledger.statement import instant_text, open_statement
from ledger.store.published import read_published
from ledger.store.sequencer import now_us
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.tree.proof import Proof
from projections.runner import read_position

_WAITING = (
    "SELECT count(*) FROM ledger.statements s WHERE s.xid >= (SELECT done_xid FROM ledger.head)"
    " AND NOT EXISTS (SELECT FROM ledger.leaves l WHERE l.insertion_id = s.insertion_id)"
)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits, in counts. ``unplaced``: acknowledged, not in the tree yet; ``refused``: by the sequencer."""

    unplaced: int
    refused: int
    unprojected: int


def published(hall: Hall) -> SignedCheckpoint:
    """The newest published head with its note, checked under the log's key."""
    path = read_published(hall.data / "published", "checkpoint")
    return open_checkpoint(path.read_bytes(), hall.publisher.policy)


def age_s(recorded_us: int) -> float:
    """How long ago that was."""
    return round((now_us() - recorded_us) / 1e6, 3)


def backlog(hall: Hall) -> Backlog:
    """What waits to be placed and to be projected."""
    with hall.database.use("reader") as connection:
        waiting = connection.execute(_WAITING.encode()).fetchone()
        held = connection.execute("SELECT cardinality(held), cardinality(refused), size FROM ledger.head").fetchone()
        assert waiting is not None
        assert held is not None
        return Backlog(waiting[0] + held[0], held[1], held[2] - read_position(connection).position)


def is_simulated(hall: Hall) -> bool:
    """Whether the newest batch says that this history is made up."""
    with hall.database.use("reader") as connection:
        row = connection.execute(
            "SELECT entry FROM ledger.statements WHERE stream = 'log' ORDER BY seq DESC LIMIT 1", binary=True
        ).fetchone()
    return row is not None and open_statement(row[0]).data.get("simulated") is True


def log_state(hall: Hall, *, batches: int = 10) -> dict[str, Any]:
    """Size, root, the signed checkpoint, its age, the last batches, what waits, and how far the projections are."""
    signed = published(hall)
    head = hall.reader.head()
    recorded_us = hall.reader.recorded_us([signed.checkpoint.size - 1])[signed.checkpoint.size - 1]
    with hall.database.use("reader") as connection:
        rows = connection.execute(
            "SELECT first, size, recorded_us, root FROM ledger.batches ORDER BY first DESC LIMIT %s", (batches,)
        ).fetchall()
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
        "projections": {"position": position.position, "lag": head.size - position.position},
        "unplaced": waits.unplaced,
        "refused": waits.refused,
        "batches": [
            {"first": first, "size": size, "entries": size - first, "recorded": instant_text(us), "root": root.hex()}
            for first, size, us, root in rows
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


def inclusion_proof(hall: Hall, statement: bytes) -> tuple[Checkpoint, Proof] | None:
    """The proof of a statement under the newest published head; None while it is being placed or published.

    NotFound when the log does not know the statement.
    """
    index = hall.reader.placed([statement]).get(statement)
    signed = published(hall)
    if index is not None and index < signed.checkpoint.size:
        path = hall.reader.inclusion(index, signed.checkpoint.size)
        return signed.checkpoint, Proof(index, tuple(path), signed.note)
    if index is None and not _is_waiting(hall, statement):
        raise NotFound(f"no statement {statement.hex()} was taken in", code="no-statement")
    return None


def _is_waiting(hall: Hall, statement: bytes) -> bool:
    with hall.database.use("reader") as connection:
        row = connection.execute(
            "SELECT 1 FROM ledger.statements WHERE id = %(id)b AND xid >= (SELECT done_xid FROM ledger.head)"
            " UNION ALL SELECT 1 FROM ledger.statements WHERE id = %(id)b"
            " AND insertion_id = ANY(SELECT unnest(held) FROM ledger.head)",
            {"id": statement},
        ).fetchone()
    # It may have been placed between the two looks.
    return row is not None or statement in hall.reader.placed([statement])
