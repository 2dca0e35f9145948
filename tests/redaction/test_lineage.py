"""A redaction of a sealed clip: by grant and with masks, confirmed, signed; proved offline, and every lie is caught."""

from __future__ import annotations

import base64
import copy
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from camera_ingest import cli
from camera_ingest.c2pa import read_film, root_file
from camera_ingest.faces import Faces
from camera_ingest.redaction import confirm, redact_alone, redact_clip
from camera_ingest.registering import register
from ledger.cases import grants
from ledger.cases.kept_footage import kept
from ledger.errors import Evidence, MingjianError, NotAllowed, NotFound, Refused
from ledger.verify.cli import main as verify
from ledger.verify.clip import check_clip
from ledger.verify.redaction import check_redaction

LIES: list[tuple[str, Any]] = []


@dataclass
class Made:
    plain: Any
    for_viewer: Any
    grant: str
    policy: Path


@pytest.fixture(scope="module")
def made(rig: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("made")
    hall, desk, manifest = rig.hall, rig.custodian(), rig.clip.manifest
    plain = redact_clip(hall, desk, rig.clip.clip, folder / "plain.mp4", manifest=manifest, masks=[(0, 90, 200, 102)])
    stands = next(str(one["track"]) for one in plain.report["tracks"] if one["box"][0] > 200)
    name, _ = grants.request_clip(
        hall,
        rig.desk("staff/cha"),
        rig.clip_id,
        purpose="verify",
        basis="rule-12",
        rights=["view", "download", "unblurred"],
        tracks=[stands],
    )
    with pytest.raises(NotAllowed):
        redact_clip(hall, desk, rig.clip.clip, folder / "x.mp4", manifest=manifest, grant=name, clear=[stands])
    hall.wait_placed([grants.grant_clip(hall, rig.desk("staff/zhang"), name, expires=rig.later())])
    with pytest.raises(Refused):
        redact_clip(hall, desk, rig.clip.clip, folder / "x.mp4", manifest=manifest, clear=[stands])
    with pytest.raises(NotAllowed, match="does not let be seen"):
        redact_clip(hall, desk, rig.clip.clip, folder / "x.mp4", manifest=manifest, grant=name, clear=["17"])
    out = folder / "viewer.mp4"
    special = redact_clip(hall, desk, rig.clip.clip, out, manifest=manifest, grant=name, clear=[stands])
    seen = len(special.report["uncovered"])
    with pytest.raises(Refused):
        confirm(hall, desk, special.out, seen=seen, manifest=special.manifest)
    confirm(hall, rig.desk("staff/zhang"), special.out, seen=seen, manifest=special.manifest)
    policy = folder / "policy"
    shutil.copy2(hall.data / "published" / "policy", policy)
    return Made(plain, special, name, policy)


def proved(file: Path, manifest: Path, policy: Path, *more: str) -> tuple[int, dict[str, Any]]:
    import contextlib
    import io

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        words = ["clip", str(file), "--manifest", str(manifest), "--policy", str(policy), *more, "--json"]
        code = verify(words)
    return code, orjson.loads(out.getvalue())


def test_a_redaction_is_proved_back_to_the_recorder(rig: Any, made: Made) -> None:
    code, said = proved(made.for_viewer.out, made.for_viewer.manifest, made.policy, "--clip", str(rig.clip.clip))
    assert code == 0, said
    assert (said["camera"], said["viewer"], said["confirmed_by"]) == ("hall-1", "staff/cha", "staff/zhang")
    assert said["grant"] == f"grant/{made.grant}"
    assert len(said["clear"]) == 1
    assert set(said["not_proved"]) == {"lens", "place", "key", "pixels", "rights"}
    code, said = proved(made.plain.out, made.plain.manifest, made.policy)
    assert code == 0
    assert (said["confirmed_by"], said["clear"], said["grant"]) == (None, [], None)
    assert {"clip", "confirmed"} <= set(said["not_proved"])
    code, said = proved(made.for_viewer.out, made.plain.manifest, made.policy)
    assert (code, said["code"]) == (1, "file-changed")


def test_the_words_say_what_is_not_proved(made: Made, capsys: pytest.CaptureFixture[str]) -> None:
    for lang, title, left in (("en", "lineage", "Not proved"), ("zh", "遮盖", "未证明")):
        words = ["--manifest", str(made.plain.manifest), "--policy", str(made.policy), "--lang", lang]
        assert verify(["clip", str(made.plain.out), *words]) == 0
        out = capsys.readouterr().out
        assert title in out
        assert left in out


def test_the_viewer_is_burned_in_and_only_the_granted_face_is_clear(
    rig: Any, made: Made, pixels_of: Callable[[Path], list[Any]]
) -> None:
    assert made.for_viewer.report["watermark"].startswith(f"staff/cha  {made.grant}  20")
    assert made.plain.report["watermark"] is None
    faces = Faces()
    found = [box for _, pixels in pixels_of(made.for_viewer.out) for box in faces.find(pixels)]
    assert len(found) > 20
    assert all(box.x > 200 for box in found)
    plain, marked = pixels_of(rig.clip.clip), pixels_of(made.for_viewer.out)
    for (_, was), (_, now) in zip(plain, marked, strict=True):
        assert abs(now[-14:-2, :160].astype(int) - was[-14:-2, :160]).mean() > 5


def test_c2pa_is_read_by_its_own_library_and_names_the_clip(rig: Any, made: Made, tmp_path: Path) -> None:
    root = root_file(rig.hall.data)
    said = read_film(made.for_viewer.out, root)
    assert (said["state"], said["problems"]) == ("Trusted", [])
    assert said["lineage"]["clip"] == rig.clip_id
    assert said["lineage"]["grant"] == f"grant/{made.grant}"
    raw = bytearray(made.for_viewer.out.read_bytes())
    raw[-2000] ^= 1
    (tmp_path / "changed.mp4").write_bytes(raw)
    assert read_film(tmp_path / "changed.mp4", root)["state"] == "Invalid"
    with pytest.raises(Refused):
        read_film(rig.clip.clip, root)
    assert (rig.hall.data / "keys" / "c2pa.key.pem").stat().st_mode & 0o077 == 0


def test_what_was_made_is_kept_by_its_digest_and_nothing_else_is_reached(rig: Any, made: Made, tmp_path: Path) -> None:
    data = rig.hall.data
    assert kept(data, made.plain.sha256).read_bytes() == made.plain.out.read_bytes()
    for name in ("../keys/log.pem", "/etc/passwd", "00" * 31, "..", "AA" * 32):
        with pytest.raises(Refused):
            kept(data, name)
    with pytest.raises(NotFound):
        kept(data, "00" * 32)
    (data / "clips" / f"{'11' * 32}.mp4").symlink_to("/etc/passwd")
    with pytest.raises(NotFound):
        kept(data, "11" * 32)
    (data / "clips" / f"{'22' * 32}.mp4").write_bytes(b"other")
    with pytest.raises(Evidence):
        kept(data, "22" * 32)


# ------------------------------------------------------------------------------------------------- manifests that lie


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a value of its own stands in JSON; of a list's alike members the first and the last."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list) and value:
        for at in {0, len(value) - 1}:
            yield from leaves(value[at], (*path, at))
    else:
        yield path


def other(value: Any, path: tuple[Any, ...]) -> Any:
    """Another value of the same kind, well formed where that is easy."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if value is None:
        return "other"
    if isinstance(value, list):
        return [value]
    assert isinstance(value, str)
    if path[-1] in ("from", "to"):
        return value.replace("20", "19", 1)
    if path[-1] in ("entry", "clip_manifest"):
        raw = bytearray(base64.b64decode(value))
        raw[len(raw) // 2] ^= 1
        return base64.b64encode(raw).decode()
    if len(value) >= 64 and set(value) <= set("0123456789abcdef"):
        return value[:-1] + ("0" if value[-1] != "0" else "1")
    return value[:-1] + ("A" if value[-1:] != "A" else "B")


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(body)
    at = changed
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return changed


def value_at(body: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        body = body[step]
    return body


CLIP_PATHS = """
    format camera asked.from asked.to covered.from covered.to clip.bytes clip.sha256 segments.0.line segments.0.batch
    segments.0.path.0 segments.0.init.0 segments.0.groups.0.k segments.0.groups.0.path.0 segments.2.line
    batches.0.entry key.entry
"""
REDACTION_PATHS = """
    format file.sha256 file.bytes clip_manifest extracted.entry redacted.entry grant.entry confirmed.entry
    report.audio report.clip report.cover_us report.height report.width report.model report.pictures
    report.watermark report.tracks.0.track report.tracks.0.from_us report.tracks.0.to_us report.tracks.0.seen
    report.tracks.0.at_us report.tracks.0.clear report.tracks.1.clear report.masks report.privacy_masks
"""


def steps(path: str) -> tuple[Any, ...]:
    return tuple(int(step) if step.isdigit() else step for step in path.split("."))


@pytest.mark.parametrize("path", CLIP_PATHS.split())
def test_a_clips_manifest_that_lies_is_refused(rig: Any, path: str) -> None:
    body = orjson.loads(rig.clip.manifest.read_bytes())
    where = steps(path)
    lie = put(body, where, other(value_at(body, where), where))
    with pytest.raises(Refused):
        check_clip(rig.clip.clip.read_bytes(), orjson.dumps(lie), rig.hall.publisher.alone)


@pytest.mark.parametrize("path", REDACTION_PATHS.split())
def test_a_redactions_manifest_that_lies_is_refused(rig: Any, made: Made, path: str) -> None:
    body = orjson.loads(made.for_viewer.manifest.read_bytes())
    where = steps(path)
    lie = put(body, where, other(value_at(body, where), where))
    with pytest.raises(Refused):
        check(rig, made, lie)


def check(rig: Any, made: Made, body: Any) -> Any:
    size = made.for_viewer.out.stat().st_size
    return check_redaction(made.for_viewer.sha256, size, orjson.dumps(body), rig.hall.publisher.alone)


def test_no_member_of_a_manifest_stands_there_unproved(rig: Any, made: Made) -> None:
    """Each leaf of the JSON, whatever it is; a proof's own spelling may have others that say the same."""
    policy = rig.hall.publisher.alone
    believed = []
    body = orjson.loads(made.for_viewer.manifest.read_bytes())
    assert check(rig, made, body)
    for where in leaves(body):
        try:
            check(rig, made, put(body, where, other(value_at(body, where), where)))
        except Refused:
            continue
        believed.append(where)
    clip = orjson.loads(rig.clip.manifest.read_bytes())
    raw = rig.clip.clip.read_bytes()
    assert check_clip(raw, rig.clip.manifest.read_bytes(), policy)
    for where in leaves(clip):
        try:
            check_clip(raw, orjson.dumps(put(clip, where, other(value_at(clip, where), where))), policy)
        except Refused:
            continue
        believed.append(where)
    # Why there is a gap is told for reading; the checker neither believes nor repeats it.
    assert believed == [("gaps", 0, "cause")]


@pytest.mark.parametrize("gone", ["grant", "confirmed", "extracted", "redacted", "report", "file", "clip_manifest"])
def test_what_is_left_out_is_missed(rig: Any, made: Made, gone: str) -> None:
    body = orjson.loads(made.for_viewer.manifest.read_bytes())
    lacking = {name: value for name, value in body.items() if name != gone}
    with pytest.raises(Refused):
        check(rig, made, lacking)
    if gone == "confirmed":  # that it was not confirmed yet is no lie, and said
        assert check(rig, made, body | {gone: None}).confirmed_by is None
    else:
        with pytest.raises(Refused):
            check(rig, made, body | {gone: None})


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b'{"format":"mingjian-redaction@v1"}', b"\xff" * 40])
def test_what_is_no_manifest_is_refused_in_words(made: Made, tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "m.json").write_bytes(raw)
    code, said = proved(made.plain.out, tmp_path / "m.json", made.policy)
    assert code == 1
    assert said["reason"]


