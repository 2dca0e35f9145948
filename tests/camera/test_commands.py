"""The commands, on real footage over RTSP, beside cameras that are none, with the ledger away and come back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from camera_ingest import sealing
from camera_ingest.cli import main
from camera_ingest.folders import Camera, recorder_named, write_camera
from camera_ingest.journal import Journal, lines_after
from camera_ingest.keeping import make_room, on_disk, place_hold, propose_release, purge, release
from camera_ingest.registering import custodian, register, second
from camera_ingest.sealing import seal_lines
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.errors import Evidence, Refused, Unavailable
from ledger.exchange.export_log import export_log
from ledger.statement import instant_text, instant_us, open_statement
from ledger.verify.cli import main as verify

_DAY_US = 86_400_000_000
OUT = "nothing.mp4"
LONG_AGO = ("clip", "walk", "--from", "2020-01-01T00:00:00Z")


@dataclass(frozen=True, slots=True)
class Recorded:
    """A ledger's folder after a recorder ran beside it for a while."""

    data: Path
    since: str
    until: str


def _say(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = main([*words, "--json"])
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return code, orjson.loads(out)


@pytest.fixture(scope="module")
def recorded(rig: Any, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    data = tmp_path_factory.mktemp("commands") / "data"
    create_ledger(data)
    words = tmp_path_factory.mktemp("words") / "words.wav"
    with wave.open(str(words), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    launch = f"( filesrc location={rig.FOOTAGE} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )"
    with rig.camera(launch) as camera:
        urls = {
            "walk": camera.url,
            "gone": "rtsp://127.0.0.1:9/cam",
            "elsewhere": camera.url.replace("/cam", "/none"),
            "words": str(words),
        }
        for id_, url in urls.items():
            assert main(["add", id_, "--url", url, "--untried", "--data", str(data), "--json"]) == 0
        command = [sys.executable, "-m", "camera_ingest.cli", "run", "--data", str(data), "--seconds", "12"]
        command += ["--every-s", "3", "--segment-s", "2", "--health-s", "1", "--json"]
        # The ledger's database is away all this time: recording does not need it.
        environment = os.environ | {"MINGJIAN_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none"}
        done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        assert b"the journal is kept" in done.stderr
    lines = [one.says for one in lines_after(recorder_named(data, "recorder/1"), 0)]
    walk = [one for one in lines if one["kind"] == "segment"]
    assert {one["camera"] for one in walk} == {"walk"}
    return Recorded(data, walk[0]["start"], walk[-1]["end"])


def test_status_says_what_each_camera_does_without_a_ledger(
    recorded: Recorded, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINGJIAN_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/none")
    code, said = _say(capsys, "status", "--data", str(recorded.data))
    assert code == 0
    assert {one["camera"]: one["state"] for one in said["cameras"]} == dict.fromkeys(
        ("walk", "gone", "elsewhere", "words"), "stopped"
    )


def test_what_is_no_camera_is_a_gap_with_its_cause(recorded: Recorded) -> None:
    lines = [one.says for one in lines_after(recorder_named(recorded.data, "recorder/1"), 0)]
    causes = {one["camera"]: one["cause"] for one in lines if one["kind"] == "gap_detected"}
    assert causes == {"gone": "unreachable", "elsewhere": "no_such_stream", "words": "not_video"}


def test_segments_lists_segments_gaps_and_offsets(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    span = ["--from", recorded.since, "--to", recorded.until, "--data", str(recorded.data)]
    code, said = _say(capsys, "segments", "walk", *span)
    assert code == 0
    assert said["gaps"] == []
    assert len(said["segments"]) >= 3
    assert all({"start", "end", "root", "offset_us"} <= one.keys() for one in said["segments"])
    code, said = _say(capsys, "segments", "gone", *span)
    assert (code, said["segments"], [one["cause"] for one in said["gaps"]]) == (0, [], ["unreachable"])


def test_a_clip_of_real_footage_is_cut_and_proved(
    recorded: Recorded, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    middle = instant_us(recorded.since) + 2_500_000
    asked = ["--from", instant_text(middle), "--to", instant_text(middle + 3_000_000)]
    out = tmp_path / "walk.mp4"
    code, said = _say(capsys, "clip", "walk", *asked, "--out", str(out), "--data", str(recorded.data))
    assert code == 0, said
    assert said["covered"]["from"] <= said["asked"]["from"] < said["asked"]["to"] <= said["covered"]["to"]
    policy = recorded.data / "published" / "policy"
    assert verify(["clip", str(out), "--manifest", said["manifest"], "--policy", str(policy), "--json"]) == 0
    shown = orjson.loads(capsys.readouterr().out)
    assert (shown["camera"], shown["packets"], shown["whole"]) == ("walk", said["packets"], True)
    # Handed to a ledger that is another's, it proves nothing.
    other = tmp_path / "other"
    create_ledger(other)
    theirs = str(other / "published" / "policy")
    assert verify(["clip", str(out), "--manifest", said["manifest"], "--policy", theirs, "--json"]) == 1


def test_an_outsider_verifies_a_log_with_footage_in_it(
    recorded: Recorded, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with open_ledger(recorded.data) as hall, hall.sequencing():
        hall.wait_placed(seal_lines(hall, recorder_named(hall.data, "recorder/1")))
        export_log(hall, tmp_path / "audit")
    policy = tmp_path / "policy"
    shutil.copy2(recorded.data / "published" / "policy", policy)
    capsys.readouterr()
    assert verify(["log", str(tmp_path / "audit"), "--policy", str(policy), "--json"]) == 0, capsys.readouterr().out


def test_hold_release_and_check(recorded: Recorded, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(recorded.data)]
    span = ["--from", recorded.since, "--to", recorded.until]
    code, hold = _say(capsys, "hold", "walk", *span, "--ground", "complaint-1", *data)
    assert code == 0
    code, proposal = _say(capsys, "release", "walk", hold["hold"], *data)
    assert code == 0
    code, said = _say(capsys, "release", "walk", proposal["proposal"], "--confirm", "--as", "staff/custodian", *data)
    assert (code, said["error"]["code"]) == (1, "two-persons")
    code, _ = _say(capsys, "release", "walk", proposal["proposal"], "--confirm", *data)
    assert code == 0
    code, said = _say(capsys, "check", *data)
    assert (code, said["missing"], said["changed"], said["strange"]) == (0, [], [], [])
    assert said["segments"] >= 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["add", "../up", "--url", "rtsp://127.0.0.1:9/x"], "camera-id"),
        (["add", "cam", "--url", "rtsp://127.0.0.1:9/x", "--retention-days", "7"], "retention"),
        (["add", "cam", "--url", "rtsp://127.0.0.1:9/x", "--place", "nursing_room"], "camera-place"),
        (["add", "cam", "--url", "rtsp://127.0.0.1:9/x", "--window", "window/none"], "no-window"),
        (["run", "nobody"], "no-camera"),
        ([*LONG_AGO, "--to", "2020-01-01T00:01:00Z", "--out", OUT], "no-footage"),
        ([*LONG_AGO, "--to", "2020-01-02T00:00:00Z", "--out", OUT], "clip-span"),
    ],
)  # fmt: skip
def test_bad_input_is_refused_in_clear_words(
    recorded: Recorded, capsys: pytest.CaptureFixture[str], words: list[str], code: str
) -> None:
    exit_code, said = _say(capsys, *words, "--data", str(recorded.data))
    assert (exit_code, said["error"]["code"]) == (1, code)
    assert said["error"]["message"]


# ----------------------------------------------------------------------------------------------- keeping, in process


@pytest.fixture
def opened(recorded: Recorded, tmp_path: Path) -> Iterator[Hall]:
    """The ledger, with the footage as it was when the test is over."""
    kept = tmp_path / "footage"
    shutil.copytree(recorded.data / "footage" / "1" / "walk", kept)
    with open_ledger(recorded.data) as hall, hall.sequencing():
        yield hall
    shutil.copytree(kept, recorded.data / "footage" / "1" / "walk", dirs_exist_ok=True)


def test_lines_of_a_ledger_that_was_away_come_late_and_say_so(opened: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "LATE_S", -1)
    recorder = recorder_named(opened.data, "recorder/1")
    journal = Journal(recorder)
    journal.append("gap_detected", camera="gone", at=instant_text(1_000_000), cause="unreachable", run=None)
    journal.close()
    seal_lines(opened, recorder)
    acts = [open_statement(entry) for _, _, entry in opened.reader.stream("footage/gone")]
    assert acts[-1].data["cause"] == "unreachable"
    sealed = [s for s in _streams(opened) if s.startswith("recorder/1/")]
    last = [open_statement(entry) for _, _, entry in opened.reader.stream(sealed[-1])][-1]
    assert last.data["late_s"] >= 0


def _streams(hall: Hall) -> list[str]:
    with hall.database.use("reader") as connection:
        rows = connection.execute("SELECT DISTINCT stream FROM ledger.statements ORDER BY stream").fetchall()
    return [stream for (stream,) in rows]


def test_a_hold_on_day_29_wins_against_retention_on_day_30(opened: Hall) -> None:
    recorder, desk = recorder_named(opened.data, "recorder/1"), custodian(opened)
    segments = on_disk(recorder, "walk")
    held = segments[1]
    hold = place_hold(desk, "walk", held.start_us, held.end_us, ground="complaint-2")
    month = segments[-1].end_us + 31 * _DAY_US
    assert purge(opened, desk, recorder, "walk", now=segments[0].start_us + 29 * _DAY_US) == []
    done = purge(opened, desk, recorder, "walk", now=month)
    # A hold touches its neighbours where their spans overlap by the clock's estimate.
    left = on_disk(recorder, "walk")
    assert held.line in [one.line for one in left]
    assert sum(one.segments for one in done) == len(segments) - len(left)
    assert len(left) <= 3
    proposal = propose_release(desk, "walk", hold.id.hex(), ground="decided")
    with pytest.raises(Refused):
        release(desk, "walk", proposal.id.hex())
    release(second(opened), "walk", proposal.id.hex())
    assert sum(one.segments for one in purge(opened, desk, recorder, "walk", now=month)) == len(left)
    assert on_disk(recorder, "walk") == []


def test_a_provisional_hold_lapses_by_itself(opened: Hall) -> None:
    recorder, desk = recorder_named(opened.data, "recorder/1"), custodian(opened)
    segments = on_disk(recorder, "walk")
    first, last = segments[0], segments[-1]
    place_hold(desk, "walk", first.start_us, last.end_us, ground="web-1", expires_us=1_000_000)
    assert purge(opened, desk, recorder, "walk", now=last.end_us + 31 * _DAY_US) != []


def test_when_the_disk_is_full_held_footage_stays_and_recording_is_told(opened: Hall) -> None:
    recorder, desk = recorder_named(opened.data, "recorder/1"), custodian(opened)
    segments = on_disk(recorder, "walk")
    place_hold(desk, "walk", segments[2].start_us, segments[2].end_us, ground="complaint-3")
    free = shutil.disk_usage(recorder.folder).free
    with pytest.raises(Unavailable, match="held"):
        make_room(opened, desk, recorder, ["walk"], need_bytes=free * 1000)
    left = on_disk(recorder, "walk")
    assert segments[2].line in [one.line for one in left]
    assert segments[0].line not in [one.line for one in left]


def test_a_camera_bound_elsewhere_is_not_told_by_the_old_recorder(opened: Hall) -> None:
    register(opened, "moved", name="moved", recorder="recorder/2", windows=[], place="hall", retention_days=30)
    write_camera(opened.data, Camera("moved", "rtsp://127.0.0.1:9/x", "recorder/2"))
    recorder = recorder_named(opened.data, "recorder/1")
    journal = Journal(recorder)
    journal.append("gap_detected", camera="moved", at=instant_text(1_000_000), cause="stall", run=None)
    journal.close()
    assert seal_lines(opened, recorder)
    assert "footage/moved" not in _streams(opened)


def test_a_journal_line_that_was_changed_is_evidence(opened: Hall) -> None:
    recorder = recorder_named(opened.data, "recorder/1")
    (path,) = (recorder.folder / "journal").glob("*.jsonl")
    raw = path.read_bytes()
    try:
        path.write_bytes(raw.replace(b'"gap_detected"', b'"gap_detectex"', 1))
        with pytest.raises(Evidence):
            lines_after(recorder, 0)
        torn = raw + b'{"n":99,"half a li'
        path.write_bytes(torn)
        journal = Journal(recorder)  # what was never acted upon is taken away
        journal.close()
        assert path.read_bytes() == raw
    finally:
        path.write_bytes(raw)
