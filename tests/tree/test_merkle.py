"""RFC 6962 trees: roots, the growing edge, inclusion and consistency, against a plain recursion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Evidence, Malformed, Refused
from ledger.tree.merkle import (
    EMPTY_ROOT,
    Frontier,
    check_consistency,
    check_inclusion,
    inclusion_root,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    read_frontier,
    root_of,
)

# The Certificate Transparency reference log: eight entries, the root at each size, four of its proofs.
CT_ENTRIES = [
    b"",
    bytes.fromhex("00"),
    bytes.fromhex("10"),
    bytes.fromhex("2021"),
    bytes.fromhex("3031"),
    bytes.fromhex("40414243"),
    bytes.fromhex("5051525354555657"),
    bytes.fromhex("606162636465666768696a6b6c6d6e6f"),
]
CT_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
CT_INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
CT_CONSISTENCY = {
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}

LEAVES = [leaf_hash(f"record {i}".encode()) for i in range(100)]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 §2.1, as written there."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = naive_split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """RFC 6962 §2.1.1, as written there."""
    if len(leaves) == 1:
        return []
    k = naive_split(len(leaves))
    if m < k:
        return [*naive_path(m, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_path(m - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(m: int, leaves: Sequence[bytes], whole: bool = True) -> list[bytes]:
    """RFC 6962 §2.1.2, SUBPROOF as written there."""
    if m == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = naive_split(len(leaves))
    if m <= k:
        return [*naive_consistency(m, leaves[:k], whole), naive_root(leaves[k:])]
    return [*naive_consistency(m - k, leaves[k:], False), naive_root(leaves[:k])]


def naive_split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def flipped(hash_: bytes, bit: int) -> bytes:
    changed = bytearray(hash_)
    changed[bit // 8 % 32] ^= 1 << bit % 8
    return bytes(changed)


def unhex(hashes: Sequence[str]) -> list[bytes]:
    return [bytes.fromhex(h) for h in hashes]


@pytest.mark.parametrize("size", range(9))
def test_the_published_roots(size: int) -> None:
    assert root_of(leaf_hash(entry) for entry in CT_ENTRIES[:size]).hex() == CT_ROOTS[size]


def test_the_published_proofs(rows_of: Callable[..., Any]) -> None:
    rows = rows_of([leaf_hash(entry) for entry in CT_ENTRIES])
    for (index, size), path in CT_INCLUSION.items():
        assert prove_inclusion(index, size, rows) == unhex(path)
        check_inclusion(leaf_hash(CT_ENTRIES[index]), index, size, unhex(path), bytes.fromhex(CT_ROOTS[size]))
    for (old, new), path in CT_CONSISTENCY.items():
        assert prove_consistency(old, new, rows) == unhex(path)
        roots = bytes.fromhex(CT_ROOTS[old]), bytes.fromhex(CT_ROOTS[new])
        check_consistency(old, roots[0], new, roots[1], unhex(path))


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    assert Frontier().root() == EMPTY_ROOT == sha256(b"").digest()


def test_leaves_and_nodes_cannot_be_mistaken_for_each_other() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)
    assert node_hash(left, right) != node_hash(right, left)


@pytest.mark.parametrize("size", range(1, 101))
def test_every_inclusion_proof_holds_and_no_changed_one_does(size: int, rows_of: Callable[..., Any]) -> None:
    rows = rows_of(LEAVES[:size])
    root = naive_root(LEAVES[:size])
    assert rows.frontier.root() == root
    for index in range(size):
        leaf = LEAVES[index]
        path = prove_inclusion(index, size, rows)
        assert path == naive_path(index, LEAVES[:size])
        check_inclusion(leaf, index, size, path, root)
        bad: list[tuple[bytes, int, list[bytes], bytes]] = [
            (flipped(leaf, size), index, path, root),
            (leaf, index, path, flipped(root, size)),
            (leaf, index, [*path, root], root),
            (leaf, index, [leaf, *path], root),
        ]
        if path:
            bad += [(leaf, index, path[1:], root), (leaf, index, path[:-1], root)]
            # Another index of the same tree.
            bad += [(leaf, (index + 1) % size, path, root)]
        for at, hash_ in enumerate(path):
            changed = flipped(hash_, 11 * size + 7 * index + at)
            bad.append((leaf, index, [*path[:at], changed, *path[at + 1 :]], root))
        for leaf_, index_, path_, root_ in bad:
            with pytest.raises(Refused) as refused:
                check_inclusion(leaf_, index_, size, path_, root_)
            assert refused.value.code == "inclusion-not-proven"


@pytest.mark.parametrize("new", range(1, 101))
def test_every_consistency_proof_holds_and_no_changed_one_does(new: int, rows_of: Callable[..., Any]) -> None:
    rows = rows_of(LEAVES[:new])
    new_root = root_of(LEAVES[:new])
    for old in range(1, new + 1):
        old_root = root_of(LEAVES[:old])
        path = prove_consistency(old, new, rows)
        assert path == naive_consistency(old, LEAVES[:new])
        check_consistency(old, old_root, new, new_root, path)
        bad: list[tuple[bytes, bytes, list[bytes]]] = [
            (flipped(old_root, new), new_root, path),
            (old_root, flipped(new_root, new), path),
            (old_root, new_root, [*path, new_root]),
            (old_root, new_root, [old_root, *path]),
        ]
        if path:
            bad += [(old_root, new_root, path[1:]), (old_root, new_root, path[:-1]), (old_root, new_root, [])]
        for at, hash_ in enumerate(path):
            changed = flipped(hash_, 13 * new + 5 * old + at)
            bad.append((old_root, new_root, [*path[:at], changed, *path[at + 1 :]]))
        for old_, new_, path_ in bad:
            with pytest.raises(Refused) as refused:
                check_consistency(old, old_, new, new_, path_)
            assert refused.value.code == "consistency-not-proven"


def test_a_path_of_another_length_is_refused_even_where_the_hashes_meet(rows_of: Callable[..., Any]) -> None:
    rows, root, extra = rows_of(LEAVES[:16]), root_of(LEAVES[:16]), LEAVES[99]
    path = prove_inclusion(0, 16, rows)
    # An inner node is not a leaf, and no tree of 16 leaves has a root above its root.
    for leaf, path_, root_ in (
        (node_hash(LEAVES[0], LEAVES[1]), path[1:], root),
        (LEAVES[0], [*path, extra], node_hash(extra, root)),
        (LEAVES[0], [*path, extra], node_hash(root, extra)),
    ):
        with pytest.raises(Refused):
            check_inclusion(leaf, 0, 16, path_, root_)
    path, old_root = prove_consistency(6, 16, rows), root_of(LEAVES[:6])
    for old_, new_, path_ in (
        (old_root, root_of(LEAVES[:8]), path[:-1]),
        (node_hash(extra, old_root), node_hash(extra, root), [*path, extra]),
        (old_root, node_hash(root, extra), [*path, extra]),
    ):
        with pytest.raises(Refused):
            check_consistency(6, old_, 16, new_, path_)


def test_a_history_with_one_leaf_exchanged_is_not_consistent(rows_of: Callable[..., Any]) -> None:
    forged = [*LEAVES[:20], leaf_hash(b"another"), *LEAVES[21:60]]
    path = prove_consistency(40, 60, rows_of(forged))
    with pytest.raises(Refused):
        check_consistency(40, root_of(LEAVES[:40]), 60, root_of(forged), path)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (0, 0), (6, 5), (-1, 5), (5, 2**63)])
def test_there_is_no_consistency_from_nothing_or_backwards(old: int, new: int) -> None:
    with pytest.raises(Malformed):
        prove_consistency(old, new, lambda *_: b"")
    with pytest.raises(Malformed):
        check_consistency(old, EMPTY_ROOT, new, EMPTY_ROOT, [])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (2**63, 2**63 + 1)])
def test_there_is_no_proof_of_a_leaf_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(Malformed):
        prove_inclusion(index, size, lambda *_: b"")
    with pytest.raises(Malformed):
        check_inclusion(LEAVES[0], index, size, [], LEAVES[0])


def test_a_one_leaf_tree_has_an_empty_path(rows_of: Callable[..., Any]) -> None:
    assert prove_inclusion(0, 1, rows_of(LEAVES[:1])) == []
    check_inclusion(LEAVES[0], 0, 1, [], LEAVES[0])


@pytest.mark.parametrize("path", [[b"short"], [b"x" * 33], [LEAVES[0]] * 65])
def test_a_path_that_no_tree_has_is_refused_before_hashing(path: list[bytes]) -> None:
    with pytest.raises(Malformed):
        check_inclusion(LEAVES[0], 0, 2**62, path, LEAVES[0])
    with pytest.raises(Malformed):
        check_consistency(1, LEAVES[0], 2**62, LEAVES[0], path)


def test_the_greatest_tree_still_checks() -> None:
    path = [bytes([i]) * 32 for i in range(63)]
    root = LEAVES[0]
    for sibling in path:
        root = sha256(b"\1" + root + sibling).digest()
    check_inclusion(LEAVES[0], 0, 2**63 - 1, path, root)
    assert inclusion_root(LEAVES[0], 0, 2**63 - 1, path) == root


def test_a_deep_tree_proves_from_few_tiles_each_read_once(rows_of: Callable[..., Any]) -> None:
    leaves = [leaf_hash(i.to_bytes(4)) for i in range(70_000)]
    rows = rows_of(leaves)
    root = rows.frontier.root()
    for index in (0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999):
        rows.reads.clear()
        check_inclusion(leaves[index], index, 70_000, prove_inclusion(index, 70_000, rows), root)
        assert max(Counter(rows.reads).values()) == 1
        assert len(rows.reads) <= 6
    for old in (1, 255, 256, 65_535, 65_536, 65_537, 69_999, 70_000):
        rows.reads.clear()
        path = prove_consistency(old, 70_000, rows)
        assert len(set(rows.reads)) == len(rows.reads) <= 6
        check_consistency(old, root_of(leaves[:old]), 70_000, root, path)
    assert rows.rows[2, 0] == root_of(leaves[:65_536])
    assert read_frontier(66_000, rows).root() == root_of(leaves[:66_000])


def test_proofs_for_a_past_size_read_only_what_that_size_had(rows_of: Callable[..., Any]) -> None:
    rows = rows_of([leaf_hash(i.to_bytes(4)) for i in range(1_000)])
    prove_inclusion(3, 300, rows)
    prove_consistency(7, 300, rows)
    assert all((300 >> 8 * level) >= index * 256 + width for level, index, width in rows.reads)


def test_a_tile_of_the_wrong_length_is_evidence() -> None:
    with pytest.raises(Evidence) as evidence:
        prove_inclusion(0, 300, lambda level, index, width: bytes(32 * width - 1))
    assert evidence.value.details["index"] in (0, 1)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 700), max_size=6))
def test_a_frontier_grows_alike_in_any_steps(steps: list[int]) -> None:
    leaves = [leaf_hash(i.to_bytes(4)) for i in range(sum(steps))]
    frontier, done, size = Frontier(), [], 0
    for step in steps:
        # Through bytes each time: what is kept between batches is the row, not the object.
        frontier = Frontier.from_bytes(frontier.to_bytes())
        done += frontier.extend(leaves[size : size + step])
        size += step
    assert (frontier.size, frontier.root()) == (size, naive_root(leaves))
    assert done == [(1, i, naive_root(leaves[256 * i : 256 * i + 256])) for i in range(size // 256)]
    assert len(frontier.peaks) == size.bit_count()


def test_extending_names_the_subtrees_of_every_tile_level_it_completes() -> None:
    leaves = [leaf_hash(i.to_bytes(4)) for i in range(65_536 + 300)]
    frontier = Frontier()
    assert frontier.extend(leaves[:65_535])[-1][:2] == (1, 254)
    assert frontier.append(leaves[65_535]) == [
        (1, 255, root_of(leaves[65_280:65_536])),
        (2, 0, root_of(leaves[:65_536])),
    ]
    assert [node[:2] for node in frontier.extend(leaves[65_536:])] == [(1, 256)]


def test_a_refused_batch_changes_nothing() -> None:
    frontier = Frontier()
    frontier.extend(LEAVES[:5])
    before = frontier.to_bytes()
    with pytest.raises(Malformed):
        frontier.extend([*LEAVES[5:9], b"not a hash"])
    assert frontier.to_bytes() == before


def test_no_tree_grows_beyond_the_greatest() -> None:
    full = Frontier.from_bytes((2**63 - 1).to_bytes(8) + bytes(32) * 63)
    with pytest.raises(Malformed):
        full.append(LEAVES[0])
    assert full.size == 2**63 - 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(7),
        (1).to_bytes(8),
        (3).to_bytes(8) + bytes(32),
        bytes(8) + bytes(32),
        (2**63).to_bytes(8) + bytes(32),
    ],
)
def test_bytes_that_no_frontier_writes_are_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        Frontier.from_bytes(data)
