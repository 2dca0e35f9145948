"""Small real things that the tree's tests share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from ledger.tree.merkle import Frontier


class Rows:
    """Hashes as the database keeps them: one row per leaf and per completed 256**k subtree, never changed."""

    def __init__(self, hashes: Sequence[bytes]) -> None:
        self.rows = {(0, index): leaf for index, leaf in enumerate(hashes)}
        self.reads: list[tuple[int, int, int]] = []
        self.frontier = Frontier()
        for level, index, hash_ in self.frontier.extend(hashes):
            self.rows[level, index] = hash_

    def __call__(self, level: int, index: int, width: int) -> bytes:
        """A tile is ``width`` consecutive rows of its level."""
        self.reads.append((level, index, width))
        return b"".join(self.rows[level, index * 256 + i] for i in range(width))


@pytest.fixture
def rows_of() -> Callable[[Sequence[bytes]], Rows]:
    """Rows for these leaf hashes; the object reads tiles and remembers which were read."""
    return Rows
