"""How commands speak to people: what is to be copied is there whole."""

from __future__ import annotations

import pytest

from api.output import answer


def test_a_link_is_neither_cut_nor_broken_in_a_narrow_window(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    link = "http://127.0.0.1:8080/enter?code=" + "x" * 43
    answer({"link": link, "said": "[bold] as it stands"}, as_json=False)
    told = capsys.readouterr().out
    assert link in told
    assert "[bold] as it stands" in told


def test_a_table_of_long_ids_is_read_in_eighty_columns_and_they_are_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    card = f"card/{'4f' * 32}"
    rows = [{"rule": "R-OVER", "unit": "环保局", "due_us": 1_700_000_000_123_456, "stream": card, "why": None}] * 2
    answer({"n": 2, "cards": rows}, as_json=False, columns={"cards": "rule unit due | stream why"})
    told = capsys.readouterr().out.splitlines()
    assert told.count(f"    stream {card}") == 2
    assert [line for line in told if line.startswith("R-OVER")] == ["R-OVER  环保局  2023-11-14 22:13Z"] * 2
    assert "rule    unit    due" in told
    assert all(len(line) <= 80 for line in told)
    answer({"n": 2, "cards": rows}, as_json=True, columns={"cards": "rule unit due | stream why"})
    assert '"due":"2023-11-14T22:13:20.123456Z"' in capsys.readouterr().out
