"""A clip, or a part of one, shown to be what a recorder sealed; bytes in, what is proved out.

A segment's digest is a Merkle root (``ledger.tree.merkle``) over

    leaf 0    the deterministic CBOR of ["mingjian-init@v1", run, seq, SHA-256 of the initialisation]
    leaf k    that of ["mingjian-group@v1", run, seq, k, [1, ticks per second], [[pts, dts, key, size, SHA-256], …]]

so that ten seconds are proved while the rest stays closed. The recorder signs a *line* for each segment (``open_line``)
and once a minute seals the Merkle root of its lines by a statement. A manifest holds what leads from a clip to there:

    {"format": "mingjian-clip@v1", "camera", "asked": {"from", "to"}, "covered": {"from", "to"}, "gaps": [ … ],
     "clip": {"sha256", "bytes"},
     "segments": [{"line", "index", "path": [hex], "batch": n, "init": [hex], "groups": [{"k", "path"}]}],
     "batches": [{"entry", "proof"}], "key": {"entry", "proof"}}       entries in base64, proofs as JSON tlog-proofs

Nothing that a manifest says of itself is believed: camera, spans and gaps are computed anew from the lines, and a
manifest that says otherwise is refused. What is reported is what was computed. Causes of gaps are told, not proved.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any, Final

import cbor2
import orjson

from ledger.errors import Malformed, Refused
from ledger.keys import check_signature, thumbprint
from ledger.statement import Statement, check_statement_signature, instant_us, open_statement, parse_canonical_json
from ledger.tree.merkle import check_inclusion, leaf_hash, prove_inclusion, root_of
from ledger.tree.policy import Policy
from ledger.tree.proof import Proof
from ledger.verify.fmp4 import Bytes, Group, Init, read_groups, read_init

FORMAT: Final = "mingjian-clip@v1"
SEALED: Final = "segments.sealed.v1"
LINE_CONTEXT: Final = b"mingjian journal v1\n"
MAX_MANIFEST_BYTES: Final = 64 << 20
JOIN_US: Final = 500_000
"""How far apart two segments of a run may be said to lie, and a clip's own gap from the gap that was sealed."""
_SIGNED: Final = re.compile(rb"(\{[^\t\n]*\})\t([A-Za-z0-9+/]{86}==)", re.ASCII)


# ------------------------------------------------------------------------------------------------- leaves and lines


def init_leaf(init: Init, *, run: str, seq: int) -> bytes:
    """The hash of a segment's leaf 0."""
    return leaf_hash(cbor2.dumps(["mingjian-init@v1", run, seq, sha256(init.raw).digest()], canonical=True))


def group_leaf(group: Group, *, run: str, seq: int, number: int, scale: int, shift: int = 0) -> bytes:
    """The hash of leaf ``number`` (from 1); ``shift``: ticks by which the group was moved from its segment's times."""
    packets = [[one.pts - shift, one.dts - shift, one.key, one.size, one.digest] for one in group.packets]
    return leaf_hash(cbor2.dumps(["mingjian-group@v1", run, seq, number, [1, scale], packets], canonical=True))


