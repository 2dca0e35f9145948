"""The page of a complaint as an investigator uses it: the case beside the film, in step, and what stands behind it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from jsonschema import Draft202012Validator
from playwright.sync_api import Browser, BrowserContext, Page, expect

from api.dispute_demo import dispute as dispute_demo
from api.sessions import Sessions
from camera_ingest.clips import Cut, cut_clip
from camera_ingest.disputes import cameras_of_event, clip_event, seal_for
from camera_ingest.folders import Camera, recorder_named, write_camera
from camera_ingest.registering import custodian, give_key, register
from ledger.cases import complaint, ticket
from ledger.cases.cameras import cameras_that_saw, read_event
from ledger.cases.grants import grant_clip, read_grant, request_clip
from ledger.door.desk import Desk
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.registry import catalogue, keys, people
from ledger.registry.changes import confirm
from ledger.statement import StatementId, instant_text, open_statement
from ledger.store.sequencer import now_us
from oversight.complaints import run_holds
from tests import browsing
from tests.camera import conftest as rig
from tests.running import kept_up, serving

pytestmark = pytest.mark.browser
STAFF: dict[str, tuple[list[str], dict[str, Any]]] = {
    "staff/cat-a": (["catalogue_admin"], {}),
    "staff/cat-b": (["catalogue_admin"], {}),
    "staff/chen": (["window_clerk"], {"unit": "env", "windows": ["w1", "w2"]}),
    "staff/portal": (["citizen"], {}),
    "staff/cha": (["investigator"], {}),
    "staff/zhang": (["complaint_head"], {}),
}


@dataclass
class Office:
    """A hall with a filmed window, served, in which a ticket is disputed."""

    hall: Hall
    base: str
    desks: dict[str, Desk] = field(default_factory=dict)

    def served(self, name: str, window: str) -> StatementId:
        desk = self.desk("staff/chen", window=window)
        ticket.take(desk, name, number="A017", queue="env")
        ticket.call(desk, name)
        time.sleep(1.2)
        return ticket.serve(desk, name).id

    def desk(self, actor: str, **more: Any) -> Desk:
        key = self.hall.keyring.actor(actor)
        return Desk(door=self.hall.door, actor=actor, key=key, role=STAFF[actor][0][0], **more)

    def complain(self, name: str, event: StatementId) -> None:
        complaint.receive(
            self.desk("staff/portal"),
            name,
            ["rude"],
            tracking=name,
            words="态度恶劣",
            events=[event],
            channel="website",
        )

    def wait(self, what: Any, limit_s: float = 15) -> None:
        until = time.monotonic() + limit_s
        while not what():
            assert time.monotonic() < until, "it did not come to pass"
            time.sleep(0.05)

    def says(self, name: str) -> list[str]:

        return [open_statement(entry).type for _, _, entry in self.hall.reader.stream(f"complaint/{name}")]

    def text(self, path: str, actor: str | None = None) -> tuple[int, str]:
        with httpx.Client(base_url=self.base, headers={"Accept": "text/html"}, follow_redirects=True) as client:
            client.get(Sessions(self.hall.data).link(actor=actor))
            answer = client.get(path)
        return answer.status_code, answer.text


def hire(hall: Hall) -> None:
    (first, first_key), (other, other_key) = hall.officers()
    one = Desk(door=hall.door, actor=first, key=first_key, role="key_officer")
    two = Desk(door=hall.door, actor=other, key=other_key, role="key_officer")
    for actor, (roles, more) in STAFF.items():
        confirm(two, people.appoint(one, actor, person=actor, roles=roles, **more).id)
        key = hall.keyring.make_actor(actor)
        proof = keys.prove_possession(hall.origin, actor, key)
        confirm(two, keys.add(one, actor, key.public, proof, custody="server").id)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    if not rig.has_gstreamer():
        pytest.skip(f"no RTSP server here: apt-get install {rig.PACKAGES}")
    data = tmp_path_factory.mktemp("office") / "data"
    create_ledger(data)
    stop = threading.Event()
    with (
        open_ledger(data) as hall,
        hall.sequencing(),
        kept_up(hall),
        serving(hall) as base,
        rig.rtsp_camera(rig.BALL) as camera,
    ):
        Sessions(data).served_at(base)
        hire(hall)
        found = Office(hall, base)
        cat, dog = found.desk("staff/cat-a"), found.desk("staff/cat-b")
        confirm(dog, catalogue.unit(cat, "env", name="环保", tier="district").id)
        for window in ("w1", "w2"):
            confirm(dog, catalogue.window(cat, window, unit="env", name=window).id)
        register(hall, "north", name="north", recorder="recorder/1", windows=["w1"], place="counter", retention_days=30)
        give_key(hall, "recorder/1")
        write_camera(data, Camera("north", camera.url, "recorder/1"))
        holds = threading.Thread(target=run_holds, args=(hall, stop), daemon=True)
        holds.start()
        worker = rig.start_worker(data, segment_s=60)
        try:
            folder = data / "footage" / "1" / "north"
            found.wait(lambda: any(part.stat().st_size > 60_000 for part in folder.glob("*/*.part")))
            dispute(found, data / "clip.mp4")
            yield found
        finally:
            rig.stop_worker(worker)
            stop.set()
            holds.join(timeout=20)


def dispute(office: Office, out: Path) -> None:
    """A ticket served and disputed, held at once, cut, granted to the investigator, found and not yet decided."""
    hall, desk = office.hall, custodian(office.hall)
    event = office.served("t-1", "w1")
    time.sleep(2)
    office.complain("c-1", event)
    office.wait(lambda: "complaint.evidence_held.v1" in office.says("c-1"))
    disputed = read_event(hall, event.hex())

    def cut(camera: Camera, since_us: int, until_us: int, path: Path) -> Cut:
        return cut_clip(hall, desk, recorder_named(hall.data, camera.recorder), camera.id, since_us, until_us, path)

    cameras = cameras_of_event(hall.data, disputed, cameras_that_saw(hall, disputed))
    cuts, missed = clip_event(cut, disputed, cameras, 4_000_000, out)
    seal_for(hall, desk, "c-1", cuts, missed)
    investigator, head = office.desk("staff/cha"), office.desk("staff/zhang")
    complaint.register(investigator, "c-1", "2024-17")
    complaint.accept(head, "c-1", ["staff/chen"], "staff/cha")
    clip = cuts[0][1].outcome.id.hex()
    assert hall.wait_placed([cuts[0][1].outcome], timeout_s=10)
    asked = {"purpose": "verify", "basis": "rule-12", "rights": ["view", "unblurred"], "complaint": "c-1"}
    grant, _ = request_clip(hall, investigator, clip, grant="g-1", **asked)
    grant_clip(hall, head, grant, expires=instant_text(now_us() + 3_600_000_000))
    complaint.investigate(investigator, "c-1", ["ticket/t-1"])
    complaint.reply(office.desk("staff/chen", window="w1"), "c-1", "当时系统故障")
    last = complaint.find(investigator, "c-1", "rude", "upheld", events=[event], clips=[cuts[0][1].outcome.id])
    # One of a window without a camera, and one that nobody has looked at.
    office.complain("c-2", office.served("t-2", "w2"))
    office.wait(lambda: len(office.says("c-2")) > 1)
    assert hall.wait_placed([last], timeout_s=10)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browsing.chromium() as browser:
        yield browser


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def inside(office: Office, chromium: Browser, said: list[str]) -> Iterator[BrowserContext]:
    """The investigator's browser; everything on its console is noted."""
    with browsing.session(chromium, office.base, office.hall.data, actor="staff/cha", said=said) as context:
        yield context


