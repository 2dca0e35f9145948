"""A camera is watched live by those who may, who say so first; what is masked is shown to nobody."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest

from api.live_views import MAX_VIEWS_EACH, LiveViews
from api.sessions import Sessions
from camera_ingest.masks import black_out
from camera_ingest.registering import register
from ledger.errors import Conflict, NotFound, Refused, Unavailable
from ledger.facts.patrol import ENDED, VIEWED
from ledger.statement import instant_us

Office = Any


def frames(init: bytes, *groups: bytes) -> list[Any]:
    with av.open(io.BytesIO(init + b"".join(groups)), format="mp4") as container:
        # The luma as it was coded: black is 16, the clock's never under 28.
        return [frame.to_ndarray(format="yuv420p")[: frame.height] for frame in container.decode(video=0)]


def behind_s(luma: float, came: float) -> float:
    """How old a picture is whose brightness is the time at which it was taken (see the cameras of these tests)."""
    return float(((came * 10) % 100 - (luma - 28) / 2) % 100 / 10)


def taken(
    office: Office, actor: str, view: str, groups: int
) -> tuple[bytes, list[tuple[dict[str, Any], bytes, float]]]:
    init, found = b"", []
    for header, body, came in office.pieces(actor, view):
        if header["kind"] == "start":
            init = body
        elif header["kind"] == "group":
            found.append((header, body, came))
            if len(found) == groups:
                return init, found
    raise AssertionError("too few pictures came")


@pytest.mark.parametrize("camera", ["north", "south"])
def test_the_newest_picture_is_less_than_three_seconds_old_by_the_clock_in_it(office: Office, camera: str) -> None:
    with office.viewing("staff/cha", camera) as view:
        init, found = taken(office, "staff/cha", view, 3)
    ages = []
    for header, body, came in found:
        pictures = frames(init, body)
        assert len(pictures) == 25
        # The oldest of a group is shown first, when it came.
        ages.append(behind_s(float(pictures[0][100:, 170:].mean()), came))
        told = came - header["since_us"] / 1e6
        assert abs(told - ages[-1]) < 0.6
    assert sorted(ages)[1] < 3, ages
    at = [header["at_s"] for header, _, _ in found]
    assert [round(b - a, 2) for a, b in pairwise(at)] == [1.0] * 2


def test_under_a_mask_every_live_picture_is_black_and_beside_it_none(office: Office) -> None:
    with office.viewing("staff/su", "south") as view:
        init, found = taken(office, "staff/su", view, 2)
    pictures = frames(init, *(body for _, body, _ in found))
    assert len(pictures) == 50
    for picture in pictures:
        assert picture[:88, :158].max() <= 18  # the last two columns touch what is not masked
        assert picture[95:, 165:].min() >= 22
    # What was recorded is as it was: the mask is nobody's evidence.
    sealed = next((office.hall.data / "footage" / "1" / "south").glob("*/*.mp4"))
    assert frames(sealed.read_bytes())[0][:88, :158].min() >= 22


def test_the_viewing_stands_in_the_log_with_its_purpose_before_a_picture_and_its_end_says_what_was_shown(
    office: Office,
) -> None:
    with office.viewing("staff/cha", "north", words="队伍很长") as view:
        (viewed,) = office.acts(f"live/{view}")
        assert (viewed.type, viewed.actor, viewed.role) == (VIEWED, "staff/cha", "investigator")
        assert viewed.data == {"camera": "north", "window": "w1", "purpose": "patrol"}
        _, found = taken(office, "staff/cha", view, 2)
    office.wait(lambda: len(office.acts(f"live/{view}")) == 2)
    ended = office.acts(f"live/{view}")[1]
    assert (ended.type, ended.role, ended.data["cause"]) == (ENDED, "system_clock", "left")
    since, until = (instant_us(ended.data[name]) for name in ("since", "until"))
    assert since == found[0][0]["since_us"]
    assert until >= found[-1][0]["until_us"]
    assert viewed.at_us < until


@pytest.mark.parametrize("actor", [None, "staff/chen", "staff/lu"])
def test_who_may_not_watch_gets_no_picture_and_opens_no_viewing(office: Office, actor: str | None) -> None:
    before = office.hall.reader.head().size
    page = office.browser(actor).get("/live/north?lang=en")
    assert page.status_code == 200
    assert "This browser may not watch" in page.text
    assert office.watch(actor, "north").status_code == 403
    assert office.browser(actor).get("/live/thumbnails/north").status_code == 403
    entries = office.hall.reader.entries(before, office.hall.reader.head().size)
    assert not [one for one in entries if b"live_viewed" in one.entry]


@pytest.mark.parametrize("actor", ["staff/cha", "staff/zhang", "staff/su"])
def test_investigator_complaint_head_and_supervisor_watch(office: Office, actor: str) -> None:
    with office.viewing(actor, "north") as view:
        taken(office, actor, view, 1)
        # Nobody looks over their shoulder.
        other = office.browser("staff/zhang" if actor != "staff/zhang" else "staff/su")
        assert other.get(f"/live/views/{view}/next").status_code == 403
        assert other.post(f"/live/views/{view}/end").status_code == 403


def test_a_window_leads_to_its_cameras(office: Office) -> None:
    cha = office.browser("staff/cha")
    answer = cha.get("/live?window=window/w1&lang=en")
    assert (answer.status_code, answer.headers["location"][:11]) == (303, "/live/north")
    assert 'href="/live/south?window=w1&amp;lang=en"' in cha.get("/live/north?window=w1&lang=en").text
    assert cha.get("/live?window=w2").status_code == 404


@pytest.mark.parametrize(
    ("camera", "said", "status"),
    [
        ("north", {"purpose": "curiosity"}, 400),
        ("north", {"purpose": ""}, 422),
        ("north", {"window": "w2"}, 400),
        ("nowhere", {}, 404),
        ("..%2f..%2fkeys", {}, 404),
    ],
)
def test_what_is_no_purpose_no_window_of_it_or_no_camera_is_refused_and_nothing_is_shown(
    office: Office, camera: str, said: dict[str, str], status: int
) -> None:
    assert office.watch("staff/cha", camera, **said).status_code in (status, 422)
    assert office.browser("staff/cha").get(f"/live/views/{'0' * 16}/next").status_code == 404


def test_so_many_are_watched_at_once_and_who_asks_for_nothing_more_is_gone(office: Office) -> None:
    views = LiveViews(office.hall, max_views=2, lost_s=1.0)
    said = {"window": "w1", "purpose": "patrol"}
    going = [views.open("staff/cha", "north", **said) for _ in range(2)]
    with pytest.raises(Unavailable, match="watched already"):
        views.open("staff/cha", "north", **said)
    office.wait(lambda: all(view.over == "left" for view in going), limit_s=10)
    office.wait(lambda: all(len(office.acts(f"live/{view.id}")) == 2 for view in going))
    assert all(view.feed.process.poll() is not None for view in going)
    # Nobody fetched a picture, and the log says so.
    assert office.acts(f"live/{going[0].id}")[1].data == {"cause": "left"}
    with pytest.raises((NotFound, Refused)):
        views.open("staff/cha", "north", window="w9", purpose="patrol")


def test_one_process_shows_a_camera_to_all_who_watch_it(office: Office) -> None:
    views = LiveViews(office.hall, lost_s=30.0)
    said = {"window": "w1", "purpose": "patrol"}
    first = views.open("staff/cha", "north", **said)
    try:
        office.wait(lambda: first.shown_us is not None or b'"group"' in first.take(0, 1.0)[1], limit_s=20)
        late = views.open("staff/zhang", "north", **said)
        assert late.feed is first.feed
        # Whoever comes late begins with the initialisation, and shown to them is what came after it.
        office.wait(lambda: b'"group"' in late.take(0, 1.0)[1], limit_s=20)
        assert late.take(0, 1.0)[1].startswith(b'{"kind":"start"')
        views.end(first, "left")
        assert late.feed.process.poll() is None
        begun = late.last
        office.wait(lambda: late.last > begun, limit_s=20)
        assert late.shown_us[0] > first.shown_us[0]
        views.end(late, "left")
        assert late.feed.process.poll() is not None
    finally:
        views.end_all()


def test_nobody_takes_all_the_viewings_alone(office: Office) -> None:
    views = LiveViews(office.hall, lost_s=30.0)
    said = {"window": "w1", "purpose": "patrol"}
    mine = [views.open("staff/cha", "north", **said) for _ in range(MAX_VIEWS_EACH)]
    try:
        with pytest.raises(Conflict) as refused:
            views.open("staff/cha", "north", **said)
        assert refused.value.code == "live-yours"
        views.end(views.open("staff/zhang", "north", **said), "left")
        views.end(mine[0], "left")
        mine.append(views.open("staff/cha", "north", **said))
    finally:
        views.end_all()


def test_a_mask_that_two_persons_set_ends_the_viewings_without_it_and_hides_the_thumbnails(office: Office) -> None:
    said: dict[str, Any] = {"recorder": "recorder/1", "windows": ["w1"], "place": "counter", "retention_days": 30}
    cha, hall = office.browser("staff/cha"), office.hall
    office.wait(lambda: cha.get("/live/thumbnails/north").status_code == 200, limit_s=30)
    with office.viewing("staff/cha", "north") as view:
        taken(office, "staff/cha", view, 1)
        try:
            register(hall, "north", name="north counter", masks=["0/0/64/36"], **said)
            headers = [header for header, _, _ in office.pieces("staff/cha", view, limit_s=0.5)]
            assert headers[-1] == {"kind": "end", "cause": "masks"}
            assert not [one for one in headers if one["kind"] == "group"]
            assert cha.get("/live/thumbnails/north").status_code == 404  # the one there is shows what must not be shown
        finally:
            register(hall, "north", name="north counter", masks=[], **said)
    assert cha.get("/live/thumbnails/north").status_code == 200


def test_a_thumbnail_is_small_masked_and_its_reading_is_stated(office: Office) -> None:
    cha = office.browser("staff/cha")
    office.wait(lambda: cha.get("/live/thumbnails/south").status_code == 200, limit_s=30)
    answer = cha.get("/live/thumbnails/south")
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == ("image/jpeg", "no-store")
    assert len(answer.content) < 20_000
    with av.open(io.BytesIO(answer.content), format="mjpeg") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="gray")
    assert picture[:84, :150].max() <= 6
    assert picture[100:, 176:].min() >= 8
    reads = [act.data for act in office.acts("read/staff/cha")]
    assert {"subject": "camera/south", "purpose": "thumbnail"} in reads


def test_a_camera_that_falls_silent_is_said_and_its_pictures_go_on_when_it_is_back(office: Office) -> None:
    with office.viewing("staff/cha", "north") as view:
        taken(office, "staff/cha", view, 1)
        office.north.kill()
        back = False
        states = []
        for header, _, _ in office.pieces("staff/cha", view, limit_s=30):
            if header["kind"] == "state":
                states.append((header["state"], header["cause"]))
                if not back:
                    office.north.start()
                    back = True
            elif header["kind"] == "group" and back:
                break
        assert states
        assert states[0][0] == "gap"
        assert states[0][1] in ("disconnect", "unreachable", "stall")
        assert header["kind"] == "group"


def test_a_server_that_stops_ends_its_viewings_and_says_so(office: Office) -> None:
    with office.another_server() as base, httpx.Client(base_url=base, follow_redirects=True) as client:
        client.get(Sessions(office.hall.data).link(actor="staff/cha").replace(office.base, base))
        answer = client.post("/live/north", data={"purpose": "patrol"}, follow_redirects=False)
        view = answer.headers["location"].partition("view=")[2][:16]
    assert [act.type for act in office.acts(f"live/{view}")] == [VIEWED, ENDED]
    assert office.acts(f"live/{view}")[1].data["cause"] == "server"


def test_a_camera_that_is_changed_keeps_its_masks_unless_they_are_taken_away_by_name(office: Office) -> None:
    said: dict[str, Any] = {"recorder": "recorder/1", "windows": ["w1"], "place": "counter", "retention_days": 30}
    register(office.hall, "south", name="south counter", masks=None, **said)
    _, registry = office.hall.door.registry()
    assert registry.entries["camera/south"].data["masks"] == ["0/0/160/90"]


@pytest.mark.parametrize("size", [(90, 160), (7, 13), (180, 320)])
def test_a_mask_takes_every_pixel_that_it_touches_at_any_size(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 255, np.uint8)
    black_out(picture, [(30, 20, 100, 50), (300, 170, 400, 400)], of=(320, 180))
    height, width = size
    for y in range(height):
        for x in range(width):
            left, right = x * 320 / width, (x + 1) * 320 / width
            top, bottom = y * 180 / height, (y + 1) * 180 / height
            inside = (left < 130 and right > 30 and top < 70 and bottom > 20) or (right > 300 and bottom > 170)
            if inside:
                assert picture[y, x].max() == 0
    assert picture.max() == 255


def test_no_file_of_a_recorder_is_reached_by_a_cameras_name(office: Office, tmp_path: Path) -> None:
    cha = office.browser("staff/cha")
    for name in ("../1", "..%2f1", "north%00", "a" * 65, "thumbnails"):
        assert cha.get(f"/live/thumbnails/{name}").status_code in (404, 422)
