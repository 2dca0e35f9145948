"""``make bench``: the speed table, rivals beside ours, both sides alternating in one run.

    python -m tests.bench [--quick] [--rows NAME…] [--kills] [--json FILE] [--write FILE.md] [--disk DIR]

Progress goes to standard error, the table to standard output. ``--write`` replaces the table between the markers of a
Markdown file. A row that cannot be measured is named with its reason, and the others go on; the run then ends with 1.
A missed aim is not an error: it is what the table is for.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import traceback
from pathlib import Path

from tests.bench import table
from tests.bench.rounds import say
from tests.bench.stand import Stand

# In the order of the list of aims; each is a module with ``rows(stand)``.
FAMILIES = (
    "append",
    "bulk",
    "statements",
    "receipt",
    "derived",
    "audit",
    "reads",
    "imports",
    "ocel",
    "anomalies",
    "camera",
)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="The speed table.")
    parser.add_argument("--quick", action="store_true", help="small numbers and three rounds: does it run at all")
    parser.add_argument("--rows", nargs="+", metavar="NAME", choices=FAMILIES, help=", ".join(FAMILIES))
    parser.add_argument("--kills", action="store_true", help="also a thousand kills (takes long)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there too")
    parser.add_argument("--write", type=Path, metavar="FILE.md", help="put the table between its markers")
    parser.add_argument("--disk", type=Path, metavar="DIR", help="a folder on the disk to measure")
    options = parser.parse_args()

    names = [name for name in FAMILIES if options.rows is None or name in options.rows]
    found: list[table.Row] = []
    failed: list[str] = []
    began = time.monotonic()
    with Stand(quick=options.quick, disk=options.disk) as stand:
        for name in names + ["kills"] * options.kills:
            say(f"{name} …")
            try:
                for row in importlib.import_module(f"tests.bench.{name}").rows(stand):
                    found.append(row)
                    say("  " + " · ".join(row.cells[:-1]))
            except Exception as error:  # one row that fails must not cost the others
                traceback.print_exc(file=sys.stderr)
                failed.append(f"{name}: not measured: {error}")
    say(f"{time.monotonic() - began:.0f} s in all")

    print(table.as_text(found))
    for line in failed:
        print(line)
    if options.json:
        content = {"machine": table.machine(), "quick": options.quick, "rows": [row.as_json() for row in found]}
        options.json.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    if options.write:
        command = "make bench" if sys.argv[1:] == ["--write", str(options.write)] else "python -m tests.bench"
        table.write_block(options.write, table.as_markdown(found, command))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
