"""``mingjian clock due``: one line of JSON, exit statuses, and a sentence for people."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from api.clock_commands import clock_app


def ask(*words: str, env: dict[str, str] | None = None) -> Any:
    locale = {"LC_ALL": "", "LC_MESSAGES": "", "LANG": "en_GB.UTF-8"}
    return CliRunner().invoke(clock_app, ["due", *words], env=locale | (env or {}))


def answer(*words: str, status: int = 0) -> Any:
    result = ask(*words, "--json")
    assert result.exit_code == status, result.output
    assert result.stderr == ""
    assert result.stdout.count("\n") == 1, "exactly one line on standard output"
    return orjson.loads(result.stdout)


def test_the_answer_is_the_due_date_and_the_days_that_were_counted() -> None:
    assert answer("--start", "2024-02-08", "--limit", "5", "--unit", "working-day") == {
        "due": "2024-02-21",
        "working_days": ["2024-02-09", "2024-02-18", "2024-02-19", "2024-02-20", "2024-02-21"],
    }


@pytest.mark.parametrize(
    ("words", "due"),
    [
        ("--start 2024-03-04 --limit 5 --pause 2024-03-06..2024-03-08", "2024-03-13"),
        (
            "--start 2024-03-04 --limit 5 --pause 2024-03-05..2024-03-06 --pause 2024-03-06..2024-03-08",
            "2024-03-14",
        ),
        ("--start 2024-03-04 --limit 5 --extend 2", "2024-03-13"),
        ("--start 2020-01-20 --limit 5 --known-on 2020-01-20", "2020-02-01"),
        ("--start 2020-01-20 --limit 5 --known-on 2020-01-28", "2020-02-04"),
        ("--start 2020-01-20 --limit 5", "2020-02-04"),
        ("--start 2024-03-04 --limit 2 --pause 2024-03-06..", "2024-03-06"),
        ("--start 2024-09-30 --limit 5 --unit calendar-day", "2024-10-08"),
        ("--start 2024-09-30 --limit 5 --unit calendar-day --no-roll", "2024-10-05"),
        ("--start 2024-02-08T09:30:00+08:00 --limit 48 --unit hour", "2024-02-10T09:30:00+08:00"),
        ("--start 2024-02-08T09:30:00Z --limit 48 --unit hour --extend 1", "2024-02-10T10:30:00+00:00"),
        (
            "--start 2024-02-08T09:30:00+08:00 --limit 2 --unit hour"
            " --pause 2024-02-08T10:00:00+08:00..2024-02-08T03:00:00.5Z",
            "2024-02-08T12:30:00.500000+08:00",
        ),
    ],
)
def test_due_dates(words: str, due: str) -> None:
    assert answer(*words.split())["due"] == due


def test_calendar_days_show_the_counted_days_and_the_roll() -> None:
    assert answer("--start", "2024-10-03", "--limit", "2", "--unit", "calendar-day") == {
        "due": "2024-10-08",
        "counted_days": ["2024-10-04", "2024-10-05"],
        "rolled_from": "2024-10-05",
    }


def test_hours_show_only_the_instant() -> None:
    found = answer("--start", "2024-02-08T09:30:00+08:00", "--limit", "1", "--unit", "hour")
    assert found == {"due": "2024-02-08T10:30:00+08:00"}


@pytest.mark.parametrize(
    ("words", "not_before"),
    [
        ("--start 2024-03-04 --limit 5 --pause 2024-03-06..", "2024-03-11"),
        ("--start 2024-03-04 --limit 5 --pause 2024-03-06.. --pause 2024-03-04..2024-03-05", "2024-03-12"),
        (
            "--start 2024-02-08T09:30:00+08:00 --limit 2 --unit hour --pause 2024-02-08T10:00:00+08:00..",
            "2024-02-08T11:30:00+08:00",
        ),
    ],
)
def test_an_open_pause_gives_no_due_date_but_a_bound(words: str, not_before: str) -> None:
    assert answer(*words.split()) == {"due": None, "not_before": not_before}


@pytest.mark.parametrize(
    ("words", "details"),
    [
        ("--start 2026-12-25 --limit 5", {"year": 2027}),
        ("--start 2026-12-25 --limit 5 --pause 2026-12-30..", {"year": 2027}),
        ("--start 2027-06-01 --limit 5 --unit calendar-day", {"year": 2027}),
        ("--start 2012-06-01 --limit 5", {"year": 2012}),
        ("--start 2023-12-25 --limit 9 --known-on 2023-10-24", {"year": 2024, "known_from": "2023-10-25"}),
    ],
)
def test_a_year_without_a_schedule_exits_1_with_the_error_as_json(words: str, details: dict[str, Any]) -> None:
    error = answer(*words.split(), status=1)["error"]
    assert error["code"] == "calendar-unknown"
    assert error["mend"]
    assert {key: error[key] for key in ("year", "known_from") if key in error} == details


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("--limit 5", "start"),
        ("--start 2024-02-30 --limit 5", "start"),
        ("--start 20240208 --limit 5", "start"),
        ("--start 2024-02-08T09:30:00+08:00 --limit 5", "start"),
        ("--start 2024-02-08", "limit"),
        ("--start 2024-02-08 --limit 0", "limit"),
        ("--start 2024-02-08 --limit -5", "limit"),
        ("--start 2024-02-08 --limit 1.5", "limit"),
        ("--start 2024-02-08 --limit 5 --extend -1", "extend"),
        ("--start 2024-02-08 --limit 5 --unit week", "unit"),
        ("--start 2024-02-08 --limit 5 --known-on soon", "known-on"),
        ("--start 2024-02-08 --limit 5 --known-on=", "known-on"),
        ("--start 2024-02-08 --limit 5 --pause 2024-03-02..2024-03-01", "pause"),
        ("--start 2024-02-08 --limit 5 --pause 2024-03-02", "pause"),
        ("--start 2024-02-08 --limit 5 --pause ..2024-03-02", "pause"),
        ("--start 2024-02-08 --limit 5 --lang fr", "lang"),
        ("--start 2024-02-08 --limit 5 --unit hour", "start"),
        ("--start 2024-02-08T09:30:00 --limit 5 --unit hour", "start"),
        ("--start 2024-02-08T25:30:00+08:00 --limit 5 --unit hour", "start"),
        ("--start 2024-02-08T09:30:00Z --limit 5 --unit hour --pause 2024-02-08..2024-02-09", "pause"),
    ],
)
def test_wrong_usage_exits_2_and_names_the_option(words: str, option: str) -> None:
    error = answer(*words.split(), status=2)["error"]
    assert (error["code"], error["option"]) == ("usage", option)
    assert f"--{option}" in error["message"]

    for_people = ask(*words.split())
    assert for_people.exit_code == 2
    assert for_people.stdout == ""
    assert f"--{option}" in for_people.stderr


def test_a_bare_date_for_hours_says_how_to_mend_it() -> None:
    error = answer("--start", "2024-02-08", "--limit", "5", "--unit", "hour", status=2)["error"]
    assert "2024-02-08T09:30:00+08:00" in error["mend"]


def test_a_limit_past_all_years_is_wrong_usage() -> None:
    assert answer("--start", "2024-02-08", "--limit", "999999999", status=2)["error"]["code"] == "malformed"


@pytest.mark.parametrize(
    ("words", "env", "said"),
    [
        ("", {}, "Due 2024-02-21: 5 working days from 2024-02-08, the start day not counted."),
        ("", {"LANG": "zh_CN.UTF-8"}, "到期：2024-02-21（自 2024-02-08 起 5 个工作日，起始日不计）。"),
        ("", {"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "Due 2024-02-21"),
        ("--lang zh", {}, "到期：2024-02-21"),
        ("--lang en", {"LANG": "zh_CN.UTF-8"}, "Due 2024-02-21"),
        ("--extend 1", {}, "Due 2024-02-22: 5+1 working days"),
        ("--unit calendar-day", {}, "2024-02-13 is a day off, so it moves to the next working day."),
        ("--unit calendar-day --lang zh", {}, "2024-02-13 休息，顺延至下一工作日"),
        ("--pause 2024-02-09..", {}, "Not yet known: a pause is still open. Not before 2024-02-21."),
        ("--pause 2024-02-09.. --lang zh", {}, "到期日未定：暂停尚未结束；不早于 2024-02-21。"),
    ],
)
def test_without_json_it_is_a_sentence_in_the_language_asked_for(words: str, env: dict[str, str], said: str) -> None:
    result = ask("--start", "2024-02-08", "--limit", "5", *words.split(), env=env)
    assert result.exit_code == 0
    assert said in result.stdout


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ("--start 2026-12-25 --limit 5", 1, "没有 2027 年的放假调休安排"),
        ("--start 2023-12-25 --limit 9 --known-on 2023-10-24", 1, "2023-10-25（公布日）"),
        ("--start 2024-02-30 --limit 5", 2, "要求一个存在的日期"),
    ],
)
def test_refusals_are_told_in_chinese_too(words: str, status: int, said: str) -> None:
    result = ask(*words.split(), "--lang", "zh")
    assert (result.exit_code, result.stdout) == (status, "")
    assert said in result.stderr


def test_as_a_program_of_its_own_it_loads_nothing_of_the_server() -> None:
    program = (
        "import sys; from api.clock_commands import clock_app\n"
        "try:\n    clock_app()\n"
        "finally:\n    print(sorted({m.partition('.')[0] for m in sys.modules}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "due", "--start", "2024-02-08", "--limit", "1", "--json"],
        capture_output=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == b'{"due":"2024-02-09","working_days":["2024-02-09"]}\n'
    loaded = done.stderr.decode()
    for heavy in ("psycopg", "fastapi", "eventsourcing", "granian", "cbor2", "cryptography", "cv2"):
        assert f"'{heavy}'" not in loaded
