"""Bystanders covered before anything leaves: a film made of a clip, what was done to it, and where it comes from.

    clip ─▶ faces found in every picture ─▶ tracks ─▶ everyone covered, a second before to a second after
         ─▶ the camera's own masks and those drawn by hand, black ─▶ H.264, without sound ─▶ C2PA ─▶ clip_redacted

Promise: every face that the model finds is covered unless a grant names its track; a face that is lost stays covered
for a second; where somebody may be seen and nothing near is covered, the span is listed, and whoever confirms says that
they have looked at each. The film is read twice, a picture at a time.
"""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import cv2
import orjson

from camera_ingest.c2pa import sign_film
from camera_ingest.clips import placed, signed_head
from camera_ingest.faces import COVER_US, Box, Covers, Faces, Follower, Presence, Track
from camera_ingest.masks import black_out
from camera_ingest.pictures import Film, Pixels, look_at, pictures, written
from camera_ingest.watermark import draw
from ledger.cases.grants import (
    EXTRACTED,
    check_clear,
    confirm_redaction,
    desk_of,
    read_redaction,
    state_redaction,
)
from ledger.cases.kept_footage import digest_of, keep
from ledger.door.desk import Desk
from ledger.door.door import Outcome
from ledger.door.hall import Hall
from ledger.errors import Malformed, NotFound, Refused, Unavailable
from ledger.facts.cameras import mask_of
from ledger.facts.footage import footage_stream
from ledger.facts.grants import CONFIRMED, GRANTED, REDACTED, grant_stream, redaction_stream
from ledger.files import replace_file
from ledger.statement import Statement, instant_text, open_statement
from ledger.store.sequencer import now_us
from ledger.tree.checkpoint import SignedCheckpoint
from ledger.verify.clip import MAX_MANIFEST_BYTES, check_lines
from ledger.verify.redaction import FORMAT, is_redaction, report_digest

_CELLS: Final = 4
"""Of a covered face, across and down: neither people nor the model find anybody in so few."""
_FEW_US: Final = 500_000
"""Uncovered pictures nearer than this to each other are one span."""
_PLACED_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Covered:
    """A film with everyone covered, and what there is to say of it."""

    film: Film
    tracks: tuple[Track, ...]
    clear: frozenset[str]
    masks: tuple[tuple[int, int, int, int], ...]
    privacy_masks: tuple[tuple[int, int, int, int], ...]
    uncovered: tuple[tuple[int, int, int], ...]  # from and to in µs, and how many pictures
    pictures: int
    model: str
    watermark: str | None

    def report(self, clip: str) -> dict[str, Any]:
        """What stands in the manifest, and as a digest in the log. Tracks by their numbers; times in µs of the film."""
        return {
            "audio": "dropped" if self.film.sound else "none",
            "clip": clip,
            "cover_us": COVER_US,
            "width": self.film.width & ~1,
            "height": self.film.height & ~1,
            "pictures": self.pictures,
            "model": self.model,
            "masks": [list(mask) for mask in self.masks],
            "privacy_masks": [list(mask) for mask in self.privacy_masks],
            "tracks": [_told(track, clear=str(track.number) in self.clear) for track in self.tracks],
            "uncovered": [
                {"from_us": since, "to_us": until, "pictures": count} for since, until, count in self.uncovered
            ],
            "watermark": self.watermark,
        }


def _told(track: Track, *, clear: bool) -> dict[str, Any]:
    at_us, box = track.middle()
    return {
        "track": track.number,
        "from_us": track.times[0],
        "to_us": track.times[-1],
        "seen": len(track.times),
        "at_us": at_us,
        "box": [round(side) for side in box],
        "clear": clear,
    }


def parse_mask(text: str) -> tuple[int, int, int, int]:
    """``x,y,w,h`` in pixels."""
    try:
        x, y, w, h = (int(part) for part in text.split(","))
    except ValueError:
        x = y = w = h = 0
    if min(x, y) < 0 or min(w, h) < 1:
        raise Malformed(f"{text:.40} is no mask", code="mask", mend="x,y,w,h in pixels from the upper left corner")
    return x, y, w, h


# ------------------------------------------------------------------------------------------------------------- pictures


