"""Evidence: one JSON file that says what a log did wrong and holds what is needed to see it.

    {"format": "mingjian-evidence@v1", "kind": …, "noticed_at": RFC 3339, "sources": [address, …], …}

    kind      members                                      what a reader can conclude from the file and the policy
    fork      notes, root, path                            alone: the log signed two histories
    promise   promise, note, opening, batch, batch_index,  alone: the log promised a place by a time, and its tree has
              leaves                                       none though a later time stands in it, or has it too late
    rule      note, index, entry, path, code, detail       alone: the log signed a tree with this entry; with a copy of
                                                           the log: that the entry breaks a rule
    changed   note, name, served [, index, hash, path]     the log signed another entry than these bytes; that it served
                                                           them is the word of whoever noticed
    rollback  notes                                        both are signed; that the smaller was shown as the newest
                                                           after the larger is the word of whoever noticed
    withheld  note, name                                   the log signed a tree that has this file; that it is not to
                                                           be had is the word of whoever noticed
    shown     note, position, root, served, rows, digest   the log signed a tree; with a copy of it: that its first
              [, found]                                    entries give other rows than the digest that was served;
                                                           that it was served is the word of whoever noticed
    unproven  notes                                        both are signed; that no tiles were served that join them,
                                                           or lead to the one, is the word of whoever noticed

Promise: ``check_evidence`` accepts only what the auditor's own policy and the bytes in the file show, and says how far
that goes. Notes stand in it as they were signed; bytes are base64. The file of a finding has a name made of its
content, so the same finding is kept once and nothing kept is replaced.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import orjson

from ledger.errors import Evidence, Malformed, NotAllowed, NotFound, Refused, Unavailable
from ledger.facts.registry import Registry
from ledger.files import write_file
from ledger.statement import instant_text, open_statement
from ledger.tree.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from ledger.tree.merkle import (
    MAX_PATH,
    ReadTile,
    check_consistency,
    check_inclusion,
    leaf_hash,
    prove_consistency,
    read_frontier,
    root_of,
)
from ledger.tree.note import decode_base64, encode_base64
from ledger.tree.policy import Policy
from ledger.tree.promise import open_promise
from ledger.tree.tiles import HASH_BYTES, MAX_SIZE, Bundle, Tile, decode_bundle, parse_path, tile_width

FORMAT: Final = "mingjian-evidence@v1"
MAX_LEAVES: Final = 1 << 20
"""A promise's evidence holds all leaf hashes of its tree; in a larger one it is shown with a copy of the log only."""
MAX_EVIDENCE_BYTES: Final = 64 << 20
_MAX_SERVED_BYTES: Final = 24 << 20
_HEX: Final = re.compile("[0-9a-f]{64}")

Stands = Literal["alone", "with-copy", "as-observed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that the log did wrong, not yet written down. ``says`` is for people."""

    kind: str
    says: str
    body: Mapping[str, Any]
    sources: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    """Members of the body that make it this finding and no other; none: all. So one fault is kept once."""

    def as_json(self, noticed_us: int) -> dict[str, Any]:
        """The document."""
        head = {"format": FORMAT, "kind": self.kind, "says": self.says, "noticed_at": instant_text(noticed_us)}
        return {**head, "sources": list(self.sources), **self.body}

    def save(self, folder: Path, noticed_us: int) -> Path:
        """Write it into ``folder``, durably, unless it is there; its path."""
        content = orjson.dumps([self.kind, *(self.body[name] for name in self.same or sorted(self.body))])
        path = folder / f"{self.kind}-{sha256(content).hexdigest()[:24]}.json"
        if not path.exists():
            told = orjson.dumps(self.as_json(noticed_us), option=orjson.OPT_INDENT_2) + b"\n"
            write_file(path, told, durable=True)
        return path


@dataclass(frozen=True, slots=True)
class Claim:
    """What a log says its pages show: ``rows`` rows of that digest (hex), as of the first ``position`` entries."""

    position: int
    root: bytes
    rows: int
    digest: str


def read_claim(served: bytes) -> Claim:
    """The claim in an answer (Malformed when there is none)."""
    try:
        body = orjson.loads(served)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"this is not JSON: {error}") from None
    match body:
        case {"position": int(position), "root": str(root), "rows": int(rows), "digest": str(digest)} if (
            2 <= position <= MAX_SIZE and rows >= 0 and _HEX.fullmatch(root) and _HEX.fullmatch(digest)
        ):
            return Claim(position, bytes.fromhex(root), rows, digest)
    raise Malformed("this is no digest of what is shown: position, root, rows, digest", code="shown")


