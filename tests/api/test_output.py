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
