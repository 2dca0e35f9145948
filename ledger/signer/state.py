"""What the signer's side keeps, in a folder of its owner for each log:

    STATE/<last part of the origin>/
        checkpoint              the newest note verified here: no server may ever show less
        opening                 entry 0, which the origin pins: the receipt key stands in it
        acts/<id>.entry         what was signed, before it was sent
        acts/<id>.disclosures   its sealed values, a text a line: whoever has them can open them
        acts/<id>.promise       the server's signed word that it will be in the tree by a time
        acts/<id>.tlog-proof    that it is: ``mingjian-verify proof`` checks it offline
        acts/<id>.refused       what was signed and not taken in
        evidence/               two notes of the log that contradict each other

An entry without a proof is unfinished; ``mingjian-sign finish`` goes on with it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ledger.errors import Unavailable
from ledger.files import replace_file
from ledger.statement import StatementId
from ledger.tree.proof import SUFFIX

ENTRY: Final = ".entry"
DISCLOSURES: Final = ".disclosures"
PROMISE: Final = ".promise"
REFUSED: Final = ".refused"
PROOF: Final = SUFFIX


class State:
    """The folder of one log; files are 0600 and written whole or not at all."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.folder = folder / origin.rpartition("/")[2]
        try:
            for name in ("", "acts", "evidence"):
                (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise Unavailable(f"{self.folder} cannot be used: {error.strerror}", code="state") from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While this lasts, no other signer looks at the newest checkpoint or replaces it."""
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def read(self, name: str) -> bytes | None:
        """A file of the folder, None when it is not there."""
        try:
            return (self.folder / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, name: str, content: bytes) -> Path:
        """Keep it; what a name held before is replaced at once or not at all."""
        path = self.folder / name
        replace_file(path, content, durable=True, private=True)
        return path

    def keep(self, id_: StatementId, suffix: str, content: bytes) -> Path:
        """Something about one statement."""
        return self.write(f"acts/{id_.hex()}{suffix}", content)

    def kept(self, id_: StatementId, suffix: str) -> bytes | None:
        """The same, or None."""
        return self.read(f"acts/{id_.hex()}{suffix}")

    def set_aside(self, id_: StatementId) -> None:
        """What was signed and the server refused: kept, and not sent again."""
        path = self.folder / "acts" / f"{id_.hex()}{ENTRY}"
        path.rename(path.with_suffix(REFUSED))

    def unfinished(self) -> list[bytes]:
        """Entries that were signed and of which there is no proof yet."""
        found = sorted((self.folder / "acts").glob(f"*{ENTRY}"))
        return [path.read_bytes() for path in found if not path.with_suffix(PROOF).exists()]