class ContradictionError(Exception):
    """Stops whoever follows a log; never leaves ``ledger.verify``."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.says)
        self.finding = finding


# ── Found ──────────────────────────────────────────────────────────────────────────────────────────────────


def root_at(size: int, head: Checkpoint, read_tile: ReadTile) -> tuple[bytes, list[bytes]] | None:
    """The root of the first ``size`` leaves under ``head``, and its proof; None when the tiles are not its tree's."""
    try:
        root = read_frontier(size, read_tile).root()
        path = prove_consistency(size, head.size, read_tile)
        check_consistency(size, root, head.size, head.root, path)
    except (NotFound, NotAllowed):
        raise
    except (Refused, Evidence):
        return None
    return root, path


def check_joined(
    old: SignedCheckpoint, new: SignedCheckpoint, read_tile: ReadTile, *, sources: Sequence[str] = ()
) -> None:
    """Nothing when the tree of ``new``, whose tiles ``read_tile`` gives, begins with that of ``old``.

    ``old`` is not the larger. What cannot be had is ``withheld``, tiles that prove nothing are ``unproven``.
    """
    one, two = old.checkpoint, new.checkpoint
    assert one.size <= two.size
    if one.size == two.size:
        if one.root != two.root:
            raise ContradictionError(fork(old, new, sources=sources))
        return
    try:
        found = root_at(one.size, two, read_tile)
    except NotFound as error:
        raise ContradictionError(withheld(new, error, sources=sources)) from error
    if found is None:
        raise ContradictionError(unproven(new, old, sources=sources))
    if found[0] != one.root:
        raise ContradictionError(fork(old, new, root=found[0], path=found[1], sources=sources))


def fork(
    old: SignedCheckpoint,
    new: SignedCheckpoint,
    *,
    root: bytes | None = None,
    path: Sequence[bytes] = (),
    sources: Sequence[str] = (),
) -> Finding:
    """``root``: of the first ``old.size`` leaves of the tree of ``new``, as ``path`` proves; None: of one size."""
    one, two = old.checkpoint, new.checkpoint
    says = f"the log signed two histories: sizes {one.size} and {two.size} do not belong to one tree"
    body = {
        "notes": [_text(old), _text(new)],
        "root": encode_base64(two.root if root is None else root),
        "path": [encode_base64(hash_) for hash_ in path],
    }
    return Finding(kind="fork", says=says, body=body, sources=tuple(sources))


def rollback(larger: SignedCheckpoint, shown: SignedCheckpoint, *, sources: Sequence[str] = ()) -> Finding:
    """``shown`` as the newest, although ``larger`` is signed."""
    one, two = larger.checkpoint.size, shown.checkpoint.size
    says = f"the log shows size {two} as its newest, although it signed size {one}"
    return Finding(kind="rollback", says=says, body={"notes": [_text(larger), _text(shown)]}, sources=tuple(sources))


def withheld(head: SignedCheckpoint, error: NotFound, *, sources: Sequence[str] = ()) -> Finding:
    """A file of the signed tree is not served."""
    name = str(error.details["name"])
    says = f"the log signed size {head.checkpoint.size} and does not serve {name}"
    return Finding(
        kind="withheld", says=says, body={"note": _text(head), "name": name}, sources=tuple(sources), same=("name",)
    )


def unproven(head: SignedCheckpoint, *others: SignedCheckpoint, sources: Sequence[str] = ()) -> Finding:
    """The tiles served do not lead to the signed root."""
    says = f"the tiles served do not lead to the root signed at size {head.checkpoint.size}"
    notes = [_text(one) for one in (head, *others)]
    return Finding(kind="unproven", says=says, body={"notes": notes}, sources=tuple(sources))