def cover_film(
    source: Path,
    out: Path,
    *,
    clear: Collection[str] = (),
    masks: Sequence[tuple[int, int, int, int]] = (),
    privacy_masks: Sequence[tuple[int, int, int, int]] = (),
    watermark: str | None = None,
) -> Covered:
    """Write ``source`` to ``out`` with every face covered but those of the tracks in ``clear``."""
    film, faces, follower, presence = look_at(source), Faces(), Follower(), Presence()
    for picture in pictures(source):
        follower.see(picture.at_us, faces.find(picture.pixels))
        presence.learn(picture.number, picture.pixels)
    if unknown := set(clear) - {str(track.number) for track in follower.tracks}:
        raise NotFound(
            f"the clip has no track {', '.join(sorted(unknown))}",
            code="track",
            mend=f"redact it without --clear first: that lists its {len(follower.tracks)} tracks",
        )
    covers, black = Covers(follower.tracks), (*privacy_masks, *masks)
    hidden = [Box(*mask) for mask in black]
    bare: list[int] = []
    count = 0
    with written(out, film.width, film.height) as writer:
        for picture in pictures(source):
            near = list(covers.at(picture.at_us))
            somebody = presence.look(picture.at_us, picture.pixels)
            if any(not any(one.meets(box) for box in (*(box for _, box in near), *hidden)) for one in somebody):
                bare.append(picture.at_us)
            for track, box in near:
                if str(track.number) not in clear:
                    blur(picture.pixels, box)
            black_out(picture.pixels, black)
            if watermark is not None:
                draw(picture.pixels, watermark)
            writer.write(picture.pixels, picture.at_us)
            count += 1
    return Covered(
        film=film,
        tracks=tuple(follower.tracks),
        clear=frozenset(clear),
        masks=tuple(masks),
        privacy_masks=tuple(privacy_masks),
        uncovered=tuple(_spans(bare)),
        pictures=count,
        model=faces.model,
        watermark=watermark,
    )


def blur(pixels: Pixels, box: Box) -> None:
    """Leave a few coarse cells of what is in the box."""
    height, width = pixels.shape[:2]
    x0, y0, x1, y1 = box.within(width, height)
    if x0 < x1 and y0 < y1:
        cells = cv2.resize(pixels[y0:y1, x0:x1], (_CELLS, _CELLS), interpolation=cv2.INTER_AREA)
        pixels[y0:y1, x0:x1] = cv2.resize(cells, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST)


