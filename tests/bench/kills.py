"""A thousand kills −9 at random points of append, seal and publish: the permanent test, with a larger number."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.bench.rounds import say, seconds
from tests.bench.stand import Stand
from tests.bench.table import Aim, Row

KILLS = 1000
TEST = Path(__file__).parents[1] / "store" / "test_kills.py"


def rows(stand: Stand) -> Iterator[Row]:
    """The safety row: nothing acknowledged is lost, nothing comes twice."""
    kills = 20 if stand.quick else KILLS
    say(f"  {kills:,} kills, some seconds for ten of them …")
    codes: list[int] = []
    took = seconds(
        lambda: codes.append(
            subprocess.run(
                [sys.executable, "-m", "pytest", "-q", TEST],
                env={**os.environ, "MINGJIAN_KILLS": str(kills)},
                stdout=sys.stderr,
                check=False,
            ).returncode
        )
    )
    failed = 0 if codes == [0] else 1
    yield Row(
        name="kills",
        what=f"{kills:,} kills −9 of append, seal and publish: lost or doubled",
        ours="none" if not failed else "see above",
        rival="–",
        ratio=None,
        aims=(Aim(failed, "at most", 0, "none"),),
        limit=f"took {took:,.0f} s",
    )
