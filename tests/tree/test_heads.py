"""Case heads: the rows, their root, the proof of "exactly n" and of absence, and the incremental update."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import Evidence, Malformed, Refused
from ledger.tree.heads import ROW_BYTES, HeadProof, Heads, HeadTree, Place, Row, check_head, check_rows, stream_hash
from ledger.tree.merkle import EMPTY_ROOT, leaf_hash, prove_inclusion, root_of
from ledger.tree.tiles import bundles_for, tiles_for


def row(stream: str, seq: int = 1) -> Row:
    return Row(stream_hash(stream), seq, sha256(f"{stream} {seq}".encode()).digest())


def streams(count: int) -> list[str]:
    return [f"approval/2024-{i:04d}" for i in range(count)]


def tree_of(count: int) -> HeadTree:
    tree = HeadTree()
    tree.update(row(name, 1 + i % 7) for i, name in enumerate(streams(count)))
    return tree


def rebuilt(tree: HeadTree) -> bytes:
    """The root as RFC 6962 has it, from the rows alone."""
    raw = tree.rows
    return root_of(leaf_hash(raw[at : at + ROW_BYTES]) for at in range(0, len(raw), ROW_BYTES))


def test_a_row_is_72_bytes_in_the_stated_order() -> None:
    one = row("approval/1", 258)
    raw = one.to_bytes()
    assert raw == sha256(b"approval/1").digest() + bytes([0, 0, 0, 0, 0, 0, 1, 2]) + one.head
    assert Row.parse(raw) == one
    for wrong in (raw[:-1], raw + b"\0", raw[:32] + bytes(8) + raw[40:], raw[:32] + b"\xff" * 8 + raw[40:]):
        with pytest.raises(Malformed):
            Row.parse(wrong)


def test_exactly_n_and_absence_are_proved_at_every_size() -> None:
    for count in range(40):
        tree = tree_of(count)
        heads = tree.heads(1000)
        for i, name in enumerate(streams(count)):
            assert check_head(name, heads, tree.prove_head(name)) == row(name, 1 + i % 7)
        for i in range(12):
            assert check_head(f"ticket/{i}", heads, tree.prove_head(f"ticket/{i}")) is None


def test_no_hash_and_no_row_of_a_proof_can_be_changed() -> None:
    for count in (1, 2, 3, 7, 8, 33):
        tree = tree_of(count)
        heads = tree.heads(1000)
        for name in (streams(count)[0], "ticket/absent"):
            proof = tree.prove_head(name)
            for n, place in enumerate(proof.places):
                changed = [
                    replace(place, row=replace(place.row, seq=place.row.seq + 1)),
                    replace(place, row=replace(place.row, head=bytes(32))),
                    replace(place, row=replace(place.row, stream_hash=stream_hash(name + "x"))),
                    replace(place, path=(*place.path, bytes(32))),
                    replace(place, index=place.index + 1),
                ]
                for at, hash_ in enumerate(place.path):
                    flipped = hash_[:-1] + bytes([hash_[-1] ^ 1])
                    changed.append(replace(place, path=(*place.path[:at], flipped, *place.path[at + 1 :])))
                for bad in changed:
                    with pytest.raises(Refused):
                        check_head(name, heads, HeadProof((*proof.places[:n], bad, *proof.places[n + 1 :])))


def test_a_stream_that_is_there_cannot_be_shown_as_absent() -> None:
    tree = tree_of(20)
    heads, ordered = tree.heads(1000), sorted(streams(20), key=stream_hash)
    for at, name in enumerate(ordered):
        others = [tree.prove_head(other).places[0] for other in ordered]
        lies = [HeadProof((one,)) for i, one in enumerate(others) if i != at]
        lies += [HeadProof((a, b)) for a in others for b in others if at not in (a.index, b.index)]
        lies += [HeadProof(()), HeadProof((others[at], others[at]))]
        for lie in lies:
            with pytest.raises(Refused):
                check_head(name, heads, lie)


def test_a_stream_that_is_absent_cannot_be_shown_by_rows_that_are_no_neighbours() -> None:
    tree = tree_of(20)
    heads, name = tree.heads(1000), "ticket/absent"
    ordered = sorted(streams(20), key=stream_hash)
    left, right = (place.index for place in tree.prove_head(name).places)
    places = [tree.prove_head(other).places[0] for other in ordered]
    for a, b in ((left - 1, right), (left, right + 1), (right, left), (left, left)):
        with pytest.raises(Refused):
            check_head(name, heads, HeadProof((places[a], places[b])))


def test_a_proof_does_not_hold_for_another_count_or_root() -> None:
    tree = tree_of(9)
    name = streams(9)[4]
    proof, heads = tree.prove_head(name), tree.heads(1000)
    tree.update([row("ticket/new")])
    for other in (tree.heads(1001), replace(heads, root=bytes(32)), replace(heads, count=8), Heads(0, 0, EMPTY_ROOT)):
        with pytest.raises(Refused):
            check_head(name, other, proof)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(st.integers(0, 60), st.integers(1, 3), max_size=25), max_size=6))
def test_the_updated_tree_is_the_tree_built_anew(steps: list[dict[int, int]]) -> None:
    tree, seqs = HeadTree(), dict[int, int]()
    for step in steps:
        for number, more in step.items():
            seqs[number] = seqs.get(number, 0) + more
        tree.update(row(f"s/{number}", seqs[number]) for number in step)
        rows = sorted(row(f"s/{number}", seq).to_bytes() for number, seq in seqs.items())
        assert tree.rows == b"".join(rows)
        assert tree.root() == rebuilt(tree) == HeadTree(tree.rows).root()
        assert tree.count == len(seqs)
        for number in range(0, 61, 7):
            found = check_head(f"s/{number}", tree.heads(10_000), tree.prove_head(f"s/{number}"))
            assert found == (row(f"s/{number}", seqs[number]) if number in seqs else None)


def test_a_changed_head_costs_one_path_however_many_streams_there_are() -> None:
    for count, height in ((100, 7), (1_000, 10), (5_000, 13)):
        tree = tree_of(count)
        assert tree.update([row(streams(count)[17], 99)]) <= height + 1
        assert tree.update([row(streams(count)[17], 99)]) == 0
        assert tree.root() == rebuilt(tree)


def test_a_head_never_goes_back() -> None:
    tree = tree_of(5)
    before = tree.rows, tree.root()
    name = streams(5)[3]
    for later in (row(name, 3), replace(row(name, 4), head=bytes(32))):
        with pytest.raises(Evidence) as found:
            tree.update([row(streams(5)[0], 9), row("ticket/new"), later])
        assert found.value.code == "head-went-back"
    assert (tree.rows, tree.root()) == before


def test_the_rows_are_served_as_tiles_from_which_anyone_makes_the_same_proofs() -> None:
    tree = tree_of(700)
    tiles = {(t.level, t.index): tree.read_tile(t.level, t.index, t.width) for t in tiles_for(700)}
    files = [tree.read_rows(b.index, b.width) for b in bundles_for(700)]
    assert [len(f) for f in files] == [256 * ROW_BYTES, 256 * ROW_BYTES, 188 * ROW_BYTES]
    assert b"".join(files) == tree.rows
    for raw in files:
        check_rows(raw)
    path = prove_inclusion(600, 700, lambda level, index, width: tiles[level, index][: width * 32])
    assert Place(600, Row.parse(tree.rows[600 * ROW_BYTES : 601 * ROW_BYTES]), tuple(path)) in [
        place for name in streams(700) for place in tree.prove_head(name).places
    ]
    for level, index, width in ((0, 3, 1), (0, 0, 257), (1, 0, 3), (2, 0, 1), (0, 0, 0)):
        with pytest.raises(Malformed):
            tree.read_tile(level, index, width)
    with pytest.raises(Malformed):
        tree.read_rows(2, 189)


def test_rows_out_of_order_twice_or_cut_are_refused() -> None:
    raw = tree_of(4).rows
    a, b = raw[:ROW_BYTES], raw[ROW_BYTES : 2 * ROW_BYTES]
    for wrong in (b + a, a + a, raw[:-1], a[:32] + bytes(8) + a[40:]):
        with pytest.raises(Malformed):
            HeadTree(wrong)


def test_what_the_statement_says_reads_back_and_nothing_else_does() -> None:
    heads = tree_of(3).heads(77)
    body = heads.as_data()
    assert Heads.from_data(body) == heads
    wrongs = [body | {"size": 2}, body | {"count": -1}, body | {"root": body["root"].upper()}, body | {"more": 1}]
    wrongs += [body | {"root": "zz" * 32}, body | {"root": "00"}, body | {"count": True}, {}, body | {"count": 0}]
    for wrong in wrongs:
        with pytest.raises(Malformed):
            Heads.from_data(wrong)


def test_a_proof_reads_back_from_json_and_nothing_else_does() -> None:
    proof = tree_of(9).prove_head("ticket/absent")
    body = proof.as_json()
    assert HeadProof.from_json(body) == proof
    place = body["places"][0]
    wrongs = [place | {"index": -1}, place | {"index": True}, place | {"row": "AAAA"}, place | {"more": 1}]
    wrongs += [place | {"path": [1]}, place | {"path": ["A"]}, place | {"path": [place["path"][0]] * 65}, {}, 3]
    for wrong in wrongs:
        with pytest.raises(Malformed):
            HeadProof.from_json({"places": [wrong]})
    for wrong_body in ({}, {"places": [place] * 3}, {"places": {}}, body | {"more": 1}):
        with pytest.raises(Malformed):
            HeadProof.from_json(wrong_body)
