"""A clip: whole coded groups of a span, byte for byte as they were sealed, and the manifest that proves them.

The clip is the first segment's initialisation and the groups' bytes one after the other. One number in each group is
written anew, its decode time, so that the clip begins at 0 and gaps take their time; everything else is copied. A
span across a change of the picture's size or coding is refused: it makes two clips.
"""

from __future__ import annotations

import base64
import mmap
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

import orjson

from camera_ingest.archive import Archive, hash_chunks
from camera_ingest.folders import Recorder
from camera_ingest.journal import lines_after
from camera_ingest.sealing import cut_now, seal_lines
from camera_ingest.spans import Segment, Span, span_of
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import Evidence, NotFound, Refused, Unavailable
from ledger.facts.footage import SEALED, footage_stream, recorder_stream
from ledger.files import replace_file
from ledger.statement import Statement, StatementId, instant_text, instant_us, open_statement
from ledger.tree.checkpoint import SignedCheckpoint
from ledger.tree.merkle import leaf_hash
from ledger.tree.policy import Policy
from ledger.tree.proof import Proof
from ledger.verify.clip import FORMAT, Shown, check_clip, line_leaf, prove_among
from ledger.verify.fmp4 import read_group

EXTRACTED: Final = "footage.clip_extracted.v1"
MAX_SPAN_US: Final = 3_600_000_000
COSIGNED_S: Final = 2.0
"""How long one waits for the witnesses; a proof without them is told as such by whoever asks for them."""
_LOOK_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Cut:
    """A clip that was cut: where it lies, what it covers, and the statement that says so."""

    clip: Path
    manifest: Path
    asked_us: tuple[int, int]
    since_us: int
    until_us: int
    groups: int
    packets: int
    bytes: int
    sha256: str
    gaps: tuple[dict[str, Any], ...]
    offset_us: int | None  # the camera's own clock less the recorder's
    codec: str
    outcome: Outcome

    def as_json(self) -> dict[str, Any]:
        """What a command answers."""
        return {
            "clip": str(self.clip),
            "manifest": str(self.manifest),
            "asked": {"from": instant_text(self.asked_us[0]), "to": instant_text(self.asked_us[1])},
            "covered": {"from": instant_text(self.since_us), "to": instant_text(self.until_us)},
            "groups": self.groups,
            "packets": self.packets,
            "bytes": self.bytes,
            "sha256": self.sha256,
            "gaps": list(self.gaps),
            "offset_us": self.offset_us,
            "statement": self.outcome.id.hex(),
        }


@dataclass(frozen=True, slots=True)
class _Part:
    """The groups of one segment that go into a clip, and the hashes of all its leaves."""

    segment: Segment
    read: Callable[[int, int], bytes]  # from the disk, or of a store
    numbers: tuple[int, ...]
    leaves: tuple[bytes, ...]
    spans: tuple[tuple[int, int], ...]  # of all its groups, in the file


class Books(Protocol):
    """The ledger as a clip needs it, here or elsewhere."""

    @property
    def policy(self) -> Policy:
        """Under which proofs are checked before a clip is handed out."""

    def seal(self) -> object:
        """Have all lines sealed and placed."""

    def batch(self, segment: Segment) -> Statement:
        """The statement that seals a segment's line."""

    def key(self) -> Statement:
        """The statement that gave the recorder its key."""

    def placed(self, act: Statement) -> dict[str, Any]:
        """An entry with the proof of its place."""


class _Here:
    """The ledger in this folder. A sequencer must be running."""

    def __init__(self, hall: Hall, recorder: Recorder, wait_s: float) -> None:
        self._hall, self._recorder, self._wait_s = hall, recorder, wait_s
        self._signed: SignedCheckpoint | None = None

    @property
    def policy(self) -> Policy:
        return self._hall.publisher.alone

    def seal(self) -> None:
        sealed = seal_lines(self._hall, self._recorder)
        self._hall.wait_placed(sealed, timeout_s=self._wait_s)
        self._signed = signed_head(self._hall, [one.id for one in sealed])

    def batch(self, segment: Segment) -> Statement:
        return _batch_of(self._hall, self._recorder, segment)

    def key(self) -> Statement:
        return _key_of(self._hall, self._recorder)

    def placed(self, act: Statement) -> dict[str, Any]:
        assert self._signed is not None, "sealed before it is proved"
        return placed(self._hall, self._signed, act)


def cut_clip(
    hall: Hall,
    desk: Desk,
    recorder: Recorder,
    camera: str,
    since_us: int,
    until_us: int,
    out: Path,
    *,
    wait_s: float = 10.0,
) -> Cut:
    """Cut a clip to ``out`` and its manifest beside it, and state both digests. A sequencer must be running.

    What is still being written of the span is sealed for it: the segment ends at its next keyframe.
    """
    return cut(_Here(hall, recorder, wait_s), desk.say, recorder, camera, since_us, until_us, out)


