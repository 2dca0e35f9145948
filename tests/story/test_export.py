"""A source's cases out again, as its user does it: equal to what came in, and fit to come in once more."""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from ledger.door.hall import open_ledger
from ledger.exchange.generate import generate_xes
from ledger.statement import open_statement
from ledger.store.vault import Vault

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


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated log, and behind it a case with all that is odd."""
    path = tmp_path_factory.mktemp("log") / "log.xes"
    generate_xes(path, cases=40, seed=8)
    odd = (
        '<trace><string key="concept:name" value="odd"/><float key="cost" value="0.10"/><id key="i" value="x"/>'
        '<list key="l"><values><string key="p" value="张三"/><int key="q" value="1"/></values></list>'
        '<string key="parent" value="p"><string key="child" value="c&amp;&#10;d"/></string>'
        '<event><date key="time:timestamp" value="2024-02-30"/><string key="free" value=""/></event>'
        '<event><date key="time:timestamp" value="2024-02-28 10:00"/>'
        '<string key="org:resource" value="王 &quot;5&quot;"/>'
        '<string key="lifecycle:transition" value="suspend"/><string key="concept:name" value="b"/></event>'
        '<event><int key="concept:name" value="5"/><date key="d" value="2024-01-01"/>'
        '<unknown key="u" value="v"/></event>'
        "</trace>"
    )
    path.write_text(path.read_text("utf-8").replace("</log>", odd + "</log>"), "utf-8")
    return path


def walk(path: Path) -> Iterator[tuple[Any, list[Any]]]:
    """Another library's view: per trace its attributes, and those of its events in their order, as multisets."""

    def whole(element: Any) -> tuple[Any, ...]:
        kind = etree.QName(element).localname
        return (kind, element.get("key"), element.get("value"), tuple(whole(child) for child in element))

    def attributes(element: Any) -> Any:
        return frozenset(Counter(whole(c) for c in element if etree.QName(c).localname != "event").items())

    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        for trace in etree.parse(file).getroot().iterfind("{*}trace"):
            yield attributes(trace), [attributes(event) for event in trace.iterfind("{*}event")]


@pytest.fixture(scope="module")
def exported(data: Path, log: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("out") / "out.xes.gz"
    run("import", "xes", log, "--source", "first", "--data", data)
    return path, run("export", "xes", path, "--source", "first", "--data", data)


def test_every_case_event_and_attribute_comes_out_as_it_came_in(
    log: Path, exported: tuple[Path, dict[str, Any]]
) -> None:
    path, told = exported
    came_in, went_out = list(walk(log)), list(walk(path))
    assert went_out == came_in
    assert (told["cases"], told["events"]) == (len(came_in), sum(len(events) for _, events in came_in))
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_went_out_comes_in_as_another_source_with_the_same_figures(
    data: Path, log: Path, exported: tuple[Path, dict[str, Any]]
) -> None:
    path, _ = exported
    counts = ("cases", "events", "activities", "resources", "flagged", "first", "last")
    first = run("import", "xes", log, "--source", "first", "--data", data)
    second = run("import", "xes", path, "--source", "second", "--data", data)
    assert {name: second[name] for name in counts} == {name: first[name] for name in counts}
    figures = [run("metrics", "throughput", "--source", source, "--data", data) for source in ("first", "second")]
    assert figures[0] | {"as_of": None} == figures[1] | {"as_of": None}


def test_an_export_never_takes_the_place_of_a_file_and_needs_a_source(
    data: Path, tmp_path: Path, exported: tuple[Path, dict[str, Any]]
) -> None:
    path, told = exported
    refused = run("export", "xes", path, "--source", "first", "--data", data, expect=1)
    assert refused["error"]["code"] == "file-exists"
    assert told["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert run("export", "xes", tmp_path / "x.xes", "--source", "none", "--data", data, expect=1)["error"]["code"] == (
        "no-source"
    )
    assert list(tmp_path.iterdir()) == []


def test_what_later_files_added_stands_in_its_case(data: Path, log: Path, tmp_path: Path) -> None:
    text = log.read_text("utf-8")
    begun, end = text.index("<trace>"), text.index("</trace>") + len("</trace>")
    first_case = text[begun:end]
    grown = first_case.replace("<event>", '<string key="outcome" value="granted"/><event>', 1)
    grown = grown.replace("</trace>", '<event><string key="concept:name" value="更正"/></event></trace>')
    more = tmp_path / "more.xes"
    more.write_text(text[:begun] + grown + first_case.replace("permit-", "other-") + "</log>", "utf-8")
    out = tmp_path / "out.xes"
    run("import", "xes", log, more, "--source", "grown", "--data", data)
    run("export", "xes", out, "--source", "grown", "--data", data)
    known, added = list(walk(log)), list(walk(more))
    assert list(walk(out)) == [added[0], *known[1:], added[1]]


def test_what_was_erased_is_shown_as_such(data: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "log.xes", tmp_path / "out.xes"
    generate_xes(log, cases=2, seed=9)
    run("import", "xes", log, "--source", "erased", "--data", data)
    stream = run("case", "list", "--source", "erased", "--data", data)["cases"][0]["stream"]
    vault = Vault(data / "vault.sqlite")
    vault.forget(stream)
    vault.close()
    told = run("export", "xes", out, "--source", "erased", "--data", data)
    first, second = walk(out)
    assert told["erased"] == 1 + len(first[1])
    assert (("string", "mingjian:erased", "rest", ()), 1) in first[0]
    assert (("string", "concept:name", f"erased {stream.rpartition('/')[2]}", ()), 1) in first[0]
    # The people of the erased case go on being named where they worked in others: a person is forgotten alone.
    assert second == list(walk(log))[1]
    with open_ledger(data) as hall:
        pseudonyms = {
            act.data["resource"]
            for _, _, entry in hall.reader.stream(stream)
            if "resource" in (act := open_statement(entry)).data
        }
        assert set(hall.vault.names(list(pseudonyms))) == pseudonyms
        for one in pseudonyms:
            assert hall.vault.forget(f"person/{one}") == 1
        assert hall.vault.names(list(pseudonyms)) == {}


CHANGE = (
    "UPDATE ledger.statements SET entry = set_byte(entry, 300, get_byte(entry, 300) # 1)"
    " WHERE insertion_id = (SELECT insertion_id FROM ledger.leaves WHERE index = %s)"
)


def test_a_changed_row_is_named_and_no_file_is_left(data: Path, tmp_path: Path) -> None:
    log, out = tmp_path / "log.xes", tmp_path / "out.xes"
    generate_xes(log, cases=2, seed=10)
    run("import", "xes", log, "--source", "changed", "--data", data)
    case = run("case", "list", "--source", "changed", "--data", data)["cases"][1]
    index = run("case", "show", case["stream"], "--data", data)["events"][-1]["index"]
    with open_ledger(data) as hall, hall.database.connect("owner") as owner:
        owner.execute("ALTER TABLE ledger.statements DISABLE TRIGGER forbid")
        owner.execute(CHANGE, (index,))
        refused = run("export", "xes", out, "--source", "changed", "--data", data, expect=1)
        owner.execute(CHANGE, (index,))
        owner.execute("ALTER TABLE ledger.statements ENABLE TRIGGER forbid")
    assert (refused["error"]["code"], refused["error"]["entry"]) == ("entry-changed", index)
    assert list(tmp_path.iterdir()) == [log]
    assert run("export", "xes", out, "--source", "changed", "--data", data)["cases"] == 2
