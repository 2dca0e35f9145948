"""Case heads kept at every size are those of the entries; a changed row is caught; their cost does not grow."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

import ledger.store.heads as kept
from ledger.door.hall import Hall
from ledger.door.heads import keeper
from ledger.errors import Evidence
from ledger.store.heads import NOTHING, HeadKeeper, heads_due
from ledger.tree.checkpoint import Checkpoint
from ledger.tree.heads import Heads, HeadTree, Row, check_head, stream_hash

Rows = dict[str, tuple[int, bytes]]
ReadHeads = Callable[[Hall, int], Rows]


def tree_of(rows: Rows) -> HeadTree:
    tree = HeadTree()
    tree.update(Row(stream_hash(stream), seq, head) for stream, (seq, head) in rows.items())
    return tree


def checkpoint_of(hall: Hall) -> Checkpoint:
    found = hall.publisher.checkpoint()
    assert found is not None
    return found


def sizes_of(hall: Hall) -> list[int]:
    """Around every power of two, and the end."""
    end = checkpoint_of(hall).size
    around = {2**k + d for k in range(1, 13) for d in (-1, 0, 1)}
    return [*sorted(size for size in around if 1 <= size < end), end]


def test_the_heads_at_each_size_follow_from_those_before_and_are_those_of_the_entries(
    many: Hall, heads_at: ReadHeads
) -> None:
    keeping, base = keeper(many), NOTHING
    for size in sizes_of(many):
        base = keeping.advance(base, size, checkpoint_of(many))
        assert base == tree_of(heads_at(many, size)).heads(size)


def test_from_nothing_in_small_steps_they_are_the_same(many: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    size = checkpoint_of(many).size
    whole = keeper(many).advance(NOTHING, size, checkpoint_of(many))
    monkeypatch.setattr(kept, "STEP", 700)
    assert keeper(many).advance(NOTHING, size, checkpoint_of(many)) == whole
    with many.database.use("reader") as connection:
        left = connection.execute("SELECT DISTINCT size FROM ledger.head_tiles WHERE size % 700 = 0").fetchall()
    assert left == []


def test_every_stream_and_its_absence_are_proved(many: Hall, heads_at: ReadHeads) -> None:
    size = checkpoint_of(many).size
    keeping = keeper(many)
    heads, rows = keeping.advance(NOTHING, size, checkpoint_of(many)), heads_at(many, size)
    assert heads.count == len(rows) > 512
    for stream, (seq, head) in rows.items():
        assert check_head(stream, heads, keeping.prove(heads, stream)) == Row(stream_hash(stream), seq, head)
    lowest, *_, highest = sorted(map(stream_hash, rows))
    # The first and last rows may lie very near the ends: names are tried by their hash alone, which is quick.
    nobodies = [f"approval/nobody-{number}" for number in range(2_000)]
    for beyond in (lambda key: key < lowest, lambda key: key > highest):
        names = (f"approval/nobody-{number}" for number in range(20_000_000))
        nobodies.append(next(name for name in names if beyond(stream_hash(name))))
    for stream in nobodies:
        assert check_head(stream, heads, keeping.prove(heads, stream)) is None
    ends = [keeping.prove(heads, stream).places for stream in nobodies[-2:]]
    assert [[place.index for place in places] for places in ends] == [[0], [heads.count - 1]]


@pytest.mark.parametrize(
    "change",
    [
        "content = set_byte(content, 39, (get_byte(content, 39) + 1) % 256)",
        "content = set_byte(content, 71, get_byte(content, 71) # 1)",
        "content = substr(content, 1, 72)",
        "content = substr(content, 73)",
    ],
)
def test_a_changed_row_is_evidence_and_nothing_is_stated_on_it(many: Hall, change: str) -> None:
    keeping, checkpoint = keeper(many), checkpoint_of(many)
    base = keeping.advance(NOTHING, checkpoint.size - 1, checkpoint)
    with many.database.connect("owner") as connection:
        place = f"level = 0 AND index = 1 AND size = {base.size}"
        connection.execute(f"UPDATE ledger.head_tiles SET {change} WHERE {place}".encode())  # noqa: S608  # ours alone
    with pytest.raises(Evidence):
        keeping.advance(base, checkpoint.size, checkpoint)
    keeping.forget([base.size, checkpoint.size])


def test_a_stated_root_that_the_entries_do_not_lead_to_is_evidence_when_its_rows_are_made_again(many: Hall) -> None:
    keeping, checkpoint = keeper(many), checkpoint_of(many)
    true = keeping.advance(NOTHING, checkpoint.size, checkpoint)
    keeping.forget([true.size])
    keeping.restore(true, checkpoint)
    assert keeping.has(true)
    keeping.forget([true.size])
    with pytest.raises(Evidence, match="do not follow from the entries"):
        keeping.restore(Heads(true.size, true.count, bytes(32)), checkpoint)


def test_old_tiles_are_thinned_to_less_than_twice_the_newest(many: Hall) -> None:
    keeping, base, checkpoint = keeper(many), NOTHING, checkpoint_of(many)
    for size in range(100, checkpoint.size, 211):
        base = keeping.advance(base, size, checkpoint)
    keeping.thin()
    with many.database.use("reader") as connection:
        sizes = [n for (n,) in connection.execute("SELECT DISTINCT size FROM ledger.head_tiles ORDER BY 1 DESC")]
    assert sizes[0] >= base.size
    assert all(later >= 2 * earlier for later, earlier in pairwise(sizes))


def tiles_for_one(keeping: HeadKeeper, heads: Heads, stream: str) -> int:
    before = keeping.tiles_read
    keeping.prove(heads, stream)
    return keeping.tiles_read - before


def test_a_proof_reads_no_more_tiles_when_the_log_is_a_hundred_times_as_long(many: Hall, heads_at: ReadHeads) -> None:
    keeping, checkpoint = keeper(many), checkpoint_of(many)
    counted = {}
    for size in (30, checkpoint.size):
        heads = keeping.advance(NOTHING, size, checkpoint)
        streams = [*list(heads_at(many, size))[::7], *(f"approval/nobody-{n}" for n in range(50))]
        counted[heads.size] = max(tiles_for_one(keeping, heads, stream) for stream in streams)
    # One probe, the tile of rows (a second where neighbours lie in two), the rest of the rows' edge, one of hashes.
    assert checkpoint.size > 100 * 30
    assert counted[30] == 2
    assert counted[checkpoint.size] <= 5


def test_keeping_heads_as_the_log_grows_writes_at_most_eleven_rows_for_each_stream_and_statement(many: Hall) -> None:
    keeping, checkpoint, base, stated = keeper(many), checkpoint_of(many), NOTHING, 0
    for size in range(2, checkpoint.size + 1):
        if heads_due(size, base.size, quiet=False):
            base, stated = keeping.advance(base, size, checkpoint), stated + 1
    assert keeping.rows_written <= 12 * base.count + 12 * 12
    assert stated <= 7.3 * checkpoint.size.bit_length()  # 1.1 to the power of 7.3 is 2


@pytest.mark.parametrize(
    ("size", "last", "quiet", "due"),
    [(17, 0, False, True), (16, 0, True, False), (116, 100, False, False), (117, 100, False, True),
     (220, 200, False, False), (221, 200, False, True), (1_099_999, 1_000_000, False, False),
     (1_010_001, 1_000_000, True, True)],
)  # fmt: skip
def test_heads_are_due_when_the_log_grew_by_a_tenth_or_in_a_quiet_hour_by_a_hundredth(
    size: int, last: int, quiet: bool, due: bool
) -> None:
    assert heads_due(size, last, quiet=quiet) is due


def test_heads_by_themselves_never_make_heads_due() -> None:
    assert not any(heads_due(last + 2, last, quiet=True) for last in range(3000))