def cut(
    books: Books,
    say: Callable[[str, str, dict[str, Any]], Outcome],
    recorder: Recorder,
    camera: str,
    since_us: int,
    until_us: int,
    out: Path,
) -> Cut:
    """The same, with the ledger wherever it is; ``say`` states it for whoever cuts."""
    if not 0 < until_us - since_us <= MAX_SPAN_US:
        raise Refused("a clip is up to an hour long", code="clip-span", mend="cut several")
    # What is asked for may not be sealed yet: it is, before anything is cut.
    cut_now(recorder, camera, until_us)
    books.seal()
    span, archive = span_of(recorder, camera, since_us, until_us), Archive.of(recorder)
    parts = [part for segment in span.segments if (part := _part(archive, camera, segment, since_us, until_us))]
    if not parts:
        raise NotFound(
            "nothing was recorded of that span",
            code="no-footage",
            mend=f"mingjian-camera segments {camera} --from … --to … shows what there is",
            gaps=_gaps(span),
        )
    _write_clip(parts, out)
    digest, size = _digest(out)
    manifest = {
        "format": FORMAT,
        "camera": camera,
        "asked": {"from": instant_text(since_us), "to": instant_text(until_us)},
        "covered": {
            "from": instant_text(parts[0].segment.group_us(parts[0].numbers[0])),
            "to": instant_text(parts[-1].segment.group_us(parts[-1].numbers[-1] + 1)),
        },
        "gaps": _gaps(span),
        "clip": {"bytes": size, "sha256": digest},
        **_proofs(books, recorder, parts),
    }
    raw = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
    beside = out.with_name(f"{out.name}.manifest.json")
    replace_file(beside, raw, durable=True)
    try:
        shown = _check(out, raw, books.policy)
    except Refused as error:
        raise Evidence(
            f"the clip does not prove: {error.message}", code=error.code, mend="mingjian-camera check names the files"
        ) from error
    outcome = say(
        footage_stream(camera),
        EXTRACTED,
        {
            "since": instant_text(shown.since_us),
            "until": instant_text(shown.until_us),
            "sha256": digest,
            "manifest": sha256(raw).hexdigest(),
            "offset_us": shown.camera_offset_us,
            "codec": shown.codec,
        },
    )
    return Cut(
        clip=out,
        manifest=beside,
        asked_us=(since_us, until_us),
        since_us=shown.since_us,
        until_us=shown.until_us,
        groups=shown.groups,
        packets=shown.packets,
        bytes=size,
        sha256=digest,
        gaps=_gaps(span),
        offset_us=shown.camera_offset_us,
        codec=shown.codec,
        outcome=outcome,
    )


def signed_head(hall: Hall, ids: Sequence[StatementId] = (), *, wait_s: float = COSIGNED_S) -> SignedCheckpoint:
    """The newest head that witnesses have signed and that holds ``ids``; the log's own where they take too long."""
    needed = max(hall.reader.placed(ids).values(), default=-1) + 1
    until = time.monotonic() + wait_s
    while True:
        served, latest = hall.publisher.served(), hall.publisher.latest()
        if served is not None and served.checkpoint.size >= needed:
            return served
        if time.monotonic() > until:
            break
        time.sleep(_LOOK_S)
    if latest is None:
        raise Unavailable("the log has signed no checkpoint yet", code="not-placed", mend="try again")
    return latest


def _check(clip: Path, manifest: bytes, policy: Policy) -> Shown:
    with clip.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        view = memoryview(data)
        try:
            return check_clip(view, manifest, policy)
        finally:
            view.release()


def _gaps(span: Span) -> tuple[dict[str, Any], ...]:
    return tuple(
        {"from": instant_text(gap.since_us), "to": instant_text(gap.until_us), "cause": gap.cause} for gap in span.gaps
    )


def _part(archive: Archive, camera: str, segment: Segment, since_us: int, until_us: int) -> _Part | None:
    numbers = segment.groups_in(since_us, until_us)
    if not numbers:
        return None
    name = segment.says["file"]
    try:
        hashed = hash_chunks(archive.chunks(camera, segment), segment.says)
    except NotFound as error:
        raise NotFound(
            f"the segment {name} is gone", code="segment-missing", mend="mingjian-camera check says which are"
        ) from error
    if hashed is None:
        raise Evidence(
            f"the segment {name} is not what was sealed",
            code="segment-changed",
            mend="keep the file as evidence; cut what lies before and behind it",
        )
    return _Part(
        segment, partial(archive.read, camera, segment), tuple(numbers), tuple(hashed.leaves), tuple(hashed.spans)
    )


