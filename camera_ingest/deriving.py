"""What players want of a clip: packed for seeking, in a coding that browsers know, cut to the very instants asked for.

    remuxed     the coded pictures as they are, in a file that can be sought in
    transcoded  encoded anew as H.264, where browsers do not play the camera's own coding
    exact_cut   encoded anew, from instant to instant: a clip itself begins and ends with whole coded groups

Each is for looking; the clip stays what is proved. A derivative is stated with its digest and what it was made of, and
its manifest leads from there to the recorder's seal (``ledger.verify.derivative``).
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import av
import orjson

from camera_ingest.clips import placed, signed_head
from camera_ingest.masks import Mask, black_out, masks_of
from ledger.cases.kept_footage import digest_of
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import Malformed, NotFound, Refused, Unavailable
from ledger.facts.footage import footage_stream
from ledger.files import replace_file
from ledger.statement import Statement, instant_text, instant_us, open_statement
from ledger.verify.clip import read_manifest
from ledger.verify.derivative import DERIVED, FORMAT, check_derivative
from ledger.verify.redaction import EXTRACTED, report_digest

_QUALITY: Final = {"preset": "veryfast", "crf": "20", "g": "25"}
_SECOND_US: Final = 1_000_000
_LOOK_S: Final = 0.02
PLAYED: Final = frozenset({"h264", "av1", "vp8", "vp9"})
"""Codings that browsers play."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A derivative that was made, and the statement that says so."""

    file: Path
    manifest: Path
    kind: str
    since_us: int
    until_us: int
    sha256: str
    outcome: Outcome

    def as_json(self) -> dict[str, Any]:
        """What a command answers."""
        return {
            "file": str(self.file),
            "manifest": str(self.manifest),
            "kind": self.kind,
            "from": instant_text(self.since_us),
            "to": instant_text(self.until_us),
            "sha256": self.sha256,
            "statement": self.outcome.id.hex(),
        }


def derive(hall: Hall, desk: Desk, clip: Path, out: Path, *, exact: bool = False, wait_s: float = 10.0) -> Derived:
    """Make a derivative of a clip (its manifest beside it) at ``out``, and state it. ``exact``: cut as it was asked."""
    raw = _beside(clip).read_bytes()
    said = read_manifest(raw)
    extracted = extraction_of(hall, said["camera"], sha256(raw).hexdigest(), wait_s=wait_s)
    since_us, until_us = (instant_us(said["covered"][name]) for name in ("from", "to"))
    zero_us = since_us
    if exact:
        since_us = max(since_us, instant_us(said["asked"]["from"]))
        until_us = min(until_us, instant_us(said["asked"]["to"]))
    _, registry = hall.door.registry()
    camera = registry.entries.get(f"camera/{said['camera']}")
    masks = [] if camera is None else list(camera.data.get("masks", ()))
    report = _make(clip, out, since_us - zero_us, until_us - zero_us, exact=exact, masks=masks)
    digest = digest_of(out)
    values = {
        "clip": extracted.id.hex(),
        "clip_sha256": extracted.data["sha256"],
        "kind": report["kind"],
        "sha256": digest,
        "report": report_digest(report),
        "since": instant_text(since_us),
        "until": instant_text(until_us),
    }
    outcome = desk.say(extracted.stream, DERIVED, values)
    hall.wait_placed([outcome], timeout_s=wait_s)
    signed = signed_head(hall, [extracted.id, outcome.id])
    manifest = {
        "format": FORMAT,
        "file": {"sha256": digest, "bytes": out.stat().st_size},
        "report": report,
        "clip_manifest": base64.b64encode(raw).decode(),
        "extracted": placed(hall, signed, extracted),
        "derived": placed(hall, signed, _stated(hall, extracted.stream, outcome)),
    }
    beside = _beside(out)
    body = orjson.dumps(manifest, option=orjson.OPT_INDENT_2)
    replace_file(beside, body, durable=True)
    check_derivative(digest, out.stat().st_size, body, hall.publisher.alone)
    return Derived(out, beside, report["kind"], since_us, until_us, digest, outcome)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.manifest.json")


