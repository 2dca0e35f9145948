"""A case, a period or the whole log in one file that anybody can check: see ``ledger.verify.bundle_format``.

Promise: every entry is checked against its leaf and the signed tree before it is written; the file is there whole or
not at all, and never in the place of another; the same log under the same checkpoint gives the same bytes. Values that
are opened in it were granted by a statement, which stands in it too.

What is put in beside what is asked for, so that it can be judged alone: entries 0 and 1, every governing statement, the
batch of each entry and of each tree that a signer had seen, voids, the newest case heads, a time token that covers all.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, Final

from ledger.disclosure import Disclosure
from ledger.door.hall import Hall
from ledger.door.heads import StatedHeads, prove_stream, stated_heads
from ledger.errors import Malformed, NotFound, Refused, Unavailable
from ledger.facts.erasure import MADE
from ledger.facts.times import TIME_STREAM
from ledger.facts.types import TYPES
from ledger.statement import Statement, instant_text, instant_us, open_statement
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.tree.note import split_note
from ledger.tree.receipt import sign_receipt
from ledger.tree.subset import prove_subset
from ledger.verify.archive import CHUNK, write_archive
from ledger.verify.bundle_format import (
    CHECKPOINT,
    COMPLETENESS,
    DISCLOSURES,
    ENTRIES,
    MANIFEST,
    MEMBERS,
    PARTIAL,
    RECEIPTS,
    TREE,
    Manifest,
    Scope,
    line,
    record,
    relied_on,
)

_PAGE: Final = 2_000
_GOVERNING: Final = frozenset(declared.stream_kind for declared in TYPES.values() if declared.governs)


@dataclass(frozen=True, slots=True)
class Bundled:
    """What was written."""

    manifest: Manifest
    bytes: int
    sha256: str

    def as_json(self) -> dict[str, Any]:
        """``{"scope", "size", "root", "as_of", …counts, "bytes", "sha256"}``."""
        head = self.manifest
        told = {"scope": head.scope.as_json(), "size": head.size, "root": head.root, "as_of": head.as_of}
        return told | dict(head.counts) | {"bytes": self.bytes, "sha256": self.sha256}


def period(hall: Hall, text: str) -> Scope:
    """The scope of ``A..B`` (RFC 3339): the batches with a recorded time from A to B, both included."""
    start, dots, end = text.partition("..")
    start_us, end_us = instant_us(start), instant_us(end)
    if not dots or start_us > end_us:
        raise Malformed("a period is A..B, the earlier time first", code="period")
    first, stop = max(2, hall.reader.size_at(start_us - 1)), hall.reader.size_at(end_us)
    if first >= stop:
        raise NotFound(
            f"nothing was recorded in {text}", code="no-entry", mend="mingjian log checkpoint tells as of when"
        )
    return Scope(kind="period", first=first, stop=stop, start=start, end=end)


def export_bundle(
    hall: Hall,
    path: Path,
    scope: Scope,
    *,
    note: bytes,
    shown: Sequence[tuple[Statement, Sequence[Disclosure]]] = (),
) -> Bundled:
    """Write the bundle of ``scope`` on the checkpoint in ``note``; ``shown``: values of the case, granted before."""
    if path.exists():
        raise Refused(f"{path} is there already", code="file-exists", mend="name a new file")
    signed = open_checkpoint(note, hall.publisher.policy, need_quorum=False)
    with ExitStack() as stack:

        def part() -> IO[bytes]:
            # Without a name: whoever ends us leaves nothing behind, opened values least of all.
            return stack.enter_context(TemporaryFile(dir=path.parent))

        parts = {name: part() for name in MEMBERS if name != MANIFEST}
        writing = _Writing(hall, scope, signed, parts)
        counts, as_of = writing.write(shown)
        filled = {name: file for name, file in parts.items() if file.tell() or name in (CHECKPOINT, ENTRIES, TREE)}
        head = signed.checkpoint
        manifest = Manifest(
            origin=head.origin,
            size=head.size,
            root=head.root.hex(),
            as_of=as_of,
            scope=scope,
            counts=counts,
            members={name: (file.tell(), _sha256(file)) for name, file in filled.items()},
        )
        first = part()
        first.write(manifest.to_bytes())
        return _write_whole(path, {MANIFEST: first, **filled}, manifest)


def _write_whole(path: Path, parts: dict[str, IO[bytes]], manifest: Manifest) -> Bundled:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(aside, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            write_archive(file, parts)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        path.hardlink_to(aside)
    finally:
        aside.unlink(missing_ok=True)
    return Bundled(manifest, size, sha256)


def _sha256(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


class _Writing:
    def __init__(self, hall: Hall, scope: Scope, signed: SignedCheckpoint, parts: dict[str, IO[bytes]]) -> None:
        self._hall, self._scope, self._signed, self._parts = hall, scope, signed, parts
        self._head: Checkpoint = signed.checkpoint
        self._heads: StatedHeads | None = None

    def write(self, shown: Sequence[tuple[Statement, Sequence[Disclosure]]]) -> tuple[dict[str, int], str]:
        """Fill every part; the counts, and the recorded time of the tree's last batch."""
        self._parts[CHECKPOINT].write(self._signed.note)
        indexes = self._indexes()
        streams: set[str] = set()
        actors: set[str] = set()
        in_scope: list[int] = []
        erased: set[str] = set()
        scoped: dict[bytes, int] = {}
        for index, act in self._entries(indexes):
            self._parts[ENTRIES].write(record(index, act.entry))
            streams.add(act.stream)
            actors.add(act.actor)
            if act.type == MADE:
                erased |= set(act.data["digests"])
            if self._scope.covers(index, act.stream):
                in_scope.append(index)
                if self._scope.kind == "case":
                    scoped[act.id] = index
                    self._receipt(index, act)
        for hash_ in prove_subset(indexes, self._head.size, self._hall.reader.read_tile):
            self._parts[TREE].write(hash_)
        whole = 0
        if self._heads is not None:
            names = {name for name in streams if name.partition("/")[0] in _GOVERNING} | set(self._scope.streams)
            whole = self._completeness(sorted(names | relied_on(actors)), self._heads)
        values = sorted(
            (scoped[act.id], one.digest, one.text) for act, opened in shown for one in opened if act.id in scoped
        )
        for index, _, text in values:
            self._parts[DISCLOSURES].write(line({"index": index, "disclosure": text}))
        counts = {
            "entries": len(indexes),
            "statements": len(in_scope),
            "receipts": len(scoped),
            "streams": whole,
            "disclosures": len(values),
            "erased": len(erased),
        }
        last = self._hall.reader.recorded_us([self._head.size - 1])[self._head.size - 1]
        return counts, instant_text(last)

    # ---------------------------------------------------------------------------------------- which entries are needed

    def _indexes(self) -> list[int]:
        size = self._head.size
        if size <= 2:
            raise Unavailable("the log has no batch yet", code="no-entry", mend="try again when something was recorded")
        if self._scope.kind == "all":
            return list(range(size))
        asked = self._asked()
        needed = {0, 1, *asked, *self._hall.reader.governing_indexes(before=size)}
        stated = stated_heads(self._hall)
        if stated is not None and stated.index < size:
            self._heads = stated
            needed.add(stated.index)
        needed |= self._token(max(asked))
        needed |= {index + 1 for index in self._hall.reader.voided_indexes(sorted(needed))}
        # The batches: of every entry, of the tree's end, and those that tell what the signers of the case had seen.
        seen = {act.seen_size for _, act in self._entries(sorted(asked)) if act.seen_size >= 2}
        edges = {size - 1}
        if self._scope.first is not None and self._scope.stop is not None:
            edges |= {index for index in (self._scope.first - 1, self._scope.stop) if 2 <= index < size}
        batches = self._batches(needed | seen | edges)
        carried = {
            head for _, act in self._entries(sorted(batches)) if (head := _carried(act)) is not None and head < size
        }
        return sorted(needed | batches | self._batches(carried))

    def _asked(self) -> set[int]:
        scope, size = self._scope, self._head.size
        if scope.stream is not None:
            found = self._hall.reader.stream_indexes(scope.streams, before=size)
            if not found:
                raise NotFound(f"there is no case {scope.stream}", code="no-case")
            return found
        assert scope.first is not None
        assert scope.stop is not None
        if scope.stop > size:
            raise Unavailable("the checkpoint does not reach so far yet", code="behind", mend="try again in a moment")
        inside = set(range(scope.first, scope.stop))
        streams = {act.stream for _, act in self._entries(sorted(inside))} - PARTIAL
        # Whoever judges these must know what came before them in their streams.
        return inside | self._hall.reader.stream_indexes(sorted(streams), before=scope.stop)

    def _token(self, last: int) -> set[int]:
        """The first time token over a tree with everything in it."""
        for index, _, entry in self._hall.reader.stream(TIME_STREAM):
            if index is not None and index < self._head.size and open_statement(entry).data["size"] > last:
                return {index}
        return set()

    def _batches(self, indexes: Iterable[int]) -> set[int]:
        """The places of the batch statements of those entries that the tree has; entries 0 and 1 have none."""
        return self._hall.reader.batch_indexes(sorted(index for index in indexes if 2 <= index < self._head.size))

    def _entries(self, indexes: Sequence[int]) -> Iterator[tuple[int, Statement]]:
        for low in range(0, len(indexes), _PAGE):
            for placed in self._hall.reader.verified(indexes[low : low + _PAGE], self._head):
                yield placed.index, open_statement(placed.entry)

    # ----------------------------------------------------------------------------------------- what stands beside them

    def _receipt(self, index: int, act: Statement) -> None:
        receipt = sign_receipt(
            act.entry,
            subject=act.stream,
            index=index,
            size=self._head.size,
            path=self._hall.reader.inclusion(index, self._head.size),
            origin=self._hall.origin,
            key=self._hall.keyring.own("receipt"),
        )
        self._parts[RECEIPTS].write(record(index, receipt))

    def _completeness(self, streams: Sequence[str], stated: StatedHeads) -> int:
        part = self._parts[COMPLETENESS]
        part.write(line({"heads": stated.index, "size": stated.heads.size}))
        for stream in streams:
            row = prove_stream(self._hall, stated, stream)
            part.write(line({"stream": stream, "row": row.as_json()}))
        return len(streams)


def _carried(act: Statement) -> int | None:
    """The size of the cosigned head that a batch carries."""
    note = act.data.get("checkpoint")
    return None if note is None else Checkpoint.parse(split_note(note.encode()).text).size