# ------------------------------------------------------------------------------------------------------------ commands


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = cli.main([*map(str, words), "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1, out
    return code, orjson.loads(out)


def test_a_film_of_nobodys_is_covered_and_proves_nothing(rig: Any, tmp_path: Path) -> None:
    found = redact_alone(rig.film, tmp_path / "alone.mp4")
    assert found.name is None
    size = found.out.stat().st_size
    with pytest.raises(Refused, match="names no statement"):
        check_redaction(found.sha256, size, found.manifest.read_bytes(), rig.hall.publisher.alone)


@pytest.mark.parametrize(
    ("file", "more", "code"),
    [
        ("none.mp4", [], "no-file"),
        ("text.mp4", [], "not-video"),
        ("text.mp4", ["--mask", "1,2"], "mask"),
        ("text.mp4", ["--out", "no-folder/out.mp4"], "no-folder"),
        ("film.mp4", ["--out", "film.mp4"], "same-file"),
        (".", [], "no-file"),
    ],
)
def test_bad_input_is_refused_in_clear_words(
    rig: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, more: list[str], code: str
) -> None:
    (tmp_path / "text.mp4").write_bytes(b"no film at all" * 50)
    shutil.copy2(rig.film, tmp_path / "film.mp4")
    words = [str(tmp_path / word) if word.endswith(".mp4") else word for word in more]
    found, said = run(capsys, "redact", tmp_path / file, "--out", tmp_path / "out.mp4", *words)
    assert (found, said["error"]["code"]) == (1, code)
    assert not (tmp_path / "out.mp4").exists()


def test_the_cameras_own_masks_are_covered_in_every_redaction(
    rig: Any, tmp_path: Path, pixels_of: Callable[[Path], list[Any]]
) -> None:
    bound = {"name": "hall-1", "recorder": "recorder/1", "windows": [], "place": "hall", "retention_days": 30}
    with pytest.raises(Refused, match="is no mask"):
        register(rig.hall, "hall-1", **bound, masks=["0/0/0/5"])
    register(rig.hall, "hall-1", **bound, masks=["0/0/320/30"])
    try:
        found = redact_clip(rig.hall, rig.custodian(), rig.clip.clip, tmp_path / "m.mp4", manifest=rig.clip.manifest)
    finally:
        register(rig.hall, "hall-1", **bound)
    assert found.report["privacy_masks"] == [[0, 0, 320, 30]]
    assert all(pixels[2:28].max() < 40 for _, pixels in pixels_of(tmp_path / "m.mp4"))


def test_a_clip_that_is_not_the_ledgers_is_not_stated(rig: Any, tmp_path: Path) -> None:
    raw = bytearray(rig.clip.clip.read_bytes())
    raw[-1] ^= 1
    (tmp_path / "other.mp4").write_bytes(raw)
    with pytest.raises(NotFound, match="knows no clip"):
        redact_clip(rig.hall, rig.custodian(), tmp_path / "other.mp4", tmp_path / "out.mp4", manifest=rig.clip.manifest)
    lie = orjson.loads(rig.clip.manifest.read_bytes()) | {"camera": "hall-2"}
    (tmp_path / "lie.json").write_bytes(orjson.dumps(lie))
    with pytest.raises(MingjianError):
        redact_clip(rig.hall, rig.custodian(), rig.clip.clip, tmp_path / "out.mp4", manifest=tmp_path / "lie.json")
    assert not (tmp_path / "out.mp4").exists()
