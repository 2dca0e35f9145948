"""Footage over HTTP: to its viewer, in pieces, with the seconds on record before they leave, and a name burned in."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from api.clip_films import sweep_films
from api.clip_links import ClipLinks
from api.sessions import Sessions
from camera_ingest.faces import Faces
from camera_ingest.pictures import look_at, pictures
from camera_ingest.redaction import confirm, redact_clip
from ledger.cases import grants
from ledger.cases.kept_footage import keep
from ledger.statement import instant_us, open_statement
from ledger.store.sequencer import now_us
from projections import tracked
from projections.runner import Projector
from tests import browsing
from tests.running import serving

HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def base(rig: Any) -> Iterator[str]:
    Projector(rig.hall.database).ensure()
    keep(rig.hall.data, rig.clip.clip)
    with serving(rig.hall) as found:
        Sessions(rig.hall.data).served_at(found)
        yield found


@pytest.fixture
def client(base: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base, timeout=60) as found:
        yield found


@pytest.fixture(scope="module")
def redaction(rig: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    out = tmp_path_factory.mktemp("served") / "plain.mp4"
    made = redact_clip(
        rig.hall, rig.custodian(), rig.clip.clip, out, manifest=rig.clip.manifest, masks=[(0, 90, 200, 102)]
    )
    confirm(rig.hall, rig.desk("staff/zhang"), out, seen=0, manifest=made.manifest)
    return made


def give(rig: Any, *rights: str, viewer: str = "staff/cha", **more: Any) -> str:
    how = {"purpose": "verify", "basis": "rule-12", "rights": rights} | more
    name, _ = grants.request_clip(rig.hall, rig.desk(viewer), rig.clip_id, **how)
    rig.hall.wait_placed([grants.grant_clip(rig.hall, rig.desk("staff/zhang"), name, expires=rig.later())])
    return name


def enter(rig: Any, client: httpx.Client, actor: str) -> None:
    assert client.get(Sessions(rig.hall.data).link(actor=actor), headers=HTML).status_code == 303


def link_to(rig: Any, grant: str, *, redaction: str | None = None, ms: int = 60_000) -> str:
    text, _ = ClipLinks(rig.hall).make(grant, "staff/cha", redaction, now_us() + ms * 1000)
    return f"/clips/open?link={text}"


def open_link(client: httpx.Client, link: str) -> httpx.Response:
    """Press the button of the page that the link leads to."""
    return client.post("/clips/open", data={"link": link.partition("link=")[2]})


def stated(rig: Any, grant: str, verb: str) -> list[Any]:
    acts = [open_statement(entry) for _, _, entry in rig.hall.reader.stream(f"grant/{grant}")]
    return [act for act in acts if act.type == f"footage.{verb}.v1"]


def test_nobody_else_sees_it(rig: Any, client: httpx.Client) -> None:
    name = give(rig, "view", "unblurred")
    assert client.get(f"/clips/{name}/film").status_code == 403
    enter(rig, client, "staff/zhao")
    for path in ("", "/film", "/download"):
        assert client.get(f"/clips/{name}{path}").status_code == 403
    assert client.get("/clips/none/film").status_code == 404
    assert stated(rig, name, "clip_viewed") == []


@pytest.mark.parametrize("grant", ["..", "%2e%2e%2fkeys", "a%00b", "x" * 65, "grant/x", "../../etc/passwd"])
def test_a_name_that_is_a_path_reaches_nothing(client: httpx.Client, grant: str) -> None:
    assert client.get(f"/clips/{grant}/film").status_code in (403, 404, 422)


def test_the_viewer_sees_it_in_pieces_and_each_is_on_record(rig: Any, client: httpx.Client, tmp_path: Path) -> None:
    name = give(rig, "view", "unblurred")
    enter(rig, client, "staff/cha")
    page = client.get(f"/clips/{name}?lang=en", headers=HTML)
    assert page.status_code == 200
    assert f'src="/clips/{name}/film"' in page.text
    assert "media-src 'self'" in page.headers["content-security-policy"]
    assert stated(rig, name, "clip_viewed") == []
    first = client.get(f"/clips/{name}/film", headers={"Range": "bytes=0-99"})
    assert (first.status_code, len(first.content)) == (206, 100)
    size = int(first.headers["content-range"].rpartition("/")[2])
    assert first.headers["content-range"] == f"bytes 0-99/{size}"
    (view,) = stated(rig, name, "clip_viewed")
    assert (view.role, view.data["viewer"], view.data["rendition"]) == ("system_clock", "staff/cha", "clip")
    assert view.data["sha256"] == rig.clip.sha256
    span = instant_us(view.data["since"]), instant_us(view.data["until"])
    assert span[0] == rig.clip.since_us
    assert 5_500_000 < span[1] - span[0] <= rig.clip.until_us - rig.clip.since_us
    rest = client.get(f"/clips/{name}/film", headers={"Range": "bytes=100-"})
    tail = client.get(f"/clips/{name}/film", headers={"Range": "bytes=-50"})
    assert len(first.content + rest.content) == size
    assert rest.content.endswith(tail.content)
    assert len(stated(rig, name, "clip_viewed")) == 1, "the same seconds in the same hour"
    for wrong in (f"bytes={size}-", "bytes=5-4", "bytes=-", "bytes", "pages=1-2"):
        answer = client.get(f"/clips/{name}/film", headers={"Range": wrong})
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}")
    (tmp_path / "film.mp4").write_bytes(first.content + rest.content)
    whole = client.get(f"/clips/{name}/film")
    assert (whole.status_code, whole.content) == (200, first.content + rest.content)
    assert look_at(tmp_path / "film.mp4").codec == "h264"
    before, after = ([one.pixels for one in pictures(path)] for path in (rig.clip.clip, tmp_path / "film.mp4"))
    assert len(before) == len(after) == 30
    # The viewer's name stands below and at a third of the height, in every picture.
    for was, now in zip(before, after, strict=True):
        assert np.abs(was[-14:-2, :160].astype(int) - now[-14:-2, :160]).mean() > 5
        assert np.abs(was[52:66, :120].astype(int) - now[52:66, :120]).mean() > 5


def test_only_the_granted_span_is_in_the_film(rig: Any, client: httpx.Client, tmp_path: Path) -> None:
    from ledger.statement import instant_text

    since, until = rig.clip.since_us + 2_000_000, rig.clip.since_us + 4_000_000
    name = give(rig, "view", "unblurred", since=instant_text(since), until=instant_text(until))
    enter(rig, client, "staff/cha")
    (tmp_path / "film.mp4").write_bytes(client.get(f"/clips/{name}/film").content)
    assert len(list(pictures(tmp_path / "film.mp4"))) == 10
    (view,) = stated(rig, name, "clip_viewed")
    assert since <= instant_us(view.data["since"]) < instant_us(view.data["until"]) <= until


def test_what_is_granted_redacted_is_shown_redacted(
    rig: Any, client: httpx.Client, redaction: Any, tmp_path: Path
) -> None:
    name = give(rig, "view", "download", viewer="staff/zhao")
    enter(rig, client, "staff/zhao")
    assert client.get(f"/clips/{name}/film").status_code == 403
    film = client.get(f"/clips/{name}/film?redaction={redaction.name}")
    assert film.status_code == 200
    (tmp_path / "film.mp4").write_bytes(film.content)
    faces = Faces()
    assert not any(faces.find(one.pixels) for one in list(pictures(tmp_path / "film.mp4"))[::5])
    assert stated(rig, name, "clip_viewed")[0].data["sha256"] == redaction.sha256
    page = client.get(f"/clips/{name}?redaction={redaction.name}", headers=HTML)
    assert f"/clips/{name}/download?redaction={redaction.name}" in page.text
    gone = client.get(f"/clips/{name}/download?redaction={redaction.name}")
    assert gone.content == redaction.out.read_bytes()
    assert "attachment" in gone.headers["content-disposition"]
    (taken,) = stated(rig, name, "clip_downloaded")
    assert taken.data["redaction"] == stated_confirmation(rig, redaction)
    only_view = give(rig, "view", viewer="staff/zhao")
    assert client.get(f"/clips/{only_view}/download?redaction={redaction.name}").status_code == 403


def stated_confirmation(rig: Any, redaction: Any) -> str:
    acts = [open_statement(entry) for _, _, entry in rig.hall.reader.stream(f"redaction/{redaction.name}")]
    return next(act.id.hex() for act in acts if act.type == "footage.redaction_confirmed.v1")


def test_a_link_is_for_one_clip_one_browser_and_a_time(rig: Any, base: str, client: httpx.Client) -> None:
    name, other = give(rig, "view", "unblurred"), give(rig, "view", "unblurred")
    link = link_to(rig, name)
    looked = client.get(link, headers=HTML)
    assert (looked.status_code, looked.headers.get("set-cookie")) == (200, None), "looking opens nothing"
    opened = open_link(client, link)
    assert (opened.status_code, opened.headers["location"]) == (303, f"/clips/{name}")
    assert "samesite=strict" in opened.headers["set-cookie"].lower()
    assert client.get(f"/clips/{name}/film", headers={"Range": "bytes=0-9"}).status_code == 206
    assert client.get(f"/clips/{other}/film").status_code == 403
    (view,) = stated(rig, name, "clip_viewed")
    assert len(view.data["link"]) == 64
    with httpx.Client(base_url=base, timeout=60) as another:
        assert open_link(another, link).status_code == 403
        assert another.get(f"/clips/{name}/film").status_code == 403
        for old in (another.get, lambda address: open_link(another, address)):
            assert old(link_to(rig, name, ms=-1)).status_code == 403
        for changed in (link[:-2] + "AA", link.replace("link=", "link=e"), "/clips/open", "/clips/open?link=%C3%A9.x"):
            assert another.get(changed).status_code == 403
            assert open_link(another, changed).status_code == 403
    # A grant that is withdrawn ends what its links show.
    grants.withdraw_grant(rig.desk("staff/zhang"), name, reason="mistake")
    assert client.get(f"/clips/{name}/film").status_code == 403


def test_another_sites_page_plays_and_downloads_nothing(rig: Any, client: httpx.Client) -> None:
    name = give(rig, "view", "unblurred")
    enter(rig, client, "staff/cha")
    for site in ("cross-site", "same-site"):
        for path in ("film", "download"):
            for mode in ("navigate", "no-cors"):
                told = client.get(f"/clips/{name}/{path}", headers={"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode})
                assert (told.status_code, told.json()["code"]) == (403, "origin")
    assert stated(rig, name, "clip_viewed") == []
    assert client.get(f"/clips/{name}/film", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_a_clip_whose_file_was_changed_is_not_shown(rig: Any, client: httpx.Client) -> None:
    name = give(rig, "view", "unblurred")
    path = rig.hall.data / "clips" / f"{rig.clip.sha256}.mp4"
    raw = path.read_bytes()
    enter(rig, client, "staff/cha")
    try:
        path.write_bytes(raw[:-1] + bytes([raw[-1] ^ 1]))
        answer = client.get(f"/clips/{name}/film")
        assert (answer.status_code, answer.json()["code"]) == (500, "clip-changed")
        path.unlink()
        assert client.get(f"/clips/{name}/film").status_code == 404
    finally:
        path.write_bytes(raw)
    assert stated(rig, name, "clip_viewed") == []


def test_what_was_not_asked_for_is_not_said_to_be_seen(
    rig: Any, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.clip_films.CELL_US", 2_000_000)
    name = give(rig, "view", "unblurred")
    enter(rig, client, "staff/cha")
    first = client.get(f"/clips/{name}/film", headers={"Range": "bytes=0-"})
    _, _, size = first.headers["content-range"].rpartition("/")
    assert len(first.content) < int(size) / 2, "a piece, whatever was asked for"
    (view,) = stated(rig, name, "clip_viewed")
    assert instant_us(view.data["until"]) - instant_us(view.data["since"]) == 2_000_000
    client.get(f"/clips/{name}/film", headers={"Range": f"bytes={int(size) - 10}-"})
    spans = [instant_us(one.data["since"]) - rig.clip.since_us for one in stated(rig, name, "clip_viewed")]
    assert spans == [0, 4_000_000], "the middle was never served"


def test_a_film_goes_with_its_grant_or_its_day_and_no_sooner(rig: Any, client: httpx.Client) -> None:
    folder = rig.hall.data / "clips" / "shown"
    sweep_films(rig.hall)
    before = set(folder.iterdir())
    withdrawn, old, kept = (give(rig, "view", "unblurred") for _ in range(3))
    enter(rig, client, "staff/cha")
    made = {}
    for name in (withdrawn, old, kept):
        assert client.get(f"/clips/{name}/film", headers={"Range": "bytes=0-9"}).status_code == 206
        made[name] = set(folder.iterdir()) - before - {path for paths in made.values() for path in paths}
        assert {path.suffix for path in made[name]} == {".mp4", ".json"}
    grants.withdraw_grant(rig.desk("staff/zhang"), withdrawn, reason="done")
    for path in made[old]:
        os.utime(path, (time.time() - 26 * 3600,) * 2)
    assert sweep_films(rig.hall) == 4
    assert set(folder.iterdir()) == before | made[kept]


@pytest.mark.browser
def test_a_browser_plays_it_to_its_end_piece_by_piece(rig: Any, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.clip_films.CELL_US", 2_000_000)
    name = give(rig, "view", "unblurred")
    with browsing.chromium() as browser:
        page = browser.new_page()
        page.goto(base + link_to(rig, name))
        page.get_by_role("button").click()
        film = page.locator("video")
        film.evaluate("video => { video.muted = true; video.playbackRate = 8; video.play(); }")
        page.wait_for_function("() => document.querySelector('video').ended", timeout=40_000)
        assert film.evaluate("video => video.videoWidth") == 320
    spans = {view.data["since"] for view in stated(rig, name, "clip_viewed")}
    assert len(spans) == 3


def test_who_complained_is_shown_who_looked_and_what_for(
    rig: Any, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.clip_films.CELL_US", 2_000_000)
    complaint = rig.complain()
    name = give(rig, "view", "unblurred", complaint=complaint)
    enter(rig, client, "staff/cha")
    assert client.get(f"/clips/{name}/film").status_code == 200
    views = stated(rig, name, "clip_viewed")
    assert len(views) == 3
    ids = [view.id for view in views]
    deadline = time.monotonic() + 20
    while len(rig.hall.reader.placed(ids)) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    Projector(rig.hall.database).catch_up()
    with rig.hall.database.use("reader") as connection:
        reads = tracked.reads_of(connection, f"complaint/{complaint}")
    told = [(read["actor"], read["role"], read["purpose"]) for read in reads]
    assert told == [("staff/cha", "investigator", "verify")], "once an hour, however many pieces"
