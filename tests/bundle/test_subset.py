"""Some entries proved together: the root comes out for them at their indexes, and for nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Malformed, Refused
from ledger.tree.merkle import ReadTile, leaf_hash, prove_inclusion, root_of
from ledger.tree.subset import SubsetChecker, prove_subset

LEAVES = [leaf_hash(number.to_bytes(2)) for number in range(600)]


def tiles(size: int) -> ReadTile:
    def read(level: int, index: int, width: int) -> bytes:
        span = 256**level
        wanted = range(index * 256, index * 256 + width)
        return b"".join(root_of(LEAVES[:size][n * span : (n + 1) * span]) if level else LEAVES[n] for n in wanted)

    return read


@st.composite
def subsets(draw: st.DrawFn) -> tuple[int, list[int]]:
    size = draw(st.integers(1, 600))
    return size, sorted(draw(st.sets(st.integers(0, size - 1), max_size=12)))


def root(size: int, indexes: list[int], hashes: list[bytes]) -> bytes:
    checker = SubsetChecker(size, iter(hashes))
    for index in indexes:
        checker.add(index, LEAVES[index])
    return checker.root()


@settings(deadline=None)
@given(subset=subsets(), data=st.data())
def test_it_proves_them_and_no_other_proof_does(subset: tuple[int, list[int]], data: st.DataObject) -> None:
    size, indexes = subset
    hashes = list(prove_subset(indexes, size, tiles(size)))
    signed = root_of(LEAVES[:size])
    assert root(size, indexes, hashes) == signed
    wrong = [[*hashes, bytes(32)]]
    if hashes:
        at = data.draw(st.integers(0, len(hashes) - 1))
        wrong += [hashes[:at] + hashes[at + 1 :], [*hashes[:at], bytes(32), *hashes[at + 1 :]]]
    for other in wrong:
        try:
            assert root(size, indexes, other) != signed
        except Refused:
            continue


def test_of_one_entry_it_is_its_path_and_of_all_there_is_nothing() -> None:
    assert sorted(prove_subset([3], 9, tiles(9))) == sorted(prove_inclusion(3, 9, tiles(9)))
    assert list(prove_subset(range(9), 9, tiles(9))) == []


@pytest.mark.parametrize("indexes", [[1, 1], [2, 1], [-1], [9]])
def test_indexes_rise_and_lie_in_the_tree(indexes: list[int]) -> None:
    with pytest.raises(Malformed):
        list(prove_subset(indexes, 9, tiles(9)))
    with pytest.raises(Refused):
        root(9, indexes, [bytes(32)] * 20)