def extraction_of(hall: Hall, camera: str, manifest: str, *, wait_s: float = 10.0) -> Statement:
    """The statement that a clip was extracted with the manifest of that SHA-256, once it is in the tree."""
    until = time.monotonic() + wait_s
    while True:
        known = False
        for index, _, entry in reversed(hall.reader.stream(footage_stream(camera))):
            act = open_statement(entry)
            if act.type == EXTRACTED and act.data["manifest"] == manifest:
                known = True
                if index is not None:
                    return act
        if not known:
            raise NotFound("the ledger knows no such clip", code="no-clip", mend="cut it: mingjian-camera clip")
        if time.monotonic() > until:
            raise Unavailable("the clip's statement is being placed", code="not-placed", mend="try again")
        time.sleep(_LOOK_S)


def _stated(hall: Hall, stream: str, outcome: Outcome) -> Statement:
    return open_statement(next(entry for _, id_, entry in hall.reader.stream(stream) if id_ == outcome.id))


# ---------------------------------------------------------------------------------------------------------- pictures


def _make(
    clip: Path, out: Path, since_us: int, until_us: int, *, exact: bool, masks: Sequence[str] = ()
) -> dict[str, Any]:
    """Write the file; what was done. ``masks``: what is not shown of the camera, so that no picture is copied."""
    try:
        with av.open(str(clip)) as source:
            stream = source.streams.video[0]
            codec = stream.codec_context.name
            copied = codec in PLAYED and not exact and not masks
            with av.open(str(out), "w", format="mp4", options={"movflags": "faststart"}) as container:
                packed = (
                    _copied(source, stream, container)
                    if copied
                    else _encoded(source, stream, container, since_us, until_us, exact=exact, masks=masks_of(masks))
                )
                pictures = 0
                for packet in packed:
                    container.mux(packet)
                    pictures += 1
    except (av.FFmpegError, IndexError) as error:
        raise Malformed(
            f"{clip.name} cannot be read: {error}", code="footage", mend="take the clip as it was cut"
        ) from error
    if not pictures:
        raise Refused("no picture lies in that span", code="no-footage", mend="ask for more")
    return {
        "kind": "remuxed" if copied else "exact_cut" if exact else "transcoded",
        "source_codec": codec,
        "encoder": None if copied else f"libx264 {' '.join(f'{name}={value}' for name, value in _QUALITY.items())}",
        "library": f"PyAV {av.__version__}",
        "pictures": pictures,
        "masks": list(masks),
    }


def _copied(source: Any, stream: Any, container: Any) -> Iterator[Any]:
    target = container.add_stream_from_template(stream)
    for packet in source.demux(stream):
        if packet.dts is not None:
            packet.stream = target
            yield packet


def _encoded(
    source: Any, stream: Any, container: Any, since_us: int, until_us: int, *, exact: bool, masks: Sequence[Mask]
) -> Iterator[Any]:
    rate = stream.average_rate or Fraction(25)
    target = container.add_stream("libx264", rate=rate, options=_QUALITY)
    target.width, target.height, target.pix_fmt = stream.width, stream.height, "yuv420p"
    target.codec_context.time_base = target.time_base = stream.time_base
    # Gaps take their time: pictures keep their instants, counted from the first moment shown.
    first = round(Fraction(since_us, _SECOND_US) / stream.time_base)
    last = round(Fraction(until_us, _SECOND_US) / stream.time_base)
    for frame in source.decode(stream):
        if frame.pts is None or (exact and not first <= frame.pts < last):
            continue
        shown = frame
        if masks:
            pixels = frame.to_ndarray(format="bgr24")
            black_out(pixels, masks)
            shown = av.VideoFrame.from_ndarray(pixels, format="bgr24")
        shown.pts = frame.pts - first
        shown.time_base = stream.time_base
        shown.pict_type = av.video.frame.PictureType.NONE
        yield from target.encode(shown)
    yield from target.encode()