def prove_among(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The path from leaf ``index`` to the root of ``leaves`` (leaf hashes)."""

    def tile(level: int, number: int, width: int) -> bytes:
        step = 256**level
        first = number * 256 * step
        return b"".join(root_of(leaves[at : at + step]) for at in range(first, first + width * step, step))

    return prove_inclusion(index, len(leaves), tile)


def line_leaf(text: bytes) -> bytes:
    """The hash of a journal line's text (without its signature) in the batch that seals it."""
    return leaf_hash(text)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a recorder's journal: its text, what it says, and its signature, checked by ``open_line``."""

    text: bytes
    says: dict[str, Any]
    signature: bytes

    @property
    def number(self) -> int:
        """Its place in the journal, from 1."""
        return int(self.says["n"])

    def to_bytes(self) -> bytes:
        """As it stands in the journal, without its line feed."""
        return self.text + b"\t" + base64.b64encode(self.signature)


def open_line(raw: bytes, public: bytes) -> Line:
    """A line that ``public`` signed; Malformed what is none."""
    found = _SIGNED.fullmatch(raw)
    if found is None:
        raise Malformed("this is not a line of a recorder's journal", code="line")
    text, signature = found[1], base64.b64decode(found[2])
    if not check_signature(public, LINE_CONTEXT + text, signature):
        raise Malformed("a line's signature does not hold under the recorder's key", code="line-signature")
    return Line(text, parse_canonical_json(text), signature)


# --------------------------------------------------------------------------------------------------------- the check


@dataclass(frozen=True, slots=True)
class Gap:
    """A time without footage between two groups of a clip."""

    since_us: int
    until_us: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What is proved of a clip; the span is by the recorder's clock."""

    camera: str
    recorder: str
    since_us: int
    until_us: int
    groups: int
    groups_in_manifest: int
    packets: int
    gaps: tuple[Gap, ...]
    camera_offset_us: int | None  # the camera's clock less the recorder's, the median of its segments
    ntp_synced: bool
    recovered: bool
    origin: str
    size: int
    cosigned_by: tuple[str, ...]
    codec: str
    width: int
    height: int
    whole: bool  # the file is byte for byte the clip that the manifest was made for


@dataclass(frozen=True, slots=True)
class _Segment:
    """A segment whose line is proved, with the manifest's paths of its groups."""

    says: dict[str, Any]
    root: bytes
    leaves: int
    groups: dict[int, tuple[bytes, ...]]


def read_manifest(raw: bytes) -> dict[str, Any]:
    """The manifest in ``raw``, as far as its form goes."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the manifest is not JSON: {error}", code="manifest") from error
    if not isinstance(body, dict) or body.get("format") != FORMAT:
        raise Malformed(f"the manifest is not a {FORMAT}", code="manifest", mend="take the file made with the clip")
    return body


def format_of(manifest: bytes) -> str:
    """Which manifest it says that it is: a clip's, a redaction's, a derivative's; empty where it says nothing."""
    try:
        body = orjson.loads(manifest)
    except orjson.JSONDecodeError:
        return ""
    return str(body.get("format", "")) if isinstance(body, dict) else ""


def check_clip(clip: Bytes, manifest: bytes, policy: Policy) -> Shown:
    """What ``clip`` shows under ``policy``; Refused unless every one of its packets was sealed by the recorder."""
    body = read_manifest(manifest)
    try:
        return _check(clip, body, policy)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _misspelt(error) from error


def check_lines(manifest: bytes, policy: Policy) -> tuple[str, int, int]:
    """Camera and covered span (µs) of a clip that is not at hand, by its manifest; Refused what is not sealed."""
    body = read_manifest(manifest)
    try:
        _, _, segments = _sealed(body, policy)
        return (segments[0].says["camera"], *_check_said(body, segments))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _misspelt(error) from error


def _misspelt(error: Exception) -> Malformed:
    return Malformed(f"the manifest lacks or misspells something: {error!r:.80}", code="manifest")


def _sealed(body: dict[str, Any], policy: Policy) -> tuple[Statement, Any, list[_Segment]]:
    """The key's statement, the signed head, and the segments that the manifest proves, without looking at a clip."""
    key_act, signed = placed_entry(body["key"], policy)
    batches = [placed_entry(one, policy)[0] for one in body["batches"]]
    public = _device_key(key_act)
    for act in batches:
        _check_batch(act, key_act, public)
    segments = [_segment(one, batches, public) for one in body["segments"]]
    if not segments:
        raise Malformed("the manifest names no segment", code="manifest")
    _check_order(segments)
    return key_act, signed, segments


def _check(clip: Bytes, body: dict[str, Any], policy: Policy) -> Shown:
    key_act, signed, segments = _sealed(body, policy)
    _check_said(body, segments)
    init = read_init(clip)
    for raw, segment in zip(body["segments"], segments, strict=True):
        leaf = init_leaf(init, run=segment.says["run"], seq=segment.says["seq"])
        _included(
            leaf, 0, segment, _path(raw["init"]), "codec parameters or picture size are not those that were sealed"
        )
    found = _match(list(read_groups(clip, len(init.raw))), segments, init.scale)
    _check_times(found)
    spans = [(_begins_us(segment, number), _ends_us(segment, number)) for segment, number, _ in found]
    gaps = [
        Gap(left[1], right[0])
        for (one, left), (other, right) in pairwise(zip(found, spans, strict=True))
        if not _joined(one, other)
    ]
    listed = sum(len(segment.groups) for segment in segments)
    whole = sha256(clip).hexdigest() == body["clip"]["sha256"]
    if len(found) == listed and not (whole and len(clip) == body["clip"]["bytes"]):
        raise _untrue("clip")
    clocks = [segment.says["clock"] for segment, _, _ in found]
    offsets = sorted(clock["offset_us"]["median"] for clock in clocks if clock["offset_us"] is not None)
    return Shown(
        camera=segments[0].says["camera"],
        recorder=key_act.data["actor"],
        since_us=spans[0][0],
        until_us=spans[-1][1],
        groups=len(found),
        groups_in_manifest=listed,
        packets=sum(len(group.packets) for _, _, group in found),
        gaps=tuple(gaps),
        camera_offset_us=offsets[len(offsets) // 2] if offsets else None,
        ntp_synced=all(clock["ntp_synced"] for clock in clocks),
        recovered=any(segment.says["reason"] == "recovered" for segment, _, _ in found),
        origin=signed.checkpoint.origin,
        size=signed.checkpoint.size,
        cosigned_by=tuple(one.key.name for one in signed.cosignatures),
        codec=init.codec,
        width=init.width,
        height=init.height,
        whole=whole,
    )


def placed_entry(raw: dict[str, Any], policy: Policy) -> tuple[Statement, Any]:
    """The statement of an entry that is proved to stand in the policy's log."""
    entry = base64.b64decode(raw["entry"], validate=True)
    signed = Proof.from_json(raw["proof"]).check(leaf_hash(entry), policy)
    act = open_statement(entry)
    if act.audience != signed.checkpoint.origin:
        raise Refused("an entry is meant for another log", code="audience")
    return act, signed


def _device_key(act: Statement) -> bytes:
    if act.type != "key.added.v1" or not act.data["actor"].startswith("recorder/"):
        raise Refused("the manifest's key is not a recorder's", code="recorder-key")
    return bytes.fromhex(act.data["key"])


def _check_batch(act: Statement, key_act: Statement, public: bytes) -> None:
    if act.type != SEALED or act.actor != key_act.data["actor"] or not act.stream.startswith(f"{act.actor}/"):
        raise Refused("a batch was not sealed by the recorder whose key is proved", code="batch-recorder")
    if act.kid != thumbprint(public) or not check_statement_signature(act.entry, public):
        raise Refused("a batch is not signed with the recorder's key", code="batch-signature")


def _segment(raw: dict[str, Any], batches: Sequence[Statement], public: bytes) -> _Segment:
    line = open_line(raw["line"].encode("ascii"), public)
    act, says = batches[raw["batch"]], line.says
    first, last = act.data["first"], act.data["last"]
    if says["kind"] != "segment" or says["recorder"] != act.actor or not first <= line.number <= last:
        raise Refused("a line is not one of a segment in its batch", code="line-batch")
    check_inclusion(
        line_leaf(line.text),
        line.number - first,
        last - first + 1,
        _path(raw["path"]),
        bytes.fromhex(act.data["root"]),
    )
    groups = {int(one["k"]): _path(one["path"]) for one in raw["groups"]}
    if list(groups) != sorted(groups):
        raise Malformed("a segment's groups are not in their order", code="manifest")
    return _Segment(says, bytes.fromhex(says["root"]), says["groups"] + 1, groups)


def _check_order(segments: Sequence[_Segment]) -> None:
    """One camera, and later segments later; neighbours of a run name each other."""
    for one, other in pairwise(segments):
        a, b = one.says, other.says
        if a["camera"] != b["camera"]:
            raise Refused("the segments are of several cameras", code="cameras")
        if instant_us(b["start"]) < instant_us(a["end"]) - JOIN_US:
            raise Refused("the segments are not in the order of their times", code="segment-order")
        if a["run"] == b["run"] and b["seq"] == a["seq"] + 1 and b["previous"] != a["root"]:
            raise Refused("a segment does not name the one before it", code="segment-chain")


def _match(groups: Sequence[Group], segments: Sequence[_Segment], scale: int) -> list[tuple[_Segment, int, Group]]:
    """Which group of which segment each group of the file is; later ones are later."""
    if not groups:
        raise Refused("the clip has no coded group", code="empty-clip")
    places = [(segment, number) for segment in segments for number in segment.groups]
    found, at = [], 0
    for count, group in enumerate(groups, start=1):
        for later in range(at, len(places)):
            segment, number = places[later]
            if _is(group, segment, number, scale):
                found.append((segment, number, group))
                at = later + 1
                break
        else:
            raise Refused(
                f"group {count} of the clip is not one that was sealed, or not in its place: its pictures, their"
                " times or their order were changed",
                code="group-not-sealed",
                group=count,
            )
    return found


def _is(group: Group, segment: _Segment, number: int, scale: int) -> bool:
    # The clip may have moved the group; its own time is the one that the recorder signed.
    times = segment.says["times"]
    if not 1 <= number <= len(times) or scale != segment.says["scale"]:
        return False
    leaf = group_leaf(
        group,
        run=segment.says["run"],
        seq=segment.says["seq"],
        number=number,
        scale=scale,
        shift=group.dts - times[number - 1],
    )
    try:
        check_inclusion(leaf, number, segment.leaves, segment.groups[number], segment.root)
    except Refused:
        return False
    return True


def _check_times(found: Sequence[tuple[_Segment, int, Group]]) -> None:
    """A clip runs as the recorder saw it: within a run to the tick, over a gap within ``JOIN_US``."""
    for (one, k, left), (other, m, right) in pairwise(found):
        a, b = one.says, other.says
        moved = right.dts - left.dts
        if a["run"] == b["run"]:
            true = b["base"] + b["times"][m - 1] - a["base"] - a["times"][k - 1]
            wrong = moved != true
        else:
            true_us = _begins_us(other, m) - _begins_us(one, k)
            wrong = abs(moved * 1_000_000 // a["scale"] - true_us) > JOIN_US
        if wrong:
            raise Refused("the clip runs faster or slower than the recorder saw it", code="re-timed")


def _begins_us(segment: _Segment, number: int) -> int:
    says = segment.says
    return instant_us(says["start"]) + int(says["times"][number - 1]) * 1_000_000 // int(says["scale"])


def _ends_us(segment: _Segment, number: int) -> int:
    """When a group ends, by the recorder's clock."""
    return _begins_us(segment, number + 1) if number < segment.says["groups"] else instant_us(segment.says["end"])


def _joined(one: tuple[_Segment, int, Group], other: tuple[_Segment, int, Group]) -> bool:
    """Whether nothing lies between two groups."""
    (a, k, _), (b, m, _) = one, other
    if a is b or (a.says["run"], a.says["seq"]) == (b.says["run"], b.says["seq"]):
        return m == k + 1
    return a.says["run"] == b.says["run"] and b.says["seq"] == a.says["seq"] + 1 and k == a.says["groups"] and m == 1


def _included(leaf: bytes, index: int, segment: _Segment, path: tuple[bytes, ...], otherwise: str) -> None:
    try:
        check_inclusion(leaf, index, segment.leaves, path, segment.root)
    except Refused as error:
        raise Refused(otherwise, code="init-not-sealed") from error


def _check_said(body: dict[str, Any], segments: Sequence[_Segment]) -> tuple[int, int]:
    """Refuse a manifest that says of camera, spans or gaps what its own lines do not; the covered span."""
    if body["camera"] != segments[0].says["camera"]:
        raise _untrue("camera")
    since, until = (instant_us(body["asked"][name]) for name in ("from", "to"))
    for segment in segments:
        numbers = range(1, segment.says["groups"] + 1)
        asked = [k for k in numbers if _begins_us(segment, k) < until and since < _ends_us(segment, k)]
        if not asked or asked != list(segment.groups):
            raise _untrue("asked")
    covered = _begins_us(segments[0], min(segments[0].groups)), _ends_us(segments[-1], max(segments[-1].groups))
    if tuple(instant_us(body["covered"][name]) for name in ("from", "to")) != covered:
        raise _untrue("covered")
    gaps = [(instant_us(one["from"]), instant_us(one["to"])) for one in body["gaps"]]
    if gaps != _gaps_between(segments, since, until):
        raise _untrue("gaps")
    return covered


def _gaps_between(segments: Sequence[_Segment], since_us: int, until_us: int) -> list[tuple[int, int]]:
    """What is missing of the span asked for, by the lines."""
    ends = [(instant_us(one.says["start"]), instant_us(one.says["end"])) for one in segments]
    gaps = [(since_us, ends[0][0])] if ends[0][0] > since_us else []
    for (one, (_, end)), (other, (start, _)) in pairwise(zip(segments, ends, strict=True)):
        a, b = one.says, other.says
        if (a["run"], a["seq"] + 1) != (b["run"], b["seq"]) or start - end > JOIN_US:
            gaps.append((end, max(start, end)))
    return [*gaps, (ends[-1][1], until_us)] if ends[-1][1] < until_us else gaps


def _untrue(member: str) -> Refused:
    return Refused(
        f"the manifest says of “{member}” what its own lines do not",
        code="manifest-untrue",
        mend="ask for the manifest as it was made with the clip",
        member=member,
    )


def _path(raw: Any) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(one) for one in raw)
