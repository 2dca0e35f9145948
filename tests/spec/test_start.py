"""The guide of the first five minutes: every command in it is run, in its order, and does what the page says."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.exchange.generate import generate_xes

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
PAGE = (ROOT / "docs/guide/start.md").read_text("utf-8")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What `make demo` makes, with a log of forty cases."""
    home = tmp_path_factory.mktemp("start")
    (home / ".venv").mkdir()
    (home / ".venv" / "bin").symlink_to(BIN)
    generate_xes(home / "log.xes", cases=40, seed=4)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [BIN / "mingjian", "up", "--demo"],
        cwd=home,
        env=os.environ | {"DEMO_LOG": str(home / "log.xes"), "PORT": str(port), "DEMO_SCALE": "0.002"},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if "Your way in" in line:
                break
        else:
            pytest.fail("the demo did not come up")
        yield home
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def run(line: str, home: Path) -> subprocess.CompletedProcess[str]:
    path = f"{home}/.venv/bin:{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "LANG": "C.UTF-8"}
    return subprocess.run(["bash", "-c", line], cwd=home, env=env, capture_output=True, text=True, check=False)


def test_make_demo_is_what_the_fixture_runs() -> None:
    assert "demo: setup\n\t@exec $(BIN)/mingjian up --demo\n" in (ROOT / "Makefile").read_text()
    assert "```\nmake demo\n```" in PAGE


def test_every_command_of_the_page_does_what_it_says(home: Path) -> None:
    lines = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 20
    case = ""
    for line in lines:
        command = line.partition(" #")[0].strip()
        if command.startswith("CASE="):
            listed = run("mingjian case list --source permits --json", home)
            case = f"CASE={json.loads(listed.stdout)['cases'][0]['id']}; "
            continue
        done = run(case + command, home)
        expected = 1 if "exit code 1" in line else 0
        assert done.returncode == expected, (line, done.stdout, done.stderr)


def test_what_the_guide_for_supervisors_shows_runs_on_the_demo(home: Path) -> None:
    page = (ROOT / "docs/guide/oversee.md").read_text("utf-8")
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL) for line in block.splitlines()]
    assert len(lines) == 9
    for line in lines:
        done = run(line.partition(" #")[0].strip(), home)
        assert done.returncode == 0, (line, done.stdout, done.stderr)
