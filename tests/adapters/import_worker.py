"""A process that takes a file of records until it is done or killed. Run by test_kills.py."""

from __future__ import annotations

import sys
from pathlib import Path

from ledger.door.hall import open_ledger
from ledger.exchange.adapters import taking
from ledger.exchange.adapters.reading import json_records


def main() -> None:
    """``import_worker.py DATA FILE SOURCE``: says ``ready`` when it begins."""
    data, file, source = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    taking.CHUNK = 20  # type: ignore[misc]  # many places to die at
    with open_ledger(data) as hall, hall.sequencing():
        print("ready", flush=True)
        taking.take_file(hall, file, json_records(file), kind="queue", source=source)


if __name__ == "__main__":
    main()