def changed(
    head: SignedCheckpoint,
    name: str,
    served: bytes,
    *,
    entry: tuple[int, bytes, Sequence[bytes]] | None = None,
    sources: Sequence[str] = (),
) -> Finding:
    """A file that does not follow from the signed root; ``entry``: index, signed leaf hash and its proof."""
    body: dict[str, Any] = {"note": _text(head), "name": name, "served": _b64(served[:_MAX_SERVED_BYTES])}
    says = f"{name} is not the file of the tree signed at size {head.checkpoint.size}"
    if entry is not None:
        index, hash_, path = entry
        body |= {"index": index, "hash": encode_base64(hash_), "path": [encode_base64(one) for one in path]}
        says += f": entry {index} is another than the signed one"
    return Finding(kind="changed", says=says, body=body, sources=tuple(sources), same=("name", "served"))


def rule(
    head: SignedCheckpoint,
    index: int,
    entry: bytes,
    path: Sequence[bytes],
    *,
    code: str,
    detail: str,
    sources: Sequence[str] = (),
) -> Finding:
    """An entry under the signed root that may not be there."""
    body = {
        "note": _text(head),
        "index": index,
        "entry": _b64(entry),
        "path": [encode_base64(one) for one in path],
        "code": code,
        "detail": detail,
    }
    says = f"entry {index} breaks a rule: {code}" + (f": {detail}" if detail else "")
    return Finding(kind="rule", says=says, body=body, sources=tuple(sources), same=("index", "entry", "code"))


def broken_promise(
    promise: bytes,
    head: SignedCheckpoint,
    *,
    opening: bytes,
    batch: tuple[int, bytes],
    leaves: Sequence[bytes],
    says: str,
    sources: Sequence[str] = (),
) -> Finding:
    """``batch``: index and bytes of a ``log.batch.v1`` of a later time; ``leaves``: all of the tree, or none."""
    body = {
        "promise": promise.decode(),
        "note": _text(head),
        "opening": _b64(opening),
        "batch_index": batch[0],
        "batch": _b64(batch[1]),
        "leaves": _b64(b"".join(leaves)),
    }
    return Finding(kind="promise", says=says, body=body, sources=tuple(sources), same=("promise",))


def shown_otherwise(
    head: SignedCheckpoint,
    served: bytes,
    *,
    position: int,
    root: bytes,
    rows: int,
    digest: str,
    found: str = "",
    sources: Sequence[str] = (),
) -> Finding:
    """``served``: what the log says its pages show as of ``position``; the others: what its statements give there.

    ``found``: the first row that differs, in words.
    """
    body = {
        "note": _text(head),
        "position": position,
        "root": encode_base64(root),
        "served": _b64(served),
        "rows": rows,
        "digest": digest,
        "found": found,
    }
    says = f"what its pages show as of {position} entries is not what these say" + (f": {found}" if found else "")
    return Finding(kind="shown", says=says, body=body, sources=tuple(sources), same=("position", "served"))


# ── Checked again ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a piece of evidence shows under a policy."""

    kind: str
    stands: Stands
    says: str
    heads: tuple[SignedCheckpoint, ...]
    noticed_at: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def check_evidence(data: bytes, policy: Policy) -> Shown:
    """What the document in ``data`` shows; Refused when it shows nothing."""
    if len(data) > MAX_EVIDENCE_BYTES:
        raise Malformed(f"evidence has at most {MAX_EVIDENCE_BYTES} bytes", code="file-size")
    try:
        body = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"this is not JSON: {error}") from None
    kind = body.get("kind") if isinstance(body, dict) else None
    if not isinstance(kind, str) or kind not in _CHECKS or body.get("format") != FORMAT:
        raise Malformed(f"this JSON is not a document in the form {FORMAT!r}")
    noticed = body.get("noticed_at")
    stands, says, heads, details = _CHECKS[kind](body, policy)
    return Shown(
        kind=kind,
        stands=stands,
        says=says,
        heads=tuple(heads),
        noticed_at=noticed if isinstance(noticed, str) else "",
        details=details,
    )


_Checked = tuple[Stands, str, list[SignedCheckpoint], dict[str, Any]]


