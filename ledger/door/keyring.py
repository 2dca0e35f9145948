"""The keys that this machine keeps: the log's own, and those kept for others (custody ``server``).

    DATA/keys/log.pem receipt.pem clock.pem     the log's own three, each for one purpose
    DATA/keys/door.secret                       32 bytes: the door's seal on the rows it wrote
    DATA/keys/names.secret                      32 bytes: pseudonyms come from it
    DATA/keys/actors/<actor>.pem                keys kept for an actor; '/' is written '+'

Files are made 0600 in a folder 0700 and never overwritten. A person's own key, made elsewhere, never comes here.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from ledger.errors import NotFound, Unavailable
from ledger.files import flush_folder
from ledger.keys import SigningKey


class Keyring:
    """The key folder of a ledger."""

    def __init__(self, data: Path) -> None:
        self.folder = data / "keys"

    def make(self) -> None:
        """Make the log's own keys and secrets where they are missing."""
        (self.folder / "actors").mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for name in ("log", "receipt", "clock"):
            self._create(f"{name}.pem", SigningKey.generate().to_pem())
        for name in ("door", "names"):
            self._create(f"{name}.secret", os.urandom(32))

    def _create(self, name: str, content: bytes) -> None:
        path = self.folder / name
        if path.exists():
            return
        # Written aside and linked: whoever dies here leaves a whole key or none, and the first of two wins.
        descriptor, aside = tempfile.mkstemp(prefix=".new-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                path.hardlink_to(aside)
        finally:
            Path(aside).unlink()
        flush_folder(path.parent)

    def _read(self, name: str) -> bytes:
        path = self.folder / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            raise NotFound(
                f"the key file {path} is missing", code="key-file", mend="restore it from your backup of the keys"
            ) from None
        except OSError as error:
            raise Unavailable(f"the key file {path} cannot be read: {error}", code="key-file") from error

    def own(self, name: str) -> SigningKey:
        """One of ``log``, ``receipt``, ``clock``."""
        return SigningKey.from_pem(self._read(f"{name}.pem"))

    def secret(self, name: str) -> bytes:
        """One of ``door``, ``names``."""
        return self._read(f"{name}.secret")

    def make_actor(self, actor: str) -> SigningKey:
        """The key kept for ``actor``, made when there is none yet."""
        self._create(f"actors/{actor.replace('/', '+')}.pem", SigningKey.generate().to_pem())
        return self.actor(actor)

    def keep_actor(self, actor: str, key: SigningKey) -> None:
        """Keep a key made elsewhere for ``actor``, unless there is one."""
        self._create(f"actors/{actor.replace('/', '+')}.pem", key.to_pem())

    def actor(self, actor: str) -> SigningKey:
        """The key kept for ``actor`` (NotFound when it is kept elsewhere)."""
        return SigningKey.from_pem(self._read(f"actors/{actor.replace('/', '+')}.pem"))

    def keeps(self, actor: str) -> bool:
        """Whether this machine keeps a key for ``actor``."""
        return (self.folder / "actors" / f"{actor.replace('/', '+')}.pem").exists()