def _write_clip(parts: Sequence[_Part], out: Path) -> None:
    init = b""
    with out.open("wb") as file:
        zero: int | None = None
        for part in parts:
            mine = part.read(0, part.spans[0][0])
            if not init:
                init = mine
                file.write(init)
            elif mine != init:
                raise Refused(
                    f"picture size or coding changed at {part.segment.says['start']}",
                    code="clip-parameters",
                    mend="cut one clip up to then, and one from then on",
                )
            shift = _shift(parts, part)
            for number in part.numbers:
                raw = bytearray(part.read(*part.spans[number - 1]))
                group = read_group(raw, 0)
                assert group is not None, "the file was hashed whole"
                zero = group.dts + shift if zero is None else zero
                raw[group.time_at : group.time_at + 8] = (group.dts + shift - zero).to_bytes(8)
                file.write(raw)


def _shift(parts: Sequence[_Part], part: _Part) -> int:
    """Ticks from the first segment's times to another's: exact within a run, by the recorder's clock across a gap."""
    first, other = parts[0].segment, part.segment
    run = next(one.segment for one in parts if one.segment.says["run"] == other.says["run"])
    inside = int(other.says["base"]) - int(run.says["base"])
    return (run.start_us - first.start_us) * int(first.says["scale"]) // 1_000_000 + inside


def _digest(path: Path) -> tuple[str, int]:
    digest = sha256()
    with path.open("rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
    return digest.hexdigest(), path.stat().st_size


# ------------------------------------------------------------------------------------------------------------- proofs


def _proofs(books: Books, recorder: Recorder, parts: Sequence[_Part]) -> dict[str, Any]:
    batches: list[Statement] = []
    segments = []
    for part in parts:
        line = part.segment.line
        act = next((one for one in batches if _holds(one, line.number)), None)
        if act is None:
            act = books.batch(part.segment)
            batches.append(act)
        texts = _lines(recorder, act)
        segments.append(
            {
                "line": line.to_bytes().decode("ascii"),
                "batch": batches.index(act),
                "path": _hex(prove_among(texts, line.number - act.data["first"])),
                "init": _hex(prove_among(part.leaves, 0)),
                "groups": [{"k": k, "path": _hex(prove_among(part.leaves, k))} for k in part.numbers],
            }
        )
    return {
        "segments": segments,
        "batches": [books.placed(act) for act in batches],
        "key": books.placed(books.key()),
    }


def _holds(act: Statement, number: int) -> bool:
    return bool(act.data["first"] <= number <= act.data["last"])


def _batch_of(hall: Hall, recorder: Recorder, segment: Segment) -> Statement:
    """The statement that seals a segment's line: of the day it was written, or a later one."""
    day = date.fromisoformat(segment.says["written"][:10])
    for later in range(400):
        stream = recorder_stream(recorder.actor, (day + timedelta(days=later)).isoformat())
        for _, _, entry in hall.reader.stream(stream):
            act = open_statement(entry)
            if act.type == SEALED and _holds(act, segment.line.number):
                return act
        if instant_us(f"{(day + timedelta(days=later - 1)).isoformat()}T00:00:00Z") > hall.reader.head().recorded_us:
            break
    raise Unavailable("the segment is not sealed in the ledger yet", code="not-sealed", mend="try again")


def _lines(recorder: Recorder, act: Statement) -> list[bytes]:
    """The leaf hashes of a batch's lines."""
    found = lines_after(recorder, act.data["first"] - 1, upto=act.data["last"])
    return [line_leaf(line.text) for line in found]


def _key_of(hall: Hall, recorder: Recorder) -> Statement:
    for _, _, entry in hall.reader.stream(f"key/{recorder.actor}"):
        act = open_statement(entry)
        if act.type == "key.added.v1" and act.data["key"] == recorder.key.public.hex():
            return act
    raise NotFound(f"the ledger knows no key of {recorder.actor}", code="key-unknown", mend="mingjian-camera add again")


def placed(hall: Hall, signed: SignedCheckpoint, act: Statement) -> dict[str, Any]:
    size = signed.checkpoint.size
    index = hall.reader.placed([act.id]).get(act.id)
    if index is None or index >= size:
        raise Unavailable("a batch is not placed in the tree yet", code="not-placed", mend="try again")
    path = tuple(hall.reader.inclusion(index, size))
    proof = Proof(index, path, signed.note)
    assert leaf_hash(act.entry) == act.id
    return {"entry": base64.b64encode(act.entry).decode(), "proof": proof.as_json()}


def _hex(path: Sequence[bytes]) -> list[str]:
    return [one.hex() for one in path]