def until(page: Page, holds: str, limit_s: float = 8) -> None:
    """Wait until that is true on the page; Playwright's own way would be a string evaluated against our policy."""
    over = time.monotonic() + limit_s
    while not page.evaluate(holds):
        assert time.monotonic() < over, holds
        page.wait_for_timeout(50)


def now_of(page: Page) -> float:
    return float(page.evaluate("document.getElementById('video').currentTime"))


def at_of(page: Page, event: str) -> float:
    """The second of the film at which an event lies."""
    us, zero = (
        float(page.locator(event).get_attribute("data-us") or 0),
        float(page.locator("#clip").get_attribute("data-from") or 0),
    )
    return (us - zero) / 1e6


def test_an_event_clicked_moves_the_film_there_and_the_film_lights_up_events(
    inside: BrowserContext, tmp_path: Path
) -> None:
    page = inside.new_page()
    page.goto("/complaints/c-1?lang=en")
    expect(page.locator("#events li")).to_have_count(3)
    disputed = page.locator("#events li.disputed")
    assert page.evaluate("document.getElementById('video').readyState") == 0  # nothing is fetched before one asks
    disputed.locator("a").click()
    until(page, "document.getElementById('video').readyState >= 2")
    expect(disputed).to_have_class(re.compile("now"))
    assert abs(now_of(page) - at_of(page, "#events li.disputed")) < 0.2
    expect(page).to_have_url(re.compile(r"event=\d+&t=|t=.*event="))
    page.screenshot(path=tmp_path / "complaint-en.png", full_page=True)
    # By keyboard: the event before, and the second before that.
    page.keyboard.press("ArrowUp")
    expect(page.locator("#events li").nth(1)).to_have_class(re.compile("now"))
    until(page, "!document.getElementById('video').seeking")
    before = now_of(page)
    assert before < at_of(page, "#events li.disputed")
    page.keyboard.press("ArrowLeft")
    until(page, f"document.getElementById('video').currentTime < {before} - 0.8")
    # Playing over the disputed moment lights it up.
    page.keyboard.press(" ")
    expect(disputed).to_have_class(re.compile("now"), timeout=8000)
    page.keyboard.press(" ")
    assert page.evaluate("document.getElementById('video').paused")
    page.keyboard.press("d")
    until(page, "!document.getElementById('video').seeking")
    page.keyboard.press("?")
    expect(page.locator(".keys dl")).to_be_visible()
    # The bar is for the mouse.
    bar = page.locator("#bar").bounding_box()
    assert bar is not None
    page.mouse.click(bar["x"] + bar["width"] * 0.3, bar["y"] + 20)
    until(page, f"document.getElementById('video').currentTime < {at_of(page, '#events li.disputed')}")


