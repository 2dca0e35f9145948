"""The way out after a restore: what a database has lost is put back byte for byte from a copy that somebody kept.

Promise: either the tree ends exactly at the copy's signed head, which the log's own key signed and which contains every
head that the folder or a reachable witness remembers, or nothing was changed (see ``ledger.store.restoring``).

Not put back: clear values (a store of their own, with a backup of their own). Projections follow the log by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from ledger.door.hall import Hall
from ledger.errors import Evidence, MingjianError, NotFound, Refused
from ledger.store.cosigner import with_remembered
from ledger.store.published import POLICY, read_checkpoint
from ledger.store.restoring import alone, put_back
from ledger.tree.checkpoint import open_checkpoint
from ledger.tree.policy import Policy
from ledger.tree.tiles import TILE_WIDTH, Bundle, decode_bundle, encode_bundle
from ledger.verify.fetch import LogClient
from ledger.witness.ask import newest

_WITNESS_TIMEOUT_S: Final = 5.0


class _Copy(Protocol):
    """An exported folder, or a log served over HTTP."""

    def latest(self) -> bytes:
        """The newest signed head."""

    def bundle(self, bundle: Bundle) -> bytes:
        """The bytes of a bundle."""


@dataclass(frozen=True, slots=True)
class _Folder:
    root: Path

    def latest(self) -> bytes:
        return self._read("checkpoint")

    def bundle(self, bundle: Bundle) -> bytes:
        try:
            return self._read(bundle.path)
        except NotFound:
            full = decode_bundle(self._read(Bundle(bundle.index).path), TILE_WIDTH)
            return encode_bundle(full[: bundle.width])

    def _read(self, name: str) -> bytes:
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            raise NotFound(
                f"{self.root} has no file {name}", code="no-file", mend="name the folder of an exported log"
            ) from None


@contextmanager
def _opened(source: str, token: str | None) -> Iterator[_Copy]:
    if source.startswith(("http://", "https://")):
        with LogClient(source, token=token) as client:
            yield client
    else:
        yield _Folder(Path(source))


def repair(hall: Hall, source: str, *, token: str | None = None) -> dict[str, Any]:
    """Put back what this database lacks of the log in ``source``, a folder or an address; what was done, in counts."""
    with ExitStack() as stack:
        copy = stack.enter_context(_opened(source, token))
        signed = open_checkpoint(copy.latest(), hall.publisher.policy, need_quorum=False)
        wanted = signed.checkpoint
        known, asked = _remembered(hall)
        connection = stack.enter_context(alone(hall.database))
        most, whose = max((size, whose) for size, (_, whose) in known.items())
        if wanted.size < most:
            raise Refused(
                f"the copy ends at {wanted.size} entries, {whose} holds a signed head of {most}",
                code="copy-short",
                mend="find a newer copy; where nobody has one: mingjian log close",
                size=wanted.size,
                signed=most,
            )
        start, done = put_back(connection, copy.bundle, wanted, known=known, secret=hall.keyring.secret("door"))
    hall.publisher.publish(hall.reader.head())
    return {"from": start, "size": wanted.size, "root": wanted.root.hex(), "added": done, "witnesses_asked": asked}


def _remembered(hall: Hall) -> tuple[dict[int, tuple[bytes, str]], int]:
    """Signed heads by size, and who remembers them: this folder, and every witness that answers."""
    found: dict[int, tuple[bytes, str]] = {0: (b"", "nobody")}
    guard = read_checkpoint(hall.publisher.guard, hall.publisher.alone)
    if guard is not None:
        found[guard.size] = (guard.root, "this folder")
    policy = with_remembered(hall.policy(), hall.publisher.root / POLICY)
    answered = 0
    for witness in policy.witnesses:
        if witness.url is None:
            continue
        try:
            note = newest(witness.url, hall.origin, timeout_s=_WITNESS_TIMEOUT_S)
            if note is None:
                continue
            head = open_checkpoint(note, Policy(policy.logs, (witness,), quorum=witness.name)).checkpoint
        except MingjianError:
            continue
        answered += 1
        if found.setdefault(head.size, (head.root, witness.key.name))[0] != head.root:
            raise Evidence(
                f"{witness.key.name} and {found[head.size][1]} hold two roots at size {head.size}",
                code="forked",
                mend="keep both notes: they are the evidence; this log cannot be repaired",
                size=head.size,
            )
    return found, answered
