"""What is sent of recorded groups: one line of time over files and runs, and H.264 whatever the camera codes."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson
import pytest

from camera_ingest import live
from camera_ingest.live import Coded, Line, mask
from camera_ingest.segments import Name
from ledger.verify.fmp4 import read_group, read_init

FLAGS = {"movflags": "frag_keyframe+empty_moov+default_base_moof+skip_trailer", "use_editlist": "0"}


def coded(name: Name, *, codec: str = "libx264", size: tuple[int, int] = (96, 64), pictures: int = 5) -> Coded:
    """A group of white pictures, as a recorder writes it."""
    out = io.BytesIO()
    with av.open(out, "w", format="mp4", options=FLAGS) as container:
        stream: Any = container.add_stream(codec, rate=5, options={"bf": "0"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number in range(pictures):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), 255, np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    raw = out.getvalue()
    init = read_init(raw)
    body = raw[len(init.raw) :]
    group = read_group(body, 0)
    assert group is not None
    return Coded(init, body[: group.end], group, name)


def test_groups_of_files_and_runs_follow_each_other_and_a_gap_takes_no_time() -> None:
    line = Line()
    group = coded(Name("r1", 1, 0, Fraction(0)))
    places = [
        line.place(Coded(group.init, group.raw, group.group, Name(run, seq, 0, since)))
        for run, seq, since in (
            ("r1", 1, Fraction(0)),
            ("r1", 2, Fraction(1)),
            ("r1", 3, Fraction(5, 2)),  # half a second is missing within the run
            ("r2", 1, Fraction(0)),  # an hour later
            ("r2", 2, Fraction(1)),
        )
    ]
    assert places == [0, 1, Fraction(5, 2), Fraction(7, 2), Fraction(9, 2)]


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("size", [(96, 64), (98, 66)])
def test_whatever_is_masked_is_h264_of_the_same_pictures_and_black_where_it_must_be(
    codec: str, size: tuple[int, int]
) -> None:
    made = mask(coded(Name("r", 1, 7, Fraction(0)), codec=codec, size=size), ["0/0/32/32", "80/48/100/100"])
    assert (made.init.codec, made.init.width, made.init.height) == ("avc1", *size)
    with av.open(io.BytesIO(made.init.raw + made.raw), format="mp4") as container:
        pictures = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    assert len(pictures) == 5
    for picture in pictures:
        assert picture[:30, :30].max() <= 6
        assert picture[50:, 82:].max() <= 6
        assert picture[36:46, 36:76].min() >= 230


def test_what_is_sent_says_its_kind_its_length_and_its_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    group = coded(Name("r", 1, 1_000_000, Fraction(0)))
    monkeypatch.setattr(live, "follow", lambda *_, **__: iter([group, {"kind": "state", "state": "gap"}, group]))
    out = io.BytesIO()
    live.show(tmp_path, [], out)
    out.seek(0)
    headers = []
    while line := out.readline():
        headers.append(orjson.loads(line))
        out.read(headers[-1].get("bytes", 0))
    assert [one["kind"] for one in headers] == ["start", "group", "state", "group"]
    assert headers[0]["mime"].startswith('video/mp4; codecs="avc1.')
    assert [headers[1][name] for name in ("since_us", "until_us", "at_s")] == [1_000_000, 2_000_000, 0.0]
    assert headers[3]["at_s"] == 1.0
