"""Tables brought in by the command: figures are those of a plain walk, and the guarantees are those of any import."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ledger.door.hall import Hall
from ledger.errors import Conflict
from ledger.exchange import importer
from ledger.exchange.csv_in import Table, import_csv
from projections import imported
from projections.runner import Projector

MINGJIAN = Path(sys.executable).with_name("mingjian")
SHANGHAI = ZoneInfo("Asia/Shanghai")
STEPS = Table(case="case", time="at", activity="step")


def run(*words: str | Path, expect: int = 0) -> dict[str, Any]:
    done = subprocess.run([MINGJIAN, *words, "--json"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == expect, done.stdout + done.stderr
    assert done.stdout.count("\n") == 1, done.stdout
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("csv") / "data"
    run("init", "--data", folder)
    return folder


def mixed_table(path: Path) -> None:
    """Two hundred events of forty permits as another system would write them: day first, mixed, in GB 18030."""
    chance = random.Random(11)
    begin = datetime(2024, 3, 4, 9)  # noqa: DTZ001 - a local time, as the table has it
    with path.open("w", encoding="gb18030", newline="") as out:
        table = csv.writer(out, delimiter=";")
        table.writerow(["许可", "环节", "时间", "经办", "备注"])
        for number in range(200):
            at = begin + timedelta(minutes=37 * number)
            step = chance.choice(["受理", "审查", "决定", "办结"])
            who = chance.choice(["李明", "王芳", "赵强", ""])
            table.writerow([f"P{chance.randrange(40)}", step, f"{at:%d/%m/%Y %H:%M}", who, f"备注;{number}\n=1+1"])


def test_the_figures_of_a_table_are_those_of_a_plain_walk_over_its_rows(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "permits.csv"
    mixed_table(path)
    words = ["--case", "许可", "--time", "时间", "--activity", "环节", "--resource", "经办", "--encoding", "gb18030"]
    words += ["--time-format", "%d/%m/%Y %H:%M", "--tz", "Asia/Shanghai", "--data", str(data)]
    found = run("import", "csv", path, "--source", "mixed", *words)
    figures = run("metrics", "throughput", "--source", "mixed", "--data", data)

    cases: dict[str, list[tuple[datetime, str]]] = {}
    with path.open(encoding="gb18030", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    for row in rows:
        at = datetime.strptime(row["时间"], "%d/%m/%Y %H:%M").replace(tzinfo=SHANGHAI)
        cases.setdefault(row["许可"], []).append((at, row["环节"]))
    times = [at for events in cases.values() for at, _ in events]
    assert [found[name] for name in ("cases", "events", "activities", "resources", "flagged", "files")] == [
        len(cases),
        200,
        4,
        3,
        0,
        1,
    ]
    assert found["added"] == len(cases) + 200
    assert [datetime.fromisoformat(found[name]) for name in ("first", "last")] == [min(times), max(times)]
    assert figures["variants"] == len({tuple(step for _, step in events) for events in cases.values()})
    assert figures["directly_follows_edges"] == len(
        {(one, other) for events in cases.values() for (_, one), (_, other) in pairwise(events)}
    )

    out = tmp_path / "out.json"
    told = run("export", "ocel", out, "--source", "mixed", "--data", data)
    events = json.loads(out.read_text("utf-8"))["events"]
    assert (told["cases"], told["events"]) == (len(cases), len(events)) == (len(cases), 200)
    assert Counter((event["type"], datetime.fromisoformat(event["time"])) for event in events) == Counter(
        (step, at) for events_of in cases.values() for at, step in events_of
    )

    again = run("import", "csv", path, "--source", "mixed", *words)
    assert again == found | {"added": 0}, "a repeat appends nothing"
    listed = run("case", "list", "--source", "mixed", "--data", data, "--limit", "1000")["cases"]
    assert [(case["id"], case["events"]) for case in listed] == [(name, len(events)) for name, events in cases.items()]


def test_people_and_notes_are_nowhere_in_the_log_unless_named_clear(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("case,step,at,who,note,channel\nP-4711,a,2024-01-01,李明明,secret note,by post\n", "utf-8")
    words = ["--case", "case", "--time", "at", "--activity", "step", "--resource", "who", "--data", str(data)]
    run("import", "csv", path, "--source", "sealed", *words, "--clear", "channel")
    run("export", "log", tmp_path / "log", "--data", data)
    log = b"".join(one.read_bytes() for one in (tmp_path / "log").rglob("*") if one.is_file())
    assert b"by post" in log
    for text in ("P-4711", "李明明", "secret note"):
        assert text.encode() not in log
    refused = run("import", "csv", path, "--source", "sealed", *words, "--clear", "chanel", expect=1)["error"]
    assert (refused["code"], refused["missing"]) == ("no-column", ["chanel"])


def test_deadlines_are_counted_where_a_row_is_a_case_and_open_ones_close_later(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "requests.csv"
    day = datetime(2024, 3, 1)  # noqa: DTZ001 - a local time, as the table has it
    head = "id,applied,due,granted\n"
    lines = [
        (number, day, day + timedelta(days=10, hours=12), day + timedelta(days=number) if number % 4 else None)
        for number in range(1, 21)
    ]

    def write() -> None:
        rows = (f"{n},{at:%Y-%m-%d %H:%M},{due:%Y-%m-%d %H:%M},{end or ''}\n" for n, at, due, end in lines)
        path.write_text(head + "".join(rows), "utf-8")

    def expected() -> list[int]:
        closed = [(due, end) for _, _, due, end in lines if end is not None]
        late = sum(end > due for due, end in closed)
        return [len(closed), len(closed) - late, late, len(lines) - len(closed)]

    words = ["--case", "id", "--time", "applied", "--deadline", "due", "--end", "granted"]
    words += ["--tz", "+08:00", "--source", "due", "--data", str(data)]
    write()
    first = run("import", "csv", path, *words)
    assert [first["cases"], first["events"], first["added"]] == [20, 35, 55]
    told = run("metrics", "deadlines", "--source", "due", "--data", data)
    assert [told[name] for name in ("closed", "on_time", "late", "open")] == expected() == [15, 8, 7, 5]
    lines[3] = (*lines[3][:3], day + timedelta(days=30))
    write()
    assert run("import", "csv", path, *words)["added"] == 2, "the date that the case has now, and the event of its end"
    told = run("metrics", "deadlines", "--source", "due", "--data", data)
    assert [told[name] for name in ("closed", "on_time", "late", "open")] == expected() == [16, 8, 8, 4]


def test_a_broken_table_names_its_line_and_nothing_has_happened(data: Path, tmp_path: Path) -> None:
    good, broken = tmp_path / "good.csv", tmp_path / "broken.csv"
    good.write_text("case,step,at\n1,a,2024-01-01\n", "utf-8")
    broken.write_text("case,step,at\n1,a,2024-01-01\n1,b\n", "utf-8")
    words = ["--case", "case", "--time", "at", "--activity", "step", "--source", "broken", "--data", str(data)]
    refused = run("import", "csv", good, broken, *words, expect=1)["error"]
    assert (refused["code"], refused["line"], refused["file"]) == ("ragged", 3, str(broken))
    assert run("import", "list", "--source", "broken", "--data", data, expect=1)["error"]["code"] == "no-source"


# ── The same guarantees, closer by ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(*rows: str, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(["case,step,at,note", *rows]) + "\n", "utf-8")
        return path

    return written


def bring_in(hall: Hall, path: Path, source: str, table: Table = STEPS) -> int:
    done = import_csv(hall, path, table=table, source=source)
    assert done.last is None or hall.wait_placed([done.last], timeout_s=20)
    return done.added


def test_rows_behind_the_recorded_ones_are_added_and_changed_ones_refused(
    hall: Hall, write: Callable[..., Path]
) -> None:
    rows = ["1,a,2024-01-01,x", "2,a,2024-01-01,x"]
    assert bring_in(hall, write(*rows), "rows") == 4
    assert bring_in(hall, write(*rows, "1,b,2024-01-02,x", "3,a,2024-01-03,"), "rows") == 3
    assert bring_in(hall, write("1,a,2024-01-01,x", name="part.csv"), "rows") == 0, "less is no change"
    for change, differs in [
        ("1,a,2024-01-01,y", "attributes"),
        ("1,z,2024-01-01,x", "activity"),
        ("1,a,2024-01-02,x", "time"),
    ]:
        with pytest.raises(Conflict) as caught:
            bring_in(hall, write("2,a,2024-01-01,x", change), "rows")
        assert caught.value.details["first"][0]["differs"] == [differs]
        assert caught.value.details["first"][0]["line"] == 3


def test_an_import_that_was_broken_off_goes_on_where_it_stopped(
    hall: Hall, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "CHUNK", 5)
    path = write(*(f"{number % 7},a,2024-01-01,{number}" for number in range(40)))

    def stop(step: str, done: int, _: int) -> None:
        if step == "appending" and done >= 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_csv(hall, path, table=STEPS, source="stopped", progress=stop)
    added = bring_in(hall, path, "stopped")
    assert 0 < added < 47
    assert bring_in(hall, path, "stopped") == 0
    Projector(hall.database).catch_up()
    with hall.database.use("reader") as connection:
        totals = imported.totals(connection, "stopped")
        files = list(imported.imports(connection, "stopped"))
    assert (totals["cases"], totals["events"]) == (7, 40)
    assert [(file["finished_index"] is not None) for file in files] == [True]


def test_the_same_file_may_not_be_read_another_way(hall: Hall, write: Callable[..., Path]) -> None:
    path = write("1,a,2024-01-02 10:00,k", "2,b,2024-01-02 10:00,k")
    bring_in(hall, path, "ways")
    size = hall.reader.head().size
    for other in (
        Table(case="note", time="at", activity="step"),
        Table(case="case", time="at", activity="step", start="at"),
    ):
        with pytest.raises(Conflict) as caught:
            bring_in(hall, path, "ways", other)
        assert caught.value.code == "import-read-otherwise"
    with pytest.raises(Conflict) as caught:
        bring_in(hall, path, "ways", Table(case="case", time="at", activity="step", zone="+08:00"))
    assert caught.value.details["first"][0]["differs"] == ["time"]
    assert hall.reader.head().size == size