def test_what_was_seen_stands_in_the_log_and_on_the_page(
    office: Office, inside: BrowserContext, tmp_path: Path
) -> None:
    office.wait(lambda: b"staff/cha" in b"".join(e for _, _, e in office.hall.reader.stream("grant/g-1")[2:]))
    page = inside.new_page()
    page.goto("/complaints/c-1")
    expect(page.locator("#grants")).to_contain_text("staff/cha")
    office.wait(lambda: "× " in office.text("/complaints/c-1")[1])
    page.screenshot(path=tmp_path / "complaint-zh.png", full_page=True)


def test_the_eleven_steps_hold_grant_and_finding_are_there_in_both_languages(office: Office) -> None:
    status, english = office.text("/complaints/c-1?lang=en", "staff/zhang")
    assert status == 200
    for words in ("Footage held at once", "From complaint to hold", "upheld", "rule-12", "each checked against"):
        assert words in english
    _, chinese = office.text("/complaints/c-1", "staff/zhang")
    for words in ("立即保全录像", "属实", "十一个步骤", "争议事件", "尚未授权给您"):
        assert words in chinese
    assert english.count('<th scope="row" class="number"') == 11
    # A reader without a grant is shown no film.
    assert "<video" not in english


def test_a_browser_without_a_name_sees_how_far_it_has_come_and_nothing_of_the_file(office: Office) -> None:
    status, english = office.text("/complaints/c-1?lang=en")
    assert status == 200
    assert english.count('<th scope="row" class="number"') == 11
    for secret in ("rude", "upheld", "rule-12", "staff/", "disputed", "north", "<video"):
        assert secret not in english
    assert "本浏览器只能阅读" in office.text("/complaints/c-1")[1]


def test_its_film_is_the_grant_s_and_there_is_no_other_way_to_footage(office: Office, inside: BrowserContext) -> None:
    _, page = office.text("/complaints/c-1?lang=en", "staff/cha")
    assert re.findall(r'<video[^>]* src="([^"]*)"', page) == ["/clips/g-1/film"]
    granted = read_grant(office.hall, "g-1")
    span = re.search(r'id="clip" data-from="(\d+)" data-to="(\d+)"', page)
    assert span is not None
    assert (int(span[1]), int(span[2])) == (granted.since_us, granted.until_us)
    for path in ("film", "clip", "video", "footage"):
        assert office.text(f"/complaints/c-1/{path}", "staff/cha")[0] == 404
    assert office.text("/clips/g-1/film", "staff/zhang")[0] == 403


