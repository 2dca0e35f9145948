"""A process that appends, seals and publishes until it is killed; prints each acknowledged id. Run by test_kills.py."""

from __future__ import annotations

import sys
from pathlib import Path

from ledger.door.door import Wish
from ledger.door.hall import open_ledger
from ledger.statement import instant_text
from ledger.store.sequencer import now_us


def main() -> None:
    """``kill_worker.py DATA RUN``: go on until somebody kills us."""
    data, run = Path(sys.argv[1]), sys.argv[2]
    with open_ledger(data) as hall, hall.sequencing():
        key = hall.source_key("k")
        print("ready", flush=True)
        for number in range(100_000):
            wishes = [
                Wish(
                    actor="source/k",
                    role="source_adapter",
                    stream=f"imported/k/{run}-{number}-{part}",
                    type="imported.case.v1",
                    at=instant_text(now_us()),
                    request=f"{run}-{number}-{part}",
                    values={"case_no": number, "rest": {"n": number}},
                )
                for part in range(1 + number % 7)
            ]
            for outcome in hall.door.submit_all(wishes, key):
                print(outcome.id.hex(), flush=True)


if __name__ == "__main__":
    main()
