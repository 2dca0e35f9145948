"""The main job as its user does it: open a ledger, bring a log in, twice; the second time changes nothing."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ledger.exchange.generate import generate_xes

MINGJIAN = Path(sys.executable).with_name("mingjian")


def run(*words: str | Path, expect: int = 0) -> dict[str, Any]:
    done = subprocess.run([MINGJIAN, *words, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    assert done.stdout.count("\n") == 1, done.stdout
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story") / "data"
    run("init", "--data", folder)
    return folder


HEAD = '<log xes.version="1.0" xmlns="http://www.xes-standard.org/">'


def write_log(path: Path, **cases: tuple[str, str]) -> Path:
    """Cases by name: (attributes as XML, one letter per event, a day apart)."""
    text = HEAD
    for case_id, (attributes, letters) in cases.items():
        text += f'<trace><string key="concept:name" value="{case_id}"/>{attributes}'
        for day, letter in enumerate(letters, start=1):
            text += (
                f'<event><string key="concept:name" value="{letter}"/><string key="note" value="note {letter}"/>'
                f'<date key="time:timestamp" value="2024-01-{day:02d}T09:00:00+08:00"/></event>'
            )
        text += "</trace>"
    path.write_text(text + "</log>", "utf-8")
    return path


def test_a_log_comes_in_once_and_a_repeat_appends_nothing(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.xes.gz"
    generate_xes(log, cases=60, seed=1)
    first = run("import", "xes", log, "--source", "a", "--data", data)
    again = run("import", "xes", log, "--source", "a", "--data", data)
    assert first["cases"] == 60
    assert again["added"] == 0
    assert again | {"added": first["added"]} == first


def test_the_same_log_in_another_file_appends_nothing(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.xes"
    packed = tmp_path / "log.xes.gz"
    generate_xes(log, cases=6, seed=1)
    packed.write_bytes(gzip.compress(log.read_bytes()))
    first = run("import", "xes", log, "--source", "a2", "--data", data)
    assert run("import", "xes", packed, "--source", "a2", "--data", data)["log_size"] == first["log_size"]
    assert run("import", "list", "--source", "a2", "--data", data)["n"] == 1


def test_several_files_are_one_source_and_the_totals_are_of_all_of_them(data: Path, tmp_path: Path) -> None:
    one = write_log(tmp_path / "1.xes", A=("", "ab"), B=("", "a"))
    two = write_log(tmp_path / "2.xes", C=("", "abc"))
    three = write_log(tmp_path / "3.xes", B=("", "ad"), D=("", "e"))
    found = run("import", "xes", one, two, "--source", "several", "--data", data)
    assert [found[name] for name in ("cases", "events", "activities", "files")] == [3, 6, 3, 2]
    found = run("import", "xes", three, "--source", "several", "--data", data)
    assert [found[name] for name in ("cases", "events", "activities", "added")] == [4, 8, 5, 3]
    listed = run("import", "list", "--source", "several", "--data", data)
    assert [(file["cases"], file["events"], file["finished"]) for file in listed["files"]] == [
        (2, 3, True),
        (1, 3, True),
        (2, 3, True),
    ]
    cases = run("case", "list", "--source", "several", "--data", data)["cases"]
    assert [(case["id"], case["case_no"], case["events"]) for case in cases] == [
        ("A", 1, 2),
        ("B", 2, 2),
        ("C", 3, 3),
        ("D", 4, 1),
    ]


def test_a_changed_event_is_refused_and_nothing_is_written(data: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.xes"
    generate_xes(log, cases=5, seed=2)
    size = run("import", "xes", log, "--source", "b", "--data", data)["log_size"]
    text = log.read_text("utf-8")
    changed = text.replace('<string key="org:resource" value="', '<string key="org:resource" value="X', 1)
    log.write_text(changed, "utf-8")
    refused = run("import", "xes", log, "--source", "b", "--data", data, expect=1)
    assert (refused["error"]["code"], refused["error"]["changed"]) == ("import-changed", 1)
    assert refused["error"]["first"][0]["differs"] == ["resource"]
    log.write_text(text, "utf-8")
    assert run("import", "xes", log, "--source", "b", "--data", data)["log_size"] == size


@pytest.mark.parametrize(
    ("attributes", "letters", "differs"),
    [
        ("", "axb", ["activity", "attributes"]),
        ("", "b", ["activity", "attributes"]),
        ('<string key="channel" value="post"/>', "ab", ["attributes"]),
    ],
    ids=[
        "an event between recorded ones",
        "only the later part of a case",
        "another value of a known attribute",
    ],
)
def test_what_would_change_what_is_recorded_is_refused(
    data: Path, tmp_path: Path, request: pytest.FixtureRequest, attributes: str, letters: str, differs: list[str]
) -> None:
    source = f"r{len(request.node.callspec.id)}"
    log = write_log(tmp_path / "log.xes", A=('<string key="channel" value="web"/>', "ab"))
    size = run("import", "xes", log, "--source", source, "--data", data)["log_size"]
    write_log(log, B=("", "a"), A=(attributes, letters))
    refused = run("import", "xes", log, "--source", source, "--data", data, expect=1)["error"]
    assert (refused["code"], refused["first"][0]["differs"]) == ("import-changed", differs)
    write_log(log, A=("", "a"))
    assert run("import", "xes", log, "--source", source, "--data", data)["log_size"] == size, "less is no change"


def test_a_case_that_has_ended_since_grows_events_and_attributes_once(data: Path, tmp_path: Path) -> None:
    dates = '<date key="startdate" value="2024-01-01T08:00:00+08:00"/><date key="deadline" value="2024-01-03"/>'
    log = write_log(tmp_path / "log.xes", A=(dates, "ab"), B=(dates, "a"))
    run("import", "xes", log, "--source", "grown", "--data", data)
    ended = dates + '<date key="enddate" value="2024-01-04T10:00:00+08:00"/><string key="outcome" value="granted"/>'
    write_log(log, B=(dates, "a"), A=(ended, "abc"))
    grown = run("import", "xes", log, "--source", "grown", "--data", data)
    assert (grown["cases"], grown["events"], grown["added"]) == (2, 4, 2)
    late = run("metrics", "deadlines", "--source", "grown", "--data", data)
    assert [late[name] for name in ("closed", "late", "open")] == [1, 1, 1]
    log.write_text(log.read_text("utf-8") + "\n", "utf-8")
    again = run("import", "xes", log, "--source", "grown", "--data", data)
    assert (again["added"], again["log_size"]) == (0, grown["log_size"])
    log.write_text(log.read_text("utf-8").replace("granted", "refused"), "utf-8")
    assert run("import", "xes", log, "--source", "grown", "--data", data, expect=1)["error"]["changed"] == 1


def test_columns_named_clear_stand_in_clear_and_naming_others_later_changes_nothing(data: Path, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.xes", A=('<string key="channel" value="web"/>', "ab"))
    size = run("import", "xes", log, "--source", "clear", "--clear", "channel", "--data", data)["log_size"]
    shown = run("case", "show", "A", "--data", data)["events"][0]
    write_log(log, A=('<string key="channel" value="web"/>', "ab"), C=("", "a"))
    more = run("import", "xes", log, "--source", "clear", "--clear", "note", "--data", data)
    assert more["added"] == 2
    assert more["log_size"] > size
    assert shown["type"] == "imported.case.v1"


def test_a_broken_file_names_its_line_and_nothing_has_happened(data: Path, tmp_path: Path) -> None:
    good, log = tmp_path / "good.xes", tmp_path / "log.xes"
    generate_xes(good, cases=5, seed=3)
    log.write_text(good.read_text("utf-8")[:-200], "utf-8")
    before = run("export", "log", tmp_path / "before", "--data", data)["size"]
    refused = run("import", "xes", good, log, "--source", "c", "--data", data, expect=1)
    assert "line" in refused["error"]["message"]
    assert run("import", "list", "--source", "c", "--data", data, expect=1)["error"]["code"] == "no-source"
    assert run("export", "log", tmp_path / "after", "--data", data)["size"] == before


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-x", "张三"])
def test_a_name_that_no_source_can_have_is_refused(data: Path, tmp_path: Path, name: str) -> None:
    log = write_log(tmp_path / "log.xes", A=("", "a"))
    assert run("import", "xes", log, f"--source={name}", "--data", data, expect=1)["error"]["code"] == "source"


def test_a_second_ledger_in_the_same_folder_is_refused(data: Path) -> None:
    assert run("init", "--data", data, expect=1)["error"]["code"] == "ledger-exists"


def test_the_exported_log_holds_only_checkpoint_policy_and_tiles(data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    run("export", "log", folder, "--data", data)
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint", "policy", "tile"]