def test_without_footage_the_page_says_why(office: Office, inside: BrowserContext) -> None:
    page = inside.new_page()
    page.goto("/complaints/c-2?lang=en")
    expect(page.locator("#no-footage")).to_contain_text("because no camera covered that window then")
    page.locator("#events li").first.locator("a").click()
    expect(page.locator("#events li").first).to_have_class(re.compile("now"))
    assert "当时没有摄像机覆盖该窗口" in office.text("/complaints/c-2", "staff/zhang")[1]


def test_neither_the_complained_of_nor_a_clerk_reads_the_file(office: Office) -> None:
    assert office.text("/complaints/c-1", "staff/chen")[0] == 403
    assert office.text("/complaints/c-2", "staff/chen")[0] == 403
    assert office.text("/complaints/c-1", "staff/zhang")[0] == 200


def test_who_reads_the_file_and_the_disputed_case_is_on_record(office: Office) -> None:
    assert office.text("/complaints/c-1", "staff/zhang")[0] == 200
    acts = [open_statement(entry) for _, _, entry in office.hall.reader.stream("read/staff/zhang")]
    read = {(act.data["subject"], act.data["purpose"]) for act in acts}
    assert ("complaint/c-1", "complaint") in read
    assert len(read) > 1


def test_the_list_leads_to_each_complaint(office: Office) -> None:
    status, listed = office.text("/complaints?lang=en")
    assert status == 200
    assert 'href="/complaints/c-1?lang=en"' in listed
    assert "1 hold" in listed
    assert office.text("/complaints?stage=closed")[1].count("/complaints/c-") == 0
    assert office.text("/complaints/none")[0] == 404


def test_the_page_works_without_a_script(office: Office, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False, base_url=office.base)
    page = context.new_page()
    page.goto(Sessions(office.hall.data).link(actor="staff/cha"))
    page.goto("/complaints/c-1?lang=en")
    page.locator("#events li").nth(1).locator("a").click()
    expect(page.locator("#events li.now")).to_have_count(1)
    expect(page.locator("video")).to_have_count(1)
    context.close()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_nothing_is_wider_than_the_window(
    office: Office, chromium: Browser, tmp_path: Path, scheme: Any, width: int
) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, base_url=office.base)
    page = context.new_page()
    page.goto(Sessions(office.hall.data).link(actor="staff/cha"))
    for path in ("/complaints", "/complaints/c-1", "/complaints/c-2", "/complaints/c-1?lang=en"):
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{path} is {wide} px wider than {width}"
        page.screenshot(path=tmp_path / f"{path.strip('/').replace('/', '-').partition('?')[0]}.png", full_page=True)
    context.close()


def test_a_row_changed_behind_the_page_is_evidence_not_footage(office: Office) -> None:
    hall = office.hall
    change = "UPDATE projections.complaint_holds SET to_us = to_us + %s"
    with hall.database.use("owner") as connection:
        connection.execute(change, (1,))
    try:
        status, shown = office.text("/complaints/c-1?lang=en", "staff/zhang")
        assert status == 500
        assert "is not what it says" in shown
    finally:
        with hall.database.use("owner") as connection:
            connection.execute(change, (-1,))
    assert office.text("/complaints/c-1", "staff/zhang")[0] == 200


def test_how_long_from_complaint_to_hold_is_read_off_the_log(office: Office) -> None:
    found = re.search(r"<dd>([0-9.]+) s</dd>", office.text("/complaints/c-1?lang=en")[1])
    assert found is not None
    assert float(found[1]) < 15


def test_the_demos_dispute_is_held_and_answers_as_the_schema_says(office: Office) -> None:
    said = dispute_demo(office.hall, camera="north", seconds=0.2)
    schema = orjson.loads((Path(__file__).parents[2] / "docs/spec/commands.schema.json").read_bytes())
    Draft202012Validator({"$defs": schema["$defs"], "$ref": "#/$defs/demo-dispute"}).validate(said)
    assert len(said["holds"]) == 1
    assert said["hold_s"] >= 0
    assert office.text(said["page"])[0] == 200