def _check_fork(body: Mapping[str, Any], policy: Policy) -> _Checked:
    old, new = _notes(body, policy, 2)
    one, two = old.checkpoint, new.checkpoint
    root, path = _hash(body.get("root")), _hashes(body.get("path"))
    if one.size > two.size:
        raise Malformed("the smaller head stands first")
    # The path proves which root the later tree has at the earlier size: one other than was signed is a fork.
    check_consistency(one.size, root, two.size, two.root, path)
    if root == one.root:
        raise _nothing("the two heads belong to one tree")
    says = f"under one key the log signed two histories: at size {one.size} they have different roots"
    return "alone", says, [old, new], {"size": one.size, "roots": [one.root.hex(), root.hex()]}


def _check_rollback(body: Mapping[str, Any], policy: Policy) -> _Checked:
    larger, shown = _notes(body, policy, 2)
    one, two = larger.checkpoint.size, shown.checkpoint.size
    if one <= two:
        raise _nothing("the first head is not the larger")
    says = f"the log signed size {one}; that it showed size {two} later is what was observed"
    return "as-observed", says, [larger, shown], {"signed": one, "shown": two}


def _check_unproven(body: Mapping[str, Any], policy: Policy) -> _Checked:
    heads = _notes(body, policy, None)
    sizes = [head.checkpoint.size for head in heads]
    return (
        "as-observed",
        "the log signed these heads; that its tiles lead to none is what was observed",
        heads,
        {"sizes": sizes},
    )


def _check_withheld(body: Mapping[str, Any], policy: Policy) -> _Checked:
    head = _note(body.get("note"), policy)
    name = _file_of(head, body.get("name"))[0]
    says = f"the log signed a tree of which {name} is a part; that it is not served is what was observed"
    return "as-observed", says, [head], {"name": name}


def _check_changed(body: Mapping[str, Any], policy: Policy) -> _Checked:
    head = _note(body.get("note"), policy)
    name, part = _file_of(head, body.get("name"))
    served, index = _bytes(body.get("served")), body.get("index")
    details: dict[str, Any] = {"name": name}
    if index is None:
        return "as-observed", f"that {name} was served as these bytes is what was observed", [head], details
    if not isinstance(part, Bundle) or type(index) is not int or index // 256 != part.index:
        raise Malformed("the entry is not of this file")
    signed = _hash(body.get("hash"))
    size, root = head.checkpoint.size, head.checkpoint.root
    check_inclusion(signed, index, size, _hashes(body.get("path")), root)
    if leaf_hash(decode_bundle(served, part.width)[index % 256]) == signed:
        raise _nothing("the entry served is the signed one")
    says = (
        f"entry {index} in these bytes is not the one that the log signed; that they were served is what was observed"
    )
    return "as-observed", says, [head], details | {"index": index, "hash": signed.hex()}


def _check_rule(body: Mapping[str, Any], policy: Policy) -> _Checked:
    head = _note(body.get("note"), policy)
    entry, index = _bytes(body.get("entry")), body.get("index")
    if type(index) is not int:
        raise Malformed("index is not a number")
    check_inclusion(leaf_hash(entry), index, head.checkpoint.size, _hashes(body.get("path")), head.checkpoint.root)
    code = str(body.get("code"))
    says = f"the log signed a tree with this entry {index}; which rule it breaks, an audit of a copy shows"
    return "with-copy", says, [head], {"index": index, "code": code}


