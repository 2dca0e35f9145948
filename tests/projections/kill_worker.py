"""A process that makes the projections again and again until it is killed. Run by test_kills.py."""

from __future__ import annotations

import sys
from pathlib import Path

from ledger.door.hall import open_ledger
from projections.runner import Projector


def main() -> None:
    """``kill_worker.py DATA rebuild|project``: go on until somebody kills us."""
    data, what = Path(sys.argv[1]), sys.argv[2]
    with open_ledger(data) as hall:
        projector = Projector(hall.database)
        print("ready", flush=True)
        while True:
            if what == "rebuild":
                projector.rebuild(batch=60)
                continue
            with hall.database.connect("owner") as owner:
                owner.execute("DROP SCHEMA IF EXISTS projections CASCADE")
            projector.catch_up(batch=20)


if __name__ == "__main__":
    main()
