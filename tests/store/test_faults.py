"""It goes on under faults: the database restarted, a transaction left open somewhere else, a database named by URL."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api.doctor import STALL_S, examine
from ledger.door.door import Wish
from ledger.door.hall import Hall, create_ledger, open_ledger
from ledger.errors import Unavailable
from ledger.statement import instant_text
from ledger.store.embedded import embedded_server
from ledger.store.sequencer import now_us

MINGJIAN = Path(sys.executable).with_name("mingjian")


@pytest.fixture
def hall(postgres: int, tmp_path: Path) -> Iterator[Hall]:
    create_ledger(tmp_path / "data")
    with open_ledger(tmp_path / "data") as opened:
        yield opened


def wish(number: int) -> Wish:
    return Wish(
        actor="source/s",
        role="source_adapter",
        stream=f"imported/s/c{number}",
        type="imported.case.v1",
        at=instant_text(now_us()),
        request=f"r-{number}",
        values={"case_no": number + 1, "rest": {}},
    )


@pytest.mark.fault
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["killed", "shut-down"])
def test_the_sequencer_survives_a_restart_of_the_database(hall: Hall, how: signal.Signals) -> None:
    """What was acknowledged before is placed after; what is asked meanwhile is refused or acknowledged, never half."""
    with hall.sequencing():
        key = hall.source_key("s")
        outcomes = [hall.door.submit(wish(number), key) for number in range(20)]
        cluster = hall.data / "postgres" / "cluster"
        for number in range(20, 400):
            if number == 40:
                os.kill(int((cluster / "postmaster.pid").read_text().split()[0]), how)
            try:
                outcomes.append(hall.door.submit(wish(number), key))
            except Unavailable:
                time.sleep(0.05)
            if number > 60 and outcomes[-1].stream.endswith(f"c{number}"):
                break
        assert number < 399, "the door did not come back"
        placed = hall.wait_placed(outcomes, timeout_s=20)
    assert len(placed) == len(outcomes)
    assert list(hall.sweep().whole()) == []


@pytest.mark.fault
def test_a_transaction_left_open_in_another_database_is_named_by_the_doctor(hall: Hall) -> None:
    with hall.sequencing():
        key = hall.source_key("s")
        with psycopg.connect(hall.database.conninfo, dbname="postgres") as other:
            other.execute("SELECT pg_current_xact_id()")
            outcome = hall.door.submit(wish(1), key)
            time.sleep(STALL_S + 0.3)
            report = examine(hall.data)
            assert not hall.reader.placed([outcome.id])
            (stall,) = [finding for finding in report.findings if finding["code"] == "stall"]
            assert "in database postgres" in stall["message"]
            assert f"pg_terminate_backend({other.info.backend_pid})" in stall["mend"]
            assert report.parts["ledger"]["waiting"] == 1
        assert hall.wait_placed([outcome])
        assert examine(hall.data).findings == []


def test_the_doctor_says_that_nobody_places_statements(hall: Hall) -> None:
    with hall.sequencing():
        key = hall.source_key("s")
    hall.door.submit(wish(1), key)
    (finding,) = examine(hall.data).findings
    assert (finding["code"], finding["mend"]) == ("no-sequencer", f"mingjian up --data {hall.data}")


def test_the_doctor_looks_at_keys_and_their_rights(hall: Hall) -> None:
    (hall.data / "keys" / "log.pem").chmod(0o644)
    (hall.data / "keys" / "clock.pem").write_bytes((hall.data / "keys" / "receipt.pem").read_bytes())
    found = {finding["code"]: finding["mend"] for finding in examine(hall.data).findings}
    assert found.keys() == {"key-rights", "key-other"}
    assert found["key-rights"].startswith(f"chmod 600 {hall.data / 'keys' / 'log.pem'}")


def run(*words: str | Path, expect: int = 0, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [MINGJIAN, *words, "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | environment,
    )
    assert done.returncode == expect, done.stdout + done.stderr
    assert done.stdout.count("\n") == 1, done.stdout
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_the_commands_work_on_a_database_named_by_url(postgres: int, tmp_path: Path) -> None:
    """Its user owns the database and may make roles, but is no superuser."""
    data = tmp_path / "data"
    with embedded_server(tmp_path / "server") as url:
        with psycopg.connect(url, autocommit=True) as server:
            server.execute("CREATE ROLE hall LOGIN CREATEROLE")
            server.execute("CREATE DATABASE hall OWNER hall")
        named = url.replace("mingjian@/mingjian", "hall@/hall")
        environment = {"MINGJIAN_DATABASE_URL": named}
        run("init", "--data", data, **environment)
        assert not (data / "postgres").exists()
        run("rebuild", "--data", data, **environment)
        assert run("sweep", "--data", data, **environment)["findings"] == []
        report = run("doctor", "--data", data, **environment)
        assert (report["ok"], report["environment"]["embedded"]) == (True, False)
        assert report["environment"]["postgresql"].startswith(str(postgres))
        with psycopg.connect(named, autocommit=True) as owner:
            owner.execute("ALTER TABLE ledger.nodes DISABLE TRIGGER forbid")
            owner.execute("INSERT INTO ledger.nodes VALUES (1, 0, sha256(''))")
        swept = run("sweep", "--data", data, expect=1, **environment)
        assert [finding["row"] for finding in swept["findings"]] == ["1/0"]
        assert run("doctor", "--data", data, expect=1, **environment)["ok"] is False
    gone = run("doctor", "--data", data, expect=1, **environment)
    assert [finding["code"] for finding in gone["findings"]] == ["database"]
