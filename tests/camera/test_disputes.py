"""A disputed event leads to its clip: the window's cameras then, cut on demand, derived for players, proved offline."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import orjson
import pytest
from jsonschema import Draft202012Validator

from camera_ingest import clip_command
from camera_ingest.cli import main
from camera_ingest.clips import cut_clip
from camera_ingest.deriving import derive
from camera_ingest.disputes import read_margin
from camera_ingest.folders import Camera, Recorder, recorder_named, write_camera
from camera_ingest.keeping import look_at_budget, place_hold
from camera_ingest.registering import custodian, give_key, register, second
from camera_ingest.sealing import Sealer, device_desk
from camera_ingest.watermark import watermark_film
from ledger.cases import ticket
from ledger.door.desk import Desk
from ledger.door.hall import Hall
from ledger.errors import Malformed, Refused
from ledger.facts.footage import SPACE_FREED, SPACE_PASSED
from ledger.statement import instant_us, open_statement
from ledger.store.sequencer import now_us
from ledger.verify.cli import main as verify
from ledger.verify.derivative import check_derivative
from tests.staffing import clerk_of


@dataclass(frozen=True, slots=True)
class Window:
    """A window with a clerk, filmed by a recorder whose open segment would last a minute yet."""

    hall: Hall
    clerk: Desk
    recorder: Recorder

    def served(self, name: str) -> str:
        """A ticket served; the id of the statement that says so."""
        ticket.take(self.clerk, name, number="A001", queue="env")
        ticket.call(self.clerk, name)
        return ticket.serve(self.clerk, name).id.hex()


@pytest.fixture(scope="module")
def window(hall: Hall, rig: Any) -> Iterator[Window]:
    clerk = clerk_of(hall)
    x265 = "x265enc tune=zerolatency key-int-max=25 bitrate=600 ! h265parse ! rtph265pay name=pay0 pt=96 )"
    hevc = f"{rig.BALL.partition('x264enc')[0]}{x265}"
    with rig.camera(rig.BALL) as camera, rig.camera(hevc) as other:
        for id_, where in (("north", camera.url), ("south", other.url)):
            register(hall, id_, name=id_, recorder="recorder/1", windows=["w1"], place="counter", retention_days=30)
            give_key(hall, "recorder/1")
            write_camera(hall.data, Camera(id_, where, "recorder/1"))
        recorder = recorder_named(hall.data, "recorder/1")
        worker = rig.start_worker(hall.data, segment_s=60)
        try:
            rig.wait_for(
                lambda: all(
                    any(part.stat().st_size > 30_000 for part in (recorder.folder / id_).glob("*/*.part"))
                    for id_ in ("north", "south")
                )
            )
            yield Window(hall, clerk, recorder)
        finally:
            rig.stop_worker(worker)


def _say(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main([*words, "--json"])
    said = orjson.loads(capsys.readouterr().out)
    schema = orjson.loads((Path(__file__).parents[2] / "docs/spec/commands.schema.json").read_bytes())
    name = "error" if code else "camera-clip"
    Draft202012Validator({"$defs": schema["$defs"], "$ref": f"#/$defs/{name}"}).validate(said)
    return code, said


def test_a_clip_of_an_event_seconds_ago_is_cut_on_demand_long_before_its_segment_ends(
    window: Window, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    event = window.served("t-1")
    time.sleep(1)
    out, began = tmp_path / "event.mp4", time.monotonic()
    code, said = _say(
        capsys, "clip", "--event", event, "--margin", "3s", "--out", str(out), "--data", str(window.hall.data)
    )
    took_s = time.monotonic() - began
    assert code == 0, said
    assert took_s < 40  # in a quiet place about one; the segment has a minute
    assert said["event"]["id"] == event
    assert [one["camera"] for one in said["clips"]] == ["north", "south"]
    assert said["missing"] == []
    at = instant_us(said["event"]["at"])
    policy = window.hall.data / "published" / "policy"
    for one in said["clips"]:
        since, until = (instant_us(one["covered"][name]) for name in ("from", "to"))
        assert since < at < until
        assert abs(one["offset_us"]) < 1_000_000
        assert verify(["clip", one["clip"], "--manifest", one["manifest"], "--policy", str(policy), "--json"]) == 0
        assert orjson.loads(capsys.readouterr().out)["camera"] == one["camera"]
    # Nothing is lost of what comes after: the next segment goes on where this one was cut.
    assert said["clip"] == str(out)
    assert said["clips"][1]["clip"] == str(tmp_path / "event.south.mp4")


def test_an_event_is_named_by_its_place_in_the_log_too(
    window: Window, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    event = bytes.fromhex(window.served("t-2"))
    index = None
    while index is None:
        index = window.hall.reader.placed([event]).get(event)
    out, data = str(tmp_path / "x.mp4"), str(window.hall.data)
    code, said = _say(
        capsys,
        "clip",
        "--event",
        str(index),
        "--margin",
        "2s",
        "--camera",
        "north",
        "--view",
        "--exact",
        "--out",
        out,
        "--data",
        data,
    )
    assert (code, said["event"]["id"], said["camera"]) == (0, event.hex(), "north")


@pytest.mark.parametrize(
    ("named", "code"),
    [("0", "no-window"), ("99999999", "no-event"), ("ab" * 32, "no-event"), ("../etc", "no-event")],
)
def test_what_is_no_event_at_a_window_is_refused_in_clear_words(
    window: Window, capsys: pytest.CaptureFixture[str], tmp_path: Path, named: str, code: str
) -> None:
    said = _say(capsys, "clip", "--event", named, "--out", str(tmp_path / "x"), "--data", str(window.hall.data))
    assert (said[0], said[1]["error"]["code"]) == (1, code)
    assert said[1]["error"]["mend"]


def test_cameras_are_asked_as_of_the_event(window: Window, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    hall, said = window.hall, {"recorder": "recorder/1", "place": "counter", "retention_days": 30}
    before = window.served("t-3")
    hall.wait_placed([register(hall, "south", name="south", windows=["w2"], **said)])
    after = window.served("t-4")
    try:
        found = {}
        for event in (before, after):
            out = str(tmp_path / f"{event[:8]}.mp4")
            _, answer = _say(capsys, "clip", "--event", event, "--margin", "1s", "--out", out, "--data", str(hall.data))
            found[event] = [one["camera"] for one in answer["clips"]]
        assert found == {before: ["north", "south"], after: ["north"]}
    finally:
        register(hall, "south", name="south", windows=["w1"], **said)


@pytest.mark.parametrize(
    ("text", "us"), [("10m", 600_000_000), ("30s", 30_000_000), ("250ms", 250_000), ("7", 7_000_000)]
)
def test_margins_are_read_as_one_writes_them(text: str, us: int) -> None:
    assert read_margin(text) == us


@pytest.mark.parametrize("text", ["", "-3s", "3 days", "2h", "1e9s"])
def test_no_margin_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read_margin(text)


def test_the_process_that_records_cuts_for_the_command_and_says_what_it_would_have_said(
    window: Window, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, data, cut = window.served("t-5"), str(window.hall.data), clip_command.cut_wanted
    here, alone = threading.get_ident(), []

    def cut_wanted(hall: Hall, wanted: clip_command.Wanted) -> dict[str, Any]:
        alone.append(threading.get_ident() == here)
        return cut(hall, wanted)

    monkeypatch.setattr(clip_command, "cut_wanted", cut_wanted)
    monkeypatch.chdir(tmp_path)
    words = ("clip", "--camera", "north", "--margin", "2s", "--out", "x.mp4", "--data", data, "--event")
    with clip_command.serving_clips(window.hall):
        code, said = _say(capsys, *words, event)
        assert (code, said["clip"], said["event"]["id"]) == (0, "x.mp4", event)
        refused, why = _say(capsys, *words, "0")
        assert (refused, why["error"]["code"]) == (1, "no-window")
        # Of another database it knows nothing, and leaves it to the command.
        monkeypatch.setattr(clip_command, "_database", iter(["one", "other"]).__next__)
        assert _say(capsys, *words, event)[0] == 0
        monkeypatch.undo()
    assert alone == [False, False, True]
    assert not (window.hall.data / "footage" / "clips.sock").exists()


# ------------------------------------------------------------------------------------------------------- derivatives


def _codec(path: Path) -> tuple[str, float, int]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        times = [float(frame.pts * frame.time_base) for frame in container.decode(stream)]
        return stream.codec_context.name, max(times), len(times)


def test_a_browser_gets_h264_of_either_camera_and_is_told_what_was_done(window: Window, tmp_path: Path) -> None:
    hall, desk, until = window.hall, custodian(window.hall), now_us()
    policy = hall.publisher.alone
    for camera, kind, source in (("north", "remuxed", "h264"), ("south", "transcoded", "hevc")):
        cut = cut_clip(hall, desk, window.recorder, camera, until - 2_000_000, until, tmp_path / f"{camera}.mp4")
        assert _codec(cut.clip)[0] == source
        made = derive(hall, desk, cut.clip, tmp_path / f"{camera}.view.mp4")
        assert made.kind == kind
        codec, _, pictures = _codec(made.file)
        assert (codec, pictures) == ("h264", cut.packets)
        raw, manifest = made.file.read_bytes(), made.manifest.read_bytes()
        shown = check_derivative(made.sha256, len(raw), manifest, policy, clip=cut.clip.read_bytes())
        assert (shown.camera, shown.kind, shown.clip_checked) == (camera, kind, True)
        assert (shown.encoder is None) == (kind == "remuxed")
        with pytest.raises(Refused):
            check_derivative("00" * 32, len(raw), manifest, policy)
        lie = orjson.loads(manifest)
        lie["report"]["pictures"] += 1
        with pytest.raises(Refused):
            check_derivative(made.sha256, len(raw), orjson.dumps(lie), policy)


def test_an_exact_cut_begins_and_ends_as_it_was_asked(
    window: Window, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hall, desk, until = window.hall, custodian(window.hall), now_us() - 300_000
    cut = cut_clip(hall, desk, window.recorder, "north", until - 1_500_000, until, tmp_path / "c.mp4")
    assert cut.until_us - cut.since_us > 1_500_000
    made = derive(hall, desk, cut.clip, tmp_path / "exact.mp4", exact=True)
    assert (made.since_us, made.until_us) == (until - 1_500_000, until)
    _, last_s, pictures = _codec(made.file)
    assert last_s < 1.5
    assert 35 <= pictures <= 38
    policy = str(hall.data / "published" / "policy")
    command = ["clip", str(made.file), "--manifest", str(made.manifest), "--policy", policy, "--json"]
    assert verify(command) == 0, capsys.readouterr().out
    answer = orjson.loads(capsys.readouterr().out)
    assert (answer["kind"], answer["clip_checked"]) == ("exact_cut", False)
    assert {"lens", "encoded", "clip"} <= set(answer["not_proved"])
    assert verify([*command, "--clip", str(cut.clip)]) == 0
    assert orjson.loads(capsys.readouterr().out)["clip_checked"] is True
    shutil.copy(cut.clip, tmp_path / "other.mp4")
    assert verify(["clip", str(tmp_path / "other.mp4"), *command[2:]]) == 1


WHOLE = (0, 0, 320, 180)


def test_what_is_not_shown_of_a_camera_is_black_in_what_is_made_of_its_clips(window: Window, tmp_path: Path) -> None:
    hall, desk, until = window.hall, custodian(window.hall), now_us()
    cut = cut_clip(hall, desk, window.recorder, "north", until - 2_000_000, until, tmp_path / "c.mp4")
    _, registry = hall.door.registry()
    said = dict(dict(registry.cameras())["camera/north"])
    said.pop("masks", None)
    try:
        register(hall, "north", **said, masks=["0/0/320/180"])
        made = derive(hall, desk, cut.clip, tmp_path / "masked.mp4")
    finally:
        register(hall, "north", **said, masks=[])
    assert made.kind == "transcoded"
    watermark_film(cut.clip, tmp_path / "marked.mp4", "staff/x", since_us=0, until_us=2_000_000, masks=[WHOLE])

    def brightest(film: Path, rows: slice) -> int:
        with av.open(str(film)) as container:
            return max(int(frame.to_ndarray(format="gray")[rows].max()) for frame in container.decode(video=0))

    assert brightest(cut.clip, slice(0, 180)) > 150  # a white ball
    assert brightest(made.file, slice(0, 180)) < 40
    assert brightest(tmp_path / "marked.mp4", slice(75, 150)) < 40  # the viewer's name stands above and below


# ------------------------------------------------------------------------------------------------- holds and the disk


def test_a_hold_has_what_is_being_written_sealed_at_once(window: Window, rig: Any) -> None:
    hall, desk = window.hall, custodian(window.hall)
    sealer = Sealer(hall.data, ["recorder/1"], every_s=600)
    sealer.start()
    try:
        time.sleep(1.5)
        at = now_us()
        placed = place_hold(desk, "north", at - 60_000_000, at + 60_000_000, ground="complaint/c-1")

        def sealed() -> bool:
            state = orjson.loads((window.recorder.folder / "north" / "seen.json").read_bytes())
            return "end" in state and instant_us(state["end"]) >= at

        rig.wait_for(sealed, limit_s=6)
        streams = hall.reader.stream("footage/north")
        assert placed.id in [id_ for _, id_, _ in streams]
    finally:
        sealer.stop()


def test_held_space_past_its_budget_is_an_event_and_so_is_its_end(window: Window, monkeypatch: Any) -> None:
    hall, desk = window.hall, custodian(window.hall)
    device, now = device_desk(hall, window.recorder), now_us()
    hold = place_hold(desk, "south", now - 60_000_000, now, ground="complaint/c-2")
    usage = shutil.disk_usage(window.recorder.folder)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage._replace(total=1000))
        (full, *_) = look_at_budget(device, window.recorder, ["north", "south"])
        assert look_at_budget(device, window.recorder, ["north", "south"]) == []
    (free, *_) = look_at_budget(device, window.recorder, ["north", "south"])
    acts = {id_: open_statement(entry) for _, id_, entry in hall.reader.stream("footage/north")}
    assert (acts[full.id].type, acts[free.id].type) == (SPACE_PASSED, SPACE_FREED)
    assert acts[full.id].data["held_bytes"] > acts[full.id].data["disk_bytes"] == 1000
    assert hold.id in desk.state("footage/south").holds
    assert second(hall).role == "key_officer"
