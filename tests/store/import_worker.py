"""A process that imports a file until it is done or killed. Run by test_import_kills.py."""

from __future__ import annotations

import sys
from pathlib import Path

from ledger.door.hall import open_ledger
from ledger.exchange import importer


def main() -> None:
    """``import_worker.py DATA FILE SOURCE``: says ``ready`` when it begins."""
    data, file, source = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    importer.CHUNK = 100  # type: ignore[misc]  # many places to die at
    with open_ledger(data) as hall, hall.sequencing():
        print("ready", flush=True)
        importer.import_xes(hall, file, source=source)


if __name__ == "__main__":
    main()
