"""``mingjian up``: served, watched from outside, ended by a signal, back with its data; cards by adopted rules only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from api.demo_rules import adopt_rules
from ledger.cases import approval
from ledger.door.hall import open_ledger
from ledger.exchange.generate import generate_xes
from ledger.facts.cards import stream_of
from ledger.statement import open_statement
from oversight.clock import sample
from tests.cases.conftest import staffed_place
from tests.running import BIN, up

MINGJIAN = BIN / "mingjian"


@contextmanager
def served(data: Path, log: Path, *, ends: int = 0) -> Iterator[str]:
    """The demo, as it stands on its feet."""
    with up(data, "--demo", "--demo-log", str(log), "--scale", "0.002", ends=ends) as base:
        yield base


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("log") / "log.xes.gz"
    generate_xes(path, cases=40, seed=4)
    return path


def test_it_comes_back_with_its_data_and_serves_the_log(tmp_path: Path, log: Path) -> None:
    data = tmp_path / "data"
    with served(data, log) as base:
        size, note = settled(base)
        assert size > 40
        assert note.count("mingjian.local/demo-") >= 2, "two of its three witnesses are enough"
        assert len(httpx.get(f"{base}/log/tile/0/000").content) == 32 * 256
        assert httpx.get(f"{base}/log/tile/..%2f..%2fkeys/log.pem").status_code == 404
        refused = httpx.get(f"{base}/log/tile/entries/000")
        assert (refused.status_code, refused.json()["code"]) == (403, "token")
        made = subprocess.run(
            [MINGJIAN, "token", "auditor", "--data", data, "--json"], capture_output=True, text=True, check=True
        )
        token = json.loads(made.stdout)["token"]
        entries = httpx.get(f"{base}/log/tile/entries/000", headers={"Authorization": f"Bearer {token}"})
        assert entries.status_code == 200
        assert b"ledger.opened.v1" in entries.content
    before = matters(data)
    with served(data, log) as base:
        settled(base)
    assert matters(data) == before
    assert not running_below(data)


def test_killed_it_leaves_nobody_behind_and_its_witnesses_come_back_under_their_addresses(
    tmp_path: Path, log: Path
) -> None:
    data = tmp_path / "data"
    with served(data, log, ends=-signal.SIGKILL) as base:
        settled(base)
        before = matters(data)
        (parent,) = [process for process, words in running_below(data).items() if "up" in words]
        os.kill(parent, signal.SIGKILL)
    until = time.monotonic() + 15
    while left := running_below(data):
        assert time.monotonic() < until, left
        time.sleep(0.1)
    ports = (data / "demo-witnesses" / "ports.json").read_bytes()
    with served(data, log) as base:
        _, note = settled(base)
        assert note.count("mingjian.local/demo-") >= 2
    assert matters(data) == before
    assert (data / "demo-witnesses" / "ports.json").read_bytes() == ports


def test_the_law_s_days_run_out_on_any_ledger_and_cards_come_by_adopted_rules_only(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with staffed_place(data) as place:
        place.done(approval.apply_for(place.desk("staff/chen"), "a", "permit", applicant="张三"))
        place.placed()
    # Accepted so late, all its limits are past at once: it gets the highest card alone.
    late = stream_of("approval/a", "RR-LAW", "statutory", None, None, 1)
    accepted = ["approval.applied.v1", "approval.deemed_accepted.v1"]
    with up(data):
        found = ticked(data, "approval/a", at_least=2)
        assert (found, stated(data, late)) == (accepted, [])
        with open_ledger(data) as hall:
            adopt_rules(hall, sample())
        assert ticked(data, late, at_least=1) == ["card.raised.v1"]
    assert stated(data, "approval/a") == accepted


def test_rules_do_not_hold_because_the_server_was_started_with_them(tmp_path: Path) -> None:
    for rules, more, why in (("[]", ["--demo"], "not one pack"), (sample().decode(), [], "two persons adopted them")):
        (tmp_path / "rules.json").write_text(rules, "utf-8")
        words = [MINGJIAN, "up", "--data", tmp_path / "data", "--rules", tmp_path / "rules.json", *more]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        assert (done.returncode, why in done.stderr) == (1, True), done.stderr
        assert not (tmp_path / "data").exists()


def matters(data: Path) -> dict[str, int]:
    """How many matters began, by kind: cameras, clock and witnesses go on stating things, but nothing begins again."""
    found: dict[str, int] = {}
    with open_ledger(data) as hall:
        for placed in hall.reader.entries(0, hall.reader.head().size):
            act = open_statement(placed.entry)
            if act.seq == 1 and act.kind in ("approval", "imported", "ticket", "complaint", "item"):
                found[act.kind] = found.get(act.kind, 0) + 1
    return found


def stated(data: Path, stream: str, *, below: int | None = None) -> list[str]:
    """The types of a stream's statements, those without a place too; with ``below``, of those placed before it."""
    with open_ledger(data) as hall:
        rows = hall.reader.stream(stream)
    return [
        open_statement(entry).type for index, _, entry in rows if below is None or (index is not None and index < below)
    ]


def ticked(data: Path, stream: str, *, at_least: int) -> list[str]:
    """What was stated in a stream, once the clock has gone through a tick that knew so many of its statements."""
    until = time.monotonic() + 40
    while time.monotonic() < until:
        with suppress(OSError, ValueError):
            # Written at a tick's end: what it had to state by then is stated.
            position = json.loads((data / "clock.json").read_bytes())["position"]
            found = stated(data, stream, below=position)
            if len(found) >= at_least:
                return found
        time.sleep(0.2)
    raise AssertionError(f"the clock does not come to {stream}")


def settled(base: str) -> tuple[int, str]:
    """Size and served checkpoint once all is cosigned and carried."""
    until, last = time.monotonic() + 40, 0
    while time.monotonic() < until:
        size, note = httpx.get(f"{base}/healthz").json()["size"], httpx.get(f"{base}/log/checkpoint").text
        if size == last and note.split("\n")[1] == str(size):
            return size, note
        last = size
        time.sleep(1.5)
    raise AssertionError("it does not settle")


def running_below(data: Path) -> dict[int, list[str]]:
    """The processes that name the folder, with their words."""
    found: dict[int, list[str]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (place / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if any(str(data) in word for word in words) and not any("postgres" in word for word in words):
                found[int(place.name)] = words
    return found
