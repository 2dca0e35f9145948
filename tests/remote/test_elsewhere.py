"""A recorder on a machine of its own: sealed over HTTP, through the deaths of both sides, and cut there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from camera_ingest import sealing
from camera_ingest.checking import check_away
from camera_ingest.cli import main
from camera_ingest.folders import read_cameras
from camera_ingest.journal import Journal, lines_after, read_lines
from camera_ingest.keeping import on_disk
from camera_ingest.registering import custodian
from camera_ingest.remote import Remote, RemoteSealer, noted_rows
from ledger.cases import ticket
from ledger.door.desk import Desk
from ledger.door.hall import open_ledger
from ledger.errors import Refused, Unavailable
from ledger.facts.footage import HOLD_PLACED, PURGED, SEALED, SPACE_FREED, SPACE_PASSED, footage_stream
from ledger.keys import SigningKey
from ledger.statement import Statement, instant_text, instant_us, open_statement
from ledger.store.sequencer import now_us
from ledger.store.walking import read_kind
from ledger.tree.merkle import root_of
from ledger.verify.cli import main as verify
from ledger.verify.clip import line_leaf

DAY_US = 86_400_000_000
Wait = Callable[..., None]


def _acts(elsewhere: Any) -> list[Statement]:
    """What the recorder stated, as the ledger has it: what it sealed, and what it told of its camera."""
    with open_ledger(elsewhere.ledger.data) as hall:
        told = [entry for _, _, entry in hall.reader.stream(footage_stream(elsewhere.CAMERA))]
        acts = [open_statement(entry) for entry in [*told, *read_kind(hall.database, elsewhere.ACTOR)]]
        return [act for act in acts if act.actor == elsewhere.ACTOR]


def test_nothing_is_lost_when_either_side_dies(elsewhere: Any, wait: Wait) -> None:
    elsewhere.start()
    wait(lambda: elsewhere.state("sealed.json").get("upto", 0) >= 3)
    elsewhere.kill()
    before = elsewhere.segments()
    elsewhere.start()
    wait(lambda: elsewhere.segments() > before + 1)
    elsewhere.ledger.down()
    wait(lambda: elsewhere.state("ledger.json").get("state") == "away")
    kept, before = elsewhere.state("sealed.json")["upto"], elsewhere.segments()
    wait(lambda: elsewhere.segments() >= before + 2)
    assert elsewhere.state("sealed.json")["upto"] == kept
    elsewhere.ledger.up()
    wait(lambda: elsewhere.state("sealed.json")["upto"] > kept)
    wait(lambda: elsewhere.state("ledger.json")["state"] == "reached")
    elsewhere.stop()

    lines = lines_after(elsewhere.recorder, 0)
    causes = [line.says["cause"] for line in lines if line.says["kind"] == "gap_detected"]
    assert causes == ["recorder_crash"]
    batches = [act for act in _acts(elsewhere) if act.type == SEALED and act.data["first"] <= act.data["last"]]
    assert [act.data["first"] for act in batches] == [1, *(act.data["last"] + 1 for act in batches[:-1])]
    assert batches[-1].data["last"] == lines[-1].number
    for act in batches:
        leaves = [line_leaf(line.text) for line in lines[act.data["first"] - 1 : act.data["last"]]]
        assert root_of(leaves).hex() == act.data["root"]
    told = [act.data["line"] for act in _acts(elsewhere) if act.type.startswith("footage.gap")]
    assert told == [line.number for line in lines if line.says["kind"].startswith("gap_")]
    found = check_away(elsewhere.data)
    assert found.is_good
    assert (found.segments, found.unsealed) == (elsewhere.segments(), 0)


def test_the_recorders_key_never_comes_to_the_ledger(elsewhere: Any) -> None:
    pem = (elsewhere.data / "keys" / "actors" / "recorder+2.pem").read_bytes()
    assert not (elsewhere.ledger.data / "keys" / "actors" / "recorder+2.pem").exists()
    assert not read_cameras(elsewhere.ledger.data)
    assert all(pem not in path.read_bytes() for path in (elsewhere.ledger.data / "keys").rglob("*") if path.is_file())


def test_what_is_sealed_late_says_so(elsewhere: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "LATE_S", -1)
    journal = Journal(elsewhere.recorder)
    journal.append("clock_stepped", camera=elsewhere.CAMERA, at=instant_text(now_us()), offset_us=700_000)
    journal.close()
    elsewhere.remote().seal()
    assert _acts(elsewhere)[-1].data["late_s"] >= 0


def test_a_death_between_the_ledgers_yes_and_our_note_seals_nothing_twice(
    elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(_: Remote) -> None:
        raise KeyboardInterrupt

    journal = Journal(elsewhere.recorder)
    journal.append("clock_stepped", camera=elsewhere.CAMERA, at=instant_text(now_us()), offset_us=900_000)
    journal.close()
    for _ in range(2):  # once behind what the line tells, once behind the batch
        with monkeypatch.context() as patch:
            remote = elsewhere.remote()
            remote._finish()
            patch.setattr(Remote, "_note", die)
            patch.setattr(Remote, "_finish", lambda _: None)
            with pytest.raises(KeyboardInterrupt):
                remote.seal()
    assert elsewhere.remote().seal() == journal.last
    sealed = [act.data["last"] for act in _acts(elsewhere) if act.type == SEALED and act.data["last"] == journal.last]
    told = [act for act in _acts(elsewhere) if act.data.get("line") == journal.last]
    assert len(told) == 1
    assert len([row for row in noted_rows(elsewhere.recorder) if row.get("last") == journal.last]) == 1
    assert sealed[:1] == [journal.last]


def test_a_clip_is_cut_at_the_recorder_and_proved(
    elsewhere: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    segments = on_disk(elsewhere.recorder, elsewhere.CAMERA)
    key = tmp_path / "cha.pem"
    key.write_bytes(elsewhere.key.to_pem())
    out, policy = tmp_path / "clip.mp4", elsewhere.data / "footage" / "ledger.policy"
    words = ["clip", elsewhere.CAMERA, "--from", instant_text(segments[0].start_us), "--out", str(out)]
    words += ["--to", instant_text(segments[1].end_us), "--data", str(elsewhere.data), "--json"]
    assert main(words) == 1  # without a ledger's address there is nobody to state it to
    words += ["--ledger", elsewhere.ledger.url, "--token-file", str(elsewhere.token("operator"))]
    capsys.readouterr()
    assert main([*words, "--as", elsewhere.CUSTODIAN, "--key", str(key)]) == 0
    said = orjson.loads(capsys.readouterr().out)
    assert verify(["clip", str(out), "--manifest", said["manifest"], "--policy", str(policy), "--json"]) == 0
    with open_ledger(elsewhere.ledger.data) as hall:
        acts = [open_statement(entry) for _, _, entry in hall.reader.stream(footage_stream(elsewhere.CAMERA))]
    (cut,) = [act for act in acts if act.type == "footage.clip_extracted.v1"]
    assert (cut.id.hex(), cut.actor, cut.data["sha256"]) == (said["statement"], elsewhere.CUSTODIAN, said["sha256"])


def test_a_disputed_event_leads_to_its_clip_at_the_recorder_too(
    elsewhere: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    span = on_disk(elsewhere.recorder, elsewhere.CAMERA)[0]
    at = (span.start_us + span.end_us) // 2
    with open_ledger(elsewhere.ledger.data) as hall:
        key = hall.keyring.actor("staff/chen")
        made = {"door": hall.door, "actor": "staff/chen", "key": key, "role": "window_clerk", "window": "w1"}
        clerk = Desk(**made).afterwards(instant_text(at), "outage")
        event = ticket.take(clerk, "t-1", number="A001", queue="env").id.hex()
    (tmp_path / "cha.pem").write_bytes(elsewhere.key.to_pem())
    words = ["clip", "--event", event, "--margin", "1s", "--out", str(tmp_path / "x.mp4"), "--as", elsewhere.CUSTODIAN]
    words += ["--key", str(tmp_path / "cha.pem"), "--data", str(elsewhere.data), "--ledger", elsewhere.ledger.url]
    words += ["--token-file", str(elsewhere.token("operator")), "--json"]
    capsys.readouterr()
    assert main(words) == 0
    said = orjson.loads(capsys.readouterr().out)
    assert (said["event"]["id"], said["event"]["window"]) == (event, "w1")
    assert [one["camera"] for one in said["clips"]] == [elsewhere.CAMERA]
    assert instant_us(said["covered"]["from"]) < at < instant_us(said["covered"]["to"])
    policy = elsewhere.data / "footage" / "ledger.policy"
    assert verify(["clip", said["clip"], "--manifest", said["manifest"], "--policy", str(policy), "--json"]) == 0
    capsys.readouterr()
    words[words.index(event)] = "ab" * 32
    assert main(words) == 1
    assert orjson.loads(capsys.readouterr().out)["error"]["code"] == "no-event"
    # At the ledger it is said where to cut it.
    assert main(["clip", "--event", event, "--out", "x", "--data", str(elsewhere.ledger.data), "--json"]) == 1
    assert f"{elsewhere.CAMERA} ({elsewhere.ACTOR})" in orjson.loads(capsys.readouterr().out)["error"]["mend"]


def test_held_footage_past_its_share_of_a_recorders_disk_is_said_from_there(
    elsewhere: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = on_disk(elsewhere.recorder, elsewhere.CAMERA)[0]
    with open_ledger(elsewhere.ledger.data) as hall:
        span = {"since": instant_text(first.start_us), "until": instant_text(first.start_us + 1000)}
        custodian(hall).say(
            footage_stream(elsewhere.CAMERA), HOLD_PLACED, {**span, "ground": "complaint/0", "provisional": False}
        )
    usage = shutil.disk_usage(elsewhere.recorder.folder)
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda _: usage._replace(total=1000))
        assert elsewhere.remote().look_at_budget() == 1
        assert elsewhere.remote().look_at_budget() == 0
    assert elsewhere.remote().look_at_budget() == 1
    types = [act.type for act in _acts(elsewhere) if act.type.startswith("footage.held_space")]
    assert types == [SPACE_PASSED, SPACE_FREED]


def test_a_hold_at_the_ledger_has_its_footage_sealed_at_once(elsewhere: Any) -> None:
    journal = Journal(elsewhere.recorder)
    sealer = RemoteSealer(elsewhere.data, [elsewhere.ACTOR], elsewhere.away)
    sealer._each(sealer._look)
    journal.append("clock_stepped", camera=elsewhere.CAMERA, at=instant_text(now_us()), offset_us=800_000)
    journal.close()
    sealer._each(sealer._look)
    assert elsewhere.state("sealed.json")["upto"] < journal.last
    span = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-02T00:00:00Z"}
    with open_ledger(elsewhere.ledger.data) as hall:
        custodian(hall).say(
            footage_stream(elsewhere.CAMERA), HOLD_PLACED, {**span, "ground": "complaint/0", "provisional": False}
        )
    sealer._each(sealer._look)
    assert elsewhere.state("sealed.json")["upto"] == journal.last


def test_what_is_held_at_the_ledger_is_not_destroyed_here(elsewhere: Any) -> None:
    segments = on_disk(elsewhere.recorder, elsewhere.CAMERA)
    with open_ledger(elsewhere.ledger.data) as hall:
        span = {"since": instant_text(segments[0].start_us), "until": instant_text(segments[0].start_us + 1000)}
        custodian(hall).say(
            footage_stream(elsewhere.CAMERA), HOLD_PLACED, {**span, "ground": "complaint/1", "provisional": False}
        )
    assert elsewhere.remote().purge() == 0  # nothing is thirty days old
    assert elsewhere.remote().purge(now=now_us() + 31 * DAY_US) == len(segments) - 1
    assert [one.line.number for one in on_disk(elsewhere.recorder, elsewhere.CAMERA)] == [segments[0].line.number]
    assert any(act.type == PURGED for act in _acts(elsewhere))
    found = check_away(elsewhere.data)
    assert (found.is_good, found.purged) == (True, len(segments) - 1)
    (elsewhere.recorder.camera(elsewhere.CAMERA) / segments[0].says["file"]).unlink()
    assert [one["seq"] for one in check_away(elsewhere.data).missing] == [segments[0].says["seq"]]


def test_another_key_than_the_registered_one_seals_nothing(elsewhere: Any, tmp_path: Path) -> None:
    path = elsewhere.data / "keys" / "actors" / "recorder+2.pem"
    mine = path.read_bytes()
    n = len(_acts(elsewhere))
    try:
        path.write_bytes(SigningKey.generate().to_pem())
        with pytest.raises(Refused):
            elsewhere.remote()._say(sealing.batch_of(elsewhere.recorder, 1, []))
    finally:
        path.write_bytes(mine)
    assert len(_acts(elsewhere)) == n


def test_a_recorders_token_opens_nothing_else(elsewhere: Any) -> None:
    token = elsewhere.token("recorder").read_text().strip()
    with httpx.Client(base_url=elsewhere.ledger.url, headers={"Authorization": f"Bearer {token}"}) as client:
        assert client.get(f"/api/{elsewhere.ACTOR.replace('recorder', 'recorders')}").json()["upto"] > 0
        assert client.get("/api/cases").status_code == 403
        assert client.get("/log/tile/entries/000").status_code == 403
        asked = {
            "public_key": "00" * 31 + "01",
            "role": "window_clerk",
            "stream": "ticket/1",
            "type": "ticket.taken.v2",
        }
        body = asked | {"actor": "staff/cha", "at": instant_text(now_us()), "request": "r"}
        assert client.post("/api/drafts", json=body).json()["code"] == "token"


def test_commands_of_the_ledgers_machine_say_where_they_belong(
    elsewhere: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["hold", elsewhere.CAMERA, "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"]
    assert main([*words, "--ground", "x", "--data", str(elsewhere.data), "--json"]) == 1
    assert orjson.loads(capsys.readouterr().out)["error"]["code"] == "ledger-elsewhere"
    assert main(["init", "--name", "recorder/3", "--policy", str(elsewhere.folder / "policy"),
                 "--data", str(elsewhere.ledger.data), "--json"]) == 1  # fmt: skip
    assert orjson.loads(capsys.readouterr().out)["error"]["code"] == "ledger-here"


def test_with_the_ledger_away_nothing_is_destroyed(elsewhere: Any) -> None:
    elsewhere.ledger.down()
    with pytest.raises(Unavailable):
        elsewhere.remote().purge(now=now_us() + 31 * DAY_US)
    assert list(read_lines(elsewhere.recorder))
