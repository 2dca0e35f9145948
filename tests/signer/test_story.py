"""A clerk whose key never comes near the server: made, registered by two officers, used at the counter, proved."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.disclosure import open_disclosure
from ledger.signer.keys import read_key
from ledger.statement import check_statement_signature, open_statement

BIN = Path(sys.executable).parent


def program(*words: str | Path, answer: str = "", code: int = 0) -> tuple[dict[str, Any], str]:
    """``mingjian-sign`` as a person runs it: its answer, and what it showed."""
    done = subprocess.run(
        [BIN / "mingjian-sign", *words, "--json"], input=answer, capture_output=True, text=True, check=False
    )
    assert done.returncode == code, done.stdout + done.stderr
    return dict(json.loads(done.stdout)), done.stderr


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clerk's own machine."""
    return tmp_path_factory.mktemp("clerk")


@pytest.fixture(scope="module")
def clerk(office: Any, home: Path) -> list[str | Path]:
    """staff/lin, appointed and with a registered key; what every act of hers begins with."""
    (home / "secret").write_text("correct horse\n")
    key, _ = program(
        *("key", "--out", home / "lin.pem", "--passphrase-file", home / "secret"),
        *("--policy", office.policy, "--actor", "staff/lin"),
    )
    person = {"person": "042", "name": "林", "roles": ["window_clerk"], "unit": "env", "windows": ["w1"]}
    proposed = office.mingjian(
        "registry", "propose", "staff.appointed.v1", "staff/lin", json.dumps(person), "--as", "officer/1"
    )
    office.mingjian("registry", "confirm", proposed["id"], "--as", "officer/2")
    added = office.mingjian(
        *("keys", "add", "staff/lin", "--public", key["public_key"], "--proof", key["proof"], "--as", "officer/1")
    )
    assert added["kid"] == key["thumbprint"]
    office.mingjian("registry", "confirm", added["id"], "--as", "officer/2")
    return [
        *("act", "--url", office.url, "--policy", office.policy, "--token-file", office.token),
        *("--state", home / "state", "--key", home / "lin.pem", "--passphrase-file", home / "secret"),
        *("--actor", "staff/lin", "--role", "window_clerk", "--window", "w1", "--unit", "env", "--lang", "en"),
    ]


TICKET = '{"number":"A001","queue":"general","channel":"counter","holder":"李四"}'


def test_she_takes_a_ticket_after_seeing_what_she_signs(office: Any, home: Path, clerk: list[str | Path]) -> None:
    done, shown = program(
        *clerk, "--stream", "ticket/a1", "--type", "ticket.taken.v2", "--data", TICKET, answer="yes\n"
    )
    assert (done["stream"], done["seq"]) == ("ticket/a1", 1)
    for part in ("staff/lin", "window_clerk", "ticket/a1", "ticket.taken.v2", '"A001"', office.origin, "Sign this?"):
        assert part in shown
    assert "李四" in shown
    entry = Path(done["kept"] + ".entry").read_bytes()
    act = open_statement(entry)
    key = read_key(home / "lin.pem", lambda: "correct horse")
    assert check_statement_signature(entry, key.public)
    assert act.data["holder"] != "李四"
    checked = subprocess.run(
        [
            *(BIN / "mingjian-verify", "proof", done["kept"] + ".tlog-proof", "--json"),
            *("--entry", done["kept"] + ".entry", "--policy", office.policy),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(checked.stdout)
    assert (found["ok"], found["index"], found["id"]) == (True, done["index"], done["id"])
    assert "mingjian promise v1" in Path(done["kept"] + ".promise").read_text()


def test_she_applies_for_a_citizen_and_keeps_what_opens_the_sealed_words(office: Any, clerk: list[str | Path]) -> None:
    values = {"item": "permit", "item_version": office.version, "channel": "window", "applicant": "张三"}
    done, shown = program(
        *(*clerk, "--stream", "approval/2026-1", "--type", "approval.applied.v1", "--data", json.dumps(values)),
        answer="yes\n",
    )
    assert 'applicant = "张三"   (sealed: only a digest in the log)' in shown
    act = open_statement(Path(done["kept"] + ".entry").read_bytes())
    assert "张三".encode() not in act.entry
    (text,) = Path(done["kept"] + ".disclosures").read_text().split()
    opened = open_disclosure(text)
    assert (opened.name, opened.value, opened.digest) == ("applicant", "张三", act.sd[0])


def test_no_is_no(office: Any, clerk: list[str | Path]) -> None:
    words = [*clerk, "--stream", "ticket/a2", "--type", "ticket.taken.v2", "--data", TICKET]
    for answer in ("no\n", "", "maybe\n"):
        refused, _ = program(*words, answer=answer, code=1)
        assert refused["error"]["code"] == "declined"
    done, _ = program(*words, "--yes")
    assert done["seq"] == 1


def test_what_the_hall_does_not_allow_is_refused_before_anybody_signs(office: Any, clerk: list[str | Path]) -> None:
    words = [*clerk, "--stream", "ticket/a3", "--type", "ticket.taken.v2", "--data", TICKET, "--window", "w9"]
    refused, shown = program(*words, code=1)
    assert refused["error"]["code"] == "own-window"
    assert "Sign this?" not in shown


def test_her_private_key_is_nowhere_in_the_servers_folder(office: Any, home: Path, clerk: list[str | Path]) -> None:
    key = read_key(home / "lin.pem", lambda: "correct horse")
    seed = key.private.private_bytes_raw()
    pem = b"".join((home / "lin.pem").read_bytes().splitlines()[1:-1])
    needles = [seed, seed.hex().encode(), base64.b64encode(seed)[:-4], pem, pem[:64], b"correct horse"]
    # The public half is there: so what is looked for would be found.
    public, seen, files = key.public, False, 0
    for path in office.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            files += 1
            assert not any(needle in content for needle in needles), path
            seen = seen or public in content or public.hex().encode() in content
    assert files > 100
    assert seen
    assert not list((office.data / "keys" / "actors").glob("*lin*"))


def test_keys_are_given_one_way_or_the_other(office: Any) -> None:
    done = subprocess.run(
        [BIN / "mingjian", "keys", "add", "staff/x", "--public", "aa", "--as", "officer/1", "--data", office.data],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "--proof" in done.stderr
