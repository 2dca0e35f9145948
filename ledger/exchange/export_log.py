"""The log as files: ``checkpoint``, ``tile/…`` with hashes and entries, ``policy``; nothing else.

What is written is checked while it is read: every entry against its leaf, every tile against the signed root that
ends the export. A folder that already holds an older export of the same log is brought up to date.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.door.hall import Hall
from ledger.errors import Evidence, Refused, Unavailable
from ledger.files import write_file
from ledger.store.published import write_tiles
from ledger.store.reading import check_bytes
from ledger.tree.merkle import Frontier
from ledger.tree.tiles import bundles_for, encode_bundle


def export_log(hall: Hall, folder: Path, *, latest: bool = False) -> dict[str, Any]:
    """Write the log into ``folder``, up to the head that meets its policy; returns size, root and number of files.

    ``latest``, or as long as none meets the policy: up to the newest signed head.
    """
    signed = None if latest else hall.publisher.served()
    if signed is None:
        signed = hall.publisher.latest()
    if signed is None:
        raise Unavailable("nothing is published yet", code="no-checkpoint", mend="try again in a moment")
    checkpoint = signed.checkpoint
    if folder.exists() and any(folder.iterdir()):
        raise Refused(
            f"{folder} is not empty", code="folder-not-empty", mend="name a new folder: an export holds the log alone"
        )
    frontier = Frontier()
    files = 2
    for bundle in bundles_for(checkpoint.size):
        low = bundle.index * 256
        placed = hall.reader.entries(low, low + bundle.width)
        for one in placed:
            check_bytes(one)
        frontier.extend([one.id for one in placed])
        write_file(folder / bundle.path, encode_bundle([one.entry for one in placed]))
        files += 1
    if frontier.root() != checkpoint.root:
        raise Evidence(
            f"the entries do not add up to the root that was signed at size {checkpoint.size}",
            code="root-changed",
            size=checkpoint.size,
        )
    write_tiles(folder, checkpoint.size, 0, hall.reader.read_tile)
    write_file(folder / "policy", hall.publisher.policy.to_bytes())
    write_file(folder / "checkpoint", signed.note)
    return {
        "size": checkpoint.size,
        "root": checkpoint.root.hex(),
        "bundles": files - 2,
        "cosignatures": len(signed.cosignatures),
    }
