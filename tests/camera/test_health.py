"""Pictures judged: real footage, and what is done to a camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from camera_ingest.health import HEIGHT, LEARN, STRIKES, WIDTH, Judge, Reference

NOISE = np.random.default_rng(7)


@pytest.fixture(scope="module")
def pictures(rig: Any) -> list[Any]:
    """Keyframes of real footage, a second apart."""
    with av.open(str(rig.FOOTAGE)) as container:
        stream = container.streams.video[0]
        stream.codec_context.skip_frame = "NONKEY"
        frames = [f.reformat(width=WIDTH, height=HEIGHT, format="gray") for f in container.decode(stream)]
    return [np.asarray(frame.to_ndarray(), dtype=np.uint8) for frame in frames]


def _black(picture: Any) -> Any:
    return (picture // 32).astype(np.uint8)


def _blurred(picture: Any) -> Any:
    return cv2.GaussianBlur(picture, (0, 0), 4)


def _covered(picture: Any) -> Any:
    covered = picture.copy()
    covered[:, : int(WIDTH * 0.8)] = 90
    return covered


def _shifted(picture: Any) -> Any:
    return cv2.warpAffine(picture, np.float32([[1, 0, 40], [0, 1, 12]]), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)


def _noisy(picture: Any) -> Any:
    noise = NOISE.normal(0, 4, picture.shape)
    return np.clip(picture.astype(np.float64) + noise, 0, 255).astype(np.uint8)


def _learnt(pictures: list[Any]) -> Judge:
    judge = Judge()
    for picture in pictures[:LEARN]:
        assert judge.see(_noisy(picture)) is None
    assert judge.reference is not None
    return judge


def _frozen(pictures: list[Any]) -> Iterator[Any]:
    while True:
        yield pictures[40]


def test_nothing_is_said_of_footage_in_which_people_walk(pictures: list[Any]) -> None:
    judge = _learnt(pictures)
    assert len(pictures) > 100
    assert [said for picture in pictures[LEARN:] if (said := judge.see(_noisy(picture)))] == []


@pytest.mark.parametrize(
    ("state", "done"),
    [("black", _black), ("defocused", _blurred), ("occluded", _covered), ("moved", _shifted)],
)
def test_a_camera_that_is_tampered_with_is_said_and_so_is_its_recovery(
    pictures: list[Any], state: str, done: Callable[[Any], Any]
) -> None:
    judge = _learnt(pictures)
    said = [judge.see(_noisy(done(picture)) if state != "defocused" else done(picture)) for picture in pictures[20:26]]
    assert [one is not None for one in said] == [number == STRIKES - 1 for number in range(6)]
    change = said[STRIKES - 1]
    assert change is not None
    assert change[:2] == ("tampered", state)
    assert all(isinstance(value, int) for value in change[2].values())
    back = [judge.see(_noisy(picture)) for picture in pictures[26:30]]
    assert [one[:2] for one in back if one] == [("recovered", state)]


def test_a_frozen_picture_is_said(pictures: list[Any]) -> None:
    judge = _learnt(pictures)
    still = _noisy(pictures[40])
    said = [judge.see(still) for _ in range(STRIKES + 1)]
    assert [one[:2] for one in said if one] == [("tampered", "frozen")]


def test_one_bad_picture_is_not_a_state(pictures: list[Any]) -> None:
    judge = _learnt(pictures)
    for picture in pictures[20:30]:
        assert judge.see(_black(picture)) is None
        assert judge.see(_noisy(picture)) is None


def test_the_reference_view_is_kept(pictures: list[Any], tmp_path: Path) -> None:
    judge = _learnt(pictures)
    assert judge.reference is not None
    judge.reference.save(tmp_path / "reference.npz")
    again = Reference.load(tmp_path / "reference.npz")
    assert again is not None
    assert (again.picture == judge.reference.picture).all()
    assert (again.sharpness, again.change) == (judge.reference.sharpness, judge.reference.change)
    (tmp_path / "reference.npz").write_bytes(b"not a view")
    assert Reference.load(tmp_path / "reference.npz") is None
