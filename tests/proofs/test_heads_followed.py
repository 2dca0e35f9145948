"""Whoever replays the log finds out whether stated heads are true."""

from __future__ import annotations

from hashlib import sha256
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ledger.tree.stated as followed
from ledger.errors import Malformed, Refused
from ledger.tree.heads import Heads, HeadTree, Row, stream_hash
from ledger.tree.stated import HeadsFollowed
from ledger.verify.remembered import File

Moves = list[tuple[str, int, bytes]]


def moves_of(streams: list[int]) -> Moves:
    seqs: dict[int, int] = {}
    found = []
    for number, stream in zip(count(), streams):
        seqs[stream] = seqs.get(stream, 0) + 1
        found.append((f"case/{stream}", seqs[stream], sha256(b"%d" % number).digest()))
    return found


def true_heads(moves: Moves, size: int) -> Heads:
    tree = HeadTree()
    tree.update(Row(stream_hash(s), seq, id_) for s, (seq, id_) in {s: (n, i) for s, n, i in moves[:size]}.items())
    return tree.heads(size)


@given(streams=st.lists(st.integers(0, 9), min_size=1, max_size=60), data=st.data())
def test_true_heads_of_any_size_up_to_now_are_accepted_as_they_rise(streams: list[int], data: st.DataObject) -> None:
    moves, followed, size = moves_of(streams), HeadsFollowed(File()), 0
    for at, move in enumerate(moves, start=1):
        followed.moved(*move)
        if data.draw(st.booleans()):
            size = data.draw(st.integers(size, at))
            heads = true_heads(moves, size)
            assert followed.check(heads.as_data()) == heads


@given(streams=st.lists(st.integers(0, 9), min_size=2, max_size=40), data=st.data())
def test_heads_of_any_other_history_are_refused(streams: list[int], data: st.DataObject) -> None:
    moves = moves_of(streams)
    size = data.draw(st.integers(1, len(moves)))
    true = true_heads(moves, size)
    lie = data.draw(
        st.sampled_from(
            [
                # a tail cut, a case deleted, another statement put in its place, and the figures themselves
                true_heads([m for m in moves if m != moves[size - 1]], size - 1).as_data() | {"size": size},
                true_heads([m for m in moves[:size] if m[0] != moves[size - 1][0]], size).as_data() | {"size": size},
                true_heads([*moves[: size - 1], (*moves[size - 1][:2], bytes(32))], size).as_data(),
                true.as_data() | {"count": true.count - 1 if true.count > 1 else 2 if size > 1 else 0},
                true.as_data() | {"root": bytes(32).hex()},
            ]
        )
    )
    replay = HeadsFollowed(File())
    for move in moves:
        replay.moved(*move)
    with pytest.raises(Refused):
        replay.check(lie)


def test_heads_of_a_later_tree_or_one_out_of_reach_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed, "REACH", 10)
    moves, replay = moves_of([0, 1, 2] * 10), HeadsFollowed(File())
    for move in moves:
        replay.moved(*move)
    with pytest.raises(Refused, match="out of reach"):
        replay.check(true_heads(moves, 30).as_data() | {"size": 31})
    with pytest.raises(Refused, match="out of reach"):
        replay.check(true_heads(moves, 19).as_data())
    assert replay.check(true_heads(moves, 20).as_data()).count == 3


@pytest.mark.parametrize("data", [{}, {"size": 1, "count": 1}, {"size": True, "count": 1, "root": "00" * 32}])
def test_what_are_no_heads_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        HeadsFollowed(File()).check(data)
