"""The real log, from the file to the figures, through the commands; the figures are those of independent tools."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MINGJIAN = Path(sys.executable).with_name("mingjian")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, real_log: Path) -> Path:
    folder = tmp_path_factory.mktemp("known") / "data"
    run(folder, "init")
    run(folder, "import", "xes", str(real_log), "--source", "permits")
    return folder


def run(data: Path, *words: str) -> dict[str, Any]:
    done = subprocess.run([MINGJIAN, *words, "--data", data, "--json"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_every_figure_agrees_with_independent_tools(known: Path) -> None:
    found = run(known, "metrics", "throughput", "--source", "permits")
    counts = {"cases": 1434, "events": 8577, "activities": 27, "resources": 48, "variants": 116}
    counts |= {"directly_follows_edges": 99, "handover_pairs": 286, "handovers_between": 1208}
    assert {name: found[name] for name in counts} == counts
    assert [variant["cases"] for variant in found["top_variants"]] == [713, 123, 116, 115, 75]
    for name, seconds in {"mean_s": 467263.915, "median_s": 2868.583, "p90_s": 1217821.799}.items():
        assert found[name] == pytest.approx(seconds, abs=0.000_500_001), name
    late = run(known, "metrics", "deadlines", "--source", "permits")
    assert [late[name] for name in ("closed", "on_time", "late", "open")] == [1329, 952, 377, 105]
    then = run(known, "metrics", "as-of", "--source", "permits", "--event-time", "2011-06-01T00:00Z")
    assert [then[name] for name in ("started", "ended", "open", "events")] == [768, 754, 14, 4683]
    words = ("cards", "backtest", "--source", "permits", "--yellow", "0.9", "--red", "1.0", "--calendar-time")
    cards = run(known, *words)
    assert [cards[name] for name in ("green", "yellow", "red")] == [727, 225, 377]


def test_a_rebuild_gives_the_same_digest(known: Path) -> None:
    before = run(known, "digest")
    assert run(known, "rebuild")["digest"] == before["digest"]
    assert run(known, "digest") == before


def test_a_case_is_shown_as_of_any_position_each_statement_checked(known: Path) -> None:
    listed = run(known, "case", "list", "--source", "permits", "--limit", "2")
    shown = run(known, "case", "show", listed["cases"][0]["id"])
    assert shown["n"] == 1 + listed["cases"][0]["events"]
    third = shown["events"][2]
    earlier = run(known, "case", "show", listed["cases"][0]["id"], "--as-of", str(third["index"]))
    assert earlier["events"] == shown["events"][:2]
