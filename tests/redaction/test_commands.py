"""The whole way by commands: asked, granted, redacted, confirmed, linked, shared; each answer as its schema says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from api.cli import app
from api.sessions import Sessions
from camera_ingest import cli as camera
from ledger.statement import open_statement
from ledger.verify.cli import main as verify

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/spec/commands.schema.json").read_text("utf-8"))


def check(name: str, said: Any) -> Any:
    Draft202012Validator({"$defs": SCHEMA["$defs"], "$ref": f"#/$defs/{name}"}).validate(said)
    return said


def grant(rig: Any, verb: str, *words: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, ["grant", verb, *map(str, words), "--data", str(rig.hall.data), "--json"])
    assert done.exit_code == code, done.output
    said = orjson.loads(done.stdout)
    return check(f"grant-{verb}" if code == 0 else "error", said)


def redact(rig: Any, capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> Any:
    capsys.readouterr()
    found = camera.main(["redact", *map(str, words), "--data", str(rig.hall.data), "--json"])
    said = orjson.loads(capsys.readouterr().out)
    assert found == code, said
    return check("camera-redact" if code == 0 else "error", said)


def test_who_investigates_asks_for_the_clip_as_it_was_cut_and_others_for_a_redaction(rig: Any) -> None:
    how = ["--purpose", "verify", "--basis", "rule-12", "--as", "staff/cha"]
    asked = {
        "own": grant(rig, "request", rig.clip_id, *how)["grant"],
        "for another": grant(rig, "request", rig.clip_id, *how, "--viewer", "staff/zhao")["grant"],
    }
    assert grant(rig, "show", asked["own"])["rights"] == ["unblurred", "view"]
    assert grant(rig, "show", asked["for another"])["rights"] == ["view"]


def test_from_the_request_to_the_proof(rig: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rig.hire("staff/lu", "video_custodian")
    Sessions(rig.hall.data).served_at("http://127.0.0.1:8080")
    how = ["--purpose", "verify", "--basis", "rule-12", "--right", "view", "--right", "download"]
    asked = grant(rig, "request", rig.clip_id, *how, "--as", "staff/cha", "--words", "核实")
    name = asked["grant"]
    assert grant(rig, "link", name, "--as", "staff/lu", code=1)["error"]["code"] == "grant"
    assert grant(rig, "give", name, "--as", "staff/cha", code=1)["error"]["code"] == "role"
    grant(rig, "give", name, "--hours", 24, "--as", "staff/zhang")
    assert grant(rig, "keep", rig.clip.clip)["sha256"] == rig.clip.sha256
    assert grant(rig, "link", name, "--as", "staff/lu", code=1)["error"]["code"] == "unredacted"
    out = tmp_path / "out.mp4"
    made = redact(rig, capsys, rig.clip.clip, "--out", out, "--grant", name, "--as", "staff/lu")
    assert made["watermark"].startswith("staff/cha")
    redaction, seen = made["redaction"], len(made["uncovered"])
    to_court = ["--redaction", redaction, "--to", "court", "--as", "staff/cha"]
    assert grant(rig, "share", name, *to_court, code=1)["error"]["code"] == "unconfirmed"
    by = ["--confirm", "--seen", seen, "--as"]
    assert redact(rig, capsys, out, *by, "staff/lu", code=1)["error"]["code"] == "two-persons"
    assert redact(rig, capsys, out, "--confirm", "--as", "staff/zhang", code=1)["error"]["code"] == "uncovered"
    assert redact(rig, capsys, out, *by, "staff/zhang")["confirmed"] is True
    link = grant(rig, "link", name, "--redaction", redaction, "--as", "staff/lu")
    assert link["link"].startswith("http://127.0.0.1:8080/clips/open?link=")
    grant(rig, "share", name, *to_court)
    shown = grant(rig, "show", name)
    assert [act["what"] for act in shown["acts"]] == ["clip_requested", "clip_granted", "link_issued", "clip_shared"]
    assert shown["granted_by"] == "staff/zhang"
    grant(rig, "withdraw", name, "--reason", "done", "--as", "staff/zhang")
    assert grant(rig, "share", name, *to_court, code=1)["error"]["code"] == "grant"
    policy = rig.hall.data / "published" / "policy"
    words = ["clip", str(out), "--manifest", made["manifest"], "--policy", str(policy), "--json"]
    assert verify(words) == 0
    check("verify-clip", orjson.loads(capsys.readouterr().out))
    for file in ("nothing.mp4", ".", "clip.mp4"):
        assert verify(["clip", str(tmp_path / file), *words[2:]]) in (1, 3)
        check("verify-clip" if file == "none" else "error", orjson.loads(capsys.readouterr().out))


def test_a_request_may_be_refused(rig: Any) -> None:
    name = grant(rig, "request", rig.clip_id, "--purpose", "x", "--basis", "y", "--as", "staff/cha")["grant"]
    grant(rig, "refuse", name, "--reason", "bystanders", "--as", "staff/zhang")
    assert grant(rig, "show", name)["stage"] == "refused"
    assert grant(rig, "show", "none", code=1)["error"]["code"] == "no-grant"


def test_what_came_of_checking_a_granted_clip_is_stated(rig: Any, tmp_path: Path) -> None:
    name = grant(rig, "request", rig.clip_id, "--purpose", "x", "--basis", "y", "--as", "staff/cha")["grant"]
    how = ["--manifest", rig.clip.manifest, "--as", "staff/cha"]
    assert grant(rig, "verify", name, rig.clip.clip, *how, code=1)["error"]["code"] == "footage-order"
    grant(rig, "give", name, "--as", "staff/zhang")
    assert grant(rig, "verify", name, rig.clip.clip, *how)["ok"] is True
    changed = tmp_path / "changed.mp4"
    raw = bytearray(rig.clip.clip.read_bytes())
    raw[-1] ^= 1
    changed.write_bytes(raw)
    words = ["verify", name, changed, *how]
    done = CliRunner().invoke(app, ["grant", *map(str, words), "--data", str(rig.hall.data), "--json"])
    assert done.exit_code == 1
    said = check("grant-verify", orjson.loads(done.stdout))
    assert (said["ok"], bool(said["reason"])) == (False, True)
    acts = [open_statement(entry) for _, _, entry in rig.hall.reader.stream(f"grant/{name}")]
    assert [act.data.get("outcome") for act in acts[-2:]] == ["good", "bad"]
    assert acts[-1].data["sha256"] == said["sha256"] != rig.clip.sha256


def test_words_given_with_a_request_are_sealed(rig: Any) -> None:
    words = ["--purpose", "x", "--basis", "y", "--as", "staff/cha", "--words", "林某投诉"]
    name = grant(rig, "request", rig.clip_id, *words)["grant"]
    ((_, _, entry),) = rig.hall.reader.stream(f"grant/{name}")
    assert "林某".encode() not in entry
    assert len(open_statement(entry).sd) == 1


def test_a_film_without_a_ledger_is_redacted(rig: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code = camera.main(["redact", str(rig.film), "--out", str(tmp_path / "o.mp4"), "--data", "/nowhere", "--json"])
    said = check("camera-redact", orjson.loads(capsys.readouterr().out))
    assert (code, said["redaction"], said["statement"]) == (0, None, None)
    assert len(said["tracks"]) == 2
