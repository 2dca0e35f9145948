"""A real stream recorded while everything happens to it: what was on disk, what was said, and what is proved."""

from __future__ import annotations

import base64
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import orjson
import pytest

from camera_ingest.checking import check
from camera_ingest.clips import Cut, cut_clip
from camera_ingest.folders import Recorder
from camera_ingest.journal import read_lines
from camera_ingest.registering import custodian
from camera_ingest.sealing import seal_lines
from camera_ingest.segments import hash_file
from camera_ingest.spans import span_of
from ledger.door.hall import Hall
from ledger.errors import Malformed, Refused
from ledger.statement import instant_us, open_statement
from ledger.tree.merkle import root_of
from ledger.verify.cli import main as verify
from ledger.verify.clip import Line, check_clip, line_leaf
from ledger.verify.fmp4 import read_groups, read_init


@dataclass(frozen=True, slots=True)
class Story:
    """What happened, and what the recorder wrote about it."""

    recorder: Recorder
    lines: list[Line]
    second_exit: int
    crash_us: int
    parts_at_crash: int

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [line.says for line in self.lines if line.says["kind"] == kind]


def _segments(recorder: Recorder) -> int:
    return len(list(recorder.folder.glob("*/*/*.mp4")))


def _more(rig: Any, recorder: Recorder, count: int) -> None:
    before = _segments(recorder)
    rig.wait_for(lambda: _segments(recorder) >= before + count)


@pytest.fixture(scope="module")
def story(hall: Hall, rig: Any) -> Iterator[Story]:
    """A stall, a recorder killed in the middle, a second recorder, a camera killed and back; the ledger looks on."""
    with rig.camera(rig.CLOCK) as camera:
        recorder = rig.add_camera(hall, "hall-1", camera.url)
        worker = rig.start_worker(hall.data)
        try:
            _more(rig, recorder, 2)
            seal_lines(hall, recorder)
            _stall(rig, camera, recorder)
            _more(rig, recorder, 1)
            rig.wait_for(lambda: any(path.stat().st_size > 3000 for path in recorder.folder.glob("*/*/*.part")))
            worker.kill()
            worker.wait()
            crash_us, parts = time.time_ns() // 1000, len(list(recorder.folder.glob("*/*/*.part")))
            worker = rig.start_worker(hall.data)
            _more(rig, recorder, 2)
            second = rig.start_worker(hall.data)
            second_exit = second.wait(timeout=20)
            camera.kill()
            time.sleep(1)
            camera.start()
            _more(rig, recorder, 2)
        finally:
            rig.stop_worker(worker)
        yield Story(recorder, list(read_lines(recorder)), second_exit, crash_us, parts)


def _stall(rig: Any, camera: Any, recorder: Recorder) -> None:
    camera.signal(signal.SIGSTOP)
    rig.wait_for(lambda: any(line.says["kind"] == "gap_detected" for line in read_lines(recorder)))
    camera.signal(signal.SIGCONT)


def test_every_gap_is_said_with_its_cause_and_its_end(story: Story) -> None:
    assert [one["cause"] for one in story.of("gap_detected")] == ["stall", "recorder_crash", "disconnect"]
    assert [one["cause"] for one in story.of("gap_ended")] == ["stall", "recorder_crash", "disconnect"]
    assert len(story.of("recording_started")) == len(story.of("recording_stopped")) == 1


def test_a_gap_begins_where_the_footage_before_it_ends(story: Story) -> None:
    ends = [instant_us(one["end"]) for one in story.of("segment")]
    for gap in story.of("gap_detected"):
        assert min(abs(instant_us(gap["at"]) - end) for end in ends) < 100_000


def test_segments_of_a_run_follow_each_other_to_the_tick(story: Story) -> None:
    pairs = [(a, b) for a, b in pairwise(story.of("segment")) if a["run"] == b["run"]]
    assert len(pairs) >= 3
    for a, b in pairs:
        assert (b["seq"], b["previous"]) == (a["seq"] + 1, a["root"])
        assert abs(instant_us(b["start"]) - instant_us(a["end"])) < 100_000
        assert b["base"] - a["base"] == a["times"][-1] + 90_000  # a coded group is a second here


