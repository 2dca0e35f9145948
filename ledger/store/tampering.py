"""What the owner of a database can do, for a demo to show that it is seen: one statement's bytes replaced in place.

Nothing of the ledger writes like this: triggers forbid it to every role, and only the owner can set them aside. Tiles,
checkpoints and the door's seal stay as they were.
"""

from __future__ import annotations

from ledger.store.database import Database


def replace_entry(database: Database, index: int, entry: bytes) -> None:
    """Put ``entry`` into the row of the leaf ``index``, as the owner."""
    with database.connect("owner") as connection, connection.transaction():
        connection.execute("ALTER TABLE ledger.statements DISABLE TRIGGER forbid")
        connection.execute(
            "UPDATE ledger.statements SET entry = %b"
            " WHERE insertion_id = (SELECT insertion_id FROM ledger.leaves WHERE index = %s)",
            (entry, index),
        )
        connection.execute("ALTER TABLE ledger.statements ENABLE TRIGGER forbid")
