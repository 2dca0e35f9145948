"""Footage outgrows the machine: carried to a store, read back, cut, checked and destroyed there too."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from camera_ingest.archive import Archive, Carrier, blob_name, carry_all, store_state
from camera_ingest.blobs import Blobs, Settings, check_settings, read_settings, write_settings
from camera_ingest.checking import check
from camera_ingest.cli import main
from camera_ingest.clips import cut_clip
from camera_ingest.folders import Recorder
from camera_ingest.guarding import Guard
from camera_ingest.keeping import on_disk, place_hold, propose_release, purge, release, standing
from camera_ingest.registering import custodian, second
from camera_ingest.sealing import device_desk, seal_lines
from ledger.errors import Malformed, NotFound, Refused, Unavailable
from ledger.store.sequencer import now_us
from ledger.verify.cli import main as verify

DAY_US = 86_400_000_000


def _files(recorder: Recorder) -> list[Path]:
    return sorted(recorder.folder.glob("*/*/*.mp4"))


def _carried(rig: Any, name: str, store: Settings) -> Recorder:
    """A recorder whose whole footage lies in the store alone."""
    recorder: Recorder = rig.camera(name)
    seal_lines(rig.hall, recorder)
    write_settings(rig.hall.data, store)
    assert carry_all(rig.hall.data, recorder.actor)["state"] == "carried"
    assert not _files(recorder)
    return recorder


def _named(rows: list[dict[str, Any]], camera: str) -> list[tuple[int, str]]:
    return [(one["seq"], one["where"]) for one in rows if one["camera"] == camera]


def test_a_clip_is_cut_from_the_store_and_proved(rig: Any, store: Settings, tmp_path: Path) -> None:
    recorder = rig.camera("cut")
    segments = on_disk(recorder, "cut")
    assert len(segments) >= 5
    span = segments[1].start_us + 1, segments[3].end_us - 1
    here = cut_clip(rig.hall, custodian(rig.hall), recorder, "cut", *span, tmp_path / "here.mp4")
    write_settings(rig.hall.data, store)
    assert carry_all(rig.hall.data, recorder.actor) | {"why": None} == {
        **{"state": "carried", "why": None},
        **{"carried": len(segments), "dropped": len(segments)},
    }
    assert not _files(recorder)
    away = cut_clip(rig.hall, custodian(rig.hall), recorder, "cut", *span, tmp_path / "away.mp4")
    assert (away.sha256, away.groups) == (here.sha256, here.groups)
    policy = rig.hall.data / "published" / "policy"
    assert verify(["clip", str(away.clip), "--manifest", str(away.manifest), "--policy", str(policy), "--json"]) == 0


def test_check_names_what_the_store_lost_or_changed(rig: Any, store: Settings, s3: Any) -> None:
    recorder = _carried(rig, "lost", store)
    found = check(rig.hall, rig.hall.data)
    assert (_named(found.missing, "lost"), _named(found.changed, "lost")) == ([], [])
    one, other = on_disk(recorder, "lost")[1:3]
    client, prefix = s3.client(), store.url.removeprefix("s3://plain/")
    key = f"{prefix}/{blob_name(recorder, 'lost', other.says)}"
    content = bytearray(client.get_object(Bucket="plain", Key=key)["Body"].read())
    content[-9] ^= 1
    client.put_object(Bucket="plain", Key=key, Body=bytes(content))
    client.delete_object(Bucket="plain", Key=f"{prefix}/{blob_name(recorder, 'lost', one.says)}")
    client.put_object(Bucket="plain", Key=f"{prefix}/lost/lost/planted.mp4", Body=b"x")
    found = check(rig.hall, rig.hall.data)
    assert _named(found.missing, "lost") == [(one.says["seq"], "store")]
    assert _named(found.changed, "lost") == [(other.says["seq"], "store")]
    assert any("planted.mp4" in text for text in found.strange)
    with pytest.raises(Refused, match=r"gone|not what was sealed"):
        _cut(rig, recorder, "lost", one.start_us, other.end_us)


def _cut(rig: Any, recorder: Recorder, camera: str, since: int, until: int) -> None:
    cut_clip(rig.hall, custodian(rig.hall), recorder, camera, since, until, rig.hall.data / "out.mp4")


def test_what_was_cut_off_is_carried_later_and_put_once(rig: Any, store: Settings, s3: Any) -> None:
    recorder = rig.camera("resumed")
    seal_lines(rig.hall, recorder)
    write_settings(rig.hall.data, store)
    archive = Archive.of(recorder)
    first, second = list(archive.waiting("resumed"))[:2]
    archive.carry("resumed", first, retention_days=30)
    # Dead after the object was put, and in the middle of noting it.
    archive.carry("resumed", second, retention_days=30)
    noted = recorder.camera("resumed") / first.says["file"][:10] / "carried"
    noted.write_text(noted.read_text()[:-3])
    name = f"{store.url.removeprefix('s3://plain/')}/{blob_name(recorder, 'resumed', second.says)}"
    put_at = s3.client().head_object(Bucket="plain", Key=name)["LastModified"]
    time.sleep(1.1)
    again = carry_all(rig.hall.data, recorder.actor)
    assert again["carried"] == len(on_disk(recorder, "resumed")) - 1
    assert s3.client().head_object(Bucket="plain", Key=name)["LastModified"] == put_at
    assert not _files(recorder)
    assert _named(check(rig.hall, rig.hall.data).missing, "resumed") == []


def test_a_changed_file_is_not_carried_and_not_taken_away(rig: Any, store: Settings) -> None:
    recorder = rig.camera("bent")
    seal_lines(rig.hall, recorder)
    path = _files(recorder)[2]
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    write_settings(rig.hall.data, store)
    said = carry_all(rig.hall.data, recorder.actor)
    assert (said["state"], _files(recorder)) == ("changed", [path])
    assert path.name in said["why"]


def test_no_local_copy_goes_before_the_ledger_has_its_line(rig: Any, store: Settings) -> None:
    recorder = rig.camera("unsealed")
    write_settings(rig.hall.data, store)
    said = carry_all(rig.hall.data, recorder.actor)
    assert said["carried"] == len(_files(recorder)) > 0
    assert said["dropped"] == 0
    seal_lines(rig.hall, recorder)
    assert carry_all(rig.hall.data, recorder.actor)["dropped"] == said["carried"]


def test_a_purge_destroys_in_the_store_and_a_hold_wins(rig: Any, store: Settings) -> None:
    recorder = _carried(rig, "old", store)
    segments = on_disk(recorder, "old")
    desk, device = custodian(rig.hall), device_desk(rig.hall, recorder)
    place_hold(desk, "old", segments[0].start_us, segments[0].end_us, ground="complaint/1")
    done = purge(rig.hall, device, recorder, "old", now=now_us() + 31 * DAY_US)
    assert sum(one.segments for one in done) == len(segments) - 1
    left = on_disk(recorder, "old")
    assert [one.line.number for one in left] == [segments[0].line.number]
    blobs = Blobs(store)
    assert list(blobs.names("old/old/")) == [blob_name(recorder, "old", segments[0].says)]
    found = check(rig.hall, rig.hall.data)
    assert (_named(found.missing, "old"), [one for one in found.strange if "/old/" in one]) == ([], [])


def test_nothing_is_said_to_be_destroyed_while_the_store_is_away(rig: Any, store: Settings) -> None:
    recorder = _carried(rig, "away", store)
    write_settings(rig.hall.data, Settings(url=store.url, endpoint="http://127.0.0.1:9", keep_hours=0))
    seq = len(rig.hall.reader.stream("footage/away"))
    with pytest.raises(Unavailable, match="store"):
        purge(rig.hall, device_desk(rig.hall, recorder), recorder, "away", now=now_us() + 31 * DAY_US)
    assert len(rig.hall.reader.stream("footage/away")) == seq
    with pytest.raises(Unavailable):
        check(rig.hall, rig.hall.data)


def test_a_store_that_is_away_is_said_and_comes_back(
    rig: Any, store: Settings, capfd: pytest.CaptureFixture[str]
) -> None:
    recorder = rig.camera("patient")
    gone = Settings(url=store.url, endpoint="http://127.0.0.1:9", keep_hours=0)
    write_settings(rig.hall.data, gone)
    carrier = Carrier(rig.hall.data, [recorder.actor], every_s=0.1)
    carrier.start()
    try:
        _wait(lambda: (store_state(recorder, "patient") or {})["state"] == "unreachable")
        waiting = (store_state(recorder, "patient") or {})["waiting"]
        assert waiting == len(_files(recorder)) > 0
        write_settings(rig.hall.data, store)
        _wait(lambda: (store_state(recorder, "patient") or {})["waiting"] == 0)
    finally:
        carrier.stop()
    told = "".join(capfd.readouterr())
    assert "footage is not carried" in told
    assert not any(secret in told for secret in ("verysecretindeed", "AKIDNOBODY"))


def _wait(what: Any) -> None:
    until = time.monotonic() + 15
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_each_object_is_locked_for_its_retention(rig: Any, s3: Any, store: Settings) -> None:
    locked = Settings(url="s3://locked/a", endpoint=s3.endpoint, keep_hours=0, lock="compliance")
    recorder = _carried(rig, "kept", locked)
    one = on_disk(recorder, "kept")[0]
    name = blob_name(recorder, "kept", one.says)
    assert (Blobs(locked).locked_until(name) or 0) >= one.end_us + 30 * DAY_US
    with pytest.raises(Unavailable, match="AccessDenied"):
        Blobs(locked).destroy(name)
    # What the store keeps longer than the rule is not said to be destroyed.
    assert Archive.of(recorder).destroyable("kept", [one], now=now_us()) == []
    assert Archive.of(recorder).destroyable("kept", [one], now=now_us() + 31 * DAY_US) == [one]
    # A lock that the bucket sets by itself is heeded, too.
    write_settings(rig.hall.data, Settings(url=locked.url, endpoint=s3.endpoint))
    assert Archive.of(recorder).destroyable("kept", [one], now=now_us()) == []


def test_a_lock_that_the_store_cannot_give_is_refused(
    rig: Any, s3: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["store", "--url", "s3://plain/x", "--endpoint", s3.endpoint, "--lock", "compliance", "--data"]
    assert main([*words, str(tmp_path), "--json"]) == 1
    assert orjson.loads(capsys.readouterr().out)["error"]["code"] == "store-lock"
    assert read_settings(tmp_path) is None
    recorder = rig.camera("strict")
    write_settings(rig.hall.data, Settings(url="s3://plain/x", endpoint=s3.endpoint, keep_hours=0, lock="compliance"))
    said = carry_all(rig.hall.data, recorder.actor)
    assert (said["state"], said["carried"]) == ("refused", 0)
    assert _files(recorder)


def test_what_a_hold_keeps_the_store_keeps_too_until_two_persons_release_it(rig: Any, s3: Any) -> None:
    locked = Settings(url="s3://locked/h", endpoint=s3.endpoint, keep_hours=0, lock="governance")
    recorder, desk, guard = rig.camera("lawful"), custodian(rig.hall), Guard()
    seal_lines(rig.hall, recorder)
    write_settings(rig.hall.data, locked)
    first, second_, *others = on_disk(recorder, "lawful")
    names = [blob_name(recorder, "lawful", one.says) for one in (first, second_, others[0])]
    hold = place_hold(desk, "lawful", first.start_us + 1, second_.start_us + 1, ground="complaint/1").id
    assert guard(recorder, "lawful", dict(standing(desk, "lawful").holds)) == 0
    # Carried after the hold was placed: held all the same.
    assert carry_all(rig.hall.data, recorder.actor)["state"] == "carried"
    assert guard(recorder, "lawful", dict(standing(desk, "lawful").holds)) == 2
    assert guard(recorder, "lawful", dict(standing(desk, "lawful").holds)) == 0

    def kept() -> list[bool]:
        client, prefix = s3.client(), "h"
        heads = [client.head_object(Bucket="locked", Key=f"{prefix}/{name}") for name in names]
        return [one.get("ObjectLockLegalHoldStatus") == "ON" for one in heads]

    assert kept() == [True, True, False]
    archive, later = Archive.of(recorder), now_us() + 31 * DAY_US
    assert archive.destroyable("lawful", [first, second_, others[0]], now=later) == [others[0]]
    proposal = propose_release(desk, "lawful", hold.hex(), ground="over")
    release(second(rig.hall), "lawful", proposal.id.hex())
    # Another process than the one that put them there takes them off.
    assert Guard()(recorder, "lawful", dict(standing(desk, "lawful").holds)) == 2
    assert kept() == [False, False, False]
    assert archive.destroyable("lawful", [first], now=later) == [first]
    write_settings(rig.hall.data, Settings(url=locked.url, endpoint=s3.endpoint))


def test_the_command_tries_a_store_and_keeps_no_secret(
    s3: Any, store: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["store", "--url", store.url, "--endpoint", s3.endpoint, "--keep-hours", "2"]
    assert main([*words, "--data", str(tmp_path), "--json"]) == 0
    assert main(["store", "--data", str(tmp_path), "--json"]) == 0
    said = capsys.readouterr().out
    assert "verysecretindeed" not in said + (tmp_path / "footage" / "store.json").read_text()
    assert read_settings(tmp_path) == Settings(url=store.url, endpoint=s3.endpoint, keep_hours=2)


@pytest.mark.parametrize(
    "said",
    [
        {"url": "ftp://x/y"},
        {"url": "s3://"},
        {"url": "s3://key:secret@bucket/x"},
        {"url": "s3://b", "keep_hours": -1},
        {"url": "s3://b", "lock": "maybe"},
        {"url": "file:///x", "lock": "compliance"},
        {"url": "s3://b", "secret": "x"},
    ],
)
def test_settings_that_cannot_be_are_refused(said: dict[str, Any]) -> None:
    with pytest.raises(Malformed) as refused:
        check_settings(said)
    assert "secret@" not in refused.value.message


def test_a_folder_is_a_store_too(rig: Any, tmp_path: Path) -> None:
    recorder = _carried(rig, "folder", Settings(url=f"file://{tmp_path}/store", keep_hours=0))
    one, *others = on_disk(recorder, "folder")
    (tmp_path / "store" / blob_name(recorder, "folder", one.says)).unlink()
    found = check(rig.hall, rig.hall.data)
    assert _named(found.missing, "folder") == [(one.says["seq"], "store")]
    archive = Archive.of(recorder)
    assert archive.read("folder", others[0], 4, 8) == b"ftyp"
    with pytest.raises(NotFound):
        archive.read("folder", one, 4, 8)


def test_a_large_file_is_put_and_read_in_bounded_memory(s3: Any, tmp_path: Path) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(96 << 20)
    script = """
import resource, sys
from pathlib import Path
from camera_ingest.blobs import Blobs, Settings
blobs = Blobs(Settings(url="s3://plain/large", endpoint=sys.argv[1]))
blobs.size("x")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
blobs.put("large", Path(sys.argv[2]))
assert sum(map(len, blobs.chunks("large"))) == 96 << 20
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, s3.endpoint, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(done.stdout) < 64 << 10  # KiB