def test_a_killed_recorder_loses_at_most_one_coded_group(story: Story) -> None:
    assert story.parts_at_crash == 1
    (recovered,) = [one for one in story.of("segment") if one["reason"] == "recovered"]
    lost_us = story.crash_us - instant_us(recovered["end"])
    assert lost_us < 1_600_000
    assert not list(story.recorder.folder.glob("*/*/*.part"))


def test_a_second_recorder_is_refused(story: Story) -> None:
    assert story.second_exit == 1


def test_every_line_is_what_lies_on_the_disk(story: Story) -> None:
    for says in story.of("segment"):
        path = story.recorder.camera("hall-1") / says["file"]
        hashed = hash_file(path, run=says["run"], seq=says["seq"]).says()
        assert {name: says[name] for name in hashed} == hashed


def test_segments_carry_the_clocks_of_camera_and_recorder(story: Story) -> None:
    reported = [one["clock"] for one in story.of("segment") if one["clock"]["offset_us"] is not None]
    assert reported
    for clock in reported:
        spread = clock["offset_us"]
        assert spread["min"] <= spread["median"] <= spread["max"]
        assert abs(spread["median"]) < 500_000  # one machine, one clock


# ---------------------------------------------------------------------------------------------------- in the ledger


def test_batches_seal_all_lines_in_order_and_events_are_told(hall: Hall, story: Story) -> None:
    hall.wait_placed(seal_lines(hall, story.recorder))
    again = seal_lines(hall, story.recorder)
    with hall.database.use("reader") as connection:
        rows = connection.execute(
            "SELECT entry FROM ledger.statements WHERE stream LIKE 'recorder/1/%' ORDER BY stream, seq"
        ).fetchall()
    acts = [open_statement(entry) for (entry,) in rows]
    at = 0
    for act in acts:
        assert act.data["first"] == at + 1
        at = act.data["last"]
        leaves = [line_leaf(line.text) for line in story.lines[act.data["first"] - 1 : at]]
        assert act.data["root"] == root_of(leaves).hex()
    assert at == len(story.lines)
    assert acts[-1].id == again[-1].id
    assert (acts[-1].data["first"], acts[-1].data["last"]) == (at + 1, at)  # a minute in which nothing happened
    told = [open_statement(entry).type for _, _, entry in hall.reader.stream("footage/hall-1")]
    assert told.count("footage.gap_detected.v1") == told.count("footage.gap_ended.v1") == 3


# ------------------------------------------------------------------------------------------------------------ clips


@pytest.fixture(scope="module")
def cut(hall: Hall, story: Story, tmp_path_factory: pytest.TempPathFactory) -> Cut:
    """A clip from half a second into the second segment, over the stall, into what the crash left."""
    segments = story.of("segment")
    since = instant_us(segments[1]["start"]) + 500_000
    (recovered,) = [one for one in segments if one["reason"] == "recovered"]
    until = instant_us(recovered["end"]) + 200_000
    out = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return cut_clip(hall, custodian(hall), story.recorder, "hall-1", since, until, out)


def _policy(hall: Hall) -> Any:
    return hall.publisher.alone


def test_a_clip_copies_every_coded_picture_as_it_was_sealed(story: Story, cut: Cut) -> None:
    sealed = set()
    for says in story.of("segment"):
        data = (story.recorder.camera("hall-1") / says["file"]).read_bytes()
        sealed |= {p.digest for g in read_groups(data, len(read_init(data).raw)) for p in g.packets}
    data = cut.clip.read_bytes()
    packets = [p for g in read_groups(data, len(read_init(data).raw)) for p in g.packets]
    assert len(packets) == cut.packets > 50
    assert {p.digest for p in packets} <= sealed


def test_a_clip_is_proved_and_its_gaps_are_said(hall: Hall, cut: Cut) -> None:
    shown = check_clip(cut.clip.read_bytes(), cut.manifest.read_bytes(), _policy(hall))
    assert (shown.camera, shown.recorder, shown.whole, shown.recovered) == ("hall-1", "recorder/1", True, True)
    assert shown.groups == shown.groups_in_manifest == cut.groups
    assert len(shown.gaps) == 1
    assert [gap["cause"] for gap in cut.gaps] == ["stall", "recorder_crash"]


