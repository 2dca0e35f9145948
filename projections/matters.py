"""Every act on the centres' live streams but approvals (whose acts stand in ``approval_acts``), as one tidy table.

Promise: one row per valid act, in its place of the log, with what it says in clear. Nothing is added up here: whoever
reads it calls the same functions of ``ledger.facts`` as everybody.
"""

from __future__ import annotations

from typing import Final

from ledger.facts.streams import FOLDS
from ledger.store.database import Connection
from projections.chunk import Chunk, copy_rows, json_text

DDL: Final = """
CREATE TABLE matter_acts (
    leaf_index  bigint NOT NULL PRIMARY KEY,
    kind        text   COLLATE "C" NOT NULL,      -- of the stream: ticket, rating, mediation, footage …
    stream      text   COLLATE "C" NOT NULL,
    seq         bigint NOT NULL,                  -- in its stream
    recorded_us bigint NOT NULL,
    at_us       bigint NOT NULL,                  -- claimed
    type        text   COLLATE "C" NOT NULL,
    actor       text   COLLATE "C" NOT NULL,
    role        text   COLLATE "C" NOT NULL,
    unit        text   COLLATE "C",
    win         text   COLLATE "C",
    data        jsonb  NOT NULL
);
CREATE INDEX ON matter_acts (stream, leaf_index);
CREATE INDEX ON matter_acts (kind, leaf_index);
CREATE INDEX ON matter_acts (win, recorded_us) WHERE kind = 'ticket';
"""

TABLES: Final = {"matter_acts": "leaf_index"}

# These have tables of their own, are no work on a matter, or (a recorder's batches) are too many to be kept twice.
_NOT_HERE: Final = {"approval", "card", "anomaly", "imported", "erasure", "disclosure", "heads", "attestation"} | {
    "log",
    "recorder",
    "read",
}
KINDS: Final = tuple(sorted(FOLDS.keys() - _NOT_HERE))
_COLUMNS: Final = "leaf_index kind stream seq recorded_us at_us type actor role unit win data"


def apply(connection: Connection, chunk: Chunk) -> None:
    """Take in acts on those streams."""
    acts = chunk.of(*KINDS)
    if not acts:
        return
    copy_rows(
        connection,
        "matter_acts",
        _COLUMNS,
        (
            (
                act.index,
                act.said.kind,
                act.said.stream,
                act.said.seq,
                act.recorded_us,
                act.said.at_us,
                act.said.type,
                act.said.actor,
                act.said.role,
                act.said.unit,
                act.said.window,
                json_text(act.said.data),
            )
            for act in acts
        ),
    )
