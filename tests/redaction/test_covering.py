"""Everyone is covered, lost faces too; what cannot be covered is listed; what is no film is refused in words."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from camera_ingest.faces import COVER_US, Box, Faces, Follower
from camera_ingest.pictures import look_at, pictures, written
from camera_ingest.redaction import cover_film, parse_mask
from ledger.errors import Malformed, NotFound

Pictures = Callable[[Path], list[Any]]


@pytest.fixture(scope="module")
def covered(rig: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    out = tmp_path_factory.mktemp("covered") / "out.mp4"
    return cover_film(rig.film, out), out


def test_no_face_is_left_that_the_model_finds(covered: tuple[Any, Path], pixels_of: Pictures, rig: Any) -> None:
    faces = Faces()
    assert sum(len(faces.find(pixels)) for _, pixels in pixels_of(rig.film)) > 40
    assert sum(len(faces.find(pixels)) for _, pixels in pixels_of(covered[1])) == 0


def test_a_lost_face_stays_covered(covered: tuple[Any, Path], pixels_of: Pictures, rig: Any) -> None:
    before, after = pixels_of(rig.film), pixels_of(covered[1])
    for (at_us, was), (_, now) in zip(before, after, strict=True):
        if 1_600_000 <= at_us < 2_200_000:  # seen from behind
            x = rig.walk_x(at_us / 1e6)
            window = np.s_[60:80, x - 10 : x + 10]
            assert np.abs(was[window].astype(int) - now[window]).mean() > 8, at_us


def test_a_face_is_covered_a_second_before_and_after_it_was_found() -> None:
    follower = Follower()
    follower.see(5_000_000, [Box(100, 100, 20, 30)])
    follower.see(6_000_000, [Box(110, 100, 20, 30)])
    (track,) = follower.tracks
    assert track.cover(5_000_000 - COVER_US) is not None
    assert track.cover(6_000_000 + COVER_US) is not None
    assert track.cover(5_000_000 - COVER_US - 1) is track.cover(6_000_000 + COVER_US + 1) is None
    between = track.cover(5_500_000)
    assert between is not None
    assert between.x < 105
    assert between.x + between.w > 125


def test_a_face_that_comes_back_after_more_than_a_second_is_another_track() -> None:
    follower = Follower()
    for at_us in (0, 500_000, 1_500_000, 2_500_001):
        follower.see(at_us, [Box(50, 50, 20, 20)])
    assert [len(track.times) for track in follower.tracks] == [3, 1]


def test_where_somebody_may_be_seen_and_nothing_is_covered_is_listed(covered: tuple[Any, Path]) -> None:
    spans = covered[0].uncovered
    assert spans, "the shape without a face is nowhere listed"
    assert all(4_900_000 <= since <= until for since, until, _ in spans)
    assert any(since < 5_500_000 < until for since, until, _ in spans)
    assert all(other[0] > one[1] for one, other in pairwise(spans))


def test_a_mask_covers_it_and_it_is_not_listed_any_more(rig: Any, tmp_path: Path, pixels_of: Pictures) -> None:
    found = cover_film(rig.film, tmp_path / "masked.mp4", masks=[(0, 90, 200, 102)])
    assert found.uncovered == ()
    assert all(pixels[110:180, 10:190].max() < 40 for _, pixels in pixels_of(tmp_path / "masked.mp4"))


def test_a_track_left_clear_is_clear_and_the_others_are_not(
    rig: Any, covered: tuple[Any, Path], tmp_path: Path, pixels_of: Pictures
) -> None:
    stands = next(str(one.number) for one in covered[0].tracks if one.boxes[0].x > 200)
    cover_film(rig.film, tmp_path / "clear.mp4", clear=[stands])
    faces = Faces()
    found = [box for _, pixels in pixels_of(tmp_path / "clear.mp4") for box in faces.find(pixels)]
    assert len(found) > 20
    assert all(box.x > 200 for box in found)


def test_the_same_film_gives_the_same_tracks(rig: Any, covered: tuple[Any, Path], tmp_path: Path) -> None:
    again = cover_film(rig.film, tmp_path / "again.mp4")
    assert again.report("00") == covered[0].report("00")


def test_an_unknown_track_is_named(rig: Any, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no track 99"):
        cover_film(rig.film, tmp_path / "none.mp4", clear=["99"])
    assert list(tmp_path.iterdir()) == []


def test_what_comes_out_is_h264_for_browsers_without_sound(rig: Any, tmp_path: Path) -> None:
    loud = tmp_path / "loud.mp4"
    with av.open(str(rig.film)) as source, av.open(str(loud), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        sound = out.add_stream("aac", rate=16_000)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = video
                out.mux(packet)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        samples.sample_rate, samples.pts = 16_000, 0
        out.mux(sound.encode(samples))
        out.mux(sound.encode(None))
    assert look_at(loud).sound
    found = cover_film(loud, tmp_path / "quiet.mp4")
    assert found.report("00")["audio"] == "dropped"
    with av.open(str(tmp_path / "quiet.mp4")) as container:
        assert [stream.type for stream in container.streams] == ["video"]
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"
        assert container.streams.video[0].codec_context.name == "h264"
    # The index stands before the pictures, so that a browser plays before it has all.
    raw = (tmp_path / "quiet.mp4").read_bytes()
    assert raw.index(b"moov") < raw.index(b"mdat")


def test_a_person_on_real_footage_is_covered_or_listed(rig: Any, tmp_path: Path) -> None:
    if not rig.FOOTAGE.exists():
        pytest.skip(f"the real footage is not at {rig.FOOTAGE}")
    part = tmp_path / "part.mp4"
    film = look_at(rig.FOOTAGE)
    with av.open(str(rig.FOOTAGE)) as source, written(part, film.width, film.height) as out:
        source.seek(130_000_000)
        for frame in source.decode(video=0):
            if 132.4 <= frame.time < 135.4:  # somebody turns round and walks out
                out.write(frame.to_ndarray(format="bgr24"), round((frame.time - 132.4) * 1_000_000))
    found = cover_film(part, tmp_path / "out.mp4")
    assert found.tracks
    # Their back is seen where no face is near; that is told.
    assert found.uncovered
    faces = Faces()
    after = {one.at_us: one.pixels for one in pictures(tmp_path / "out.mp4")}
    near = {at_us for track in found.tracks for at_us in track.times}
    looked_at = 0
    for one in pictures(part):
        if one.at_us in near and one.number % 2 == 0:
            for box in faces.find(one.pixels):
                x0, y0, x1, y1 = box.within(film.width, film.height)
                was, now = (pixels[y0:y1, x0:x1].astype(int) for pixels in (one.pixels, after[one.at_us]))
                assert np.abs(was - now).mean() > 8
                assert flat(now) > 0.7, "a few coarse cells are left"
                looked_at += 1
    assert looked_at >= 4


def flat(pixels: Any) -> float:
    """Which part of a picture's pixels are like their neighbours."""
    grey = pixels.mean(axis=2)
    across, down = np.abs(np.diff(grey, axis=1))[:-1], np.abs(np.diff(grey, axis=0))[:, :-1]
    return float(np.mean((across < 6) & (down < 6)))


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("text.mp4", b"this is not a film" * 100, "not-video"),
        ("empty.mp4", b"", "not-video"),
        ("noise.mp4", bytes(range(256)) * 64, "not-video"),
    ],
)
def test_what_is_no_film_is_refused_in_words(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(Malformed) as refused:
        cover_film(tmp_path / name, tmp_path / "out.mp4")
    assert refused.value.code == code
    assert not (tmp_path / "out.mp4").exists()


def test_a_film_that_is_cut_off_is_covered_as_far_as_it_goes_or_refused(rig: Any, tmp_path: Path) -> None:
    raw = rig.clip.clip.read_bytes()
    (tmp_path / "torn.mp4").write_bytes(raw[: len(raw) // 3])
    found = cover_film(tmp_path / "torn.mp4", tmp_path / "out.mp4")
    assert 0 < found.pictures < 30


@pytest.mark.parametrize("jump", [3_700_000_000, 0])
def test_absurd_time_stamps_are_refused(rig: Any, tmp_path: Path, jump: int) -> None:
    odd = tmp_path / "odd.mkv"
    with av.open(str(rig.film)) as source, av.open(str(odd), "w") as out:
        video = out.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            if number > 15:
                if jump == 0:
                    packet.pts = packet.dts = packet.pts * 10_000
                else:
                    packet.pts = packet.dts = packet.pts + round(jump * 1e-6 / packet.time_base)
            packet.stream = video
            out.mux(packet)
    with pytest.raises(Malformed, match="time stamps"):
        list(pictures(odd))


def test_only_sound_is_no_film(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "words.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    with pytest.raises(Malformed, match="holds no pictures"):
        look_at(tmp_path / "words.wav")


@pytest.mark.parametrize("text", ["", "1,2,3", "a,b,c,d", "-1,0,5,5", "0,0,0,5", "1,2,3,4,5"])
def test_a_mask_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Malformed) as refused:
        parse_mask(text)
    assert refused.value.code == "mask"