def test_the_burned_in_time_is_the_claimed_time(hall: Hall, cut: Cut) -> None:
    differences = []
    with av.open(str(cut.clip)) as container:
        for frame in container.decode(video=0):
            luma = np.frombuffer(frame.planes[0], np.uint8)
            burned = (float(np.median(luma)) - 28) / 20
            claimed = cut.since_us / 1e6 + float(frame.pts * frame.time_base)
            differences.append((claimed - burned + 5) % 10 - 5)
    assert len(differences) == cut.packets
    # The picture is older than its arrival by encoding and transit; the grey level is good to a tenth or two.
    assert abs(float(np.median(differences))) < 0.35
    assert max(map(abs, differences)) < 0.8


def test_a_part_of_a_clip_is_proved_without_the_rest(hall: Hall, cut: Cut) -> None:
    data = cut.clip.read_bytes()
    init = read_init(data).raw
    groups = list(read_groups(data, len(init)))
    part = init + data[groups[1].start : groups[2].end]
    shown = check_clip(part, cut.manifest.read_bytes(), _policy(hall))
    assert (shown.groups, shown.whole) == (2, False)
    assert shown.groups_in_manifest == cut.groups
    assert cut.since_us < shown.since_us < shown.until_us < cut.until_us


def _moved(data: bytes, at: int, ticks: int) -> bytes:
    return data[:at] + (int.from_bytes(data[at : at + 8]) + ticks).to_bytes(8) + data[at + 8 :]


def test_a_clip_with_anything_changed_is_refused(hall: Hall, cut: Cut) -> None:
    data, manifest, policy = cut.clip.read_bytes(), cut.manifest.read_bytes(), _policy(hall)
    init = read_init(data).raw
    groups = list(read_groups(data, len(init)))
    pieces = [data[group.start : group.end] for group in groups]
    lies = {
        "re-ordered": init + b"".join([pieces[1], pieces[0], *pieces[2:]]),
        "played twice": init + b"".join([pieces[0], *pieces]),
        "slowed": _moved(data, groups[1].time_at, 45_000),
        "of another size": data.replace((320).to_bytes(2) + (180).to_bytes(2), (320).to_bytes(2) + (90).to_bytes(2), 1),
        "cut off": data[:-1],
        "with something behind": data + b"\0\0\0\x08free",
        "of nothing": init,
        "empty": b"",
        "another file": b"not a clip at all" * 100,
    }
    # A picture that is left out: the group's list of packets and its data shrink by the last one.
    last = groups[0].packets[-1]
    whole = bytearray(pieces[0])
    lies["with a picture less"] = init + bytes(whole[: -last.size]) + b"".join(pieces[1:])
    for name, lie in lies.items():
        assert lie != data, name
        with pytest.raises(Refused):
            check_clip(lie, manifest, policy)


def test_no_byte_of_a_clip_can_be_flipped(hall: Hall, cut: Cut) -> None:
    data, manifest, policy = cut.clip.read_bytes(), cut.manifest.read_bytes(), _policy(hall)
    groups = list(read_groups(data, len(read_init(data).raw)))
    first = groups[0]
    # Every byte of the header of a group, but for its number in the file, which no player minds; and some of the rest.
    number = range(first.start + 16, first.start + 24)
    header = [at for at in range(first.start, first.start + 300) if at not in number]
    free = 0
    for at in [*range(0, len(read_init(data).raw), 7), *header[::5], *range(first.end, len(data), 4001)]:
        lie = bytearray(data)
        lie[at] ^= 0x10
        try:
            shown = check_clip(bytes(lie), manifest, policy)
        except (Refused, Malformed):
            continue
        free += 1
        assert not shown.whole
    assert free <= 3  # a default duration or the last picture's: never a picture, never its time