def _check_promise(body: Mapping[str, Any], policy: Policy) -> _Checked:
    head = _note(body.get("note"), policy)
    opening, batch, index = _bytes(body.get("opening")), _bytes(body.get("batch")), body.get("batch_index")
    if type(index) is not int:
        raise Malformed("batch_index is not a number")
    first = Registry.opened(open_statement(opening))
    if first.origin != head.checkpoint.origin:
        raise _nothing("the opening is of another log")
    text = body.get("promise")
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else b""
    promise = open_promise(data, origin=first.origin, receipt_key=bytes.fromhex(first.genesis["receipt_key"]))
    act = open_statement(batch)
    raw = _bytes(body.get("leaves"))
    leaves = [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)]
    details = {"statement": promise.statement.hex(), "by": promise.by}
    if not leaves:
        return "with-copy", "the log made this promise; an audit of a copy shows that it was not kept", [head], details
    if len(leaves) != head.checkpoint.size or len(raw) % HASH_BYTES or root_of(leaves) != head.checkpoint.root:
        raise _nothing("the leaves are not those of the signed tree")
    if not 0 <= index < len(leaves) or leaves[index] != act.id or act.type != "log.batch.v1":
        raise _nothing("the batch does not stand there in the signed tree")
    if act.at_us <= promise.by_us:
        raise _nothing("the time of the promise had not passed")
    if promise.statement in leaves[:index]:
        raise _nothing("the statement stands in the tree before that time")
    says = f"the log promised a place for the statement by {promise.by}; its tree at {act.at} had none"
    return "alone", says, [head], details | {"at": act.at}


def _check_shown(body: Mapping[str, Any], policy: Policy) -> _Checked:
    head, claim = _note(body.get("note"), policy), read_claim(_bytes(body.get("served")))
    if claim.position != body.get("position") or claim.position > head.checkpoint.size:
        raise _nothing("what was served is of another position")
    details = {"position": claim.position, "shown": claim.digest, "given": str(body.get("digest"))}
    if details["shown"] == details["given"] and claim.root == _hash(body.get("root")):
        raise _nothing("both digests are the same")
    says = (
        f"what the first {claim.position} entries give, a copy shows; that another digest was served is what was"
        " observed"
    )
    return "as-observed", says, [head], details


_CHECKS: Final = {
    "fork": _check_fork,
    "rollback": _check_rollback,
    "unproven": _check_unproven,
    "withheld": _check_withheld,
    "changed": _check_changed,
    "rule": _check_rule,
    "promise": _check_promise,
    "shown": _check_shown,
}


def _notes(body: Mapping[str, Any], policy: Policy, count: int | None) -> list[SignedCheckpoint]:
    texts = body.get("notes")
    if not isinstance(texts, list) or not texts or len(texts) > 8 or (count is not None and len(texts) != count):
        raise Malformed("the notes are missing")
    heads = [_note(text, policy) for text in texts]
    if len({head.log.key for head in heads}) != 1:
        raise _nothing("the heads are of different logs")
    return heads


def _note(text: Any, policy: Policy) -> SignedCheckpoint:
    if not isinstance(text, str):
        raise Malformed("the note is missing")
    return open_checkpoint(text.encode(errors="surrogatepass"), policy, need_quorum=False)


def _file_of(head: SignedCheckpoint, name: Any) -> tuple[str, Tile | Bundle]:
    part = parse_path(name if isinstance(name, str) else "")
    level = part.level if isinstance(part, Tile) else 0
    if part.width != tile_width(level, part.index, head.checkpoint.size):
        raise _nothing(f"a log of {head.checkpoint.size} entries has no {part.path}")
    return part.path, part


def _text(head: SignedCheckpoint) -> str:
    return head.note.decode()


def _b64(data: bytes) -> str:
    return b64encode(data).decode()


def _bytes(text: Any) -> bytes:
    try:
        return b64decode(text, validate=True) if isinstance(text, str) else b""
    except ValueError:
        raise Malformed("this is not base64") from None


def _hash(text: Any) -> bytes:
    found = decode_base64(text) if isinstance(text, str) else b""
    if len(found) != HASH_BYTES:
        raise Malformed(f"a hash is {HASH_BYTES} bytes in base64")
    return found


def _hashes(texts: Any) -> list[bytes]:
    if not isinstance(texts, list) or len(texts) > MAX_PATH:
        raise Malformed(f"a proof is at most {MAX_PATH} hashes")
    return [_hash(text) for text in texts]


def _nothing(why: str) -> Refused:
    return Refused(f"this is no evidence: {why}", code="no-evidence")


def read_evidence(path: Path) -> bytes:
    """The file's bytes, up to what evidence may have."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_EVIDENCE_BYTES + 1)
    except OSError as error:
        raise Unavailable(
            f"{path} cannot be read: {error.strerror or error}", code="unreadable", mend="look at its name and rights"
        ) from error