def _spans(times: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    since = until = count = 0
    for at_us in times:
        if count and at_us - until > _FEW_US:
            yield since, until, count
            count = 0
        since = at_us if not count else since
        until, count = at_us, count + 1
    if count:
        yield since, until, count


# -------------------------------------------------------------------------------------------------------------- lineage


@dataclass(frozen=True, slots=True)
class Redacted:
    """A redaction that was made. ``name``: of its stream; None where the clip's lineage is not known."""

    out: Path
    manifest: Path
    sha256: str
    report: Mapping[str, Any]
    name: str | None
    outcome: Outcome | None


def manifest_beside(path: Path) -> Path:
    """Where a clip's or redaction's manifest lies unless another is named."""
    return path.with_name(f"{path.name}.manifest.json")


def _read_manifest(path: Path) -> bytes:
    if path.stat().st_size > MAX_MANIFEST_BYTES:
        raise Refused(f"{path} has more than {MAX_MANIFEST_BYTES} bytes", code="file-size", mend="name another file")
    return path.read_bytes()


def redact_alone(source: Path, out: Path, *, masks: Sequence[tuple[int, int, int, int]] = ()) -> Redacted:
    """Cover a film that no ledger knows: nothing is stated, and its manifest says that it proves nothing."""
    _check_paths(source, out)
    covered = cover_film(source, out, masks=masks)
    report = covered.report(digest_of(source))
    body = {"clip_manifest": "", "extracted": None, "redacted": None, "grant": None, "confirmed": None}
    digest = _write_manifest(out, report, body)
    return Redacted(out, manifest_beside(out), digest, report, None, None)


def redact_clip(
    hall: Hall,
    desk: Desk,
    source: Path,
    out: Path,
    *,
    manifest: Path,
    grant: str | None = None,
    clear: Sequence[str] = (),
    masks: Sequence[tuple[int, int, int, int]] = (),
) -> Redacted:
    """Cover a clip of this ledger, state it, and write ``out`` with its manifest. A sequencer must be running."""
    _check_paths(source, out)
    if clear and grant is None:
        raise Refused("a face is left clear only by a grant", code="grant", mend="--grant GRANT, which names its track")
    parent, digest = _read_manifest(manifest), digest_of(source)
    camera, _, _ = check_lines(parent, hall.publisher.alone)
    extracted = _extracted(hall, camera, digest, sha256(parent).hexdigest())
    granted = None if grant is None else check_clear(hall, grant, extracted.id.hex(), clear)
    mark = None if granted is None else f"{granted.viewer}  {grant}  {instant_text(now_us())[:19]}Z"
    bare = out.with_name(f".{out.name}.bare")
    try:
        covered = cover_film(
            source, bare, clear=clear, masks=masks, privacy_masks=privacy_masks(hall, camera), watermark=mark
        )
        report = covered.report(digest)
        lineage = {"origin": hall.origin, "clip": extracted.id.hex(), "report": report_digest(report)}
        sign_film(hall.data, bare, out, lineage | ({} if grant is None else {"grant": grant_stream(grant)}))
    finally:
        bare.unlink(missing_ok=True)
    made = keep(hall.data, out)
    keep(hall.data, source)
    values = {
        "clip": extracted.id.hex(),
        "clip_sha256": digest,
        "sha256": made,
        "report": report_digest(report),
        "tracks": len(covered.tracks),
        "clear": [one for one in map(str, range(1, len(covered.tracks) + 1)) if one in covered.clear] or None,
        "grant": None if grant is None else grant_stream(grant),
        "masks": len(covered.masks) + len(covered.privacy_masks),
        "uncovered": len(covered.uncovered),
    }
    name = made[:32]
    outcome = state_redaction(desk, name, values)
    hall.wait_placed([outcome], timeout_s=_PLACED_S)
    signed = signed_head(hall, [outcome.id])
    body = {
        "clip_manifest": base64.b64encode(parent).decode(),
        "extracted": proved(hall, signed, footage_stream(camera), EXTRACTED, extracted.id.hex()),
        "redacted": proved(hall, signed, redaction_stream(name), REDACTED, outcome.id.hex()),
        "grant": None if grant is None else proved(hall, signed, grant_stream(grant), GRANTED),
        "confirmed": None,
    }
    _write_manifest(out, report, body)
    return Redacted(out, manifest_beside(out), made, report, name, outcome)


def confirm(hall: Hall, desk: Desk, path: Path, *, seen: int, manifest: Path) -> Outcome:
    """Confirm, as a second person, that the redaction at ``path`` may leave; its manifest is completed."""
    raw, digest = _read_manifest(manifest), digest_of(path)
    if not is_redaction(raw):
        raise Malformed(f"{manifest} is no manifest of a redaction", code="manifest", mend="name the redacted film")
    name = digest[:32]
    if read_redaction(hall, name).sha256 != digest:
        raise NotFound("no redaction of this ledger is that file", code="no-redaction", mend="take it as it was made")
    outcome = confirm_redaction(hall, desk, name, seen=seen)
    hall.wait_placed([outcome], timeout_s=_PLACED_S)
    body = orjson.loads(raw)
    body["confirmed"] = proved(
        hall, signed_head(hall, [outcome.id]), redaction_stream(name), CONFIRMED, outcome.id.hex()
    )
    replace_file(manifest, orjson.dumps(body, option=orjson.OPT_INDENT_2), durable=True)
    return outcome


def second_person(hall: Hall, actor: str | None) -> Desk:
    """The desk of whoever confirms, in the first fitting role; they must be named."""
    if actor is None:
        raise Malformed("a confirmation is somebody's", code="usage", mend="--as ACTOR, not who made the redaction")
    return desk_of(hall, actor, ("complaint_head", "investigator", "video_custodian"))


def privacy_masks(hall: Hall, camera: str) -> list[tuple[int, int, int, int]]:
    """The masks that stand for a camera: nursing areas, screens, papers, other counters."""
    _, registry = hall.door.registry()
    entry = registry.entries.get(f"camera/{camera}")
    return [] if entry is None else [mask_of(mask) for mask in entry.data.get("masks", ())]


def _check_paths(source: Path, out: Path) -> None:
    if not out.parent.is_dir():
        raise NotFound(f"there is no folder {out.parent}", code="no-folder", mend="make it, or write elsewhere")
    if out.exists() and source.exists() and out.samefile(source):
        raise Refused("a clip is not redacted in its own place", code="same-file", mend="name another file with --out")


def _extracted(hall: Hall, camera: str, digest: str, manifest: str) -> Statement:
    for _, _, entry in hall.reader.stream(footage_stream(camera)):
        act = open_statement(entry)
        if act.type == EXTRACTED and (act.data["sha256"], act.data["manifest"]) == (digest, manifest):
            return act
    raise NotFound(
        "the ledger knows no clip with that manifest",
        code="no-clip",
        mend="redact the file that mingjian-camera clip made, unchanged, with the manifest beside it",
    )


def proved(hall: Hall, signed: SignedCheckpoint, stream: str, type_name: str, id_: str | None = None) -> dict[str, Any]:
    """The newest statement of that type in a stream (or that one), and its proof under that head."""
    found = None
    for _, raw, entry in hall.reader.stream(stream):
        act = open_statement(entry)
        if act.type == type_name and id_ in (None, raw.hex()):
            found = act
    if found is None:
        raise Unavailable(f"{type_name} is not placed in the tree yet", code="not-placed", mend="try again")
    return placed(hall, signed, found)


def _write_manifest(out: Path, report: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    digest = digest_of(out)
    said = {"format": FORMAT, "file": {"sha256": digest, "bytes": out.stat().st_size}, "report": report, **body}
    replace_file(manifest_beside(out), orjson.dumps(said, option=orjson.OPT_INDENT_2), durable=True)
    return digest