def test_a_manifest_that_lies_is_refused(hall: Hall, cut: Cut) -> None:
    data, policy = cut.clip.read_bytes(), _policy(hall)
    true = orjson.loads(cut.manifest.read_bytes())
    line = true["segments"][0]["line"]
    lies: list[dict[str, Any]] = []

    def lie(**changes: Any) -> None:
        lies.append(true | changes)

    lie(format="mingjian-clip@v2")
    lie(segments=[])
    lie(batches=[])
    lie(key=true["batches"][0])
    lie(segments=true["segments"][::-1])
    lie(segments=[true["segments"][0] | {"line": line.replace("hall-1", "hall-2")}, *true["segments"][1:]])
    lie(segments=[true["segments"][0] | {"path": []}, *true["segments"][1:]])
    lie(segments=[true["segments"][0] | {"init": ["00" * 32]}, *true["segments"][1:]])
    lie(segments=true["segments"][1:])
    entry = bytearray(base64.b64decode(true["batches"][0]["entry"]))
    entry[-1] ^= 1
    lie(batches=[true["batches"][0] | {"entry": base64.b64encode(entry).decode()}, *true["batches"][1:]])
    for body in lies:
        with pytest.raises(Refused):
            check_clip(data, orjson.dumps(body), policy)
    for raw in (b"", b"{}", b"[]", b"\xff", orjson.dumps("x")):
        with pytest.raises(Malformed):
            check_clip(data, raw, policy)


def test_the_outsiders_tool_says_what_is_not_proved(
    hall: Hall, cut: Cut, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = tmp_path / "policy"
    policy.write_bytes(_policy(hall).to_bytes())
    command = ["clip", str(cut.clip), "--manifest", str(cut.manifest), "--policy", str(policy)]
    assert verify([*command, "--json"]) == 0
    answer = orjson.loads(capsys.readouterr().out)
    assert answer["ok"]
    assert {"lens", "place", "key", "between", "recovered"} <= set(answer["not_proved"])
    assert verify([*command, "--lang", "en"]) == 0
    assert "VERIFIED" in capsys.readouterr().out
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(cut.clip.read_bytes()[:-1])
    assert verify(["clip", str(bad), *command[2:], "--json"]) == 1
    assert orjson.loads(capsys.readouterr().out)["ok"] is False


def test_nothing_of_an_unrecorded_span_is_cut(hall: Hall, story: Story, tmp_path: Path) -> None:
    first = instant_us(story.of("segment")[0]["start"])
    with pytest.raises(Refused, match="nothing was recorded"):
        cut_clip(
            hall, custodian(hall), story.recorder, "hall-1", first - 60_000_000, first - 50_000_000, tmp_path / "x"
        )


def test_segments_and_gaps_of_a_span_add_up_to_it(story: Story) -> None:
    segments = story.of("segment")
    since, until = instant_us(segments[0]["start"]), instant_us(segments[-1]["end"])
    span = span_of(story.recorder, "hall-1", since, until)
    assert [gap.cause for gap in span.gaps] == ["stall", "recorder_crash", "disconnect"]
    covered = sum(one.end_us - one.start_us for one in span.segments)
    covered += sum(gap.until_us - gap.since_us for gap in span.gaps)
    assert abs(covered - (until - since)) < 200_000


# ------------------------------------------------------------------------------------------------------------- check


def test_check_names_what_is_missing_changed_and_strange(hall: Hall, story: Story, tmp_path: Path) -> None:
    hall.wait_placed(seal_lines(hall, story.recorder))
    good = check(hall, hall.data)
    assert good.is_good
    assert (good.segments, good.gaps, good.unsealed) == (len(story.of("segment")), 3, 0)
    files = sorted(story.recorder.folder.glob("*/*/*.mp4"))
    kept = tmp_path / "kept.mp4"
    shutil.copy2(files[1], kept)
    raw = bytearray(kept.read_bytes())
    raw[-5] ^= 1
    files[1].write_bytes(raw)
    away = files[0].rename(tmp_path / "away.mp4")
    stranger = files[0].with_name("20260101T000000Z-000001.mp4")
    shutil.copy2(kept, stranger)
    try:
        bad = check(hall, hall.data)
        assert [one["file"] for one in bad.missing] == [str(files[0])]
        assert [one["file"] for one in bad.changed] == [str(files[1])]
        assert len(bad.strange) == 1
    finally:
        stranger.unlink()
        shutil.copy2(kept, files[1])
        away.rename(files[0])
    assert check(hall, hall.data).is_good
