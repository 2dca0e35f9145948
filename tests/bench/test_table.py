"""The bench's table says truly what was met, and replaces nothing but itself in a document."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.table import BEGIN, END, Aim, Row, as_markdown, as_text, at_least, at_most, write_block


def row(*aims: Aim) -> Row:
    return Row(name="r", what="w", ours="1/s", rival="2/s", ratio=0.5, aims=aims, limit="l")


@pytest.mark.parametrize(
    ("aim", "verdict"),
    [
        (at_least(0.6, 0.6), "met"),
        (at_least(0.3, 0.6), "missed by 50%"),
        (at_most(1.5, 1.5), "met"),
        (at_most(1.8, 1.5), "missed by 20%"),
        (at_most(6.0, 1.5), "missed: 4.0 × the aim"),
        (Aim(1, "at most", 0, "none"), "missed"),
    ],
)
def test_a_verdict_says_by_how_much_an_aim_was_missed(aim: Aim, verdict: str) -> None:
    assert aim.verdict == verdict
    assert row(aim).cells[6] == verdict


def test_a_row_with_two_aims_is_met_only_when_both_are() -> None:
    assert row(at_most(1.0, 1.5), at_most(9.0, 1.5)).cells[6] == "missed: 6.0 × the aim"


def test_the_terminal_table_has_a_line_for_each_row() -> None:
    assert len(as_text([row(at_least(1, 1)), row(at_least(1, 1))]).splitlines()) == 3


def test_only_the_block_between_the_markers_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "p.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    write_block(path, as_markdown([row(at_least(1, 1))], "make bench"))
    write_block(path, as_markdown([row(at_least(1, 1))], "make bench"))
    text = path.read_text("utf-8")
    assert text.startswith("before\n" + BEGIN)
    assert text.endswith(END + "\nafter\n")
    assert "old" not in text
    assert text.count("| r |") == 1


def test_a_document_without_markers_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "p.md"
    path.write_text("nothing\n", "utf-8")
    with pytest.raises(SystemExit, match="has no block"):
        write_block(path, "block")
    assert path.read_text("utf-8") == "nothing\n"
