"""What lists show of a played district is what its log says: cases, cards and tickets, byte for byte."""

from __future__ import annotations

import pytest

from ledger.facts.shown import digest_of
from ledger.tree.checkpoint import open_checkpoint
from ledger.tree.merkle import Frontier
from ledger.verify.replay import Replay
from projections.shown import read_shown
from tests.demo.conftest import Played


def shown(played: Played) -> tuple[int, str]:
    with read_shown(played.hall.database) as (_, _, rows):
        return digest_of(rows)


@pytest.fixture(scope="module")
def derived(played: Played) -> list[bytes]:
    """The rows, from the entries alone."""
    policy, tree = played.hall.policy(), Frontier()
    head = open_checkpoint((played.data / "published" / "checkpoint").read_bytes(), policy, need_quorum=False)
    key = head.log.key.public_key
    replay = Replay(origin=head.checkpoint.origin, log_key=key, policy=policy, root=tree.root)
    for act in played.acts():
        tree.append(replay.take(tree.size, act.entry))
    replay.check_end()
    return list(replay.shown())


def test_the_tables_show_what_the_log_says(played: Played, derived: list[bytes]) -> None:
    assert sum(row.startswith(b'["card/') for row in derived) > 3
    assert shown(played) == digest_of(derived)


@pytest.mark.parametrize(
    ("table", "change"),
    [("cards", "colour = 'prompt'"), ("cards", "answered_us = 7"), ("card_states", "stage = 'revoked'")],
)
def test_a_changed_row_of_a_card_shows(played: Played, derived: list[bytes], table: str, change: str) -> None:
    stream = next(row for row in derived if row.startswith(b'["card/')).split(b'"')[1].decode()
    with played.hall.database.connect("owner") as owner:
        owner.execute("SELECT 1")
        before = owner.execute(f"SELECT * FROM projections.{table} WHERE stream = %s", (stream,)).fetchall()  # noqa: S608
        owner.execute(f"UPDATE projections.{table} SET {change} WHERE stream = %s", (stream,))  # noqa: S608
        owner.commit()
        try:
            assert shown(played) != digest_of(derived)
        finally:
            owner.execute(f"DELETE FROM projections.{table} WHERE stream = %s", (stream,))  # noqa: S608
            marks = ", ".join(["%s"] * len(before[0]))
            owner.cursor().executemany(f"INSERT INTO projections.{table} VALUES ({marks})", before)  # noqa: S608
            owner.commit()
    assert shown(played) == digest_of(derived)
