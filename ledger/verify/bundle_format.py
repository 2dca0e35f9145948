"""What a bundle holds, byte for byte: written by ``ledger.exchange.bundle``, read by ``ledger.verify.bundle``.

    manifest.json        canonical JSON: see ``Manifest``; a convenience, for everything in it is derived again
    checkpoint           the signed head that all else is proved on (C2SP tlog-checkpoint)
    entries              index, 8 bytes | length, 2 bytes | that many bytes; by rising index
    tree                 the hashes, 32 bytes each, that these entries lack to make the root (``ledger.tree.subset``)
    receipts             likewise index | length | COSE receipt, of the case's statements on that checkpoint
    completeness.jsonl   {"heads": index, "size": S}, then for each stream {"row": {…}, "stream": name} (``tree.heads``)
    disclosures.jsonl    {"disclosure": text, "index": index}: sealed values of an entry, opened

in an archive of ``ledger.verify.archive``, in this order; the last three only where there is something in them. Lines
are canonical JSON, each ended by a line feed. Numbers are big-endian.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.errors import Malformed
from ledger.statement import MAX_ENTRY_BYTES, canonical_json, parse_canonical_json
from ledger.verify.archive import Reader

FORMAT: Final = "mingjian-bundle@v1"
MANIFEST: Final = "manifest.json"
CHECKPOINT: Final = "checkpoint"
ENTRIES: Final = "entries"
TREE: Final = "tree"
RECEIPTS: Final = "receipts"
COMPLETENESS: Final = "completeness.jsonl"
DISCLOSURES: Final = "disclosures.jsonl"
MEMBERS: Final = (MANIFEST, CHECKPOINT, ENTRIES, TREE, RECEIPTS, COMPLETENESS, DISCLOSURES)
MAX_MANIFEST_BYTES: Final = 16_384
MAX_LINE_BYTES: Final = 131_072
COUNTS: Final = ("entries", "statements", "receipts", "streams", "disclosures", "erased")
# What may stand beside a case, or before a period, without the rest of its stream.
PARTIAL: Final = frozenset({"log", "log/time", "heads"})


def relied_on(actors: Iterable[str]) -> set[str]:
    """The streams of rules that acts of these actors rely on, whether they are there or not.

    A bundle shows of each how many statements it has, or that it has none: to leave out a whole stream (a policy that
    forbade the act, say, or the revocation of its key) is seen like the cut end of one.
    """
    return {"policy", *(f"{kind}/{actor}" for actor in actors for kind in ("key", "staff"))}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a bundle is of: a case by its ``stream``, or a period by its leaves and by its times as they were asked."""

    kind: str
    stream: str | None = None
    first: int | None = None
    stop: int | None = None
    start: str | None = None
    end: str | None = None

    def covers(self, index: int, stream: str) -> bool:
        """Whether an entry is one that the bundle is of, and not only there to judge others by."""
        match self.kind:
            case "case":
                return stream in self.streams
            case "period":
                assert self.first is not None
                assert self.stop is not None
                return self.first <= index < self.stop
            case _:
                return True

    @property
    def streams(self) -> tuple[str, ...]:
        """Of a case: its own, and what became of its sealed values."""
        return () if self.stream is None else (self.stream, f"erasure/{self.stream}", f"disclosure/{self.stream}")

    def as_json(self) -> dict[str, Any]:
        """As it stands in the manifest."""
        names = ("kind", "stream", "first", "stop", "start", "end")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @classmethod
    def from_json(cls, body: Any) -> Scope:
        """Read :meth:`as_json`."""
        match body:
            case {"kind": "case", "stream": str(stream)} if len(body) == 2:
                return cls(kind="case", stream=stream)
            case {"kind": "period", "first": int(first), "stop": int(stop), "start": str(start), "end": str(end)} if (
                len(body) == 5 and 2 <= first <= stop and not {type(first), type(stop)} & {bool}
            ):
                return cls(kind="period", first=first, stop=stop, start=start, end=end)
            case {"kind": "all"} if len(body) == 1:
                return cls(kind="all")
        raise Malformed("the manifest names no scope: a case, a period or all", code="manifest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """``{"as_of": recorded time of the last batch, "counts": {…}, "format", "members": {name: {"bytes", "sha256"}},
    "origin", "root", "scope", "size"}``."""

    origin: str
    size: int
    root: str
    as_of: str
    scope: Scope
    counts: Mapping[str, int]
    members: Mapping[str, tuple[int, str]]

    def to_bytes(self) -> bytes:
        """The file."""
        return canonical_json(
            {
                "format": FORMAT,
                "origin": self.origin,
                "size": self.size,
                "root": self.root,
                "as_of": self.as_of,
                "scope": self.scope.as_json(),
                "counts": dict(self.counts),
                "members": {name: {"bytes": size, "sha256": sha} for name, (size, sha) in self.members.items()},
            }
        )

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read :meth:`to_bytes`, and nothing else."""
        match parse_canonical_json(data):
            case {
                "format": str(form),
                "origin": str(origin),
                "size": int(size),
                "root": str(root),
                "as_of": str(as_of),
                "scope": dict(scope),
                "counts": dict(counts),
                "members": dict(members),
            } if form == FORMAT:
                found = cls(
                    origin=origin,
                    size=size,
                    root=root,
                    as_of=as_of,
                    scope=Scope.from_json(scope),
                    counts=counts,
                    members={name: _member(value) for name, value in members.items()},
                )
                counted = counts.keys() == set(COUNTS) and all(type(n) is int and n >= 0 for n in counts.values())
                if counted and type(size) is int and found.to_bytes() == data:
                    return found
        raise Malformed(f"the manifest is not in the form {FORMAT!r}", code="manifest")


def _member(value: Any) -> tuple[int, str]:
    match value:
        case {"bytes": int(size), "sha256": str(sha)} if len(value) == 2:
            return size, sha
    raise Malformed("the manifest names a member by its bytes and sha256", code="manifest")


def record(index: int, data: bytes) -> bytes:
    """One record of ``entries`` or ``receipts``."""
    return index.to_bytes(8) + len(data).to_bytes(2) + data


def records(reader: Reader) -> Iterator[tuple[int, bytes]]:
    """The records of a member, by rising index."""
    last = -1
    while reader.left:
        index = int.from_bytes(reader.take(8))
        length = int.from_bytes(reader.take(2))
        if index <= last or length > MAX_ENTRY_BYTES:
            raise Malformed(
                f"records are in the order of their indexes, each once: {index} after {last}", code="member"
            )
        last = index
        yield index, reader.take(length)


def hashes(reader: Reader) -> Iterator[bytes]:
    """The hashes of ``tree``."""
    while reader.left:
        yield reader.take(32)


def line(value: Mapping[str, Any]) -> bytes:
    """One line."""
    return canonical_json(dict(value)) + b"\n"


def lines(reader: Reader) -> Iterator[dict[str, Any]]:
    """The lines of a member."""
    while reader.left:
        value = parse_canonical_json(reader.line(MAX_LINE_BYTES))
        if not isinstance(value, dict):
            raise Malformed("a line is an object", code="member")
        yield value
